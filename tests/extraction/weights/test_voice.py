"""The voice encoder's weights: out of the wheel once, then from the cache; errors say what to do."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from extraction.speakers import VoiceEncoder
from extraction.weights import WeightsUnavailable, voice
from extraction.weights.upstream import SourceError
from extraction.weights.voice import load_voice, voice_model


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "cache"))


def as_published(state: dict[str, torch.Tensor]) -> bytes:
    file = io.BytesIO()
    loss = {"similarity_weight": torch.ones(1), "similarity_bias": torch.zeros(1)}
    torch.save({"step": 3, "model_state": {**loss, **state}, "optimizer_state": {}}, file)
    return file.getvalue()


def test_the_network_alone_is_kept_and_comes_from_the_cache_then(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = VoiceEncoder()
    fetched: list[object] = []

    def fetch(wanted: object) -> bytes:
        fetched.append(wanted)
        return as_published(encoder.state_dict())

    monkeypatch.setattr(voice, "read_wheel_file", fetch)
    first, second = voice_model(), voice_model()
    assert fetched == [voice.WHEEL]
    assert (first.source, second.source) == ("package index", "cache")
    assert first.sha256 == second.sha256
    assert load_file(first.path).keys() == encoder.state_dict().keys()
    state = load_voice(second, VoiceEncoder())
    assert all(torch.equal(state[name], tensor) for name, tensor in encoder.state_dict().items())
    assert "Apache 2.0" in (first.path.parent / "README.txt").read_text()


def test_without_a_source_it_is_said_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_: object) -> bytes:
        raise SourceError("no index")

    monkeypatch.setattr(voice, "read_wheel_file", fetch)
    with pytest.raises(WeightsUnavailable, match="no source has the voice encoder.*package index: no index"):
        voice_model()


def test_what_is_no_file_of_tensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "read_wheel_file", lambda _: b"not tensors")
    with pytest.raises(WeightsUnavailable, match="cannot be read as tensors"):
        voice_model()
