"""What `summer-train` shows and draws: the corpus, a bar while it trains, then the table and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from torch.utils.tensorboard import SummaryWriter

from pipelines.evaluate.display import report_run
from summer.corpus import Split
from summer.evaluation.predictions import STAGES
from summer.report.figures import draw_projection
from summer.training.history import EpochRecord, Watch
from summer.training.prediction import SplitOutlook
from summer.training.preparation import Material


def print_opening(console: Console, material: Material, out: Path) -> None:
    """Say what is trained on."""
    conversations = material.conversations
    console.print(
        f"{conversations.corpus} ({conversations.protocol}): {len(conversations.utterances)} utterances; "
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
    """A bar with losses and dev score, a line an epoch where there is no terminal, and TensorBoard's log."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    writers: dict[str, SummaryWriter] = {}
    scores: dict[str, str] = {}
    with Bar(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(f"seed {seed}", total=None)

        def on_step(stage: str, epoch: int, step: int, steps: int) -> None:
            text = f"seed {seed} {stage}, epoch {epoch} {scores.get(stage, '')}"
            bar.update(task, description=text, completed=step, total=steps)

        def on_epoch(stage: str, record: EpochRecord) -> None:
            if stage not in writers:
                writers[stage] = SummaryWriter(str(logs / f"seed{seed}-{stage}"))
            _log(writers[stage], record)
            scores[stage] = f"loss {record.losses['total']:.3f}, dev w-F1 {record.dev_w_f1:.3f}"
            if not console.is_terminal:
                console.print(f"seed {seed} {stage}, epoch {record.epoch}: {scores[stage]}", highlight=False)

        try:
            yield Watch(on_step=on_step, on_epoch=on_epoch, should_stop=should_stop)
        finally:
            for writer in writers.values():
                writer.close()


def print_run(console: Console, out: Path) -> None:
    """Print the table of the run on test, on dev where test has no truth, and where everything is."""
    scored = json.loads((out / "results.json").read_text(encoding="utf-8"))
    has_test = any(Split.TEST.value in scored.get(stage, {}) for stage in STAGES)
    report_run(out, None, Split.TEST if has_test else Split.DEV)
    console.print(f"table.md, results.json, predictions.csv, figures and models: {out}", highlight=False)


def write_projection(path: Path, material: Material, outlook: SplitOutlook) -> None:
    """Draw a split's features as they came, and as the model sees them."""
    conversations = material.conversations
    before = np.concatenate([one.vectors[outlook.rows] for one in conversations.features.values()], axis=1)
    draw_projection(
        path,
        {"features": before, "hidden states": outlook.features},
        truths=np.maximum(outlook.truths, -1).astype(np.int64),
        labels=conversations.labels,
    )


def _log(writer: SummaryWriter, record: EpochRecord) -> None:
    for name, value in record.losses.items():
        writer.add_scalar(f"loss/{name}", value, record.epoch)
    writer.add_scalar("dev/loss", record.dev_loss, record.epoch)
    writer.add_scalar("dev/w_f1", record.dev_w_f1, record.epoch)
    writer.add_scalar("learning_rate", record.learning_rate, record.epoch)
    for table in ("kept_experts", "modality_weights"):
        for modality, share in getattr(record, table).items():
            writer.add_scalar(f"{table}/{modality}", share, record.epoch)
