"""What a run's model is given, as it reads it: stores or arrays through the run's own reducers and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.conversations.reading import (
    Conversations,
    ModalityFeatures,
    fingerprint_of_features,
    read_vectors,
    standardise,
)
from summer.corpus import Modality, Utterance
from summer.reduction import RawRows, load_reducer
from summer.runs.features import FeatureOrigin, asset_path
from summer.runs.folder import RunError
from summer.store import FeatureStore, Header, Kind
from summer.training.checkpoints import TrainedModel


class ModelInput:
    """Stores or arrays to standardised features of all modalities that a trained model reads.

    Args:
        run: the folder that has the reducers.
        features: how the run's features were made.
    """

    def __init__(
        self, trained: TrainedModel, *, run: Path, features: Mapping[Modality, FeatureOrigin]
    ) -> None:
        self._trained, self._run, self._features = trained, run, features

    def of_stores(self, stores: Sequence[str | Path]) -> Conversations:
        """Those of `EmotionModel.predict_stores`.

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
                if store.header.modality in self._trained.modalities:
                    opened[store.header.modality] = self._read(path, store)
        return self._conversations(utterances, opened)

    def of_arrays(
        self, utterances: Sequence[Utterance], features: Mapping[Modality, NDArray[np.float32]], kind: Kind
    ) -> Conversations:
        """Those of `EmotionModel.predict`.

        Raises:
            RunError: a width that the model does not read, or none of its modalities.
        """
        known = {
            modality: self._given(modality, vectors, utterances, kind)
            for modality, vectors in features.items()
            if modality in self._trained.modalities
        }
        return self._conversations(tuple(utterances), known)

    def _read(self, path: Path, store: FeatureStore) -> ModalityFeatures:
        """A store's features as the model reads them."""
        modality, header = store.header.modality, store.header
        if fingerprint_of_features(store) == self._trained.origin.fingerprints.get(modality):
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
        if "+" in self._trained.origin.fingerprints.get(modality, ""):
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
        name = self._trained.name
        if not features:
            raise RunError(
                f"the {name} reads {', '.join(self._trained.modalities)}, of which nothing is given; give at "
                "least one"
            )
        dims = self._trained.feature_dims
        for modality, one in features.items():
            if one.dim != dims[modality]:
                raise RunError(
                    f"{modality} features are {one.dim} wide, the {name} reads {dims[modality]}; give "
                    "those of the same extractor and reducer"
                )
        absent = {
            m: ModalityFeatures(
                vectors=np.zeros((len(utterances), dims[m]), dtype=np.float32),
                usable=np.zeros(len(utterances), dtype=bool),
                fingerprint="absent",
            )
            for m in self._trained.modalities
            if m not in features
        }
        conversations = Conversations(
            corpus=self._trained.origin.corpus,
            protocol=self._trained.origin.protocol,
            labels=self._trained.labels,
            utterances=utterances,
            features={m: {**features, **absent}[m] for m in self._trained.modalities},
        )
        standardise(conversations, self._trained.standardisations)
        return conversations
