"""Made-up conversations for rivals beside those of `made_up_trimodal`, and what a model makes of them.

Of each one knows what can be known without the ability that it asks for:

    told_by_opening   label = text code of the dialogue's first turn, whichever turn it is. An utterance that
                      stands alone knows it of the first turn, and guesses else.
    told_by_own_last  label = text code of the same speaker's turn before; of a speaker's first turn, its own.
                      Three speakers take turns at random: who does not tell them apart can but guess which
                      earlier turn it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from summer.conversations.reading import Conversations
from summer.corpus import Modality, Split
from summer.options import ModelOptions, TrainingOptions
from summer.training.models import kind_of
from summer.training.prediction import SplitOutlook, look_at
from summer.training.preparation import prepare
from summer.training.seed import ModelSettings, Settings, obtain_model, stage_of
from tests.summer.made_up_training import CPU, SETTINGS, made_place
from tests.summer.made_up_trimodal import DIALOGUES, Codes, assembled

OPENING_TURNS = 8
PARTIES = 3
ALL_AT_ONCE = 200  # dialogues; no test split has more
TRAINING = TrainingOptions(
    learning_rate=1e-2,
    batch_dialogues=32,
    most_epochs=20,
    patience_epochs=20,
    warmup_share=0.1,
)


def told_by_opening(seed: int) -> Conversations:
    """The first turn decides them all."""
    random = np.random.default_rng(seed)
    text = random.integers(2, size=_shape(OPENING_TURNS))
    labels = np.repeat(text[:, :1], OPENING_TURNS, axis=1)
    return assembled({Modality.TEXT: text}, labels, random, speakers=np.zeros_like(text))


def told_by_own_last(seed: int) -> Conversations:
    """What the same speaker said before decides."""
    random = np.random.default_rng(seed)
    shape = _shape(OPENING_TURNS)
    text, speakers = random.integers(2, size=shape), random.integers(PARTIES, size=shape)
    labels = np.array([_of_own_last(*row) for row in zip(text, speakers, strict=True)])
    return assembled({Modality.TEXT: text}, labels, random, speakers=speakers)


def ceiling_of_one_alone() -> float:
    """Accuracy on `told_by_opening` of who knows the first turn and guesses the others."""
    return (1 + (OPENING_TURNS - 1) / 2) / OPENING_TURNS


def outlook_on_test(
    name: str,
    conversations: Conversations,
    folder: Path,
    *,
    options: Any,
    seed: int = 0,
    training: TrainingOptions = TRAINING,
) -> SplitOutlook:
    """Train a rival; what it says of the test split with the epoch that dev chose."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        model=ModelOptions(longest_dialogue=OPENING_TURNS, speaker_slots=PARTIES),
        teacher=SETTINGS.teacher,
        student=SETTINGS.student,
        rivals={name: ModelSettings(options=options, training=training)},
    )
    assert kind_of(name).needs is None
    material = prepare(conversations, settings.model)
    model = obtain_model(name, material, settings, made_place(folder, seed=seed))
    whole = material.dealer.deal(Split.TEST, size=ALL_AT_ONCE, generator=None)
    return look_at(stage_of(model), material.dealer, whole, device=CPU)


def accuracy_on_test(name: str, conversations: Conversations, folder: Path, **how: Any) -> float:
    """Share of the test's utterances whose label a trained rival guesses; `how` as of `outlook_on_test`."""
    outlook = outlook_on_test(name, conversations, folder, **how)
    return float((outlook.probabilities.argmax(axis=1) == outlook.truths).mean())


def _shape(turns: int) -> tuple[int, int]:
    return sum(DIALOGUES.values()), turns


def _of_own_last(text: Codes, speakers: Codes) -> list[int]:
    last: dict[int, int] = {}
    labels = []
    for code, speaker in zip(text.tolist(), speakers.tolist(), strict=True):
        labels.append(last.get(speaker, code))
        last[speaker] = code
    return labels
