"""The page of a reproduction: what was run on what, every table and figure, and what could not be run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.reproduce.jobs import Ended, Ending
from pipelines.reproduce.systems import SUMMER_RUN, Catalogue, Place, System
from pipelines.reproduce.tables import (
    classes_table,
    components_table,
    cost_table,
    modalities_table,
    systems_table,
)
from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.durable import json_of, write_aside
from summer.report.figures import draw_experts, draw_losses, draw_systems
from summer.report.figures.bars import Bar
from summer.report.page import Page, listed, picture, section
from summer.report.published import Published, published_of
from summer.report.tables import p_value_text
from summer.runs.chosen_on_test import chosen_on_test
from summer.runs.folder import seed_folder
from summer.runs.reading import read_run
from summer.runs.standing import Against, Standing, compared, standing_of
from summer.training.models import STUDENT, TEACHER

DECISIVE = 0.05
PICTURES = ("systems.png", *(f"figure{number}.png" for number in (4, 5, 6, 7)))
FILES = ("page.md", "page.html", *PICTURES)
WHAT_COSTS = (
    "An epoch is its steps, the look at dev and what is saved: the median over epochs and seeds, in jobs "
    "side by side. A system that is found at once has none. A student's parameters are without its frozen "
    "teacher's."
)
EXPERTS = {"sparse": "SDMoE", "top-k": "MoE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What was run, and how it ended.

    Args:
        ended: by the name of the system.
    """

    recipe: str
    catalogue: Catalogue
    conversations: Conversations
    seeds: Sequence[int]
    ended: Mapping[str, Ended]

    def done(self, place: Place, *, on_test: bool = False) -> list[System]:
        """The systems of a table that have a run."""
        return [
            system
            for system in self.catalogue.systems
            if system.place == place
            and system.chooses_on_test is on_test
            and self.ended[system.name].ending is Ending.DONE
        ]


def write_page(out: Path, reproduction: Reproduction) -> None:
    """Write page.md, page.html and the figures beside them.

    Raises:
        RunError, PredictionsError: a run that cannot be read.
        DiskError: the disk is full or refuses.
    """
    found = _found(out, reproduction)
    pictures = [*_draw(out, reproduction, found)]
    page = Page(
        title=f"SUMMER and its rivals on {reproduction.conversations.corpus}",
        blocks=(
            *_blocks(reproduction, found, pictures),
            _not_run(out, reproduction),
            _commands(reproduction),
        ),
    )
    write_aside(out / "page.md", page.markdown().encode())
    write_aside(out / "page.html", page.html(out).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Every standing of a reproduction.

    Args:
        systems: of tables 1 and 2, the best first.
        on_test: of the same, w-F1 of each seed, chosen on test; by title.
        against: the student's lead over each other one, by title.
    """

    systems: Sequence[Standing]
    on_test: Mapping[str, Sequence[float]]
    against: Mapping[str, Against]
    modalities: Mapping[tuple[Modality, ...], Standing]
    components: Sequence[Standing]
    of_components: Mapping[str, Against]
    experts: Mapping[str, Mapping[str, Standing]]
    published: Published

    @property
    def student(self) -> Standing | None:
        """SUMMER's."""
        return next((one for one in self.systems if one.model == STUDENT), None)


def _found(out: Path, reproduction: Reproduction) -> Found:
    systems = [one for s in reproduction.done("systems") for one in _standings(out, s)]
    systems.sort(key=lambda one: (-one.mean, one.title))
    student = next((one for one in systems if one.model == STUDENT), None)
    components = [one for s in reproduction.done("components") for one in _standings(out, s)]
    return Found(
        systems=systems,
        on_test=_on_test(out, reproduction, systems),
        against=_against(student, [one for one in systems if one is not student]),
        modalities={s.modalities: one for s in reproduction.done("modalities") for one in _standings(out, s)},
        components=components,
        of_components=_against(student, components),
        experts=_experts(out, reproduction, systems),
        published=published_of(reproduction.conversations.corpus),
    )


def _standings(out: Path, system: System) -> list[Standing]:
    run = read_run(out / "runs" / system.name)
    return [standing_of(run, model, title) for model, title in system.titles.items()]


def _on_test(
    out: Path, reproduction: Reproduction, systems: Sequence[Standing]
) -> dict[str, Sequence[float]]:
    """By the curve of a training, or by a run that chose on test."""
    curves = {one.title: chosen_on_test(one.run, one.model, one.seeds) for one in systems}
    fitted = [one for s in reproduction.done("systems", on_test=True) for one in _standings(out, s)]
    return {
        **{title: scores for title, scores in curves.items() if scores is not None},
        **{one.title: one.w_f1 for one in fitted},
    }


def _against(student: Standing | None, others: Sequence[Standing]) -> dict[str, Against]:
    if student is None or not others:
        return {}
    tests = compared(student, others)
    return {one.title: test for one, test in zip(others, tests, strict=True)}


def _experts(
    out: Path, reproduction: Reproduction, systems: Sequence[Standing]
) -> dict[str, dict[str, Standing]]:
    """The teacher of each modality by kind of experts; the recipe's own is among the systems."""
    found: dict[str, dict[str, Standing]] = {}
    own = next((one for one in systems if one.model == TEACHER), None)
    for system in reproduction.done("experts"):
        (modality,), (standing,) = system.modalities, _standings(out, system)
        found.setdefault(modality.value, {})[_kind(system)] = standing
    for of_modality in found.values():
        if "SDMoE" not in of_modality and own is not None:
            of_modality["SDMoE"] = own
    order = [modality.value for modality in Modality if modality.value in found]
    return {
        modality: {k: found[modality][k] for k in sorted(found[modality], reverse=True)} for modality in order
    }


def _kind(system: System) -> str:
    return next(title for routing, title in EXPERTS.items() if system.name.endswith(f"-{routing}"))


def _draw(out: Path, reproduction: Reproduction, found: Found) -> Iterator[tuple[str, str]]:
    """Draw what there is; its file, and what it says."""
    if found.systems:
        draw_systems(out / "systems.png", [_bar(one) for one in found.systems])
        yield (
            "systems.png",
            "Test w-F1 of every system with its 95 % interval; SUMMER's two in another colour",
        )
    if found.experts:
        scores = {m: {kind: one.w_f1 for kind, one in of.items()} for m, of in found.experts.items()}
        draw_experts(out / "figure4.png", scores)
        yield (
            "figure4.png",
            "Figure 4: test w-F1 of the teacher of each modality, by SDMoE and by a plain MoE",
        )
    if reproduction.done("residual") and found.student is not None:
        runs = {"with residual": SUMMER_RUN, "without residual": "without-residual"}
        draw_losses(
            out / "figure5.png", {t: _losses(out / "runs" / n, reproduction) for t, n in runs.items()}
        )
        yield (
            "figure5.png",
            "Figure 5: each loss of the student by epoch, with the residual of HCMF and without",
        )
    if found.student is not None:
        seed = seed_folder(out / "runs" / SUMMER_RUN, reproduction.seeds[0])
        for name, drawn, says in (
            ("figure6.png", "projection-student.png", "Figure 6: test utterances by t-SNE, before and after"),
            ("figure7.png", "distributions.png", "Figure 7: the student's features beside the teacher's"),
        ):
            if (seed / drawn).is_file():
                shutil.copyfile(seed / drawn, out / name)
                yield name, says


def _bar(one: Standing) -> Bar:
    low, high = one.interval_95
    is_own = one.model in (TEACHER, STUDENT)
    return Bar(title=one.title, mean=100 * one.mean, low=100 * low, high=100 * high, is_own=is_own)


def _losses(run: Path, reproduction: Reproduction) -> list[list[Mapping[str, float]]]:
    histories: list[list[Mapping[str, Any]]] = [
        json_of((seed_folder(run, seed) / f"{STUDENT}-history.json").read_text(encoding="utf-8"))
        for seed in reproduction.seeds
    ]
    return [[epoch["losses"] for epoch in history if epoch["losses"]] for history in histories]


def _blocks(reproduction: Reproduction, found: Found, pictures: Sequence[tuple[str, str]]) -> Iterator[str]:
    drawn = {name: picture(name, says) for name, says in pictures}
    yield _first_lines(reproduction, found)
    labels = reproduction.conversations.labels.names
    yield section(
        "All systems",
        drawn.get("systems.png", ""),
        _what_stands_there(reproduction),
        systems_table(found.systems, against=found.against, on_test=found.on_test, published=found.published),
    )
    table = "Table 1" if reproduction.conversations.corpus == "iemocap" else "Table 2"
    yield section(f"{table}: per class", classes_table(found.systems, found.published, labels))
    if found.modalities:
        yield section(
            "Table 3: modalities",
            "The student by what the paper calls the original attention mechanism: self-attention instead of "
            "HCMF, no guidance, no distillation.",
            modalities_table(found.modalities, found.published),
        )
    if found.components and found.student is not None:
        yield section(
            "Table 4: components",
            "The student without one of its parts, with the teachers of the whole one. Its numbers in the "
            "paper are a picture and not here.",
            components_table(found.student, found.components, found.of_components),
        )
    figures = [drawn[name] for name in drawn if name.startswith("figure")]
    if figures:
        yield section("Figures 4 to 7", *figures)
    yield section("What it costs", WHAT_COSTS, cost_table(found.systems))


def _first_lines(reproduction: Reproduction, found: Found) -> str:
    conversations = reproduction.conversations
    present = _joined(list(conversations.features))
    absent = [modality.value for modality in Modality if modality not in conversations.features]
    lacks = f" **Without {_joined(absent)}**: there is no store of it." if absent else ""
    counts = {split: int(conversations.counted(split).sum()) for split in Split}
    return "\n\n".join(
        [
            f"Read: {present}.{lacks} Corpus {conversations.corpus} by the protocol "
            f"{conversations.protocol}: {counts[Split.TRAIN]} training, {counts[Split.DEV]} dev and "
            f"{counts[Split.TEST]} test utterances with a label. Recipe `{reproduction.recipe}`, seeds "
            f"{', '.join(map(str, reproduction.seeds))}.",
            _who_leads(found),
        ]
    )


def _joined(words: Sequence[str]) -> str:
    """Such as "text, audio and video"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _who_leads(found: Found) -> str:
    student = found.student
    if student is None:
        return "SUMMER could not be run; see the end of the page."
    best = found.systems[0]
    if best is student:
        near = found.systems[1] if len(found.systems) > 1 else None
        return f"**SUMMER's student leads**, {_lead_in_words(found, near)}."
    ahead = sum(one.mean > student.mean for one in found.systems)
    return (
        f"**SUMMER does not lead**: {best.title} has {100 * best.mean:.2f} w-F1 on test, SUMMER's student "
        f"{100 * student.mean:.2f}; {ahead} systems stand above it. {_sure(found)}"
    )


def _lead_in_words(found: Found, near: Standing | None) -> str:
    if near is None:
        return "being alone"
    test = found.against[near.title]
    sure = (
        "a sure difference" if test.corrected < DECISIVE else "which these dialogues and seeds do not decide"
    )
    lead, p_value = 100 * test.test.difference, p_value_text(test.corrected)
    return f"by {lead:.2f} points over {near.title} (p {p_value}, {sure})"


def _sure(found: Found) -> str:
    """How many differences to the student are sure, either way."""
    sure = [one for one in found.against.values() if one.corrected < DECISIVE]
    above = sum(one.test.difference < 0 for one in sure)
    return (
        f"Of {len(found.against)} differences to the student {len(sure)} are sure after Holm's correction: "
        f"{above} systems above it, {len(sure) - above} below."
    )


def _what_stands_there(reproduction: Reproduction) -> str:
    several = len(reproduction.seeds) > 1
    spread = "mean ± standard deviation over seeds; " if several else ""
    return (
        f"Test, in percent: {spread}the epoch was chosen on dev, and test looked at once. Intervals count "
        "dialogues and seeds as drawn by chance. The student's lead is its w-F1 less the system's, by a "
        "paired test over dialogues and seeds; p-values are corrected by Holm's method for all systems of "
        "the table. Chosen on test: what the very same training would report if the test split chose its "
        "epoch, as it does in the own code of five of the seven rivals; the inflation is what that adds."
    )


def _not_run(out: Path, reproduction: Reproduction) -> str:
    lines = [
        *(f"{missing.title}: {missing.reason}." for missing in reproduction.catalogue.missing),
        *(
            f"{ended.job.name}: {ended.ending}: {ended.reason}. Log: `{_log(out, ended)}`. To repeat it: "
            f"`{ended.job.command}`"
            for ended in reproduction.ended.values()
            if ended.ending is not Ending.DONE
        ),
        *(
            f"In the paper, {name}: {doubt}."
            for name, doubt in published_of(reproduction.conversations.corpus).doubts.items()
        ),
    ]
    return section("What could not be run, or not be compared", listed(lines) if lines else "Nothing.")


def _log(out: Path, ended: Ended) -> Path:
    return out / "jobs" / ended.job.name / "log.txt"


def _commands(reproduction: Reproduction) -> str:
    commands = [ended.job.command for ended in reproduction.ended.values()]
    return section(
        "The commands",
        "Each system is one command.",
        "```\n" + "\n".join(commands) + "\n```",
    )
