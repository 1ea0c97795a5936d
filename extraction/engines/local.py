"""Where blocks of clips are worked on: this process, or several local worker processes.

Decoding in one worker overlaps with inference in another. A worker that dies (a decoder's segmentation
fault, the out-of-memory killer) costs one block's time and one clip's row, never the run: the block it was at
is done again in halves, each in a process of its own, until the clip that kills is alone and gets a status.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from extraction.engines.engine import Block, BlockResult, EngineError
from extraction.extractor import Clip, Extractor, Outcome
from summer.corpus import Status
from summer.threads import use

MOST_DEATHS = 3  # of the first clips of a run, before the engine rather than the clips is blamed
BLOCKS_WAITING = 1  # beside one per worker, so that none is idle for long; more would delay a stop
PROGRAM_ERRORS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


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
        """Work through the blocks side by side; a dead worker's blocks are done again in parts.

        Raises:
            EngineError: workers cannot start, or the first clips all kill theirs: then no clip is to blame.
        """
        waiting = iter(blocks)
        any_alive = False
        while True:
            lost: list[Block] = []
            for result in self._until_a_worker_dies(extractor, waiting, lost):
                any_alive = True
                yield result
            if not lost:
                return
            for block in lost:
                result = self._find_the_killer(extractor, block, any_alive=any_alive)
                any_alive = True
                yield result

    def _until_a_worker_dies(
        self, extractor: Extractor, waiting: Iterator[Block], lost: list[Block]
    ) -> Iterator[BlockResult]:
        under_way: dict[Future[Sequence[Outcome]], Block] = {}
        with self._pool(extractor, self.workers) as pool:
            while not lost:
                for block in islice(waiting, self.workers + BLOCKS_WAITING - len(under_way)):
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
            # A worker that was just being started when another died is waited for for ever by some Pythons.
            stop_workers_at_once()

    def _find_the_killer(self, extractor: Extractor, block: Block, *, any_alive: bool) -> BlockResult:
        """Do a lost block again, in halves and halves of halves, so that only the culprit is lost."""
        outcomes: list[Outcome] = []
        waiting = [block.clips]
        while waiting:
            clips = waiting.pop()
            with self._pool(extractor, 1) as pool:
                result = _result(Block(rows=(), clips=clips), pool.submit(_extract, clips))
            if result is None and len(clips) > 1:
                middle = len(clips) // 2
                waiting += [clips[middle:], clips[:middle]]
            elif result is None:
                outcomes.append(killer(clips[0]))
                if not any_alive and len(outcomes) >= min(MOST_DEATHS, len(block.clips)):
                    raise EngineError(
                        f"worker processes die on every clip, {clips[0].utterance.id} the last: out of "
                        "memory, or a broken installation; try --workers 1, or --workers 0 to see the error"
                    )
            elif result.error:
                return BlockResult(block=block, error=result.error)
            else:
                any_alive = True
                outcomes.extend(result.outcomes)
        return BlockResult(block=block, outcomes=outcomes)

    def _pool(self, extractor: Extractor, workers: int) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            max_workers=workers,
            mp_context=multiprocessing.get_context("spawn"),  # CUDA and threads do not survive a fork
            initializer=_start_worker,
            initargs=(extractor, self.threads),
        )
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise EngineError(
                "worker processes cannot start (their own message stands above); try --workers 0"
            ) from error
        return pool


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


def killer(clip: Clip) -> Outcome:
    """What is said of a clip that its worker does not survive."""
    reason = (
        "the worker process died on this clip, alone too (decoder crash, or out of memory); inspect the file"
    )
    return Outcome(status=Status.CORRUPT, reason=clip.with_remark(reason))


_extractor: Extractor | None = None  # the worker process' own copy, made once


def _start_worker(extractor: Extractor, threads: int) -> None:
    global _extractor
    _extractor = extractor
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides how to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use(threads)


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
