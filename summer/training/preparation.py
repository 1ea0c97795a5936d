"""A corpus made ready for training: features standardised, speakers told apart, dialogues dealt out.

Paper: section 3.3. What is measured, is measured on the training split; a checkpoint carries it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from summer.conversations.batches import ConversationDealer
from summer.conversations.reading import Conversations, fit_standardisations, standardise
from summer.conversations.speakers import SpeakerIdentities, identify_speakers
from summer.conversations.standardisation import Standardisation
from summer.corpus import Modality, Split
from summer.model.assembly import ModelSizes
from summer.options import ModelOptions
from summer.training.history import TrainingError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A corpus made ready for training: features standardised, speakers told apart."""

    conversations: Conversations
    standardisations: Mapping[Modality, Standardisation]
    identities: SpeakerIdentities
    dealer: ConversationDealer

    @property
    def training_truths(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Class index of every training utterance that counts."""
        counted = self.conversations.counted(Split.TRAIN)
        labels = self.conversations.labels
        pairs = zip(self.conversations.utterances, counted, strict=True)
        return np.array([labels.index(utterance.label) for utterance, counts in pairs if counts])


def prepare(conversations: Conversations, options: ModelOptions) -> Material:
    """Standardise the features in place, tell speakers apart; says what the training split does not know.

    Raises:
        TrainingError: a dialogue is longer than the model can read.
    """
    standardisations = fit_standardisations(conversations)
    standardise(conversations, standardisations)
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
        conversations=conversations, standardisations=standardisations, identities=identities, dealer=dealer
    )


def sizes_of(material: Material, options: ModelOptions, modalities: tuple[Modality, ...]) -> ModelSizes:
    """Sizes of a model of some of the corpus' modalities."""
    features = material.conversations.features
    return ModelSizes(
        feature_dims={modality: features[modality].dim for modality in modalities},
        classes=len(material.conversations.labels),
        identities=len(material.identities),
        longest_dialogue=options.longest_dialogue,
        width=options.width,
        heads=options.heads,
        layers=options.layers,
        experts=options.experts,
        dropout=options.dropout,
        encoder_skip=options.encoder_skip,
        routing=options.routing,
        fusion=options.fusion,
        mixture=options.mixture,
    )


def _check_lengths(dealer: ConversationDealer, options: ModelOptions) -> None:
    dialogues = [dialogue for split in Split for dialogue in dealer.of_split(split)]
    longest = max(dialogues, key=lambda located: len(located.dialogue.utterances)).dialogue
    if len(longest.utterances) > options.longest_dialogue:
        raise TrainingError(
            f"dialogue {longest.split}/{longest.name} has {len(longest.utterances)} utterances, the model "
            f"reads {options.longest_dialogue}; set model.longest_dialogue to that or more"
        )
