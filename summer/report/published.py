"""What the paper prints, as data: `published.toml` has table, row and numbers."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from summer.corpus import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A system's row, in percent.

    Args:
        table: its number in the paper.
        row: the system's name as printed.
        acc, f1: by class in the order of the labels; empty where the paper has a dash.
    """

    table: int
    row: str
    w_acc: float
    w_f1: float
    acc: Sequence[float] = ()
    f1: Sequence[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the paper prints of one corpus.

    Args:
        systems: by model name.
        modalities: ACC and w-F1 of Table 3.
        doubts: what is to be said of a row, by model name.
    """

    labels: tuple[str, ...] = ()
    systems: Mapping[str, PublishedRow] = field(default_factory=dict)
    modalities: Mapping[frozenset[Modality], tuple[float, float]] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)


def published_of(corpus: str) -> Published:
    """What the paper prints of a corpus by its name in the stores; nothing of any but its two."""
    text = (files("summer.report") / "published.toml").read_text(encoding="utf-8")
    entry = tomllib.loads(text).get(corpus)
    if entry is None:
        return Published()
    return Published(
        labels=tuple(entry["labels"]),
        systems={name: PublishedRow(**row) for name, row in entry["systems"].items()},
        modalities={
            frozenset(Modality(word) for word in name.split("+")): (numbers[0], numbers[1])
            for name, numbers in entry["modalities"].items()
        },
        doubts=entry["doubts"],
    )
