"""What every reducer is, and the two ways to get one: fit it, or load it.

The library of a method, scikit-learn or torch, is loaded when the method is used and not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from summer.corpus import LabelSet, Split
from summer.reduction.fitted import read_fitted
from summer.reduction.options import DialogueRnnOptions, default_dialogue_rnn_options
from summer.reduction.rows import RawRows, ReductionError

Method = Literal["pca", "dialogue-rnn"]
METHODS: tuple[Method, ...] = get_args(Method)


@runtime_checkable
class Reducer(Protocol):
    """A fitted reducer.

    Attributes:
        width: of the reduced vectors.
        fingerprint: sha256 over method, facts and numbers: changes whenever reduced vectors would.
        description: method, width, fingerprint and what it was fitted on, as text.
    """

    @property
    def width(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def description(self) -> Mapping[str, str]: ...

    def apply(self, rows: RawRows) -> NDArray[np.float32]:
        """(rows, raw) to (rows, width) float32, zeros where not usable.

        Raises:
            ReductionError: another raw width than fitted on, or a usable row that is not finite.
        """
        ...

    def save(self, path: Path) -> None:
        """Write one safetensors file, aside and renamed into place.

        Raises:
            DiskError: disk full, or the folder cannot be written; no partial file is left in place.
        """
        ...


def fit_reducer(
    method: Method,
    rows: RawRows,
    *,
    labels: LabelSet,
    width: int,
    seed: int,
    options: DialogueRnnOptions | None = None,
) -> Reducer:
    """Fit a reducer on the training split's usable rows. Test rows are never read, nor are dev rows by `pca`.

    Args:
        rows: of the whole store, in corpus order.
        labels: the classes that `dialogue-rnn` is trained on; a label "" does not count.
        seed: of the initial weights, dropout and order of `dialogue-rnn`; `pca` draws nothing.
        options: of `dialogue-rnn`; None means its defaults.

    Raises:
        ReductionError: an unknown method, fewer usable training rows (or, for `pca`, raw columns) than
            `width`, options given to `pca`, no labelled training row for `dialogue-rnn`, or a row that is not
            finite.
    """
    _check_width(width, training_rows=rows.usable_in(Split.TRAIN).usable_count)
    if method == "pca":
        if options is not None:
            raise ReductionError("pca takes no options; leave them out, or choose dialogue-rnn")
        from summer.reduction.pca import fit_pca

        return fit_pca(rows, width=width)
    if method == "dialogue-rnn":
        from summer.reduction.conversational import fit_dialogue_rnn

        return fit_dialogue_rnn(
            rows,
            labels=labels,
            width=width,
            seed=seed,
            options=options or default_dialogue_rnn_options(),
        )
    raise ReductionError(f"reduction {method!r} is not one of {', '.join(METHODS)}")


def found_reducer(
    path: Path, method: Method, rows: RawRows, *, labels: LabelSet, width: int, seed: int
) -> Reducer | None:
    """The reducer at `path` if it is what fitting on these rows would give, with the method's defaults.

    Labels count where the method reads them. A file that is no reducer, or a damaged one, is none.

    Raises:
        ReductionError: a usable row is not finite.
    """
    try:
        reducer = load_reducer(path)
    except ReductionError:
        return None  # fitting puts a good one in its place
    asked = {"method": method, "width": str(width)}
    if any(reducer.description[name] != value for name, value in asked.items()):
        return None
    if method == "pca":
        from summer.reduction.pca import read_by_pca

        read = read_by_pca(rows)
    else:
        from summer.reduction.conversational import read_by_dialogue_rnn

        options = default_dialogue_rnn_options()
        read = read_by_dialogue_rnn(rows, labels=labels, seed=seed, options=options)
    return reducer if read.items() <= reducer.description.items() else None


def load_reducer(path: Path) -> Reducer:
    """Load what `Reducer.save` wrote.

    Raises:
        ReductionError: the file is absent, no reducer, damaged, or of an unknown method.
    """
    fitted = read_fitted(path)
    if fitted.method == "pca":
        from summer.reduction.pca import PcaReducer

        return PcaReducer(fitted)
    if fitted.method == "dialogue-rnn":
        from summer.reduction.conversational import DialogueRnnReducer

        return DialogueRnnReducer(fitted)
    raise ReductionError(
        f"{path} holds a reducer of method {fitted.method!r}, not one of {', '.join(METHODS)}; "
        "use the version of the program that made it"
    )


def _check_width(width: int, *, training_rows: int) -> None:
    if width < 1:
        raise ReductionError(f"reduced width {width} is below 1; ask for at least 1")
    if not training_rows:
        raise ReductionError("no training row is usable; extract some, or keep the raw vectors")
    if training_rows < width:
        raise ReductionError(
            f"{training_rows} usable training rows are fewer than the reduced width {width} asked for; "
            f"ask for a width of at most {training_rows}, or extract more training rows"
        )
