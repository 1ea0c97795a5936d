"""Every model by name, and the nearest to a name that there is not."""

from __future__ import annotations

import pytest

from summer.baselines import BASELINES
from summer.training.models import UnknownModelError, kind_of, known_models

KNOWN = ", ".join(known_models())


def test_there_are_teacher_student_and_then_the_rivals() -> None:
    assert known_models() == ["teacher", "student", *BASELINES]
    assert "mlp" in BASELINES


@pytest.mark.parametrize(("name", "needs"), [("teacher", None), ("student", "teacher"), ("mlp", None)])
def test_a_kind_says_what_it_needs(name: str, needs: str | None) -> None:
    assert kind_of(name).needs == needs


@pytest.mark.parametrize(("name", "nearest"), [("studnet", "student"), ("teach", "teacher"), ("mpl", "mlp")])
def test_an_unknown_model_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    message = f"there is no model {name!r}, did you mean {nearest!r}.; there is {KNOWN}"
    with pytest.raises(UnknownModelError, match=message):
        kind_of(name)


def test_a_name_that_is_near_to_none_is_refused_with_all_of_them() -> None:
    with pytest.raises(UnknownModelError, match=f"there is no model 'qqq'; there is {KNOWN}"):
        kind_of("qqq")
