"""Several processes that train one model: one batch in shares, one decision, one that writes.

`accelerate launch` and `torchrun` start them; each has a device of its own. What could set them apart is
decided once: whether to stop, what a score is, whether a file is there. An error that one of them meets is
raised by all, because those that went on would wait for the one that did not.

Decisions go from host to host (gloo) also where gradients go from GPU to GPU, so that no step waits for a
device. With one process everything here is what it would be without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor
from torch import distributed as dist

from summer.sharing import Sharing

Made = TypeVar("Made")
Shared = TypeVar("Shared")
RAISED_BY_ALL = "every process of the training raises this"


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a training, as one of them sees them.

    Args:
        count: how many there are.
        index: which one this is, from 0.
    """

    count: int
    index: int

    @property
    def is_main(self) -> bool:
        """Tell whether this is the one that speaks, scores and writes."""
        return self.index == 0

    @property
    def sharing(self) -> Sharing | None:
        """How shares of a batch come together; None where one process has the whole."""
        if self.count == 1:
            return None
        return Sharing(processes=self.count, index=self.index, add_up=_added_up, gather=_gathered)

    def share_of(self, dialogues: Sequence[Shared]) -> Sequence[Shared]:
        """This process's of a batch; of batches sorted by length all get about the same; none may be left."""
        return dialogues[self.index :: self.count]

    def mean(self, values: Tensor) -> Tensor:
        """Mean over processes of a tensor that each has."""
        return values if self.count == 1 else _added_up(values) / self.count

    def any(self, flag: bool) -> bool:
        """Tell whether any process says so; all hear the same."""
        if self.count == 1:
            return flag
        said = torch.tensor(int(flag))
        dist.all_reduce(said, op=dist.ReduceOp.MAX, group=_between_hosts())
        return bool(said)

    def by_main(self, work: Callable[[], Made]) -> Made:
        """Let the main process do something; all get what it made, or raise what it raised.

        Raises:
            ValueError: what `work` raised. Anything else is a bug, ends the main process and with it all.
        """
        if self.count == 1:
            return work()
        told: list[tuple[Made | None, ValueError | None]] = [
            _attempted(work) if self.is_main else (None, None)
        ]
        dist.broadcast_object_list(told, src=0, group=_between_hosts())
        made, error = told[0]
        if error is not None:
            raise _marked(error)
        return made  # type: ignore[return-value]  # without an error it was made

    def together(self, work: Callable[[], Made]) -> Made:
        """Do something in every process; where one fails all raise, those that did not fail the first error.

        Raises:
            ValueError: what `work` raised here, or in another process.
        """
        if self.count == 1:
            return work()
        made, error = _attempted(work)
        errors: list[ValueError | None] = [None] * self.count
        dist.all_gather_object(errors, error, group=_between_hosts())
        first = error or next((other for other in errors if other is not None), None)
        if first is not None:
            raise _marked(first)
        return made  # type: ignore[return-value]  # without an error it was made


def processes_of(accelerator: Accelerator) -> Processes:
    """The processes that an accelerator knows of."""
    return Processes(count=accelerator.num_processes, index=accelerator.process_index)


@contextmanager
def alike() -> Iterator[None]:
    """Mark errors of the block as raised by all: what it reads is the same in every process."""
    try:
        yield
    except ValueError as error:
        _marked(error)
        raise


def is_raised_by_all(error: ValueError) -> bool:
    """Tell whether the other processes raise it as well, so that one of them is enough to show it."""
    return RAISED_BY_ALL in getattr(error, "__notes__", ())


def part() -> None:
    """Leave the other processes, at the end of a program, when all are done."""
    if dist.is_initialized():
        dist.destroy_process_group()
        _between_hosts.cache_clear()


def _marked(error: ValueError) -> ValueError:
    if not is_raised_by_all(error):
        error.add_note(RAISED_BY_ALL)
    return error


def _attempted(work: Callable[[], Made]) -> tuple[Made | None, ValueError | None]:
    try:
        return work(), None
    except ValueError as error:
        return None, error


def _added_up(values: Tensor) -> Tensor:
    total = values.detach().clone()
    dist.all_reduce(total)
    return total


def _gathered(rows: Tensor) -> list[Tensor]:
    """The rows of every process; each is padded to the most that one has, for all must send as many."""
    own = torch.tensor([len(rows)])
    counts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own, group=_between_hosts())
    most = max(int(count) for count in counts)
    padded = torch.cat([rows.detach(), rows.new_zeros(most - len(rows), *rows.shape[1:])])
    sent = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(sent, padded)
    return [part[: int(count)] for part, count in zip(sent, counts, strict=True)]


@cache
def _between_hosts() -> dist.ProcessGroup | None:
    """The group of all processes for what lies in host memory; None is the one that there is already."""
    return None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
