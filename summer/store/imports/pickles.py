"""The field's pickles as feature stores, one per modality that the pickle has (layouts: see `layouts.py`).

The stores of one pickle belong together: their digest is the sha256 over ids, order, splits, speakers and
labels.
A vector with NaN is corrupt; one of zeros only is missing: that is how these files mark what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from summer.corpus import Modality, Split, Status, Utterance
from summer.durable import file_sha256
from summer.store.imports.conversations import Conversation, conversations, entries, fields_of_layout
from summer.store.imports.imported import ImportedStore, fingerprint_of, sha256_of
from summer.store.imports.layouts import LABELS_OF_CORPUS, LAYOUTS, MAIN_FILE, OTHER_FILES, TEXT_LAYERS
from summer.store.imports.trial import read_pickle
from summer.store.imports.unpickle import ImportFileError
from summer.store.rows import Header, Rows

TextLayers = Literal["mean", "first", "concat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleOptions:
    """How a pickle is to be read.

    Args:
        corpus: names the stores' corpus; for meld and iemocap the label set is known.
        labels: names of the class indices in their order; empty for the corpus' own.
        dev_dialogues: names of those dialogues of train that are dev.
        text_layers: of several layers of RoBERTa their mean, the first (last hidden), or all side by side.

    Raises:
        ImportFileError: an unknown layout, or a corpus whose labels are not known.
    """

    layout: str
    corpus: str
    labels: tuple[str, ...] = ()
    dev_dialogues: tuple[str, ...] = ()
    text_layers: TextLayers = "mean"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ImportFileError(f"layout {self.layout!r} is not one of {', '.join(LAYOUTS)}; choose one")
        if not self.labels and self.corpus not in LABELS_OF_CORPUS:
            raise ImportFileError(
                f"the labels of corpus {self.corpus!r} are not known; name them in the order of their "
                "indices (--labels a,b,c), or give one of " + ", ".join(LABELS_OF_CORPUS)
            )


def import_pickle(
    path: Path, options: PickleOptions, *, modalities: Sequence[Modality] = tuple(Modality)
) -> list[ImportedStore]:
    """One store per modality that is asked for and there.

    Raises:
        ImportFileError: no safe pickle, another layout, lengths that disagree, or none of the modalities.
    """
    files = _files(path, options.layout)
    fields = fields_of_layout(files[None], read_pickle(files[None]), options.layout)
    fields |= {modality.value: _by_dialogue(file) for modality, file in files.items() if modality}
    labels = options.labels or LABELS_OF_CORPUS[options.corpus]
    found = conversations(path, fields, labels=labels, dev_dialogues=options.dev_dialogues)
    if not found:
        raise ImportFileError(f"{path} names no dialogue in train or test; choose another --layout")
    present = [modality for modality in modalities if fields.get(modality.value)]
    if not present:
        raise ImportFileError(
            f"{path} has no {' or '.join(modalities)} features under layout {options.layout}; choose another "
            "--modality or --layout"
        )
    sources = {
        modality: [files[None], *([files[modality]] if modality in files else [])] for modality in present
    }
    return [
        _store(path, fields, found, options=options, modality=modality, sources=sources[modality])
        for modality in present
    ]


def _files(path: Path, layout: str) -> dict[Modality | None, Path]:
    """The pickle with the tuple under None, and where the layout has such, one per modality."""
    if layout not in MAIN_FILE:
        return {None: path}
    folder = path if path.is_dir() else path.parent
    others = {modality: folder / name for modality, name in OTHER_FILES[layout].items()}
    return {None: folder / MAIN_FILE[layout], **{m: file for m, file in others.items() if file.is_file()}}


def _by_dialogue(path: Path) -> dict[Any, Any]:
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise ImportFileError(
            f"{path} holds a {type(content).__name__}, not vectors by dialogue; give the file of features"
        )
    return content


def _store(
    path: Path,
    fields: Mapping[str, Any],
    found: Sequence[Conversation],
    *,
    options: PickleOptions,
    modality: Modality,
    sources: Sequence[Path],
) -> ImportedStore:
    layers = [fields[name] for name in TEXT_LAYERS if name in fields]
    layers = layers if modality is Modality.TEXT else [fields[modality.value]]
    rows, vectors = _rows_and_vectors(path, found, layers, modality=modality, combine=options.text_layers)
    settings = {
        "source": ", ".join(file.name for file in sources),
        "source_sha256": ", ".join(file_sha256(file) for file in sources),
        "format": "pickle",
        "layout": options.layout,
        "labels": ", ".join(options.labels or LABELS_OF_CORPUS[options.corpus]),
        "dev_dialogues": ", ".join(sorted(options.dev_dialogues)) or "as in the file",
    }
    if len(layers) > 1:
        settings["text_layers"] = options.text_layers
    header = Header(
        corpus=options.corpus,
        protocol=f"layout={options.layout}",
        modality=modality,
        labels=options.labels or LABELS_OF_CORPUS[options.corpus],
        dim=vectors.shape[1],
        fingerprint=fingerprint_of({**settings, "corpus": options.corpus, "modality": modality.value}),
        corpus_digest=_digest(rows.utterances),
        complete=True,
        settings=settings,
    )
    return ImportedStore(header=header, rows=rows, vectors=vectors, notes=_notes(fields, found))


def _rows_and_vectors(
    path: Path,
    found: Sequence[Conversation],
    layers: Sequence[Mapping[Any, Any]],
    *,
    modality: Modality,
    combine: TextLayers,
) -> tuple[Rows, NDArray[np.float32]]:
    widths: dict[int, Any] = {}
    blocks: list[NDArray[np.float32] | None] = []
    for conversation in found:
        matrix = _matrix(path, conversation, layers, modality=modality, combine=combine)
        blocks.append(matrix)
        if matrix is not None:
            widths.setdefault(matrix.shape[1], conversation.key)
    if len(widths) != 1:
        told = " and ".join(f"{width} wide in dialogue {str(key)!r}" for width, key in widths.items())
        raise ImportFileError(
            f"{path}: {modality} vectors are {told or 'in no dialogue'}; they must be of one width"
        )
    width = next(iter(widths))
    outcomes, vectors = [], []
    for conversation, block in zip(found, blocks, strict=True):
        absent = f"{path.name} has no {modality} of dialogue {conversation.key}"
        count = len(conversation.utterances)
        outcomes += [(Status.MISSING, absent)] * count if block is None else [_outcome(row) for row in block]
        vectors.append(np.zeros((count, width), dtype=np.float32) if block is None else block)
    rows = Rows(
        utterances=[utterance for conversation in found for utterance in conversation.utterances],
        statuses=[status for status, _ in outcomes],
        reasons=[reason for _, reason in outcomes],
    )
    return rows, np.where(rows.usable[:, np.newaxis], np.concatenate(vectors), np.float32(0))


def _matrix(
    path: Path,
    conversation: Conversation,
    layers: Sequence[Mapping[Any, Any]],
    *,
    modality: Modality,
    combine: TextLayers,
) -> NDArray[np.float32] | None:
    """(utterances, width) of one dialogue; None where the pickle has nothing of it."""
    key, count = conversation.key, len(conversation.utterances)
    if any(key not in layer for layer in layers):
        return None
    used = layers[:1] if combine == "first" else layers
    blocks = [entries(path, layer[key], field=modality.value, key=key, count=count) for layer in used]
    try:
        with np.errstate(over="ignore"):  # past float32's range: not finite, so corrupt
            matrices = [np.asarray(block, dtype=np.float32).reshape(count, -1) for block in blocks]
            return np.concatenate(matrices, axis=1) if combine == "concat" else np.mean(matrices, axis=0)
    except (TypeError, ValueError) as error:
        raise ImportFileError(
            f"{path}: the {modality} vectors of dialogue {str(key)!r} make no table ({error}); correct "
            "them, or take the dialogue out of the splits"
        ) from error


def _outcome(vector: NDArray[np.float32]) -> tuple[Status, str]:
    strange = int(np.count_nonzero(~np.isfinite(vector)))
    if strange:
        return Status.CORRUPT, f"{strange} of its {len(vector)} values are not finite"
    if not vector.any():
        return Status.MISSING, "its vector is all zeros"
    return Status.OK, ""


def _digest(utterances: Sequence[Utterance]) -> str:
    return sha256_of([[u.id, u.split, u.dialogue, u.turn, u.speaker, u.label] for u in utterances])


def _notes(fields: Mapping[str, Any], found: Sequence[Conversation]) -> tuple[str, ...]:
    notes = []
    left_out = len(fields["labels"]) - len(found)
    if left_out > 0:
        notes.append(f"{left_out} dialogues that are in no split, or empty, are left out")
    without_words = sum(conversation.words_left_out for conversation in found)
    if without_words:
        notes.append(f"{without_words} dialogues have sentences that are not one text per label: left out")
    if not any(utterance.split is Split.DEV for c in found for utterance in c.utterances):
        notes.append(
            "there is no dev split; name the dialogues of train that are dev in a file, one per line: "
            "--dev-dialogues FILE"
        )
    return tuple(notes)
