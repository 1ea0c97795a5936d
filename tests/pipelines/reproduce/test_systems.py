"""The systems of a reproduction: which there are for which stores, and that their options are understood."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from pipelines.reproduce.systems import ON_TEST, SUMMER_RUN, Catalogue, System, catalogue
from pipelines.train.command import TrainingOrder
from pipelines.train.run import experiment_of
from summer.baselines import BASELINES
from summer.corpus import Modality, Split

EVERYTHING = tuple(Modality)
SUBSETS = [some for count in (1, 2, 3) for some in combinations(EVERYTHING, count)]


def whole(present: tuple[Modality, ...] = EVERYTHING, **changes: bool) -> Catalogue:
    return catalogue(present, **{"teacher": present[0], "has_head": True, "on_test": True, **changes})


def names_of(found: Catalogue) -> set[str]:
    return {system.name for system in found.systems}


def at(found: Catalogue, place: str) -> list[System]:
    return [system for system in found.systems if system.place == place and not system.chooses_on_test]


def test_every_model_has_a_row_in_the_table_of_systems() -> None:
    rows = [model for system in at(whole(), "systems") for model in system.titles]
    assert set(rows) == {*BASELINES, "teacher", "student"}
    assert rows.count("regression") == 4  # each modality, and all joined


@pytest.mark.parametrize("present", SUBSETS)
def test_names_and_titles_are_told_apart(present: tuple[Modality, ...]) -> None:
    found = whole(present)
    names = [system.name for system in found.systems]
    assert len(set(names)) == len(names)
    for place in ("systems", "modalities", "components", "experts"):
        titles = [title for system in at(found, place) for title in system.titles.values()]
        assert len(set(titles)) == len(titles)


def test_table_3_has_seven_settings_table_4_five_parts_and_figure_4_both_experts_of_each_modality() -> None:
    found = whole()
    assert {system.modalities for system in at(found, "modalities")} == set(SUBSETS)
    assert len(at(found, "components")) == 5
    assert len(at(found, "residual")) == 1
    # the sparse teacher of text is the one of the run of teacher and student
    experts = {
        (system.modalities[0].value, system.name.endswith("-sparse")) for system in at(found, "experts")
    }
    assert experts == {(m.value, sparse) for m in Modality for sparse in (True, False)} - {("text", True)}
    assert not found.missing


@pytest.mark.parametrize("present", [some for some in SUBSETS if len(some) < 3])
def test_what_stores_lack_is_missing_with_its_reason_and_all_else_is_there(
    present: tuple[Modality, ...],
) -> None:
    found = whole(present)
    settings = {system.modalities for system in at(found, "modalities")}
    assert settings == {some for some in SUBSETS if set(some) <= set(present)}
    missing = {one.title for one in found.missing if one.place == "modalities"}
    assert len(missing) + len(settings) == 7
    absent = next(m for m in Modality if m not in present)
    assert any(f"there is no {absent} store" in one.reason for one in found.missing)
    assert not [one for one in found.systems if set(one.modalities) - set(present)]


def test_without_a_head_or_the_teachers_modality_their_rows_are_missing_and_the_others_are_not() -> None:
    headless = whole(has_head=False)
    assert "encoder-head" not in names_of(headless)
    assert any("frozen" in one.reason for one in headless.missing)
    untaught = catalogue((Modality.AUDIO,), teacher=Modality.TEXT, has_head=False, on_test=True)
    assert SUMMER_RUN not in names_of(untaught)
    assert not [system for system in untaught.systems if system.takes_teachers]
    assert any("model.teacher" in one.reason for one in untaught.missing)
    assert "mlp" in names_of(untaught)


def test_whatever_chooses_shows_what_choosing_on_test_would_report() -> None:
    found = whole()
    fitted_again = {system.name.removesuffix(ON_TEST) for system in found.systems if system.chooses_on_test}
    with_curve = {system.name for system in found.systems if "--test-curve" in system.options}
    rows = {system.name for system in at(found, "systems")}
    assert fitted_again == {name for name in rows if name.startswith("regression-")}
    assert with_curve == rows - fitted_again - {"majority", "encoder-head"}
    plain = whole(on_test=False).systems
    assert not [one for one in plain if one.chooses_on_test or "--test-curve" in one.options]


@pytest.mark.parametrize("present", [EVERYTHING, (Modality.TEXT, Modality.AUDIO), (Modality.VIDEO,)])
def test_summer_train_understands_the_options_of_every_system(
    present: tuple[Modality, ...], tmp_path: Path
) -> None:
    """And each changes something: no two systems are the same training."""
    seen = []
    for system in whole(present).systems:
        experiment = experiment_of(_order(system, tmp_path))
        assert set(system.titles) <= {*experiment.models}
        chosen_on = {experiment.settings.of(model).training.select_on for model in experiment.models}
        assert chosen_on == {Split.TEST if system.chooses_on_test else Split.DEV}
        trained = {model: experiment.settings.of(model) for model in system.titles}
        assert trained not in seen, system.name
        seen.append(trained)


def _order(system: System, folder: Path) -> TrainingOrder:
    """What typer makes of the options."""
    names = {"--model": "models", "-o": "overrides"}
    words, given = iter(system.options), {}
    lists: dict[str, list[str]] = {"models": [], "overrides": []}
    for word in words:
        if word in ("--projection", "--distributions", "--test-curve"):
            given[word.removeprefix("--").replace("-", "_")] = True
        elif word in names:
            lists[names[word]].append(next(words))
        else:
            given[word.removeprefix("--").replace("-", "_")] = next(words)
    return TrainingOrder(
        recipe="demo",
        stores=(folder / "any.h5",),
        out=folder / "run",
        models=tuple(lists["models"]),
        overrides=tuple(lists["overrides"]),
        **given,
    )


def test_what_is_left_out_is_missing_and_so_is_what_needs_its_teachers() -> None:
    left = whole().without(["sdt", "regression-text-on-test"])
    assert names_of(whole()) - names_of(left) == {"sdt", "regression-text-on-test"}
    assert [(missing.title, missing.reason) for missing in left.missing] == [
        ("SDT", "left out by --without sdt"),
        ("logistic regression, text, chosen on test", "left out by --without regression-text-on-test"),
    ]
    untaught = whole().without([SUMMER_RUN])
    assert not [system for system in untaught.systems if system.takes_teachers]
    assert len(untaught.systems) + len(untaught.missing) == len(whole().systems)
    with pytest.raises(ValueError, match="--without stk: there is no such system; did you mean 'sdt'"):
        whole().without(["stk"])
