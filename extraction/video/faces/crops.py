"""Aligned crops kept as PNG, one folder per utterance, to look at with one's own eyes.

id/frame.png        of the chosen face, where the choice is final at once
id/1/frame.png      of the first candidate, id/2/... of the second, where it may be another one later
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote

import cv2
import numpy as np
from jaxtyping import UInt8

from summer.durable import explained_disk_errors, write_aside

CHOSEN = 0  # the key of the face that was chosen at once
UNFIT = '%\\<>:"|?*'  # in a file's name: what some file system refuses, and the sign that stands for others


@runtime_checkable
class Seen(Protocol):
    """What is kept of a `Sighting`; that lives beside torch, which nobody needs who looks at crops."""

    @property
    def index(self) -> int:
        """Position of the keyframe among the clip's frames."""

    @property
    def crop(self) -> UInt8[np.ndarray, "160 160 3"]:
        """Aligned, RGB."""


def keep_crops(folder: Path, utterance_id: str, sightings: Sequence[Seen]) -> None:
    """Write an utterance's crops to `folder`/id/frame.png; crops of an earlier run go.

    Raises:
        DiskError: the disk is full or refuses.
    """
    _write(_emptied(folder, utterance_id), sightings)


def keep_candidates(folder: Path, utterance_id: str, candidates: Sequence[Sequence[Seen]]) -> None:
    """Write the crops of each candidate to `folder`/id/1/frame.png and so on; those of an earlier run go.

    Raises:
        DiskError: the disk is full or refuses.
    """
    place = _emptied(folder, utterance_id)
    for number, sightings in enumerate(candidates, start=1):
        _write(place / str(number), sightings)


def kept_crops(folder: Path, utterance_id: str) -> Mapping[int, Sequence[Path]]:
    """The crops that were kept, in order of time, by candidate from 1 on; `CHOSEN`: chosen at once."""
    place = crop_folder(folder, utterance_id)
    if not place.is_dir():
        return {}
    numbered = [each for each in place.iterdir() if each.is_dir() and each.name.isdecimal()]
    found = {CHOSEN: place, **{int(each.name): each for each in sorted(numbered, key=lambda p: int(p.name))}}
    crops = {number: sorted(inside.glob("*.png")) for number, inside in found.items()}
    return {number: paths for number, paths in crops.items() if paths}


def crop_folder(folder: Path, utterance_id: str) -> Path:
    """Where an utterance's crops are; an odd id, such as `../x`, does not lead out of `folder`.

    Names are the id's own, but for what a file system or a shell could take amiss. Crops of 0.2, which wrote
    all but ASCII's letters and digits in figures, are found where they are.
    """
    parts = utterance_id.split("/")
    place = folder.joinpath(*(_inside("".join(map(_readable, part))) for part in parts))
    of_old = folder.joinpath(*(_inside(quote(part, safe=" ")) for part in parts))
    return of_old if of_old.is_dir() and not place.is_dir() else place


def _readable(letter: str) -> str:
    return letter if letter.isprintable() and letter not in UNFIT else quote(letter, safe="")


def _inside(part: str) -> str:
    """A name that is no `.`, `..` or nothing."""
    return part if part.strip(".") else part.replace(".", "%2E")


def _emptied(folder: Path, utterance_id: str) -> Path:
    place = crop_folder(folder, utterance_id)
    with explained_disk_errors(place):
        if place.is_dir():
            shutil.rmtree(place)
    return place


def _write(place: Path, sightings: Sequence[Seen]) -> None:
    for sighting in sightings:
        _, encoded = cv2.imencode(".png", cv2.cvtColor(sighting.crop, cv2.COLOR_RGB2BGR))
        write_aside(place / f"{sighting.index:06d}.png", encoded.tobytes())
