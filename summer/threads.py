"""How many threads a process computes with: by the size of the work, unless somebody said it.

Threads of a small product wait for one another longer than they compute, and on a machine with other work
each step waits for the one that is not let in: the shipped demo trained in 120 s with as many threads as
cores, in 9 s with one, losses equal. So

    what was said                  `--threads N`, or OMP_NUM_THREADS in the environment
    else, below 20 million weights one
    else                           a thread a core, or this process's share of the cores

Twenty million is between what was measured: on two idle cores a step of a student of 18 million weights was
slower on two threads than on one, of 61 million 1.2 times faster; on busy ones a step of 1 or 6 million
took 7 or 23 times as long (docs/performance.md). A text encoder of 30 million, whose products are larger,
has all. `python -m tests.bench.threads` shows where a machine has its own limit. The rule looks at the
model and at the cores, never at the clock: the same command on the same machine takes the same number, and
so do a run and its resumption. Sums are rounded otherwise by another number of threads; which one a
training had stands beside the times of its epochs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.nn import Module  # whoever has a model has loaded it

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # read by torch and numpy when they are loaded
AT_MOST = "SUMMER_MOST_THREADS"  # what one of several processes of a command may take
LARGE_PARAMETERS = 20_000_000


class ThreadsError(ValueError):
    """A number of threads that cannot be."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def said() -> int | None:
    """How many threads the user asked for; None: it is left to the rule.

    Raises:
        ThreadsError: the environment says something that is no number of threads.
    """
    text = os.environ.get(VARIABLES[0], "").partition(",")[0].strip()  # OpenMP has one number a nested level
    if not text:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ThreadsError(f"{VARIABLES[0]} is {text!r}; set it to 1 or more, or unset it")
    return int(text)


def ask_for(threads: int | None) -> None:
    """Take what was typed as `--threads`, for this process and those that it starts; None: nothing was."""
    if threads is not None:
        os.environ[VARIABLES[0]] = str(threads)
        use(threads)


def threads_for(parameters: int) -> int:
    """How many threads a model of so many weights is trained with."""
    asked = said()
    if asked is not None:
        return asked
    return 1 if parameters < LARGE_PARAMETERS else at_most()


def at_most() -> int:
    """All cores, or this process's share of them."""
    return int(os.environ.get(AT_MOST, cores()))


def share(processes: int) -> int:
    """The threads of each of several processes side by side."""
    return said() or max(1, cores() // max(1, processes))


def use(threads: int) -> None:
    """Compute with so many threads from now on, also in libraries that are loaded later."""
    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))
    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads in the block."""
    torch = sys.modules["torch"]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def computing_for(model: Module) -> AbstractContextManager[None]:
    """Let torch compute in the block with as many threads as suit a model of this size."""
    return computing_with(threads_for(sum(parameter.numel() for parameter in model.parameters())))


def in_use() -> int:
    """How many threads torch computes with here."""
    return int(sys.modules["torch"].get_num_threads())
