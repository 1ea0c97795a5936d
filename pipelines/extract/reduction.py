"""The reduction that a recipe asks for, as an extraction carries it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extraction.building import CannotReduceError
from extraction.extractor import Clip
from pipelines.recipe import ReductionRecipe, ReductionRecipes
from summer.corpus import LabelSet, Modality
from summer.folds import folds_of
from summer.reduction import (
    Method,
    RawRows,
    ReductionError,
    fit_reducer,
    found_reducer,
    reduce_out_of_fold,
)
from summer.store import Rows

SUPERVISED: Method = "dialogue-rnn"


def reduction_of(
    recipes: ReductionRecipes, modality: Modality, clips: Sequence[Clip]
) -> RecipeReduction | None:
    """What a recipe asks for; None where raw vectors are all.

    Raises:
        ValueError: folds of a method that learns from no labels, or more than the corpus can be dealt into.
    """
    recipe: ReductionRecipe = getattr(recipes, modality.value)
    if recipe.method == "none":  # said to a recipe that has folds, it means them as well
        return None
    option = f"reduction.{modality}.folds"
    if recipe.folds and recipe.method != SUPERVISED:
        raise ValueError(
            f"{option} = {recipe.folds} with reduction.{modality}.method '{recipe.method}', which learns "
            f"from no labels; leave {option} at 0, or choose {SUPERVISED}"
        )
    if recipe.folds:
        folds_of((clip.dialogue for clip in clips), recipe.folds, option=option)
    return RecipeReduction(recipe.method, recipe)


@dataclass(frozen=True, slots=True)
class RecipeReduction:
    """Fits what a recipe asks for, and reduces with it."""

    method: Method
    recipe: ReductionRecipe

    @property
    def wanted(self) -> dict[str, str]:
        """What the store must say of its reduction; of folds nothing where there are none."""
        asked = {"method": self.recipe.method, "width": str(self.recipe.width), "seed": str(self.recipe.seed)}
        return asked | ({"folds": str(self.recipe.folds)} if self.recipe.folds else {})

    def made(self, description: Mapping[str, str]) -> bool:
        """Whether a store that describes its reduction so was reduced by this one."""
        asked = ("method", "width", "seed", "folds")
        return {name: description[name] for name in asked if name in description} == self.wanted

    def __call__(
        self, raw: NDArray[np.float32], rows: Rows, labels: LabelSet, path: Path
    ) -> tuple[NDArray[np.float32], dict[str, str]]:
        """Fit, or find fitted, and reduce; see `extraction.building.Reduction`."""
        try:
            return self._reduced(raw, rows, labels, path)
        except ReductionError as error:
            raise CannotReduceError(str(error)) from error

    def _reduced(
        self, raw: NDArray[np.float32], rows: Rows, labels: LabelSet, path: Path
    ) -> tuple[NDArray[np.float32], dict[str, str]]:
        """Fit on the training rows unless `path` holds that very reducer of new rows; reduce all rows."""
        raw_rows = RawRows(features=raw, usable=rows.usable, utterances=rows.utterances)
        width, seed = self.recipe.width, self.recipe.seed
        if self.recipe.folds:
            made = reduce_out_of_fold(
                raw_rows,
                labels=labels,
                width=width,
                seed=seed,
                folds=self.recipe.folds,
                folder=path.with_suffix(""),
            )
            made.whole.save(path)
            return made.vectors, {**made.description, **self.wanted}
        reducer = found_reducer(path, self.method, raw_rows, labels=labels, width=width, seed=seed)
        if reducer is None:
            reducer = fit_reducer(self.method, raw_rows, labels=labels, width=width, seed=seed)
            reducer.save(path)
        return reducer.apply(raw_rows), {**reducer.description, **self.wanted}
