"""The unimodal encoder: DialogueRNN over a modality, then who speaks and when.

Paper: section 3.3, equations 1 and 2.

    S_j = V_s o_s                speaker embedding of the one-hot speaker                (1)
    U_e = H^m + S + P            H^m: DialogueRNN; P: learned absolute position          (2)
    U_e = LayerNorm(U_e)         where `normalised`, as BERT does with its embeddings

Who a speaker is (`summer.conversations.speakers`) is a choice of the recipe: a slot in the dialogue, or a
name that the training split knows.

Dimensions: batch dialogues, seq utterances, dim of the features, width of the model.

Departures from the paper: U_e is normalised, so that its size does not depend on how wide DialogueRNN is;
with `skip`, H^m = DialogueRNN(x) + W x, so that what an utterance says by itself need not pass through the
recurrent states; recipes choose it.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from summer.layers.dialogue_rnn import DialogueRNN


class UtteranceSpeakerEmbedding(nn.Module):
    """Adds speaker and position to each utterance.

    Args:
        width: of the utterances.
        identities: how many speakers are told apart.
        longest_dialogue: how many positions there are.
        normalised: whether the sum is normalised.
    """

    def __init__(self, *, width: int, identities: int, longest_dialogue: int, normalised: bool) -> None:
        super().__init__()
        self.speaker = nn.Embedding(identities, width)
        self.position = nn.Embedding(longest_dialogue, width)
        for table in (self.speaker, self.position):
            nn.init.normal_(table.weight, std=0.02)  # BERT's
        self.norm = nn.LayerNorm(width) if normalised else None

    def forward(
        self, encoded: Float[Tensor, "batch seq width"], identities: Int[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq width"]:
        """H^m to U_e.

        Raises:
            ValueError: a dialogue is longer than there are positions.
        """
        length, longest = encoded.shape[1], self.position.num_embeddings
        if length > longest:
            raise ValueError(
                f"a dialogue has {length} utterances, the model {longest} positions; "
                f"set model.longest_dialogue to at least {length}"
            )
        speaker: Tensor = self.speaker(identities)  # (1): row s of V_s is V_s times the one-hot of s
        position: Tensor = self.position(torch.arange(length, device=encoded.device))
        embedded = encoded + speaker + position  # (2)
        return embedded if self.norm is None else self.norm(embedded)


class UnimodalEncoder(nn.Module):
    """Features of one modality to U_e.

    Args:
        dialogue_rnn: follows the conversation; its output is as wide as the model.
        embedding: adds speaker and position.
        skip: adds the utterance's own features to H^m, or None.
        dropout: share of the features and of U_e that is dropped in training.
    """

    def __init__(
        self,
        *,
        dialogue_rnn: DialogueRNN,
        embedding: UtteranceSpeakerEmbedding,
        skip: nn.Linear | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dialogue_rnn = dialogue_rnn
        self.embedding = embedding
        self.skip = skip
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        features: Float[Tensor, "batch seq dim"],
        *,
        speakers: Int[Tensor, "batch seq"],
        identities: Int[Tensor, "batch seq"],
        usable: Bool[Tensor, "batch seq"],
        parties: int,
    ) -> Float[Tensor, "batch seq width"]:
        """U_e of each usable utterance, zeros elsewhere.

        Args:
            speakers: slots in the dialogue, which DialogueRNN's parties are.
            identities: rows of the speaker embedding.
            parties: more than the highest slot.
        """
        absent = ~usable.unsqueeze(-1)
        known = self.dropout(features.masked_fill(absent, 0.0))
        encoded: Tensor = self.dialogue_rnn(known, speakers, usable, parties)
        if self.skip is not None:
            encoded = encoded + self.skip(known)
        embedded: Tensor = self.dropout(self.embedding(encoded, identities))
        return embedded.masked_fill(absent, 0.0)
