"""What an utterance was read with in view: the weights of all attention to utterances, as one share of each.

Paper: none; this is a look at sections 3.5 and 3.6. A branch m has S_m steps of attention over all of its
layers, each of them to the utterances of one modality: its own, or another by (9) and (10). With w of step s
and head h as the values were summed by, after (8), and g of equation 6:

    a_n[i, j] = sum_m g_m[i] 1/(S_m H) sum_s sum_h w_s,h[i, j]      s: steps of branch m to modality n

The a of an utterance i sum to 1 over n and j, less what (8) takes away and less the steps to a modality that
its dialogue lacks. The teacher has one branch, for which g is 1. An utterance that no branch has gets zeros.

It is no explanation: a step also passes on the utterance itself (its residual), values may be large where
weights are small, and DialogueRNN and the BiGRUs carry what others said along without any of these weights.

Dimensions: batch dialogues, head heads, seq utterances: query those that look, key those looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from summer.classifier import Attention
from summer.corpus import Modality
from summer.layers.attention import EncoderLayer, MultiHeadAttention
from summer.model.fusion import FusionLevel, HierarchicalFusion, SelfAttentionFusion


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionStep:
    """One attention of a branch, to the utterances of the modality `source`."""

    branch: Modality
    source: Modality
    attention: MultiHeadAttention


def steps_of_layers(layers: nn.ModuleList, modality: Modality) -> Iterator[AttentionStep]:
    """Those of a branch that looks at itself alone."""
    for layer in layers:
        attention = cast(EncoderLayer, layer).self_attention.attention
        yield AttentionStep(branch=modality, source=modality, attention=attention)


def steps_of_fusion(fusion: HierarchicalFusion | SelfAttentionFusion) -> Iterator[AttentionStep]:
    """Those of all branches."""
    if isinstance(fusion, SelfAttentionFusion):
        for modality, layers in fusion.branches.items():
            yield from steps_of_layers(cast(nn.ModuleList, layers), Modality(modality))
        return
    for level in fusion.levels:
        for branch, source, attention in cast(FusionLevel, level).attentions():
            yield AttentionStep(branch=branch, source=source, attention=attention)


def attention_of(
    steps: Iterable[AttentionStep],
    seen: Mapping[MultiHeadAttention, Float[Tensor, "batch head query key"]],
    branch_weights: Mapping[Modality, Float[Tensor, "batch query"]],
) -> Attention:
    """a of the modalities that are looked at.

    Args:
        seen: the weights that each step used.
        branch_weights: g of each branch.
    """
    steps = list(steps)
    count = Counter(step.branch for step in steps)
    looked: dict[Modality, Tensor] = {}
    for step in steps:
        share = (branch_weights[step.branch] / count[step.branch]).unsqueeze(-1)
        weights = share * seen[step.attention].mean(dim=1)
        looked[step.source] = looked[step.source] + weights if step.source in looked else weights
    return Attention(weights=looked)
