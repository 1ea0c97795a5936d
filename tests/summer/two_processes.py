"""A function in two processes that know of each other, as a launcher would start them; a hang is a failure.

They are forked from a server that has torch loaded, so that each costs a moment. What they return comes back
pickled; what one raises is raised here.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from tests.ports import free_port

COUNT = 2
SECONDS = 90.0  # far more than any takes; the group itself would wait for half an hour
# torch._dynamo is what Adam imports when it is first made: five seconds
LOADED = ("tests.conftest", "torch._dynamo", "tests.summer.training.test_two_processes", "pipelines.recipe")


@dataclass(frozen=True, slots=True)
class Raised:
    """An error that a process ended with."""

    error: Exception


def in_two_processes(work: Callable[[int], Any], *, seconds: float = SECONDS) -> list[Any]:
    """Call `work` with 0 and with 1, each in a process of its own.

    Args:
        work: can be pickled; what it returns too.

    Returns:
        What each returned; a `Raised` for a `ValueError` or a stop.

    Raises:
        AssertionError: one died, or was not done in time: then both are killed.
    """
    port, deadline = free_port(), time.monotonic() + seconds
    pipes = [_context().Pipe(duplex=False) for _ in range(COUNT)]
    processes = [
        _context().Process(target=_work, args=(work, index, port, pipe[1]))
        for index, pipe in enumerate(pipes)
    ]
    for process, pipe in zip(processes, pipes, strict=True):
        process.start()
        pipe[1].close()
    try:
        return [_received(pipe[0], deadline, index) for index, pipe in enumerate(pipes)]
    finally:
        _end(processes)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


def _received(pipe: Connection, deadline: float, index: int) -> Any:
    assert pipe.poll(max(0.0, deadline - time.monotonic())), f"process {index} hangs"
    try:
        done, told = pickle.loads(pipe.recv_bytes())
    except EOFError:
        raise AssertionError(f"process {index} died") from None
    assert done, f"process {index}:\n{told}"
    return told


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.join(timeout=1)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def _work(work: Callable[[int], Any], index: int, port: int, pipe: Connection) -> None:
    os.environ.update(
        RANK=str(index),
        LOCAL_RANK=str(index),
        WORLD_SIZE=str(COUNT),
        LOCAL_WORLD_SIZE=str(COUNT),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    pipe.send_bytes(pickle.dumps(_attempted(work, index)))
    pipe.close()


def _attempted(work: Callable[[int], Any], index: int) -> tuple[bool, Any]:
    from summer.training.history import Stopped

    try:
        return True, work(index)
    except (ValueError, Stopped) as error:
        return True, Raised(error)
    except Exception:  # noqa: BLE001 (told to the test, which fails)
        return False, traceback.format_exc()
