"""A small run on two stores, one of them reduced and with an encoder beside it; then moved away from them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from summer.baselines.mlp import MlpOptions
from summer.conversations.reading import Conversations
from summer.corpus import Modality
from summer.reduction import RawRows, fit_reducer
from summer.runs.experiment import train
from summer.training.seed import ModelSettings, Settings
from tests.summer.made_up import LABELS, write_store
from tests.summer.made_up_training import SETTINGS, TRAINING, made_learnable

TEXT, AUDIO = Modality.TEXT, Modality.AUDIO
MODELS = ("teacher", "student", "mlp")
SEEDS = (0, 1)
HOLES = MappingProxyType({AUDIO: (2, 24), TEXT: (24, 30)})  # of row 24 nothing is there
RUN_SETTINGS = Settings(
    model=SETTINGS.model,
    teacher=TRAINING,
    student=TRAINING,
    distillation=SETTINGS.distillation,
    rivals={"mlp": ModelSettings(options=MlpOptions(hidden_dim=8), training=TRAINING)},
)
EXTRACTORS = MappingProxyType(
    {
        TEXT: {"model": "bert, 2 layers, 6 wide", "mode": "tuned"},
        AUDIO: {"set": "ComParE_2016", "level": "functionals"},
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeRun:
    """Where everything is.

    Args:
        run: the finished run, after it was moved.
        stores: copies of the stores that it was trained on, by modality; those themselves are deleted.
        conversations: raw vectors.
        reduced: what the model reads, by modality.
    """

    run: Path
    stores: Mapping[Modality, Path]
    conversations: Conversations
    reduced: Mapping[Modality, NDArray[np.float32]]


def made_stores(folder: Path, conversations: Conversations) -> dict[Modality, Path]:
    """Text, which is reduced and has a tuned encoder in a folder beside it, and audio as it is."""
    folder.mkdir(parents=True)
    text, utterances = conversations.features[TEXT], conversations.utterances
    rows = RawRows(features=text.vectors, usable=text.usable, utterances=utterances)
    reducer = fit_reducer("pca", rows, labels=LABELS, width=4, seed=0)
    reducer.save(folder / "text.reducer.safetensors")
    (folder / "encoder" / "deep").mkdir(parents=True)
    (folder / "encoder" / "config.json").write_text("{}")
    (folder / "encoder" / "deep" / "weights").write_bytes(bytes(range(200)))
    return {
        TEXT: write_store(
            folder / "text.h5",
            conversations,
            TEXT,
            reduced=reducer.apply(rows),
            settings=EXTRACTORS[TEXT],
            assets={"reducer": "text.reducer.safetensors", "encoder": "encoder"},
        ),
        AUDIO: write_store(
            folder / "audio.h5",
            conversations,
            AUDIO,
            fingerprint="a" * 64,
            settings=EXTRACTORS[AUDIO],
            assets={"backbone": "somebody/on-a-hub"},
        ),
    }


def made_run(folder: Path) -> MadeRun:
    """Train three models of two seeds, move the run, and keep of its stores copies only."""
    conversations = made_learnable(holes=HOLES)
    begun = made_stores(folder / "begun", conversations)
    train(
        folder / "begun-run",
        list(begun.values()),
        settings=RUN_SETTINGS,
        models=MODELS,
        seeds=SEEDS,
        device="cpu",
    )
    (folder / "copies").mkdir()
    copies = {m: Path(shutil.copy(path, folder / "copies" / f"{m}.h5")) for m, path in begun.items()}
    run = folder / "elsewhere" / "run"
    run.parent.mkdir()
    shutil.move(folder / "begun-run", run)
    text = conversations.features[TEXT]
    rows = RawRows(features=text.vectors, usable=text.usable, utterances=conversations.utterances)
    reducer = fit_reducer("pca", rows, labels=LABELS, width=4, seed=0)
    shutil.rmtree(folder / "begun")
    return MadeRun(
        run=run,
        stores=copies,
        conversations=conversations,
        reduced={TEXT: reducer.apply(rows), AUDIO: conversations.features[AUDIO].vectors},
    )
