"""Small trainings on a made-up corpus whose labels the features reveal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationBatch
from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.evaluation.predictions import Predictions
from summer.model.assembly import Student, Teacher, build_student, build_teacher
from summer.model.distillation import SmoothedTruthLoss
from summer.model.guided import GuidedStudent
from summer.options import GuidanceUse, LossWeights, ModelOptions, TrainingOptions
from summer.store import EncoderHead
from summer.training.checkpoints import TrainedModel
from summer.training.history import EpochRecord, Watch
from summer.training.models import STUDENT, TEACHER
from summer.training.preparation import Material, prepare
from summer.training.seed import (
    Settings,
    Workplace,
    look_at_split,
    obtain_model,
    predictions_of,
)
from summer.training.stages import Stage
from tests.summer.made_up import DIMS, LABELS, NO_HOLES, Lengths, made_conversations

LENGTHS: Lengths = MappingProxyType(
    {Split.TRAIN: (4, 3, 5, 2, 4, 3), Split.DEV: (3, 4, 2), Split.TEST: (4, 2, 3)}
)
CPU = torch.device("cpu")
TWO_MODALITIES = (Modality.TEXT, Modality.AUDIO)
TRAINING = TrainingOptions(
    learning_rate=2e-2, batch_dialogues=3, most_epochs=3, patience_epochs=3, warmup_share=0.1
)
SETTINGS = Settings(
    model=ModelOptions(width=8, heads=2, layers=1, experts=2, longest_dialogue=8, speaker_slots=4),
    teacher=TRAINING,
    student=TRAINING,
    distillation=LossWeights(),
)


def made_learnable(
    lengths: Lengths = LENGTHS,
    *,
    modalities: Sequence[Modality] = TWO_MODALITIES,
    holes: Mapping[Modality, Sequence[int]] = NO_HOLES,
    signal: float = 4.0,
    seed: int = 0,
) -> Conversations:
    """Vectors whose column of the right class stands out by `signal` deviations."""
    conversations = made_conversations(lengths, modalities=modalities, holes=holes, seed=seed)
    truths = [LABELS.index(utterance.label) for utterance in conversations.utterances]
    for one in conversations.features.values():
        one.vectors[np.arange(len(truths)), truths] += signal * one.usable
    return conversations


def with_head(conversations: Conversations, *, seed: int = 0) -> Conversations:
    """The same, its text with a head that tells the classes by the columns that stand out."""
    text = conversations.features[Modality.TEXT]
    random = np.random.default_rng(seed)
    weight = np.eye(len(LABELS), text.dim) + 0.3 * random.standard_normal((len(LABELS), text.dim))
    bias = random.standard_normal(len(LABELS))
    head = EncoderHead(weight=weight.astype(np.float32), bias=bias.astype(np.float32))
    features = {**conversations.features, Modality.TEXT: replace(text, head=head)}
    return replace(conversations, features=features)


def with_training(settings: Settings, **changes: Any) -> Settings:
    """The same with other numbers in both trainings."""
    return replace(
        settings, teacher=replace(settings.teacher, **changes), student=replace(settings.student, **changes)
    )


def with_model(settings: Settings, **changes: Any) -> Settings:
    """The same with another model."""
    return replace(settings, model=replace(settings.model, **changes))


@dataclass(slots=True)
class Log:
    """What a watch was told."""

    steps: list[tuple[str, int, int, int]] = field(default_factory=list)
    epochs: list[tuple[str, EpochRecord]] = field(default_factory=list)

    def watch(self, should_stop: Callable[[], bool] = lambda: False) -> Watch:
        """A watch that keeps what it is told."""
        return Watch(
            on_step=lambda *step: self.steps.append(step),
            on_epoch=lambda model, record: self.epochs.append((model, record)),
            should_stop=should_stop,
        )

    def stops_after(self, steps: int) -> Watch:
        """A watch that asks to stop once so many steps were done."""
        return self.watch(lambda: len(self.steps) >= steps)


def made_place(folder: Path, *, seed: int = 0, watch: Watch | None = None) -> Workplace:
    """A folder to train one seed in, on the CPU."""
    return Workplace(
        seed=seed, accelerator=partial(Accelerator, cpu=True), folder=folder, watch=watch or Log().watch()
    )


def made_material(settings: Settings = SETTINGS, **changes: Any) -> Material:
    """A learnable corpus, prepared."""
    return prepare(made_learnable(**changes), settings.model)


def train_both(material: Material, settings: Settings, place: Workplace) -> tuple[TrainedModel, TrainedModel]:
    """Teacher, then student."""
    teacher = obtain_model(TEACHER, material, settings, place)
    return teacher, obtain_model(STUDENT, material, settings, place, needed=teacher)


def made_pair(
    weights: LossWeights | None = None, *, guidance: GuidanceUse = "always", dropout: float = 0.1
) -> tuple[Teacher, GuidedStudent]:
    """A teacher with new weights, and a student that a copy of it guides: always the same two."""
    options = replace(SETTINGS.model, dropout=dropout)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        teacher = build_teacher(options, shape_with(Modality.TEXT))
        student = build_student(options, shape_with(*TWO_MODALITIES))
    frozen = deepcopy(teacher)
    pair = GuidedStudent(student, teacher=frozen, weights=weights or LossWeights(), guidance=guidance)
    return teacher, pair


def shape_with(*modalities: Modality) -> CorpusShape:
    """What the corpus of `made_material` decides of a model."""
    return CorpusShape(feature_dims={m: DIMS[m] for m in modalities}, classes=len(LABELS), identities=5)


def made_stages(
    weights: LossWeights | None = None,
    *,
    guidance: GuidanceUse = "always",
    class_weights: torch.Tensor | None = None,
) -> tuple[Stage, Stage]:
    """The stages of `made_pair`."""
    teacher, pair = made_pair(weights, guidance=guidance)
    epsilon = (weights or LossWeights()).epsilon
    first, second = (
        Stage(name, model, SmoothedTruthLoss(epsilon=epsilon, class_weights=class_weights))
        for name, model in ((TEACHER, teacher), (STUDENT, pair))
    )
    return first, second


def batch_of(material: Material, split: Split = Split.TRAIN) -> ConversationBatch:
    """All dialogues of a split."""
    return material.dealer.batch(material.dealer.of_split(split))


def predict(material: Material, trained: TrainedModel, split: Split) -> Predictions:
    """What a trained model says of a split that is there."""
    outlook = look_at_split(trained, material.dealer, split, device=CPU)
    assert outlook is not None
    return predictions_of(material.conversations.utterances, outlook, trained.name, seed=0)


def student_of(trained: TrainedModel) -> Student:
    """The student of a pair, without its teacher."""
    assert isinstance(trained.model, GuidedStudent)
    return trained.model.student


def weights_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all weights."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def are_equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether all weights are the same bit by bit."""
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)
