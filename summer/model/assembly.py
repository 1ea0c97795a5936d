"""SUMMER assembled: a unimodal teacher, and the multimodal student that it guides.

Paper: figure 2 and section 3.2.

    teacher   U_e = encoder(x)    F = SDMoE(U_e)    f_tr = layers(F)    y = C_tr f_tr
    student   of each modality m: U_m = encoder_m(x_m),  F_m = SDMoE_m(U_m)
              H = HCMF(F, scores of the teacher's layers)
              H_fuse = GMoE(F, H)    y = C_st Dropout(H_fuse)

Both begin at a linear layer, the text encoder's own head or a regression: y = W x + b + alpha C(...), see
`summer.model.start`.

Both read a `ConversationBatch`; what an utterance lacks in a modality is masked in every part.

Dimensions: batch dialogues, seq utterances, head heads, width of the model, cls emotion classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.classifier import Attention, CorpusShape, Measure, Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.attention import EncoderLayer
from summer.layers.dialogue_rnn import DialogueRNN
from summer.layers.watching import watched
from summer.model.attended import attention_of, steps_of_layers
from summer.model.embedding import UnimodalEncoder, UtteranceSpeakerEmbedding
from summer.model.fusion import FusionLevel, Guidance, HierarchicalFusion, SelfAttentionFusion
from summer.model.global_moe import GlobalMixture
from summer.model.routing import SparseDynamicMixture, build_mixture
from summer.model.start import LinearStart, build_start
from summer.options import ModelOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherOutput:
    """What the teacher makes of a batch.

    Args:
        logits: (batch, seq, cls).
        features: (batch, seq, width) f_tr.
        guidance: the scores of its layers, for the student.
        kept: (batch, seq, expert) the experts that each utterance kept.
    """

    logits: Float[Tensor, "batch seq cls"]
    features: Float[Tensor, "batch seq width"]
    guidance: Guidance
    kept: Mapping[Modality, Bool[Tensor, "batch seq expert"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentOutput:
    """What the student makes of a batch.

    Args:
        logits: (batch, seq, cls).
        fused: (batch, seq, width) H_fuse.
        branches: (batch, seq, width) H_m of each modality.
        modality_weights: (batch, seq, modality) g of equation 6.
        kept: (batch, seq, expert) the experts that each utterance kept, by modality.
    """

    logits: Float[Tensor, "batch seq cls"]
    fused: Float[Tensor, "batch seq width"]
    branches: Mapping[Modality, Float[Tensor, "batch seq width"]]
    modality_weights: Float[Tensor, "batch seq modality"]
    kept: Mapping[Modality, Bool[Tensor, "batch seq expert"]]


class Teacher(nn.Module):
    """One modality: encoder, SDMoE, BERT-like layers, classifier."""

    def __init__(
        self,
        *,
        modality: Modality,
        encoder: UnimodalEncoder,
        mixture: SparseDynamicMixture,
        layers: Sequence[EncoderLayer],
        classifier: nn.Linear,
        dropout: float,
        start: LinearStart | None = None,
    ) -> None:
        super().__init__()
        self.modality = modality
        self.modalities = (modality,)
        self.encoder = encoder
        self.mixture = mixture
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier
        self.start = start

    def forward(self, batch: ConversationBatch) -> TeacherOutput:
        """Classify each utterance by one modality."""
        usable = batch.usable[self.modality]
        routed = self.mixture(_encode(self.encoder, batch, self.modality), usable)
        hidden, scores = routed.mixed, []
        for layer in self.layers:
            hidden, of_layer = layer(hidden, usable)
            scores.append(of_layer)
        added = self.classifier(self.dropout(hidden))
        return TeacherOutput(
            logits=added if self.start is None else self.start(added, batch),
            features=hidden,
            guidance=Guidance(scores=scores, usable=usable),
            kept={self.modality: routed.kept},
        )

    def losses(
        self, output: TeacherOutput, batch: ConversationBatch, truth_loss: TruthLoss
    ) -> dict[str, Tensor]:
        """Cross-entropy against smoothed labels (14), where the utterance has the modality."""
        loss = truth_loss(output.logits, batch.labels, batch.usable[self.modality])
        return {"smooth": loss, "total": loss}

    def outlook(self, output: TeacherOutput, batch: ConversationBatch) -> Outlook:
        """Logits and f_tr; draws the share of experts kept."""
        return Outlook(
            logits=output.logits,
            features=output.features,
            drawn={"kept_experts": measures_of_kept(output.kept, batch)},
        )

    def with_attention(self, batch: ConversationBatch) -> tuple[TeacherOutput, Attention]:
        """What it says of a batch, and what its layers attended to."""
        steps = list(steps_of_layers(self.layers, self.modality))
        with watched(step.attention for step in steps) as seen:
            output: TeacherOutput = self(batch)
        usable = batch.usable[self.modality].to(output.features.dtype)
        return output, attention_of(steps, seen, {self.modality: usable})


class Student(nn.Module):
    """All modalities: an encoder and an SDMoE each, HCMF, GMoE, classifier."""

    def __init__(
        self,
        *,
        encoders: Mapping[Modality, UnimodalEncoder],
        mixtures: Mapping[Modality, SparseDynamicMixture],
        fusion: HierarchicalFusion | SelfAttentionFusion,
        global_mixture: GlobalMixture,
        classifier: nn.Linear,
        dropout: float,
        start: LinearStart | None = None,
    ) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        self.encoders = nn.ModuleDict({m.value: encoder for m, encoder in encoders.items()})
        self.mixtures = nn.ModuleDict({m.value: mixture for m, mixture in mixtures.items()})
        self.fusion = fusion
        self.global_mixture = global_mixture
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier
        self.start = start

    def forward(self, batch: ConversationBatch, guidance: Guidance | None) -> StudentOutput:
        """Classify each utterance by all its modalities; without guidance the teacher masks nothing."""
        usable = {m: batch.usable[m] for m in self.modalities}
        routed = {m: self.mixtures[m](_encode(self.encoders[m], batch, m), usable[m]) for m in usable}
        branches = self.fusion({m: routed[m].mixed for m in usable}, usable, guidance)
        fused, weights = self.global_mixture(
            torch.stack([routed[m].mixed for m in usable], dim=2),
            torch.stack([branches[m] for m in usable], dim=2),
            torch.stack(list(usable.values()), dim=2),
        )
        added = self.classifier(self.dropout(fused))
        return StudentOutput(
            logits=added if self.start is None else self.start(added, batch),
            fused=fused,
            branches=branches,
            modality_weights=weights,
            kept={m: routed[m].kept for m in usable},
        )


def measures_of_kept(
    kept: Mapping[Modality, Bool[Tensor, "batch seq expert"]], batch: ConversationBatch
) -> dict[str, Measure]:
    """The share of experts kept, by modality, over utterances that have it."""
    return {m.value: Measure(values=of_m, counted=batch.usable[m]) for m, of_m in kept.items()}


def build_teacher(options: ModelOptions, shape: CorpusShape) -> Teacher:
    """A teacher with new weights.

    Raises:
        ValueError: a shape of several modalities; a width that does not divide.
    """
    if len(shape.feature_dims) != 1:
        raise ValueError(f"a teacher has one modality, not {len(shape.feature_dims)}; choose with --modality")
    modality = next(iter(shape.feature_dims))
    return Teacher(
        modality=modality,
        encoder=_build_encoder(options, shape, modality),
        mixture=build_mixture(width=options.width, experts=options.experts, rule=options.routing),
        layers=[
            EncoderLayer(width=options.width, heads=options.heads, dropout=options.dropout)
            for _ in range(options.layers)
        ],
        classifier=nn.Linear(options.width, shape.classes),
        dropout=options.dropout,
        start=build_start(shape),
    )


def build_student(options: ModelOptions, shape: CorpusShape) -> Student:
    """A student with new weights.

    Raises:
        ValueError: a width that does not divide.
    """
    modalities = tuple(shape.feature_dims)
    return Student(
        encoders={m: _build_encoder(options, shape, m) for m in modalities},
        mixtures={
            m: build_mixture(width=options.width, experts=options.experts, rule=options.routing)
            for m in modalities
        },
        fusion=_build_fusion(options, modalities),
        global_mixture=GlobalMixture(modalities=len(modalities), width=options.width, form=options.mixture),
        classifier=nn.Linear(options.width, shape.classes),
        dropout=options.dropout,
        start=build_start(shape),
    )


def _build_fusion(
    options: ModelOptions, modalities: tuple[Modality, ...]
) -> HierarchicalFusion | SelfAttentionFusion:
    width, heads, dropout = options.width, options.heads, options.dropout
    if options.fusion == "self-attention":
        return SelfAttentionFusion(
            modalities, layers=options.layers, width=width, heads=heads, dropout=dropout
        )
    return HierarchicalFusion(
        [
            FusionLevel(
                modalities,
                width=width,
                heads=heads,
                dropout=dropout,
                agreement=options.agreement,
                threshold=options.threshold,
                residual=options.fusion_residual,
            )
            for _ in range(options.layers)
        ]
    )


def _build_encoder(options: ModelOptions, shape: CorpusShape, modality: Modality) -> UnimodalEncoder:
    dim, width = shape.feature_dims[modality], options.width
    return UnimodalEncoder(
        dialogue_rnn=DialogueRNN(
            input_dim=dim,
            global_dim=width // 2,
            party_dim=width // 2,
            emotion_dim=width // 2,
            bidirectional=True,
            listener_update=False,
            emotion_attention=options.emotion_attention,
            dropout=options.dropout,
        ),
        embedding=UtteranceSpeakerEmbedding(
            width=width,
            identities=shape.identities,
            longest_dialogue=options.longest_dialogue,
            normalised=options.embedding_norm,
        ),
        skip=nn.Linear(dim, width) if options.encoder_skip else None,
        dropout=options.dropout,
    )


def _encode(encoder: nn.Module, batch: ConversationBatch, modality: Modality) -> Tensor:
    embedded: Tensor = encoder(
        batch.features[modality],
        speakers=batch.speakers,
        identities=batch.identities,
        usable=batch.usable[modality],
        parties=batch.parties,
    )
    return embedded
