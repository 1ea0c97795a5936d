"""The systems of a reproduction: one `summer-train` command each, and the tables and figures that they fill.

    table 1 or 2     every system on all modalities that the stores have
    table 3          the student by the paper's "original attention mechanism" on each set of modalities: no
                     guidance, no distillation, self-attention instead of HCMF
    table 4          the student without one of its parts, with the same teachers
    figure 4         the teacher of each modality, by SDMoE and by a plain MoE that keeps the two best experts
    figure 5         the student without the residual of HCMF
    figures 6 and 7  the run of teacher and student itself

Every rival of `summer.baselines` is among them, also one that was added yesterday. Each system of table 1 or
2 that is trained scores test after every epoch as well, which shows what choosing on it would report; a
regression, whose strength dev chooses, is fitted once more with `--select-on test`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import combinations
from typing import Literal

from summer.baselines import BASELINES
from summer.corpus import Modality
from summer.training.models import kind_of

Place = Literal["systems", "modalities", "components", "experts", "residual"]
SUMMER_RUN = "summer"
ON_TEST = "-on-test"
TITLES = {
    "majority": "majority class",
    "encoder-head": "the text encoder's own head",
    "mlp": "MLP, modalities side by side",
    "bi-gru": "bi-GRU, modalities side by side",
    "dialogue-rnn": "DialogueRNN",
    "dialogue-gcn": "DialogueGCN",
    "mmgcn": "MMGCN",
    "corect": "CORECT",
    "multi-emo": "MultiEMO",
    "sdt": "SDT",
    "chfusion": "CHFusion",
    "teacher": "SUMMER, teacher",
    "student": "SUMMER, student",
}
REGRESSION = "regression"
NAMED_APART = (REGRESSION, "encoder-head")
WITHOUT_DISTILLATION = ("distillation.cross=0.0", "distillation.align=0.0", "distillation.inner=0.0")
COMPONENTS = {
    "without-sdmoe": ("without SDMoE: a plain MoE keeps the two best experts", ("model.routing=top-k",)),
    "without-hcmf": ("without HCMF: self-attention within each modality", ("model.fusion=self-attention",)),
    "without-ikd": ("without IKD: none of equations 11 to 13", WITHOUT_DISTILLATION),
    "without-gmoe": ("without GMoE: every modality counts the same", ("model.mixture=mean",)),
    "hard-labels": ("hard labels: equation 14 without smoothing", ("distillation.epsilon=1.0",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One run of `summer-train`, and the rows that it gives.

    Args:
        name: of its run, and of its folder.
        titles: of the rows, by model; a run of teacher and student gives two.
        place: the table or figure that they stand in.
        modalities: that it reads, where that is what sets it apart.
        options: of `summer-train`, besides recipe, features, seeds and folder.
        takes_teachers: it takes the teachers of the run `summer`, which must be finished.
        chooses_on_test: what dev chooses is chosen on test, to show what that does.
    """

    name: str
    titles: Mapping[str, str]
    place: Place = "systems"
    modalities: tuple[Modality, ...] = ()
    options: tuple[str, ...] = ()
    takes_teachers: bool = False
    chooses_on_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A row that cannot be had, and why."""

    title: str
    place: Place
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All systems of a reproduction, and what cannot be run."""

    systems: Sequence[System]
    missing: Sequence[Missing] = field(default_factory=tuple)

    def without(self, names: Sequence[str]) -> Catalogue:
        """The same, but these systems, and those that need their teachers, are missing.

        Raises:
            ValueError: there is no such system.
        """
        for name in names:
            self._check(name)
        kept, left_out = [], []
        for system in self.systems:
            if system.name in names:
                left_out.append(_left_out(system, f"left out by --without {system.name}"))
            elif system.takes_teachers and SUMMER_RUN in names:
                left_out.append(_left_out(system, f"its teachers are left out by --without {SUMMER_RUN}"))
            else:
                kept.append(system)
        return Catalogue(systems=kept, missing=[*self.missing, *left_out])

    def _check(self, name: str) -> None:
        known = [system.name for system in self.systems]
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "--dry-run shows them all"
            raise ValueError(f"--without {name}: there is no such system; {hint}")


def catalogue(present: Sequence[Modality], *, teacher: Modality, has_head: bool, on_test: bool) -> Catalogue:
    """What can be run on stores of some modalities.

    Args:
        teacher: the modality of the recipe's teacher.
        has_head: the text store has the head of its encoder.
        on_test: show of every system that chooses anything what choosing on test would report.
    """
    systems = [*_table_of_systems(present, teacher=teacher, has_head=has_head)]
    again = [_on_test(system) for system in systems if REGRESSION in system.titles] if on_test else []
    systems = [_with_curve(system) if on_test else system for system in systems]
    missing = [*_missing(present, teacher=teacher, has_head=has_head)]
    if teacher in present:
        systems += [*_modalities(present), *_components(present), *_experts(present, teacher=teacher)]
    return Catalogue(systems=[*systems, *again], missing=missing)


def _table_of_systems(present: Sequence[Modality], *, teacher: Modality, has_head: bool) -> Iterator[System]:
    for name in BASELINES:
        if name not in NAMED_APART:
            yield System(name=name, titles={name: TITLES.get(name, name)}, options=("--model", name))
    joined = [tuple(present)] if len(present) > 1 else []
    for some in [*((m,) for m in present), *joined]:
        name = f"regression-{'-'.join(some)}"
        title = f"logistic regression, {' + '.join(some)}"
        reads = _override("baselines.regression.modalities", some)
        yield System(
            name=name,
            titles={REGRESSION: title},
            modalities=some,
            options=("--model", REGRESSION, *reads),
        )
    if has_head:
        yield System(
            name="encoder-head",
            titles={"encoder-head": TITLES["encoder-head"]},
            options=("--model", "encoder-head", "-o", "model.start=head"),
        )
    if teacher in present:
        titles = {model: TITLES[model] for model in ("teacher", "student")}
        yield System(name=SUMMER_RUN, titles=titles, options=("--projection", "--distributions"))


def _modalities(present: Sequence[Modality]) -> Iterator[System]:
    plain = ("model.fusion=self-attention", "model.guidance=never", *WITHOUT_DISTILLATION)
    for count in range(1, len(present) + 1):
        for some in combinations(present, count):
            yield System(
                name=f"modalities-{'-'.join(some)}",
                titles={"student": " + ".join(some)},
                place="modalities",
                modalities=some,
                options=(*_students_only(plain), *_override("model.student", some)),
                takes_teachers=True,
            )


def _components(present: Sequence[Modality]) -> Iterator[System]:
    for name, (title, overrides) in COMPONENTS.items():
        if name == "without-hcmf" and len(present) == 1:
            continue  # one modality has nothing to fuse
        yield System(
            name=name,
            titles={"student": title},
            place="components",
            options=_students_only(overrides),
            takes_teachers=True,
        )
    if len(present) > 1:
        yield System(
            name="without-residual",
            titles={"student": "HCMF without its residual"},
            place="residual",
            options=_students_only(("model.fusion_residual=false",)),
            takes_teachers=True,
        )


def _experts(present: Sequence[Modality], *, teacher: Modality) -> Iterator[System]:
    """SDMoE of the recipe's own teacher is in the run of teacher and student."""
    for modality in present:
        for routing, title in (("sparse", "SDMoE"), ("top-k", "MoE")):
            if modality is teacher and routing == "sparse":
                continue
            yield System(
                name=f"teacher-{modality}-{routing}",
                titles={"teacher": f"{modality}, {title}"},
                place="experts",
                modalities=(modality,),
                options=(
                    *("--stage", "teacher", "--modality", modality.value),
                    *("-o", f"model.routing={routing}"),
                ),
            )


def _missing(present: Sequence[Modality], *, teacher: Modality, has_head: bool) -> Iterator[Missing]:
    absent = [modality for modality in Modality if modality not in present]
    for modality in absent:
        why = f"there is no {modality} store"
        yield Missing(title=f"logistic regression, {modality}", place="systems", reason=why)
        yield Missing(title=f"{modality}, SDMoE and MoE", place="experts", reason=why)
    for count in range(1, len(Modality) + 1):
        for some in combinations(Modality, count):
            lacking = [modality for modality in some if modality in absent]
            if lacking:
                why = f"there is no {' and no '.join(lacking)} store"
                yield Missing(title=" + ".join(some), place="modalities", reason=why)
    if not has_head:
        why = "the text store has no head of an encoder: it was frozen, imported, reduced, or is absent"
        yield Missing(title=TITLES["encoder-head"], place="systems", reason=why)
    if teacher not in present:
        why = f"the recipe's teacher reads {teacher}, of which there is no store; give -o model.teacher=..."
        yield Missing(title="SUMMER, its tables 3 and 4 and figures 4 to 7", place="systems", reason=why)


def _left_out(system: System, reason: str) -> Missing:
    where = ", chosen on test" if system.chooses_on_test else ""
    return Missing(title=" and ".join(system.titles.values()) + where, place=system.place, reason=reason)


def _with_curve(system: System) -> System:
    """Of what is trained. The others have one epoch, or none."""
    trained = all(kind_of(name).fitted is None for name in system.titles)
    return replace(system, options=(*system.options, "--test-curve")) if trained else system


def _on_test(system: System) -> System:
    return replace(
        system,
        name=system.name + ON_TEST,
        options=(*system.options, "--select-on", "test"),
        chooses_on_test=True,
    )


def _students_only(overrides: Sequence[str]) -> tuple[str, ...]:
    return ("--stage", "student", *(word for override in overrides for word in ("-o", override)))


def _override(key: str, modalities: Sequence[Modality]) -> tuple[str, str]:
    listed = ",".join(f'"{modality}"' for modality in modalities)
    return ("-o", f"{key}=[{listed}]")
