"""How two feature stores differ: origin, head, rows, words, statuses, vectors.

Where assets lie is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from summer.corpus import Status
from summer.store.hdf5 import FeatureStore
from summer.store.head import EncoderHead

Kind = Literal["store", "row", "words", "status", "vector"]  # the store as a whole, or what of a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way in which two stores differ.

    Args:
        where: in words.
        row: its id; "" where the store as a whole differs.
        cosine: between the two vectors; nan where no vectors are compared.
    """

    where: str
    first: str
    second: str
    kind: Kind = "store"
    row: str = ""
    cosine: float = math.nan


def differences(first: FeatureStore, second: FeatureStore) -> Iterator[Difference]:
    """Differences of two stores: header, settings, head, rows of only one, then words, statuses, vectors."""
    yield from _header_differences(first, second)
    yield from _head_differences(first.head, second.head)
    row_in_second = {u.id: row for row, u in enumerate(second.rows.utterances)}
    row_in_first = {u.id: row for row, u in enumerate(first.rows.utterances)}
    for name in row_in_first:
        if name not in row_in_second:
            yield Difference(where=f"row {name}", kind="row", row=name, first="present", second="absent")
    for name in row_in_second:
        if name not in row_in_first:
            yield Difference(where=f"row {name}", kind="row", row=name, first="absent", second="present")
    common = [(name, row, row_in_second[name]) for name, row in row_in_first.items() if name in row_in_second]
    yield from _row_differences(first, second, common)


def _header_differences(first: FeatureStore, second: FeatureStore) -> Iterator[Difference]:
    for name in (
        "corpus",
        "protocol",
        "modality",
        "labels",
        "dim",
        "fingerprint",
        "corpus_digest",
        "complete",
    ):
        old, new = getattr(first.header, name), getattr(second.header, name)
        if old != new:
            yield Difference(where=name, first=str(old), second=str(new))
    for kind in ("settings", "reduction"):
        old_values, new_values = getattr(first.header, kind), getattr(second.header, kind)
        for name in sorted(old_values.keys() | new_values.keys()):
            old, new = old_values.get(name, "absent"), new_values.get(name, "absent")
            if old != new:
                yield Difference(where=f"{kind} {name}", first=old, second=new)


def _head_differences(first: EncoderHead | None, second: EncoderHead | None) -> Iterator[Difference]:
    if first is None or second is None:
        if first is not second:
            yield Difference(where="head", first=_presence(first), second=_presence(second))
        return
    same = np.array_equal(first.weight, second.weight) and np.array_equal(first.bias, second.bias)
    if not same:
        yield Difference(where="head", first=_largest(first), second=_largest(second))


def _presence(head: EncoderHead | None) -> str:
    return "absent" if head is None else "present"


def _largest(head: EncoderHead) -> str:
    return f"weights up to {np.abs(head.weight).max():.6g}, biases up to {np.abs(head.bias).max():.6g}"


def _row_differences(
    first: FeatureStore, second: FeatureStore, common: list[tuple[str, int, int]]
) -> Iterator[Difference]:
    raw, other_raw = first.features("raw"), second.features("raw")
    both_have_words = first.rows.has_words and second.rows.has_words
    for name, row, other_row in common:
        words, other_words = first.rows.utterances[row].text, second.rows.utterances[other_row].text
        if both_have_words and words != other_words:
            yield Difference(
                where=f"words of {name}", kind="words", row=name, first=words, second=other_words
            )
        status, other_status = first.rows.statuses[row], second.rows.statuses[other_row]
        if status is not other_status:
            yield Difference(
                where=f"status of {name}",
                kind="status",
                row=name,
                first=status.value,
                second=other_status.value,
            )
        elif raw.shape[1] == other_raw.shape[1] and status is Status.OK:
            yield from _vector_difference(name, raw[row], other_raw[other_row])


def _vector_difference(name: str, vector: np.ndarray, other: np.ndarray) -> Iterator[Difference]:
    if np.array_equal(vector, other):
        return
    cosine = float(vector @ other / (np.linalg.norm(vector) * np.linalg.norm(other)))
    furthest = int(np.abs(vector - other).argmax())
    yield Difference(
        where=f"vector of {name} (cosine {cosine:.6f}), most at {furthest}",
        kind="vector",
        row=name,
        cosine=cosine,
        first=f"{vector[furthest]:.6g}",
        second=f"{other[furthest]:.6g}",
    )
