"""Out-of-fold reduction: training rows are reduced by reducers that were not trained on them.

`dialogue-rnn` learns from the labels of the training split, and its vectors of those rows look far surer than
those of new ones. So it is trained on all training rows, and again without each of K folds of the training
dialogues: the reducer without a fold reduces that fold's rows, the one trained on all reduces dev, test and
new rows. Vectors of the former come into the axes of the latter by the rotation of `summer.folds`, fitted on
the training rows that both were trained on; dev and test take no part in it. Dev chooses the epoch of each.

The rotation alone: text also moves a vector until the one head in its store gives it the logits of the fold's
own head. Reduced vectors have no head in the store, and the classifier that the reducer is trained by is not
linear in them (it begins with ReLU), so there is no nearest vector in closed form.

Each reducer is a step that is found again: a file in a folder whose name ends in a digest of all that they
depend on (vectors, speakers and labels of train and dev, folds, options).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.corpus import LabelSet, Split, Utterance, group_dialogues
from summer.folds import folds_of, procrustes
from summer.reduction.options import DialogueRnnOptions, default_dialogue_rnn_options
from summer.reduction.reducer import Reducer, fit_reducer, load_reducer
from summer.reduction.rows import RawRows, ReductionError

DIGEST_LETTERS = 12  # of the digest in the folder's name
NO_FOLD = -1  # of rows of dev and test


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """Reduced rows, and the reducer of new ones.

    Args:
        whole: trained on all training rows.
        vectors: (rows, width) float32, zeros where not usable.
        description: what the whole reducer says of itself, its fingerprint as `reducer`; of each fold which
            reducer, aligned how, reduced which dialogues; `fingerprint` is of all of it.
    """

    whole: Reducer
    vectors: NDArray[np.float32]
    description: Mapping[str, str]


def reduce_out_of_fold(
    rows: RawRows,
    *,
    labels: LabelSet,
    width: int,
    seed: int,
    folds: int,
    folder: Path,
    options: DialogueRnnOptions | None = None,
) -> OutOfFold:
    """Train `dialogue-rnn` on all and without each fold, or find it trained; reduce each row by its own.

    Args:
        rows: of the whole store, in corpus order.
        folds: K, of which `summer.folds` deals one to each training dialogue.
        folder: where the reducers are kept; its name is lengthened by `-` and the digest.

    Raises:
        ReductionError: as `fit_reducer`, of the rows without a fold as well; a kept reducer is damaged.
        BatchError: the rows of a dialogue do not stand together.
        ValueError: fewer than two folds, or more than training dialogues; a label is not of the set.
        DiskError: disk full, or the folder cannot be written.
    """
    fold_of = folds_of(group_dialogues(rows.utterances), folds, option="folds")
    _check_rows(rows, fold_of, width)
    fit = _Fit(labels=labels, width=width, seed=seed, options=options or default_dialogue_rnn_options())
    steps = folder.with_name(f"{folder.name}-{fit.digest(rows, fold_of)[:DIGEST_LETTERS]}")
    whole = fit.found_or_made(steps / "all.safetensors", rows)
    in_whole, training = whole.apply(rows), rows.usable_in(Split.TRAIN)
    fold_of_row = np.array([_fold(utterance, fold_of) for utterance in rows.utterances])
    of_test = np.array([utterance.split is Split.TEST for utterance in rows.utterances])
    reduced, told = in_whole.copy(), {"folds": str(folds)}
    for fold in sorted(set(fold_of.values())):
        of_fold = fold_of_row == fold
        # Left out, not marked unusable: absent dialogues take no place in a batch. Test is not read anyway.
        seen = rows.only(~of_fold & ~of_test)
        reducer = fit.found_or_made(steps / f"without-fold-{fold + 1}.safetensors", seen)
        vectors = reducer.apply(training)
        both, own = training.usable & ~of_fold, training.usable & of_fold
        alignment = procrustes(vectors[both], in_whole[both])
        reduced[own] = alignment(vectors[own])
        names = [name for name, number in fold_of.items() if number == fold]
        told[f"fold_{fold + 1}"] = (
            f"{names[0]} to {names[-1]} by {reducer.fingerprint}, aligned by {alignment.sha256}"
        )
    return OutOfFold(whole=whole, vectors=reduced, description=_description(whole, told))


def _check_rows(rows: RawRows, fold_of: Mapping[str, int], width: int) -> None:
    """Refuse what only the last of the fits would meet: a subset may lie in one fold."""
    usable = Counter(fold_of[u.dialogue] for u in rows.usable_in(Split.TRAIN).usable_utterances())
    largest = max(fold_of.values(), key=lambda fold: usable[fold])
    least = usable.total() - usable[largest]
    if least < width <= usable.total():
        raise ReductionError(
            f"without fold {largest + 1} there are {least} usable training rows, fewer than the reduced "
            f"width {width} asked for; ask for no folds, or for a smaller width, or extract more rows"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """How `dialogue-rnn` is trained, whatever the rows."""

    labels: LabelSet
    width: int
    seed: int
    options: DialogueRnnOptions

    def found_or_made(self, path: Path, rows: RawRows) -> Reducer:
        """The reducer that an earlier run left at `path`; else one trained now, and left there."""
        if path.is_file():
            return load_reducer(path)
        reducer = fit_reducer(
            "dialogue-rnn", rows, labels=self.labels, width=self.width, seed=self.seed, options=self.options
        )
        reducer.save(path)
        return reducer

    def digest(self, rows: RawRows, fold_of: Mapping[str, int]) -> str:
        """The sha256 over all that the reducers depend on: rows of test are no part of it."""
        seen = rows.usable_in(Split.TRAIN, Split.DEV)
        asked = {**asdict(self), "fold_of": dict(fold_of), "rows": seen.told_in_training()}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
        for _, vectors in seen.blocks():
            digest.update(np.ascontiguousarray(vectors, dtype="<f4").data)
        return digest.hexdigest()


def _fold(utterance: Utterance, fold_of: Mapping[str, int]) -> int:
    return fold_of[utterance.dialogue] if utterance.split is Split.TRAIN else NO_FOLD


def _description(whole: Reducer, folds: Mapping[str, str]) -> dict[str, str]:
    told = {**whole.description, "reducer": whole.fingerprint, **folds}
    return {**told, "fingerprint": hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}
