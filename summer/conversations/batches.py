"""Conversations to padded batches of all modalities.

Dialogues of similar length stand in one batch, so that little of it is padding; which ones, and in which
order the batches come, is drawn anew each epoch. Everything a step needs to know on the host, such as the
number of parties, is counted here, once.

    features     by modality, batch x seq x dim    zeros where not usable
    usable       by modality, batch x seq          True where the utterance has a vector
    speakers     batch x seq                       slot in the dialogue, by first turn
    identities   batch x seq                       row of the speaker embedding
    labels       batch x seq                       UNKNOWN_LABEL without a truth and in the padding
    rows         batch x seq                       row in the corpus; NO_ROW in the padding
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from summer.conversations.dialogues import DialogueRows, locate_dialogues, shuffled
from summer.conversations.reading import Conversations
from summer.conversations.speakers import SpeakerIdentities
from summer.corpus import UNKNOWN_LABEL, Modality, Split

NO_ROW = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationBatch:
    """Some dialogues, padded at their ends to the longest.

    Args:
        parties: most speakers of a dialogue.
    """

    features: Mapping[Modality, Float[Tensor, "batch seq dim"]]
    usable: Mapping[Modality, Bool[Tensor, "batch seq"]]
    speakers: Int[Tensor, "batch seq"]
    identities: Int[Tensor, "batch seq"]
    labels: Int[Tensor, "batch seq"]
    rows: Int[Tensor, "batch seq"]
    parties: int

    def known(self, modality: Modality) -> Float[Tensor, "batch seq dim"]:
        """Features of a modality, zeros where an utterance lacks it, whatever stands there."""
        return self.features[modality].masked_fill(~self.usable[modality].unsqueeze(-1), 0.0)

    def any_usable(self, modalities: Sequence[Modality]) -> Bool[Tensor, "batch seq"]:
        """Tell which utterances have at least one of the modalities."""
        return torch.stack([self.usable[modality] for modality in modalities]).any(dim=0)

    def to(self, device: torch.device) -> ConversationBatch:
        """The same on another device."""
        return ConversationBatch(
            features={m: tensor.to(device, non_blocking=True) for m, tensor in self.features.items()},
            usable={m: tensor.to(device, non_blocking=True) for m, tensor in self.usable.items()},
            speakers=self.speakers.to(device, non_blocking=True),
            identities=self.identities.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            rows=self.rows.to(device, non_blocking=True),
            parties=self.parties,
        )


class ConversationDealer:
    """Deals the dialogues of one corpus out in batches.

    Args:
        conversations: features already standardised.
        identities: who a speaker is to the model.
    """

    def __init__(self, conversations: Conversations, identities: SpeakerIdentities) -> None:
        self._features = {m: torch.from_numpy(one.vectors) for m, one in conversations.features.items()}
        self._usable = {m: torch.from_numpy(one.usable) for m, one in conversations.features.items()}
        self._dialogues = locate_dialogues(conversations.utterances)
        self._columns = {d.first_row: _Columns.of(d, conversations, identities) for d in self._dialogues}

    def of_split(self, split: Split) -> list[DialogueRows]:
        """The dialogues of a split, in corpus order."""
        return [dialogue for dialogue in self._dialogues if dialogue.dialogue.split is split]

    def deal(self, split: Split, *, size: int, generator: torch.Generator | None) -> list[list[DialogueRows]]:
        """Batches of at most `size` dialogues of similar length; by `generator` another way each time.

        Without a generator they come in order of length.
        """
        return deal_by_length(self.of_split(split), size=size, generator=generator)

    def batch(self, dialogues: Sequence[DialogueRows]) -> ConversationBatch:
        """Pad some dialogues to the longest of them."""
        columns = [self._columns[dialogue.first_row] for dialogue in dialogues]
        slices = [dialogue.rows for dialogue in dialogues]
        return ConversationBatch(
            features={m: _padded([f[rows] for rows in slices], 0) for m, f in self._features.items()},
            usable={m: _padded([u[rows] for rows in slices], 0) for m, u in self._usable.items()},
            speakers=_padded([column.speakers for column in columns], 0),
            identities=_padded([column.identities for column in columns], 0),
            labels=_padded([column.labels for column in columns], UNKNOWN_LABEL),
            rows=_padded([torch.arange(rows.start, rows.stop) for rows in slices], NO_ROW),
            parties=max(column.parties for column in columns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """What is known of a dialogue's utterances besides features."""

    speakers: Tensor
    identities: Tensor
    labels: Tensor
    parties: int

    @classmethod
    def of(
        cls, located: DialogueRows, conversations: Conversations, identities: SpeakerIdentities
    ) -> _Columns:
        dialogue, labels = located.dialogue, conversations.labels
        return cls(
            speakers=torch.tensor(dialogue.speaker_slots),
            identities=torch.tensor(identities.of_dialogue(dialogue)),
            labels=torch.tensor([labels.index_or_unknown(u.label) for u in dialogue.utterances]),
            parties=len(dialogue.speakers),
        )


def deal_by_length(
    dialogues: Sequence[DialogueRows], *, size: int, generator: torch.Generator | None
) -> list[list[DialogueRows]]:
    """Cut dialogues, sorted by length, into batches; equal lengths and the batches' order are shuffled."""
    order = range(len(dialogues)) if generator is None else shuffled(len(dialogues), generator)
    by_length = sorted(order, key=lambda place: len(dialogues[place].dialogue.utterances))
    batches = [
        [dialogues[place] for place in by_length[start : start + size]]
        for start in range(0, len(by_length), size)
    ]
    return batches if generator is None else [batches[n] for n in shuffled(len(batches), generator)]


def padding_waste(batches: Sequence[Sequence[DialogueRows]]) -> float:
    """Share of the padded batches' places that hold no utterance."""
    lengths = [[len(dialogue.dialogue.utterances) for dialogue in batch] for batch in batches]
    places = sum(len(batch) * max(batch) for batch in lengths)
    return 1 - sum(map(sum, lengths)) / max(1, places)


def _padded(tensors: Sequence[Tensor], value: int) -> Tensor:
    return pad_sequence(list(tensors), batch_first=True, padding_value=value)
