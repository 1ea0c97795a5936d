"""The tables of a recipe that say how features are extracted."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TuningRecipe:
    """Fine-tuning of the text encoder on the training split (mode `tuned`)."""

    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=2e-5, gt=0)
    batch_size: int = Field(default=32, ge=1)
    warmup_share: float = Field(default=0.1, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TextRecipe:
    """RoBERTa: a Hugging Face id or folder, and what of the dialogue it reads."""

    model: str = "roberta-base"
    mode: Literal["frozen", "tuned"] = "tuned"
    speakers: Literal["tokens", "names", "none"] = "tokens"
    past_tokens: int = Field(default=160, ge=0)
    future_tokens: int = Field(default=60, ge=0)
    window_tokens: int = Field(default=512, ge=8)
    vector: Literal["start", "mean"] = "start"
    tuning: TuningRecipe = field(default_factory=TuningRecipe)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VideoRecipe:
    """LFNet3D: keyframes, whose face, which network."""

    backbone: Literal["inception_resnet_v1", "r3d_18"] = "inception_resnet_v1"
    weights: str = ""
    face_choice: Literal["talking", "largest", "central"] = "talking"
    keyframe_every: int = Field(default=10, ge=1)
    most_keyframes: int = Field(default=256, ge=1)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReductionRecipe:
    """How raw vectors become what the model reads; `none` keeps raw vectors only."""

    method: Literal["none", "pca", "dialogue-rnn"] = "none"
    width: int = Field(default=512, ge=1)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReductionRecipes:
    """One reduction a modality."""

    text: ReductionRecipe = field(default_factory=ReductionRecipe)
    audio: ReductionRecipe = field(default_factory=ReductionRecipe)
    video: ReductionRecipe = field(default_factory=lambda: ReductionRecipe(width=256))
