"""A web server of this machine that serves a folder, and misbehaves as it is told."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from tests.ports import free_port


@dataclass
class Behaviour:
    """What the server does to the next requests of a file, by its name.

    Args:
        drops: connections that are cut in the middle of the file.
        refusals: answers other than the file.
        whole: requests that were served to their end, counted by name.
        asked: requests, counted by name.
        lives: requests that are answered at all; after them the server is gone.
    """

    drops: Counter[str] = field(default_factory=Counter)
    refusals: dict[str, list[int]] = field(default_factory=dict)
    whole: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    lives: int = 10**9
    address: str = ""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, behaviour: Behaviour, directory: str) -> None:
        self.behaviour = behaviour
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name, told = unquote(self.path).rpartition("/")[2].partition("?")[0], self.behaviour
        told.asked[name] += 1
        told.lives -= 1
        if told.lives < 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif told.refusals.get(name):
            self.send_error(told.refusals[name].pop(0))
        elif told.drops[name]:
            told.drops[name] -= 1
            self._send_half(Path(self.translate_path(self.path)).read_bytes())
        else:
            super().do_GET()
            told.whole[name] += 1

    def _send_half(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nobody listens."""


@contextmanager
def serving(folder: Path) -> Iterator[Behaviour]:
    """Serve a folder at `Behaviour.address` until the block ends."""
    behaviour = Behaviour()
    handler = partial(_Handler, behaviour=behaviour, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    behaviour.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield behaviour
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nobody() -> str:
    """An address of this machine at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
