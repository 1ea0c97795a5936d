"""Words of a subtitle without its markup, and who says them, where the words themselves tell.

    ROSS: I told you.           SubRip has no field for speakers; people write the name before the words
    <v Ross>I told you.         WebVTT's own
    - Hi. / - Hello!            two who answer each other in one subtitle

"Listen: it is over." looks like a name, too. So a name before the words is taken for one where it is in
capitals, or where at least half of the lines have one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace

from extraction.transcripts.lines import Line

FORMATTING = re.compile(r"</?(?:[a-zA-Z][^<>]*|\d[\d:.]*)>|\{\\[^{}]*\}")  # <i>, <c.loud>, <00:01.5>, {\an8}
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>", re.IGNORECASE)
NAME = re.compile(r"\s*[-–]?\s*\[?([^\W\d_][^:.,!?;\[\]\n]{0,39})\]?:\s+(?=\S)")
WORDS_OF_A_NAME = 4
DASH = re.compile(r"\s*[-–—]\s*(?=\S)")


def plain(markup: str) -> str:
    """Words alone: tags go, character references become what they stand for, white space is one blank."""
    return " ".join(html.unescape(FORMATTING.sub("", markup)).split())


def voices(markup: str) -> list[tuple[str, str]]:
    """(speaker, markup) of each voice of a cue; one without a name where no voice is marked."""
    spans = list(VOICE.finditer(markup))
    if not spans:
        return [("", markup)]
    ends = [span.start() for span in spans[1:]] + [len(markup)]
    found = [(plain(span.group(1)), markup[span.end() : end]) for span, end in zip(spans, ends, strict=True)]
    before = markup[: spans[0].start()]
    return [("", before), *found] if plain(before) else found


def turns_of(markup: str) -> list[str]:
    """The turns of a subtitle: one, or as many as it has rows that begin with a dash, if two or more do."""
    rows = [row for row in markup.splitlines() if plain(row)]
    begun = [row for row in rows if DASH.match(plain(row))]
    if len(begun) < 2:
        return [markup]
    turns: list[str] = []
    for row in rows:
        if row in begun or not turns:
            turns.append(DASH.sub("", plain(row), count=1))
        else:
            turns[-1] += f" {row}"
    return turns


def with_names(lines: Sequence[Line]) -> list[Line]:
    """Take names that stand before the words, where the lines show that they are names."""
    nameless = [line for line in lines if not line.speaker]
    prefixed = sum(_name_before(line.text) is not None for line in nameless)
    usual = 2 * prefixed >= len(nameless) and prefixed > 1
    return [_named(line, any_case=usual) if not line.speaker else line for line in lines]


def _named(line: Line, *, any_case: bool) -> Line:
    name = _name_before(line.text)
    if name is None or not (any_case or name.isupper()):
        return line
    return replace(line, speaker=name, text=line.text.split(":", maxsplit=1)[1].strip())


def _name_before(text: str) -> str | None:
    found = NAME.match(text)
    if found is None:
        return None
    name = found.group(1).strip()
    return name if name[0].isupper() and len(name.split()) <= WORDS_OF_A_NAME else None


def shared_out(lines: Sequence[Line], start: float | None, end: float | None) -> list[Line]:
    """Give each of several turns of one subtitle its share of the time, by the length of its words."""
    spoken = [line for line in lines if line.text]
    if start is None or end is None or len(spoken) < 2:
        return [replace(line, start_seconds=start, end_seconds=end) for line in spoken or lines]
    total, at, shared = sum(len(line.text) for line in spoken), start, []
    for line in spoken:
        until = at + (end - start) * len(line.text) / total
        shared.append(replace(line, start_seconds=at, end_seconds=min(until, end)))
        at = until
    return shared
