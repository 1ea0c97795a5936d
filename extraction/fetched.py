"""Media that lie at addresses, fetched by the process that reads them: an extractor sees local files alone.

A block's files are fetched together, as many as fit the limit, and go when its clips are done; but for those
of its last clip, for a film goes on in the next block. FFmpeg is never given an address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from extraction.extractor import Around, Clip, Extractor, MediaSpan, Outcome
from extraction.remote.address import shown
from extraction.remote.cache import Fetched, FetchError, MediaCache, NoRoomError, RemoteError
from extraction.remote.reached import answers
from summer.corpus import Status

BYTES_PER_GIB = 2**30


class Fetching(Around):
    """An extractor whose clips may lie at addresses.

    Args:
        extractor: what makes the vectors, of local files.
        landmark: an address at a place that answered when the run began.
        limit_bytes: that copies may take on the disk of each process.
    """

    def __init__(self, extractor: Extractor, *, landmark: str, limit_bytes: int) -> None:
        super().__init__(extractor)
        self.landmark = landmark
        self.limit_bytes = limit_bytes
        self._cache: MediaCache | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_cache": None}  # each process has its own

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order; where a file cannot be had: missing, and why.

        Raises:
            RemoteError: nothing can be had, whatever the file; the clips are left to do.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < len(clips):
            outcomes += self._some(clips[len(outcomes) :])
        return outcomes

    def close(self) -> None:
        """Remove all copies."""
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    def _some(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """Outcomes of as many of the first clips as have room for their files; of one at least."""
        cache = self._opened()
        found = self._fetched(cache, clips)
        ready = list(takewhile(lambda clip: not _lacks_room(self._addresses(clip), found), clips))
        if not ready:
            ready = [clips[0]]
            cache.keep_only(())
            found = self._fetched(cache, ready)
        outcomes = self._extracted(ready, found)
        rest = clips[len(ready) :]
        cache.keep_only({address for clip in (ready[-1], *rest) for address in self._addresses(clip)})
        return outcomes

    def _extracted(self, clips: Sequence[Clip], found: Mapping[str, Fetched]) -> Sequence[Outcome]:
        failed = {k: why for k, clip in enumerate(clips) if (why := self._failure(clip, found))}
        local = [_localised(clip, found) for k, clip in enumerate(clips) if k not in failed]
        made = iter(self.extractor(local))
        return [
            Outcome(status=Status.MISSING, reason=clip.with_remark(failed[k])) if k in failed else next(made)
            for k, clip in enumerate(clips)
        ]

    def _fetched(self, cache: MediaCache, clips: Sequence[Clip]) -> Mapping[str, Fetched]:
        found = cache.fetch(address for clip in clips for address in self._addresses(clip))
        failures = [one for one in found.values() if isinstance(one, FetchError) and not one.is_final]
        if failures and (silence := answers(self.landmark)):
            raise RemoteError(f"the network is down: {silence}; when it is back, the same command goes on")
        return found

    def _failure(self, clip: Clip, found: Mapping[str, Fetched]) -> str:
        for address in self._addresses(clip):
            one = found[address]
            if isinstance(one, FetchError):
                return one.reason
            if isinstance(one, NoRoomError):
                most = self.limit_bytes / BYTES_PER_GIB
                return f"{shown(address)} is larger than {most:g} GiB, which is all that --fetched-gib gives"
        return ""

    def _addresses(self, clip: Clip) -> list[str]:
        return clip.addresses(self.modality)

    def _opened(self) -> MediaCache:
        if self._cache is None:
            self._cache = MediaCache(self.limit_bytes)
        return self._cache


def _lacks_room(addresses: Sequence[str], found: Mapping[str, Fetched]) -> bool:
    return any(isinstance(found[address], NoRoomError) for address in addresses)


def _localised(clip: Clip, found: Mapping[str, Fetched]) -> Clip:
    return replace(clip, audio=_local(clip.audio, found), video=_local(clip.video, found))


def _local(span: MediaSpan | None, found: Mapping[str, Fetched]) -> MediaSpan | None:
    """The same span of the copies."""
    if span is None:
        return None
    first, *rest = (_local_piece(piece, found) for piece in span.pieces)
    return replace(first, then=tuple(rest))


def _local_piece(piece: MediaSpan, found: Mapping[str, Fetched]) -> MediaSpan:
    copy = found.get(piece.address)
    return replace(piece, path=copy, address="") if isinstance(copy, Path) else piece
