"""SUMMER assembled: a unimodal teacher, and the multimodal student that it guides.

Paper: figure 2 and section 3.2.

    teacher   U_e = encoder(x)    F = SDMoE(U_e)    f_tr = layers(F)    y = C_tr f_tr
    student   of each modality m: U_m = encoder_m(x_m),  F_m = SDMoE_m(U_m)
              H = HCMF(F, scores of the teacher's layers)
              H_fuse = GMoE(F, H)    y = C_st Dropout(H_fuse)

Both read a `ConversationBatch`; what an utterance lacks in a modality is masked in every part.

Dimensions: batch dialogues, seq utterances, head heads, width of the model, cls emotion classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.layers.attention import EncoderLayer
from summer.layers.dialogue_rnn import DialogueRNN
from summer.model.embedding import UnimodalEncoder, UtteranceSpeakerEmbedding
from summer.model.fusion import FusionLevel, Guidance, HierarchicalFusion, SelfAttentionFusion
from summer.model.global_moe import GlobalMixture
from summer.model.routing import SparseDynamicMixture, build_mixture
from summer.options import Form, FusionKind, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSizes:
    """Every number that shapes a model; a checkpoint carries them and is rebuilt from them.

    Args:
        feature_dims: width of each modality's features; the modalities of the model, in order.
        classes: emotion classes.
        identities: rows of the speaker embedding.
        longest_dialogue: positions, and so the most utterances of a dialogue.
        width: of the model, a multiple of 2 and of `heads`.
        experts: of the SDMoE, a modality.
        layers: of the teacher, and levels of the student's fusion.
        encoder_skip: whether features also reach U_e past DialogueRNN.
        routing, fusion, mixture: the parts that ablations exchange.
    """

    feature_dims: Mapping[Modality, int]
    classes: int
    identities: int
    longest_dialogue: int
    width: int
    heads: int
    layers: int
    experts: int
    dropout: float
    encoder_skip: bool
    routing: Rule = "sparse"
    fusion: FusionKind = "guided"
    mixture: Form = "printed"


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
    ) -> None:
        super().__init__()
        self.modality = modality
        self.encoder = encoder
        self.mixture = mixture
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier

    def forward(self, batch: ConversationBatch) -> TeacherOutput:
        """Classify each utterance by one modality."""
        usable = batch.usable[self.modality]
        routed = self.mixture(_encode(self.encoder, batch, self.modality), usable)
        hidden, scores = routed.mixed, []
        for layer in self.layers:
            hidden, of_layer = layer(hidden, usable)
            scores.append(of_layer)
        return TeacherOutput(
            logits=self.classifier(self.dropout(hidden)),
            features=hidden,
            guidance=Guidance(scores=scores, usable=usable),
            kept={self.modality: routed.kept},
        )


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
    ) -> None:
        super().__init__()
        self.modalities = tuple(encoders)
        self.encoders = nn.ModuleDict({m.value: encoder for m, encoder in encoders.items()})
        self.mixtures = nn.ModuleDict({m.value: mixture for m, mixture in mixtures.items()})
        self.fusion = fusion
        self.global_mixture = global_mixture
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier

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
        return StudentOutput(
            logits=self.classifier(self.dropout(fused)),
            fused=fused,
            branches=branches,
            modality_weights=weights,
            kept={m: routed[m].kept for m in usable},
        )


def build_teacher(sizes: ModelSizes) -> Teacher:
    """A teacher with new weights.

    Raises:
        ValueError: sizes of several modalities; a width that does not divide.
    """
    if len(sizes.feature_dims) != 1:
        raise ValueError(f"a teacher has one modality, not {len(sizes.feature_dims)}; choose with --modality")
    modality = next(iter(sizes.feature_dims))
    return Teacher(
        modality=modality,
        encoder=_build_encoder(sizes, modality),
        mixture=build_mixture(width=sizes.width, experts=sizes.experts, rule=sizes.routing),
        layers=[
            EncoderLayer(width=sizes.width, heads=sizes.heads, dropout=sizes.dropout)
            for _ in range(sizes.layers)
        ],
        classifier=nn.Linear(sizes.width, sizes.classes),
        dropout=sizes.dropout,
    )


def build_student(sizes: ModelSizes) -> Student:
    """A student with new weights.

    Raises:
        ValueError: a width that does not divide.
    """
    modalities = tuple(sizes.feature_dims)
    return Student(
        encoders={m: _build_encoder(sizes, m) for m in modalities},
        mixtures={
            m: build_mixture(width=sizes.width, experts=sizes.experts, rule=sizes.routing) for m in modalities
        },
        fusion=_build_fusion(sizes),
        global_mixture=GlobalMixture(modalities=len(modalities), width=sizes.width, form=sizes.mixture),
        classifier=nn.Linear(sizes.width, sizes.classes),
        dropout=sizes.dropout,
    )


def _build_fusion(sizes: ModelSizes) -> HierarchicalFusion | SelfAttentionFusion:
    modalities = tuple(sizes.feature_dims)
    if sizes.fusion == "self-attention":
        return SelfAttentionFusion(
            modalities, layers=sizes.layers, width=sizes.width, heads=sizes.heads, dropout=sizes.dropout
        )
    return HierarchicalFusion(
        [
            FusionLevel(modalities, width=sizes.width, heads=sizes.heads, dropout=sizes.dropout)
            for _ in range(sizes.layers)
        ]
    )


def _build_encoder(sizes: ModelSizes, modality: Modality) -> UnimodalEncoder:
    dim, width = sizes.feature_dims[modality], sizes.width
    if width % 2:
        raise ValueError(f"width {width} is odd; each direction of a BiGRU has half of it: take an even one")
    return UnimodalEncoder(
        dialogue_rnn=DialogueRNN(
            input_dim=dim,
            global_dim=width // 2,
            party_dim=width // 2,
            emotion_dim=width // 2,
            bidirectional=True,
            listener_update=False,
            emotion_attention=True,
            dropout=sizes.dropout,
        ),
        embedding=UtteranceSpeakerEmbedding(
            width=width, identities=sizes.identities, longest_dialogue=sizes.longest_dialogue
        ),
        skip=nn.Linear(dim, width) if sizes.encoder_skip else None,
        dropout=sizes.dropout,
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
