"""A store whose annotations are corrected: what that costs, what it says, what it survives."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from extraction.audio import ComParE
from extraction.corpora import Corpus
from extraction.engines import Block, BlockResult, InProcess
from extraction.extractor import Clip, Extractor, Outcome
from extraction.plan import Job, Shard, reads_everything
from extraction.run import Report, extract
from extraction.text.context import Context, said_in_reach
from extraction.video.extractor import LFNet3D
from extraction.weights import Weights
from summer.corpus import Dialogue, Split, Utterance, group_dialogues
from summer.store import FeatureStore, StoreError
from tests.extraction.fake import FakeExtractor, corpus_of
from tests.extraction.test_run import TEXTS, HalfWidth
from tests.extraction.text.tiny_encoder import clips_of, dialogue_of

PLACE = "audio.h5"


@dataclass
class Counting:
    """An engine that keeps which clips it was given."""

    seen: list[str]

    def run(self, extractor: Extractor, blocks: Iterator[Block]) -> Iterator[BlockResult]:
        for block in blocks:
            self.seen += [clip.utterance.id for clip in block.clips]
            yield from InProcess().run(extractor, [block])


def run(folder: Path, corpus: Corpus, **options: object) -> tuple[Report, list[str]]:
    """A run's report, and the ids of what it extracted."""
    engine = Counting([])
    settings: dict = {"corpus": corpus, "extractor": FakeExtractor(), "folder": folder}
    job = Job(**(settings | options))
    report = extract(job, engine, reduction=HalfWidth(), on_progress=lambda _: None)
    return report, engine.seen


def corrected(corpus: Corpus, *, gone: Sequence[str] = (), **changes: dict[str, object]) -> Corpus:
    """A corpus of which some utterances say something else, by `train_dia0_utt1` for `train/dia0_utt1`."""
    of_id = {name.replace("_", "/", 1): fields for name, fields in changes.items()}
    utterances = [
        replace(clip.utterance, **of_id.get(clip.utterance.id, {}))
        for clip in corpus.clips
        if clip.utterance.id not in gone
    ]
    return with_utterances(corpus, utterances)


def with_utterances(corpus: Corpus, utterances: Sequence[Utterance]) -> Corpus:
    dialogue_of_id = {u.id: d for d in group_dialogues(utterances) for u in d.utterances}
    clips = tuple(Clip(utterance=u, dialogue=dialogue_of_id[u.id]) for u in utterances)
    return replace(corpus, clips=clips)


def added(corpus: Corpus, before: str, *new: Utterance) -> Corpus:
    utterances = [clip.utterance for clip in corpus.clips]
    place = [utterance.id for utterance in utterances].index(before)
    return with_utterances(corpus, [*utterances[:place], *new, *utterances[place:]])


def newcomer(name: str) -> Utterance:
    first = corpus_of(TEXTS).clips[0].utterance
    return replace(first, id=f"train/{name}", dialogue=name, text=f"words of {name}")


ORIGINAL = corpus_of(TEXTS)
LABELS_AND_ROWS = added(
    corrected(
        ORIGINAL,
        gone=["train/dia1_utt2"],
        train_dia0_utt1={"label": "joy"},
        train_dia0_utt2={"label": "anger"},
        test_dia3_utt4={"label": "", "speaker": "Ross"},
        dev_dia2_utt3={"text": "other words"},
    ),
    "train/dia1_utt0",
    newcomer("new0"),
    newcomer("new1"),
)
ANEW = ["train/new0", "train/new1", "dev/dia2_utt3"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The store of the corrected corpus, made from nothing."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, LABELS_AND_ROWS)
    return (folder / PLACE).read_bytes()


def test_only_rows_whose_input_changed_and_new_ones_are_extracted_and_the_line_says_so(
    tmp_path: Path, undisturbed: bytes
) -> None:
    run(tmp_path, ORIGINAL)
    report, seen = run(tmp_path, LABELS_AND_ROWS)
    assert seen == ANEW
    assert str(report.corrections) == (
        "3 labels and 1 text and 1 speaker corrected, 2 rows added, 1 gone: 3 of 23 rows extracted anew"
    )
    assert (tmp_path / PLACE).read_bytes() == undisturbed
    report, seen = run(tmp_path, LABELS_AND_ROWS)
    assert (seen, report.built, report.corrections) == ([], False, None)


def test_a_corrected_label_costs_no_extraction_and_stands_in_the_row(tmp_path: Path) -> None:
    run(tmp_path, ORIGINAL)
    report, seen = run(tmp_path, corrected(ORIGINAL, train_dia0_utt0={"label": "anger"}))
    assert seen == []
    assert str(report.corrections) == "1 label corrected: 0 of 22 rows extracted anew"
    with FeatureStore(tmp_path / PLACE) as store:
        assert store.rows.utterances[0].label == "anger"


def test_an_order_that_was_corrected_is_the_store_s(tmp_path: Path) -> None:
    run(tmp_path, ORIGINAL)
    utterances = [clip.utterance for clip in ORIGINAL.clips]
    turned = with_utterances(ORIGINAL, [*utterances[5:10], *utterances[:5], *utterances[10:]])
    _, seen = run(tmp_path, turned)
    assert seen == []
    with FeatureStore(tmp_path / PLACE) as store:
        assert [u.id for u in store.rows.utterances] == [c.utterance.id for c in turned.clips]
        for row, outcome in enumerate(FakeExtractor()(turned.clips)):
            wanted = np.zeros(5) if outcome.vector is None else outcome.vector
            np.testing.assert_array_equal(store.features()[row], wanted)


def test_a_correction_that_is_taken_back_while_its_parts_wait_costs_nothing(tmp_path: Path) -> None:
    run(tmp_path, ORIGINAL)
    before = (tmp_path / PLACE).read_bytes()
    run(tmp_path, LABELS_AND_ROWS, shard=Shard(1, 1))
    assert (tmp_path / PLACE).read_bytes() == before
    _, seen = run(tmp_path, ORIGINAL)
    assert seen == []
    assert (tmp_path / PLACE).read_bytes() == before


def test_parts_of_before_a_correction_never_lose_their_place_to_others(tmp_path: Path) -> None:
    run(tmp_path, ORIGINAL, shard=Shard(1, 1))
    four = [newcomer(f"new{number}") for number in range(4)]  # a whole block, numbered as the first one was
    report, seen = run(tmp_path, added(ORIGINAL, "train/dia0_utt0", *four))
    assert seen == [utterance.id for utterance in four]
    assert report.missing_rows == 0
    with FeatureStore(tmp_path / PLACE) as store:
        assert len(store.rows) == 26


def test_shards_of_a_corrected_corpus_are_built_into_the_same_bytes(
    tmp_path: Path, undisturbed: bytes
) -> None:
    run(tmp_path, ORIGINAL)
    for number in (2, 1, 3):
        run(tmp_path, LABELS_AND_ROWS, shard=Shard(number, 3))
    _, seen = run(tmp_path, LABELS_AND_ROWS)
    assert seen == []
    assert (tmp_path / PLACE).read_bytes() == undisturbed


def test_failed_rows_can_be_retried_in_the_same_run_as_a_correction(tmp_path: Path) -> None:
    extractor = FakeExtractor(healed=tmp_path / "healed")
    run(tmp_path, ORIGINAL, extractor=extractor)
    run(tmp_path, LABELS_AND_ROWS, extractor=extractor, shard=Shard(1, 3))
    (tmp_path / "healed").touch()
    report, _ = run(tmp_path, LABELS_AND_ROWS, extractor=extractor, retry_failed=True)
    assert (report.failed, report.missing_rows) == ([], 0)
    assert str(report.corrections).startswith("3 labels and 1 text and 1 speaker corrected, 2 rows added")
    with FeatureStore(tmp_path / PLACE) as store:
        assert store.rows.usable.all()
        assert store.header.complete


def test_what_was_reduced_stays_where_nothing_that_a_reducer_reads_has_changed(tmp_path: Path) -> None:
    class Refusing(HalfWidth):
        def __call__(self, *_: object) -> None:  # type: ignore[override]  # it must not be called
            raise AssertionError("reduced again")

    def again(corpus: Corpus) -> None:
        job = Job(corpus=corpus, extractor=ComParE(), folder=tmp_path)
        extract(job, InProcess(), reduction=Refusing(), on_progress=lambda _: None)

    job = Job(corpus=ORIGINAL, extractor=ComParE(), folder=tmp_path)
    extract(job, InProcess(), reduction=HalfWidth(), on_progress=lambda _: None)
    again(corrected(ORIGINAL, dev_dia2_utt3={"text": "other words"}))
    with FeatureStore(tmp_path / PLACE) as store:
        assert store.rows.utterances[13].text == "other words"
        assert store.reduced_width == 2
    with pytest.raises(AssertionError, match="reduced again"):
        again(corrected(ORIGINAL, dev_dia2_utt3={"label": ""}))


def test_annotations_that_lost_a_whole_split_are_refused_and_the_store_stands(tmp_path: Path) -> None:
    run(tmp_path, ORIGINAL)
    before = (tmp_path / PLACE).read_bytes()
    without_test = [c.utterance for c in ORIGINAL.clips if c.utterance.split is not Split.TEST]
    with pytest.raises(StoreError, match=r"has 5 test rows, and the corpus none of them.*--overwrite"):
        run(tmp_path, with_utterances(ORIGINAL, without_test))
    assert (tmp_path / PLACE).read_bytes() == before


def made_by_an_older_version(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["inputs"]


def test_a_store_of_an_older_version_is_brought_up_to_date_by_one_run_and_then_outlives_corrections(
    tmp_path: Path,
) -> None:
    run(tmp_path, ORIGINAL)
    before = (tmp_path / PLACE).read_bytes()
    made_by_an_older_version(tmp_path / PLACE)
    report, seen = run(tmp_path, ORIGINAL)
    assert (seen, report.built) == ([], True)
    assert (tmp_path / PLACE).read_bytes() == before


def test_a_store_of_an_older_version_and_of_other_annotations_is_refused_with_a_remedy(
    tmp_path: Path,
) -> None:
    run(tmp_path, ORIGINAL)
    made_by_an_older_version(tmp_path / PLACE)
    with pytest.raises(StoreError, match=r"older version.*run once with the annotations of then"):
        run(tmp_path, LABELS_AND_ROWS)
    assert run(tmp_path, LABELS_AND_ROWS, overwrite=True)[0].extracted == 23


@dataclass(frozen=True, kw_only=True)
class TunedExtractor(FakeExtractor):
    """A fake one whose encoder was trained on the corpus' labels."""

    tuned_on: str = "these labels"
    learned_settings: Sequence[str] = ("tuned_on",)

    @property
    def settings(self) -> dict[str, str]:
        return {"version": self.version, "tuned_on": self.tuned_on}

    @property
    def fingerprint(self) -> str:
        return f"{self.version} {self.tuned_on}"


def test_an_encoder_that_corrected_labels_made_another_one_does_all_rows_anew(tmp_path: Path) -> None:
    run(tmp_path, ORIGINAL, extractor=TunedExtractor())
    other = TunedExtractor(tuned_on="other labels")
    with pytest.raises(StoreError, match="tuned_on was 'these labels', now 'other labels'"):
        run(tmp_path, ORIGINAL, extractor=other)
    corpus = corrected(ORIGINAL, train_dia0_utt0={"label": "anger"})
    with pytest.raises(StoreError, match="version was '1', now '2'"):
        run(tmp_path, corpus, extractor=replace(other, version="2"))
    report, seen = run(tmp_path, corpus, extractor=other)
    assert len(seen) == 22
    assert str(report.corrections) == "1 label corrected: 22 of 22 rows extracted anew"
    with FeatureStore(tmp_path / PLACE) as store:
        assert store.header.settings["tuned_on"] == "other labels"


def test_who_does_not_say_what_it_reads_is_taken_to_read_the_whole_dialogue(tmp_path: Path) -> None:
    class Silent:
        def __init__(self) -> None:
            self.fake = FakeExtractor()

        def __getattr__(self, name: str) -> object:
            if name == "reads":
                raise AttributeError(name)
            return getattr(self.fake, name)

        def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
            return self.fake(clips)

    run(tmp_path, ORIGINAL, extractor=Silent())
    _, seen = run(tmp_path, corrected(ORIGINAL, train_dia1_utt0={"label": "joy"}), extractor=Silent())
    assert seen == [f"train/dia1_utt{turn}" for turn in range(5)]
    assert reads_everything(ORIGINAL.clips[0]) != reads_everything(ORIGINAL.clips[1])


def reads_of(dialogue: Dialogue, context: Context) -> list[list[object]]:
    return [said_in_reach(clip, context) for clip in clips_of(dialogue)]


def context(*, speakers: str = "tokens", past: int = 1, reading: str = "utterance") -> Context:
    return Context(speakers=speakers, past_tokens=past, future_tokens=0, window_tokens=64, reading=reading)


FRIENDS = [("Monica", "a b"), ("Ross", "c"), ("Monica", "d"), ("Phoebe", "e")]


def touched(turns: Sequence[tuple[str, str]], how: Context) -> list[int]:
    """Turns of FRIENDS that read something else once they are these."""
    pairs = zip(reads_of(dialogue_of(FRIENDS), how), reads_of(dialogue_of(turns), how), strict=True)
    return [turn for turn, (before, after) in enumerate(pairs) if before != after]


def test_text_depends_on_the_words_in_its_reach_and_no_others() -> None:
    other = [*FRIENDS[:1], ("Ross", "c, c"), *FRIENDS[2:]]
    assert touched(other, context()) == [1, 2]
    assert touched(other, context(past=0)) == [1]
    assert touched(other, context(past=0, reading="dialogue")) == [0, 1, 2, 3]


def test_text_depends_on_who_speaks_as_far_as_that_is_read() -> None:
    renamed = [("Mon", words) if name == "Monica" else (name, words) for name, words in FRIENDS]
    assert touched(renamed, context()) == []  # the same slots
    assert touched(renamed, context(speakers="names")) == [0, 1, 2, 3]
    other = [("Monica", "a b"), ("Monica", "c"), *FRIENDS[2:]]
    assert touched(other, context()) == [1, 2, 3]  # Phoebe is the second speaker now
    assert touched(other, context(speakers="none")) == []


def test_text_depends_on_no_label() -> None:
    pairs = [reads_of(dialogue_of(FRIENDS, label=label), context()) for label in ("joy", "anger")]
    assert pairs[0] == pairs[1]


def test_sound_and_picture_depend_on_times_and_the_media_s_name_alone(tmp_path: Path) -> None:
    video = LFNet3D(weights=Weights(path=tmp_path, sha256="0" * 64, source="given"))
    said = {"text": "other", "label": "", "speaker": "Ross", "end_seconds": None}
    for extractor in (ComParE(), video):

        def inputs(corpus: Corpus, extractor: Extractor = extractor) -> Sequence[str]:
            return Job(corpus=corpus, extractor=extractor, folder=tmp_path).inputs

        before = inputs(ORIGINAL)
        assert inputs(corrected(ORIGINAL, train_dia0_utt0=said)) == before
        timed = inputs(corrected(ORIGINAL, train_dia0_utt0={"end_seconds": 1.5}))
        assert [row for row in range(22) if timed[row] != before[row]] == [0]
        names = tuple(f"{row}.mp4" for row in range(22))
        named = inputs(replace(ORIGINAL, media_names=names))
        renamed = inputs(replace(ORIGINAL, media_names=(*names[:-1], "other.mp4")))
        assert [row for row in range(22) if named[row] != renamed[row]] == [21]


KILLED_RUN = """
import sys
from pathlib import Path
from tests.extraction import test_corrections as tests
print("ready", flush=True)
tests.run(Path(sys.argv[1]), tests.LABELS_AND_ROWS, extractor=tests.FakeExtractor(seconds=0.03))
"""


@pytest.mark.slow
def test_a_correction_killed_at_random_moments_ends_in_the_bytes_of_an_undisturbed_one(
    tmp_path: Path, undisturbed: bytes
) -> None:
    run(tmp_path, ORIGINAL)
    dice = random.Random(5)
    for _ in range(8):
        command = [sys.executable, "-c", KILLED_RUN, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(dice.uniform(0.0, 0.15))
            os.kill(process.pid, signal.SIGKILL)
        with FeatureStore(tmp_path / PLACE) as store:  # the old one or the new one, never half of one
            assert len(store.rows) in (22, 23)
    run(tmp_path, LABELS_AND_ROWS)
    assert (tmp_path / PLACE).read_bytes() == undisturbed
    assert not (tmp_path / "audio.parts").exists()
