"""What every model must do, whatever it is called: one function per promise, each given the model's name.

`test_every_model.py` runs all of it on each model that `summer.training.models` knows, so that a new one
inherits it by its line in `summer.baselines`. A model whose defaults are large gets small options in `SMALL`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from summer.baselines import BASELINES
from summer.baselines.bi_gru import BiGruOptions
from summer.baselines.chfusion import ChfusionOptions
from summer.baselines.corect import CorectOptions
from summer.baselines.dialogue_gcn import DialogueGcnOptions
from summer.baselines.dialogue_rnn import DialogueRnnOptions
from summer.baselines.mmgcn import MmgcnOptions
from summer.baselines.multi_emo import MultiEmoOptions
from summer.baselines.sdt import SdtOptions
from summer.classifier import Classifier
from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality, Split
from summer.metrics import confusion_of, weighted_f1
from summer.model.distillation import SmoothedTruthLoss
from summer.model.fusion import TeacherGuidedAttention
from summer.options import ModelOptions, TrainingOptions
from summer.training.checkpoints import TrainedModel, load_checkpoint
from summer.training.history import Stopped
from summer.training.models import SUMMER, kind_of
from summer.training.preparation import Material, prepare, shape_of
from summer.training.seed import ModelSettings, Settings, Workplace, look_at_split, obtain_model
from summer.training.stages import Stage
from tests.summer.made_up import LABELS, made_conversations
from tests.summer.made_up_training import (
    LENGTHS,
    Log,
    are_equal,
    made_learnable,
    made_place,
    weights_of,
    with_head,
)

TRAINED_RIVALS = [name for name, kind in BASELINES.items() if kind.fitted is None]
SMALL: Mapping[str, Any] = {  # options of rivals whose defaults are too large for a test
    "bi-gru": BiGruOptions(width=8),
    "chfusion": ChfusionOptions(state_dim=32, context_dim=32, equal_dim=32, dropout=0.1),
    "dialogue-rnn": DialogueRnnOptions(
        global_dim=16, party_dim=16, emotion_dim=16, hidden_dim=16, listener_update=True
    ),
    "multi-emo": MultiEmoOptions(
        width=8, heads=2, layers=2, feed_forward_width=16, classifier_width=8, dropout=0.1
    ),
    "sdt": SdtOptions(width=8, heads=2, dropout=0.1),
    "corect": CorectOptions(
        hidden_dim=16,
        text_layers=1,
        text_inner_dim=32,
        graph_heads=2,
        cross_layers=1,
        memory_layers=1,
        dropout=0.1,
    ),
    "dialogue-gcn": DialogueGcnOptions(encoder_dim=16, graph_dim=16, speakers=3, bases=6, dropout=0.1),
    "mmgcn": MmgcnOptions(encoder_dim=16, speaker_dim=8, graph_dim=16, dropout=0.1),
}
TINY = ModelOptions(
    width=8, heads=2, layers=1, experts=2, dropout=0.1, longest_dialogue=8, speaker_slots=4, encoder_skip=True
)
QUICK = TrainingOptions(
    learning_rate=1e-2, batch_dialogues=3, most_epochs=3, patience_epochs=3, warmup_share=0.1
)
EVERY_MODALITY = tuple(Modality)
CPU = torch.device("cpu")
HOLES = {Modality.TEXT: (1, 6), Modality.AUDIO: (1, 4), Modality.VIDEO: (1, 9, 10, 11, 12, 13)}
UNMOVED = ("key.bias",)  # a softmax ignores what is added to all scores of a query


def settings_for(name: str, **training: Any) -> Settings:
    """Small numbers for one model, and for what it needs."""
    quick = replace(QUICK, **training)
    rivals = {}
    if name not in SUMMER:
        options = SMALL.get(name) or kind_of(name).options()
        rivals[name] = ModelSettings(options=options, training=quick)
    return Settings(model=TINY, teacher=quick, student=quick, rivals=rivals)


def trained(name: str, material: Material, settings: Settings, place: Workplace) -> TrainedModel:
    """The model, and before it what it needs."""
    needs = kind_of(name).needs
    needed = None if needs is None else trained(needs, material, settings, place)
    return obtain_model(name, material, settings, place, needed=needed)


def new_stage(name: str, material: Material) -> Stage:
    """The model with new weights; what it needs is new as well."""
    torch.manual_seed(4)
    return Stage(name, _new_model(name, material), SmoothedTruthLoss(epsilon=0.9, class_weights=None))


def _new_model(name: str, material: Material) -> torch.nn.Module:
    kind, options = kind_of(name), settings_for(name).of(name).options
    read = tuple(m for m in kind.reads(options) if m in material.conversations.features)
    shape = shape_of(material, read)
    needed = () if kind.needs is None else (_new_model(kind.needs, material),)
    return kind.build(options, shape, *needed)


def material_of(**changes: Any) -> Material:
    """A learnable corpus of three modalities."""
    return prepare(made_learnable(**{"modalities": EVERY_MODALITY, **changes}), TINY)


def material_for(name: str, **changes: Any) -> Material:
    """The same, with a head of its text's encoder where the model is one."""
    made = made_learnable(**{"modalities": EVERY_MODALITY, **changes})
    return prepare(with_head(made) if kind_of(name).fitted == "head" else made, TINY)


def batch_of(material: Material, split: Split = Split.TRAIN) -> ConversationBatch:
    """All dialogues of a split."""
    return material.dealer.batch(material.dealer.of_split(split))


def logits_of(stage: Stage, batch: ConversationBatch) -> torch.Tensor:
    """What it says in evaluation."""
    with torch.no_grad():
        return stage.eval().look(batch)[0].logits


def _send_back(loss: torch.Tensor) -> None:
    """Gradients, where anything learns."""
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]


def it_meets_the_protocol(name: str, _: Path) -> None:
    material = material_of(holes=HOLES)
    stage = new_stage(name, material)
    assert isinstance(stage.model, Classifier)
    assert set(stage.model.modalities) <= set(Modality)
    batch = batch_of(material)
    losses = stage.train()(batch)
    assert all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
    assert losses["total"].requires_grad is (kind_of(name).fitted is None)
    outlook, total = stage.eval().look(batch)
    assert outlook.logits.shape == (*batch.labels.shape, len(LABELS))
    assert outlook.features.shape[:2] == batch.labels.shape
    assert torch.isfinite(total)
    for panel in outlook.drawn.values():
        for measure in panel.values():
            assert measure.values.shape[:2] == measure.counted.shape == batch.labels.shape


def what_a_hole_holds_says_nothing(name: str, _: Path) -> None:
    material = material_of(holes=HOLES)
    stage, batch = new_stage(name, material), batch_of(material)
    filled = {
        m: torch.where(batch.usable[m].unsqueeze(-1), vectors, torch.full_like(vectors, 7.0))
        for m, vectors in batch.features.items()
    }
    assert torch.equal(logits_of(stage, batch), logits_of(stage, replace(batch, features=filled)))


def a_padded_dialogue_is_read_like_the_same_dialogue_alone(name: str, _: Path) -> None:
    material = material_of(holes=HOLES)
    stage = new_stage(name, material)
    together = logits_of(stage, batch_of(material))
    for place, located in enumerate(material.dealer.of_split(Split.TRAIN)):
        alone = logits_of(stage, material.dealer.batch([located]))[0]
        torch.testing.assert_close(together[place, : len(alone)], alone, atol=1e-5, rtol=1e-4)


def evaluation_is_the_same_twice(name: str, _: Path) -> None:
    material = material_of()
    stage, batch = new_stage(name, material), batch_of(material)
    torch.manual_seed(1)
    first = logits_of(stage, batch)
    stage.train()
    torch.manual_seed(2)
    assert torch.equal(first, logits_of(stage, batch))


def any_modalities_will_do(name: str, _: Path) -> None:
    reads = kind_of(name).reads(settings_for(name).of(name).options)
    taught = TINY.teacher  # what is needed first may insist on its own modality
    for count in (1, 2, 3):
        for some in combinations(EVERY_MODALITY, count):
            if not set(some) & set(reads) or (name in SUMMER and taught not in some):
                continue
            material = material_of(modalities=some)
            stage = new_stage(name, material)
            loss = stage.train()(batch_of(material))["total"]
            _send_back(loss)
            assert torch.isfinite(loss), some


def an_utterance_without_any_modality_breaks_nothing(name: str, _: Path) -> None:
    rows = (0, 3, 7, 8)
    material = material_of(holes=dict.fromkeys(Modality, rows))
    stage, batch = new_stage(name, material), batch_of(material)
    assert torch.isfinite(logits_of(stage, batch)).all()
    loss = stage.train()(batch)["total"]
    _send_back(loss)
    assert all(torch.isfinite(p.grad).all() for p in stage.parameters() if p.grad is not None)


def any_number_of_parties_will_do(name: str, _: Path) -> None:
    """One who talks alone, once; and eight, more than the embedding tells apart."""
    for parties, length in ((1, 1), (1, 4), (8, 8)):
        lengths = {**LENGTHS, Split.TRAIN: (length, length, *LENGTHS[Split.TRAIN])}
        made = made_conversations(lengths, parties=parties, holes={Modality.VIDEO: (0,)})
        material = prepare(made, TINY)
        stage = new_stage(name, material).train()
        batch = material.dealer.batch(material.dealer.of_split(Split.TRAIN)[:2])
        assert batch.parties == min(parties, length)
        loss = stage(batch)["total"]
        _send_back(loss)
        assert torch.isfinite(loss), parties


def what_has_no_label_is_in_no_loss(name: str, _: Path) -> None:
    """A dialogue without any label: no model reads it with another, so nothing of it is in the loss."""
    made = made_learnable(modalities=EVERY_MODALITY)
    unlabelled = [
        replace(u, label="") if u.split is Split.TRAIN and u.dialogue in ("dia1", "dia2") else u
        for u in made.utterances
    ]
    material = prepare(replace(made, utterances=tuple(unlabelled)), TINY)
    dialogues = material.dealer.of_split(Split.TRAIN)
    stage = new_stage(name, material).eval()
    with torch.no_grad():
        together, apart = (
            stage(material.dealer.batch(some)) for some in (dialogues, dialogues[:1] + dialogues[3:])
        )
    for term, loss in apart.items():
        torch.testing.assert_close(together[term], loss, atol=1e-6, rtol=1e-5, msg=term)


def half_precision_breaks_nothing(name: str, _: Path) -> None:
    material = material_of(holes=HOLES)
    stage = new_stage(name, material).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = stage(batch_of(material))["total"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in stage.parameters() if p.grad is not None)


def every_parameter_gets_a_gradient(name: str, _: Path) -> None:
    material = material_of()
    stage = new_stage(name, material).train()
    for module in stage.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, TeacherGuidedAttention):  # this narrow, hardly a pair disagrees by (7)
            module.attention.query.weight.data.mul_(8)
    for located in material.dealer.of_split(Split.TRAIN) * 3:
        stage(material.dealer.batch([located]))["total"].backward()
    stage(batch_of(material))["total"].backward()
    unmoved = [
        parameter_name
        for parameter_name, parameter in stage.named_parameters()
        if parameter.requires_grad
        and not parameter_name.endswith(UNMOVED)
        and (parameter.grad is None or not parameter.grad.any())
    ]
    assert not unmoved


def a_stopped_training_ends_like_an_unbroken_one(name: str, folder: Path) -> None:
    settings, material = settings_for(name), material_of()
    unbroken = trained(name, material, settings, made_place(folder / "unbroken"))
    needs = kind_of(name).needs
    place = made_place(folder / "stopped")
    if needs is not None:
        trained(needs, material, settings, place)
    with pytest.raises(Stopped):
        trained(name, material, settings, made_place(folder / "stopped", watch=Log().stops_after(3)))
    again = trained(name, material, settings, place)
    assert are_equal(weights_of(again.model), weights_of(unbroken.model))
    assert again.origin == unbroken.origin


def a_model_read_back_says_exactly_the_same(name: str, folder: Path) -> None:
    settings, material = settings_for(name, most_epochs=1), material_for(name, holes=HOLES)
    model = trained(name, material, settings, made_place(folder))
    again = load_checkpoint(folder / f"{name}.safetensors")
    assert again.name == name
    assert again.parts == model.parts
    ours, theirs = (look_at_split(one, material.dealer, Split.TEST, device=CPU) for one in (model, again))
    assert ours is not None
    assert theirs is not None
    assert np.array_equal(ours.probabilities, theirs.probabilities)


def it_learns_an_easy_corpus(name: str, folder: Path) -> None:
    settings = settings_for(name, most_epochs=10, patience_epochs=10)
    lengths = {**LENGTHS, Split.TRAIN: (5,) * 14, Split.TEST: (5,) * 6}
    material = prepare(made_learnable(lengths, modalities=EVERY_MODALITY), replace(TINY, longest_dialogue=8))
    model = trained(name, material, settings, made_place(folder))
    outlook = look_at_split(model, material.dealer, Split.TEST, device=CPU)
    assert outlook is not None
    score = outlook.weighted_f1
    assert score is not None
    assert score > majority_score(outlook.truths) + 0.2


def majority_score(truths: np.ndarray[Any, Any]) -> float:
    """The w-F1 of always saying the commonest class of these truths."""
    counts = np.bincount(truths, minlength=len(LABELS))
    guesses = np.full(len(truths), counts.argmax())
    return float(weighted_f1(confusion_of(truths, guesses, classes=len(LABELS))))


BATTERY: Sequence[Callable[[str, Path], None]] = (
    it_meets_the_protocol,
    what_a_hole_holds_says_nothing,
    a_padded_dialogue_is_read_like_the_same_dialogue_alone,
    evaluation_is_the_same_twice,
    any_modalities_will_do,
    an_utterance_without_any_modality_breaks_nothing,
    any_number_of_parties_will_do,
    what_has_no_label_is_in_no_loss,
    a_model_read_back_says_exactly_the_same,
)
BATTERY_OF_TRAINED: Sequence[Callable[[str, Path], None]] = (
    half_precision_breaks_nothing,
    every_parameter_gets_a_gradient,
    a_stopped_training_ends_like_an_unbroken_one,
    it_learns_an_easy_corpus,
)
