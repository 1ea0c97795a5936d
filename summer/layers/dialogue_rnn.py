"""DialogueRNN: who feels what, followed through a conversation by a global, a party and an emotion GRU.

Paper: section 3.3 names it as the last step of the unimodal encoder and A.1 as LFNet3D's. The network is
that of Majumder et al. 2019, "DialogueRNN: An Attentive RNN for Emotion Detection in Conversations". At
utterance u_t of speaker s (`a, b` stands for two vectors side by side; every state starts at zero):

    g_t   = GRU_G(g_{t-1}, [u_t, q_{s,t-1}])                           (global state)
    c_t   = sum_j alpha_j g_j,  alpha = softmax_j<t (u_t W_alpha g_j)   (context)
    q_s,t = GRU_P(q_{s,t-1}, [u_t, c_t])                               (speaker update)
    q_i,t = q_{i,t-1},  or  GRU_L(q_{i,t-1}, [u_t, q_s,t])              (listener update, i other than s)
    e_t   = GRU_E(e_{t-1}, q_s,t)                                      (emotion)
    e~_t  = sum_j beta_j e_j,  beta = softmax_j (e_t W_beta e_j)        (emotion attention)
    out   = e_t + e~_t                                                 ("added")

BiDialogueRNN runs a second network from the last utterance to the first and puts both e_t side by side;
emotion attention looks at every utterance of the dialogue, and so do its results.

Dimensions: batch dialogues, seq utterances, dim of an utterance's vector, party speakers of a dialogue.

An utterance that is not valid (padding, or a modality without a vector) changes no state, is never attended
to, and yields zeros: the others come out as if it were not in the dialogue.

Departures from the paper: e~_t is added to e_t. At the start beta is even over the dialogue, so that e~_t
alone ("replaces") is one mean for all of its utterances: what each of them says is lost, and the gradient
that would bring it back is small (docs/learning.md). The listener update reads u_t and the speaker's new
state, as in the authors' program; the equation printed there reads visual cues of the listener, which no
corpus here has. Dropout falls on the new states, also as in that program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class DialogueRNN(nn.Module):
    """Emotion representation of each utterance, given its speaker and its conversation.

    Args:
        input_dim: width of an utterance's vector u_t.
        global_dim, party_dim, emotion_dim: widths of the states g, q and e.
        bidirectional: whether a second network reads the conversation from its end.
        listener_update: whether the parties who are silent are updated by GRU_L, or keep their state.
        emotion_attention: whether what e_t attends to among all of the dialogue is "added" to it or
            "replaces" it; None: no emotion attention.
        dropout: share of each new state that is dropped in training, in [0, 1).
    """

    def __init__(
        self,
        *,
        input_dim: int,
        global_dim: int,
        party_dim: int,
        emotion_dim: int,
        bidirectional: bool,
        listener_update: bool,
        emotion_attention: Literal["added", "replaces"] | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.keeps_emotion = emotion_attention == "added"
        self.output_dim = emotion_dim * (2 if bidirectional else 1)
        self.passes = nn.ModuleList(
            _DialoguePass(
                input_dim=input_dim,
                global_dim=global_dim,
                party_dim=party_dim,
                emotion_dim=emotion_dim,
                listener_update=listener_update,
                dropout=dropout,
                backwards=backwards,
            )
            for backwards in ((False, True) if bidirectional else (False,))
        )
        self.emotion_attention = (
            BilinearAttention(query_dim=self.output_dim, memory_dim=self.output_dim)
            if emotion_attention is not None
            else None
        )

    def forward(
        self,
        utterances: Float[Tensor, "batch seq dim"],
        speakers: Int[Tensor, "batch seq"],
        valid: Bool[Tensor, "batch seq"],
        parties: int | None = None,
    ) -> Float[Tensor, "batch seq output"]:
        """Follow the conversations.

        Args:
            utterances: one vector each; whatever stands where `valid` is False is never read.
            speakers: the speaker's slot in the dialogue, from 0; any number of parties.
            valid: which utterances there are.
            parties: more than the highest slot, where the caller knows it; None looks it up, for which CUDA
                has to be waited for.

        Returns:
            Emotion representations, `output_dim` wide, zeros where `valid` is False.

        Raises:
            ValueError: a slot is negative.
        """
        parties = _count_parties(speakers) if parties is None else parties
        absent = ~valid.unsqueeze(-1)
        known = utterances.masked_fill(absent, 0.0)  # NaN times a mask of 0 would stay NaN
        spoken = speakers.unsqueeze(-1) == torch.arange(parties, device=speakers.device)
        emotions = torch.cat([follow(known, spoken, valid) for follow in self.passes], dim=-1)
        if self.emotion_attention is not None:
            attended = self.emotion_attention(emotions, emotions, valid)
            emotions = emotions + attended if self.keeps_emotion else attended
        return emotions.masked_fill(absent, 0.0)


def _count_parties(speakers: Tensor) -> int:
    if speakers.numel() and int(speakers.min()) < 0:
        raise ValueError(f"speaker slot {int(speakers.min())} is below 0; number the speakers from 0")
    return int(speakers.max()) + 1


class BilinearAttention(nn.Module):
    """Weighted mean of a memory: softmax over it of (query W memory). Both attentions of DialogueRNN."""

    def __init__(self, *, query_dim: int, memory_dim: int) -> None:
        super().__init__()
        self.weight = nn.Linear(query_dim, memory_dim, bias=False)

    def forward(
        self,
        queries: Float[Tensor, "batch query query_dim"],
        memory: Float[Tensor, "batch seq memory_dim"],
        valid: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, "batch query memory_dim"]:
        """What each query attends to among the valid memory; zeros where there is none."""
        scores = self.weight(queries) @ memory.transpose(1, 2)
        lowest = torch.finfo(scores.dtype).min  # -inf would make NaN of a dialogue without a valid entry
        weights = scores.masked_fill(~valid.unsqueeze(1), lowest).softmax(dim=-1)
        attended: Tensor = (weights * valid.unsqueeze(1)) @ memory
        return attended


class _DialoguePass(nn.Module):
    """One reading of the conversation, from its start or from its end."""

    def __init__(
        self,
        *,
        input_dim: int,
        global_dim: int,
        party_dim: int,
        emotion_dim: int,
        listener_update: bool,
        dropout: float,
        backwards: bool,
    ) -> None:
        super().__init__()
        self.backwards = backwards
        self.global_gru = nn.GRUCell(input_dim + party_dim, global_dim)
        self.context_attention = BilinearAttention(query_dim=input_dim, memory_dim=global_dim)
        self.party_gru = nn.GRUCell(input_dim + global_dim, party_dim)
        self.listener_gru = nn.GRUCell(input_dim + party_dim, party_dim) if listener_update else None
        self.emotion_gru = nn.GRUCell(party_dim, emotion_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        utterances: Float[Tensor, "batch seq dim"],
        spoken: Bool[Tensor, "batch seq party"],
        valid: Bool[Tensor, "batch seq"],
    ) -> Float[Tensor, "batch seq emotion"]:
        batch, seq, party = spoken.shape
        global_state = utterances.new_zeros(batch, self.global_gru.hidden_size)
        parties = utterances.new_zeros(batch, party, self.party_gru.hidden_size)
        emotion = utterances.new_zeros(batch, self.emotion_gru.hidden_size)
        history: list[Tensor] = []
        emotions: dict[int, Tensor] = {}
        order = range(seq - 1, -1, -1) if self.backwards else range(seq)
        for turn in order:
            here, speaks = utterances[:, turn], spoken[:, turn].unsqueeze(-1)
            there_is = valid[:, turn].unsqueeze(-1)
            context = self._context(here, history, valid[:, list(order[: len(history)])])
            before = (parties * speaks).sum(dim=1)
            heard = self.dropout(self.global_gru(torch.cat([here, before], dim=-1), global_state))
            speaker = self.dropout(self.party_gru(torch.cat([here, context], dim=-1), before))
            felt = self.dropout(self.emotion_gru(speaker, emotion))
            updated = torch.where(speaks, speaker.unsqueeze(1), self._listeners(parties, here, speaker))
            global_state = torch.where(there_is, heard, global_state)
            parties = torch.where(there_is.unsqueeze(-1), updated, parties)
            emotion = torch.where(there_is, felt, emotion)
            history.append(global_state)
            emotions[turn] = emotion
        return torch.stack([emotions[turn] for turn in range(seq)], dim=1)

    def _context(self, utterance: Tensor, history: Sequence[Tensor], valid: Tensor) -> Tensor:
        """(batch, global) what the utterance attends to among the global states before it."""
        if not history:
            return utterance.new_zeros(len(utterance), self.global_gru.hidden_size)
        context: Tensor = self.context_attention(
            utterance.unsqueeze(1), torch.stack(list(history), dim=1), valid
        )
        return context.squeeze(1)

    def _listeners(self, parties: Tensor, utterance: Tensor, speaker: Tensor) -> Tensor:
        """(batch, party, party_dim) the states of those who listen."""
        if self.listener_gru is None:
            return parties
        batch, party, dim = parties.shape
        news = torch.cat([utterance, speaker], dim=-1).repeat_interleave(party, dim=0)
        moved: Tensor = self.dropout(self.listener_gru(news, parties.reshape(batch * party, dim)))
        return moved.view(batch, party, dim)
