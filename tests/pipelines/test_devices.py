"""`--device` names what torch sees, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipelines import devices
from pipelines.devices import device_named


@pytest.mark.parametrize(
    ("name", "gpus", "found"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 0, "cpu"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda:0"),
        ("cuda:0", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_name_finds_its_device(name: str, gpus: int, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "driver_is_here", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert device_named(name) == found


@pytest.mark.parametrize(
    ("name", "gpus", "seen"),
    [
        ("cuda", 0, "cpu"),
        ("cuda:0", 0, "cpu"),
        ("cuda:2", 2, "cpu, cuda:0, cuda:1"),
        ("cuda:", 1, "cpu, cuda:0"),
        ("gpu", 1, "cpu, cuda:0"),
        ("", 0, "cpu"),
    ],
)
def test_a_device_that_is_not_here_is_refused_by_name_with_those_that_are(
    name: str, gpus: int, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ValueError, match=f"device {name!r} is not here; torch sees {seen}: name one"):
        device_named(name)


def test_with_a_driver_it_is_torch_that_says_whether_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "driver_is_here", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_named("auto") == "cpu"


def test_without_a_driver_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "NVIDIA", "libno-such-driver.so.1")
    monkeypatch.setattr(devices, "AMD", Path("/no/such/device"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: pytest.fail("torch was asked"))
    assert device_named("auto") == "cpu"
    monkeypatch.setattr(devices, "NVIDIA", "libc.so.6")  # any library that is here
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_named("auto") == "cuda:0"
