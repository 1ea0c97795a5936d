"""From recipes to extractors: every number of a recipe arrives where it is used."""

from __future__ import annotations

import dataclasses

import pytest

from extraction.text import TuningOptions
from pipelines.recipe import TuningRecipe, load_recipe
from pipelines.text_encoders import tuning_options

OTHER_NUMBERS = {
    "epochs": 7,
    "learning_rate": 1e-3,
    "batch_size": 5,
    "weight_decay": 0.3,
    "warmup_share": 0.25,
    "seed": 11,
    "bfloat16": True,
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(TuningOptions)])
def test_each_number_of_the_fine_tuning_can_be_given_in_a_recipe(name: str) -> None:
    override = f"text.tuning.{name}={str(OTHER_NUMBERS[name]).lower()}"
    options = tuning_options(load_recipe("manifest", [override]).text.tuning)
    assert options == dataclasses.replace(
        tuning_options(load_recipe("manifest").text.tuning), **{name: OTHER_NUMBERS[name]}
    )
    assert getattr(options, name) != getattr(TuningOptions(), name)


def test_a_recipe_that_says_nothing_of_the_fine_tuning_means_its_defaults() -> None:
    assert tuning_options(TuningRecipe()) == TuningOptions()
