"""One split of a corpus of MELD's shape: its table, its utterances, its files.

Annotations are `<split>_sent_emo.csv`, wherever they lie under the root; clips are `dia<D>_utt<U>.mp4` in one
folder per split. Nothing is opened but the tables.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic.dataclasses import dataclass as validated

from extraction.corpora.layout import APPLEDOUBLE, entries, the_only
from extraction.corpora.quirks import STRICT, Quirks
from extraction.corpora.tables import Row, read_table
from summer.corpus import Split, Utterance

COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
# H:MM:SS,mmm; hours with one digit or two. Three fractions have two digits: the lengths of their clips show
# that these are hundredths, so the comma is a decimal point and not the start of a count of milliseconds.
TIME = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})[,.](\d{1,3})")

CLIP = re.compile(r"dia(\d+)_utt(\d+)\.mp4")

Key = tuple[int, int]  # Dialogue_ID, Utterance_ID


@validated(frozen=True, kw_only=True, config=STRICT)
class SplitQuirks:
    """What one split of the release holds.

    Args:
        annotations: name of the CSV file.
        folders: names that the folder of the clips goes by.
        utterances, dialogues: rows of the annotations.
        files: mp4 files, corrected twins included.
        shared: utterances that share season, episode and text with one of the training split.
    """

    annotations: str
    folders: tuple[str, ...]
    utterances: int
    dialogues: int
    files: int
    shared: int = 0


@validated(frozen=True, kw_only=True, config=STRICT)
class MeldQuirks(Quirks):
    """The TOML of MELD and of corpora of its shape.

    Args:
        labels: in the official order.
        corrected_prefix: what the names of corrected twins begin with.
    """

    labels: tuple[str, ...]
    corrected_prefix: str
    splits: dict[Split, SplitQuirks]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFiles:
    """The files in the folder of one split.

    Args:
        plain, corrected: clips and corrected twins by key.
        strays: files that are no clips by name; AppleDouble files are only counted.
    """

    folder: Path
    plain: Mapping[Key, Path]
    corrected: Mapping[Key, Path]
    strays: Sequence[Path]
    appledouble: int

    @property
    def count(self) -> int:
        """Clips and twins together."""
        return len(self.plain) + len(self.corrected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One split as found: rows by key, utterances in corpus order; no files where no folder was found."""

    split: Split
    annotations: Path
    rows: Mapping[Key, Row]
    utterances: Sequence[Utterance]
    files: ClipFiles | None

    def chosen(self, key: Key, test_clips: str) -> Path | None:
        """The file that stands for an utterance under a policy; None if there is none."""
        if self.files is None:
            return None
        plain = self.files.plain.get(key)
        return self.files.corrected.get(key, plain) if test_clips == "corrected" else plain


def read_part(split: Split, folders: Sequence[Path], quirks: MeldQuirks) -> Part | None:
    """Read a split that lies somewhere in these folders.

    Returns:
        The split, or None if there are no annotations of it.

    Raises:
        CorpusError: an ambiguous layout, a table that cannot be read, a key twice, an unknown label.
    """
    release = quirks.splits[split]
    tables = [path for folder in folders if (path := folder / release.annotations).is_file()]
    same = len({path.read_bytes() for path in tables}) == 1  # the archive and the repository both bring them
    annotations = the_only(tables[:1] if same else tables, f"{release.annotations} (with other contents)")
    if annotations is None:
        return None
    rows = _rows_by_key(read_table(annotations, COLUMNS))
    return Part(
        split=split,
        annotations=annotations,
        rows=rows,
        utterances=[_utterance(split, key, rows[key], quirks) for key in sorted(rows)],
        files=_find_clips(folders, release.folders, quirks.corrected_prefix),
    )


def seconds(time: str) -> float | None:
    """Seconds of a time such as "00:16:21,731", or None if it is not one."""
    match = TIME.fullmatch(time.strip())
    if match is None:
        return None
    hours, minutes, whole, fraction = match.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(f"{whole}.{fraction}")


def clip_name(key: Key) -> str:
    """How MELD names a clip: dia0_utt0."""
    return f"dia{key[0]}_utt{key[1]}"


def key_of(utterance: Utterance) -> Key:
    """The key of an utterance that this reader made."""
    return int(utterance.dialogue), utterance.turn


def _rows_by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for row in rows:
        key = (row.whole_number("Dialogue_ID"), row.whole_number("Utterance_ID"))
        if key in found:
            raise row.error(
                "Utterance_ID",
                f"{clip_name(key)} stands in line {found[key].line} already; keep one of the two",
            )
        found[key] = row
    return found


def _utterance(split: Split, key: Key, row: Row, quirks: MeldQuirks) -> Utterance:
    if row["Emotion"] not in quirks.labels:
        near = difflib.get_close_matches(row["Emotion"], quirks.labels, n=1)
        hint = f"did you mean {near[0]!r}" if near else "correct it"
        raise row.error("Emotion", f"labels are {', '.join(quirks.labels)}; {hint}")
    start, end = seconds(row["StartTime"]), seconds(row["EndTime"])
    timed = start is not None and end is not None and end > start
    return Utterance(
        id=f"{split}/{clip_name(key)}",
        split=split,
        dialogue=str(key[0]),
        turn=key[1],
        speaker=row["Speaker"],
        text=row["Utterance"],
        label=row["Emotion"],
        start_seconds=start if timed else None,
        end_seconds=end if timed else None,
    )


def _find_clips(folders: Sequence[Path], names: Sequence[str], corrected_prefix: str) -> ClipFiles | None:
    named = [_list_clips(folder, corrected_prefix) for folder in folders if folder.name in names]
    filled = [found for found in named if found.count]
    only = the_only([found.folder for found in filled], f"a folder {' or '.join(names)} with clips")
    if only is None:
        return named[0] if named else None
    return filled[0]


def _list_clips(folder: Path, corrected_prefix: str) -> ClipFiles:
    plain, corrected, strays, appledouble = {}, {}, [], 0
    for path in entries(folder):
        if path.name.startswith(APPLEDOUBLE):
            appledouble += 1
        elif match := CLIP.fullmatch(path.name):
            plain[int(match[1]), int(match[2])] = path
        elif match := CLIP.fullmatch(path.name.removeprefix(corrected_prefix)):
            corrected[int(match[1]), int(match[2])] = path
        elif path.suffix == ".mp4":
            strays.append(path)
    return ClipFiles(folder=folder, plain=plain, corrected=corrected, strays=strays, appledouble=appledouble)
