"""What page and picture share: sizes, colours, words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import UInt8

from extraction.video.sheet.cells import MOST_CROPS, Counts, Verdict

FACE_PIXELS, BESIDE_PIXELS, BETWEEN_PIXELS = 76, 37, 2
STRIP_PIXELS = MOST_CROPS * (FACE_PIXELS + BETWEEN_PIXELS) - BETWEEN_PIXELS
JPEG_QUALITY = 82
SHOWS = 0.6  # of a face that was not chosen
MOST_LETTERS = 140  # of what is said, of a reason
MOST_KINDS = 8
JOINERS = "\u200c\u200d"  # not printable by themselves, part of words and of emoji
# Okabe and Ito's colours, told apart with any colour vision
COLOURS = MappingProxyType({Verdict.OK: "#009E73", Verdict.REMARK: "#E69F00", Verdict.FAILED: "#D55E00"})


def strip(paths: Sequence[Path], pixels: int) -> UInt8[np.ndarray, "y x 3"]:
    """Crops side by side, RGB, each so many pixels high and wide.

    Raises:
        ValueError: one of them cannot be read.
    """
    between = np.full((pixels, BETWEEN_PIXELS, 3), 255, dtype=np.uint8)
    faces = [part for path in paths for part in (between, _read(path, pixels))]
    return np.concatenate(faces[1:], axis=1)


def jpeg_of(paths: Sequence[Path], pixels: int) -> tuple[bytes, tuple[int, int]]:
    """Crops side by side as JPEG, and how wide and high it is.

    Raises:
        ValueError: one of them cannot be read.
    """
    picture = cv2.cvtColor(strip(paths, pixels), cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes(), (picture.shape[1], picture.shape[0])


def _read(path: Path, pixels: int) -> UInt8[np.ndarray, "y x 3"]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(
            f"{path} cannot be read as a picture; extract video again with --keep-crops --overwrite"
        )
    small = cv2.resize(picture, (pixels, pixels), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def quoted(words: str) -> str:
    """Words on one line, shortened, what cannot be shown replaced."""
    line = "".join(
        letter if letter.isprintable() or letter in JOINERS else "\ufffd"
        for letter in " ".join(words.split())
    )
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1].rstrip()}…"


def name_of(speaker: str) -> str:
    """A speaker's name, to be shown."""
    return quoted(speaker) or "(no speaker named)"


def counted(counts: Counts, shown: int) -> str:
    """How many rows a speaker has, of what verdict, and how many are shown."""
    verdicts = ", ".join(f"{counts.verdicts[v]:,} {v}" for v in Verdict if counts.verdicts[v])
    rows = f"{counts.rows:,} row{'s' * (counts.rows != 1)}: {verdicts}"
    return rows if shown == counts.rows else f"{rows}; {shown:,} shown"


def kinds_told(counts: Counts) -> Iterator[tuple[str, Mapping[str, int]]]:
    """The tables of the head: what is counted, and the commonest kinds of it."""
    verdicts = {f"row{'s' * (counts.rows != 1)}": counts.rows}
    yield "Rows", verdicts | {str(v): counts.verdicts[v] for v in Verdict}
    yield "Status", _commonest(counts.statuses)
    if counts.choices:
        yield "How chosen", _commonest(counts.choices)
    if counts.remarks:
        yield "Remarks of ok rows", _commonest(counts.remarks)


def _commonest(numbers: Mapping[str, int]) -> dict[str, int]:
    told = dict(islice(numbers.items(), MOST_KINDS))
    more = list(numbers.values())[MOST_KINDS:]
    return told | ({f"of {len(more)} other kinds": sum(more)} if more else {})
