"""A run's model, ready to be asked: it applies its own reducers, scales and speakers to whatever it is given.

A run folder is all it needs, wherever it was moved: `RUN/seed<N>/<model>.safetensors` holds weights,
scales, speakers and labels; `RUN/features/` the reducers and how the features were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from summer.conversations.batches import ConversationDealer
from summer.conversations.reading import Conversations
from summer.corpus import LabelSet, Modality, Split, Utterance
from summer.evaluation.predictions import Predictions
from summer.runs.features import FeatureOrigin, read_features
from summer.runs.folder import RunError, read_record, seed_folder
from summer.runs.model_input import ModelInput
from summer.store import Kind
from summer.training.attention import Attended, attended_in
from summer.training.checkpoints import Origin, TrainedModel, load_checkpoint
from summer.training.seed import look_at_split, predictions_of

MOST_UTTERANCES = 512  # of one dialogue, where a model has no limit of its own: attention grows by its square


def load_model(run: str | Path, *, model: str | None = None, seed: int | None = None) -> EmotionModel:
    """Load a trained model from a run, wherever the run's folder is now.

    Args:
        run: folder that summer-train or `summer.train` has written.
        model: its name; None for the last one of the run, which is the student where there is one.
        seed: None for the run's first.

    Raises:
        RunError: no run is there, or not that model or seed.
        CheckpointError: the model's file cannot be read.
    """
    folder = Path(run)
    record = read_record(folder)
    if not record:
        raise RunError(f"{folder} holds no run; give a folder that summer-train --out has written")
    models, seeds = list(record["models"]), list(record["seeds"])
    name = model or ("student" if "student" in models else models[-1])
    number = seeds[0] if seed is None else seed
    if name not in models or number not in seeds:
        raise RunError(
            f"{folder} has the models {', '.join(models)} of the seeds {', '.join(map(str, seeds))}, not the "
            f"{name} of seed {number}"
        )
    home = folder
    if name == "teacher" and record.get("teacher_run"):
        home = Path(record["teacher_run"])  # a student's file carries its teacher; alone it stays where it is
    return EmotionModel(load_checkpoint(seed_folder(home, number) / f"{name}.safetensors"), run=folder)


class EmotionModel:
    """A trained model with its reducers, scales, speakers and labels. Runs on the CPU until `to` moves it.

    Args:
        trained: the model and its scales.
        run: the folder whose `features/` says how its features are made.
    """

    def __init__(self, trained: TrainedModel, *, run: Path) -> None:
        self._trained = trained
        self._features = read_features(run)
        self._input = ModelInput(trained, run=run, features=self._features)
        self._device = torch.device("cpu")

    @property
    def name(self) -> str:
        """The model's name, such as "student"."""
        return self._trained.name

    @property
    def labels(self) -> LabelSet:
        """The emotion classes, in the order of its probabilities."""
        return self._trained.labels

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What it reads; a student reads its teacher's modality as well."""
        return self._trained.modalities

    @property
    def origin(self) -> Origin:
        """What it was trained on, and how its epoch was chosen."""
        return self._trained.origin

    @property
    def features(self) -> Mapping[Modality, FeatureOrigin]:
        """How its features were made, by modality; empty for a run of before 0.2.0."""
        return self._features

    @property
    def longest_dialogue(self) -> int:
        """How many utterances of one dialogue it can read, as SUMMER's two have an embedding per position."""
        limits = [getattr(part.options, "longest_dialogue", None) for part in self._trained.parts]
        return min((limit for limit in limits if limit is not None), default=MOST_UTTERANCES)

    def to(self, device: str | torch.device) -> EmotionModel:
        """Move it to another device; returns itself."""
        self._device = torch.device(device)
        self._trained.model.to(self._device)
        return self

    def predict_stores(self, stores: Sequence[str | Path]) -> list[Predictions]:
        """Predict every utterance of some stores, split by split.

        Args:
            stores: one per modality, of the same utterances. Features that the model was trained on are
                read as they are; raw ones by the same extractor go through the run's own reducer. A
                modality of the model without a store is missing in every utterance.

        Raises:
            StoreError: a store cannot be read.
            RunError: features of another extractor, or none of the model's modalities.
        """
        return self._predicted(self._input.of_stores(stores))

    def predict(
        self,
        utterances: Sequence[Utterance],
        features: Mapping[Modality, NDArray[np.float32]],
        *,
        kind: Kind = "raw",
    ) -> NDArray[np.float32]:
        """Probabilities (rows, cls) of some utterances, in their order.

        Args:
            utterances: of whole dialogues, each dialogue's together, in order of turn. Labels are not needed.
            features: (rows, dim) by modality; a row that is not finite or all zeros lacks that modality.
            kind: "raw" as extractors give them, which the run's reducers reduce; "reduced" as a store has
                them after reduction.

        Raises:
            RunError: a width that the model does not read, or none of its modalities.
        """
        predictions = self._predicted(self._input.of_arrays(utterances, features, kind))
        row_of = {
            name: row for one in predictions for name, row in zip(one.ids, one.probabilities, strict=True)
        }
        return np.stack([row_of[utterance.id] for utterance in utterances])

    def attention_in_stores(
        self, stores: Sequence[str | Path], splits: Sequence[Split] = tuple(Split)
    ) -> dict[str, Attended] | None:
        """What each utterance of some splits of some stores was read with in view, by id.

        Args:
            stores: as of `predict_stores`.

        Returns:
            None where the model does not tell, such as one without attention.

        Raises:
            StoreError, RunError: as `predict_stores`.
        """
        return self._attended(self._input.of_stores(stores), splits)

    def attention(
        self,
        utterances: Sequence[Utterance],
        features: Mapping[Modality, NDArray[np.float32]],
        *,
        kind: Kind = "raw",
    ) -> dict[str, Attended] | None:
        """What each of some utterances was read with in view, by id; None where the model does not tell.

        Args:
            utterances, features, kind: as of `predict`.

        Raises:
            RunError: as `predict`.
        """
        return self._attended(self._input.of_arrays(utterances, features, kind), tuple(Split))

    def _attended(self, conversations: Conversations, splits: Sequence[Split]) -> dict[str, Attended] | None:
        dealer = ConversationDealer(conversations, self._trained.identities)
        found = attended_in(self._trained, dealer, splits, device=self._device)
        return None if found is None else {conversations.utterances[one.row].id: one for one in found}

    def _predicted(self, conversations: Conversations) -> list[Predictions]:
        dealer = ConversationDealer(conversations, self._trained.identities)
        outlooks = [look_at_split(self._trained, dealer, split, device=self._device) for split in Split]
        return [
            predictions_of(conversations.utterances, outlook, self.name, seed=self.origin.seed)
            for outlook in outlooks
            if outlook is not None
        ]
