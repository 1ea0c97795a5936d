"""CHFusion: context within each modality, then of each pair, then of all three, fused per dimension.

Source: Majumder et al. 2018, "Multimodal Sentiment Analysis using Hierarchical Fusion with Context Modeling",
Knowledge-Based Systems 161, arXiv 1806.06228; and the authors' program (declare-lab/multimodal-deep-learning,
hfusion). Numbers of equations are ours. For modalities m and n, and dimension l of a vector:

    F_m     = tanh(U_m GRU_m(x_m) + u_m)                                  context within a modality    (1)
    g_m     = tanh(W_m F_m)                                               all of one width             (2)
    f_mn,l  = tanh(w_mn,l g_m,l + w'_mn,l g_n,l + b_mn,l)                 a pair                       (3)
    F_mn    = tanh(U_mn GRU_mn(f_mn) + u_mn)                              its context                  (4)
    z_l     = tanh(w_l F_ta,l + w'_l F_tv,l + w''_l F_av,l + b_l)         all three                    (5)
    F       = tanh(U GRU(z) + u)           y = V F + v                    their context                (6)

With two modalities the pair is the last level, with one that modality; y is of the last level. Each stream of
the levels before has a classifier of its own, y_s = V_s F_s + v_s, and

    L       = CE(y, truth) + lambda (sum_m CE(y_m, truth) + sum_mn CE(y_mn, truth))                    (7)

Dimensions: batch dialogues, seq utterances, width of vectors that are fused, cls emotion classes.

Departures: the program trains level by level, each stream by its own classifier, and reads the trained level
below without dropout; here all levels are trained at once by (7). Its dropout of 0.9 behind each GRU belongs
to that, three of it in a row leave nothing: it is 0.4 everywhere, the program's before each GRU. Weights of
(3) and (5) begin so that they keep the variance of what they join; the program's, with a deviation of 0.05,
would begin by hiding it. The last level has the layers of the others; the program's reads z beside its GRU. A
modality that an utterance lacks is zeros in (3), and so is its pair in (5); a GRU passes over an utterance
that lacks all that it reads. Widths of (1) are those of (4): the program begins at finished vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.baselines.checks import check_counts, check_dropouts, check_modalities, check_weights
from summer.classifier import CorpusShape, ModelKind, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.bigru import read_in_order, reading_order
from summer.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ChfusionOptions:
    """What shapes the model. Defaults are the program's, which is for four classes of IEMOCAP.

    Args:
        state_dim: of every GRU.
        context_dim: of F at every level.
        equal_dim: of g and f.
        dropout: share of values that a training step leaves out.
        level_weight: lambda of equation 7.
        modalities: those that it reads where the corpus has them.

    Raises:
        ValueError: a number is out of its range, or a modality is given twice.
    """

    state_dim: int = 600
    context_dim: int = 500
    equal_dim: int = 450
    dropout: float = 0.4
    level_weight: float = 1.0
    modalities: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        check_counts(state_dim=self.state_dim, context_dim=self.context_dim, equal_dim=self.equal_dim)
        check_dropouts(dropout=self.dropout)
        check_weights(level_weight=self.level_weight)
        check_modalities(self.modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One vector per utterance, and which utterances have it.

    Args:
        vectors: mean nothing where there is none.
    """

    vectors: Float[Tensor, "batch seq width"]
    present: Bool[Tensor, "batch seq"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified(Stream):
    """A stream in its context, and what its classifier says of it.

    Args:
        vectors: F, zeros where there is none.
    """

    logits: Float[Tensor, "batch seq cls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChfusionOutput:
    """What it makes of a batch.

    Args:
        last: the one stream of the last level.
        below: the streams of each level before it, by level.
    """

    last: Classified
    below: Mapping[str, Sequence[Classified]]


class InContext(nn.Module):
    """F of a stream, and its classifier: equations 1, 4 and 6."""

    def __init__(self, dim: int, options: ChfusionOptions, classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(options.dropout)
        self.gru = nn.GRU(dim, options.state_dim, batch_first=True)
        self.joined = nn.Linear(options.state_dim, options.context_dim)
        self.classifier = nn.Linear(options.context_dim, classes)

    def forward(self, stream: Stream) -> Classified:
        """The stream in the context of what came before."""
        order = reading_order(stream.present).forwards
        states = read_in_order(self.gru, self.dropout(stream.vectors), order)
        context = self.joined(self.dropout(states)).tanh()
        vectors = context.masked_fill(~stream.present.unsqueeze(-1), 0.0)
        return Classified(
            vectors=vectors, present=stream.present, logits=self.classifier(self.dropout(vectors))
        )


class FusionByDimension(nn.Module):
    """Each dimension of the parts by weights of its own: equations 3 and 5."""

    def __init__(self, parts: int, width: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.empty(parts, width))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.uniform_(self.weights, -math.sqrt(3 / parts), math.sqrt(3 / parts))  # variance 1 / parts

    def forward(self, parts: Sequence[Stream]) -> Stream:
        """One stream of several, which are zeros where they are not present; it is where any of them is."""
        vectors = torch.stack([part.vectors for part in parts], dim=-2)
        present = torch.stack([part.present for part in parts]).any(dim=0)
        fused = ((vectors * self.weights).sum(dim=-2) + self.bias).tanh()
        return Stream(vectors=fused, present=present)


class Chfusion(nn.Module):
    """As many levels as there are modalities."""

    def __init__(self, options: ChfusionOptions, shape: CorpusShape) -> None:
        super().__init__()
        self.options = options
        self.modalities = tuple(shape.feature_dims)
        self.pairs = {f"{m}_{n}": (m, n) for m, n in combinations(self.modalities, 2)}
        dims, classes = shape.feature_dims, shape.classes
        several, all_three = len(self.modalities) > 1, len(self.modalities) > 2
        self.unimodal = nn.ModuleDict({m: InContext(dims[m], options, classes) for m in self.modalities})
        self.equal = nn.ModuleDict(
            {
                m: nn.Linear(options.context_dim, options.equal_dim, bias=False)
                for m in self.modalities
                if several
            }
        )
        self.pair_fusion = nn.ModuleDict({p: FusionByDimension(2, options.equal_dim) for p in self.pairs})
        self.bimodal = nn.ModuleDict({p: InContext(options.equal_dim, options, classes) for p in self.pairs})
        self.fusion = FusionByDimension(len(self.pairs), options.context_dim) if all_three else None
        self.trimodal = InContext(options.context_dim, options, classes) if all_three else None

    def forward(self, batch: ConversationBatch) -> ChfusionOutput:
        """Classify each utterance at every level."""
        unimodal = {m: self._unimodal(m, batch) for m in self.modalities}  # (1)
        levels = {"unimodal": list(unimodal.values())}
        if self.pairs:
            equal = {m: self._equal(m, stream) for m, stream in unimodal.items()}  # (2)
            levels["bimodal"] = [self._bimodal(pair, equal) for pair in self.pairs]
        if self.fusion is not None and self.trimodal is not None:
            levels["trimodal"] = [self.trimodal(self.fusion(levels["bimodal"]))]  # (5), (6)
        (last,) = levels.pop(next(reversed(levels)))
        return ChfusionOutput(last=last, below=levels)

    def _unimodal(self, modality: Modality, batch: ConversationBatch) -> Classified:
        known = Stream(vectors=batch.known(modality), present=batch.usable[modality])
        heard: Classified = self.unimodal[modality](known)
        return heard

    def _equal(self, modality: Modality, stream: Stream) -> Stream:
        """Without a bias, so that nothing stays nothing."""
        return Stream(vectors=self.equal[modality](stream.vectors).tanh(), present=stream.present)

    def _bimodal(self, pair: str, equal: Mapping[Modality, Stream]) -> Classified:
        fused = self.pair_fusion[pair]([equal[m] for m in self.pairs[pair]])  # (3)
        heard: Classified = self.bimodal[pair](fused)  # (4)
        return heard

    def losses(
        self, output: ChfusionOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """The last level's, and the sum over the streams of each level before it."""
        last, level_weight = output.last, self.options.level_weight
        terms = {"truth": truth_loss(last.logits, batch.labels, last.present)}
        total = terms["truth"]
        for level, streams in output.below.items():
            each = [truth_loss(stream.logits, batch.labels, stream.present) for stream in streams]
            terms[level] = torch.stack(each).sum()
            total = total + level_weight * terms[level]  # (7)
        return {**terms, "total": total}

    def outlook(self, output: ChfusionOutput, batch: ConversationBatch) -> Outlook:
        """Logits and F of the last level; it wants nothing drawn."""
        del batch
        return Outlook(logits=output.last.logits, features=output.last.vectors)


KIND = ModelKind(
    options=ChfusionOptions,
    build=Chfusion,
    reads=lambda options: options.modalities,
    training=TrainingOptions(
        learning_rate=1e-3,
        weight_decay=0.0,
        batch_dialogues=20,
        most_epochs=200,
        patience_epochs=20,
        warmup_share=0.0,
        schedule="constant",
    ),
)
