"""A Ray cluster as a command finds it: whether it answers, what its nodes must have, what they must see."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from extraction.engines.engine import EngineError
from summer.durable import explained_disk_errors, first_line
from summer.threads import cores

SECONDS_FOR_AN_ANSWER = 10.0
# What decides a number must be the same on all nodes.
COMPARED = (
    "summer-merc",
    "torch",
    "torchvision",
    "transformers",
    "opensmile",
    "facenet-pytorch",
    "av",
    "numpy",
)

Sizes = Mapping[str, int]  # bytes of files, by their paths; -1 of folders


def imported_ray() -> ModuleType:
    """Ray, if it is installed.

    Raises:
        EngineError: it is not.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that this program runs
    try:
        return import_module("ray")
    except ImportError as error:
        raise EngineError("--engine ray needs Ray; install it with pip install 'summer-merc[ray]'") from error


@contextmanager
def connected(ray: ModuleType, address: str) -> Iterator[None]:
    """Be a driver of the cluster at an address; "": of one of this machine alone, made for the block.

    Raises:
        EngineError: there is none.
    """
    if address and not answers(address):
        raise _no_cluster(address, "nobody listens there")
    own = {} if address else {"num_cpus": cores()}
    try:
        ray.init(
            address=address or "local",
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _wants_token(address, error) or _no_cluster(address, first_line(error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def answers(address: str) -> bool:
    """Whether somebody listens at `ray://HOST:PORT` or `HOST:PORT`; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_FOR_AN_ANSWER).close()
    except (OSError, ValueError):
        return False
    return True


def check_is_there(address: str) -> None:
    """Refuse to wait for a cluster whose head is gone; that of this machine alone, "", lives as this process.

    Raises:
        EngineError: nobody listens at its address any more.
    """
    if address and not answers(address):
        raise lost_cluster(address, "nobody listens there any more")


def _no_cluster(address: str, why: str) -> EngineError:
    return EngineError(
        f"there is no Ray cluster at {address or 'this machine'} ({why}); start one with `ray start --head`, "
        "or correct --address: ray://HOST:10001 or HOST:6379"
    )


def _wants_token(address: str, error: BaseException) -> EngineError | None:
    """What is said where the head asks for its token; None where that is not what failed.

    `ray start` asks for one as soon as its user has one, which any cluster of one machine leaves behind; a
    driver that is given an address shows it only where RAY_AUTH_MODE says so.
    """
    if "AuthenticationError" not in f"{error} {error.__cause__}":
        return None
    return EngineError(
        f"the Ray cluster at {address} asks for a token; set RAY_AUTH_MODE=token, with the head's "
        "~/.ray/auth_token at the same place here, or start the head with RAY_AUTH_MODE=disabled"
    )


def lost_cluster(address: str, why: str) -> EngineError:
    """What is said where the head has died."""
    return EngineError(
        f"the cluster at {address or 'this machine'} is lost ({why}); what is done is kept: when it is back, "
        "the same command goes on"
    )


def is_gone(ray: ModuleType, node: str) -> bool:
    """Whether a node has left the cluster."""
    return not any(one["NodeID"] == node and one["Alive"] for one in ray.nodes())


def software() -> Mapping[str, str]:
    """Versions of what decides a number, here."""
    return {name: _version(name) for name in COMPARED}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def sizes_of(paths: Iterable[Path]) -> Sizes:
    """What is there of some files and folders, as this machine sees them."""
    found = {}
    for path in paths:
        with suppress(OSError):
            found[str(path.absolute())] = -1 if path.is_dir() else path.stat().st_size
    return found


@contextmanager
def marked(folders: Sequence[Path]) -> Iterator[Sizes]:
    """A fresh file in each folder for as long as the block lasts: who sees it sees the same folder.

    Raises:
        DiskError: a folder cannot be written.
    """
    marks = [folder / f".seen-{secrets.token_hex(8)}" for folder in folders]
    try:
        for mark in marks:
            with explained_disk_errors(mark):
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
        yield sizes_of(marks)
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


def check_node(node: str, there: Mapping[str, str], seen: Sizes, expected: Sizes) -> None:
    """Refuse a node that would make something else, or nothing.

    Args:
        there: its versions.
        seen: what it sees of the `expected` files.

    Raises:
        EngineError: names the node, what differs and the remedy.
    """
    here = software()
    differing = [
        f"{name} {there[name]} instead of {here[name]}" for name in there if there[name] != here[name]
    ]
    if differing:
        told = ", ".join(differing)
        raise EngineError(f"node {node} has {told}; install the same versions on all nodes")
    for path, size in expected.items():
        if seen.get(path) != size:
            lies = "does not see" if path not in seen else "sees another file at"
            raise EngineError(
                f"node {node} {lies} {path}, which the command sees; put it on a folder that all nodes "
                "share, at the same path"
            )
