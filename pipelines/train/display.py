"""What `summer-train` shows: the corpus, a bar while it trains, a log for TensorBoard, then the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from pipelines.console import utterances_told, where_shown
from pipelines.evaluate.display import print_scores
from pipelines.train.scalar_log import ScalarLog
from summer.corpus import Split
from summer.runs.experiment import Audience
from summer.runs.reading import Run
from summer.training.history import EpochRecord, Watch
from summer.training.preparation import Material


def audience_of(console: Console, out: Path, should_stop: Callable[[], bool]) -> Audience:
    """The console and TensorBoard's log as the audience of an experiment."""
    return Audience(
        on_material=partial(print_opening, console, out),
        of_seed=lambda seed: training_display(console, out / "tensorboard", seed, should_stop),
    )


def print_opening(console: Console, out: Path, material: Material) -> None:
    """Say what is trained on."""
    conversations = material.conversations
    console.print(
        f"{conversations.corpus} ({conversations.protocol}): {utterances_told(conversations.utterances)}; "
        f"run {out}",
        highlight=False,
    )
    for modality, one in conversations.features.items():
        share = one.usable.mean()
        console.print(f"  {modality.value}: {one.dim} wide, {share:.1%} of the rows usable", highlight=False)


@contextmanager
def training_display(
    console: Console, logs: Path, seed: int, should_stop: Callable[[], bool]
) -> Iterator[Watch]:
    """A bar with losses and score, a line per epoch where there is no terminal, and TensorBoard's log."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    opened: dict[str, ScalarLog] = {}
    scores: dict[str, str] = {}
    with Bar(*columns, console=console, transient=True, **where_shown(console)) as bar:
        task = bar.add_task(f"seed {seed}", total=None)

        def on_step(model: str, epoch: int, step: int, steps: int) -> None:
            text = f"seed {seed} {model}, epoch {epoch} {scores.get(model, '')}"
            bar.update(task, description=text, completed=step, total=steps)

        def on_epoch(model: str, record: EpochRecord) -> None:
            if model not in opened:
                opened[model] = ScalarLog(logs / f"seed{seed}-{model}")
            _log(opened[model], record)
            scores[model] = _scores(record)
            if not console.is_terminal:
                console.print(f"seed {seed} {model}, epoch {record.epoch}: {scores[model]}", highlight=False)

        try:
            yield Watch(on_step=on_step, on_epoch=on_epoch, should_stop=should_stop)
        finally:
            for log in opened.values():
                log.close()


def print_run(console: Console, run: Run) -> None:
    """Print the table of the run on test, on dev where test has no truth, and where everything is."""
    has_test = any(one.split is Split.TEST and (one.truths >= 0).any() for one in run.predictions)
    print_scores(console, run, Split.TEST if has_test else Split.DEV)
    console.print(f"table.md, results.json, predictions.csv, figures and models: {run.path}", highlight=False)


def _scores(record: EpochRecord) -> str:
    """Loss and score; epoch 0 had no step, and no loss to train on."""
    loss = f"loss {record.losses['total']:.3f}, " if record.losses else ""
    return f"{loss}{record.selected_on} w-F1 {record.w_f1:.3f}"


def _log(log: ScalarLog, record: EpochRecord) -> None:
    split = record.selected_on
    numbers = {
        **{f"loss/{name}": value for name, value in record.losses.items()},
        f"{split}/loss": record.loss,
        f"{split}/w_f1": record.w_f1,
        "learning_rate": record.learning_rate,
        **{f"{panel}/{line}": mean for panel, lines in record.drawn.items() for line, mean in lines.items()},
    }
    for name, number in numbers.items():
        log.add(name, number, epoch=record.epoch)
