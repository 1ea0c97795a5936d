"""Predictions of one model, seed and split, and the table of a run that keeps them.

RUN/predictions.csv is UTF-8 text, one row per seed, split and utterance, any number of models side by side:

    seed, split, id, dialogue, truth, <model>..., <model>_<label>...

such as `..., truth, teacher, student, teacher_joy, ..., student_joy, ...`. `truth` and `<model>` are
labels; the rest are probabilities, written so that float32 returns bit by bit and with it the guess. A
truth that is unknown, and a model that was not run on that seed and split, are empty cells.

Dimensions: `rows` utterances, `cls` emotion classes in the order of the label set.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.corpus import UNKNOWN_LABEL, LabelSet, Split
from summer.durable import write_aside

FIXED_COLUMNS = ("seed", "split", "id", "dialogue", "truth")
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")  # no "_": it parts a model from a label in the header
ANEW = "write it anew: run summer-train again with the same --out"


class PredictionsError(ValueError):
    """Predictions that cannot be used; the message names the place and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What one trained model says of one split.

    Args:
        model: its name, in small letters, digits and hyphens.
        ids: of the utterances, each once.
        dialogues: the dialogue of each utterance.
        truths: (rows,) index of the right class, -1 where it is unknown: such a row is in no score.
        probabilities: (rows, cls).

    Raises:
        PredictionsError: no such name, no rows, lengths that differ, an id given twice, a truth that is no
            class, a probability that is not a finite number.
    """

    model: str
    seed: int
    split: Split
    ids: tuple[str, ...]
    dialogues: tuple[str, ...]
    truths: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not MODEL_NAME.fullmatch(self.model) or self.model in FIXED_COLUMNS:
            raise PredictionsError(
                f"{self.model!r} is no name of a model; give small letters, digits and hyphens, and none of "
                f"{', '.join(FIXED_COLUMNS)}"
            )
        if self.probabilities.ndim != 2 or 0 in self.probabilities.shape:
            raise PredictionsError(
                f"{self.name}: probabilities of shape {self.probabilities.shape}; give (rows, cls), at least "
                "one of each"
            )
        rows, classes = self.probabilities.shape
        for name in ("ids", "dialogues", "truths"):
            if len(getattr(self, name)) != rows:
                raise PredictionsError(
                    f"{self.name}: {len(getattr(self, name))} {name} for {rows} rows of probabilities; give "
                    "one per row"
                )
        if len(set(self.ids)) < rows:
            twice = next(name for row, name in enumerate(self.ids) if name in self.ids[:row])
            raise PredictionsError(f"{self.name}: utterance {twice!r} is there twice; give it once")
        if self.truths.min() < UNKNOWN_LABEL or self.truths.max() >= classes:
            raise PredictionsError(
                f"{self.name}: truths from {self.truths.min()} to {self.truths.max()} for {classes} classes; "
                f"give 0 to {classes - 1}, or {UNKNOWN_LABEL} where the truth is unknown"
            )
        if not np.isfinite(self.probabilities).all():
            row = int(np.flatnonzero(~np.isfinite(self.probabilities).all(axis=1))[0])
            raise PredictionsError(
                f"{self.name}: a probability of {self.ids[row]!r} is not a finite number; the model has "
                "diverged: train it anew with a lower learning rate"
            )

    @property
    def name(self) -> str:
        """Whose predictions these are, for messages."""
        return f"{self.model}, seed {self.seed}, {self.split}"

    @property
    def guesses(self) -> NDArray[np.int64]:
        """(rows,) index of the most probable class, the first of equals."""
        most: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return most


def aligned(predictions: Predictions, reference: Predictions) -> Predictions:
    """`predictions` with rows in the order of `reference`.

    Raises:
        PredictionsError: another split, classes, utterances, dialogues or truths; names the first utterance.
    """
    pair = f"({reference.name}) and ({predictions.name})"
    classes = [found.probabilities.shape[1] for found in (reference, predictions)]
    if reference.split is not predictions.split or classes[0] != classes[1]:
        raise PredictionsError(
            f"{pair} are of different splits or numbers of classes, {classes[0]} and {classes[1]}; compare "
            "like with like"
        )
    row_of = {name: row for row, name in enumerate(predictions.ids)}
    known = set(reference.ids)
    missing = next((name for name in reference.ids if name not in row_of), None)
    stranger = next((name for name in predictions.ids if name not in known), None)
    if missing is not None or stranger is not None:
        first, where = (missing, "first") if missing is not None else (stranger, "second")
        raise PredictionsError(
            f"{pair} predict different utterances: {first!r} is only in the {where}; predict the same ones"
        )
    order = np.array([row_of[name] for name in reference.ids])
    result = replace(
        predictions,
        ids=reference.ids,
        dialogues=tuple(predictions.dialogues[row] for row in order),
        truths=predictions.truths[order],
        probabilities=predictions.probabilities[order],
    )
    for name, *facts in zip(
        reference.ids, reference.dialogues, result.dialogues, reference.truths, result.truths, strict=True
    ):
        if facts[0] != facts[1] or facts[2] != facts[3]:
            raise PredictionsError(
                f"{pair} do not agree on the dialogue or truth of {name!r}: {facts[0]!r}, class {facts[2]} "
                f"and {facts[1]!r}, class {facts[3]}; read both from the same corpus"
            )
    return result


def models_of(predictions: Sequence[Predictions]) -> list[str]:
    """The names of the models, in the order in which they come first."""
    return list(dict.fromkeys(found.model for found in predictions))


def write_predictions(path: Path, predictions: Sequence[Predictions], labels: LabelSet) -> None:
    """Write all predictions of a run as one table, by seed, then split; models in the order given.

    Raises:
        PredictionsError: nothing to write, one model, seed and split twice, another number of classes,
            models of one seed that predict different utterances, a label without a name.
        DiskError: the disk is full or refuses.
    """
    if not predictions or "" in labels.names:
        raise PredictionsError(f"{path}: give at least one prediction, and every label a name")
    models = models_of(predictions)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_header(models, labels))
    for _, found in sorted(_by_seed_and_split(predictions, labels).items()):
        writer.writerows(_table_rows(found, models, labels))
    write_aside(path, text.getvalue().encode("utf-8"))


def _header(models: Sequence[str], labels: LabelSet) -> list[str]:
    probabilities = [f"{model}_{label}" for model in models for label in labels.names]
    return [*FIXED_COLUMNS, *models, *probabilities]


def _by_seed_and_split(
    predictions: Sequence[Predictions], labels: LabelSet
) -> dict[tuple[int, int], dict[str, Predictions]]:
    groups: dict[tuple[int, int], dict[str, Predictions]] = {}
    for found in predictions:
        models = groups.setdefault((found.seed, list(Split).index(found.split)), {})
        if found.model in models:
            raise PredictionsError(f"{found.name}: given twice; give each model, seed and split once")
        if found.probabilities.shape[1] != len(labels):
            raise PredictionsError(
                f"{found.name}: {found.probabilities.shape[1]} classes, but the labels are "
                f"{', '.join(labels.names)}; give the labels of the corpus that it was trained on"
            )
        models[found.model] = found
    return groups


def _table_rows(
    found_by_model: Mapping[str, Predictions], models: Sequence[str], labels: LabelSet
) -> Iterator[list[object]]:
    reference = next(iter(found_by_model.values()))
    rows = len(reference.ids)
    guesses, cells = [], []
    for model in models:
        found = aligned(found_by_model[model], reference) if model in found_by_model else None
        guesses.append([labels.names[guess] for guess in found.guesses] if found else [""] * rows)
        # numpy writes the shortest text from which float32 returns exactly
        cells.append(found.probabilities.astype(str) if found else np.full((rows, len(labels)), ""))
    for row, (name, dialogue, truth) in enumerate(
        zip(reference.ids, reference.dialogues, reference.truths, strict=True)
    ):
        label = "" if truth == UNKNOWN_LABEL else labels.names[truth]
        fixed = [reference.seed, reference.split.value, name, dialogue, label]
        yield [*fixed, *(column[row] for column in guesses), *np.concatenate([block[row] for block in cells])]


def read_predictions(path: Path) -> tuple[list[Predictions], LabelSet]:
    """Read what `write_predictions` wrote: predictions by seed and split, models in order, and the labels.

    Raises:
        PredictionsError: no such file, cut off, or columns, cells or guesses that cannot be; names the line.
    """
    header, lines = _read_lines(path)
    models, labels = _models_and_labels(path, header)
    groups: dict[tuple[str, str], list[tuple[int, list[str]]]] = {}
    for number, cells in lines:
        if len(cells) != len(header):
            raise PredictionsError(
                f"{path}, line {number}: {len(cells)} cells for {len(header)} columns; {ANEW}"
            )
        groups.setdefault((cells[0], cells[1]), []).append((number, cells))
    found = [
        _predictions_of(path, model, columns, members, labels)
        for members in groups.values()
        for model, columns in _columns_of(models, labels).items()
        if any(cells[column] for _, cells in members for column in columns)
    ]
    if not found:
        raise PredictionsError(f"{path} holds no predictions; {ANEW}")
    return found, labels


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    if not path.is_file():
        raise PredictionsError(f"there is no {path}; give a folder that summer-train --out has written")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise PredictionsError(f"{path} is not a table in UTF-8: {error}; {ANEW}") from error
    if not text.endswith("\n"):
        raise PredictionsError(f"{path} is cut off: its last line has no end; {ANEW}")
    return lines[0][1], lines[1:]


def _models_and_labels(path: Path, header: Sequence[str]) -> tuple[list[str], LabelSet]:
    named = header[len(FIXED_COLUMNS) :]
    models = list(takewhile(lambda column: "_" not in column, named))
    block = named[len(models) : len(models) + (len(named) - len(models)) // max(1, len(models))]
    labels = LabelSet(tuple(dict.fromkeys(column.partition("_")[2] for column in block)))
    if not models or not len(labels) or list(header) != _header(models, labels):
        raise PredictionsError(
            f"{path}: its columns are {', '.join(header)}, but {', '.join(FIXED_COLUMNS)}, the models, and a "
            f"probability for each model and label are expected; {ANEW}"
        )
    return models, labels


def _columns_of(models: Sequence[str], labels: LabelSet) -> dict[str, list[int]]:
    """Where each model's cells stand in a row: its label, then its probabilities."""
    first = len(FIXED_COLUMNS)
    blocks = first + len(models)
    return {
        model: [first + place, *range(blocks + place * len(labels), blocks + (place + 1) * len(labels))]
        for place, model in enumerate(models)
    }


def _predictions_of(
    path: Path,
    model: str,
    columns: Sequence[int],
    members: Sequence[tuple[int, list[str]]],
    labels: LabelSet,
) -> Predictions:
    truths, probabilities = [], []
    for number, cells in members:
        try:
            truths.append(labels.index_or_unknown(cells[4]))
            guess, *distribution = (cells[column] for column in columns)
            probabilities.append([float(cell) for cell in distribution])
            if probabilities[-1].index(max(probabilities[-1])) != labels.index(guess):
                raise ValueError(f"the {model}'s label is {guess!r}, which is not its most probable one")
        except ValueError as error:
            raise PredictionsError(f"{path}, line {number}: {error}; {ANEW}") from error
    number, first = members[0]
    try:
        return Predictions(
            model=model,
            seed=int(first[0]),
            split=Split(first[1]),
            ids=tuple(cells[2] for _, cells in members),
            dialogues=tuple(cells[3] for _, cells in members),
            truths=np.array(truths, dtype=np.int64),
            probabilities=np.array(probabilities, dtype=np.float32),
        )
    except ValueError as error:
        raise PredictionsError(f"{path}, from line {number}: {error}; {ANEW}") from error
