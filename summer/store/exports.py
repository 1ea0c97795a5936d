"""Stores to the files that people already use: npz keyed by name, and the pickle layout of MMGCN.

The pickle is the tuple that MMGCN, DialogueRNN and their descendants load:

    ids        {dialogue: [utterance id, ...]}
    speakers   {dialogue: [one-hot over the dialogue's speaker slots, ...]}
    labels     {dialogue: [class index, ...]}; -1 where the truth is unknown
    text, audio, visual   {dialogue: [(width,) float32, ...]}; empty where no store was given
    sentences  {dialogue: [words, ...]}; "" where no store has the words
    train      [dialogue, ...] of the training and dev splits, dev last
    test       [dialogue, ...]
    dev        [dialogue, ...]

Dialogues are keyed `split/name`, because MELD's numbering restarts in each split. An encoder's head goes into
neither file: nobody who loads them would look for it.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from summer.corpus import Dialogue, LabelSet, Modality, Split, group_dialogues
from summer.durable import write_aside
from summer.store.hdf5 import FeatureStore
from summer.store.rows import Kind, StoreError


def export_npz(store: FeatureStore, path: Path) -> None:
    """Write one store as an npz file: an array per field, `raw` and, once reduced, `reduced` (rows, width).

    Text arrays are numpy's of fixed length, which lose NUL characters at the end of a row.

    Raises:
        DiskError: the disk is full or refuses.
    """
    utterances = store.rows.utterances
    arrays = {
        name: np.array([getattr(utterance, name) for utterance in utterances])
        for name in ("id", "split", "dialogue", "turn", "speaker", "label")
    }
    arrays["text"] = np.array([utterance.text for utterance in utterances], dtype=np.str_)
    arrays["status"] = np.array([status.value for status in store.rows.statuses])
    arrays["reason"] = np.array(store.rows.reasons)
    arrays["raw"] = store.features("raw")
    if store.reduced_width is not None:
        arrays["reduced"] = store.features("reduced")
    image = io.BytesIO()
    np.savez_compressed(image, allow_pickle=False, **arrays)
    write_aside(path, image.getvalue())


def export_pickle(stores: Sequence[FeatureStore], path: Path) -> None:
    """Write one store per modality as the pickle that MMGCN and its descendants load (see above).

    Reduced features are taken where a store has them, raw ones otherwise; words of the first store with any.

    Raises:
        StoreError: two stores of one modality, or stores of different utterances or labels.
        DiskError: the disk is full or refuses.
    """
    by_modality = {store.header.modality: store for store in stores}
    _refuse_strangers(stores, by_modality)
    dialogues = group_dialogues(stores[0].rows.utterances)
    labels = LabelSet(stores[0].header.labels)
    with_words = next((store for store in stores if store.rows.has_words), stores[0])
    words = {utterance.id: utterance.text for utterance in with_words.rows.utterances}
    content = (
        {_key(d): [utterance.id for utterance in d.utterances] for d in dialogues},
        {_key(d): _one_hot_speakers(d) for d in dialogues},
        {_key(d): [labels.index_or_unknown(u.label) for u in d.utterances] for d in dialogues},
        *(_vectors(by_modality.get(modality), dialogues) for modality in Modality),
        {_key(d): [words[utterance.id] for utterance in d.utterances] for d in dialogues},
        [_key(d) for split in (Split.TRAIN, Split.DEV) for d in dialogues if d.split is split],
        [_key(d) for d in dialogues if d.split is Split.TEST],
        [_key(d) for d in dialogues if d.split is Split.DEV],
    )
    write_aside(path, pickle.dumps(content))


def _refuse_strangers(stores: Sequence[FeatureStore], by_modality: dict[Modality, FeatureStore]) -> None:
    if len(by_modality) < len(stores):
        names = ", ".join(f"{store.path} ({store.header.modality})" for store in stores)
        raise StoreError(f"two stores of one modality: {names}; give one per modality")
    first = stores[0]
    for other in stores[1:]:
        same_rows = [u.id for u in first.rows.utterances] == [u.id for u in other.rows.utterances]
        if not same_rows or first.header.labels != other.header.labels:
            raise StoreError(
                f"{first.path} and {other.path} hold different utterances or labels; give stores of one run"
            )


def _key(dialogue: Dialogue) -> str:
    return f"{dialogue.split}/{dialogue.name}"


def _one_hot_speakers(dialogue: Dialogue) -> list[list[int]]:
    slots = range(len(dialogue.speakers))
    return [[int(slot == own) for slot in slots] for own in dialogue.speaker_slots]


def _vectors(store: FeatureStore | None, dialogues: Sequence[Dialogue]) -> dict[str, list[np.ndarray]]:
    if store is None:
        return {}
    kind: Kind = "raw" if store.reduced_width is None else "reduced"
    features, first_row, vectors = store.features(kind), 0, {}
    for dialogue in dialogues:
        last_row = first_row + len(dialogue.utterances)
        vectors[_key(dialogue)] = list(features[first_row:last_row])
        first_row = last_row
    return vectors
