"""The training loop: it learns, stops at the best epoch, repeats itself, and never looks at test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from sklearn.metrics import f1_score
from torch import nn

from summer.classifier import Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch, ConversationDealer
from summer.corpus import Modality, Split
from summer.evaluation.predictions import Predictions
from summer.model.assembly import build_teacher
from summer.model.distillation import SmoothedTruthLoss
from summer.model.fusion import START_OF_PHI, TeacherGuidedAttention
from summer.model.routing import START_OF_TEMPERATURE, SparseDynamicMixture
from summer.options import Objective, Schedule, TrainingOptions
from summer.training.history import (
    STEPS_BETWEEN_LOOKS,
    Course,
    EpochRecord,
    LossBook,
    TrainingError,
    Watch,
    read_history,
)
from summer.training.models import STUDENT, TEACHER
from summer.training.prediction import SplitOutlook
from summer.training.preparation import Material, shape_of
from summer.training.progress import BEST
from summer.training.seed import obtain_model
from summer.training.stages import Stage
from summer.training.trainer import train
from tests.summer.made_up import LABELS
from tests.summer.made_up_training import (
    LENGTHS,
    SETTINGS,
    TRAINING,
    Log,
    are_equal,
    made_material,
    made_place,
    made_stages,
    predict,
    student_of,
    train_both,
    weights_of,
    with_model,
    with_training,
)


def new_stage(material: Material, *, class_weights: torch.Tensor | None = None) -> Stage:
    torch.manual_seed(0)
    teacher = build_teacher(SETTINGS.model, shape_of(material, (SETTINGS.model.teacher,)))
    return Stage(TEACHER, teacher, SmoothedTruthLoss(epsilon=0.9, class_weights=class_weights))


def trained(stage: Stage, material: Material, folder: Path, **changes: Any) -> Course:
    options = {
        "options": TRAINING,
        "seed": 0,
        "accelerator": Accelerator(cpu=True),
        "folder": folder,
        "watch": Log().watch(),
    }
    return train(stage, material.dealer, **{**options, **changes})


def weighted_f1_of_majority(material: Material, split: Split) -> float:
    """Of the class that is most frequent in training: its share p in `split` gives p times 2p / (1 + p)."""
    labels = {s: [u.label for u in material.conversations.utterances if u.split is s] for s in Split}
    most = Counter(labels[Split.TRAIN]).most_common(1)[0][0]
    share = labels[split].count(most) / len(labels[split])
    return share * 2 * share / (1 + share)


def weighted_f1(predictions: Predictions) -> float:
    """The definition, in plain Python."""
    pairs = list(zip(predictions.truths.tolist(), predictions.guesses.tolist(), strict=True))
    total = 0.0
    for label in range(len(LABELS)):
        hits = sum(truth == guess == label for truth, guess in pairs)
        support = sum(truth == label for truth, _ in pairs)
        found = sum(guess == label for _, guess in pairs)
        total += support * (2 * hits / (support + found) if support + found else 0.0)
    return total / len(pairs)


def test_teacher_and_student_learn_and_beat_the_majority(tmp_path: Path) -> None:
    settings = with_training(SETTINGS, most_epochs=12, patience_epochs=12)
    settings = with_model(settings, encoder_skip=True, dropout=0.0)
    material = made_material(settings, lengths={**LENGTHS, Split.TRAIN: (5,) * 12})
    log = Log()
    models = train_both(material, settings, made_place(tmp_path, watch=log.watch()))
    for model in models:
        losses = [record.losses["total"] for name, record in log.epochs if name == model.name]
        assert min(losses[-2:]) < 0.8 * losses[0]
        score = weighted_f1(predict(material, model, Split.TEST))
        assert score > weighted_f1_of_majority(material, Split.TEST) + 0.2


def test_one_seed_repeats_itself_and_another_does_not(tmp_path: Path) -> None:
    settings = with_training(SETTINGS, most_epochs=2)
    runs = []
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        torch.manual_seed(len(runs))  # what was drawn before must not matter
        log = Log()
        place = made_place(tmp_path / name, seed=seed, watch=log.watch())
        _, student = train_both(made_material(settings), settings, place)
        runs.append((weights_of(student_of(student)), log.epochs))
    assert are_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not are_equal(runs[0][0], runs[2][0])


def test_training_leaves_the_random_numbers_of_the_caller_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    obtain_model(TEACHER, made_material(), with_training(SETTINGS, most_epochs=1), made_place(tmp_path))
    assert torch.equal(torch.rand(2), expected)


def test_test_labels_cannot_move_the_model(tmp_path: Path) -> None:
    settings = with_training(SETTINGS, most_epochs=2)
    weights = []
    for name in ("as they are", "permuted"):
        material = made_material(settings)
        if name == "permuted":
            other = {label: LABELS.names[n - 1] for n, label in enumerate(LABELS.names)}
            conversations = replace(
                material.conversations,
                utterances=tuple(
                    replace(u, label=other[u.label]) if u.split is Split.TEST else u
                    for u in material.conversations.utterances
                ),
            )
            dealer = ConversationDealer(conversations, material.identities)
            material = replace(material, conversations=conversations, dealer=dealer)
        teacher, student = train_both(material, settings, made_place(tmp_path / name))
        weights.append([weights_of(teacher.model), weights_of(student_of(student))])
    assert are_equal(weights[0][0], weights[1][0])
    assert are_equal(weights[0][1], weights[1][1])


@pytest.mark.parametrize("select_on", [Split.DEV, Split.TEST])
def test_only_the_split_that_chooses_is_looked_at_during_training(
    select_on: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_training(SETTINGS, most_epochs=1, select_on=select_on)
    material = made_material(settings)
    seen: set[Split] = set()
    batch = ConversationDealer.batch

    def spy(self: ConversationDealer, dialogues: Sequence[Any]) -> Any:
        seen.update(located.dialogue.split for located in dialogues)
        return batch(self, dialogues)

    monkeypatch.setattr(ConversationDealer, "batch", spy)
    train_both(material, settings, made_place(tmp_path))
    assert seen == {Split.TRAIN, select_on}


def test_a_curve_of_test_chooses_nothing_and_tells_the_score_of_every_epoch(tmp_path: Path) -> None:
    weights = {}
    for name, settings in {
        "plain": with_training(SETTINGS, most_epochs=3),
        "curve": with_training(SETTINGS, most_epochs=3, test_curve=True),
    }.items():
        material = made_material(settings)
        teacher, student = train_both(material, settings, made_place(tmp_path / name))
        weights[name] = (weights_of(teacher.model), weights_of(student_of(student)))
        history = read_history(tmp_path / name / "student-history.json", selected_on="dev").history
        scores = [record.test_w_f1 for record in history]
        if name == "plain":
            assert scores == [None] * len(history)
            assert "test_w_f1" not in (tmp_path / name / "student-history.json").read_text()
            continue
        found = predict(material, student, Split.TEST)
        guesses = found.probabilities.argmax(axis=1)
        kept = next(record for record in history if record.epoch == student.origin.epoch)
        assert kept.test_w_f1 == pytest.approx(f1_score(found.truths, guesses, average="weighted"))
        assert None not in scores
    for plain, curve in zip(*weights.values(), strict=True):
        assert are_equal(plain, curve)


def scripted_outlook(hits: int) -> SplitOutlook:
    """Ten utterances of one class, so many of them found: w-F1 is 2 hits / (10 + hits)."""
    guesses = np.eye(2, dtype=np.float32)[[0] * hits + [1] * (10 - hits)]
    return SplitOutlook(
        rows=np.arange(10),
        truths=np.zeros(10, dtype=np.int64),
        probabilities=guesses,
        features=guesses,
        loss=1.0,
        drawn={},
    )


def test_early_stopping_keeps_the_first_of_the_best_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = iter([3, 7, 7, 5, 6, 9, 9])
    monkeypatch.setattr("summer.training.choosing.look_at", lambda *_, **__: scripted_outlook(next(hits)))
    material = made_material()
    stage = new_stage(material)
    snapshots: list[dict[str, torch.Tensor]] = []
    watch = Watch(
        on_step=lambda *_: None,
        on_epoch=lambda *_: snapshots.append(weights_of(stage.model)),
        should_stop=lambda: False,
    )
    options = replace(TRAINING, most_epochs=7, patience_epochs=3)
    course = trained(stage, material, tmp_path, options=options, watch=watch)
    assert [record.epoch for record in course.history] == [1, 2, 3, 4, 5]  # 3 epochs after the second
    assert course.best.epoch == 2
    assert course.best.w_f1 == pytest.approx(2 * 7 / (10 + 7))
    assert are_equal(weights_of(stage.model), snapshots[1])
    assert not are_equal(snapshots[1], snapshots[2])
    assert not are_equal(snapshots[1], snapshots[4])


def test_training_ends_with_the_last_epoch_where_scores_keep_rising(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = iter(range(1, 9))
    monkeypatch.setattr("summer.training.choosing.look_at", lambda *_, **__: scripted_outlook(next(hits)))
    material = made_material()
    options = replace(TRAINING, most_epochs=3, patience_epochs=1)
    course = trained(new_stage(material), material, tmp_path, options=options)
    assert (len(course.history), course.best.epoch) == (3, 3)


@pytest.mark.parametrize(
    ("schedule", "warmup_share", "shares"),
    [
        ("linear", 0.4, [1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ("linear", 0.0, [1, 1, 8 / 9, 7 / 9, 6 / 9, 5 / 9, 4 / 9, 3 / 9, 2 / 9, 1 / 9]),
        ("constant", 0.4, [1 / 4, 2 / 4, 3 / 4, 1, 1, 1, 1, 1, 1, 1]),
        ("constant", 0.0, [1] * 10),
    ],
)
def test_the_learning_rate_rises_over_the_warm_up_and_falls_to_the_end_or_stays(
    schedule: Schedule,
    warmup_share: float,
    shares: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[float] = []
    step = torch.optim.Adam.step

    def spy(self: torch.optim.Adam, *arguments: Any, **options: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    material = made_material()
    options = replace(
        TRAINING,
        learning_rate=1e-3,
        warmup_share=warmup_share,
        schedule=schedule,
        most_epochs=5,
        patience_epochs=5,
    )
    trained(new_stage(material), material, tmp_path, options=options)  # 6 dialogues, 3 a batch: 2 steps
    assert rates == pytest.approx([1e-3 * share for share in shares])


@pytest.mark.parametrize(("limit", "is_cut"), [(1e-3, True), (1e6, False)])
def test_gradients_are_cut_to_their_largest_norm(
    limit: float, is_cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []
    step = torch.optim.Adam.step

    def spy(self: torch.optim.Adam, *arguments: Any, **options: Any) -> Any:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(sum(gradient.square().sum() for gradient in gradients)) ** 0.5)
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    material = made_material()
    options = replace(TRAINING, most_epochs=1, largest_gradient_norm=limit)
    trained(new_stage(material), material, tmp_path, options=options)
    if is_cut:
        assert norms == pytest.approx([limit] * len(norms), rel=1e-2)
    else:
        assert min(norms) > 1e-2


class OneNumber(nn.Module):
    """A loss whose gradient is known: the mean of x over the utterances of a batch, times one number."""

    modalities = (Modality.TEXT,)

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.ones(1))
        self.steps: list[list[float]] = []  # x of each utterance of each batch

    def forward(self, batch: ConversationBatch) -> torch.Tensor:
        x = batch.features[Modality.TEXT][..., 0][batch.usable[Modality.TEXT]]
        if self.training:
            self.steps.append(x.tolist())
        return self.number * x

    def losses(self, output: torch.Tensor, _: ConversationBatch, __: TruthLoss) -> dict[str, torch.Tensor]:
        return {"total": output.mean()}

    def outlook(self, output: torch.Tensor, batch: ConversationBatch) -> Outlook:
        raise NotImplementedError


@pytest.mark.parametrize("objective", ["utterances", "batches"])
def test_every_utterance_pulls_the_same_whatever_batch_it_stands_in(
    objective: Objective, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed form: x times batches over utterances; where every batch counts the same, x over its batch's."""
    gradients: list[float] = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *_, **__: gradients.append(gradient_of(self)))
    monkeypatch.setattr("summer.training.choosing.look_at", lambda *_, **__: scripted_outlook(3))
    settings = with_model(SETTINGS, longest_dialogue=12)
    material = made_material(settings, lengths={**LENGTHS, Split.TRAIN: (1, 12, 1, 9, 2, 7, 1)})
    model = OneNumber()
    stage = Stage("one", model, SmoothedTruthLoss(epsilon=0.9, class_weights=None))
    options = replace(
        TRAINING, batch_dialogues=2, most_epochs=3, largest_gradient_norm=1e9, objective=objective
    )
    trained(stage, material, tmp_path, options=options)
    assert len(gradients) == len(model.steps) == 3 * 4
    assert len(set(map(len, model.steps))) > 2  # batches of very different sizes
    for gradient, x in zip(gradients, model.steps, strict=True):
        each = 4 / 33 if objective == "utterances" else 1 / len(x)
        assert gradient == pytest.approx(sum(x) * each, rel=1e-4, abs=1e-5)
    epochs = [sum(gradients[start : start + 4]) for start in (0, 4, 8)]
    if objective == "utterances":  # so an epoch's sum does not depend on how its batches were cut
        assert epochs == pytest.approx([epochs[0]] * 3, rel=1e-4, abs=1e-5)


def gradient_of(adam: torch.optim.Adam) -> float:
    (number,) = (parameter for group in adam.param_groups for parameter in group["params"])
    assert number.grad is not None
    return float(number.grad)


def travelled(folder: Path, scalar_rate: float | None) -> tuple[list[float], list[float]]:
    """How far phi and tau went in a short training at a rate of the weight matrices of 1e-4."""
    _, stage = made_stages()
    for part in stage.modules():
        if isinstance(part, TeacherGuidedAttention):  # weights this narrow hardly disagree by the limit
            part.attention.query.weight.data.mul_(8)
    options = replace(TRAINING, learning_rate=1e-4, scalar_rate=scalar_rate)
    trained(stage, made_material(), folder, options=options)
    parts = list(stage.model.student.modules())
    phis = [float(part.phi.detach()) for part in parts if isinstance(part, TeacherGuidedAttention)]
    taus = [float(part.temperature.detach()) for part in parts if isinstance(part, SparseDynamicMixture)]
    return [abs(phi - START_OF_PHI) for phi in phis], [abs(tau - START_OF_TEMPERATURE) for tau in taus]


def test_phi_and_tau_travel_with_a_rate_of_their_own(tmp_path: Path) -> None:
    own = travelled(tmp_path / "own", 1e-2)
    shared = travelled(tmp_path / "shared", None)
    for far, near in zip((*own[0], *own[1]), (*shared[0], *shared[1]), strict=True):
        assert far >= 10 * near > 0


def test_single_numbers_are_not_decayed_and_follow_the_same_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[list[dict[str, Any]]] = []
    step = torch.optim.Adam.step

    def spy(self: torch.optim.Adam, *arguments: Any, **options: Any) -> Any:
        groups.append([dict(group) for group in self.param_groups])
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    stage = new_stage(made_material())
    options = replace(TRAINING, learning_rate=1e-3, scalar_rate=0.05, weight_decay=0.3, most_epochs=1)
    trained(stage, made_material(), tmp_path, options=options)
    single = [parameter for parameter in stage.parameters() if parameter.ndim == 0]
    assert single
    for others, scalars in groups:
        assert [id(parameter) for parameter in scalars["params"]] == [id(one) for one in single]
        assert len(others["params"]) + len(single) == len(list(stage.parameters()))
        assert (others["weight_decay"], scalars["weight_decay"]) == (0.3, 0.0)
        assert scalars["lr"] == pytest.approx(50 * others["lr"])


def test_class_weights_change_the_course(tmp_path: Path) -> None:
    material = made_material()
    options = replace(TRAINING, most_epochs=1)
    losses = [
        trained(new_stage(material, class_weights=weights), material, tmp_path / name, options=options)
        .history[0]
        .losses["total"]
        for name, weights in (
            ("none", None),
            ("ones", torch.ones(3)),
            ("some", torch.tensor([4.0, 1.0, 0.1])),
        )
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert abs(losses[2] - losses[0]) > 1e-3


def poison_after(stage: Stage, *, epoch: int, step: int) -> Watch:
    """Spoils the model once that step was done."""

    def on_step(_: str, epoch_now: int, step_now: int, __: int) -> None:
        if (epoch_now, step_now) == (epoch, step):
            stage.model.classifier.bias.data.fill_(float("nan"))

    return Watch(on_step=on_step, on_epoch=lambda *_: None, should_stop=lambda: False)


def test_a_loss_that_is_not_a_number_names_epoch_step_term_and_cause(tmp_path: Path) -> None:
    material = made_material()
    stage = new_stage(material)
    watch = poison_after(stage, epoch=2, step=1)
    message = (
        "teacher, epoch 2, step 2: the loss 'smooth' is nan; the learning rate is likely too high.*lower it"
    )
    with pytest.raises(TrainingError, match=message):
        trained(stage, material, tmp_path, watch=watch)
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, "epoch-1"]  # the whole epoch is there
    course = trained(new_stage(material), material, tmp_path)
    assert len(course.history) == TRAINING.most_epochs  # and is gone on from


def test_a_model_that_the_last_step_spoilt_is_not_kept(tmp_path: Path) -> None:
    material = made_material()
    stage = new_stage(material)
    with pytest.raises(TrainingError, match="teacher, epoch 1: after it the loss .* is nan.*lower it"):
        trained(stage, material, tmp_path, watch=poison_after(stage, epoch=1, step=2))
    assert not (tmp_path / BEST).exists()


def test_a_nan_in_the_students_training_leaves_the_finished_teacher(tmp_path: Path) -> None:
    material = made_material()
    teacher = obtain_model(TEACHER, material, SETTINGS, made_place(tmp_path))
    before = (tmp_path / "teacher.safetensors").read_bytes()
    settings = replace(SETTINGS, student=replace(TRAINING, learning_rate=1e30))
    with pytest.raises(TrainingError, match=r"student, epoch \d.* is (nan|inf); .*student.learning_rate"):
        obtain_model(STUDENT, material, settings, made_place(tmp_path), needed=teacher)
    assert (tmp_path / "teacher.safetensors").read_bytes() == before
    assert not (tmp_path / "student.safetensors").exists()


@pytest.mark.parametrize(
    ("select_on", "remedy"), [(Split.DEV, "--select-on test"), (Split.TEST, "choose on dev")]
)
def test_a_split_that_cannot_choose_is_refused_before_the_first_step(
    select_on: Split, remedy: str, tmp_path: Path
) -> None:
    lengths = {split: those for split, those in LENGTHS.items() if split is not select_on}
    material = made_material(lengths=lengths)
    log = Log()
    options = replace(TRAINING, select_on=select_on)
    with pytest.raises(TrainingError, match=f"{select_on} is to choose the epoch and has no .*{remedy}"):
        trained(new_stage(material), material, tmp_path, options=options, watch=log.watch())
    assert log.steps == []


def test_the_book_of_losses_gives_means_and_finds_the_first_bad_step() -> None:
    book = LossBook("student", 4)
    values = [float(n) for n in range(STEPS_BETWEEN_LOOKS + 3)]  # more than one look
    for value in values:
        book.note({"cross": torch.tensor(value), "total": torch.tensor(2 * value)})
    mean = sum(values) / len(values)
    assert book.means() == pytest.approx({"cross": mean, "total": 2 * mean})
    book.note({"cross": torch.tensor(1.0), "total": torch.tensor(float("inf"))})
    with pytest.raises(
        TrainingError, match=f"student, epoch 4, step {len(values) + 1}: the loss 'total' is inf"
    ):
        book.means()


def test_every_record_tells_its_losses_rate_and_scores(tmp_path: Path) -> None:
    material = made_material()
    log = Log()
    course = trained(new_stage(material), material, tmp_path, watch=log.watch())
    assert [record for _, record in log.epochs] == course.history
    assert log.steps[:3] == [("teacher", 1, 1, 2), ("teacher", 1, 2, 2), ("teacher", 2, 1, 2)]
    record: EpochRecord = course.history[0]
    assert set(record.losses) == {"smooth", "total"}
    assert 0 <= record.w_f1 <= 1
    assert record.loss > 0
    assert record.selected_on == "dev"
    assert record.drawn.keys() == {"kept_experts"}
    assert record.drawn["kept_experts"].keys() == {"text"}
    assert {name: set(of) for name, of in record.inside.items()} == {
        "content": {"text"},
        "tau": {"text"},
        "gradients": {"smooth"},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate nan.*finite"),
        ({"learning_rate": float("inf")}, "learning_rate inf.*finite"),
        ({"weight_decay": -1.0}, "weight_decay -1.0"),
        ({"weight_decay": float("nan")}, "weight_decay nan"),
        ({"largest_gradient_norm": 0.0}, "largest_gradient_norm 0.0"),
        ({"batch_dialogues": 0}, "batch_dialogues is 0; give at least 1"),
        ({"most_epochs": 0}, "most_epochs is 0"),
        ({"patience_epochs": 0}, "patience_epochs is 0"),
        ({"scalar_rate": 0.0}, "scalar_rate is 0.0; give a rate above 0, or leave it out"),
        ({"scalar_rate": float("nan")}, "scalar_rate is nan"),
        ({"warmup_share": 1.0}, r"warmup_share is 1.0; give a share in \[0, 1\)"),
        ({"select_on": Split.TRAIN}, "select_on is train; the epoch is chosen on dev"),
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**changes)
