"""Clips held against their annotations while they are extracted: a row says what the check would say of it.

The length of a clip is told from its packets, in the process that reads it anyway, so that neither opening a
corpus nor the main process of a run has to open 13,000 files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from extraction.corpora.lengths import mis_cut
from extraction.corpora.probe import Probe, probe
from extraction.corpora.quirks import ExpectedMedia
from extraction.extractor import Around, Clip, Extractor, MediaSpan, Outcome
from summer.corpus import Modality


class Measured(Around):
    """An extractor of sound or pictures that is told of each clip whose length is not that of its annotation.

    Args:
        extractor: what makes the vectors; it sees the same clips, with one more remark.
        expected: the corpus' media; by how much lengths may differ.
    """

    def __init__(self, extractor: Extractor, expected: ExpectedMedia) -> None:
        super().__init__(extractor)
        self.expected = expected

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order, as the extractor gives it."""
        paths = {piece.path for clip in clips for piece in self._pieces(clip)}
        probed = {path: _probed(path, _version(path)) for path in paths}
        return self.extractor([self._remarked(clip, probed) for clip in clips])

    def _pieces(self, clip: Clip) -> tuple[MediaSpan, ...]:
        span = clip.audio if self.modality is Modality.AUDIO else clip.video
        return () if span is None else span.pieces

    def _remarked(self, clip: Clip, probed: Mapping[Path, Probe]) -> Clip:
        found = [
            mis_cut(
                clip.utterance,
                piece,
                file_seconds=probed[piece.path].seconds,
                tolerance_seconds=self.expected.tolerance_seconds,
            )
            for piece in self._pieces(clip)
            if probed[piece.path].fault not in ("missing", "corrupt")  # the status tells
        ]
        told = [clip.remark, *(one.what for one in found if one is not None)]
        return replace(clip, remark="; ".join(filter(None, told)))


@lru_cache(
    maxsize=8
)  # a film of two hours is one file for a thousand clips, and all its packets are looked at
def _probed(path: Path, _: tuple[int, int]) -> Probe:
    return probe(path)


def _version(path: Path) -> tuple[int, int]:
    """What changes when a file does; of one that is not there, what changes when it comes."""
    try:
        about = path.stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns
