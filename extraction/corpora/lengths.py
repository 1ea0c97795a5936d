"""Whether a clip is as long as its annotation says: the check and extraction ask alike."""

from __future__ import annotations

from dataclasses import dataclass

from extraction.extractor import MediaSpan
from summer.corpus import Utterance


@dataclass(frozen=True, slots=True)
class MisCut:
    """A clip whose length disagrees with the times of its annotation: what it is, and what to do about it."""

    what: str
    remedy: str


def annotated_seconds(utterance: Utterance) -> float | None:
    """How long an utterance lasts by its annotation; None where it does not say."""
    if utterance.end_seconds is None:
        return None
    return utterance.end_seconds - (utterance.start_seconds or 0.0)


def is_whole(span: MediaSpan) -> bool:
    """Tell whether a span is all of one file."""
    return span.start_seconds is None and span.end_seconds is None and not span.then


def lasting_seconds(span: MediaSpan, file_seconds: float) -> float:
    """How much of a span its file holds."""
    end = file_seconds if span.end_seconds is None else min(span.end_seconds, file_seconds)
    return max(0.0, end - (span.start_seconds or 0.0))


def mis_cut(
    utterance: Utterance, span: MediaSpan, *, file_seconds: float, tolerance_seconds: float
) -> MisCut | None:
    """What is wrong with the length of a clip; None if nothing is.

    Args:
        span: of one piece. A whole file must be as long as the annotation says, any other span lie within its
            file.
        file_seconds: how long that file is.
        tolerance_seconds: what both may differ by.
    """
    slack = max(tolerance_seconds, span.slack_seconds)
    if span.end_seconds is not None and span.end_seconds > file_seconds + slack:
        return MisCut(
            what=f"its span ends at {span.end_seconds:.2f} s, the file at {file_seconds:.2f} s",
            remedy="correct the times, or fetch the file again",
        )
    annotated = annotated_seconds(utterance)
    lasting = lasting_seconds(span, file_seconds)
    if is_whole(span) and annotated is not None and abs(lasting - annotated) > tolerance_seconds:
        return MisCut(
            what=f"it lasts {lasting:.2f} s, its annotation {annotated:.2f} s",
            remedy="look at it: the cut is wrong, or the annotation; list it as known once you know",
        )
    return None
