"""A folder of own clips, listed in a manifest: a CSV file with one row per utterance.

    id,split,dialogue,turn,speaker,text,label,media[,start_seconds,end_seconds][,region]

`media` is relative to the manifest's folder, or to --root where one is given. Several utterances may be spans
of one long file: give their start and end in it, half-open. An empty `media` is an utterance of words only,
an empty `label` one whose truth is unknown. Dialogues stand in the order of their first rows.

`region` is the part of the picture in which the speaker is: `left` or `right` for a half of it, or four
shares of the picture as it is displayed, from its upper left corner: `left top right bottom`, so that
`0.5 0 1 1` is the right half. Empty, it is the whole picture. Sound is never cut so.

A media may also be an address, `https://host/a.mp4` or `s3://bucket/a.mp4`, or the root be one that media are
relative to. Such a file is fetched by the process that reads it; whether it is there, its row tells then.

A media path that leaves that folder (`../films/a.mp4`, `/films/a.mp4`) is taken as it is, but must exist: a
wrong one is an error, where a missing file inside the folder is a problem that costs one row. Ids name files
(kept crops), so they may be paths such as `train/a1` but must not leave a folder.

Label set: MELD's seven in their official order if all labels are among them; else all there are, sorted. One
that train has not is a problem, or an error where it looks like a slip of the pen for one that it has.

What is wrong with rows is gathered from all of them and told at once.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from extraction.corpora.corpus import Corpus, Problem
from extraction.corpora.layout import is_file
from extraction.corpora.quirks import Quirks
from extraction.corpora.tables import Defects, Row, read_table
from extraction.extractor import LEFT_HALF, RIGHT_HALF, Clip, MediaSpan, Region
from extraction.remote.address import file_name, is_address, joined, refusal, shown
from summer.corpus import Dialogue, LabelSet, Split, Utterance, group_dialogues

COLUMNS = ("id", "split", "dialogue", "turn", "speaker", "text", "label", "media")
TIMES = ("start_seconds", "end_seconds")
REGION = "region"
MOST_SECONDS = 1e7  # a recording of four months
HALVES = {"left": LEFT_HALF, "right": RIGHT_HALF}
MELD_LABELS = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
ABSENT = "the manifest names no media"


def read_manifest(manifest: Path, *, root: Path | str | None, quirks: Quirks) -> Corpus:
    """Read a manifest.

    Args:
        manifest: path of the CSV file.
        root: folder or address that media are relative to; None for the manifest's own folder.

    Returns:
        The corpus, named after the file, or after its folder if the file is called manifest.csv.

    Raises:
        CorpusError: an unreadable table; ids twice or unfit to name files; unknown splits; turns, times,
            regions or media paths that are none; labels that look like slips for one of the train split. It
            names all such rows.
    """
    rows = read_table(manifest, COLUMNS, optional=(*TIMES, REGION))
    folder = root if isinstance(root, str) else (root or manifest.parent).resolve()
    defects = Defects(manifest)
    listed = [said for row in rows if (said := _listed(row, folder, defects)) is not None]
    listed.sort(key=_corpus_order(rows))
    _note_repeated(rows, defects)
    labels = _label_set(rows, defects)
    defects.refuse()
    utterances = [said.utterance for said in listed]
    dialogue_of = {u.id: dialogue for dialogue in group_dialogues(utterances) for u in dialogue.utterances}
    return Corpus(
        name=_name(manifest),
        protocol="manifest",
        labels=labels,
        clips=tuple(_clip(said, dialogue_of) for said in listed),
        problems=(*_unlearnable(rows), *_problems(listed)),
        media_names=tuple(said.named for said in listed),
        quirks=quirks,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A row that can be used: the utterance, its media if they are there, and the part of their picture."""

    row: Row
    utterance: Utterance
    media: Path | str | None  # a file, or its address
    region: Region | None

    @property
    def named(self) -> str:
        """What the row says of its media."""
        return self.row["media"] + ("" if self.region is None else f" {REGION} {self.region}")


def _name(manifest: Path) -> str:
    path = manifest.resolve()
    return (path.parent.name if path.stem == "manifest" else path.stem) or "manifest"


def _listed(row: Row, folder: Path | str, defects: Defects) -> _Listed | None:
    """What a row says; None if anything in it is wrong, which is noted, each column by itself."""
    before = len(defects)
    for check in (_check_id, _check_split, _check_dialogue):
        with defects.noted():
            check(row)
    turn, start, end, media, region = 0, None, None, None, None
    with defects.noted():
        turn = row.whole_number("turn")
    with defects.noted():
        start, end = _times(row)
    with defects.noted():
        media = _found(folder, row)
    with defects.noted():
        region = _region(row)
    if len(defects) > before:
        return None
    utterance = Utterance(
        id=row["id"],
        split=Split(row["split"]),
        dialogue=row["dialogue"],
        turn=turn,
        speaker=row["speaker"],
        text=row["text"],
        label=row["label"],
        start_seconds=start,
        end_seconds=end,
    )
    return _Listed(row=row, utterance=utterance, media=media, region=region)


def _check_id(row: Row) -> None:
    name = row["id"]
    if not name.isprintable() or "\\" in name or str(PurePosixPath(name)) != name:
        raise row.error("id", "ids name files: use printable characters, no backslash, no // or trailing /")
    if name.startswith("/") or not set(name.split("/")).isdisjoint({"", ".", ".."}):
        raise row.error("id", "ids name files below a folder: not empty, no leading /, no . or .. part")


def _check_split(row: Row) -> None:
    if row["split"] not in list(Split):
        raise row.error("split", f"splits are {', '.join(Split)}; write one of them")


def _check_dialogue(row: Row) -> None:
    if not row["dialogue"].strip():
        raise row.error("dialogue", "name the conversation; a clip on its own is a dialogue of one turn")


def _times(row: Row) -> tuple[float | None, float | None]:
    start, end = (_time(row, column) for column in TIMES)
    if end is not None and end <= (start or 0.0):
        raise row.error("end_seconds", f"it must be later than start_seconds, {row['start_seconds'] or '0'}")
    return start, end


def _time(row: Row, column: str) -> float | None:
    if not row[column].strip():
        return None
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST_SECONDS:
        raise row.error(column, "give seconds from the start of the file, such as 12.5, or leave it empty")
    return value


def _region(row: Row) -> Region | None:
    words = row[REGION].replace(",", " ").split()
    if not words:
        return None
    if len(words) == 1 and words[0] in HALVES:
        return HALVES[words[0]]
    try:
        left, top, right, bottom = map(float, words)
        return Region(left, top, right, bottom)
    except ValueError as error:
        raise row.error(
            REGION,
            f"give {' or '.join(HALVES)}, or four shares of the picture, left top right bottom: 0.5 0 1 1",
        ) from error


def _corpus_order(rows: Sequence[Row]) -> Callable[[_Listed], tuple[int, int, int]]:
    """Split, dialogue by first row, turn."""
    first: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows):
        first.setdefault((row["split"], row["dialogue"]), number)
    splits = list(Split)

    def place(said: _Listed) -> tuple[int, int, int]:
        u = said.utterance
        return splits.index(u.split), first[u.split, u.dialogue], u.turn

    return place


def _note_repeated(rows: Sequence[Row], defects: Defects) -> None:
    """Ids and turns that an earlier row has already."""
    line_of_id: dict[str, int] = {}
    line_of_turn: dict[tuple[str, str, str], int] = {}
    for row in rows:
        line = line_of_id.setdefault(row["id"], row.line)
        if line != row.line:
            defects.note(row.error("id", f"it stands in line {line} already; give each row an id of its own"))
        turn = row["turn"].strip().lstrip("0")
        line = line_of_turn.setdefault((row["split"], row["dialogue"], turn), row.line)
        if line != row.line:
            remedy = f"line {line} has the same turn of dialogue {row['dialogue']!r}"
            defects.note(row.error("turn", remedy))


def _label_set(rows: Sequence[Row], defects: Defects) -> LabelSet:
    labelled = [row for row in rows if row["label"]]
    if all(row["label"] in MELD_LABELS for row in labelled):
        return LabelSet(MELD_LABELS)
    learned = _labels_of_train(labelled)
    for row in labelled:
        near = difflib.get_close_matches(row["label"], learned, n=1)
        if near and row["label"] not in learned:
            only = f"the train split has only {', '.join(sorted(learned))}"
            defects.note(row.error("label", f"{only}; did you mean {near[0]!r}"))
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


def _found(folder: Path | str, row: Row) -> Path | str | None:
    """The media file of a row, or its address; None if it names none or it is absent."""
    media = row["media"].strip()
    if not media:
        return None
    if is_address(media):
        return _address(media, row)
    if isinstance(folder, str):
        if _leaves_folder(media):
            raise row.error(
                "media", f"the path leaves {shown(folder)}; correct it, or give the whole address"
            )
        return joined(folder, media)
    # An archive made on macOS may hold names with composed characters taken apart.
    spellings = dict.fromkeys([row["media"], *(normalize(form, row["media"]) for form in ("NFC", "NFD"))])
    for spelling in spellings:
        if is_file(folder / spelling):
            return folder / spelling
    if _leaves_folder(row["media"]):
        raise row.error("media", f"there is no such file, and the path leaves {folder}; correct it")
    return None


def _address(media: str, row: Row) -> str:
    if remedy := refusal(media):
        raise row.error("media", remedy)
    return media


def _leaves_folder(media: str) -> bool:
    depth = 0
    for part in PurePosixPath(media).parts:
        depth += {"..": -1, "/": -1}.get(part, 1)
        if depth < 0:
            return True
    return False


def _clip(said: _Listed, dialogue_of: Mapping[str, Dialogue]) -> Clip:
    utterance, span = said.utterance, None
    if said.media is not None:
        is_here = isinstance(said.media, Path)
        span = MediaSpan(
            path=Path(said.media) if is_here else file_name(str(said.media)),
            address="" if is_here else str(said.media),
            start_seconds=utterance.start_seconds,
            end_seconds=utterance.end_seconds,
        )
    absent = f"no file {said.row['media']}" if said.row["media"].strip() else ABSENT
    return Clip(
        utterance=utterance,
        dialogue=dialogue_of[utterance.id],
        audio=span,
        video=None if span is None else replace(span, region=said.region),
        remark="" if said.media else absent,
    )


def _problems(listed: Iterable[_Listed]) -> Iterator[Problem]:
    for said in listed:
        if said.media is None:
            named = bool(said.row["media"].strip())
            yield Problem(
                kind="missing",
                where=said.utterance.id,
                known=not named,
                what=f"line {said.row.line}: no file {said.row['media']!r}" if named else ABSENT,
                remedy="its audio and video rows get the status missing; put the file there and run with "
                "--retry-failed",
            )
