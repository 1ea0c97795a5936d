"""MultiEMO against its equations in numpy, its losses against loops over pairs; and what it can learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from summer.baselines.contrast import Contrast
from summer.baselines.multi_emo import (
    Context,
    MultiEmo,
    MultiEmoOptions,
)
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.model.distillation import SmoothedTruthLoss
from tests.summer.baselines.by_hand import (
    Array,
    array,
    attended,
    dialogue_pass,
    layer_norm,
    linear,
    relu,
    softmax,
    vectors_of,
)
from tests.summer.baselines.made_up_conversations import TRAINING, accuracy_on_test, outlook_on_test
from tests.summer.baselines.test_contrast import contrast_by_loops, correlation_by_loops
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with
from tests.summer.made_up_trimodal import revealed_by_two, with_noise

TEXT, AUDIO, VIDEO = Modality
LENGTHS = (6, 1, 4)
HOLES = {TEXT: (2, 6), AUDIO: (1, 2, 7, 8, 9, 10), VIDEO: (0, 2, 3)}  # row 2 has nothing, dialogue 2 no audio
SMALL = MultiEmoOptions(width=8, heads=2, layers=2, feed_forward_width=12, classifier_width=6)
LEARNS = MultiEmoOptions(
    width=16,
    heads=2,
    layers=1,
    feed_forward_width=32,
    classifier_width=16,
    text_in_context=False,
    bidirectional=False,
)


def made(options: MultiEmoOptions, *modalities: Modality) -> tuple[MultiEmo, ConversationBatch]:
    """Norms start as the identity, with which a norm in the wrong place could hide: all is scrambled."""
    torch.manual_seed(6)
    model = MultiEmo(options, shape_with(*(modalities or Modality))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model, made_batch(made_conversations({Split.TRAIN: LENGTHS}, holes=HOLES))


def in_context(context: Context, vectors: Mapping[int, Array], slots: list[int]) -> dict[int, Array]:
    """Equation 1, of the turns that have the modality."""
    read = [linear(context.projection, vector) for vector in vectors.values()]
    if context.dialogue_rnn is None:
        return dict(zip(vectors, read, strict=True))
    of_turns = [slots[turn] for turn in vectors]
    passes = context.dialogue_rnn.passes
    followed = dialogue_pass(passes[0], read, of_turns)
    if len(passes) == 2:
        back = dialogue_pass(passes[1], read[::-1], of_turns[::-1])[::-1]
        both = zip(followed, back, strict=True)
        followed = [linear(context.joined, np.concatenate(pair)) for pair in both]
    return {turn: relu(state) for turn, state in zip(vectors, followed, strict=True)}


def oracle(model: MultiEmo, batch: ConversationBatch, dialogue: int, turns: int) -> list[tuple[Array, Array]]:
    """Logits and z of each turn, by the docstring's equations in their order."""
    slots = batch.speakers[dialogue].tolist()
    contexts = {
        m: in_context(model.contexts[m], vectors_of(batch, dialogue, turns, m), slots)
        for m in model.modalities
    }
    results = []
    for turn in range(turns):
        parts = []
        for m in model.modalities:
            if turn not in contexts[m]:
                parts.append(np.zeros(model.options.width))
                continue
            own = contexts[m][turn]
            for layer in model.layers[m]:
                for other in (n for n in Modality if n in model.modalities and n != m):
                    asked = attended(layer.attentions[other].attention, own, list(contexts[other].values()))
                    own = layer_norm(layer.norms[other], own + asked)
                inner = linear(layer.inner[2], relu(linear(layer.inner[0], own)))
                own = layer_norm(layer.norm, own + inner)
            parts.append(own)
        joined = linear(model.joined, np.concatenate(parts))
        hidden = relu(linear(model.classifier[0], joined))
        results.append((linear(model.classifier[3], hidden), joined))
    return results


@pytest.mark.parametrize("modalities", [tuple(Modality), (TEXT, VIDEO), (AUDIO,)])
@pytest.mark.parametrize(
    "changes", [{}, {"bidirectional": False, "text_in_context": False}], ids=["iemocap", "meld"]
)
def test_it_computes_the_equations_for_every_subset_with_holes(
    changes: dict[str, bool], modalities: tuple[Modality, ...]
) -> None:
    model, batch = made(replace(SMALL, **changes), *modalities)  # type: ignore[arg-type]
    with torch.no_grad():
        output = model(batch)
    for dialogue, turns in enumerate(LENGTHS):
        for turn, (logits, joined) in enumerate(oracle(model, batch, dialogue, turns)):
            np.testing.assert_allclose(output.logits[dialogue, turn], logits, atol=2e-5)
            np.testing.assert_allclose(output.joined[dialogue, turn], joined, atol=2e-5)


@pytest.mark.parametrize("text", [True, False])
def test_audio_and_video_are_always_in_context_and_text_where_it_is_asked_for(text: bool) -> None:
    model, _ = made(replace(SMALL, text_in_context=text))
    assert [model.contexts[m].dialogue_rnn is not None for m in Modality] == [text, True, True]


def test_all_three_terms_count_utterances_with_a_label_and_a_modality_as_much_as_the_options_say() -> None:
    options = replace(SMALL, contrast_weight=0.5, correlation_weight=2.0, truth_weight=0.25)
    model, batch = made(options)
    labels = batch.labels.clone()
    labels[0, 4] = UNKNOWN_LABEL
    batch = replace(batch, labels=labels)
    output = model(batch)
    losses = model.losses(output, batch, SmoothedTruthLoss(epsilon=1.0, class_weights=None))
    rows = [(d, t) for d, turns in enumerate(LENGTHS) for t in range(turns)]
    counts = [place not in {(0, 2), (0, 4)} for place in rows]  # without anything, without a label

    def of_rows(tensor: Tensor) -> Array:
        return np.array([array(tensor)[place] for place in rows])

    how = Contrast(temperature=options.temperature, focus=options.focus, rarity=options.rarity)
    known = [int(labels[p]) if c else UNKNOWN_LABEL for p, c in zip(rows, counts, strict=True)]
    has = [
        [bool(batch.usable[m][p]) and c for p, c in zip(rows, counts, strict=True)] for m in model.modalities
    ]
    surprises = [
        -math.log(softmax(array(output.logits)[p])[int(labels[p])])
        for p, c in zip(rows, counts, strict=True)
        if c
    ]
    expected = {
        "contrast": contrast_by_loops(of_rows(output.joined), known, how),
        "correlation": correlation_by_loops([of_rows(output.fused[m]) for m in model.modalities], has),
        "truth": float(np.mean(surprises)),
    }
    expected["total"] = 0.5 * expected["contrast"] + 2 * expected["correlation"] + 0.25 * expected["truth"]
    assert {name: float(loss.detach()) for name, loss in losses.items()} == pytest.approx(expected, rel=1e-4)


def test_labels_that_two_modalities_reveal_together_are_learned_from_both(tmp_path: Path) -> None:
    both = accuracy_on_test("multi-emo", revealed_by_two(0), tmp_path, options=LEARNS)
    assert both > 0.9  # 0.98 and more; what one of them says is right 0.7 at best


def test_its_contrast_pulls_classes_apart(tmp_path: Path) -> None:
    """By cosines of z within and between classes; four classes can be 1 + 1/3 apart."""
    apart = {}
    for weight in (0.4, 0.0):
        options = replace(LEARNS, contrast_weight=weight)
        how = {"options": options, "seed": 1, "training": replace(TRAINING, most_epochs=10)}
        outlook = outlook_on_test("multi-emo", with_noise(1), tmp_path / str(weight), **how)
        features = outlook.features / np.linalg.norm(outlook.features, axis=1, keepdims=True)
        cosines, alike = features @ features.T, outlook.truths[:, None] == outlook.truths
        np.fill_diagonal(cosines, np.nan)
        apart[weight] = float(np.nanmean(cosines[alike]) - np.nanmean(cosines[~alike]))
    assert apart[0.4] > 1.15  # 1.27
    assert apart[0.0] < 0.95  # 0.76


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"width": 10, "heads": 4},
        {"layers": 0},
        {"dropout": 1.0},
        {"temperature": 0.0},
        {"focus": -1.0},
        {"truth_weight": math.inf},
        {"modalities": ()},
        {"modalities": (TEXT, TEXT)},
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(MultiEmoOptions(), **changes)  # type: ignore[arg-type]
