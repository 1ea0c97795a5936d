"""What the trimodal proofs measure: small trainings on the corpora of `made_up_trimodal`.

Every score is the accuracy on the test split, of the epoch that dev chose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.model import fusion
from summer.model.assembly import Student
from summer.model.fusion import TeacherGuidedAttention
from summer.model.routing import Routed
from summer.options import LossWeights, ModelOptions, TrainingOptions
from summer.training.checkpoints import TrainedModel
from summer.training.models import STUDENT, TEACHER
from summer.training.prediction import SplitOutlook, look_at
from summer.training.preparation import Material, prepare
from summer.training.seed import Settings, obtain_model, stage_of
from tests.summer.made_up_training import CPU, made_place, student_of
from tests.summer.made_up_trimodal import (
    TURNS,
    revealed_by_two,
    shifted_by_speaker,
    told_by_previous,
    with_holes,
    with_noise,
)

TRAINING = TrainingOptions(
    learning_rate=1e-2, batch_dialogues=32, most_epochs=20, patience_epochs=20, warmup_share=0.1
)
SETTINGS = Settings(
    model=ModelOptions(
        width=16,
        heads=2,
        layers=1,
        experts=2,
        dropout=0.0,
        encoder_skip=True,
        longest_dialogue=TURNS,
        speaker_slots=2,
    ),
    teacher=TRAINING,
    student=TRAINING,
    distillation=LossWeights(),
)
NOBODY_KNOWN_BY_NAME = 10**6
ALL_AT_ONCE = 200  # dialogues; no test split has more
Numbers = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model, and the corpus that it was trained on."""

    material: Material
    settings: Settings
    model: TrainedModel

    @property
    def student(self) -> Student:
        """The student; there is one."""
        return student_of(self.model)

    def outlook(self, material: Material | None = None) -> SplitOutlook:
        """What it says of the test split of its corpus, or of another."""
        seen = material or self.material
        whole = seen.dealer.deal(Split.TEST, size=ALL_AT_ONCE, generator=None)
        return look_at(stage_of(self.model), seen.dealer, whole, device=CPU)

    def accuracy(self, material: Material | None = None) -> float:
        """Share of the test's utterances whose label it guesses."""
        outlook = self.outlook(material)
        return float((outlook.probabilities.argmax(axis=1) == outlook.truths).mean())


def teach(conversations: Conversations, folder: Path, *, seed: int, **model: Any) -> Trained:
    """A teacher, trained; `model` are fields of ModelOptions."""
    folder.mkdir(parents=True)
    settings = replace(SETTINGS, model=replace(SETTINGS.model, **model))
    material = prepare(conversations, settings.model)
    teacher = obtain_model(TEACHER, material, settings, made_place(folder, seed=seed))
    return Trained(material=material, settings=settings, model=teacher)


def study(teacher: Trained, folder: Path, *, seed: int, **model: Any) -> Trained:
    """A student, trained on its teacher's corpus."""
    folder.mkdir(parents=True)
    settings = replace(teacher.settings, model=replace(teacher.settings.model, **model))
    place = made_place(folder, seed=seed)
    student = obtain_model(STUDENT, teacher.material, settings, place, needed=teacher.model)
    return Trained(material=teacher.material, settings=settings, model=student)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reveal:
    """Of labels that two modalities together reveal: a teacher of each modality, a student of all."""

    teachers: dict[Modality, float]
    student: float
    trained: Trained


def reveal(folder: Path, seed: int) -> Reveal:
    """Train on `revealed_by_two`."""
    corpus = partial(revealed_by_two, seed)
    teachers = {m: teach(corpus(), folder / m.value, seed=seed, teacher=m) for m in Modality}
    student = study(teachers[Modality.TEXT], folder / "student", seed=seed)
    return Reveal(
        teachers={m: teacher.accuracy() for m, teacher in teachers.items()},
        student=student.accuracy(),
        trained=student,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Of a modality that is noise: with it, and without.

    Args:
        weights: mean g of equation 6 of the student with it.
        entropies: of the SDMoE's shares, by modality; 1 is as spread as can be.
        kept: share of experts kept.
    """

    with_video: float
    without_video: float
    weights: dict[Modality, float]
    entropies: dict[Modality, float]
    kept: dict[Modality, float]


def add_noise(folder: Path, seed: int) -> Noise:
    """Train on `with_noise`."""
    teacher = teach(with_noise(seed), folder / "teacher", seed=seed)
    student = study(teacher, folder / "with", seed=seed)
    two = (Modality.TEXT, Modality.AUDIO)
    without = study(teacher, folder / "without", seed=seed, student=two)
    outlook = student.outlook()
    return Noise(
        with_video=student.accuracy(),
        without_video=without.accuracy(),
        weights=by_modality(outlook, "modality_weights"),
        entropies=routing_entropies(student),
        kept=by_modality(outlook, "kept_experts"),
    )


def weights_of_product(folder: Path, seed: int) -> dict[Modality, float]:
    """Mean g on `with_noise` where GMoE multiplies by F_m once more."""
    teacher = teach(with_noise(seed), folder / "teacher", seed=seed)
    student = study(teacher, folder / "with", seed=seed, mixture="product")
    return by_modality(student.outlook(), "modality_weights")


def by_modality(outlook: SplitOutlook, panel: str) -> dict[Modality, float]:
    """A panel of what a model wants drawn, which has a line per modality."""
    return {Modality(name): value for name, value in outlook.drawn[panel].items()}


def routing_entropies(trained: Trained) -> dict[Modality, float]:
    """Mean entropy of the shares of equation 4 on the test, over that of equal shares."""
    seen: dict[Modality, list[Tensor]] = {m: [] for m in Modality}

    def note(of_modality: list[Tensor], _module: Any, _given: Any, routed: Routed) -> None:
        of_modality.append(-(routed.shares * routed.shares.clamp(min=1e-9).log()).sum(dim=-1).mean())

    student = trained.student
    hooks = [student.mixtures[m].register_forward_hook(partial(note, seen[m])) for m in Modality]
    trained.outlook()
    for hook in hooks:
        hook.remove()
    most = math.log(trained.settings.model.experts)
    return {m: float(torch.stack(values).mean()) / most for m, values in seen.items()}


def tell_speakers_apart(folder: Path, seed: int) -> Numbers:
    """Teachers on `shifted_by_speaker`: as it is, and with everything said by one speaker."""
    return {
        "apart": teach(shifted_by_speaker(seed, merged=False), folder / "apart", seed=seed).accuracy(),
        "merged": teach(shifted_by_speaker(seed, merged=True), folder / "merged", seed=seed).accuracy(),
    }


def tell_parties_apart(folder: Path, seed: int) -> float:
    """A teacher on `shifted_by_speaker` that has DialogueRNN's party state, and one speaker embedding."""
    corpus = shifted_by_speaker(seed, merged=False)
    fewest = NOBODY_KNOWN_BY_NAME
    return teach(
        corpus, folder / "parties", seed=seed, speakers="names", speaker_fewest_utterances=fewest
    ).accuracy()


def look_into_holes(folder: Path, seed: int) -> Numbers:
    """A student of `with_holes`; the same student where the test's holes are zeros that count."""
    teacher = teach(with_holes(seed, filled=False), folder / "teacher", seed=seed)
    student = study(teacher, folder / "student", seed=seed)
    filled = prepare(with_holes(seed, filled=True), student.settings.model)
    return {"masked": student.accuracy(), "filled": student.accuracy(filled)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidanceOfTeacher:
    """What became of equations 7 and 8.

    Args:
        phis: of every cross-modal attention.
        masked: share of M = 1, of each of them.
    """

    phis: list[float]
    masked: list[float]


def look_at_guidance(trained: Trained) -> GuidanceOfTeacher:
    """Read phi, and M on the test."""
    real, masked = fusion.disagreement, []

    def note(*given: Any, **readings: Any) -> Tensor:
        masked.append(real(*given, **readings))
        return masked[-1]

    with patch.object(fusion, "disagreement", note):
        trained.outlook()
    attentions = [part for part in trained.student.modules() if isinstance(part, TeacherGuidedAttention)]
    # The pass over the test calls the attentions in the same order, once per batch.
    calls = torch.stack([part.mean() for part in masked]).view(-1, len(attentions)).mean(dim=0)
    return GuidanceOfTeacher(phis=[float(part.phi) for part in attentions], masked=calls.tolist())


def tell_what_was_before(folder: Path, seed: int) -> Numbers:
    """Teachers on `told_by_previous`: in dialogues, and each utterance alone."""
    return {
        "in dialogues": teach(told_by_previous(seed, alone=False), folder / "context", seed=seed).accuracy(),
        "alone": teach(told_by_previous(seed, alone=True), folder / "alone", seed=seed).accuracy(),
    }
