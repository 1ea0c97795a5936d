"""Whether each mechanism of a model does anything: what words are worth in U_e, where phi and tau stand.

After each epoch some dialogues of the training split are looked at in evaluation mode:

    content     variance within dialogues of H^m, as a share of that of H^m and of S + P together (eq. 2)
    tau         the temperature of each SDMoE (eq. 4)
    masked      share of M = 1 of each cross-modal attention (eq. 7), mean over levels
    phi         how much of a weight a disagreement takes away (eq. 8), mean over levels
    alpha       how much of SUMMER is added to the encoder's own head, where a model starts there
    gradients   norm of the gradient of each term of the loss

A model without such parts has the gradients alone. An equation that is coded and does nothing shows here: a
content near 0, a phi that stays at 0.5, an alpha that stays at 0, an M of all zeros or all ones, a term
without gradient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality
from summer.model.embedding import UnimodalEncoder, UtteranceSpeakerEmbedding
from summer.model.fusion import TeacherGuidedAttention, disagreement
from summer.model.routing import SparseDynamicMixture
from summer.model.start import LinearStart
from summer.training.stages import Stage, trainable_parameters

PROBE_DIALOGUES = 8
Inside = dict[str, dict[str, float]]
Seen = dict[str, dict[str, list[float]]]


def look_inside(stage: Stage, batch: ConversationBatch) -> Inside:
    """Look at the parts that learn, and at the gradient of each term, on one batch.

    The stage is left in evaluation mode.

    Returns:
        By name of what is seen, then by modality, attention or term.
    """
    seen: Seen = defaultdict(lambda: defaultdict(list))
    stage.eval()
    # cuDNN refuses the backward pass of a GRU in evaluation mode; torch's own does not.
    with torch.backends.cudnn.flags(enabled=False):
        with _watched(_learning_part(stage.model), seen):
            losses = stage(batch)
        gradients = _gradient_norms(stage, losses)
    means = {
        name: {of: fmean(values) for of, values in found.items()} for name, found in seen.items() if found
    }
    return {**means, "gradients": gradients} if gradients else means


def _learning_part(model: nn.Module) -> nn.Module:
    """Of a student with its frozen teacher the student."""
    student = getattr(model, "student", None)
    return student if isinstance(student, nn.Module) else model


@contextmanager
def _watched(model: nn.Module, seen: Seen) -> Iterator[None]:
    """Note what the parts of a model do in the passes of the block, and where their single numbers stand."""
    hooks: list[RemovableHandle] = []
    for path, part in model.named_modules():
        of = _name_of(path, model)
        if isinstance(part, UnimodalEncoder):
            there: list[Tensor] = []
            hooks.append(part.register_forward_pre_hook(partial(_note_there, there), with_kwargs=True))
            hooks.append(
                part.embedding.register_forward_hook(partial(_note_content, seen["content"][of], there))
            )
        elif isinstance(part, SparseDynamicMixture):
            seen["tau"][of].append(float(part.temperature.detach()))
        elif isinstance(part, LinearStart):
            seen["alpha"]["added"].append(float(part.alpha.detach()))
        elif isinstance(part, TeacherGuidedAttention):
            seen["phi"][of].append(float(part.phi.detach()))
            note = partial(_note_masked, seen["masked"], of)
            hooks.append(part.register_forward_hook(note, with_kwargs=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _name_of(path: str, model: nn.Module) -> str:
    """`text`, or `text from audio`, as the path of a part says; a teacher's parts have one modality."""
    for step in reversed(path.split(".")):
        own, _, other = step.partition("_from_")
        if own in list(Modality):
            return f"{own} from {other}" if other else own
    modalities: tuple[Modality, ...] = getattr(model, "modalities", ())
    return modalities[0].value if modalities else path


def _note_there(there: list[Tensor], part: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    del part, given
    there[:] = [named["usable"]]


def _note_content(
    found: list[float],
    there: Sequence[Tensor],
    part: UtteranceSpeakerEmbedding,
    given: tuple[Any, ...],
    made: Tensor,
) -> None:
    del made
    encoded, identities = given
    positions = torch.arange(encoded.shape[1], device=encoded.device)
    around = part.speaker(identities) + part.position(positions)
    content, rest = _variance_within(encoded, there[0]), _variance_within(around, there[0])
    found.append(float((content / (content + rest).clamp(min=torch.finfo(content.dtype).tiny)).detach()))


def _variance_within(
    vectors: Float[Tensor, "batch seq width"], there: Bool[Tensor, "batch seq"]
) -> Float[Tensor, ""]:
    """Mean squared distance of utterances from the mean of their dialogue."""
    counted = there.unsqueeze(-1).to(vectors.dtype)
    mean = (vectors * counted).sum(dim=1, keepdim=True) / counted.sum(dim=1, keepdim=True).clamp(min=1)
    return ((vectors - mean).square() * counted).sum() / counted.sum().clamp(min=1)


def _note_masked(
    found: dict[str, list[float]],
    of: str,
    part: TeacherGuidedAttention,
    given: tuple[Any, ...],
    named: Mapping[str, Any],
    made: Tensor,
) -> None:
    del made
    if named["teacher_scores"] is None:
        return
    scores = part.attention.scores(given[0], named["other"])
    usable = named["teacher_usable"]
    masked = disagreement(named["teacher_scores"], scores, usable, agreement=part.agreement, threshold="hard")
    pairs = (usable.unsqueeze(1) & usable.unsqueeze(2)).sum() * masked.shape[1]
    found[of].append(float((masked.sum() / pairs.clamp(min=1)).detach()))


def _gradient_norms(stage: Stage, losses: Mapping[str, Tensor]) -> dict[str, float]:
    parameters = trainable_parameters(stage)
    norms = {}
    for name, loss in losses.items():
        if name == "total" or not loss.requires_grad:
            continue
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        squares = [gradient.float().square().sum() for gradient in gradients if gradient is not None]
        norms[name] = float(torch.stack(squares).sum().sqrt())
    return norms
