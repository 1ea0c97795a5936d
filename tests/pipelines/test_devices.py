"""`--device` names what torch sees, and nothing else."""

from __future__ import annotations

import pytest
import torch

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
