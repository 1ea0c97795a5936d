"""A corpus of which only some clips are there: what is extracted, what is left out, how the command ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from summer.corpus import Status
from summer.store import FeatureStore
from tests.extraction.corpora.trees import meld_row, write_csv
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.media_factory import Picture, Sound, write
from tests.pipelines.extract.small_corpus import SmallCorpus, said
from tests.pipelines.extract.test_extract import typed

DIALOGUES, TURNS = 30, 4
THERE = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]


@pytest.fixture(scope="module")
def meld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MELD's annotations in small, and a handful of the clips of one split."""
    root = tmp_path_factory.mktemp("meld")
    for split in ("train", "dev", "test"):
        rows = [meld_row(dialogue, turn) for dialogue in range(DIALOGUES) for turn in range(TURNS)]
        write_csv(root / f"{split}_sent_emo.csv", rows)
    folder = root / "train_splits"
    folder.mkdir()
    for dialogue, turn in THERE:
        sound = Sound(hertz=(200.0 + 50 * dialogue + 20 * turn,))
        write(folder / f"dia{dialogue}_utt{turn}.mp4", picture=Picture(), sound=sound)
    return root


def extracted(meld: Path, out: Path, *options: str, modality: str = "audio", exit_code: int = 0) -> str:
    words = [word for option in options for word in ("-o", option)]
    result = typed("--dataset", "meld", "--root", meld, "--out", out, *words, modality=modality)
    return said(result, exit_code=exit_code)


@pytest.mark.parametrize("method", ["pca", "dialogue-rnn"])
def test_too_few_clips_for_the_reducer_leave_raw_vectors_and_a_line(
    method: str, meld: Path, tmp_path: Path
) -> None:
    options = (f"reduction.audio.method={method}", "reduction.audio.folds=0")
    told = extracted(meld, tmp_path, *options, exit_code=4)
    place = tmp_path / "meld" / "audio.h5"
    [line] = [line for line in told.splitlines() if "are there" in line]
    assert line.startswith(
        f"audio: 5 of 360 clips are there; {place} holds raw vectors, the reduction is left"
    )
    assert "5 usable training rows are fewer than the reduced width 512" in line
    assert "reduction.audio.width=N" in line
    with FeatureStore(place) as store:
        assert store.header.complete
        assert store.reduced_width is None
        assert "reducer" not in store.header.assets
        assert store.rows.statuses.count(Status.OK) == 5
        assert store.rows.statuses.count(Status.MISSING) == 355
        assert store.features("raw")[store.rows.usable].any(axis=1).all()
    before = place.stat().st_mtime_ns
    again = extracted(meld, tmp_path, *options, exit_code=4)
    assert line in again
    assert "nothing to do" not in again
    assert place.stat().st_mtime_ns == before


@pytest.mark.parametrize("method", ["pca", "dialogue-rnn"])
def test_a_reducer_is_fitted_on_the_clips_that_are_there(method: str, meld: Path, tmp_path: Path) -> None:
    options = (f"reduction.audio.method={method}", "reduction.audio.folds=0", "reduction.audio.width=2")
    told = extracted(meld, tmp_path, *options)
    assert "audio: 5 of 360 clips are there, the other rows are marked missing" in told
    assert len(re.findall("no file dia", told)) == 0  # not a line for each that is missing
    with FeatureStore(tmp_path / "meld" / "audio.h5") as store:
        assert store.header.reduction["fitted_rows"] == "5"
        assert store.reduced_width == 2
        assert store.features("reduced")[store.rows.usable].any(axis=1).all()


def test_folds_that_a_subset_cannot_fill_are_named(meld: Path, tmp_path: Path) -> None:
    told = extracted(
        meld, tmp_path, "reduction.audio.folds=2", "reduction.audio.width=4", exit_code=4
    )  # MELD's recipe asks for dialogue-rnn
    assert re.search(r"without fold \d there are \d usable training rows, fewer than .* width 4", told)


def test_no_clip_at_all_is_said_with_what_to_check(meld: Path, tmp_path: Path) -> None:
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    for path in meld.glob("*.csv"):
        (annotations / path.name).write_bytes(path.read_bytes())
    told = extracted(annotations, tmp_path / "out", exit_code=4)
    assert "audio: 0 of 360 clips are there; check --root; " in told
    assert "no training row is usable" in told


def test_clips_that_come_later_are_taken_up_and_reduced(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path)
    away = tmp_path / "away"
    (corpus.folder / "dev0_0.wav").rename(away)
    options = ("-o", "reduction.audio.method=pca", "-o", "reduction.audio.width=10")
    told = said(corpus.extract(tmp_path, *options))
    assert "17 of 18 clips are there" in told
    (corpus.folder / "train0_0.wav").rename(tmp_path / "away too")
    told = said(corpus.extract(tmp_path, *options))  # whoever puts the raw corpus away keeps its vectors
    assert "nothing to do" in told
    away.rename(corpus.folder / "dev0_0.wav")
    told = said(corpus.extract(tmp_path, *options, "--retry-failed"))
    assert "clips are there" not in told
    with FeatureStore(tmp_path / "clips" / "audio.h5") as store:
        assert store.rows.usable.all()
        assert store.reduced_width == 10


def test_many_utterances_without_words_are_one_line(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path, train=15, dev=1, test=1)
    wordless = list(corpus.rows)[:25]
    for name in wordless:
        corpus.rows[name]["text"] = ""
    encoder = roberta_folder(tmp_path / "roberta").path
    frozen = ("-o", f"text.model={encoder}", "-o", "text.mode=frozen")
    told = said(corpus.extract(tmp_path, *frozen, modality="text"))
    assert "text: 9 of 34 utterances have words, the other rows are marked missing" in told
    assert "no words" not in told  # not a line for each of them
    assert not any(name in told for name in wordless)


@pytest.mark.weights
def test_video_of_a_subset_ends_in_a_line_as_well(meld: Path, tmp_path: Path) -> None:
    told = extracted(meld, tmp_path, modality="video", exit_code=4)
    assert "video: 5 of 360 clips are there; " in told  # grey bands have no face, but they are there
    assert "the reduction is left out: no training row is usable" in told


def test_the_exit_statuses_are_in_the_help() -> None:
    told = " ".join(said(typed("--help")).split())
    assert "4 too few rows to fit the reducer on: the store holds raw vectors" in told
