"""What is odd about a corpus of MELD's shape, as far as tables and file names tell. No media is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from extraction.corpora.corpus import Problem
from extraction.corpora.layout import relative
from extraction.corpora.meld.alignment import Media
from extraction.corpora.meld.parts import MeldQuirks, Part, SplitQuirks, clip_name, key_of
from extraction.corpora.tables import Row
from summer.corpus import Split, Utterance

MISSING_REMEDY = "audio and video get the status missing; put the file there and run with --retry-failed"


def problems(
    root: Path,
    parts: Sequence[Part],
    quirks: MeldQuirks,
    test_clips: str,
    media: Mapping[str, Media],
) -> Iterator[Problem]:
    """Problems of the whole corpus, then split by split.

    Args:
        parts: the splits that were found.
        test_clips: the policy.
        media: of each utterance, by id.
    """
    found = {part.split for part in parts}
    for split, release in quirks.splits.items():
        if split not in found:
            yield Problem(
                kind="missing",
                where=release.annotations,
                known=False,
                what=f"there are no annotations of the {split} split, {release.utterances} utterances",
                remedy="put the file beside the others, unless you go without this split on purpose",
            )
    for part in parts:
        yield from _count_problems(root, part, quirks.splits[part.split])
        yield from _file_problems(root, part, quirks)
        for utterance in part.utterances:
            yield from _utterance_problems(part, utterance, quirks, test_clips, media[utterance.id])
    yield from _shared_problems(root, parts, quirks)


def _count_problems(root: Path, part: Part, release: SplitQuirks) -> Iterator[Problem]:
    counts = [
        ("utterances", len(part.utterances), release.utterances),
        ("dialogues", len({utterance.dialogue for utterance in part.utterances}), release.dialogues),
    ]
    if part.files is not None:
        counts.append(("mp4 files", part.files.count, release.files))
    for noun, found, expected in counts:
        if found != expected:
            clips = part.files.folder if part.files and noun == "mp4 files" else part.annotations
            yield Problem(
                kind="count",
                where=relative(clips, root),
                known=False,
                what=f"{found} {noun}, the release has {expected}",
                remedy="unpack or download it again, unless a subset is what you want",
            )


def _file_problems(root: Path, part: Part, quirks: MeldQuirks) -> Iterator[Problem]:
    if part.files is None:
        yield Problem(
            kind="missing",
            where=part.split.value,
            known=False,
            what=f"no folder {' or '.join(quirks.splits[part.split].folders)}: {len(part.utterances)} clips",
            remedy="unpack the split's archive under the root; text can be extracted without it",
        )
        return
    if part.files.appledouble:
        yield Problem(
            kind="appledouble",
            where=relative(part.files.folder, root),
            known=True,
            what=f"{part.files.appledouble} files ._*, attributes that macOS put into the archive",
            remedy="they are ignored; delete them if you like",
        )
    for path in part.files.strays:
        yield Problem(
            kind="stray",
            where=relative(path, root),
            known=False,
            what="its name is not that of a clip",
            remedy="it is ignored; rename it if it is a clip, or move it away",
        )
    for key, path in sorted([*part.files.plain.items(), *part.files.corrected.items()]):
        if key not in part.rows:
            listed = quirks.listed("orphan", f"{part.split}/{clip_name(key)}")
            yield Problem(
                kind="orphan",
                where=relative(path, root),
                known=listed is not None,
                what="a clip that no row of the annotations names",
                remedy="it is ignored; the annotations decide",
            )


def _utterance_problems(
    part: Part, utterance: Utterance, quirks: MeldQuirks, test_clips: str, media: Media
) -> Iterator[Problem]:
    key = key_of(utterance)
    row = part.rows[key]
    if utterance.end_seconds is None:
        listed = quirks.listed("mis-timed", utterance.id)
        yield Problem(
            kind="mis-timed",
            where=utterance.id,
            known=listed is not None,
            what=f"StartTime {row['StartTime']!r}, EndTime {row['EndTime']!r} are no interval",
            remedy=listed.remedy if listed else "its times are left unknown; nothing else depends on them",
        )
    if part.files is None:
        return
    if media.unaligned:
        yield _unaligned_problem(part, utterance, quirks, media)
    if media.span is None:
        listed = quirks.listed("missing", utterance.id)
        yield Problem(
            kind="missing",
            where=utterance.id,
            known=listed is not None,
            what=f"{clip_name(key)}.mp4 is not in {part.files.folder.name}",
            remedy=listed.remedy if listed else MISSING_REMEDY,
        )
    elif key in part.files.corrected and not media.is_aligned:
        yield _twin_problem(utterance, part.files.corrected[key], test_clips)
    for entry in () if media.is_aligned else quirks.known_of(utterance.id):
        if entry.kind not in ("missing", "mis-timed") and media.span is not None:
            yield Problem(
                kind=entry.kind, where=utterance.id, known=True, what=entry.what, remedy=entry.remedy
            )


def _unaligned_problem(part: Part, utterance: Utterance, quirks: MeldQuirks, media: Media) -> Problem:
    listed = [quirks.listed("missing", f"{part.split}/{clip_name(key)}") for key in media.missing]
    return Problem(
        kind="unaligned",
        where=utterance.id,
        known=all(listed),
        what=media.unaligned,
        remedy="its own clip is used whole: words may lack, or another's be in it; its rows say so",
    )


def _twin_problem(utterance: Utterance, twin: Path, test_clips: str) -> Problem:
    corrected = test_clips == "corrected"
    used = f"{twin.name} is used instead" if corrected else f"it is used although there is {twin.name}"
    return Problem(
        kind="twin" if corrected else "mis-cut",
        where=utterance.id,
        known=True,
        what=f"the release's plain clip is mis-cut; {used}",
        remedy="none needed; test_clips=plain undoes it" if corrected else "set test_clips=corrected",
    )


def _shared_problems(root: Path, parts: Sequence[Part], quirks: MeldQuirks) -> Iterator[Problem]:
    train = {_line(row) for part in parts if part.split is Split.TRAIN for row in part.rows.values()}
    for part in parts:
        count = sum(_line(row) in train for row in part.rows.values())
        if count and part.split is not Split.TRAIN:
            yield Problem(
                kind="shared",
                where=relative(part.annotations, root),
                known=count <= quirks.splits[part.split].shared,
                what=f"{count} utterances have season, episode and text of a training utterance",
                remedy="none: the official split is kept, as all published numbers use it; bear it in mind",
            )


def _line(row: Row) -> tuple[str, str, str]:
    return row["Season"], row["Episode"], row["Utterance"]
