"""One `summer-serve` command, carried out: folder, process that predicts, line, page; then a wait."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.console import INTERRUPTED, clean_stop
from pipelines.serve.command import ServeOrder
from pipelines.serve.home import new_home
from pipelines.serve.limits import BYTES_PER_MEGABYTE, SECONDS_PER_MINUTE, Limits
from pipelines.serve.line import Line, Predicts
from pipelines.serve.predictor import Predictor
from pipelines.serve.questions import Setting
from pipelines.serve.talks import Talks

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

FAILED = 1
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_SWEEPS = 20.0
SECONDS_TO_END = 2  # for those who are sent something


def carry_out(order: ServeOrder) -> int:
    """Serve until it is stopped.

    Returns:
        The exit status: 1 the server failed, 130 interrupted.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    check_extra()
    limits = limits_of(order)
    with (
        clean_stop(lambda: None) as should_stop,
        listening(order.host, order.port) as door,
        new_home() as home,
        Predictor(setting_of(order, limits), work_seconds=limits.work_seconds) as predictor,
        served(door, home, limits, predictor, hears=order.asr) as server,
    ):
        typer.echo(f"{address(door)}  (Ctrl-C ends it)")
        while not should_stop() and server.is_alive():
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return INTERRUPTED if should_stop() else FAILED


def check_extra() -> None:
    """Refuse to begin without Gradio.

    Raises:
        ValueError: it is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError(
            "the page needs Gradio, which is not installed; install it with pip install 'summer-merc[serve]'"
        )


def limits_of(order: ServeOrder) -> Limits:
    """What one user may ask for."""
    return Limits(
        most_bytes=order.most_megabytes * BYTES_PER_MEGABYTE,
        most_seconds=order.most_minutes * SECONDS_PER_MINUTE,
        most_waiting=order.most_waiting,
    )


def setting_of(order: ServeOrder, limits: Limits) -> Setting:
    """What the process that predicts is started with."""
    return Setting(
        run=order.run.absolute(),
        device=order.device,
        workers=order.workers,
        asr_model=order.asr_model if order.asr else None,
        guesses_speakers=order.guess_speakers,
        most_seconds=limits.most_seconds,
        most_lines=limits.most_lines,
    )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket, before anything else is begun.

    Raises:
        ValueError: the address is another machine's, or taken.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, protocol)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(place)
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host}, port {port}: {error.strerror}; give another --port, or --host"
        ) from error
    with door:
        yield door


def address(door: socket.socket) -> str:
    """What is typed into a browser on this machine."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextmanager
def served(
    door: socket.socket, home: Path, limits: Limits, predictor: Predicts, *, hears: bool
) -> Iterator[threading.Thread]:
    """The page is there as long as this lasts; the thread that serves it.

    Raises:
        ValueError: it does not come up.
    """
    talks = Talks(home / "talks", limits)
    line = Line(predictor, talks)
    ended = threading.Event()
    make = partial(application, talks, line, home=home, hears=hears)
    server = _server(asyncio.run(_inside_a_loop(make)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, name="server", daemon=True)
    sweeping = threading.Thread(target=_sweep, args=(talks, ended), name="sweeping", daemon=True)
    try:
        sweeping.start()
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise ValueError("the server does not come up; its own message stands above")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        yield thread
    finally:
        ended.set()
        line.close()
        server.should_exit = True
        if thread.ident is not None:
            thread.join()
        talks.close_all()


async def _inside_a_loop(make: Callable[[], FastAPI]) -> FastAPI:
    """Outside of one, Gradio begins an event loop for each of its locks, and ends none."""
    return make()


def application(talks: Talks, line: Line, *, home: Path, hears: bool) -> FastAPI:
    """Page, ways in and out, as one application."""
    os.environ.update(  # before it is imported, for it makes a folder at once
        GRADIO_TEMP_DIR=str(home / "gradio"), GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1"
    )
    import gradio as gr
    from fastapi import FastAPI

    from pipelines.serve.arrivals import arrival_routes
    from pipelines.serve.page import look, page
    from pipelines.serve.results import result_routes

    outer = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    outer.router.routes += [*arrival_routes(talks), *result_routes(talks)]
    whole: FastAPI = gr.mount_gradio_app(
        outer,
        page(talks, line, hears=hears),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size=1,
        **look(),
    )
    return whole


def _server(app: FastAPI) -> uvicorn.Server:
    import uvicorn

    from pipelines.serve.doors import Doors

    return uvicorn.Server(
        uvicorn.Config(
            Doors(app), log_level="warning", access_log=False, timeout_graceful_shutdown=SECONDS_TO_END
        )
    )


def _sweep(talks: Talks, ended: threading.Event) -> None:
    while not ended.wait(SECONDS_BETWEEN_SWEEPS):
        talks.close_unused()
