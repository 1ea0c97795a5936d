"""Who reads a clip: folds of a corpus, new rows; a corpus of which a row would be read by who has seen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from extraction.corpora import Corpus
from extraction.extractor import Clip
from extraction.video.folds import FoldsError, VideoFolds
from summer.corpus import Split
from tests.extraction.fake import corpus_of

CORPUS = corpus_of(
    ["word"] * 60
)  # training dialogues 0 to 5, of five utterances each; dev 6 to 8, test 9 to 11
TRAINING = [clip for clip in CORPUS.clips if clip.utterance.split is Split.TRAIN]
OTHERS = [clip for clip in CORPUS.clips if clip.utterance.split is not Split.TRAIN]
WHOLE, MEAN = (VideoFolds.dealt(CORPUS, 3, new_rows) for new_rows in ("whole", "mean"))  # type: ignore[arg-type]


def moved(clip: Clip, dialogue: str, split: Split = Split.TRAIN, *, name: str = "") -> Clip:
    utterance = replace(clip.utterance, dialogue=dialogue, split=split, id=name or clip.utterance.id)
    return replace(clip, utterance=utterance, dialogue=replace(clip.dialogue, name=dialogue, split=split))


def test_each_training_row_is_read_by_the_network_that_was_tuned_without_its_dialogue() -> None:
    assert WHOLE.count == MEAN.count == 3
    assert WHOLE.networks == ("fold_1", "fold_2", "fold_3", "whole")
    assert MEAN.networks == ("fold_1", "fold_2", "fold_3")
    for clip in TRAINING:
        fold = int(clip.dialogue.name) // 2
        for folds in (WHOLE, MEAN):
            assert folds.fold(clip) == fold
            assert list(folds.readers(fold)) == [fold]
            assert folds.dialogues_of({fold}) == {str(2 * fold), str(2 * fold + 1)}


def test_all_others_are_read_by_the_whole_one_or_by_the_mean_of_all() -> None:
    unknown = moved(TRAINING[0], "unheard of", name="new")
    for clip in (*OTHERS, unknown):
        assert WHOLE.fold(clip) is None
        assert MEAN.fold(clip) is None
    assert list(WHOLE.readers(None)) == [3]
    assert list(MEAN.readers(None)) == [0, 1, 2]
    assert (WHOLE.reference, MEAN.reference) == (3, 0)


def test_it_is_read_as_it_was_written() -> None:
    assert VideoFolds.from_record(WHOLE.record) == WHOLE
    with pytest.raises(ValueError, match="new_rows 'none'"):
        VideoFolds.from_record({**WHOLE.record, "new_rows": "none"})


def with_clips(*clips: Clip, name: str = "fake") -> Corpus:
    return replace(CORPUS, clips=clips, name=name)


UNHARMED: dict[str, Corpus] = {
    "the very corpus": CORPUS,
    "a part of it": with_clips(*TRAINING[:7]),
    "an utterance more": with_clips(*TRAINING, moved(TRAINING[-1], "5", name="train/new"), *OTHERS),
    "a new dialogue": with_clips(*CORPUS.clips, moved(TRAINING[-1], "new", name="train/new")),
    "another name in the same fold": with_clips(moved(TRAINING[0], "1"), *TRAINING[5:]),
    "new media": with_clips(*(moved(c, "0", Split.TEST) for c in TRAINING), name="clips"),
}


@pytest.mark.parametrize("what", UNHARMED)
def test_a_corpus_none_of_whose_rows_is_read_by_who_has_seen_it_is_taken(what: str) -> None:
    WHOLE.check(UNHARMED[what])


BETRAYED: dict[str, tuple[Callable[[], Corpus], str]] = {
    "another corpus": (
        lambda: replace(CORPUS, name="other"),
        "tuned without folds of corpus 'fake', and 'other' has 30 training rows of its own; tune on 'other'",
    ),
    "a row in another fold": (
        lambda: with_clips(*TRAINING[1:], moved(TRAINING[0], "5")),
        r"1 training rows .*utt0 was in fold 1 of 3 and is in dialogue '5' of train now.*tune again",
    ),
    "a dialogue of another name": (
        lambda: with_clips(*(moved(clip, "renamed") for clip in TRAINING[:5]), *TRAINING[5:]),
        "5 training rows .*train/dia0_utt0 was in fold 1 of 3 and is in dialogue 'renamed'",
    ),
    "a training row in the test split": (
        lambda: with_clips(*TRAINING[1:], moved(TRAINING[0], "0", Split.TEST)),
        "is in dialogue '0' of test now, so that it would be read by a network that has seen it",
    ),
    "other ids": (
        lambda: with_clips(*(moved(c, c.dialogue.name, name=f"{c.utterance.id}.mp4") for c in TRAINING)),
        "6 training dialogues .* have none of the utterances .* '0' the first: ids .*tune again",
    ),
}


@pytest.mark.parametrize("what", BETRAYED)
def test_a_corpus_of_which_a_row_would_be_read_by_who_has_seen_it_is_refused(what: str) -> None:
    make, words = BETRAYED[what]
    with pytest.raises(FoldsError, match=words):
        WHOLE.check(make())


@pytest.mark.parametrize(("folds", "new_rows"), [(7, "whole"), (2, "mean"), (1, "whole")])
def test_folds_that_cannot_be_are_refused(folds: int, new_rows: Any) -> None:
    with pytest.raises(ValueError, match=rf"{folds}.*video\.folds|video\.folds = {folds}"):
        VideoFolds.dealt(CORPUS, folds, new_rows)
