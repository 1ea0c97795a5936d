"""A small corpus with the runs that `summer-predict` is asked with."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from pipelines.train.command import app as train_app
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.pipelines.extract.small_corpus import SmallCorpus, reduced_by, said

SHORT = [
    word
    for name in ("teacher", "student")
    for word in ("-o", f"{name}.most_epochs=2", "-o", f"{name}.least_steps=0")
]


def corpus_with_runs(folder: Path) -> SmallCorpus:
    """Text read out of fold by tuned encoders, sound reduced; with their runs: `words` and `both`."""
    made = SmallCorpus(folder, train=6)
    roberta_folder(folder / "encoder")
    tuned = ["text.mode=tuned", "text.folds=3", "text.new_rows=mean", "text.tuning.epochs=1"]
    words = [word for key in (f"text.model={folder / 'encoder'}", *tuned) for word in ("-o", key)]
    said(made.extract(folder / "stores", *words, modality="text"))
    said(made.extract(folder / "stores", *reduced_by("pca")))
    stores = folder / "stores" / "clips"
    for name, modalities in (("words", ["text"]), ("both", ["text", "audio"])):
        chosen = [word for modality in modalities for word in ("--store", str(stores / f"{modality}.h5"))]
        typed = ["--recipe", "demo", *chosen, "--out", str(folder / name), "--device", "cpu", *SHORT]
        said(CliRunner().invoke(train_app, typed))
    return made
