"""Our student and the straightforward one of the benchmark, with the same weights."""

from __future__ import annotations

import re
from typing import Literal

import torch
from torch import nn

from summer.classifier import CorpusShape
from summer.model.assembly import build_student, build_teacher
from summer.model.distillation import SmoothedTruthLoss
from summer.model.guided import GuidedStudent
from summer.options import LossWeights, ModelOptions
from summer.training.models import STUDENT
from summer.training.stages import Stage
from tests.bench.straightforward import Straightforward

Side = Literal["ours", "straightforward"]
RENAMED = (  # ours, and what it is called there; in this order
    (r"\.experts\.(\d+)\.forwards\.(\w+)$", r".experts.\1.\2"),
    (r"\.experts\.(\d+)\.backwards\.(\w+)$", r".experts.\1.\2_reverse"),
    (r"_attention\.weight\.weight$", "_attention.weight"),
    (r"\.embedding\.", "."),
    (r"\.fusion\.levels\.", ".levels."),
    (r"\.global_mixture\.router\.", ".router."),
    (r"\.layers\.(\d+)\.self_attention\.", r".attentions.\1."),
    (r"\.layers\.(\d+)\.feed_forward\.", r".feed_forwards.\1."),
    (r"\.attention\.", "."),
    (r"\.inner\.3\.", ".inner.2."),  # no dropout stands there
)


def build(
    side: Side, options: ModelOptions, *, student: CorpusShape, teacher: CorpusShape, seed: int
) -> nn.Module:
    """One of the two; equal seeds give equal weights."""
    torch.manual_seed(seed)
    ours = GuidedStudent(
        build_student(options, student),
        teacher=build_teacher(options, teacher),
        weights=LossWeights(),
        guidance="always",
    )
    if side == "ours":
        return Stage(STUDENT, ours, SmoothedTruthLoss(epsilon=LossWeights().epsilon, class_weights=None))
    with torch.device("meta"):  # no memory and no drawing of weights that are replaced at once
        theirs = Straightforward(options, student=student, teacher=teacher)
    weights = {_renamed(name): tensor for name, tensor in ours.state_dict().items()}
    theirs.load_state_dict(weights, assign=True)
    return theirs


def _renamed(name: str) -> str:
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
