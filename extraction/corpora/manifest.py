"""A folder of own clips, listed in a manifest: a CSV file with one row per utterance.

    id,split,dialogue,turn,speaker,text,label,media[,start_seconds,end_seconds]

`media` is relative to the manifest's folder, or to --root where one is given. Several utterances may be spans
of one long file: give their start and end in it, half-open. An empty `media` is an utterance of words only,
an empty `label` one whose truth is unknown. Dialogues stand in the order of their first rows.

A media path that leaves that folder (`../films/a.mp4`, `/films/a.mp4`) is taken as it is, but must exist: a
wrong one is an error, where a missing file inside the folder is a problem that costs one row. Ids name files
(kept crops), so they may be paths such as `train/a1` but must not leave a folder.

Label set: MELD's seven in their official order if all labels are among them; else all there are, sorted. One
that train has not is a problem, or an error where it looks like a slip of the pen for one that it has.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from extraction.corpora.corpus import Corpus, Problem
from extraction.corpora.layout import is_file
from extraction.corpora.quirks import Quirks
from extraction.corpora.tables import Row, read_table
from extraction.extractor import Clip, MediaSpan
from summer.corpus import Dialogue, LabelSet, Split, Utterance, group_dialogues

COLUMNS = ("id", "split", "dialogue", "turn", "speaker", "text", "label", "media")
TIMES = ("start_seconds", "end_seconds")
MELD_LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
ABSENT = "the manifest names no media"


def read_manifest(manifest: Path, *, root: Path | None, quirks: Quirks) -> Corpus:
    """Read a manifest.

    Args:
        manifest: path of the CSV file.
        root: folder that media are relative to; None for the manifest's own.

    Returns:
        The corpus, named after the file, or after its folder if the file is called manifest.csv.

    Raises:
        CorpusError: an unreadable table; an id twice or unfit to name files; an unknown split; a turn, time
            or media path that is none; a label that looks like a slip for one of the train split.
    """
    rows = read_table(manifest, COLUMNS, optional=TIMES)
    folder = (root or manifest.parent).resolve()
    row_of_id = _rows_by_id(rows)
    utterances = sorted(map(_utterance, rows), key=_corpus_order(rows))
    _refuse_equal_turns(utterances, row_of_id)
    dialogue_of = {u.id: dialogue for dialogue in group_dialogues(utterances) for u in dialogue.utterances}
    media = {name: _found(folder, row_of_id[name]) for name in row_of_id}
    return Corpus(
        name=_name(manifest),
        protocol="manifest",
        labels=_label_set(rows),
        clips=tuple(_clip(u, row_of_id[u.id], media[u.id], dialogue_of) for u in utterances),
        problems=(*_unlearnable(rows), *_problems(utterances, row_of_id, media)),
        media_names=tuple(row_of_id[utterance.id]["media"] for utterance in utterances),
        quirks=quirks,
    )


def _name(manifest: Path) -> str:
    path = manifest.resolve()
    return (path.parent.name if path.stem == "manifest" else path.stem) or "manifest"


def _rows_by_id(rows: Iterable[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        name = row["id"]
        if not name.isprintable() or "\\" in name or str(PurePosixPath(name)) != name:
            raise row.error(
                "id", "ids name files: use printable characters, no backslash, no // or trailing /"
            )
        if name.startswith("/") or not set(name.split("/")).isdisjoint({"", ".", ".."}):
            raise row.error("id", "ids name files below a folder: not empty, no leading /, no . or .. part")
        if name in found:
            raise row.error(
                "id", f"it stands in line {found[name].line} already; give each row an id of its own"
            )
        found[name] = row
    return found


def _utterance(row: Row) -> Utterance:
    if row["split"] not in list(Split):
        raise row.error("split", f"splits are {', '.join(Split)}; write one of them")
    start, end = (_time(row, column) for column in TIMES)
    if end is not None and end <= (start or 0.0):
        raise row.error("end_seconds", f"it must be later than start_seconds, {row['start_seconds'] or '0'}")
    return Utterance(
        id=row["id"],
        split=Split(row["split"]),
        dialogue=row["dialogue"],
        turn=row.whole_number("turn"),
        speaker=row["speaker"],
        text=row["text"],
        label=row["label"],
        start_seconds=start,
        end_seconds=end,
    )


def _time(row: Row, column: str) -> float | None:
    if not row[column].strip():
        return None
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise row.error(column, "give seconds from the start of the file, such as 12.5, or leave it empty")
    return value


def _corpus_order(rows: Sequence[Row]) -> Callable[[Utterance], tuple[int, int, int]]:
    """Split, dialogue by first row, turn."""
    first: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows):
        if not row["dialogue"].strip():
            raise row.error("dialogue", "name the conversation; a clip on its own is a dialogue of one turn")
        first.setdefault((row["split"], row["dialogue"]), number)
    splits = list(Split)
    return lambda u: (splits.index(u.split), first[u.split, u.dialogue], u.turn)


def _refuse_equal_turns(utterances: Sequence[Utterance], row_of_id: Mapping[str, Row]) -> None:
    for one, other in pairwise(utterances):
        if (one.split, one.dialogue, one.turn) == (other.split, other.dialogue, other.turn):
            line = row_of_id[one.id].line
            raise row_of_id[other.id].error(
                "turn", f"line {line} has the same turn of dialogue {one.dialogue!r}"
            )


def _label_set(rows: Sequence[Row]) -> LabelSet:
    labelled = [row for row in rows if row["label"]]
    if all(row["label"] in MELD_LABELS for row in labelled):
        return LabelSet(MELD_LABELS)
    learned = _labels_of_train(labelled)
    for row in labelled:
        near = difflib.get_close_matches(row["label"], learned, n=1)
        if near and row["label"] not in learned:
            only = f"the train split has only {', '.join(sorted(learned))}"
            raise row.error("label", f"{only}; did you mean {near[0]!r}")
    return LabelSet(tuple(sorted({row["label"] for row in labelled})))


def _labels_of_train(rows: Sequence[Row]) -> set[str]:
    return {row["label"] for row in rows if row["label"] and row["split"] == Split.TRAIN}


def _unlearnable(rows: Sequence[Row]) -> Iterator[Problem]:
    """Labels that dev or test have and train has not, where train has any."""
    learned = _labels_of_train(rows)
    for label in sorted({row["label"] for row in rows if row["label"]} - learned) if learned else ():
        first = next(row for row in rows if row["label"] == label)
        yield Problem(
            kind="unlearnable",
            where=first["id"],
            known=False,
            what=f"line {first.line}: no row of train has label {label!r}",
            remedy="it is scored and cannot be learned; correct it, give train some, or leave it empty",
        )


def _found(folder: Path, row: Row) -> Path | None:
    """The media file of a row; None if it names none or it is absent."""
    if not row["media"].strip():
        return None
    # An archive made on macOS may hold names with composed characters taken apart.
    spellings = dict.fromkeys([row["media"], *(normalize(form, row["media"]) for form in ("NFC", "NFD"))])
    for spelling in spellings:
        if is_file(folder / spelling):
            return folder / spelling
    if _leaves_folder(row["media"]):
        raise row.error("media", f"there is no such file, and the path leaves {folder}; correct it")
    return None


def _leaves_folder(media: str) -> bool:
    depth = 0
    for part in PurePosixPath(media).parts:
        depth += {"..": -1, "/": -1}.get(part, 1)
        if depth < 0:
            return True
    return False


def _clip(utterance: Utterance, row: Row, media: Path | None, dialogue_of: Mapping[str, Dialogue]) -> Clip:
    span = None
    if media is not None:
        span = MediaSpan(path=media, start_seconds=utterance.start_seconds, end_seconds=utterance.end_seconds)
    absent = f"no file {row['media']}" if row["media"].strip() else ABSENT
    return Clip(
        utterance=utterance,
        dialogue=dialogue_of[utterance.id],
        audio=span,
        video=span,
        remark="" if media else absent,
    )


def _problems(
    utterances: Iterable[Utterance], row_of_id: Mapping[str, Row], media: Mapping[str, Path | None]
) -> Iterator[Problem]:
    for utterance in utterances:
        row = row_of_id[utterance.id]
        if media[utterance.id] is None:
            named = bool(row["media"].strip())
            yield Problem(
                kind="missing",
                where=utterance.id,
                known=not named,
                what=f"line {row.line}: no file {row['media']!r}" if named else ABSENT,
                remedy="its audio and video rows get the status missing; put the file there and run with "
                "--retry-failed",
            )
