"""The start at the encoder's own head: at first it is the encoder, text or not; then both learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch

from summer.classifier import CorpusShape
from summer.conversations.batches import ConversationBatch
from summer.conversations.heads import LinearLayer
from summer.corpus import Modality
from summer.model.assembly import Student, Teacher, build_student, build_teacher
from summer.model.distillation import SmoothedTruthLoss
from summer.model.guided import GuidedStudent
from summer.model.start import LinearStart, begin_at, starts_of
from summer.options import LossWeights, ModelOptions
from tests.summer.made_up import DIMS, LABELS, made_batch, made_conversations
from tests.summer.made_up_training import LENGTHS, SETTINGS, are_equal, weights_of

TEXT, AUDIO, VIDEO = Modality
HOLES = {TEXT: (1, 6, 7), AUDIO: (1, 4)}
CLASSES = len(LABELS)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def shape(*modalities: Modality, linear_reads: Sequence[Modality] = (TEXT,)) -> CorpusShape:
    return CorpusShape(
        feature_dims={m: DIMS[m] for m in modalities},
        classes=CLASSES,
        identities=5,
        linear_reads=tuple(linear_reads),
    )


def options(**changes: object) -> ModelOptions:
    return replace(SETTINGS.model, dropout=0.0, **changes)  # type: ignore[arg-type]


def a_head(*modalities: Modality) -> LinearLayer:
    weights = {m: torch.randn(CLASSES, DIMS[m]) for m in modalities or (TEXT,)}
    return LinearLayer(weights=weights, bias=torch.randn(CLASSES))


def a_batch() -> ConversationBatch:
    return made_batch(made_conversations(LENGTHS, holes=HOLES))


def started(head: LinearLayer, *modalities: Modality) -> tuple[Teacher, Student]:
    teacher, student = build_teacher(options(), shape(TEXT)), build_student(options(), shape(*modalities))
    for model in (teacher, student):
        begin_at(model, head)
    return teacher.eval(), student.eval()


def logits_of_head(head: LinearLayer, batch: ConversationBatch) -> list[list[list[float]]]:
    """Number by number: weight x + bias where there is text, zeros where there is none."""
    found = []
    for vectors, usable in zip(batch.features[TEXT].tolist(), batch.usable[TEXT].tolist(), strict=True):
        rows = []
        for vector, there in zip(vectors, usable, strict=True):
            dots = [
                bias + sum(w * x for w, x in zip(row, vector, strict=True))
                for row, bias in zip(head.weights[TEXT].tolist(), head.bias.tolist(), strict=True)
            ]
            rows.append(dots if there else [0.0] * CLASSES)
        found.append(rows)
    return found


def filled(batch: ConversationBatch) -> ConversationBatch:
    """With sevens where there is nothing."""
    features = {
        m: vectors.masked_fill(~batch.usable[m].unsqueeze(-1), 7.0) for m, vectors in batch.features.items()
    }
    return replace(batch, features=features)


def test_untrained_teacher_and_student_say_what_the_encoder_says_and_nothing_without_text() -> None:
    head, batch = a_head(), filled(a_batch())
    teacher, student = started(head, TEXT, AUDIO, VIDEO)
    expected = torch.tensor(logits_of_head(head, batch))
    assert expected.abs().max() > 1
    assert not batch.usable[TEXT].all()
    with torch.no_grad():
        taught = teacher(batch)
        for output in (taught, student(batch, taught.guidance)):
            torch.testing.assert_close(output.logits, expected, atol=1e-5, rtol=0)


def test_alpha_says_how_much_of_summer_is_added_with_text_and_without() -> None:
    batch = a_batch()
    teacher, student = started(head := a_head(), TEXT, AUDIO)
    bare = build_student(options(), shape(TEXT, AUDIO, linear_reads=())).eval()
    bare.load_state_dict({k: v for k, v in student.state_dict().items() if not k.startswith("start.")})
    student.start.alpha.data.fill_(-0.75)
    with torch.no_grad():
        guidance = teacher(batch).guidance
        alone, both = bare(batch, guidance).logits, student(batch, guidance).logits
    expected = torch.tensor(logits_of_head(head, batch)) - 0.75 * alone
    torch.testing.assert_close(both, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("reads", [(TEXT,), ()])
def test_only_where_there_is_a_linear_layer_a_model_has_a_start(reads: tuple[Modality, ...]) -> None:
    """Without one it is what it was: the same weights drawn, and no others."""
    for build, modalities in ((build_teacher, (TEXT,)), (build_student, (TEXT, AUDIO))):
        torch.manual_seed(9)
        model = build(options(), shape(*modalities, linear_reads=reads))
        torch.manual_seed(9)
        plain = build(options(), shape(*modalities, linear_reads=()))
        assert isinstance(model.start, LinearStart) is bool(reads)
        others = {k: v for k, v in weights_of(model).items() if not k.startswith("start.")}
        assert are_equal(others, weights_of(plain))
        assert (len(weights_of(model)) > len(others)) is bool(reads)


def test_a_layer_over_several_modalities_adds_up_those_that_are_there() -> None:
    """What stands where there is none does not count; of an utterance with none of them nothing is said."""
    batch = filled(a_batch())
    layer = a_head(TEXT, AUDIO)
    student = build_student(options(), shape(TEXT, AUDIO, VIDEO, linear_reads=(TEXT, AUDIO))).eval()
    begin_at(student, layer)
    with torch.no_grad():
        found = student(batch, None).logits
    there = {m: batch.usable[m].float().unsqueeze(-1) for m in (TEXT, AUDIO)}
    said = {m: (batch.features[m] * there[m]) @ layer.weights[m].T for m in there}
    expected = said[TEXT] + said[AUDIO] + layer.bias * (there[TEXT] + there[AUDIO]).clamp(max=1)
    nothing = there[TEXT] + there[AUDIO] == 0
    assert nothing.any()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_head_and_alpha_learn_and_a_frozen_teacher_keeps_its_own() -> None:
    batch = a_batch()
    teacher, student = started(a_head(), TEXT, AUDIO)
    pair = GuidedStudent(student, teacher=teacher, weights=LossWeights(), guidance="always")
    assert list(starts_of(pair)) == [student.start]
    before = weights_of(teacher)
    begin_at(pair, other := a_head())
    assert are_equal(weights_of(teacher), before)
    assert torch.equal(student.start.weights["text"], other.weights[TEXT])
    assert torch.equal(student.start.bias, other.bias)
    loss = pair.losses(pair.train()(batch), batch, SmoothedTruthLoss(epsilon=0.9, class_weights=None))
    loss["total"].backward()
    for parameter in student.start.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_what_distils_compares_through_the_teachers_classifier_alone_whatever_its_head_and_alpha() -> None:
    """(11) to (13) are as they were; (14) is of y."""
    batch = a_batch()
    teacher, student = started(a_head(), TEXT, AUDIO)
    pair = GuidedStudent(student, teacher=teacher, weights=LossWeights(), guidance="always").eval()
    truth_loss = SmoothedTruthLoss(epsilon=0.9, class_weights=None)
    with torch.no_grad():
        before = pair.losses(pair(batch), batch, truth_loss)
        teacher.start.alpha.fill_(-0.5)
        teacher.start.bias.add_(3)
        student.start.alpha.fill_(0.5)
        output = pair(batch)
        after = pair.losses(output, batch, truth_loss)
    for name in ("cross", "align", "inner"):
        assert torch.equal(after[name], before[name])
    assert not torch.equal(after["smooth"], before["smooth"])
    anything = batch.usable[TEXT] | batch.usable[AUDIO]
    assert torch.equal(after["smooth"], truth_loss(output.student.logits, batch.labels, anything))
