"""What text and faces share of reading out of fold: dealing, who is new, vectors moved for a head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from extraction.folds import deal, dialogues_to_align_by, fold_of_clip, with_logits
from summer.corpus import Split
from summer.store import EncoderHead
from tests.extraction.fake import corpus_of


def rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def test_the_head_gives_moved_vectors_the_logits_and_nothing_else_moves() -> None:
    head = EncoderHead(weight=rows(3, 8), bias=rows(1, 3, seed=1)[0])
    vectors, logits = rows(5, 8, seed=2), rows(5, 3, seed=3)
    moved = with_logits(vectors, logits, head)
    assert np.allclose(moved @ head.weight.T + head.bias, logits, atol=1e-4)
    _, _, right = np.linalg.svd(head.weight)
    assert np.allclose((moved - vectors) @ right[3:].T, 0, atol=1e-5)  # what the head does not see


CORPUS = corpus_of(["word"] * 40)  # dialogues 0 to 3 are training, 4 and 5 dev, 6 and 7 test


def test_only_training_clips_of_dialogues_that_were_dealt_have_a_fold() -> None:
    fold_of = deal(CORPUS.clips, 4, "mean", table="video")
    assert fold_of == {"0": 0, "1": 1, "2": 2, "3": 3}
    for clip in CORPUS.clips:
        is_training = clip.utterance.split is Split.TRAIN
        assert fold_of_clip(clip, fold_of) == (int(clip.dialogue.name) if is_training else None)
    unknown = replace(CORPUS.clips[0], dialogue=replace(CORPUS.clips[0].dialogue, name="new"))
    assert fold_of_clip(unknown, fold_of) is None
    of_dev = next(clip for clip in CORPUS.clips if clip.utterance.split is Split.DEV)
    namesake = replace(of_dev, dialogue=replace(of_dev.dialogue, name="0"))
    assert fold_of_clip(namesake, fold_of) is None


@pytest.mark.parametrize(
    ("folds", "new_rows", "words"),
    [
        (5, "whole", r"5 folds of 4 training dialogues: give video\.folds between 2"),
        (1, "mean", r"1 folds of 4 training dialogues"),
        (2, "mean", r"video\.folds = 2 with video\.new_rows 'mean': two networks share no training rows"),
    ],
)
def test_folds_that_cannot_be_are_refused_with_the_remedy(folds: int, new_rows: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        deal(CORPUS.clips, folds, new_rows, table="video")  # type: ignore[arg-type]


def test_networks_are_aligned_by_evenly_spaced_dialogues() -> None:
    of_rows = [name for name in "abcdefgh" for _ in range(5)]
    assert dialogues_to_align_by(of_rows, rows=10) == {"a", "e"}
    assert dialogues_to_align_by(of_rows, rows=20) == {"a", "c", "e", "g"}
    assert dialogues_to_align_by(of_rows, rows=41) == set("abcdefgh")
