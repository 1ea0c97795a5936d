"""All conversations of a corpus, read from one store per modality and checked to belong together.

Features are standardised robustly (`summer.conversations.standardisation`), fitted on the usable rows of the
training split only. Rows that are not ok keep their status as a mask.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.conversations.standardisation import Standardisation, fit_standardisation
from summer.corpus import LabelSet, Modality, Split, Utterance
from summer.store import EncoderHead, FeatureStore

LOGGER = logging.getLogger(__name__)
ROWS_AT_ONCE = 1024


class ConversationError(ValueError):
    """Stores that cannot be trained on; the message names them and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityFeatures:
    """One modality of every utterance.

    Args:
        vectors: (rows, dim) float32, zeros where not usable.
        usable: (rows,) True where the status is ok.
        fingerprint: of the store, with its reducer's where the features are reduced.
        head: what the encoder made of these vectors as the store has them; None where it had no head, and of
            reduced vectors, whose axes are others.
    """

    vectors: NDArray[np.float32]
    usable: NDArray[np.bool_]
    fingerprint: str
    head: EncoderHead | None = None

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversations:
    """A corpus, ready to be dealt out in batches.

    Args:
        utterances: one per row, in corpus order.
        features: by modality, in the order text, audio, video.
        digest: of the annotations, as the stores have it.
    """

    corpus: str
    protocol: str
    labels: LabelSet
    utterances: tuple[Utterance, ...]
    features: Mapping[Modality, ModalityFeatures]
    digest: str = ""

    def counted(self, split: Split) -> NDArray[np.bool_]:
        """(rows,) True where an utterance of `split` has a truth and at least one usable modality."""
        seen = np.any([one.usable for one in self.features.values()], axis=0)
        labelled = np.array([u.is_labelled and u.split is split for u in self.utterances], dtype=bool)
        both: NDArray[np.bool_] = seen & labelled
        return both

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of each modality's features."""
        return {modality.value: one.fingerprint for modality, one in self.features.items()}


def read_conversations(paths: Sequence[Path]) -> Conversations:
    """Read one store per modality.

    Args:
        paths: of stores, at least one; reduced features are read where a store has them.

    Raises:
        StoreError: a store cannot be read.
        ConversationError: two stores of one modality, stores that do not belong together, a row that is ok
            and not finite, or a label that is not of the label set.
    """
    if not paths:
        raise ConversationError("no feature store is given; make some with summer-extract")
    with ExitStack() as stack:
        stores = [stack.enter_context(FeatureStore(path)) for path in paths]
        check_together(stores)
        stores.sort(key=lambda store: list(Modality).index(store.header.modality))
        first = stores[0].header
        conversations = Conversations(
            corpus=first.corpus,
            protocol=first.protocol,
            labels=LabelSet(first.labels),
            utterances=tuple(stores[0].rows.utterances),
            features={store.header.modality: read_vectors(store) for store in stores},
            digest=first.corpus_digest,
        )
    strange = {u.label for u in conversations.utterances if u.label} - set(conversations.labels.names)
    if strange:
        raise ConversationError(
            f"label {min(strange)!r} is not one of {', '.join(conversations.labels.names)}; extract again"
        )
    return conversations


def fit_standardisations(conversations: Conversations) -> dict[Modality, Standardisation]:
    """Measure each modality on the usable rows of the training split."""
    training = np.array([u.split is Split.TRAIN for u in conversations.utterances], dtype=bool)
    return {
        modality: fit_standardisation(one.vectors[one.usable & training])
        for modality, one in conversations.features.items()
    }


def standardise(conversations: Conversations, standardisations: Mapping[Modality, Standardisation]) -> None:
    """Standardise the vectors in place, so that a corpus is in memory once; rows not usable stay zeros."""
    for modality, standardisation in standardisations.items():
        one = conversations.features[modality]
        for start in range(0, len(one.vectors), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            standardised = standardisation.apply(one.vectors[rows])
            one.vectors[rows] = np.where(one.usable[rows, None], standardised, np.float32(0))


def check_together(stores: Sequence[FeatureStore]) -> None:
    """See that stores are of the same utterances, one per modality; one that is not whole is warned of.

    Raises:
        ConversationError: two stores of one modality, or stores that do not belong together.
    """
    _check_modalities(stores)
    for store in stores[1:]:
        _check_pair(stores[0], store)


def _check_modalities(stores: Sequence[FeatureStore]) -> None:
    seen: dict[Modality, FeatureStore] = {}
    for store in stores:
        other = seen.setdefault(store.header.modality, store)
        if other is not store:
            raise ConversationError(
                f"{other.path} and {store.path} both hold {store.header.modality}; give one store per "
                "modality"
            )
        if not store.header.complete:
            LOGGER.warning(
                "%s holds %d utterances and not the whole corpus (--limit, or rows left to do): these are "
                "all that is trained and measured on",
                store.path,
                len(store.rows),
            )


def _check_pair(first: FeatureStore, other: FeatureStore) -> None:
    for name, remedy in (
        ("corpus", "give stores of one corpus"),
        ("protocol", "runs of different protocols are never mixed: extract one of them again"),
        ("labels", "give stores of one label set"),
        (
            "corpus_digest",
            "their annotations differ: run summer-extract again, it brings the older up to date",
        ),
    ):
        ours, theirs = getattr(first.header, name), getattr(other.header, name)
        if ours != theirs:
            raise ConversationError(
                f"{first.path} and {other.path} do not belong together: {name} {_short(ours)} and "
                f"{_short(theirs)}; {remedy}"
            )
    for ours, theirs in zip(first.rows.utterances, other.rows.utterances, strict=False):
        if ours.id != theirs.id:
            raise ConversationError(
                f"{first.path} and {other.path} hold different utterances: {ours.id} and {theirs.id} in one "
                "row; extract one of them again"
            )
    if len(first.rows) != len(other.rows):
        raise ConversationError(
            f"{first.path} has {len(first.rows)} rows and {other.path} {len(other.rows)}; "
            "extract one of them again"
        )


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:16]}..."


def read_vectors(store: FeatureStore) -> ModalityFeatures:
    """The features that a model reads of a store: reduced where it has them, else raw.

    Raises:
        ConversationError: a row that is ok is not finite.
    """
    is_raw = store.reduced_width is None
    vectors = store.features("raw" if is_raw else "reduced")
    usable = store.rows.usable
    _check_finite(store, vectors, usable)
    return ModalityFeatures(
        vectors=vectors,
        usable=usable,
        fingerprint=fingerprint_of_features(store),
        head=store.head if is_raw else None,
    )


def fingerprint_of_features(store: FeatureStore) -> str:
    """What `read_vectors` reads: the store's fingerprint, with its reducer's where it is reduced."""
    header = store.header
    if store.reduced_width is None:
        return header.fingerprint
    return f"{header.fingerprint}+{header.reduction.get('fingerprint', '')}"


def _check_finite(store: FeatureStore, vectors: NDArray[np.float32], usable: NDArray[np.bool_]) -> None:
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        finite = np.isfinite(vectors[start : start + ROWS_AT_ONCE]).all(axis=1)
        bad = np.flatnonzero(usable[start : start + ROWS_AT_ONCE] & ~finite)
        if len(bad):
            raise ConversationError(
                f"{store.path}: row {store.rows.utterances[start + int(bad[0])].id} holds NaN or infinity "
                "though its status is ok; extract or import the store again with --overwrite"
            )
