"""Where blocks of clips are worked on: actors on the nodes of a Ray cluster, one extractor each.

Ray schedules; our parts are the truth. What is lost with an actor or a node is one block's time: the block is
done again, whole by another actor, and in halves when a second one dies of it, until the clip that kills is
alone and gets a status. A run whose head dies is gone on with by the same command.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from extraction.engines.cluster import (
    Sizes,
    check_is_there,
    check_node,
    connected,
    imported_ray,
    is_gone,
    lost_cluster,
    marked,
    sizes_of,
    software,
)
from extraction.engines.engine import Block, BlockResult, EngineError
from extraction.engines.local import BLOCKS_WAITING, MOST_DEATHS, PROGRAM_ERRORS, killer
from extraction.extractor import Clip, Closes, Extractor, Outcome
from summer.durable import first_line
from summer.threads import use

LOGGER = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_UNTIL_WAITING_IS_SAID = 60.0
SECONDS_TO_LEAVE = 30.0
DEATHS_BEFORE_HALVES = 2  # one may be anybody's fault
NODES_BEFORE_HALVES = 4  # a node that is lost is hardly the clip's fault; four in a row are


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """Actors on a Ray cluster.

    Args:
        address: `ray://HOST:10001`, `HOST:6379`, or "" for a cluster of this machine alone, made for the run.
        actors: how many at once, at most; None: as many as the cluster has room for, more when it grows.
        cores: that each takes.
        gpus: that each takes; a share such as 0.25 for four on one GPU.
        shared: folders that the extractor writes into or reads from, which every node must see.
    """

    address: str = ""
    actors: int | None = None
    cores: int = 1
    gpus: float = 0.0
    shared: Sequence[Path] = ()

    def run(self, extractor: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]:
        """Work through the blocks wherever there is room.

        Raises:
            EngineError: Ray is not installed, there is no cluster at the address, its head is lost, a node
                has other software or does not see the media, or actors die whatever clip they are given.
        """
        ray = imported_ray()
        with marked(self.shared) as marks, connected(ray, self.address):
            crew = _Crew(ray=ray, order=self, extractor=ray.put(extractor), expected=dict(marks))
            try:
                yield from crew.work(iter(blocks))
            except (ConnectionError, ray.exceptions.RaySystemError) as error:
                raise lost_cluster(self.address, first_line(error)) from error
            finally:
                crew.dismiss_all()


@dataclass(slots=True)
class _Task:
    """Clips of a block that one actor is given at once: those from `first` on."""

    block: Block
    first: int
    clips: tuple[Clip, ...]
    actors_lost: int = 0
    nodes_lost: int = 0

    def halves(self) -> tuple[_Task, _Task]:
        middle = len(self.clips) // 2
        return (
            _Task(self.block, self.first, self.clips[:middle]),
            _Task(self.block, self.first + middle, self.clips[middle:]),
        )


@dataclass(slots=True)
class _Crew:
    """The actors, and what each is at."""

    ray: ModuleType
    order: RayCluster
    extractor: Any
    expected: dict[str, int]  # what each node must see
    waiting: deque[_Task] = field(default_factory=deque)
    starting: dict[Any, Any] = field(default_factory=dict)  # promise of what it is → actor
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, _Task]] = field(default_factory=dict)  # promise of outcomes → actor, task
    leaving: list[Any] = field(default_factory=list)  # promises
    nodes: dict[Any, str] = field(default_factory=dict)  # of each actor
    outcomes: dict[int, dict[int, Outcome]] = field(default_factory=dict)  # block → place in it → outcome
    any_done: bool = False
    deaths: int = 0
    last_sign: float = field(default_factory=time.monotonic)

    def work(self, blocks: Iterator[Block]) -> Iterator[BlockResult]:
        while True:
            wanted = self._wanted()
            room = wanted + BLOCKS_WAITING - len(self.busy) - len(self.waiting)
            fresh = list(islice(blocks, max(0, room)))
            self.waiting.extend(_Task(block, 0, block.clips) for block in fresh)
            if not (self.starting or self.nodes):
                self.expected |= sizes_of(path for block in fresh for path in _media(block.clips))
            self._hire(wanted)
            self._hand_out()
            if not self.waiting and not self.busy:
                return
            yield from self._results()

    def dismiss_all(self) -> None:
        """Idle ones clean up behind them; those at work are killed."""
        while self.idle:
            self._let_go(self.idle.pop())
        if self.leaving:
            self.ray.wait(self.leaving, num_returns=len(self.leaving), timeout=SECONDS_TO_LEAVE)
        for actor in [*self.starting.values(), *(actor for actor, _ in self.busy.values())]:
            self.ray.kill(actor)

    def _let_go(self, actor: Any) -> None:
        self.leaving.append(actor.leave.remote())

    def _wanted(self) -> int:
        """How many actors there should be, were there work for all."""
        if self.order.actors is not None:
            return self.order.actors
        has: Mapping[str, float] = self.ray.cluster_resources()
        by_cores = has.get("CPU", 0.0) // self.order.cores
        by_gpus = has.get("GPU", 0.0) // self.order.gpus if self.order.gpus else by_cores
        return max(1, int(min(by_cores, by_gpus)))

    def _hire(self, wanted: int) -> None:
        """Start actors while there is more to do than they are; let idle ones go when nothing is left."""
        to_do = min(wanted, len(self.busy) + len(self.waiting))
        while len(self.starting) + len(self.idle) + len(self.busy) < to_do:
            kind = self.ray.remote(_Actor).options(
                num_cpus=self.order.cores,
                num_gpus=self.order.gpus,
                max_restarts=0,  # a new one is hired instead: it may be elsewhere
                scheduling_strategy="SPREAD",
            )
            actor = kind.remote(self.extractor, self.order.cores)
            self.starting[actor.ready.remote(str(Path.cwd()), list(self.expected))] = actor
        while self.idle and not self.waiting:
            self._let_go(self.idle.pop())

    def _hand_out(self) -> None:
        while self.idle and self.waiting:
            actor, task = self.idle.pop(), self.waiting.popleft()
            self.busy[actor.extract.remote(task.clips)] = actor, task

    def _results(self) -> Iterator[BlockResult]:
        promises = [*self.starting, *self.busy]
        done, _ = self.ray.wait(promises, num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
        if done:
            self.last_sign = time.monotonic()
        else:
            check_is_there(self.order.address)
            self._say_that_it_waits()
        for promise in done:
            if promise in self.starting:
                self._started(promise)
            else:
                yield from self._ended(promise)

    def _started(self, promise: Any) -> None:
        actor = self.starting.pop(promise)
        try:
            node, versions, seen = self.ray.get(promise)
        except self.ray.exceptions.RayError as error:
            self.deaths += 1
            if not self.any_done and self.deaths >= MOST_DEATHS:
                raise EngineError(
                    f"no actor can start on the cluster: {first_line(error)}; the nodes need this program, "
                    "and weights and media at the same paths"
                ) from error
            return
        check_node(node, versions, seen, self.expected)
        self.nodes[actor] = node
        self.idle.append(actor)

    def _ended(self, promise: Any) -> Iterator[BlockResult]:
        actor, task = self.busy.pop(promise)
        try:
            outcomes = self.ray.get(promise)
        except self.ray.exceptions.RayTaskError as error:
            if not isinstance(error.cause, PROGRAM_ERRORS):
                raise
            self.idle.append(actor)
            yield from self._failed(task, f"{type(error.cause).__name__}: {error.cause}")
        except self.ray.exceptions.RayError as error:
            self.ray.kill(actor)  # it may only be out of reach: its answer would come twice
            yield from self._lost(task, self.nodes.pop(actor), error)
        else:
            self.idle.append(actor)
            self.any_done = True
            yield from self._done(task, outcomes)

    def _done(self, task: _Task, outcomes: Sequence[Outcome]) -> Iterator[BlockResult]:
        found = self.outcomes.setdefault(id(task.block), {})
        found.update(enumerate(outcomes, start=task.first))
        if len(found) == len(task.block.clips):
            del self.outcomes[id(task.block)]
            yield BlockResult(block=task.block, outcomes=[found[place] for place in sorted(found)])

    def _failed(self, task: _Task, error: str) -> Iterator[BlockResult]:
        """The program is to blame: nothing more is tried of the block."""
        self.outcomes.pop(id(task.block), None)
        self.waiting = deque(other for other in self.waiting if other.block is not task.block)
        for promise, (_, other) in list(self.busy.items()):
            if other.block is task.block:
                actor, _ = self.busy.pop(promise)
                self.ray.kill(actor)
        yield BlockResult(block=task.block, error=error)

    def _lost(self, task: _Task, node: str, error: Exception) -> Iterator[BlockResult]:
        """An actor is gone with what it was at: to be done again, in halves if that is likely to be why."""
        if is_gone(self.ray, node):
            task.nodes_lost += 1
        else:
            task.actors_lost += 1
            self.deaths += 1
        LOGGER.warning("%s: an actor is lost (%s); its clips are done again", node, first_line(error))
        if task.actors_lost < DEATHS_BEFORE_HALVES and task.nodes_lost < NODES_BEFORE_HALVES:
            self.waiting.appendleft(task)
        elif len(task.clips) > 1:
            self.waiting.extendleft(reversed(task.halves()))
        elif not self.any_done and self.deaths >= MOST_DEATHS * DEATHS_BEFORE_HALVES:
            raise EngineError(
                f"actors die on every clip, {task.clips[0].utterance.id} the last ({first_line(error)}): "
                "out of memory, or a broken installation on the nodes; try --engine local to see the error"
            )
        else:
            yield from self._done(task, [killer(task.clips[0])])

    def _say_that_it_waits(self) -> None:
        if not self.busy and time.monotonic() - self.last_sign > SECONDS_UNTIL_WAITING_IS_SAID:
            self.last_sign = time.monotonic()
            LOGGER.warning(
                "waiting for a node with %d free cores and %g free GPUs; the cluster has %s in all",
                self.order.cores,
                self.order.gpus,
                self.ray.cluster_resources(),
            )


class _Actor:
    """One extractor, on a node."""

    def __init__(self, extractor: Extractor, threads: int) -> None:
        self.extractor = extractor
        use(threads)

    def ready(self, folder: str, paths: Sequence[str]) -> tuple[str, Mapping[str, str], Sizes]:
        """Its node, what it works with, and what it sees of some files.

        Args:
            folder: of the command, which relative paths are relative to.
        """
        import ray

        with suppress(OSError):  # without relative paths it need not be there
            os.chdir(folder)
        return ray.get_runtime_context().get_node_id(), software(), sizes_of(map(Path, paths))

    def extract(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """Outcomes, one per clip."""
        return self.extractor(clips)

    def leave(self) -> None:
        """Clean up and end."""
        import ray

        if isinstance(self.extractor, Closes):
            self.extractor.close()
        ray.actor.exit_actor()


def _media(clips: Iterable[Clip]) -> Iterator[Path]:
    """The files of some clips that lie here."""
    for clip in clips:
        for span in filter(None, (clip.audio, clip.video)):
            yield from (piece.path for piece in span.pieces if not piece.address)
