"""The way out: page, recording and timelines of a talk, at addresses that only its own page is told.

They are shown as files of strangers are: in a sandbox of the browser, of the type that their name has, and
kept by no cache. The page is of this program, but holds words, names and pictures of the user.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipelines.serve.messages import Refused
from pipelines.serve.questions import FILM
from pipelines.serve.talks import Talk, Talks

PAGE = "conversation.html"
DOWNLOADS = {
    "timeline.csv": "text/csv; charset=utf-8",
    "timeline.json": "application/json",
    "timeline.vtt": "text/vtt; charset=utf-8",
}
GUARDED = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox allow-scripts",
    "X-Content-Type-Options": "nosniff",
}


def result_routes(talks: Talks) -> list[Route]:
    """GET of `/talks/TOKEN/` and the page, the recording, or a timeline."""

    async def page(request: Request) -> Response:
        return _sent(request, talks, lambda talk: talk.out / PAGE, kind="text/html; charset=utf-8")

    async def film(request: Request) -> Response:
        return _sent(request, talks, lambda talk: talk.given.get("recording"), kind=None)

    async def download(request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return _sent(request, talks, lambda talk: talk.out / name, kind=DOWNLOADS[name], attached=True)

    handlers = {PAGE: page, FILM: film, **dict.fromkeys(DOWNLOADS, download)}
    return [Route(f"/talks/{{token}}/{name}", handler, methods=["GET"]) for name, handler in handlers.items()]


def _sent(
    request: Request,
    talks: Talks,
    place: Callable[[Talk], Path | None],
    *,
    kind: str | None,
    attached: bool = False,
) -> Response:
    """A file of the talk, or that it is gone.

    Args:
        kind: the media type; None: a picture or sound, as the name says.
        attached: to be kept by the browser, under a name made of the recording's.
    """
    try:
        talk = talks.of_token(request.path_params["token"])
    except Refused as refused:
        return PlainTextResponse(str(refused), HTTPStatus.NOT_FOUND, GUARDED)
    path = place(talk)
    if path is None or not path.is_file():
        return PlainTextResponse("there is nothing here yet", HTTPStatus.NOT_FOUND, GUARDED)
    return FileResponse(
        path,
        headers=GUARDED,
        media_type=kind or _film_type(path),
        filename=f"{_stem(talk)}-{path.name}" if attached else None,
    )


def _film_type(path: Path) -> str:
    guessed = mimetypes.guess_type(path.name)[0] or ""
    return guessed if guessed.startswith(("video/", "audio/")) else "application/octet-stream"


def _stem(talk: Talk) -> str:
    named = talk.given.get("recording") or talk.given.get("transcript")
    return named.stem if named else "conversation"
