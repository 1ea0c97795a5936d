"""The contact sheet as one HTML page: pictures inside it, no scripts, readable anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from extraction.video.sheet.cells import Cell, Counts, Sheet, Verdict
from extraction.video.sheet.look import (
    BESIDE_PIXELS,
    BETWEEN_PIXELS,
    COLOURS,
    FACE_PIXELS,
    SHOWS,
    STRIP_PIXELS,
    counted,
    jpeg_of,
    kinds_told,
    name_of,
    quoted,
)

STYLE = f"""
:root {{ color-scheme: light dark; --face: {FACE_PIXELS}px; --paper: #f6f6f4; --card: #fff; --edge: #ddd;
  --ink: #222; --quiet: #666; --nothing: #d9d9d6; --on-nothing: #555; --link: #0072B2; --remark: #8a4b00;
  --trouble: #b84a00 }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #191919; --card: #242424; --edge: #3d3d3d;
  --ink: #e4e4e2; --quiet: #a6a6a3; --nothing: #3a3a38; --on-nothing: #c4c4c0; --link: #56B4E9;
  --remark: #e8ad5f; --trouble: #ff8a4d }} }}
* {{ box-sizing: border-box }}
body {{ font: 13px/1.35 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink); margin: 1.2rem;
  background: var(--paper) }}
h1 {{ font-size: 1.35rem; margin: 0 0 .4rem }}
header {{ background: var(--card); border: 1px solid var(--edge); border-radius: 6px; padding: 1rem 1.2rem;
  max-width: 1100px; overflow-wrap: anywhere }}
header p {{ margin: .4rem 0 }}
.bar {{ display: flex; height: 14px; border-radius: 3px; overflow: hidden; margin: .5rem 0 }}
.verdict {{ white-space: nowrap; margin-right: .5em }}
.counts {{ display: flex; flex-wrap: wrap; gap: .4rem 2.4rem }}
.counts h2 {{ font-size: .95rem; margin: .6rem 0 .2rem }}
.counts td {{ padding: 0 .6rem 0 0; vertical-align: top }}
.counts td:first-child, .counts td:nth-child(2) {{ text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap }}
nav {{ columns: 14rem; font-size: 12px; margin-top: .6rem }}
nav a {{ display: block; color: var(--link); text-decoration: none; break-inside: avoid }}
nav a:hover {{ text-decoration: underline }}
.swatch {{ display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em }}
main {{ display: flex; flex-wrap: wrap; gap: 0 1.6rem; margin-top: 1rem }}
section {{ max-width: 100% }}
section h2 {{ font-size: 1.05rem; margin: 1rem 0 .4rem; overflow-wrap: anywhere }}
section h2 small {{ font-weight: normal; color: var(--quiet) }}
.cells {{ display: flex; flex-wrap: wrap; gap: 10px }}
article {{ background: var(--card); border: 1px solid var(--edge); border-left: 6px solid; border-radius: 4px;
  padding: 7px 8px; width: var(--cell); max-width: 100%; overflow-wrap: anywhere }}
article p {{ margin: 0 }}
.faces {{ display: flex; flex-wrap: wrap; gap: 8px; margin-bottom: 5px; min-height: var(--face) }}
.faces img {{ display: block; max-width: 100%; height: auto }}
.none {{ width: {STRIP_PIXELS}px; max-width: 100%; height: var(--face); background: var(--nothing);
  color: var(--on-nothing); display: flex; align-items: center; justify-content: center; border-radius: 3px }}
.others {{ display: flex; flex-wrap: wrap; align-content: flex-start; gap: 2px;
  max-width: var(--others) }}
.others span {{ font-size: 10px; color: #333; line-height: 1; position: relative }}
.others img {{ opacity: {SHOWS}; filter: grayscale(.6) }}
.others b {{ position: absolute; left: 2px; bottom: 2px; background: #fffc; padding: 0 2px }}
.id {{ font-weight: 600 }}
.id small, .quiet {{ color: var(--quiet); font-weight: normal }}
.words {{ font-style: italic }}
.reason {{ color: var(--remark) }}
.trouble {{ font-weight: 600; color: var(--trouble) }}
"""


def html_of(sheet: Sheet) -> bytes:
    """The page, in UTF-8.

    Raises:
        ValueError: a crop cannot be read as a picture.
    """
    return "".join(_parts(sheet)).encode("utf-8", "replace")


def _parts(sheet: Sheet) -> Iterator[str]:
    beside = max((len(cell.others) for cell in sheet.cells), default=0)
    others_pixels = (beside + 1) // 2 * (BESIDE_PIXELS + BETWEEN_PIXELS)  # in two rows
    cell_pixels = STRIP_PIXELS + 24 + (beside > 0) * (8 + others_pixels)
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(quoted(sheet.title))}</title>"
    sizes = f":root {{ --cell: {cell_pixels}px; --others: {others_pixels}px }}"
    yield f"<style>{STYLE}{sizes}</style></head><body>\n"
    yield from _head(sheet)
    yield "<main>\n"
    for number, (speaker, cells) in enumerate(sheet.groups().items()):
        yield f'<section id="s{number}"><h2><bdi>{escape(name_of(speaker))}</bdi> '
        yield f"<small>{escape(counted(sheet.by_speaker[speaker], len(cells)))}</small></h2>"
        yield '<div class="cells">\n'
        for cell in cells:
            yield from _cell(cell)
        yield "</div></section>\n"
    yield "</main></body></html>\n"


def _head(sheet: Sheet) -> Iterator[str]:
    counts = sheet.counts
    yield f"<header><h1>{escape(quoted(sheet.title))}</h1>"
    yield f"<p>{escape(sheet.shown)} Faces in order of time; the edge of a cell says: "
    yield " ".join(
        f'<span class="verdict"><span class="swatch" style="background:{COLOURS[verdict]}"></span>{verdict}'
        "</span>"
        for verdict in Verdict
    )
    yield '</p><div class="bar" aria-hidden="true">'  # the table beneath it says the same
    for verdict in Verdict:
        width = 100 * counts.verdicts[verdict] / max(counts.rows, 1)
        yield f'<div style="width:{width:.3f}%;background:{COLOURS[verdict]}"></div>'
    yield "</div>"
    for trouble, number in sheet.troubles.items():
        yield f'<p class="trouble">{number:,} of the shown rows: {escape(trouble)}</p>'
    yield '<div class="counts">'
    for title, numbers in kinds_told(counts):
        yield from _table(title, numbers, counts)
    yield '</div><nav aria-label="Speakers">'
    for number, (speaker, cells) in enumerate(sheet.groups().items()):
        yield f'<a href="#s{number}"><bdi>{escape(name_of(speaker))}</bdi> ({len(cells)})</a>'
    yield "</nav></header>\n"


def _table(title: str, numbers: Mapping[str, int], counts: Counts) -> Iterator[str]:
    yield f"<div><h2>{escape(title)}</h2><table>"
    for words, number in numbers.items():
        share = number / max(counts.rows, 1)
        yield f'<tr><td>{number:,}</td><td class="quiet">{share:.1%}</td>'
        yield f"<td>{escape(quoted(words))}</td></tr>"
    yield "</table></div>"


def _cell(cell: Cell) -> Iterator[str]:
    utterance = cell.utterance
    yield f'<article style="border-left-color:{COLOURS[cell.verdict]}"><div class="faces">'
    yield _chosen(cell) if cell.chosen else _nothing(cell)
    if cell.others:
        yield '<div class="others">'
        for number, path in cell.others.items():
            said = f"candidate {number} of {quoted(utterance.id)}, not chosen"
            yield f'<span title="{escape(said)}">{_picture([path], BESIDE_PIXELS, said)}'
            yield f'<b aria-hidden="true">{number}</b></span>'
        yield "</div>"
    yield f'</div><p class="id"><bdi>{escape(quoted(utterance.id))}</bdi> <small>{utterance.split}'
    yield f" · {escape(quoted(utterance.label) or 'no label')}</small></p>"
    if utterance.text:
        yield f'<p class="words" dir="auto">{escape(quoted(utterance.text))}</p>'
    yield "".join(
        f'<p class="quiet">{escape(quoted(words))}</p>' for words in (cell.how, *cell.measures) if words
    )
    if reason := quoted(cell.reason):
        yield f'<p class="reason">{escape(reason)}</p>'
    if cell.trouble:
        yield f'<p class="trouble">{escape(cell.trouble)}</p>'
    yield "</article>\n"


def _chosen(cell: Cell) -> str:
    shown = "the chosen face" if len(cell.chosen) == 1 else f"the chosen face, {len(cell.chosen)} times"
    said = f"{shown}: {quoted(cell.utterance.id)}, {name_of(cell.utterance.speaker)}"
    return f'<div class="chosen">{_picture(cell.chosen, FACE_PIXELS, said)}</div>'


def _nothing(cell: Cell) -> str:
    return f'<div class="none">{escape(cell.trouble or str(cell.status))}</div>'


def _picture(paths: Sequence[Path], pixels: int, said: str) -> str:
    encoded, (width, height) = jpeg_of(paths, pixels)
    data = b64encode(encoded).decode()
    size = f'width="{width}" height="{height}"'
    return f'<img {size} alt="{escape(said)}" decoding="async" src="data:image/jpeg;base64,{data}">'
