"""What a recipe asks of a reduction: folds that make no sense are refused, what is done is known again."""

from __future__ import annotations

import pytest

from pipelines.extract.reduction import RecipeReduction, reduction_of
from pipelines.recipe import load_recipe
from summer.corpus import Modality, Split
from tests.extraction.text.tiny_encoder import emotional_clips

CLIPS = [clip for split in Split for clip in emotional_clips(8, split)]  # four dialogues each


def asked(*overrides: str) -> RecipeReduction | None:
    recipe = load_recipe("manifest", [f"reduction.audio.{override}" for override in overrides])
    return reduction_of(recipe.reduction, Modality.AUDIO, CLIPS)


def test_a_reduction_that_is_not_asked_for_is_none() -> None:
    assert asked() is None
    assert asked("method=none", "folds=0") is None
    assert asked("method=none", "folds=3") is None  # -o ...method=none, said to a recipe with folds


def test_folds_of_a_method_that_learns_from_no_labels_are_refused() -> None:
    message = r"reduction\.audio\.folds = 3 with reduction\.audio\.method 'pca'.*at 0, or choose dialogue-rnn"
    with pytest.raises(ValueError, match=message):
        asked("method=pca", "folds=3")


@pytest.mark.parametrize("folds", [1, 5])
def test_too_few_or_too_many_folds_are_refused_before_anything_is_extracted(folds: int) -> None:
    with pytest.raises(ValueError, match=rf"{folds} folds of 4 training dialogues.*reduction\.audio\.folds"):
        asked("method=dialogue-rnn", f"folds={folds}")


def test_a_store_is_known_by_all_that_was_asked_for_and_one_of_before_there_were_folds_as_well() -> None:
    plain, folded = (asked("method=dialogue-rnn", "width=4", f"folds={folds}") for folds in (0, 2))
    assert plain is not None
    assert folded is not None
    of_before = {"method": "dialogue-rnn", "width": "4", "seed": "0", "fingerprint": "f" * 64}
    assert plain.made(of_before)
    assert not folded.made(of_before)
    assert folded.made(of_before | {"folds": "2"})
    for other in ({"folds": "2"}, {"width": "5"}, {"seed": "1"}, {"method": "pca"}):
        assert not plain.made(of_before | other)
    assert not plain.made({})
