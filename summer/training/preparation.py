"""A corpus made ready for training: features standardised, speakers told apart, dialogues dealt out.

Paper: section 3.3. What is measured, is measured on the training split; a checkpoint carries it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationDealer
from summer.conversations.heads import LinearLayer, folded
from summer.conversations.reading import Conversations, fit_standardisations, standardise
from summer.conversations.speakers import SpeakerIdentities, identify_speakers
from summer.conversations.standardisation import Standardisation
from summer.corpus import Modality, Split
from summer.options import ModelOptions, Start
from summer.training.history import TrainingError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A corpus made ready for training: features standardised, speakers told apart.

    Args:
        start: where models shall begin.
        head: what the text encoder makes of the standardised text, where models shall begin there; else None.
        fitted: regressions that models began at, by what they depend on: every seed begins at the same.
    """

    conversations: Conversations
    standardisations: Mapping[Modality, Standardisation]
    identities: SpeakerIdentities
    dealer: ConversationDealer
    start: Start = "drawn"
    head: LinearLayer | None = None
    fitted: dict[Hashable, LinearLayer] = field(default_factory=dict)

    def head_for(self, modalities: Collection[Modality]) -> LinearLayer | None:
        """The head that a model begins at which reads these; None without text, or without a head."""
        return self.head if Modality.TEXT in modalities else None

    def linear_reads(self, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        """Of the modalities that a model reads those that the linear layer reads at which it begins."""
        head = self.head_for(modalities)
        if head is not None:
            return tuple(head.weights)
        return modalities if self.start in ("linear", "regression") else ()

    @property
    def training_truths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Class index of every training utterance that counts."""
        counted = self.conversations.counted(Split.TRAIN)
        labels = self.conversations.labels
        pairs = zip(self.conversations.utterances, counted, strict=True)
        return np.array([labels.index(utterance.label) for utterance, counts in pairs if counts])


def prepare(conversations: Conversations, options: ModelOptions) -> Material:
    """Standardise the features in place and tell speakers apart; log what the training split lacks.

    Raises:
        TrainingError: nothing to learn from, or a dialogue is longer than the model can read.
    """
    _check_labels(conversations)
    conversations = _without_absent_modalities(conversations)
    standardisations, head = _standardised(conversations, options)
    identities = identify_speakers(
        options.speakers,
        conversations.utterances,
        slots=options.speaker_slots,
        fewest_utterances=options.speaker_fewest_utterances,
    )
    unknown = identities.unknown(u for u in conversations.utterances if u.split is not Split.TRAIN)
    if unknown:
        LOGGER.info(
            "%d speakers of dev and test are to the model someone else: %s", len(unknown), unknown[:5]
        )
    dealer = ConversationDealer(conversations, identities)
    _check_lengths(dealer, options)
    return Material(
        conversations=conversations,
        standardisations=standardisations,
        identities=identities,
        dealer=dealer,
        start=options.start,
        head=head,
    )


def shape_of(material: Material, modalities: tuple[Modality, ...]) -> CorpusShape:
    """What the corpus decides of a model that reads some of its modalities."""
    features = material.conversations.features
    return CorpusShape(
        feature_dims={modality: features[modality].dim for modality in modalities},
        classes=len(material.conversations.labels),
        identities=len(material.identities),
        linear_reads=material.linear_reads(modalities),
    )


def _standardised(
    conversations: Conversations, options: ModelOptions
) -> tuple[dict[Modality, Standardisation], LinearLayer | None]:
    """Standardise in place; text whose head models shall begin at without loss, and that head over it."""
    scales, head = fit_standardisations(conversations), None
    text = conversations.features.get(Modality.TEXT)
    if options.start in ("head", "linear") and text is not None and text.head is not None:
        scales[Modality.TEXT] = scales[Modality.TEXT].without_loss()
        head = folded(text.head, scales[Modality.TEXT])
    standardise(conversations, scales)
    return scales, head


def _check_lengths(dealer: ConversationDealer, options: ModelOptions) -> None:
    dialogues = [dialogue for split in Split for dialogue in dealer.of_split(split)]
    longest = max(dialogues, key=lambda located: len(located.dialogue.utterances)).dialogue
    if len(longest.utterances) > options.longest_dialogue:
        raise TrainingError(
            f"dialogue {longest.split}/{longest.name} has {len(longest.utterances)} utterances, the model "
            f"reads {options.longest_dialogue}; set model.longest_dialogue to that or more"
        )


def _check_labels(conversations: Conversations) -> None:
    training = conversations.counted(Split.TRAIN)
    found = {u.label for u, counts in zip(conversations.utterances, training, strict=True) if counts}
    if not found:
        raise TrainingError(
            f"{conversations.corpus} has no training utterance with a label and a usable vector; "
            "there is nothing to learn from"
        )
    if len(found) == 1:
        raise TrainingError(
            f"every training utterance of {conversations.corpus} is {min(found)!r}; one class alone cannot "
            "be told from others: give a training split of at least 2"
        )
    missing = [name for name in conversations.labels.names if name not in found]
    if missing:
        LOGGER.warning("the training split has no utterance of %s: it cannot be learned", ", ".join(missing))


def _without_absent_modalities(conversations: Conversations) -> Conversations:
    training = np.array([u.split is Split.TRAIN for u in conversations.utterances], dtype=bool)
    present = {m: one for m, one in conversations.features.items() if (one.usable & training).any()}
    for modality in conversations.features.keys() - present.keys():
        LOGGER.warning("no training utterance has %s: it is left out", modality.value)
    return replace(conversations, features=present)
