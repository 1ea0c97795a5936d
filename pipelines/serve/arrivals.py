"""The way in: a file is put to the address of a talk, and written into its folder as it comes.

Gradio's own uploads are not used: its folder is one for all sessions, named by content, it tells the page
absolute paths, and what is broken off stays. Here size and room are looked at before a byte is read and again
with each one, and what is refused or broken off is removed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines.serve.limits import Limits, size_told
from pipelines.serve.messages import FULL, GONE, NO_SPACE, Refused
from pipelines.serve.talks import KINDS, Kind, Talk, Talks

UNFIT_FOR_A_NAME = re.compile(r"[\x00-\x1f\x7f/\\<>]+")
MOST_NAME_BYTES = 120  # a file system takes 255, and other names are made of it
TOO_LARGE, NO_ROOM = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE


class NotTaken(Refused):
    """A file that is refused, with the status of HTTP that says so."""

    def __init__(self, message: str, status: HTTPStatus) -> None:
        super().__init__(message)
        self.status = status


def arrival_routes(talks: Talks) -> list[Route]:
    """PUT and DELETE of `/talks/TOKEN/recording` and `/talks/TOKEN/transcript`."""

    async def give(request: Request) -> Response:
        try:
            talk, kind = _talk_and_kind(request, talks)
            path = await _received(request, talk, kind, talks)
        except NotTaken as refused:
            return JSONResponse({"error": str(refused)}, refused.status)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, HTTPStatus.GONE)
        return JSONResponse({"name": path.name, "size": size_told(path.stat().st_size)})

    async def take_back(request: Request) -> Response:
        try:
            talk, kind = _talk_and_kind(request, talks)
            _check_not_read(talk)
        except NotTaken as refused:
            return JSONResponse({"error": str(refused)}, refused.status)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, HTTPStatus.GONE)
        talk.drop(kind)
        return JSONResponse({})

    return [
        Route(f"/talks/{{token}}/{kind}", handler, methods=[method], name=f"{method} {kind}")
        for kind in KINDS
        for method, handler in (("PUT", give), ("DELETE", take_back))
    ]


def fit_name(name: str, kind: Kind) -> str:
    """A name that the user gave as one that a file can have, as much like it as may be."""
    last = re.split(r"[/\\]", name)[-1]
    words = UNFIT_FOR_A_NAME.sub("", last).strip().lstrip(".")
    path = Path(words or kind)
    stem, suffix = path.stem, path.suffix[:16]
    room = MOST_NAME_BYTES - len(suffix.encode("utf-8", "replace"))
    return stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore") + suffix


def _talk_and_kind(request: Request, talks: Talks) -> tuple[Talk, Kind]:
    kind = next(kind for kind in KINDS if request.url.path.endswith(kind))
    return talks.of_token(request.path_params["token"]), kind


def _check_not_read(talk: Talk) -> None:
    if talk.is_read:
        raise NotTaken(
            "what you gave before is being read; wait for it, or load the page anew to stop it",
            HTTPStatus.CONFLICT,
        )


async def _received(request: Request, talk: Talk, kind: Kind, talks: Talks) -> Path:
    """Write the body aside, then give it its name.

    Raises:
        NotTaken: too large, empty, no room, or being read.
        Refused: the talk is gone.
        ClientDisconnect: the sender broke off.
    """
    _check_not_read(talk)
    talks.check_room(talk)
    name = fit_name(request.query_params.get("name", ""), kind)
    limits = talks.limits
    most = limits.most_bytes if kind == "recording" else min(limits.most_bytes, limits.most_transcript_bytes)
    promised = int(request.headers.get("content-length") or 0)
    _check_size(promised, name, most)
    place = talk.place_for(kind, name)
    _check_free(place.parent, promised, limits)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".arriving-", delete=False) as aside:
        arriving = Path(aside.name)
    try:
        await _write(request.stream(), arriving, talk, name, most)
        _check_not_read(talk)
        arriving.rename(place)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise NotTaken(FULL, NO_ROOM) from error
        if talk.is_closed:
            raise Refused(GONE) from error
        raise
    finally:
        arriving.unlink(missing_ok=True)
        if talk.is_closed:
            shutil.rmtree(talk.folder, ignore_errors=True)
    talk.take(kind, place)
    return place


async def _write(chunks: AsyncIterator[bytes], arriving: Path, talk: Talk, name: str, most: int) -> None:
    size = 0
    with arriving.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            _check_size(size, name, most)
            if talk.is_closed:
                raise Refused(GONE)
            file.write(chunk)
    if not size:
        raise NotTaken(f"{name} is empty; give another file", HTTPStatus.BAD_REQUEST)


def _check_size(size: int, name: str, most: int) -> None:
    if size > most:
        raise NotTaken(
            f"{name} is too large: this server takes at most {size_told(most)}; cut it, or save it smaller",
            TOO_LARGE,
        )


def _check_free(folder: Path, needed: int, limits: Limits) -> None:
    if shutil.disk_usage(folder).free < needed + limits.reserved_bytes:
        raise NotTaken(FULL, NO_ROOM)
