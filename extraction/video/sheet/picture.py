"""The contact sheet as one PNG. What would be too high is thinned until it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import UInt8
from matplotlib.colors import to_rgb

from extraction.video.sheet.cells import Cell, Sheet, Verdict
from extraction.video.sheet.lettering import Line, draw_lines, width_of, wrapped
from extraction.video.sheet.look import (
    BESIDE_PIXELS,
    BETWEEN_PIXELS,
    COLOURS,
    FACE_PIXELS,
    SHOWS,
    STRIP_PIXELS,
    counted,
    kinds_told,
    name_of,
    quoted,
    strip,
)

WIDEST, HIGHEST, NARROWEST = 2000, 16_000, 1000  # pixels
MARGIN, GAP, EDGE, INSET = 24, 10, 6, 8
TEXT, LINE = 11.5, 15
HEADING = 44  # above the cells of a speaker
PAPER, CARD, NOTHING, QUIET = "#f6f6f4", "#ffffff", "#d9d9d6", "#666666"


def png_of(sheet: Sheet) -> tuple[Sheet, bytes]:
    """The sheet as far as it fits, and the PNG.

    Raises:
        ValueError: a crop cannot be read as a picture.
    """
    drawing = _Drawing.of(sheet)
    while drawing.height > HIGHEST and len(sheet.cells) > 1:
        count = len(sheet.cells)
        sheet = sheet.thinned(max(1, min(count - 1, int(count * HIGHEST / drawing.height))))
        drawing = _Drawing.of(sheet)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(drawing.drawn(), cv2.COLOR_RGB2BGR))
    return sheet, encoded.tobytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Box:
    """A filled rectangle, in pixels."""

    x: int
    y: int
    width: int
    height: int
    colour: str


@dataclass(slots=True)
class _Drawing:
    """Where everything is to stand; crops are read only when it is drawn."""

    width: int = NARROWEST
    height: int = MARGIN
    boxes: list[_Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    faces: list[tuple[int, int, Cell]] = field(default_factory=list)

    @classmethod
    def of(cls, sheet: Sheet) -> _Drawing:
        drawing = cls()
        card = _card_width(sheet.cells)
        most = max(1, (WIDEST - 2 * MARGIN + GAP) // (card + GAP))
        columns = min(most, len(sheet.cells))
        drawing.width = max(NARROWEST, 2 * MARGIN + columns * (card + GAP) - GAP)
        drawing._head(sheet)
        drawing._groups(sheet, card, columns)
        drawing.height += MARGIN
        return drawing

    def drawn(self) -> UInt8[np.ndarray, "y x 3"]:
        canvas = np.full((self.height, self.width, 3), _rgb(PAPER), dtype=np.uint8)
        for box in self.boxes:
            canvas[box.y : box.y + box.height, box.x : box.x + box.width] = _rgb(box.colour)
        for x, y, cell in self.faces:
            _paste_faces(canvas, x, y, cell)
        draw_lines(canvas, self.lines)
        return canvas

    def _say(self, words: str, *, size: int, bold: bool = False, colour: str = "#222222") -> None:
        for line in wrapped(words, width=self.width - 2 * MARGIN, size=size, bold=bold, most=3):
            self.height += round(size * 1.35)
            self.lines.append(
                Line(x=MARGIN, y=self.height - size * 0.3, words=line, size=size, bold=bold, colour=colour)
            )

    def _head(self, sheet: Sheet) -> None:
        self._say(quoted(sheet.title), size=20, bold=True)
        self._say(f"{sheet.shown} Faces in order of time; the edge of a cell says:", size=13)
        self._legend()
        self._bar(sheet)
        for trouble, number in sheet.troubles.items():
            self._say(f"{number:,} of the shown rows: {trouble}", size=13, bold=True, colour="#D55E00")
        self._tables(sheet)

    def _legend(self) -> None:
        x, self.height = MARGIN, self.height + 22
        for verdict in Verdict:
            self.boxes.append(_Box(x=x, y=self.height - 12, width=12, height=12, colour=COLOURS[verdict]))
            self.lines.append(Line(x=x + 17, y=self.height - 2, words=verdict, size=13))
            x += 17 + round(width_of(verdict, size=13)) + 20

    def _bar(self, sheet: Sheet) -> None:
        self.height += 8
        whole, before = self.width - 2 * MARGIN, 0
        for verdict in Verdict:
            after = before + sheet.counts.verdicts[verdict]
            start, end = (round(whole * rows / max(sheet.counts.rows, 1)) for rows in (before, after))
            self.boxes.append(
                _Box(x=MARGIN + start, y=self.height, width=end - start, height=14, colour=COLOURS[verdict])
            )
            before = after
        self.height += 22

    def _tables(self, sheet: Sheet) -> None:
        x, top, bottom = MARGIN, self.height, self.height
        for title, numbers in kinds_told(sheet.counts):
            words = [quoted(kind) for kind in numbers]
            width = 112 + min(300, round(max(width_of(kind, size=12) for kind in words)) + 4)
            if x > MARGIN and x + width > self.width - MARGIN:
                x, top = MARGIN, bottom + 6
            bottom = max(bottom, self._table(x, top, title, numbers, sheet.counts.rows))
            x += width + 30
        self.height = bottom + 6

    def _table(self, x: int, y: int, title: str, numbers: Mapping[str, int], rows: int) -> int:
        """One table of the head; where it ends."""
        self.lines.append(Line(x=x, y=y + 18, words=title, size=13, bold=True))
        y += 24
        for kind, number in numbers.items():
            y += 16
            share = f"{number / max(rows, 1):.1%}"
            told = wrapped(quoted(kind), width=300, size=12)
            self.lines += [
                Line(x=x + 44, y=y - 3, words=f"{number:,}", size=12, to_the_left=True),
                Line(x=x + 100, y=y - 3, words=share, size=12, colour=QUIET, to_the_left=True),
                *(Line(x=x + 112, y=y - 3, words=line, size=12) for line in told),
            ]
        return y

    def _groups(self, sheet: Sheet, card: int, columns: int) -> None:
        """Groups of one line stand beside each other, as far as they fit."""
        column, top, bottom = 0, self.height, self.height
        for speaker, cells in sheet.groups().items():
            if column and column + len(cells) > columns:
                column, top = 0, bottom
            heading = (name_of(speaker), counted(sheet.by_speaker[speaker], len(cells)))
            wide = min(len(cells), columns) * (card + GAP) - GAP
            left = MARGIN + column * (card + GAP)
            self._heading(left, top, wide, heading)
            y = top + HEADING
            for start in range(0, len(cells), columns):
                y = self._row_of_cards(cells[start : start + columns], left, y, card)
            bottom = max(bottom, y)
            column = column + len(cells) if len(cells) < columns else columns
        self.height = bottom

    def _heading(self, x: int, y: int, width: int, heading: tuple[str, str]) -> None:
        for words, size, base, bold in zip(heading, (15, 11), (22, 37), (True, False), strict=True):
            colour = "#222222" if bold else QUIET
            for line in wrapped(words, width=width, size=size, bold=bold):
                self.lines.append(Line(x=x, y=y + base, words=line, size=size, bold=bold, colour=colour))

    def _row_of_cards(self, cells: Sequence[Cell], x: int, y: int, card: int) -> int:
        """Cards side by side, as high as the highest; where the next row begins."""
        texts = [_text(cell, card - EDGE - 2 * INSET) for cell in cells]
        height = 2 * INSET + FACE_PIXELS + 6 + LINE * max(map(len, texts))
        for cell, text in zip(cells, texts, strict=True):
            self.boxes.append(_Box(x=x, y=y, width=card, height=height, colour=CARD))
            self.boxes.append(_Box(x=x, y=y, width=EDGE, height=height, colour=COLOURS[cell.verdict]))
            left, base = x + EDGE + INSET, y + INSET + FACE_PIXELS + 6 + LINE - 3
            self.faces.append((left, y + INSET, cell))
            if not cell.chosen:
                self._nothing(left, y + INSET, cell)
            for number, (words, bold, colour) in enumerate(text):
                self.lines.append(
                    Line(x=left, y=base + number * LINE, words=words, size=TEXT, bold=bold, colour=colour)
                )
            x += card + GAP
        return y + height + GAP

    def _nothing(self, x: int, y: int, cell: Cell) -> None:
        """A grey box in place of a face, that says why."""
        width, words = STRIP_PIXELS, cell.trouble or str(cell.status)
        self.boxes.append(_Box(x=x, y=y, width=width, height=FACE_PIXELS, colour=NOTHING))
        middle = x + (width - width_of(words, size=14)) / 2
        self.lines.append(Line(x=middle, y=y + FACE_PIXELS / 2 + 5, words=words, size=14, colour="#555555"))


def _card_width(cells: Sequence[Cell]) -> int:
    beside = max((len(cell.others) for cell in cells), default=0)
    others = INSET + (beside + 1) // 2 * (BESIDE_PIXELS + BETWEEN_PIXELS) if beside else 0
    return EDGE + 2 * INSET + STRIP_PIXELS + others


def _text(cell: Cell, width: int) -> list[tuple[str, bool, str]]:
    """The lines below the faces: words, whether bold, colour."""
    utterance = cell.utterance
    parts = [
        (quoted(utterance.id), True, "#222222", 2),
        (f"{utterance.split} · {quoted(utterance.label) or 'no label'}", False, QUIET, 1),
        (quoted(utterance.text) and f"“{quoted(utterance.text)}”", False, "#222222", 2),
        *((quoted(words), False, QUIET, 2) for words in (cell.how, *cell.measures)),
        (quoted(cell.reason), False, "#8a4b00", 3),
        (cell.trouble, True, COLOURS[Verdict.FAILED], 1),
    ]
    return [
        (line, bold, colour)
        for words, bold, colour, most in parts
        for line in wrapped(words, width=width, size=TEXT, bold=bold, most=most)
    ]


def _paste_faces(canvas: UInt8[np.ndarray, "y x 3"], x: int, y: int, cell: Cell) -> None:
    if cell.chosen:
        faces = strip(cell.chosen, FACE_PIXELS)
        canvas[y : y + faces.shape[0], x : x + faces.shape[1]] = faces
    left, step = x + STRIP_PIXELS + INSET, BESIDE_PIXELS + BETWEEN_PIXELS
    for place, path in enumerate(cell.others.values()):
        column, row = divmod(place, 2)
        face = strip([path], BESIDE_PIXELS)
        pale = (SHOWS * face + (1 - SHOWS) * 255).astype(np.uint8)
        top, start = y + row * step, left + column * step
        canvas[top : top + BESIDE_PIXELS, start : start + BESIDE_PIXELS] = pale


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in to_rgb(colour))
