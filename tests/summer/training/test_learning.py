"""What is seen inside of a model after an epoch, against plain Python, loops and autograd."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from summer.conversations.batches import ConversationBatch
from summer.corpus import Modality, Split
from summer.model.assembly import Teacher, build_teacher
from summer.model.distillation import SmoothedTruthLoss
from summer.model.fusion import TeacherGuidedAttention
from summer.model.guided import GuidedStudent
from summer.options import Agreement, ModelOptions
from summer.training.learning import look_inside
from summer.training.models import STUDENT, SUMMER, TEACHER
from summer.training.preparation import prepare, shape_of
from summer.training.stages import Stage, trainable_parameters
from tests.summer import battery
from tests.summer.battery import TRAINED_RIVALS
from tests.summer.made_up_training import LENGTHS, are_equal, made_learnable, weights_of

TEXT, AUDIO, VIDEO = Modality
HOLES = {TEXT: (3,), AUDIO: (3, 4, 7), VIDEO: (1, 6)}
OLD_READINGS: dict[str, Any] = {"emotion_attention": "replaces", "embedding_norm": False}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        yield


def made_stage(
    name: str = STUDENT, *, agreement: Agreement = "mean-of-heads"
) -> tuple[Stage, ConversationBatch]:
    material = battery.material_of(holes=HOLES)
    stage = battery.new_stage(name, material)
    for part in stage.modules():
        if isinstance(part, TeacherGuidedAttention):
            part.agreement = agreement
            part.attention.query.weight.data.mul_(6)  # so that some scores differ by the limit, and some not
    return stage, battery.batch_of(material)


def variance_within(vectors: list[list[list[float]]]) -> float:
    """Of dialogues of utterances of numbers: mean squared distance from the mean of the dialogue."""
    squares, utterances = 0.0, 0
    for dialogue in vectors:
        width = len(dialogue[0]) if dialogue else 0
        mean = [sum(row[place] for row in dialogue) / len(dialogue) for place in range(width)]
        squares += sum((row[place] - mean[place]) ** 2 for row in dialogue for place in range(width))
        utterances += len(dialogue)
    return squares / utterances


def content_by_hand(encoder: nn.Module, batch: ConversationBatch, modality: Modality) -> float:
    """H^m and S + P of the utterances that have the modality, one by one."""
    usable = batch.usable[modality]
    known = batch.features[modality].masked_fill(~usable.unsqueeze(-1), 0.0)
    with torch.no_grad():
        encoded = encoder.dialogue_rnn(known, batch.speakers, usable, batch.parties)
        if encoder.skip is not None:
            encoded = encoded + encoder.skip(known)
        words: list[list[list[float]]] = []
        around: list[list[list[float]]] = []
        for dialogue, there in enumerate(usable):
            rows = [int(row) for row in there.nonzero()]
            words.append([encoded[dialogue, row].tolist() for row in rows])
            speakers = [int(batch.identities[dialogue, row]) for row in rows]
            tables = encoder.embedding.speaker.weight, encoder.embedding.position.weight
            around.append(
                [(tables[0][s] + tables[1][row]).tolist() for s, row in zip(speakers, rows, strict=True)]
            )
    content, rest = variance_within(words), variance_within(around)
    return content / (content + rest)


def test_content_is_the_share_of_what_is_said_in_the_variance_within_dialogues() -> None:
    """Also with a skip, whose bias stands in rows that have no vector."""
    stage, batch = made_stage()
    inside = look_inside(stage, batch)
    student = stage.model.student
    expected = {m.value: content_by_hand(student.encoders[m.value], batch, m) for m in Modality}
    assert inside["content"] == pytest.approx(expected, rel=1e-4)
    stage, batch = made_stage(TEACHER)
    expected = {"text": content_by_hand(stage.model.encoder, batch, TEXT)}
    assert look_inside(stage, batch)["content"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("readings", "least", "most"), [({}, 0.5, 1.0), (OLD_READINGS, 0.0, 0.2)], ids=["new", "old"]
)
def test_at_the_start_words_are_heard_with_the_new_readings_and_drown_with_the_old(
    readings: dict[str, Any], least: float, most: float
) -> None:
    """Of what the mixture reads, too: the share of U_e that goes when every utterance says the same."""
    options = ModelOptions(
        width=128, heads=4, layers=1, experts=2, longest_dialogue=32, speaker_slots=4, **readings
    )
    lengths = {**LENGTHS, Split.TRAIN: (9, 24, 13, 30, 17)}
    material = prepare(made_learnable(lengths), options)
    model = build_teacher(options, shape_of(material, (TEXT,)))
    stage = Stage(TEACHER, model, SmoothedTruthLoss(epsilon=0.9, class_weights=None))
    content = look_inside(stage, battery.batch_of(material))["content"]["text"]
    assert least < content < most


def masked_by_hand(stage: Stage, batch: ConversationBatch) -> dict[str, float]:
    """Equation 7 pair by pair: what each attention is given is caught, the rest is its own projections."""
    pair = stage.model
    assert isinstance(pair, GuidedStudent)
    attentions = {
        path.rpartition(".")[2]: part
        for path, part in pair.student.named_modules()
        if isinstance(part, TeacherGuidedAttention)
    }
    given: dict[str, tuple[Tensor, Any]] = {}
    for name, part in attentions.items():
        part.register_forward_hook(
            lambda _, hidden, named, __, name=name: given.update({name: (hidden[0], named)}), with_kwargs=True
        )
    with torch.no_grad():
        stage.eval()(batch)
        shares = {}
        for name, part in attentions.items():
            hidden, named = given[name]
            learned, taught = part.attention.scores(hidden, named["other"]), named["teacher_scores"]
            heads, known, masks = learned.shape[1], named["teacher_usable"], []
            for dialogue, there in enumerate(known):
                rows = [int(row) for row in there.nonzero()]
                for i in rows:
                    for j in rows:
                        gaps = [
                            float(taught[dialogue, h, i, j] - learned[dialogue, h, i, j])
                            for h in range(heads)
                        ]
                        compared = [sum(gaps) / heads] if part.agreement == "mean-of-heads" else gaps
                        masks.extend(abs(gap) > 0.5 for gap in compared)
            shares[name.replace("_", " ")] = sum(masks) / len(masks)
    return shares


@pytest.mark.parametrize("agreement", ["mean-of-heads", "head-by-head"])
def test_masked_is_the_share_of_ones_among_pairs_that_the_teacher_knows(agreement: Agreement) -> None:
    stage, batch = made_stage(agreement=agreement)
    inside = look_inside(stage, batch)
    expected = masked_by_hand(stage, batch)
    assert len(expected) == 6
    assert inside["masked"] == pytest.approx(expected, abs=1e-6)
    assert any(0 < share < 1 for share in expected.values())


def test_a_student_that_nobody_guides_has_no_masks() -> None:
    stage, batch = made_stage()
    stage.model.guidance = "never"
    inside = look_inside(stage, batch)
    assert "masked" not in inside
    assert len(inside["phi"]) == 6


def test_phi_and_tau_are_those_of_the_student_and_means_over_its_levels() -> None:
    material = battery.material_of()
    pair = battery.new_stage(STUDENT, material).model
    assert isinstance(pair, GuidedStudent)
    level = pair.student.fusion.levels[0]
    pair.student.fusion.levels.append(level)  # the same level twice: means are its own
    for number, part in enumerate(level.across.values()):
        part.phi_logit.data.fill_(number - 2.0)
    pair.student.mixtures["audio"].temperature_logit.data.fill_(1.0)
    stage = Stage(STUDENT, pair, SmoothedTruthLoss(epsilon=0.9, class_weights=None))
    pair.guidance = "never"  # the teacher has one layer
    inside = look_inside(stage, battery.batch_of(material))
    names = ["text from audio", "text from video", "audio from text"]
    names += ["audio from video", "video from text", "video from audio"]
    phis = {name: 1 / (1 + math.exp(2.0 - number)) for number, name in enumerate(names)}
    assert inside["phi"] == pytest.approx(phis)
    taus = {"text": 1.0, "audio": math.log(1 + math.e) + 0.05, "video": 1.0}
    assert inside["tau"] == pytest.approx(taus)


@pytest.mark.parametrize("name", [*SUMMER, *TRAINED_RIVALS])
def test_gradients_are_those_of_each_term_alone_and_nothing_is_left_behind(name: str) -> None:
    stage, batch = made_stage(name)
    before, hooks = weights_of(stage), hooks_of(stage)
    torch.manual_seed(8)
    drawn = torch.rand(3)
    torch.manual_seed(8)
    inside = look_inside(stage.train(), batch)
    assert torch.equal(torch.rand(3), drawn)
    assert hooks_of(stage) == hooks == 0
    assert are_equal(weights_of(stage), before)
    assert torch.backends.cudnn.enabled
    parameters = trainable_parameters(stage)
    assert all(parameter.grad is None for parameter in stage.parameters())
    terms = [term for term in stage.eval()(batch) if term != "total"]
    assert list(inside["gradients"]) == terms
    for term in terms:
        stage.zero_grad(set_to_none=True)
        stage(batch)[term].backward()
        squares = [float(p.grad.double().square().sum()) for p in parameters if p.grad is not None]
        assert inside["gradients"][term] == pytest.approx(math.sqrt(sum(squares)), rel=1e-4)
        assert inside["gradients"][term] > 0
    for of in inside.values():
        assert all(math.isfinite(value) for value in of.values())
    parts = {TEACHER: {"content", "tau"}, STUDENT: {"content", "tau", "phi", "masked"}}.get(name, set())
    assert inside.keys() == parts | {"gradients"}


def hooks_of(stage: Stage) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in stage.modules())


def test_hooks_are_gone_after_a_pass_that_fails() -> None:
    stage, batch = made_stage()
    too_long = replace(batch, identities=batch.identities + 10**6)
    with pytest.raises(IndexError):
        look_inside(stage, too_long)
    assert hooks_of(stage) == 0
    assert torch.backends.cudnn.enabled


def test_cudnn_is_off_in_the_pass_for_it_has_no_gradient_of_a_gru_in_evaluation_mode() -> None:
    stage, batch = made_stage(TEACHER)
    assert isinstance(stage.model, Teacher)
    seen: list[tuple[bool, bool]] = []
    experts = stage.model.mixture
    experts.register_forward_hook(lambda part, *_: seen.append((part.training, torch.backends.cudnn.enabled)))
    look_inside(stage, batch)
    assert seen == [(False, False)]
