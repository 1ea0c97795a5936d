"""What a run leaves behind once its seeds are done: predictions.csv, results.json, table.md, figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from summer.corpus import LabelSet, Split
from summer.durable import write_aside
from summer.evaluation.predictions import STAGES, Predictions, read_predictions, write_predictions
from summer.evaluation.scores import results, seeds_of
from summer.report.figures import draw_confusion, draw_curves
from summer.report.tables import paper_table
from summer.runs.folder import seed_folder
from summer.training.seed import SCORED_SPLITS

History = list[dict[str, Any]]


def write_results(out: Path, record: Mapping[str, Any], seeds: Sequence[int], labels: LabelSet) -> None:
    """Write all that is known of the finished seeds of a run.

    Args:
        record: what run.json says.

    Raises:
        DiskError: the disk is full or refuses.
    """
    predictions = [
        one for seed in seeds for one in read_predictions(seed_folder(out, seed) / "predictions.csv")[0]
    ]
    histories = _histories(out, seeds)
    write_predictions(out / "predictions.csv", predictions, labels)
    chosen = {stage: [_chosen(history) for history in of_seeds] for stage, of_seeds in histories.items()}
    summary = {**record, **results(predictions, labels), "chosen_epochs": chosen}
    write_aside(out / "results.json", json.dumps(summary, indent=1, ensure_ascii=False).encode())
    write_aside(out / "table.md", _tables(predictions, labels, Split(record["selected_on"])).encode())
    _draw(out, predictions, labels, histories)


def _histories(out: Path, seeds: Sequence[int]) -> dict[str, list[History]]:
    """By stage, then seed; a teacher of another run has its history there."""
    found: dict[str, list[History]] = {}
    for stage in STAGES:
        for seed in seeds:
            path = seed_folder(out, seed) / f"{stage}-history.json"
            if path.is_file():
                found.setdefault(stage, []).append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _chosen(history: History) -> dict[str, Any]:
    """The epoch that was kept: its number, dev score, share of experts kept, weights of the modalities."""
    best = max(history, key=lambda record: (record["dev_w_f1"], -record["epoch"]))
    return {key: best[key] for key in ("epoch", "dev_w_f1", "kept_experts", "modality_weights")}


def _tables(predictions: Sequence[Predictions], labels: LabelSet, selected_on: Split) -> str:
    return "\n".join(
        f"## {split}\n\n{paper_table(predictions, labels, split=split, selected_on=selected_on).markdown()}"
        for split in SCORED_SPLITS
        if any(one.split is split and (one.truths >= 0).any() for one in predictions)
    )


def _draw(
    out: Path,
    predictions: Sequence[Predictions],
    labels: LabelSet,
    histories: Mapping[str, Sequence[History]],
) -> None:
    for stage in STAGES:
        found = seeds_of(predictions, stage, Split.TEST)
        if found and (found[0].truths >= 0).any():
            draw_confusion(out / f"confusion-{stage}.png", found, labels, title=f"{stage}, test")
    if histories:
        draw_curves(out / "curves.png", histories)
