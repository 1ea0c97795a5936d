"""The page "add an extractor of a modality" is true: its class and its function fill a store of the demo."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import extraction
from extraction.corpora import Corpus, open_corpus
from extraction.engines import InProcess
from extraction.extractor import Clip, Extractor, MediaSpan, Outcome
from extraction.plan import Job
from extraction.run import Report, extract
from pipelines import extractors
from pipelines.extractors import Setting, build_extractor
from pipelines.recipe import load_recipe
from summer.corpus import Dialogue, Modality, Split, Status, Utterance
from summer.store import FeatureStore, StoreError
from tests import media_factory
from tests.docs.pages import blocks
from tests.places import DEMO

PAGE = blocks("add-a-modality.md")
CLASS, LINE = "extraction/sound_summary.py", "pipelines/extractors.py"
FIRST = 8  # clips of the demo corpus

Summary = Callable[..., Any]


@pytest.fixture(name="summary")
def _summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Summary]:
    """The class of the page, in a module of extraction/ that can be imported."""
    (tmp_path / CLASS).parent.mkdir()
    (tmp_path / CLASS).write_text(PAGE[CLASS], encoding="utf-8")
    monkeypatch.setattr(extraction, "__path__", [*extraction.__path__, str(tmp_path / "extraction")])
    importlib.invalidate_caches()
    yield importlib.import_module("extraction.sound_summary").SoundSummary
    del sys.modules["extraction.sound_summary"]
    del extraction.sound_summary  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return open_corpus("demo", DEMO, {})


def run(corpus: Corpus, extractor: Extractor, folder: Path) -> Report:
    job = Job(corpus=corpus, extractor=extractor, folder=folder, limit=FIRST)
    return extract(job, InProcess(), reduction=None, on_progress=lambda _: None)


def outcome(summary: Summary, path: Path, remark: str = "") -> Outcome:
    utterance = Utterance(
        id="train/0", split=Split.TRAIN, dialogue="0", turn=0, speaker="A", text="Hi.", label=""
    )
    dialogue = Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,))
    span = MediaSpan(path=path)
    (found,) = summary()([Clip(utterance=utterance, dialogue=dialogue, audio=span, remark=remark)])
    assert isinstance(found, Outcome)
    return found


def test_the_class_meets_the_protocol_and_travels_as_a_pickle(summary: Summary, corpus: Corpus) -> None:
    extractor = summary(sampling_rate=8_000)
    assert isinstance(extractor, Extractor)
    copy = pickle.loads(pickle.dumps(extractor))
    assert (copy.fingerprint, copy.settings) == (extractor.fingerprint, extractor.settings)
    (here,), (there,) = extractor(corpus.clips[:1]), copy(corpus.clips[:1])
    np.testing.assert_array_equal(here.vector, there.vector)


def test_its_numbers_are_those_of_the_samples(summary: Summary, tmp_path: Path) -> None:
    steps = np.random.default_rng(0).integers(-3000, 3000, size=24_000)  # whole numbers of 16 bits
    samples = steps / 32768
    found = outcome(summary, media_factory.wav(tmp_path / "a.wav", samples.astype(np.float32)))
    expected = [1.5, np.abs(samples).max(), samples.sum() / 24_000, np.sqrt(np.square(samples).mean())]
    np.testing.assert_allclose(found.vector, expected, rtol=1e-3, atol=1e-6)
    assert found.columns == {"duration_seconds": 1.5}


def test_missing_and_unusable_sound_is_a_status(summary: Summary, corpus: Corpus, tmp_path: Path) -> None:
    silent = media_factory.wav(tmp_path / "silent.wav", np.zeros(16_000, dtype=np.float32))
    found = outcome(summary, silent, remark="the microphone was off")
    assert found.status is Status.NO_AUDIO
    assert found.reason == "the sound is digital silence. the microphone was off"
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF, but no sound")
    assert outcome(summary, broken).status is Status.CORRUPT
    assert outcome(summary, tmp_path / "nowhere.wav").status is Status.MISSING
    (silence,) = summary()([Clip(utterance=corpus.clips[0].utterance, dialogue=corpus.clips[0].dialogue)])
    assert (silence.status, silence.reason) == (Status.MISSING, "the corpus has no sound of it")


def test_the_function_of_the_page_builds_it(
    summary: Summary, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = dict(vars(extractors))
    exec(PAGE[LINE], names)  # the page's very function
    monkeypatch.setattr(extractors, "BUILDERS", {**extractors.BUILDERS, Modality.AUDIO: names["_audio"]})
    setting = Setting(
        recipe=load_recipe("demo"),
        corpus=corpus,
        folder=tmp_path,
        device="cpu",
        batch_size=None,
        keep_crops=False,
        on_tuning=lambda _: None,
    )
    assert type(build_extractor(Modality.AUDIO, setting)) is summary


def test_two_runs_over_the_demo_give_equal_bytes(summary: Summary, corpus: Corpus, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        report = run(corpus, summary(), tmp_path / folder)
        assert (report.extracted, report.missing_rows, report.errors) == (FIRST, 0, [])
    one, two = (tmp_path / folder / "audio.h5" for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    with FeatureStore(one) as store:
        header, rows, vectors = store.header, store.rows, store.features("raw")
    assert (header.dim, header.fingerprint) == (4, summary().fingerprint)
    assert [u.id for u in rows.utterances] == [clip.utterance.id for clip in corpus.clips[:FIRST]]
    assert list(rows.statuses).count(Status.OK) > FIRST / 2
    np.testing.assert_array_equal(vectors.any(axis=1), rows.usable)
    np.testing.assert_array_equal(vectors[:, 0], np.float32(rows.columns["duration_seconds"]))


def test_the_block_changes_no_byte(summary: Summary, corpus: Corpus, tmp_path: Path) -> None:
    whole, small = summary(), summary()
    small.block_rows = 3
    assert small.fingerprint == whole.fingerprint
    run(corpus, whole, tmp_path / "whole")
    run(corpus, small, tmp_path / "small")
    assert (tmp_path / "whole" / "audio.h5").read_bytes() == (tmp_path / "small" / "audio.h5").read_bytes()


def test_other_settings_have_another_fingerprint_and_are_refused_by_name(
    summary: Summary, corpus: Corpus, tmp_path: Path
) -> None:
    assert summary(sampling_rate=8_000).fingerprint != summary().fingerprint == summary().fingerprint
    assert summary().settings["av"] == av.__version__
    run(corpus, summary(), tmp_path)
    with pytest.raises(StoreError, match=r"sampling_rate was '16000', now '8000'; .*--overwrite"):
        run(corpus, summary(sampling_rate=8_000), tmp_path)
