"""How a corpus differs from the annotations that a store was made from, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extraction.plan import Job, Source, wanted_rows
from summer.corpus import Utterance

FIELDS: Mapping[str, Sequence[str]] = {
    "label": ("label",),
    "text": ("text",),
    "speaker": ("speaker",),
    "time": ("start_seconds", "end_seconds"),
    "place": ("split", "dialogue", "turn"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """What has changed since, in rows.

    Args:
        corrected: by what it is that was corrected; only what there is.
        added: rows that a complete store has not.
        gone: rows that the corpus has no more.
        anew: rows of the job that the store does not hold as they would be made now.
        rows: of the job.
    """

    corrected: Mapping[str, int]
    added: int
    gone: int
    anew: int
    rows: int

    def __str__(self) -> str:
        what = [f"{count} {name if count == 1 else name + 's'}" for name, count in self.corrected.items()]
        parts = [f"{' and '.join(what)} corrected"] if what else []
        parts += [f"{self.added} {'row' if self.added == 1 else 'rows'} added"] if self.added else []
        parts += [f"{self.gone} gone"] if self.gone else []
        return (
            f"{', '.join(parts) or 'other annotations'}: {self.anew:,} of {self.rows:,} rows extracted anew"
        )


def corrections_since(job: Job, store: Source | None) -> Corrections | None:
    """Compare the corpus with a store's annotations; None where there is no store, or nothing has changed."""
    if store is None or store.header.corpus_digest == job.corpus.digest:
        return None
    now = {clip.utterance.id: clip.utterance for clip in job.corpus.clips}
    then = {utterance.id: utterance for utterance in store.content.utterances}
    common = [(then[name], now[name]) for name in then if name in now]
    counts = {
        name: sum(_differ(one, other, fields) for one, other in common)
        for name, fields in FIELDS.items()
        if name != "text" or store.content.has_words  # stores of an older version have none
    }
    wanted = set(wanted_rows(job))
    return Corrections(
        corrected={name: count for name, count in counts.items() if count},
        added=sum(name not in then for name in now) if store.header.complete else 0,
        gone=sum(name not in now for name in then),
        anew=len(wanted) - sum(row in wanted for row in store.rows if row is not None),
        rows=len(wanted),
    )


def _differ(one: Utterance, other: Utterance, fields: Sequence[str]) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in fields)
