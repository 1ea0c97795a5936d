"""Stores as a report takes them, without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from summer.corpus import Modality, Split, Status, Utterance
from summer.report.sections.coverage import ReportedStore
from summer.store import Header, Rows

LABELS = ("neutral", "joy")


def made_store(
    rows: Sequence[tuple[Split, str, Status, str]],
    *,
    modality: Modality = Modality.AUDIO,
    columns: Mapping[str, Sequence[Any]] | None = None,
    retry: str = "summer-extract --retry-failed",
) -> ReportedStore:
    """A store of rows of a split, label, status and reason."""
    utterances = [
        Utterance(id=f"u{k}", split=split, dialogue="d", turn=k, speaker="Ann", text="", label=label)
        for k, (split, label, _, _) in enumerate(rows)
    ]
    header = Header(
        corpus="made-up",
        protocol="none",
        modality=modality,
        labels=LABELS,
        dim=4,
        fingerprint="f" * 64,
        corpus_digest="d" * 64,
    )
    found = Rows(
        utterances=utterances,
        statuses=[status for _, _, status, _ in rows],
        reasons=[reason for _, _, _, reason in rows],
        columns=columns or {},
    )
    return ReportedStore(path="stores/audio.h5", header=header, rows=found, retry=retry)
