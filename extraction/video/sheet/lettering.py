"""Lines of text in a picture: as wide as the letters are, drawn by matplotlib in the font that it brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

FAMILY = "DejaVu Sans"
DOTS_PER_INCH = 72  # a point is a pixel
NO_GLYPH = "□"
HINTED = 1.055  # letters that are fitted to the pixels are up to so much wider
BAND_PIXELS, REACH_PIXELS = 1000, 40  # no letter reaches further from its base


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of text, from its left end (`x`) and base (`y`, counted downwards), in pixels."""

    x: int | float
    y: int | float
    words: str
    size: int | float
    bold: bool = False
    colour: str = "#222222"
    to_the_left: bool = False  # x is the right end


def draw_lines(picture: UInt8[np.ndarray, "y x 3"], lines: Sequence[Line]) -> None:
    """Draw lines of text into a picture, band by band: matplotlib takes some 40 bytes per pixel."""
    for top in range(0, len(picture), BAND_PIXELS):
        band = picture[top : top + BAND_PIXELS]
        reach = range(top - REACH_PIXELS, top + len(band) + REACH_PIXELS)
        _draw_band(band, top, [line for line in lines if round(line.y) in reach])


def _draw_band(band: UInt8[np.ndarray, "y x 3"], top: int, lines: Sequence[Line]) -> None:
    height, width = band.shape[:2]
    figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    canvas = FigureCanvasAgg(figure)
    figure.figimage(band)
    for line in lines:
        figure.text(
            line.x / width,
            1 - (line.y - top) / height,
            _with_glyphs(line.words, line.bold),
            fontsize=line.size,
            fontfamily=FAMILY,
            fontweight="bold" if line.bold else "normal",
            color=line.colour,
            ha="right" if line.to_the_left else "left",
            va="baseline",
            parse_math=False,
        )
    canvas.draw()
    band[:] = np.asarray(canvas.buffer_rgba())[..., :3]


def wrapped(
    words: str, *, width: int | float, size: int | float, bold: bool = False, most: int = 1
) -> list[str]:
    """Words on at most so many lines, none wider than `width`; what does not fit ends in an ellipsis."""
    lines: list[str] = []
    rest = words
    while rest and len(lines) < most:
        fits = _fitting(rest, width, size, bold)
        if fits < len(rest) and len(lines) == most - 1:
            cut = rest[: _fitting(rest, width - _advance("…", bold) * size, size, bold)]
            return [*lines, f"{cut.rstrip()}…"]
        if fits < len(rest) and " " in rest[: fits + 1].strip():
            fits = rest.rindex(" ", 0, fits + 1)
        lines.append(rest[:fits].rstrip())
        rest = rest[fits:].lstrip()
    return lines


def width_of(words: str, *, size: int | float, bold: bool = False) -> float:
    """How wide words are, in pixels."""
    return sum(_advance(letter, bold) for letter in words) * size


def _fitting(words: str, width: int | float, size: int | float, bold: bool) -> int:
    """How many letters fit; one at least."""
    ends = np.cumsum([_advance(letter, bold) for letter in words]) * size
    return max(1, int(np.searchsorted(ends, width, side="right")))


@cache
def _advance(letter: str, bold: bool) -> float:
    """Width of a letter, in units of the size."""
    font = _font(bold)
    known = letter if ord(letter) in _glyphs(bold) else NO_GLYPH
    return float(font.load_char(ord(known)).linearHoriAdvance) / 65536 / 100 * HINTED


def _with_glyphs(words: str, bold: bool) -> str:
    return "".join(letter if ord(letter) in _glyphs(bold) else NO_GLYPH for letter in words)


@cache
def _glyphs(bold: bool) -> frozenset[int]:
    return frozenset(_font(bold).get_charmap())


@cache
def _font(bold: bool) -> FT2Font:
    """A font of our own: those that matplotlib keeps change their size while it draws."""
    font = FT2Font(findfont(FontProperties(family=FAMILY, weight="bold" if bold else "normal")))
    font.set_size(100, DOTS_PER_INCH)
    return font
