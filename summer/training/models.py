"""Every model by name: SUMMER's teacher and student, and the rivals of `summer.baselines`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from summer.baselines import BASELINES
from summer.classifier import ModelKind
from summer.model.assembly import build_teacher
from summer.model.guided import StudentOptions, build_guided_student
from summer.options import ModelOptions, TrainingOptions

TEACHER, STUDENT = "teacher", "student"
SUMMER: Mapping[str, ModelKind] = {
    TEACHER: ModelKind(
        options=ModelOptions,
        build=build_teacher,
        reads=lambda options: (options.teacher,),
        training=TrainingOptions(),
    ),
    STUDENT: ModelKind(
        options=StudentOptions,
        build=build_guided_student,
        reads=lambda options: options.model.student,
        training=TrainingOptions(),
        needs=TEACHER,
    ),
}


class UnknownModelError(ValueError):
    """No model has that name; the message names the nearest."""


def known_models() -> list[str]:
    """The names of all models: the teacher, the student, then the rivals."""
    return [*SUMMER, *BASELINES]


def kind_of(name: str) -> ModelKind:
    """How the model of that name is made.

    Raises:
        UnknownModelError: there is none.
    """
    kind = SUMMER.get(name) or BASELINES.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, known_models(), n=1)
        meant = f", did you mean {near[0]!r}?" if near else ""
        raise UnknownModelError(f"there is no model {name!r}{meant}; there is {', '.join(known_models())}")
    return kind
