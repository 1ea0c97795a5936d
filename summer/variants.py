"""The parts that ablations exchange, by name. The first of each is the paper's."""

from __future__ import annotations

from typing import Literal

Rule = Literal["sparse", "dense", "top-k"]  # which experts an utterance keeps: summer.routing
FusionKind = Literal["guided", "self-attention"]  # how modalities meet: summer.fusion
Form = Literal["printed", "branches", "mean"]  # what equation 6 sums: summer.global_moe
SpeakerRule = Literal["slots", "names"]  # who is told apart: summer.speakers
GuidanceUse = Literal["always", "train", "never"]  # when the teacher masks attention: summer.stages
ClassWeighting = Literal["none", "root", "balanced"]  # how much a rare class counts: summer.stages
