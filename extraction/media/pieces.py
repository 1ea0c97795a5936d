"""Pictures and sound of a span, whether it is one piece of a file or several, of one file or of more.

Several pieces are read one after the other, as if they were one film. Keyframes are every tenth frame of all
of them, so that many short pieces have no more keyframes than one long one, and a piece may have none; their
indices and times go on. A piece begins with a cut: who was where says nothing of the next. Each piece's sound
is cut to the sample and resampled by itself; at a seam both sides fade over 4 ms, so that none clicks. Sound
and picture of a piece begin together, but for what the sound of an earlier one lacked.

What is wrong with one piece is wrong with the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate

import numpy as np
from jaxtyping import Float32

from extraction.extractor import MediaSpan
from extraction.media.pictures import (
    Frame,
    GreyFrame,
    count_frames,
    keyframes_among,
    read_grey_frames_of_one,
    read_keyframes_of_one,
)
from extraction.media.sound import MOST_SECONDS, Pcm, read_pcm_of_one

SEAM_SECONDS = 0.004


def read_keyframes(
    span: MediaSpan, *, every: int = 10, most: int, chunk: int = 16, with_motion: bool = False
) -> Iterator[list[Frame]]:
    """Decode the keyframes of a span, some at a time, so that memory does not grow with length.

    Args:
        every: one frame in so many is a keyframe.
        most: if there are more keyframes, this many of them, evenly spread.
        chunk: keyframes handed over at once; fewer if they are very large.
        with_motion: also give the grey picture shortly after each.

    Raises:
        MediaError: the rules are in pictures.py. What was handed over before is then worthless.
        ValueError: `every`, `most` or `chunk` below 1.
    """
    if min(every, most, chunk) < 1:
        raise ValueError(f"every={every}, most={most}, chunk={chunk}: each must be at least 1")
    choose = partial(keyframes_among, every=every, most=most)
    if not span.then:
        yield from read_keyframes_of_one(span, choose, chunk=chunk, with_motion=with_motion)
        return
    counts = [count_frames(piece) for piece in span.pieces]
    chosen, starts = choose(sum(counts)), accumulate(map(_lasting, span.pieces), initial=0.0)
    for piece, end, count, start in zip(span.pieces, accumulate(counts), counts, starts, strict=False):
        first = end - count
        own = [keyframe - first for keyframe in chosen if first <= keyframe < end]
        if own:
            chunks = read_keyframes_of_one(piece, _these(own), chunk=chunk, with_motion=with_motion)
            yield from _gone_on(chunks, index=first, seconds=start)


def _these(keyframes: list[int]) -> Callable[[int], list[int]]:
    return lambda _: keyframes


def _gone_on(chunks: Iterator[list[Frame]], *, index: int, seconds: float) -> Iterator[list[Frame]]:
    """A piece's keyframes, counted from the start of the span."""
    is_first = index > 0
    for frames in chunks:
        moved = [
            replace(frame, index=frame.index + index, seconds=frame.seconds + seconds) for frame in frames
        ]
        if is_first:
            moved[0], is_first = replace(moved[0], after_cut=True), False
        yield moved


def read_grey_frames(span: MediaSpan) -> Iterator[GreyFrame]:
    """Decode every picture of a span, one at a time; indices and times are those of its keyframes.

    Raises:
        MediaError: the rules are in pictures.py.
    """
    if not span.then:
        yield from read_grey_frames_of_one(span)
        return
    index, seconds = 0, 0.0
    for piece in span.pieces:
        for frame in read_grey_frames_of_one(piece):
            yield replace(frame, index=frame.index + index, seconds=frame.seconds + seconds)
        index, seconds = index + count_frames(piece), seconds + _lasting(piece)


def _lasting(piece: MediaSpan) -> float:
    """Seconds of a piece by its own word; of the last one nobody asks."""
    return 0.0 if piece.end_seconds is None else piece.end_seconds - (piece.start_seconds or 0.0)


def read_pcm(span: MediaSpan, *, sampling_rate: int = 16_000, most_seconds: float = MOST_SECONDS) -> Pcm:
    """Decode the sound of a span, cut to the sample at the file's own rate, then resampled.

    Args:
        sampling_rate: in Hz, of the result.
        most_seconds: sound beyond this length is left out, and `is_cut` says so.

    Raises:
        MediaError: no_audio, corrupt, missing; truncated if the sound ends before 0.9 of the duration
            that the header promises, or of the span.
    """
    if not span.then:
        return read_pcm_of_one(span, sampling_rate=sampling_rate, most_seconds=most_seconds)
    read: list[Pcm] = []
    left = most_seconds
    for piece in span.pieces:
        if left * sampling_rate < 1:
            break
        read.append(read_pcm_of_one(piece, sampling_rate=sampling_rate, most_seconds=left))
        left -= read[-1].duration_seconds
    return replace(
        read[0],
        samples=np.concatenate(_faded([pcm.samples for pcm in read], round(SEAM_SECONDS * sampling_rate))),
        channel_policy=", then ".join(dict.fromkeys(pcm.channel_policy for pcm in read)),
        is_cut=read[-1].is_cut or len(read) < len(span.pieces),
    )


def _faded(pieces: list[Float32[np.ndarray, " _"]], seam_samples: int) -> list[Float32[np.ndarray, " _"]]:
    """The pieces, quiet at their seams."""
    faded = []
    for number, samples in enumerate(pieces):
        length = min(seam_samples, len(samples) // 2)
        ramp = np.linspace(0.0, 1.0, length, endpoint=False, dtype=np.float32)
        gain = np.ones(len(samples), np.float32)
        if number > 0:
            gain[:length] = ramp
        if number < len(pieces) - 1:
            gain[len(gain) - length :] = ramp[::-1]
        faded.append(samples * gain)
    return faded
