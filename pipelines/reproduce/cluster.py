"""Jobs on the nodes of a Ray cluster, each a process there; runs and logs on a folder that all nodes share.

A node that is lost costs its job's time since the last whole epoch: the job is begun again elsewhere. Its
old process, if it still lives, holds the lock of the job's folder until it has stopped; the new one waits.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from extraction.engines.cluster import (
    Sizes,
    answers,
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
from pipelines.reproduce.jobs import GIB_PER_JOB, Job, log_of
from pipelines.reproduce.processes import PROGRAM, started
from summer.durable import first_line, taken

LOGGER = logging.getLogger(__name__)
MOST_NODES_LOST, MOST_ACTORS_LOST = 4, 2  # of one job, before it counts as failed
SECONDS_BETWEEN_QUESTIONS = 10.0
SECONDS_FOR_THE_LOCK = 120.0
SECONDS_TO_STOP = 120.0
LOCKED_OUT = 75  # the exit status of sysexits.h for what may go well later


@dataclass(frozen=True, slots=True, kw_only=True)
class RayYard:
    """Processes on the nodes of a cluster that this one is connected to.

    Args:
        folder: of jobs, on a folder that all nodes share.
        address: of the cluster; "" of one that this process has made.
        jobs: at once, at most; None: one per core, or per GPU, as many as the cluster has.
        gpus: that each job takes: 0 or 1.
        expected: what every node must see, by its size.
        program: what is given a job's words; none: `summer-train`, by the node's Python.
    """

    ray: ModuleType
    folder: Path
    address: str = ""
    jobs: int | None = None
    gpus: int = 0
    expected: Sizes
    program: Sequence[str] = ()

    def most(self) -> int:
        """As many as the cluster has room for now."""
        if self.jobs is not None:
            return self.jobs
        has: Mapping[str, float] = self.ray.cluster_resources()
        return max(1, int(has.get("GPU" if self.gpus else "CPU", 0.0)))

    def begin(self, job: Job, place: int) -> RayWork:  # noqa: ARG002 - Ray chooses the place
        """Look for a node for a job."""
        return RayWork(self, job)

    def hired(self) -> Any:
        """An actor on a node that has room."""
        has = [node["Resources"] for node in self.ray.nodes() if node["Alive"] and "CPU" in node["Resources"]]
        largest = int(max((one.get("memory", 0.0) for one in has), default=0.0))
        return (
            self.ray.remote(_Workman)
            .options(
                num_cpus=1,
                num_gpus=self.gpus,
                memory=min(GIB_PER_JOB << 30, largest) or None,
                max_restarts=0,
                max_concurrency=2,  # it listens while it works
                scheduling_strategy="SPREAD",
            )
            .remote()
        )


@contextmanager
def ray_yard(
    *, out: Path, read: Sequence[Path], address: str, jobs: int | None, device: str
) -> Iterator[RayYard]:
    """A yard on the cluster at an address; "": on one of this machine, made for the block.

    Args:
        out: the folder of the reproduction, which nodes write in.
        read: what they read.
        jobs: at once, at most; None: as many as there is room for.
        device: "cpu", "cuda", or "auto": GPUs where the cluster has any.

    Raises:
        EngineError: there is no such cluster, or its head is lost.
        DiskError: `out` cannot be written.
    """
    ray, seen = imported_ray(), sizes_of(read)
    with marked([out]) as marks, connected(ray, address):
        on_gpu = device == "cuda" or (device == "auto" and "GPU" in ray.cluster_resources())
        try:
            yield RayYard(
                ray=ray,
                folder=out / "jobs",
                address=address,
                jobs=jobs,
                gpus=int(on_gpu),
                expected={**seen, **marks},
            )
        except (ConnectionError, ray.exceptions.RaySystemError) as error:
            raise lost_cluster(address, first_line(error)) from error


class RayWork:
    """A job on a node, or on its way to one."""

    def __init__(self, yard: RayYard, job: Job) -> None:
        self._yard, self._job = yard, job
        self._actors_lost = self._nodes_lost = 0
        self._asked = time.monotonic()
        self._look_for_a_node()

    def _look_for_a_node(self) -> None:
        self.begun = time.monotonic()
        self._node = ""
        self._actor = self._yard.hired()
        self._promise = self._actor.ready.remote(list(self._yard.expected))

    def status(self) -> int | None:
        """As `Work` has it.

        Raises:
            EngineError: the cluster is lost, or a node has other software or does not see the folders.
        """
        self._check_the_cluster()
        done, _ = self._yard.ray.wait([self._promise], timeout=0)
        if not done:
            return None
        try:
            found = self._yard.ray.get(self._promise)
        except self._yard.ray.exceptions.RayActorError as error:
            return self._lost(error)
        except self._yard.ray.exceptions.RayTaskError as error:
            if not isinstance(error.cause, OSError):
                raise
            self._note(f"error: its node cannot begin it: {error.cause}")
            return 1
        if not self._node:
            self._begin(*found)
            return None
        self._yard.ray.kill(self._actor)
        return int(found)

    def _begin(self, node: str, versions: Mapping[str, str], seen: Sizes) -> None:
        check_node(node, versions, seen, self._yard.expected)
        self._node, self.begun = node, time.monotonic()
        device = "cuda:0" if self._yard.gpus else "cpu"  # of those that Ray lets the job see
        self._promise = self._actor.do.remote(
            (*self._job.words, "--device", device),
            log=str(log_of(self._job, self._yard.folder)),
            folder=str(Path.cwd()),
            program=tuple(self._yard.program),
        )

    def _lost(self, error: Exception) -> int | None:
        """Begin anew elsewhere; give up a job that takes its node or its process with it each time."""
        gone = not self._node or is_gone(self._yard.ray, self._node)
        self._nodes_lost += gone
        self._actors_lost += not gone
        if self._nodes_lost >= MOST_NODES_LOST or self._actors_lost >= MOST_ACTORS_LOST:
            self._note(f"it was lost {self._nodes_lost + self._actors_lost} times: {first_line(error)}")
            return -signal.SIGKILL
        LOGGER.warning("%s is lost with its node (%s); it is begun again", self._job.name, first_line(error))
        self._look_for_a_node()
        return None

    def _note(self, line: str) -> None:
        with log_of(self._job, self._yard.folder).open("a", encoding="utf-8") as log:
            log.write(f"{line}\n")

    def _check_the_cluster(self) -> None:
        if self._yard.address and time.monotonic() - self._asked > SECONDS_BETWEEN_QUESTIONS:
            self._asked = time.monotonic()
            check_is_there(self._yard.address)

    def stop(self) -> None:
        """As `Work` has it."""
        if self._node:
            self._actor.stop.remote()
        else:
            self._yard.ray.kill(self._actor)

    def wait(self) -> None:
        """As `Work` has it; a cluster that is lost is not waited for."""
        if not self._yard.address or answers(self._yard.address):
            self._yard.ray.wait([self._promise], timeout=SECONDS_TO_STOP)
            self._yard.ray.kill(self._actor)


class _Workman:
    """One job's process, on a node; when this actor is gone, the process stops by itself."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.is_stopped = False

    def ready(self, paths: Sequence[str]) -> tuple[str, Mapping[str, str], Sizes]:
        """Its node, what it works with, and what it sees of some files."""
        import ray

        return ray.get_runtime_context().get_node_id(), software(), sizes_of(map(Path, paths))

    def do(self, words: Sequence[str], *, log: str, folder: str, program: Sequence[str]) -> int:
        """Do a job; its exit status."""
        said = Path(log)
        with (said.parent / ".lock").open("w") as lock:
            if not self._takes(lock):
                said.write_text(
                    "the process of an earlier attempt is still at work, on a node that was lost\n"
                )
                return LOCKED_OUT
            typed = [*(program or (sys.executable, *PROGRAM)), *words]
            self.process = started(
                typed, log=said, threads=1, inherited=(lock.fileno(),), folder=Path(folder)
            )
        status = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return status

    def stop(self) -> None:
        """Ask the process to stop."""
        self.is_stopped = True
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def _takes(self, lock: TextIO) -> bool:
        until = time.monotonic() + SECONDS_FOR_THE_LOCK
        while time.monotonic() < until and not self.is_stopped:
            if taken(lock):
                return True
            time.sleep(0.2)
        return False
