"""The student against the straightforward reading of the benchmark: another program, the same weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from summer.classifier import CorpusShape
from summer.corpus import Modality, Split
from summer.model.fusion import TeacherGuidedAttention
from summer.options import ModelOptions
from tests.bench.same_weights import Side, _renamed, build
from tests.summer.made_up import DIMS, LABELS, SLOTS, made_batch, made_conversations

OPTIONS = ModelOptions(width=16, heads=4, layers=2, experts=3, dropout=0.0, longest_dialogue=9)


def side(name: Side) -> nn.Module:
    return build(name, OPTIONS, student=shape(*Modality), teacher=shape(Modality.TEXT), seed=3).eval()


def shape(*modalities: Modality) -> CorpusShape:
    return CorpusShape(
        feature_dims={m: DIMS[m] for m in modalities}, classes=len(LABELS), identities=SLOTS + 1
    )


def test_both_programs_give_the_same_losses_and_the_same_gradients() -> None:
    """Queries are made longer, so that a part of the pairs is masked: equation 7 has its gradient there."""
    ours, theirs = side("ours"), side("straightforward")
    batch = made_batch(made_conversations({Split.TRAIN: (6, 9, 1, 4)}))
    guided = [part for part in ours.modules() if isinstance(part, TeacherGuidedAttention)]
    with torch.no_grad():
        for part in guided:
            part.attention.query.weight.mul_(8)
            part.norm.weight.mul_(1.3)
        theirs.load_state_dict({_renamed(name): of for name, of in ours.model.state_dict().items()})
    losses, expected = ours(batch), theirs(batch)
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert float(loss.detach()) == pytest.approx(float(expected[name].detach()), abs=1e-5)
    losses["total"].backward()
    expected["total"].backward()
    counterparts = dict(theirs.named_parameters())
    for name, parameter in ours.model.named_parameters():
        if not parameter.requires_grad:
            continue
        torch.testing.assert_close(
            gradient_of(parameter), gradient_of(counterparts[_renamed(name)]), atol=1e-5, rtol=1e-3
        )
    assert all(part.phi_logit.grad for part in guided)


def gradient_of(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def test_the_benchmark_compares_the_readings_that_are_the_default() -> None:
    readings = ("emotion_attention", "embedding_norm", "agreement", "threshold", "mixture")
    usual = replace(ModelOptions(), width=16)
    assert [getattr(OPTIONS, name) for name in readings] == [getattr(usual, name) for name in readings]
