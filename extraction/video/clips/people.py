"""A folder per person, as VGGFace2 has it, made into aligned crops and these into pseudo-clips.

Paper: appendix A.1 tunes the 3D-CNN on VGGFace2, which has pictures and no films: ROOT/<person>/*.jpg.

A pseudo-clip is some pictures of one person one after the other, drawn anew each epoch. The other way, one
picture with small random moves, would teach nothing: such frames are nearly equal, on equal frames the
inflated network is the 2D one, and that one has learned VGGFace2 by heart. Between different pictures head,
light and expression change, as they do between keyframes, and the kernels over time have to see through that.

Each person's pictures are aligned once (MTCNN, then `alignment.py`) and kept as PNG beside a record of what
was skipped and why. The record is written last: a kill costs the person under way. Of several faces in a
picture the one is taken that is large and near the centre, as FaceNet's authors' own script does:

    area of the box - 2 |centre of the box - centre of the picture|^2, in pixels

Every tenth of a person's pictures is held out, at least one, and chooses the epoch.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from extraction.video.clips.labelled import ClipsError, FaceClip, ScoreName
from extraction.video.faces.alignment import aligned_crop, crop_matrix
from extraction.video.faces.detection import Face
from summer.durable import (
    clear_asides_below,
    explained_disk_errors,
    first_line,
    holder_of,
    json_of,
    opened_lock,
    taken,
    write_aside,
)

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
RECORD, LOCK = "person.json", ".lock"
HELD_OUT_EVERY = 10
FEWEST_PICTURES = 2  # one to train on, one to choose the epoch by
FEWEST_PEOPLE = 2
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)

Detect = Callable[[Sequence[UInt8[np.ndarray, "_ _ 3"]]], list[list[Face]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person's aligned faces.

    Args:
        crops: in order of the pictures' names.
        pictures: (name, bytes) of the pictures that these were made of.
        skipped: (picture, why) of those that have no crop.
    """

    name: str
    pictures: tuple[tuple[str, int], ...]
    crops: tuple[Path, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def is_usable(self) -> bool:
        """Whether there is a picture to train on and one to choose the epoch by."""
        return len(self.crops) >= FEWEST_PICTURES

    @property
    def held_out(self) -> tuple[Path, ...]:
        """Pictures that choose the epoch."""
        return self.crops[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY] or self.crops[-1:]

    @property
    def trained_on(self) -> tuple[Path, ...]:
        """All others."""
        held_out = set(self.held_out)
        return tuple(path for path in self.crops if path not in held_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleProgress:
    """How far alignment is: persons, pictures without a crop so far."""

    finished: int
    total: int
    skipped: int


class People:
    """Pseudo-clips of persons, whose class is who they are.

    Args:
        people: of whom those with too few pictures are left out.
        frames: of a pseudo-clip that chooses the epoch.

    Raises:
        ClipsError: fewer than two persons are left.
    """

    score: ScoreName = "accuracy"

    def __init__(self, people: Sequence[Person], *, frames: int) -> None:
        self.people = [person for person in people if person.is_usable]
        self.too_few = [person.name for person in people if not person.is_usable]
        if len(self.people) < FEWEST_PEOPLE:
            raise ClipsError(
                f"{len(self.people)} of {len(people)} persons have {FEWEST_PICTURES} or more pictures with a "
                f"face, and {FEWEST_PEOPLE} are needed to tell people apart; give a folder with a folder per "
                "person in it"
            )
        self.classes = tuple(person.name for person in self.people)
        self.dev = [
            FaceClip(crops=group, label=label)
            for label, person in enumerate(self.people)
            for group in _groups(person.held_out, frames)
        ]
        self.content: Any = [[person.name, [path.name for path in person.crops]] for person in self.people]
        self.counts: Mapping[str, int] = {
            "persons": len(self.people),
            "persons with too few pictures": len(self.too_few),
            "pictures trained on": sum(len(person.trained_on) for person in self.people),
            "pictures held out": sum(len(person.held_out) for person in self.people),
            "pictures skipped": sum(len(person.skipped) for person in people),
        }

    def of_epoch(self, random: np.random.Generator, *, frames: int) -> list[FaceClip]:
        """Each picture once, in pseudo-clips of one person, half of them mirrored."""
        clips = []
        for label, person in enumerate(self.people):
            pictures = person.trained_on
            shuffled = [pictures[k] for k in random.permutation(len(pictures))]
            clips += [
                FaceClip(crops=group, label=label, mirrored=bool(random.random() < 0.5))
                for group in _groups(shuffled, frames)
            ]
        return [clips[k] for k in random.permutation(len(clips))]


def _groups(pictures: Sequence[Path], frames: int) -> Iterator[tuple[Path, ...]]:
    for start in range(0, len(pictures), frames):
        yield tuple(pictures[start : start + frames])


def align_people(
    root: Path,
    folder: Path,
    *,
    detect: Detect,
    most_pictures: int,
    on_progress: Callable[[PeopleProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Person]:
    """Align the faces of a folder per person, or find that this has been done.

    Args:
        root: holds a folder per person with pictures in it; other files are ignored.
        folder: for the crops: `folder`/<person>/<picture>.png.
        detect: finds the faces of pictures.
        most_pictures: of a person, evenly spread over their names.
        should_stop: asked before each person; once true, those that are not done are left out.

    Raises:
        ClipsError: the root is no folder, or has no folder with pictures in it; another run is at it.
        DiskError: the disk is full or refuses.
        DeviceMemoryError: a picture does not fit the device.
    """
    chosen = pictures_of(root, most=most_pictures)
    people: list[Person] = []
    skipped = 0
    with _locked(folder):
        for count, (name, pictures) in enumerate(chosen.items(), start=1):
            if should_stop():
                break
            place = folder / quote(name, safe=" ").replace(".", "%2E")
            person = _finished(name, pictures, place) or _align(name, pictures, place, detect)
            people.append(person)
            skipped += len(person.skipped)
            on_progress(PeopleProgress(finished=count, total=len(chosen), skipped=skipped))
    return people


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one run align into a folder: a second one would do the same for hours, and be refused then."""
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = opened_lock(folder / LOCK)
    with lock:
        if not taken(lock):
            raise ClipsError(
                f"another run is aligning the faces in {folder} ({holder_of(lock)}); wait for it, stop it, "
                "or give another --out"
            )
        yield


def pictures_of(root: Path, *, most: int) -> dict[str, list[Path]]:
    """The pictures of each person, by name, evenly spread where there are more than `most`.

    Raises:
        ClipsError: the root is no folder, or has no folder with pictures in it.
    """
    if not root.is_dir():
        raise ClipsError(f"{root} is not a folder; give one with a folder of pictures per person")
    found = {}
    for place in sorted(entry for entry in root.iterdir() if entry.is_dir()):
        pictures = sorted(path for path in place.iterdir() if _is_picture(path))
        if pictures:
            spread = np.linspace(0, len(pictures) - 1, min(most, len(pictures))).round().astype(int)
            found[place.name] = [pictures[k] for k in spread]
    if not found:
        raise ClipsError(
            f"{root} has no folder with pictures ({', '.join(sorted(PICTURES))}) in it; give the folder "
            "above those of the persons, such as VGGFace2's train"
        )
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()


def _finished(name: str, pictures: Sequence[Path], place: Path) -> Person | None:
    """What an earlier run made of the same pictures."""
    try:
        record = json_of((place / RECORD).read_text(encoding="utf-8"))
        person = _from_record(name, record, place)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_whole = all(path.is_file() for path in person.crops)
    return person if is_whole and person.pictures == _as_listed(pictures) else None


def _align(name: str, pictures: Sequence[Path], place: Path, detect: Detect) -> Person:
    crops, skipped = [], []
    with explained_disk_errors(place):
        clear_asides_below(place)  # of a run that was killed at this person
    for path in pictures:
        crop = _face_of(path, detect)
        if isinstance(crop, str):
            skipped.append((path.name, crop))
            continue
        _, encoded = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
        crops.append(f"{path.name}.png")
        write_aside(place / crops[-1], encoded.tobytes())
    record = {"pictures": _as_listed(pictures), "crops": crops, "skipped": skipped}
    write_aside(place / RECORD, json.dumps(record, ensure_ascii=False).encode())
    return _from_record(name, record, place)


def _from_record(name: str, record: Mapping[str, Any], place: Path) -> Person:
    return Person(
        name=name,
        pictures=tuple((file, size) for file, size in record["pictures"]),
        crops=tuple(place / crop for crop in record["crops"]),
        skipped=tuple((file, why) for file, why in record["skipped"]),
    )


def _as_listed(pictures: Sequence[Path]) -> tuple[tuple[str, int], ...]:
    """What tells whether a folder is the one that was aligned."""
    return tuple((path.name, path.stat().st_size) for path in pictures)


def _face_of(path: Path, detect: Detect) -> UInt8[np.ndarray, "160 160 3"] | str:
    """The aligned face, or why there is none."""
    try:
        with Image.open(path) as opened:
            picture = np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    except UNREADABLE as error:
        return f"cannot be read ({first_line(error)})"
    height, width = picture.shape[:2]
    faces = detect([picture])[0]
    if not faces:
        return "no face found"
    face = max(faces, key=lambda face: _presence(face, width, height))
    return aligned_crop(picture, crop_matrix(face.landmarks))


def _presence(face: Face, width: int, height: int) -> float:
    off = (face.box[:2] + face.box[2:]) / 2 - np.array([width, height]) / 2
    return face.area - 2 * float(np.square(off).sum())
