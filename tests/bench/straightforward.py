"""The paper's student as its equations read, in plain PyTorch: what `summer` is measured against.

Written as one would from the paper and the authors' program of DialogueRNN: `nn.GRUCell` in a loop over the
turns, the history grown by `torch.cat`, the backward pass over dialogues turned round; each expert a packed
bidirectional `nn.GRU` of its own; attention as matrix products and a softmax over what is not padding. Every
utterance is taken to have every modality. There is no dropout: it is 0 on both sides.

`tests.bench.same_weights` gives it the weights of our model, so that both compute the same.
Dimensions: B dialogues, T turns of the longest, D of an utterance's vector, W width, E experts, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.options import LossWeights, ModelOptions


class DialoguePass(nn.Module):
    """DialogueRNN in one direction."""

    def __init__(self, dim: int, state: int) -> None:
        super().__init__()
        self.global_gru = nn.GRUCell(dim + state, state)
        self.context_attention = nn.Linear(dim, state, bias=False)
        self.party_gru = nn.GRUCell(dim + state, state)
        self.emotion_gru = nn.GRUCell(state, state)

    def forward(self, utterances: Tensor, spoken: Tensor) -> Tensor:
        """(B, T, D) and the one-hot speakers (B, T, parties) to (B, T, state)."""
        batch, turns, parties = spoken.shape
        zeros = utterances.new_zeros(batch, self.global_gru.hidden_size)
        heard, felt, history = zeros, zeros, zeros.unsqueeze(1)[:, :0]
        states = zeros.unsqueeze(1).repeat(1, parties, 1)
        emotions = []
        for turn in range(turns):
            said, speaks = utterances[:, turn], spoken[:, turn].unsqueeze(2)
            before = (states * speaks).sum(dim=1)
            context = zeros
            if turn:
                scores = history @ self.context_attention(said).unsqueeze(2)
                context = (scores.softmax(dim=1).transpose(1, 2) @ history).squeeze(1)
            heard = self.global_gru(torch.cat([said, before], dim=1), heard)
            speaker = self.party_gru(torch.cat([said, context], dim=1), before)
            states = states * (1 - speaks) + speaker.unsqueeze(1) * speaks
            felt = self.emotion_gru(speaker, felt)
            history = torch.cat([history, heard.unsqueeze(1)], dim=1)
            emotions.append(felt)
        return torch.stack(emotions, dim=1)


class DialogueRNN(nn.Module):
    """Both directions, then attention over the emotions of the dialogue."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.passes = nn.ModuleList(DialoguePass(dim, width // 2) for _ in range(2))
        self.emotion_attention = nn.Linear(width, width, bias=False)

    def forward(self, utterances: Tensor, spoken: Tensor, valid: Tensor) -> Tensor:
        """(B, T, D) to (B, T, W)."""
        lengths = valid.sum(dim=1).tolist()
        onwards = self.passes[0](utterances, spoken)
        backwards = self.passes[1](turned_round(utterances, lengths), turned_round(spoken, lengths))
        emotions = torch.cat([onwards, turned_round(backwards, lengths)], dim=2)
        scores = self.emotion_attention(emotions) @ emotions.transpose(1, 2)
        attended: Tensor = scores.masked_fill(~valid.unsqueeze(1), -math.inf).softmax(dim=2) @ emotions
        return emotions + attended


def turned_round(rows: Tensor, lengths: Sequence[int]) -> Tensor:
    """Each dialogue from its end, the padding left behind it."""
    return torch.stack(
        [torch.cat([row[:length].flip(0), row[length:]]) for row, length in zip(rows, lengths, strict=True)]
    )


class Encoder(nn.Module):
    """DialogueRNN, speaker and position, normalised: equations 1 and 2."""

    def __init__(self, dim: int, options: ModelOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.dialogue_rnn = DialogueRNN(dim, options.width)
        self.speaker = nn.Embedding(shape.identities, options.width)
        self.position = nn.Embedding(options.longest_dialogue, options.width)
        self.norm = nn.LayerNorm(options.width)

    def forward(self, features: Tensor, batch: ConversationBatch, valid: Tensor) -> Tensor:
        """(B, T, D) to (B, T, W)."""
        spoken = F.one_hot(batch.speakers).to(features.dtype)
        encoded = self.dialogue_rnn(features, spoken, valid)
        positions = torch.arange(features.shape[1], device=features.device)
        embedded: Tensor = self.norm(encoded + self.speaker(batch.identities) + self.position(positions))
        return embedded


class Mixture(nn.Module):
    """SDMoE: equations 3 to 5."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        half = options.width // 2
        self.experts = nn.ModuleList(
            nn.GRU(options.width, half, batch_first=True, bidirectional=True) for _ in range(options.experts)
        )
        self.gate = nn.Linear(options.width, options.experts)
        self.temperature_logit = nn.Parameter(torch.zeros(()))

    def forward(self, embedded: Tensor, valid: Tensor) -> Tensor:
        """(B, T, W) to (B, T, W)."""
        lengths = valid.sum(dim=1).cpu()
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        outputs = [pad_packed_sequence(expert(packed)[0], batch_first=True)[0] for expert in self.experts]
        gates = self.gate(embedded)
        kept = self.kept(gates, valid)
        if self.training:
            gates = gates - torch.log(-torch.log(torch.rand_like(gates).clamp(1e-20, 1 - 1e-7)))
        temperature = F.softplus(self.temperature_logit) + 0.05
        shares = (gates / temperature).masked_fill(~kept, -math.inf).softmax(dim=2)  # (4)
        mixed: Tensor = (shares.unsqueeze(3) * torch.stack(outputs, dim=2)).sum(dim=2)  # (5)
        return mixed

    @staticmethod
    def kept(gates: Tensor, valid: Tensor) -> Tensor:
        """(B, T, E) within two sigma of the dialogue, or the best where none is."""
        there = valid.unsqueeze(2)
        count = valid.sum(dim=1).view(-1, 1, 1) * gates.shape[2]
        mean = (gates * there).sum(dim=(1, 2), keepdim=True) / count
        sigma = (((gates - mean) ** 2 * there).sum(dim=(1, 2), keepdim=True) / count).sqrt()
        kept = (gates > mean - 2 * sigma) & (gates < mean + 2 * sigma)  # (3)
        best = gates == gates.max(dim=2, keepdim=True).values
        return torch.where(kept.any(dim=2, keepdim=True), kept, best)


class Attention(nn.Module):
    """Multi-head attention and its residual; guided by a teacher's scores where they are given."""

    def __init__(self, options: ModelOptions, *, guided: bool) -> None:
        super().__init__()
        self.heads = options.heads
        self.query, self.key, self.value, self.out = (
            nn.Linear(options.width, options.width) for _ in range(4)
        )
        self.norm = nn.LayerNorm(options.width)
        self.phi_logit = nn.Parameter(torch.zeros(())) if guided else None

    def forward(
        self, hidden: Tensor, other: Tensor, valid: Tensor, guide: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """LayerNorm(H + Dyn(H, other, other)), and the scores (B, heads, T, T)."""
        query, key, value = (
            projected.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projected in (self.query(hidden), self.key(other), self.value(other))
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        weights = scores.masked_fill(~valid[:, None, None, :], -math.inf).softmax(dim=3)
        if self.phi_logit is not None and guide is not None:
            distance = (guide.mean(dim=1, keepdim=True) - scores.mean(dim=1, keepdim=True)).abs()
            soft = torch.sigmoid((distance - 0.5) / 0.25)
            disagrees = (distance > 0.5).to(weights.dtype) + (soft - soft.detach())  # (7)
            weights = (1 - torch.sigmoid(self.phi_logit) * disagrees) * weights  # (8)
        attended = self.out((weights @ value).transpose(1, 2).flatten(2))
        return self.norm(hidden + attended), scores


class FeedForward(nn.Module):
    """LayerNorm(H + W_2 GELU(W_1 H))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, W) to (B, T, W)."""
        transformed: Tensor = self.norm(hidden + self.inner(hidden))
        return transformed


class Level(nn.Module):
    """One level of HCMF: equations 9 and 10 of every branch."""

    def __init__(self, options: ModelOptions, shape: CorpusShape) -> None:
        super().__init__()
        names = [str(m) for m in shape.feature_dims]
        self.within = nn.ModuleDict({m: Attention(options, guided=False) for m in names})
        self.across = nn.ModuleDict(
            {f"{m}_from_{n}": Attention(options, guided=True) for m, n in permutations(names, 2)}
        )
        self.feed_forward = nn.ModuleDict({m: FeedForward(options.width) for m in names})

    def forward(self, branches: Mapping[str, Tensor], valid: Tensor, guide: Tensor) -> dict[str, Tensor]:
        """(B, T, W) of each modality."""
        within = {m: self.within[m](hidden, hidden, valid)[0] for m, hidden in branches.items()}
        fused = {}
        for m, hidden in within.items():
            for n in (n for n in within if n != m):
                hidden, _ = self.across[f"{m}_from_{n}"](hidden, within[n], valid, guide)
            fused[m] = self.feed_forward[m](hidden)
        return fused


class Teacher(nn.Module):
    """Encoder, SDMoE, BERT-like layers, classifier of one modality."""

    def __init__(self, options: ModelOptions, shape: CorpusShape) -> None:
        super().__init__()
        (self.modality,) = shape.feature_dims
        self.encoder = Encoder(shape.feature_dims[self.modality], options, shape)
        self.mixture = Mixture(options)
        self.attentions = nn.ModuleList(Attention(options, guided=False) for _ in range(options.layers))
        self.feed_forwards = nn.ModuleList(FeedForward(options.width) for _ in range(options.layers))
        self.classifier = nn.Linear(options.width, shape.classes)

    def forward(self, batch: ConversationBatch, valid: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Last hidden states (B, T, W), and the scores of each layer."""
        hidden = self.mixture(self.encoder(batch.features[self.modality], batch, valid), valid)
        scores = []
        for attention, feed_forward in zip(self.attentions, self.feed_forwards, strict=True):
            hidden, of_layer = attention(hidden, hidden, valid)
            hidden = feed_forward(hidden)
            scores.append(of_layer)
        return hidden, scores


class Student(nn.Module):
    """The student; equation 6 stands in `forward`."""

    def __init__(self, options: ModelOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(
            {str(m): Encoder(dim, options, shape) for m, dim in shape.feature_dims.items()}
        )
        self.mixtures = nn.ModuleDict({str(m): Mixture(options) for m in shape.feature_dims})
        self.levels = nn.ModuleList(Level(options, shape) for _ in range(options.layers))
        self.router = nn.Linear(len(shape.feature_dims) * options.width, len(shape.feature_dims))
        self.classifier = nn.Linear(options.width, shape.classes)

    def forward(
        self, batch: ConversationBatch, valid: Tensor, guides: Sequence[Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B, T, C), and H_m of each modality."""
        mixed = {
            m: self.mixtures[m](encoder(batch.features[Modality(m)], batch, valid), valid)
            for m, encoder in self.encoders.items()
        }
        branches = mixed
        for level, guide in zip(self.levels, guides, strict=True):
            branches = level(branches, valid, guide)
        weights = self.router(torch.cat(list(mixed.values()), dim=2)).softmax(dim=2)
        fused = sum(weights[:, :, [n]] * branches[m] for n, m in enumerate(mixed))  # (6)
        return self.classifier(fused), branches


class Straightforward(nn.Module):
    """Student and frozen teacher; called with a batch, it gives the losses of equation 15."""

    def __init__(self, options: ModelOptions, *, student: CorpusShape, teacher: CorpusShape) -> None:
        super().__init__()
        self.student = Student(options, student)
        self.teacher = Teacher(options, teacher).requires_grad_(False)

    def train(self, mode: bool = True) -> Straightforward:
        """Switch the student only."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: ConversationBatch) -> dict[str, Tensor]:
        """Each loss, and their weighted sum as `total`."""
        valid, kappa = batch.usable[self.teacher.modality], LossWeights()
        with torch.no_grad():
            taught, guides = self.teacher(batch, valid)
        logits, branches = self.student(batch, valid, guides)
        truths, classify = batch.labels[valid], self.teacher.classifier
        taught = taught[valid].repeat(len(branches), 1)
        learned = torch.cat([branch[valid] for branch in branches.values()])
        p, q = classify(learned).log_softmax(dim=1), classify(taught).log_softmax(dim=1)
        rest = (1 - kappa.epsilon) / (logits.shape[2] - 1)
        delta = F.one_hot(truths, logits.shape[2]) * (kappa.epsilon - rest) + rest
        losses = {
            "cross": F.kl_div(q, p, log_target=True, reduction="batchmean"),  # (11)
            "align": F.nll_loss(p, truths.repeat(len(branches))),  # (12)
            "inner": F.mse_loss(learned, taught),  # (13)
            "smooth": F.cross_entropy(logits[valid], delta),  # (14)
        }
        return {**losses, "total": sum(getattr(kappa, name) * loss for name, loss in losses.items())}  # (15)
