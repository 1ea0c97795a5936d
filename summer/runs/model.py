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
from summer.conversations.reading import (
    Conversations,
    ModalityFeatures,
    fingerprint_of_features,
    read_vectors,
    standardise,
)
from summer.corpus import LabelSet, Modality, Split, Utterance
from summer.evaluation.predictions import Predictions
from summer.reduction import RawRows, load_reducer
from summer.runs.features import FeatureOrigin, asset_path, read_features
from summer.runs.folder import RunError, read_record, seed_folder
from summer.store import FeatureStore, Header, Kind
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
        self._run = run
        self._features = read_features(run)
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
        opened: dict[Modality, ModalityFeatures] = {}
        utterances: tuple[Utterance, ...] = ()
        for path in map(Path, stores):
            with FeatureStore(path) as store:
                if utterances and [u.id for u in utterances] != [u.id for u in store.rows.utterances]:
                    raise RunError(
                        f"{path} holds other utterances than {stores[0]}; give stores of one corpus"
                    )
                utterances = tuple(store.rows.utterances)
                if store.header.modality in self.modalities:
                    opened[store.header.modality] = self._read(path, store)
        return self._predicted(self._conversations(utterances, opened))

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
        known = {
            m: self._given(m, vectors, utterances, kind)
            for m, vectors in features.items()
            if m in self.modalities
        }
        predictions = self._predicted(self._conversations(tuple(utterances), known))
        row_of = {
            name: row for one in predictions for name, row in zip(one.ids, one.probabilities, strict=True)
        }
        return np.stack([row_of[utterance.id] for utterance in utterances])

    def _read(self, path: Path, store: FeatureStore) -> ModalityFeatures:
        """A store's features as the model reads them."""
        modality, header = store.header.modality, store.header
        if fingerprint_of_features(store) == self.origin.fingerprints.get(modality):
            return read_vectors(store)
        kept = self._features.get(modality)
        if kept is None or header.fingerprint != kept.fingerprint:
            other, remedy = self._difference(kept, header)
            raise RunError(
                f"{path} has {modality} features of another extractor than {self._run} was trained on "
                f"(other: {other}); {remedy}"
            )
        vectors, usable = store.features("raw"), store.rows.usable
        return self._reduced(modality, vectors, usable, store.rows.utterances)

    def _difference(self, kept: FeatureOrigin | None, header: Header) -> tuple[str, str]:
        """In which settings a store's extractor differs from the run's, and what to do."""
        if kept is None:
            return (
                "fingerprint",
                "give the store that it was trained on: the run does not say how it was made",
            )
        names = sorted(header.settings.keys() | kept.settings.keys())
        differing = [name for name in names if header.settings.get(name) != kept.settings.get(name)]
        remedy = f"extract them with the settings in {self._run / 'features' / 'features.json'}"
        return ", ".join(differing) or "fingerprint", remedy

    def _given(
        self,
        modality: Modality,
        vectors: NDArray[np.float32],
        utterances: Sequence[Utterance],
        kind: Kind,
    ) -> ModalityFeatures:
        if len(vectors) != len(utterances):
            raise RunError(
                f"{len(vectors)} rows of {modality} for {len(utterances)} utterances; give one each"
            )
        usable = np.asarray(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1), dtype=bool)
        cleaned = np.where(usable[:, None], vectors, np.float32(0)).astype(np.float32)
        if kind == "reduced":
            return ModalityFeatures(vectors=cleaned, usable=usable, fingerprint="given")
        return self._reduced(modality, cleaned, usable, utterances)

    def _reduced(
        self,
        modality: Modality,
        vectors: NDArray[np.float32],
        usable: NDArray[np.bool_],
        utterances: Sequence[Utterance],
    ) -> ModalityFeatures:
        """Raw vectors as the model reads them: reduced where those that it was trained on were."""
        if "+" in self.origin.fingerprints.get(modality, ""):
            kept = self._features.get(modality)
            path = None if kept is None else asset_path(self._run, kept, "reducer")
            if kept is None or path is None:
                raise RunError(
                    f"{self._run} has no reducer of {modality}, which its features went through; give "
                    "reduced features, or train again with stores of this version"
                )
            if vectors.shape[1] != kept.dim:
                raise RunError(
                    f"raw {modality} features are {vectors.shape[1]} wide, the reducer of {self._run} reads "
                    f"{kept.dim}; give those of the same extractor"
                )
            vectors = load_reducer(path).apply(
                RawRows(features=vectors, usable=usable, utterances=utterances)
            )
        return ModalityFeatures(vectors=vectors, usable=usable, fingerprint="reduced here")

    def _conversations(
        self, utterances: tuple[Utterance, ...], features: Mapping[Modality, ModalityFeatures]
    ) -> Conversations:
        """Standardised features of all the model's modalities; one that is not given is usable nowhere."""
        if not features:
            raise RunError(
                f"the {self.name} reads {', '.join(self.modalities)}, of which nothing is given; give at "
                "least one"
            )
        dims = self._trained.feature_dims
        for modality, one in features.items():
            if one.dim != dims[modality]:
                raise RunError(
                    f"{modality} features are {one.dim} wide, the {self.name} reads {dims[modality]}; give "
                    "those of the same extractor and reducer"
                )
        absent = {
            m: ModalityFeatures(
                vectors=np.zeros((len(utterances), dims[m]), dtype=np.float32),
                usable=np.zeros(len(utterances), dtype=bool),
                fingerprint="absent",
            )
            for m in self.modalities
            if m not in features
        }
        conversations = Conversations(
            corpus=self.origin.corpus,
            protocol=self.origin.protocol,
            labels=self.labels,
            utterances=utterances,
            features={m: {**features, **absent}[m] for m in self.modalities},
        )
        standardise(conversations, self._trained.standardisations)
        return conversations

    def _predicted(self, conversations: Conversations) -> list[Predictions]:
        dealer = ConversationDealer(conversations, self._trained.identities)
        outlooks = [look_at_split(self._trained, dealer, split, device=self._device) for split in Split]
        return [
            predictions_of(conversations.utterances, outlook, self.name, seed=self.origin.seed)
            for outlook in outlooks
            if outlook is not None
        ]
