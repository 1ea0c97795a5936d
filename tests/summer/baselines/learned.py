"""How often a rival is right in the test of a made-up corpus, after a training of seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from summer.conversations.reading import Conversations
from summer.corpus import Split
from summer.options import ModelOptions, TrainingOptions
from summer.training.models import kind_of
from summer.training.preparation import prepare
from summer.training.seed import ModelSettings, Settings, look_at_split, obtain_model
from tests.summer.made_up_training import made_place

BRIEF = TrainingOptions(
    learning_rate=1e-2,
    weight_decay=0.0,
    batch_dialogues=16,
    most_epochs=10,
    patience_epochs=100,
    warmup_share=0.0,
    schedule="constant",
)
UNHELPED = ModelOptions(start="drawn", longest_dialogue=16, speaker_slots=4)


def accuracy(
    name: str, conversations: Conversations, folder: Path, options: object = None, **training: Any
) -> float:
    """Share of test utterances that it names rightly.

    Args:
        folder: of its files; empty.
        options: of the rival; None: its defaults.
        training: what of `BRIEF` is otherwise.
    """
    brief = replace(BRIEF, **training)
    own = ModelSettings(options=options or kind_of(name).options(), training=brief)
    settings = Settings(model=UNHELPED, teacher=brief, student=brief, rivals={name: own})
    material = prepare(conversations, UNHELPED)
    model = obtain_model(name, material, settings, made_place(folder))
    outlook = look_at_split(model, material.dealer, Split.TEST, device=torch.device("cpu"))
    assert outlook is not None
    return float((outlook.probabilities.argmax(axis=-1) == outlook.truths).mean())
