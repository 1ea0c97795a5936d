"""What stands in the page, as HTML: words of the user are text, never markup."""

from __future__ import annotations

from itertools import count
from typing import Any

from extraction.transcripts import SUFFIXES
from pipelines.serve.limits import Limits, length_told, size_told
from pipelines.serve.questions import Answer, Stage
from pipelines.serve.results import DOWNLOADS, PAGE
from pipelines.serve.talks import Talk
from summer.report.templates import read_asset, templates_of

PACKAGE = "pipelines.serve"

NAMES_OF_DOWNLOADS = dict(zip(DOWNLOADS, ("Table (CSV)", "JSON", "Subtitles (WebVTT)"), strict=True))
EDITIONS = count(1)  # a browser draws a page anew whose address is another


def opening(limits: Limits) -> str:
    """What this is, and what becomes of the files."""
    return _filled("opening.html", kept=length_told(limits.kept_seconds))


def places_for_files(talk: Talk, limits: Limits, *, hears: bool) -> str:
    """Where the files go; the script sends them to the talk.

    Args:
        hears: words are heard where there is no transcript.
    """
    most = f"at most {size_told(limits.most_bytes)} and {length_told(limits.most_seconds)}"
    without = "without one, the words are heard" if hears else "needed: it says who says what, and when"
    least = min(limits.most_bytes, limits.most_transcript_bytes)
    kinds = [
        (
            "recording",
            "Video or sound",
            f"Drop it here or choose it: {most}. Without one, words alone are read.",
            "video/*,audio/*,.mkv,.avi",
            limits.most_bytes,
        ),
        ("transcript", "Transcript", f"{', '.join(SUFFIXES)}; {without}.", ",".join(SUFFIXES), least),
    ]
    return _filled("arrivals.html", token=talk.token, kinds=kinds)


def result(talk: Talk, answer: Answer) -> str:
    """The page of the conversation, in a frame that can do nothing but show it, and the files to keep."""
    named = talk.given.get("recording") or talk.given.get("transcript")
    return _filled(
        "result.html",
        name=named.name if named else "",
        place=f"talks/{talk.token}",
        page=PAGE,
        edition=next(EDITIONS),
        downloads=list(NAMES_OF_DOWNLOADS.items()),
        whole=answer.is_whole,
    )


def waiting(before: int) -> str:
    """The place in the line."""
    people = "one recording is" if before == 1 else f"{before} recordings are"
    return _filled("status.html", words=f"waiting: {people} read before yours", total=0, done=0)


def under_way(stage: Stage) -> str:
    """What is being done."""
    how_much = f": {stage.done:.0f} of {stage.total:.0f}" if stage.total else ""
    return _filled("status.html", words=f"{stage.doing}{how_much}", total=stage.total, done=stage.done)


def refused(message: str) -> str:
    """What is wrong, and what to do."""
    return _filled("refused.html", message=message)


def said(words: str) -> str:
    """How it ended."""
    return _filled("said.html", words=words)


def script() -> str:
    """The script of the page, for its head."""
    return f"<script>{read_asset(PACKAGE, 'arrivals.js')}</script>"


def style() -> str:
    """The style of what is ours."""
    return read_asset(PACKAGE, "serve.css")


def _filled(template: str, **words: Any) -> str:
    return templates_of(PACKAGE).get_template(template).render(**words)
