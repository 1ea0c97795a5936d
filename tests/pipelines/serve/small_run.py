"""A run of words and sound that is trained in seconds, to be asked about recordings."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from pipelines.train.command import app
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.pipelines.extract.small_corpus import SmallCorpus, said
from tests.pipelines.predict.small_runs import SHORT


def small_run(folder: Path) -> Path:
    """Extract, train; the folder of the run, which knows how its features were made."""
    corpus = SmallCorpus(folder, train=4)
    roberta_folder(folder / "encoder")
    words = ("-o", f"text.model={folder / 'encoder'}", "-o", "text.mode=frozen", "-o", "text.folds=0")
    said(corpus.extract(folder / "stores", *words, modality="text"))
    said(corpus.extract(folder / "stores", "-o", "reduction.audio.method=none"))
    typed = ["--recipe", "demo", "--features", folder / "stores" / "clips", "--out", folder / "run"]
    said(CliRunner().invoke(app, [*map(str, typed), "--device", "cpu", *SHORT]))
    return folder / "run"
