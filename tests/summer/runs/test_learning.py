"""learning.json and learning.png of a run: what its histories saw inside, and nothing of those of before."""

from __future__ import annotations

import json
from pathlib import Path

from summer.runs.experiment import train
from summer.runs.results import write_results
from tests.summer.battery import settings_for
from tests.summer.made_up import LABELS, write_stores
from tests.summer.made_up_training import made_learnable


def test_a_run_tells_what_was_seen_inside_and_one_of_before_breaks_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    stores = write_stores(tmp_path, made_learnable())
    run = train(
        out,
        stores,
        settings=settings_for("mlp", most_epochs=2),
        models=["teacher", "mlp"],
        seeds=[0, 1],
        device="cpu",
    )
    learned = json.loads((out / "learning.json").read_text(encoding="utf-8"))
    assert list(learned) == ["teacher", "mlp"]
    for model, of_seeds in learned.items():
        for seed, of_epochs in enumerate(of_seeds):
            path = out / f"seed{seed}" / f"{model}-history.json"
            history = json.loads(path.read_text(encoding="utf-8"))
            expected = [{"epoch": one["epoch"], **one["inside"], **one["drawn"]} for one in history]
            assert of_epochs == expected
    assert {*learned["teacher"][1][0]} == {"epoch", "content", "tau", "gradients", "kept_experts"}
    assert (out / "learning.png").read_bytes().startswith(b"\x89PNG")
    for path in out.glob("seed*/*-history.json"):  # as version 0.2.0 wrote them
        entries = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps([{k: v for k, v in one.items() if k != "inside"} for one in entries]))
    for name in ("learning.json", "learning.png", "results.json"):
        (out / name).unlink()
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["seeds"] == [0, 1]
    write_results(out, record, LABELS)
    assert (out / "results.json").is_file()
    assert not list(out.glob("learning.*"))
    assert run.path == out
