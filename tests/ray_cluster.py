"""A Ray cluster of several nodes, each a process of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ports import free_port

MARKS = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves its log files to the interpreter
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
HEAD_KIND = "ray.head.default"  # as Ray calls it, whatever it is told
MOST_SECONDS = 600.0  # of a busy machine


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """A head without cores, and nodes with one core each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            for _ in range(nodes):
                made.add_node(num_cpus=1)
            yield made
        finally:
            made.shutdown()


@contextmanager
def autoscaling_cluster(folder: Path, *, most_nodes: int) -> Iterator[str]:
    """A head without cores, and Ray's own autoscaler, which starts nodes of one core where they are missed.

    Args:
        folder: of Ray's logs; by it its processes are known. Short: sockets lie in it.

    Yields:
        Its address.
    """
    import ray
    from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

    port = free_port()
    address = f"{ray.util.get_node_ip_address()}:{port}"
    config = folder / "autoscaler.json"
    config.write_text(json.dumps(_autoscaler(address, FAKE_HEAD_NODE_ID, most_nodes)), encoding="utf-8")
    names = ("RAY_CLOUD_INSTANCE_ID", "RAY_OVERRIDE_NODE_ID_FOR_TESTING")
    pretended = {"RAY_FAKE_CLUSTER": "1", **dict.fromkeys(names, FAKE_HEAD_NODE_ID)}
    settings = {
        "RAY_enable_autoscaler_v2": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_AUTH_MODE": "disabled",
    }
    with _head(folder, port, f"--autoscaling-config={config}", **pretended, **settings):
        yield address


@contextmanager
def guarded_cluster(folder: Path) -> Iterator[str]:
    """A head that asks for a token, as `ray start` makes it where its user has one. Yields its address."""
    token, port = folder / "token", free_port()
    token.write_text("f" * 64, encoding="ascii")
    with _head(folder, port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token)):
        yield f"127.0.0.1:{port}"


@contextmanager
def _head(folder: Path, port: int, *more: str, **environment: str) -> Iterator[None]:
    """A head without cores, started as its user types it."""
    words = f"start --head --port {port} --num-cpus 0 --include-dashboard false --temp-dir {folder}".split()
    try:
        subprocess.run(
            [Path(sys.executable).with_name("ray"), *words, *more],
            env={**os.environ, **environment, "RAY_USAGE_STATS_ENABLED": "0"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield
    finally:
        for process in _processes_of(folder):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _autoscaler(address: str, head: str, most_nodes: int) -> dict[str, Any]:
    """What a cluster's YAML says, for nodes that are processes of this machine."""
    node = {"node_config": {}, "min_workers": 0}
    return {
        "cluster_name": "pretended",
        "max_workers": most_nodes,
        "idle_timeout_minutes": 0.1,
        "provider": {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "launch_multiple": True,
            "head_node_id": head,
            "gcs_address": address,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            HEAD_KIND: {**node, "resources": {"CPU": 0}, "max_workers": 0},
            "worker": {
                **node,
                "resources": {"CPU": 1, "object_store_memory": 10**8},
                "max_workers": most_nodes,
            },
        },
        "head_node_type": HEAD_KIND,
        **{key: {} for key in ("auth", "docker", "file_mounts")},
        **{key: [] for key in ("initialization_commands", "setup_commands", "cluster_synced_files")},
        **{f"{node}_setup_commands": [] for node in ("head", "worker")},
        **{f"{node}_start_ray_commands": [] for node in ("head", "worker")},
    }


def nodes_of(folder: Path) -> int:
    """How many nodes, the head among them, a cluster with this folder has now."""
    return sum("raylet" in Path(process.info["cmdline"][0]).name for process in _processes_of(folder))


def _processes_of(folder: Path) -> list[psutil.Process]:
    running = psutil.process_iter(["cmdline"])
    return [each for each in running if any(str(folder) in word for word in each.info["cmdline"] or ())]


def processes_named(title: str) -> list[int]:
    """Processes that Ray has given a title, such as the actor's method that they are in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if told.startswith(f"ray::{title}".encode()):
                found.append(int(entry.name))
    return found


def until(happens: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + MOST_SECONDS
    while not happens():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {MOST_SECONDS:.0f} s: {happens}")
        time.sleep(0.05)
