"""Where blocks of clips are worked on: this process, or several local worker processes.

Decoding in one worker overlaps with inference in another. A worker that dies (a decoder's segmentation
fault, the out-of-memory killer) costs one block's time and one clip's row, never the run: the clips it was at
are tried again one by one, each in a process of its own, and the one that kills twice gets a status.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from extraction.extractor import Clip, Extractor, Outcome
from summer.corpus import Status

BLOCKS_AHEAD = 2  # blocks waiting per worker, so that none is idle while results are written
PROGRAM_ERRORS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Clips worked on and written together: rows [first_row, last_row] of the corpus, or some of these."""

    rows: tuple[int, ...]
    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """Outcomes of a block, one a clip; or the error that the program, not the clip, is to blame for."""

    block: Block
    outcomes: Sequence[Outcome] = ()
    error: str = ""


class Engine(Protocol):
    """Runs an extractor over blocks and yields each result as it is done, in any order."""

    def run(self, extractor: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]: ...


@dataclass(frozen=True, slots=True)
class InProcess:
    """The engine for debugging and for models that want the whole machine to themselves."""

    def run(self, extractor: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]:
        """Work through the blocks one after the other."""
        for block in blocks:
            yield BlockResult(block=block, outcomes=extractor(block.clips))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProcesses:
    """Worker processes on this machine.

    Args:
        workers: how many processes, at least 1.
        threads: threads each may use for inference.
    """

    workers: int
    threads: int

    def run(self, extractor: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]:
        """Work through the blocks side by side; a dead worker's blocks are done again clip by clip."""
        waiting = iter(blocks)
        while True:
            lost: list[Block] = []
            yield from self._until_a_worker_dies(extractor, waiting, lost)
            if not lost:
                return
            for block in lost:
                yield self._clip_by_clip(extractor, block)

    def _until_a_worker_dies(
        self, extractor: Extractor, waiting: Iterator[Block], lost: list[Block]
    ) -> Iterator[BlockResult]:
        under_way: dict[Future[Sequence[Outcome]], Block] = {}
        with self._pool(extractor, self.workers) as pool:
            while not lost:
                for block in islice(waiting, BLOCKS_AHEAD * self.workers - len(under_way)):
                    try:
                        under_way[pool.submit(_extract, block.clips)] = block
                    except BrokenProcessPool:
                        lost.append(block)
                        break
                if not under_way:
                    return
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    block = under_way.pop(future)
                    result = _result(block, future)
                    if result is None:
                        lost.append(block)
                    else:
                        yield result
            for future, block in under_way.items():
                result = _result(block, future)
                if result is None:
                    lost.append(block)
                else:
                    yield result

    def _clip_by_clip(self, extractor: Extractor, block: Block) -> BlockResult:
        """Give each clip of a lost block a process of its own, so that only the culprit is lost."""
        outcomes: list[Outcome] = []
        for clip in block.clips:
            with self._pool(extractor, 1) as pool:
                single = Block(rows=(0,), clips=(clip,))
                result = _result(single, pool.submit(_extract, single.clips))
            if result is None:
                outcomes.append(_killer(clip))
            elif result.error:
                return BlockResult(block=block, error=result.error)
            else:
                outcomes.extend(result.outcomes)
        return BlockResult(block=block, outcomes=outcomes)

    def _pool(self, extractor: Extractor, workers: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            max_workers=workers,
            mp_context=multiprocessing.get_context("spawn"),  # CUDA and threads do not survive a fork
            initializer=_start_worker,
            initargs=(extractor, self.threads),
        )


def stop_workers_at_once() -> None:
    """End all worker processes without waiting for what they are at."""
    for child in multiprocessing.active_children():
        child.kill()


def _result(block: Block, future: Future[Sequence[Outcome]]) -> BlockResult | None:
    """The block's result, or None if its worker died."""
    try:
        return BlockResult(block=block, outcomes=future.result())
    except BrokenProcessPool:
        return None
    except PROGRAM_ERRORS as error:
        return BlockResult(block=block, error=f"{type(error).__name__}: {error}")


def _killer(clip: Clip) -> Outcome:
    reason = "the worker process died twice on this clip (decoder crash, or out of memory); inspect the file"
    return Outcome(status=Status.CORRUPT, reason=f"{reason}. {clip.remark}".rstrip(". "))


_extractor: Extractor | None = None  # the worker process' own copy, made once


def _start_worker(extractor: Extractor, threads: int) -> None:
    global _extractor
    _extractor = extractor
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides how to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)


def _end_with_parent() -> None:
    """Workers of a killed main process would wait for ever; end with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _extract(clips: Sequence[Clip]) -> Sequence[Outcome]:
    if _extractor is None:
        raise RuntimeError("this process was not started as a worker")
    return _extractor(clips)
