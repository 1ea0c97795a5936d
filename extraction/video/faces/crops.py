"""Aligned crops kept as PNG, one folder per utterance, to look at with one's own eyes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import cv2

from extraction.video.faces.tracks import Sighting
from summer.durable import explained_disk_errors, write_aside


def keep_crops(folder: Path, utterance_id: str, sightings: Sequence[Sighting]) -> None:
    """Write an utterance's crops to `folder`/id/frame.png; crops of an earlier run go.

    Raises:
        DiskError: the disk is full or refuses.
    """
    place = crop_folder(folder, utterance_id)
    with explained_disk_errors(place):
        if place.is_dir():
            shutil.rmtree(place)
    for sighting in sightings:
        _, encoded = cv2.imencode(".png", cv2.cvtColor(sighting.crop, cv2.COLOR_RGB2BGR))
        write_aside(place / f"{sighting.index:06d}.png", encoded.tobytes())


def crop_folder(folder: Path, utterance_id: str) -> Path:
    """Where an utterance's crops are; an odd id, such as `../x`, does not lead out of `folder`."""
    parts = [quote(part, safe=" ") for part in utterance_id.split("/")]
    return folder.joinpath(*(part.replace(".", "%2E") if not part.strip(".") else part for part in parts))
