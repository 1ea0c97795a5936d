"""The numbers of a training and the parts that ablations exchange: what a recipe's tables hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from summer.corpus import Modality, Split

# Parts by name; the first of each is the paper's, of `Start` ours.
Rule = Literal["sparse", "dense", "top-k"]  # which experts an utterance keeps: summer.model.routing
FusionKind = Literal["guided", "self-attention"]  # how modalities meet: summer.model.fusion
Form = Literal["branches", "product", "mean"]  # what equation 6 sums: summer.model.global_moe
EmotionAttention = Literal["added", "replaces"]  # what becomes of e_t: summer.layers.dialogue_rnn
Agreement = Literal["mean-of-heads", "head-by-head"]  # what equation 7 compares: summer.model.fusion
Threshold = Literal["straight-through", "hard"]  # the gradient of equation 7: summer.model.fusion
Objective = Literal["utterances", "batches"]  # what counts the same in a loss: summer.training.trainer
SpeakerRule = Literal["slots", "names"]  # who is told apart: summer.conversations.speakers
Schedule = Literal["linear", "constant"]  # the learning rate after its warm-up: summer.training.trainer
Start = Literal[
    "head", "linear", "regression", "drawn"
]  # where teacher and student begin: summer.model.start
GuidanceUse = Literal["always", "train", "never"]  # when the teacher masks attention: summer.model.assembly
ClassWeighting = Literal["none", "root", "balanced"]  # how much a rare class counts: summer.training.stages
MOST = 1 << 20  # of anything that is counted: beyond, no memory holds a model


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What shapes teacher and student. Defaults are the paper's (4.3) where it gives a number.

    Args:
        width: of the model, a multiple of 2 and of `heads`.
        heads: of attention.
        layers: of the teacher, and levels of the student's fusion.
        experts: BiGRUs per modality.
        dropout: share of values that a training step leaves out.
        encoder_skip: whether features also reach U_e past DialogueRNN.
        longest_dialogue: utterances of the longest dialogue that the model can read.
        speakers: who is told apart: slots of a dialogue, in order of speaking, or names of the corpus.
        speaker_slots: with `slots`, how many of a dialogue are told apart.
        speaker_fewest_utterances: with `names`, of the training split, that a name needs to be told apart.
        emotion_attention: whether what DialogueRNN attends to is added to e_t, or replaces it.
        embedding_norm: whether U_e is normalised, as BERT's embeddings are.
        agreement: what of teacher and student equation 7 compares.
        threshold: its gradient.
        routing: which experts an utterance keeps.
        fusion: how modalities meet: guided by the teacher, or by self-attention alone.
        mixture: what equation 6 sums.
        fusion_residual: whether a branch is added to what it attends to in others (figure 5).
        start: the linear layer that a model begins at: `head`, the one that the text store has of its
            encoder, and none where it has none; `linear`, that one, and where it has none a logistic
            regression on what the model reads; `regression`, the latter in any case; `drawn` begins without.
        guidance: when the teacher masks the student's attention; `always` runs it at inference too.
        teacher: the one modality of the teacher.
        student: the modalities of the student; those that the stores lack are left out.
    """

    width: int = 1024
    heads: int = 4
    layers: int = 6
    experts: int = 4
    dropout: float = 0.1
    encoder_skip: bool = False
    longest_dialogue: int = 128
    speakers: SpeakerRule = "slots"
    speaker_slots: int = 16
    speaker_fewest_utterances: int = 10
    routing: Rule = "sparse"
    fusion: FusionKind = "guided"
    fusion_residual: bool = True
    mixture: Form = "branches"
    emotion_attention: EmotionAttention = "added"
    embedding_norm: bool = True
    agreement: Agreement = "mean-of-heads"
    threshold: Threshold = "straight-through"
    start: Start = "head"
    guidance: GuidanceUse = "always"
    teacher: Modality = Modality.TEXT
    student: tuple[Modality, ...] = tuple(Modality)

    def __post_init__(self) -> None:
        counts = ("width", "heads", "layers", "experts", "longest_dialogue", "speaker_slots")
        for name in (*counts, "speaker_fewest_utterances"):
            if not 1 <= getattr(self, name) <= MOST:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1, at most {MOST:,}")
        if self.width % 2 or self.width % self.heads:
            raise ValueError(f"width is {self.width}; give an even multiple of the {self.heads} heads")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; give a share in [0, 1)")
        if not self.student or len(set(self.student)) < len(self.student):
            raise ValueError(f"student is {list(self.student)}; give each modality once, at least one")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How a stage is trained: Adam, linear warm-up, early stopping.

    Args:
        learning_rate: of Adam, at its highest.
        weight_decay: of Adam.
        batch_dialogues: dialogues per step.
        warmup_share: of all steps, over which the learning rate rises from 0.
        schedule: whether the learning rate falls to 0 after its warm-up, or stays as it is.
        most_epochs: where training ends at the latest, unless `least_steps` takes longer.
        patience_epochs: epochs without a better score after which training ends.
        least_steps: `most_epochs` in steps, where these are longer: a small corpus has few steps in an
            epoch, and what takes 10 epochs on a large one takes 40 on a quarter of it.
        patience_steps: `patience_epochs` in steps, where these are longer.
        largest_gradient_norm: to which longer gradients are cut.
        objective: whether every utterance counts the same in an epoch, or every batch.
        scalar_rate: learning rate of single numbers, such as phi and tau, which Adam would move by at most
            `learning_rate` a step; None: the same as all.
        class_weights: how much more a rare class counts: not, by the root of its rarity, or by its rarity.
        select_on: the split whose weighted F1 chooses the epoch; `test` inflates, and is labelled so;
            `train` is refused.
        test_curve: score the test split after every epoch as well. It chooses nothing: it shows what choosing
            on it would add.
    """

    learning_rate: float = 5e-5
    weight_decay: float = 1e-5
    batch_dialogues: int = 100
    most_epochs: int = 60
    patience_epochs: int = 10
    least_steps: int = 0
    patience_steps: int = 0
    warmup_share: float = 0.05
    schedule: Schedule = "linear"
    largest_gradient_norm: float = 1.0
    objective: Objective = "utterances"
    scalar_rate: float | None = 1e-2
    class_weights: ClassWeighting = "none"
    select_on: Split = Split.DEV
    test_curve: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_dialogues", "most_epochs", "patience_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        if min(self.least_steps, self.patience_steps) < 0:
            raise ValueError(
                f"least_steps is {self.least_steps}, patience_steps {self.patience_steps}; give 0 or more"
            )
        above_0 = (self.learning_rate, self.largest_gradient_norm)
        if not (all(0 < value < math.inf for value in above_0) and 0 <= self.weight_decay < math.inf):
            raise ValueError(
                f"learning_rate {self.learning_rate}, largest_gradient_norm {self.largest_gradient_norm}, "
                f"weight_decay {self.weight_decay}; give finite numbers, two above 0, the last 0 or more"
            )
        if self.scalar_rate is not None and not 0 < self.scalar_rate < math.inf:
            raise ValueError(f"scalar_rate is {self.scalar_rate}; give a rate above 0, or leave it out")
        if not 0 <= self.warmup_share < 1:
            raise ValueError(f"warmup_share is {self.warmup_share}; give a share in [0, 1)")
        if self.select_on is Split.TRAIN:
            raise ValueError(
                "select_on is train; the epoch is chosen on dev, or on test to show what that does"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """kappa of equation 15 and epsilon of equation 14. The paper gives no values; these are ours.

    Args:
        cross: of equation 11, the student's classes by the teacher's.
        align: of equation 12.
        inner: of equation 13.
        smooth: of equation 14, the truth.
        epsilon: share of the right class; 1 is no smoothing. The teacher's own loss is smoothed by it too.

    Raises:
        ValueError: a kappa is negative, all are 0, or epsilon is no share in (0, 1].
    """

    cross: float = 0.3
    align: float = 0.3
    inner: float = 0.1
    smooth: float = 1.0
    epsilon: float = 0.9

    def __post_init__(self) -> None:
        kappas = (self.cross, self.align, self.inner, self.smooth)
        if not (min(kappas) >= 0 and 0 < sum(kappas) < math.inf):
            raise ValueError(f"loss weights {kappas}: give 0 or more, and at least one above 0")
        if not 0 < self.epsilon <= 1:
            raise ValueError(
                f"epsilon is {self.epsilon}; give the right class a share in (0, 1], such as 0.9"
            )
