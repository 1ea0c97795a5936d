"""The check of a whole raw corpus: every file that a clip uses is probed and held against the annotations.

A file that lies at an address is fetched for it, and goes at once. What the corpus' TOML lists is known, all
else is new. Nothing is decoded: a file that demuxes well may still
hold damaged pictures, which extraction finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from extraction.corpora.corpus import Corpus, Problem
from extraction.corpora.layout import relative
from extraction.corpora.lengths import annotated_seconds, is_whole, lasting_seconds, mis_cut
from extraction.corpora.probe import PictureTrack, Probe, probe
from extraction.corpora.quirks import ExpectedMedia
from extraction.extractor import Clip, MediaSpan
from extraction.remote import FETCHED_GIB
from extraction.remote.address import file_name, shown

RATE_TOLERANCE = 0.02  # relative; 23.976 and 25 frames a second are told apart
File = Path | str  # on a disk, or at an address
MASKED = "its rows get that status, and the trainer masks them"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """One clip's use of a file, for its picture, its sound or both.

    Args:
        span: of one piece.
        is_all: the clip has no other piece, so that its length is the clip's.
    """

    clip: Clip
    span: MediaSpan
    is_all: bool
    picture: bool
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What is wrong with a file (no clip) or with one clip's use of it."""

    kind: str
    what: str
    remedy: str
    clip: Clip | None = None
    annotated_so: bool = False  # the annotation is equally odd


def check_corpus(
    corpus: Corpus, root: Path | None, *, workers: int, on_progress: Callable[[int, int], None]
) -> list[Problem]:
    """Probe every media file that the corpus uses.

    Args:
        corpus: from `open_corpus`.
        root: files are named relative to it; None leaves their paths as they are.
        workers: files probed at a time.
        on_progress: told how many files are done, of how many.

    Returns:
        The problems seen while reading, then those found by probing, in corpus order; none twice.

    Raises:
        ValueError: fewer than one worker.
    """
    uses = _uses_by_file(corpus.clips)
    found = {(problem.kind, problem.where): problem for problem in reversed(corpus.problems)}
    listed, new = list(corpus.problems), []
    pool = ThreadPoolExecutor(max_workers=workers)  # demuxing leaves the interpreter's lock alone
    try:
        for done, (file, probed) in enumerate(zip(uses, pool.map(_probed, uses), strict=True), start=1):
            for finding in _findings(file, uses[file], probed, corpus.quirks.media):
                problem = _problem(finding, file, uses[file], corpus, root)
                if (problem.kind, problem.where) not in found:
                    found[problem.kind, problem.where] = problem
                    new.append(problem)
            on_progress(done, len(uses))
    finally:
        pool.shutdown(cancel_futures=True)
    return listed + new


def _probed(file: File) -> Probe:
    """Look into a file, or into a copy of one that lies at an address."""
    if isinstance(file, Path):
        return probe(file)
    from extraction.remote.cache import MediaCache

    cache = MediaCache(int(FETCHED_GIB * 2**30))
    try:
        copy = cache.fetch([file])[file]
        return probe(copy) if isinstance(copy, Path) else Probe(fault="missing", reason=str(copy))
    finally:
        cache.close()


def _named(file: File, root: Path | None) -> str:
    if isinstance(file, str):
        return shown(file)
    return relative(file, root) if root else str(file)


def _file_of(piece: MediaSpan) -> File:
    return piece.address or piece.path


def _uses_by_file(clips: Sequence[Clip]) -> dict[File, list[_Use]]:
    uses: dict[File, list[_Use]] = {}
    for clip in clips:
        seen, heard = (() if span is None else span.pieces for span in (clip.video, clip.audio))
        same = [_file_of(piece) for piece in seen] == [_file_of(piece) for piece in heard]
        for piece in seen:
            use = _Use(clip=clip, span=piece, is_all=len(seen) == 1, picture=True, sound=same)
            uses.setdefault(_file_of(piece), []).append(use)
        for piece in () if same else heard:
            use = _Use(clip=clip, span=piece, is_all=len(heard) == 1, picture=False, sound=True)
            uses.setdefault(_file_of(piece), []).append(use)
    return uses


def _problem(
    finding: _Finding, place: File, uses: Sequence[_Use], corpus: Corpus, root: Path | None
) -> Problem:
    file = _named(place, root)
    utterances = [finding.clip.utterance] if finding.clip else [use.clip.utterance for use in uses]
    all_listed = (corpus.quirks.listed(finding.kind, u.id, f"{u.split}/{u.dialogue}") for u in utterances)
    listed = next(filter(None, all_listed), None)
    is_of_one = len(utterances) == 1
    return Problem(
        kind=finding.kind,
        where=utterances[0].id if is_of_one else file,
        known=finding.annotated_so or listed is not None,
        what=f"{file}: {finding.what}" if is_of_one else finding.what,
        remedy=listed.remedy if listed else finding.remedy,
    )


def _findings(file: File, uses: Sequence[_Use], probed: Probe, expected: ExpectedMedia) -> Iterator[_Finding]:
    if probed.fault:
        name = file.name if isinstance(file, Path) else file_name(file).name
        remedy = f"fetch {name} again; until then {MASKED}"
        yield _Finding(kind=probed.fault, what=probed.reason, remedy=remedy)
    if probed.fault in ("missing", "corrupt"):
        return
    if any(use.picture for use in uses):
        yield from _picture_findings(probed.picture, expected)
    if any(use.sound for use in uses):
        yield from _sound_findings(probed, expected)
    for use in uses:
        yield from _length_findings(use, probed, expected)


def _picture_findings(picture: PictureTrack | None, expected: ExpectedMedia) -> Iterator[_Finding]:
    if picture is None:
        yield _Finding(
            kind="no-video",
            what="it has no moving picture",
            remedy="its video rows get the status no_video; correct the path if this is not the film",
        )
        return
    odd_size = expected.pictures and (picture.width, picture.height) not in expected.pictures
    odd_rate = expected.frame_rates_hertz and not any(
        abs(picture.rate_hertz - rate) <= RATE_TOLERANCE * rate for rate in expected.frame_rates_hertz
    )
    if odd_size or odd_rate:
        sizes = " or ".join(f"{width}x{height}" for width, height in expected.pictures)
        rates = " or ".join(f"{rate:g}" for rate in expected.frame_rates_hertz)
        found = f"{picture.size} at {picture.rate_hertz:.3f} frames a second"
        yield _Finding(
            kind="picture",
            what=f"{found}, where {sizes} at {rates} is usual",
            remedy="none needed: any size and rate will do; but a re-encoded copy is worth a doubt",
        )


def _sound_findings(probed: Probe, expected: ExpectedMedia) -> Iterator[_Finding]:
    sound = probed.sound
    if sound is None:
        yield _Finding(
            kind="no-audio",
            what="it has no sound",
            remedy="its audio rows get the status no_audio; correct the path if the sound lies elsewhere",
        )
        return
    odd_rate = expected.sample_rates_hertz and sound.rate_hertz not in expected.sample_rates_hertz
    odd_layout = expected.channel_layouts and sound.layout not in expected.channel_layouts
    if odd_rate or odd_layout:
        rates = " or ".join(map(str, expected.sample_rates_hertz))
        layouts = " or ".join(expected.channel_layouts)
        yield _Finding(
            kind="sound",
            what=f"{sound.layout} at {sound.rate_hertz} Hz, where {layouts} at {rates} Hz is usual",
            remedy="none needed: it is resampled and mixed; a re-encoded copy is worth a doubt",
        )


def _length_findings(use: _Use, probed: Probe, expected: ExpectedMedia) -> Iterator[_Finding]:
    found = mis_cut(
        use.clip.utterance,
        use.span,
        file_seconds=probed.seconds,
        tolerance_seconds=expected.tolerance_seconds,
    )
    if found is not None:
        yield _Finding(kind="mis-cut", what=found.what, remedy=found.remedy, clip=use.clip)
        if not is_whole(use.span):
            return  # it has no length of its own
    if not use.is_all:
        return
    lasting = lasting_seconds(use.span, probed.seconds)
    if lasting > expected.giant_seconds:
        yield _Finding(
            kind="giant",
            what=f"it lasts {lasting:.1f} s, an utterance seldom over {expected.giant_seconds:g} s",
            remedy="none needed, memory is bounded; but expect other voices and faces in its features",
            clip=use.clip,
        )
    if not use.picture or probed.picture is None:
        return
    frames = probed.picture.frames if is_whole(use.span) else round(lasting * probed.picture.rate_hertz)
    if frames < expected.tiny_frames:
        agrees = annotated_seconds(use.clip.utterance) is not None and found is None
        yield _Finding(
            kind="tiny",
            what=f"{frames} frames in {lasting:.3f} s",
            remedy="none: there is at least one keyframe; its sound may get the status too_short",
            clip=use.clip,
            annotated_so=agrees and expected.tiny_is_known,
        )
