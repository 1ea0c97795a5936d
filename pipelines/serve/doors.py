"""Which addresses there are: those that the page asks for, and no other of the many that Gradio has.

Gradio can fetch other sites on behalf of a browser (`proxy=`, `file=http...`), keeps uploads in one folder
for all, and answers calls that wait in no line. Nothing of the page needs these, so they are not there.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/gradio_api"
READ = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"
    r"|/(assets|static|svelte)/.+"
    rf"|{API}/(app_id|startup-events|theme\.css|queue/data|heartbeat/\w+)"
)
WRITTEN = re.compile(rf"{API}/(queue/join|cancel|reset)/?")
TALKS = re.compile(r"/talks/[\w-]+/[\w.]+")
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}


class Doors:
    """An application of which only some addresses can be reached."""

    def __init__(self, inside: ASGIApp) -> None:
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is known, and say of all else that it is not there."""
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
        elif scope["type"] == "http" and is_open(scope["method"], scope["path"]):
            await self._inside(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            await PlainTextResponse("there is nothing here", HTTPStatus.NOT_FOUND)(scope, receive, send)


def is_open(method: str, path: str) -> bool:
    """Tell whether an address is one of those that the page asks for."""
    if TALKS.fullmatch(path):
        return method in ("GET", "HEAD", "PUT", "DELETE")
    return bool((READ if method in ("GET", "HEAD") else WRITTEN).fullmatch(path))


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
