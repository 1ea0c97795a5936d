"""Two processes that share a training do what one does: its steps, its stops, its errors, its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from summer.classifier import Outlook, TruthLoss
from summer.conversations.batches import ConversationBatch
from summer.corpus import UNKNOWN_LABEL, Modality, Split
from summer.durable import DiskError
from summer.model.distillation import SmoothedTruthLoss
from summer.options import Objective, TrainingOptions
from summer.processes import Processes, is_raised_by_all, processes_of
from summer.runs.experiment import accelerators
from summer.sharing import mean_over_batch
from summer.training.history import Course, Stopped, TrainingError, Watch
from summer.training.models import SUMMER, TEACHER
from summer.training.preparation import Material, prepare
from summer.training.progress import BEST
from summer.training.seed import ModelSettings, Settings, Workplace
from summer.training.stages import Stage
from summer.training.trainer import train
from tests.summer.battery import EVERY_MODALITY, TINY, TRAINED_RIVALS, settings_for, trained
from tests.summer.made_up import Lengths
from tests.summer.made_up_training import Log, made_learnable, made_place, weights_of
from tests.summer.two_processes import COUNT, Raised, in_two_processes

# batches of three by length: one-turn dialogues only, then unequal shares, and last a single dialogue
LENGTHS: Lengths = {Split.TRAIN: (1, 4, 1, 5, 2, 1, 7), Split.DEV: (3, 1, 2), Split.TEST: (4, 2)}
HOLES = {Modality.TEXT: (0, 3), Modality.AUDIO: (0, 1, 2, 3, 4, 5), Modality.VIDEO: (0, 7, 8, 14)}
ONE_TURN: Lengths = {Split.TRAIN: (1,) * 9, Split.DEV: (1,) * 4, Split.TEST: (1,) * 4}
QUICK = TrainingOptions(
    learning_rate=1e-2, batch_dialogues=3, most_epochs=2, patience_epochs=2, warmup_share=0.1
)
TRAINED = ["student", *TRAINED_RIVALS]


def material_of(lengths: Lengths = LENGTHS, *, unknown: int = 0) -> Material:
    """A corpus with holes, of whose first training rows some have no truth."""
    conversations = made_learnable(lengths, modalities=EVERY_MODALITY, holes=HOLES)
    utterances = tuple(
        replace(utterance, label="") if row < unknown else utterance
        for row, utterance in enumerate(conversations.utterances)
    )
    return prepare(replace(conversations, utterances=utterances), TINY)


def silent_settings(name: str, **training: Any) -> Settings:
    """A model without dropout of any kind."""
    settings = settings_for(name, **{**training, "batch_dialogues": 3})
    rivals = {
        rival: ModelSettings(options=_without_dropout(own.options), training=own.training)
        for rival, own in settings.rivals.items()
    }
    return replace(settings, model=replace(settings.model, dropout=0.0), rivals=rivals)


def _without_dropout(options: Any) -> Any:
    shares = [entry.name for entry in fields(options) if entry.name.endswith("dropout")]
    return replace(options, **dict.fromkeys(shares, 0.0))


def place_of(folder: Path, watch: Watch | None = None) -> Workplace:
    """A place as an experiment has it, for any number of processes."""
    return replace(made_place(folder, watch=watch), accelerator=accelerators("cpu", "no"))


class Gradients:
    """What an optimiser is given in its steps, instead of taking them: so all are at the same weights."""

    def __init__(self) -> None:
        self.of_steps: list[list[torch.Tensor | None]] = []

    def step(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        given = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
        self.of_steps.append([None if one is None else one.clone() for one in given])


def gradients_of(index: int, *, name: str, folder: Path, settings: Settings) -> list[Any]:
    """The gradients of each step of a training without noise, and what it noted of its losses."""
    del index
    gradients, log = Gradients(), Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", lambda *given, **named: gradients.step(*given, **named))
        patch.setattr("summer.model.routing.gumbel_noise", torch.zeros_like)
        trained(name, material_of(unknown=2), settings, place_of(folder, log.watch()))
    losses = [(model, dict(record.losses), record.loss, record.w_f1) for model, record in log.epochs]
    return [gradients.of_steps, losses]


@pytest.mark.parametrize("objective", ["utterances", "batches"])
@pytest.mark.parametrize("name", TRAINED)
def test_the_gradient_of_two_processes_is_that_of_one_with_the_whole_batch(
    name: str, objective: Objective, tmp_path: Path
) -> None:
    """Of a student also its teacher's. Weighted classes, holes and unknown truths: every count differs."""
    training = {"objective": objective, "class_weights": "balanced", "largest_gradient_norm": 1e9}
    settings = silent_settings(name, most_epochs=2, **training)
    work = partial(gradients_of, name=name, settings=settings)
    alone, losses = work(0, folder=tmp_path / "one")
    both = in_two_processes(partial(work, folder=tmp_path / "two"))
    assert len(alone) == 2 * 3 * (2 if name == "student" else 1)
    assert any(len({one is None for one in step}) == 2 for step in alone) or name != "student"
    for of_process, theirs in both:
        assert_close(of_process, alone)
        for mine, expected in zip(theirs, losses, strict=True):
            assert mine[0] == expected[0]
            assert mine[1] == pytest.approx(expected[1], rel=1e-4, abs=1e-6)
            assert mine[2:] == pytest.approx(expected[2:], rel=1e-5)


def assert_close(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> None:
    """All gradients of all steps, those that are none included."""
    for mine, expected in zip(ours, theirs, strict=True):
        for a, b in zip(mine, expected, strict=True):
            assert (a is None) == (b is None)
            if b is not None:
                torch.testing.assert_close(a, b, atol=2e-6, rtol=1e-3)


def weights_after(index: int, *, name: str, folder: Path, settings: Settings, lengths: Lengths) -> Any:
    """Weights of a trained model, and the epochs that this process was told of."""
    log = Log()
    place = place_of(folder, log.watch())
    model = trained(name, material_of(lengths), settings, place)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return index, weights_of(model.model), [record for _, record in log.epochs], files


def unguided(settings: Settings) -> Settings:
    return replace(settings, model=replace(settings.model, guidance="never"))


CASES: Mapping[str, tuple[str, Settings, Lengths]] = {
    **{name: (name, settings_for(name, most_epochs=2), LENGTHS) for name in TRAINED},
    **{f"{name}, one turn": (name, settings_for(name, most_epochs=2), ONE_TURN) for name in TRAINED},
    "student, never guided": ("student", unguided(settings_for("student", most_epochs=2)), LENGTHS),
}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_in_the_same_model_and_history(case: str, tmp_path: Path) -> None:
    name, settings, lengths = CASES[case]
    work = partial(weights_after, name=name, folder=tmp_path, settings=settings, lengths=lengths)
    (_, first, history, files), (_, second, same_history, _) = in_two_processes(work)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert history == same_history
    assert len(history) == 2 * (2 if name in SUMMER else 1)
    names = ["student", "teacher"] if name in SUMMER else [name]
    assert files == sorted(f"{n}{end}" for n in names for end in ("-history.json", ".safetensors"))


def test_a_model_trained_by_two_processes_is_trained_no_more(tmp_path: Path) -> None:
    work = partial(
        weights_after, name=TEACHER, folder=tmp_path, settings=settings_for(TEACHER), lengths=LENGTHS
    )
    first = in_two_processes(work)
    again = in_two_processes(work)
    assert [epochs for _, _, epochs, _ in again] == [[], []]
    assert all(torch.equal(first[0][1][key], again[1][1][key]) for key in first[0][1])


class Draws(nn.Module):
    """Keeps what noise each of its steps draws; its loss is the mean of x, times one number."""

    modalities = (Modality.TEXT,)

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.ones(()))
        self.draws: list[list[float]] = []
        self.rows: list[list[int]] = []

    def forward(self, batch: ConversationBatch) -> torch.Tensor:
        if self.training:
            self.draws.append(torch.rand(2).tolist())
            self.rows.append(batch.rows[batch.labels != UNKNOWN_LABEL].tolist())
        return self.number * batch.features[Modality.TEXT][..., 0]

    def losses(self, output: torch.Tensor, batch: ConversationBatch, _: TruthLoss) -> dict[str, torch.Tensor]:
        known = batch.labels != UNKNOWN_LABEL
        values = output.masked_fill(~known, 0.0).sum()
        return {"total": mean_over_batch(values, known.sum(), least=1)}

    def outlook(self, output: torch.Tensor, batch: ConversationBatch) -> Outlook:
        del batch
        three = torch.stack([output, -output, 0 * output], dim=-1)
        return Outlook(logits=three, features=three, drawn={})


def new_draws() -> Stage:
    return Stage("draws", Draws(), SmoothedTruthLoss(epsilon=1.0, class_weights=None))


def train_draws(folder: Path, stage: Stage, watch: Watch, **changes: Any) -> Course:
    return train(
        stage,
        material_of().dealer,
        options=replace(QUICK, **changes),
        seed=0,
        accelerator=accelerators("cpu", "no")(),
        folder=folder,
        watch=watch,
    )


def draws_of(index: int, *, folder: Path) -> Any:
    """What noise a process drew and which rows it was given, by step."""
    del index
    stage = new_draws()
    train_draws(folder, stage, Log().watch())
    assert isinstance(stage.model, Draws)
    return stage.model.draws, stage.model.rows


def test_each_process_has_noise_of_its_own_and_the_first_that_of_one_alone(tmp_path: Path) -> None:
    alone, _ = draws_of(0, folder=tmp_path / "one")
    (first, _), (second, _) = in_two_processes(partial(draws_of, folder=tmp_path / "two"))
    assert first == alone
    assert len(second) == len(first)
    assert not {tuple(draw) for draw in first} & {tuple(draw) for draw in second}


def test_every_utterance_of_a_batch_is_read_by_one_process_in_the_same_step(tmp_path: Path) -> None:
    _, alone = draws_of(0, folder=tmp_path / "one")
    (_, first), (_, second) = in_two_processes(partial(draws_of, folder=tmp_path / "two"))
    assert [] in second  # of the last batch, a single dialogue
    for whole, ours, theirs in zip(alone, first, second, strict=True):
        assert sorted([*ours, *theirs]) == sorted(whole)


def stopped_in_the_second(index: int, *, folder: Path, after: int) -> Any:
    """Steps done when the training stopped, which only the second process was asked to."""
    log = Log()
    watch = log.stops_after(after) if index == 1 else log.watch()
    try:
        train_draws(folder, new_draws(), watch, most_epochs=3)
    except Stopped:
        return len(log.steps)
    return None


def test_a_stop_that_one_process_hears_stops_both_before_the_same_step(tmp_path: Path) -> None:
    assert in_two_processes(partial(stopped_in_the_second, folder=tmp_path, after=4)) == [4, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, "epoch-1"]
    history = in_two_processes(partial(history_of, folder=tmp_path))
    unbroken = in_two_processes(partial(history_of, folder=tmp_path.with_name("unbroken")))
    assert history == unbroken == [unbroken[0]] * COUNT


def history_of(index: int, *, folder: Path) -> Any:
    del index
    return train_draws(folder, new_draws(), Log().watch(), most_epochs=3).to_json()


def poisoned_in_the_second(index: int, *, folder: Path) -> Any:
    """A loss that is not finite in one process only."""
    stage = new_draws()

    def poison(*_: Any) -> None:
        if index == 1:
            assert isinstance(stage.model, Draws)
            stage.model.register_forward_hook(lambda _, __, output: output * torch.nan)

    train_draws(folder, stage, replace(Log().watch(), on_step=poison))


def test_a_loss_that_is_not_finite_in_one_process_ends_both_with_the_same_words(tmp_path: Path) -> None:
    errors = [told.error for told in in_two_processes(partial(poisoned_in_the_second, folder=tmp_path))]
    assert all(isinstance(error, TrainingError) for error in errors)
    assert "draws, epoch 1, step 2: the loss 'total' is nan" in str(errors[0])
    assert str(errors[0]) == str(errors[1])
    assert all(is_raised_by_all(error) for error in errors)


def on_a_full_disk(index: int, *, folder: Path) -> Any:
    """The main process, which writes, has no room."""

    def refuse(*_: Any, **__: Any) -> None:
        raise DiskError("the disk is full; free some space")

    with pytest.MonkeyPatch.context() as patch:
        if index == 0:
            patch.setattr("summer.training.progress.check_free_space", refuse)
        train_draws(folder, new_draws(), Log().watch())


def test_a_disk_that_refuses_the_one_that_writes_ends_both(tmp_path: Path) -> None:
    for told in in_two_processes(partial(on_a_full_disk, folder=tmp_path)):
        assert isinstance(told, Raised)
        assert isinstance(told.error, DiskError)


def unlike_scores(index: int, *, folder: Path) -> Any:
    """The second process would see scores that fall where the first sees them rise."""
    with pytest.MonkeyPatch.context() as patch:
        if index == 1:
            patch.setattr("summer.training.choosing.look_at", None)  # it is not even asked
        return history_of(index, folder=folder)


def test_the_scores_of_the_main_process_are_those_of_all(tmp_path: Path) -> None:
    first, second = in_two_processes(partial(unlike_scores, folder=tmp_path))
    assert first == second
    assert len(first) == 3


def decisions(index: int) -> Any:
    """What the processes decide together, and what each part raises."""
    processes = processes_of(accelerators("cpu", "no")())
    mean = processes.mean(torch.tensor([float(index), 10.0])).tolist()
    found = [processes.any(index == 1), processes.any(False), processes.by_main(lambda: index), mean]
    for raising in (lambda: refuse_in(index, 0), lambda: refuse_in(index, 1)):
        found += [words_of(way, raising) for way in (processes.by_main, processes.together)]
    return found


def refuse_in(index: int, refusing: int) -> str:
    if index == refusing:
        raise ValueError(f"refused by {index}")
    return "done"


def words_of(way: Any, work: Any) -> str:
    try:
        return str(way(work))
    except ValueError as error:
        return str(error)


def test_what_one_process_decides_or_raises_all_do() -> None:
    expected = [True, False, 0, [0.5, 10.0], "refused by 0", "refused by 0", "done", "refused by 1"]
    assert in_two_processes(decisions) == [expected] * COUNT


def test_one_process_decides_for_itself() -> None:
    alone = Processes(count=1, index=0)
    values = torch.ones(2)
    assert alone.mean(values) is values
    assert (alone.any(True), alone.any(False)) == (True, False)
    assert alone.by_main(lambda: 3) == alone.together(lambda: 3) == 3
    assert alone.sharing is None
    assert alone.share_of([1, 2, 3]) == [1, 2, 3]


def hangs(index: int) -> None:
    if index == 1:
        processes_of(accelerators("cpu", "no")()).any(True)  # nobody answers


def test_a_hang_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="process 1 (hangs|died|:)"):
        in_two_processes(hangs, seconds=4)
