"""Whose face: one track is chosen, and how is said.

Paper: not settled there. Three rules, an explicit option of the recipe:

    largest   most area, summed over keyframes
    central   most area, each weighted by nearness: 1 in the picture's centre, 0 in a corner
    talking   s = sum_k e_k m_k / sum_k e_k over the keyframes k with a face; e_k is the loudness of the
              sound within 0.2 s of the keyframe (RMS), m_k the track's mouth motion there, 0 where it is
              not in the picture

m is what changes in the mouth's region of the aligned face until the next picture, less what changes around
the eyes, both as mean absolute difference in units of the face's contrast, so that moving heads, cameras and
flicker cancel; at least 0. Without sound, or if no mouth moves, `talking` falls back on `largest` and says
so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy.typing import NDArray

from extraction.video.faces.tracks import Track

FaceChoice = Literal["talking", "largest", "central"]
LOUDNESS_SECONDS = 0.2  # on either side of a keyframe
MOUTH = (slice(96, 136), slice(46, 114))  # rows and columns of an aligned crop
EYES = (slice(36, 84), slice(36, 124))
LEAST_CONTRAST = 1.0  # grey levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Sound in one channel; `start_seconds` from the start of the span."""

    samples: Float32[np.ndarray, " sample"]
    sampling_rate: int
    start_seconds: float

    def loudness(self, seconds: float) -> float:
        """RMS around a moment, full scale 1; 0 beyond the sound."""
        first = round((seconds - LOUDNESS_SECONDS - self.start_seconds) * self.sampling_rate)
        last = round((seconds + LOUDNESS_SECONDS - self.start_seconds) * self.sampling_rate)
        heard = self.samples[max(first, 0) : max(last, 0)]
        return float(np.sqrt(np.mean(np.square(heard, dtype=np.float64)))) if len(heard) else 0.0


def choose(tracks: Sequence[Track], rule: FaceChoice, hear: Callable[[], Sound | None]) -> tuple[Track, str]:
    """The chosen track, and how it was chosen, for people.

    Args:
        tracks: at least one, the most present first.
        hear: fetches the sound, asked only if it is needed; None: there is none.
    """
    if len(tracks) == 1:
        return tracks[0], "only face"
    if rule == "central":
        scores = [sum(s.area_share * s.nearness for s in track.sightings) for track in tracks]
        return _best(tracks, scores, rule)
    if rule == "largest":
        return _best(tracks, [track.presence for track in tracks], rule)
    sound = hear()
    if sound is None:
        return _best(tracks, [track.presence for track in tracks], "largest, no sound")
    scores = talking_scores(tracks, sound)
    if not any(scores):
        return _best(tracks, [track.presence for track in tracks], "largest, no mouth moves with the sound")
    return _best(tracks, scores, rule)


def _best(tracks: Sequence[Track], scores: Sequence[float], rule: str) -> tuple[Track, str]:
    order = sorted(range(len(tracks)), key=lambda k: (-scores[k], k))
    first, second = order[:2]
    how = f"{rule}: {first + 1} of {len(tracks)} tracks, score {scores[first]:.3g} over {scores[second]:.3g}"
    return tracks[first], how


def talking_scores(tracks: Sequence[Track], sound: Sound) -> list[float]:
    """How much each track's mouth moves while the sound is loud, in units of the face's contrast."""
    moments = {sighting.keyframe: sighting.seconds for track in tracks for sighting in track.sightings}
    loudness = {keyframe: sound.loudness(seconds) for keyframe, seconds in moments.items()}
    total = sum(loudness.values())
    if total == 0:
        return [0.0] * len(tracks)
    return [
        sum(loudness[sighting.keyframe] * (sighting.mouth_motion or 0.0) for sighting in track.sightings)
        / total
        for track in tracks
    ]


def mouth_motion(crop: UInt8[np.ndarray, "160 160 3"], after: UInt8[np.ndarray, "160 160"]) -> float:
    """How much more the mouth moves than the eyes' region, from a crop to the grey one shortly after."""
    before = _contrasted(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
    change = np.abs(_contrasted(after) - before)
    return max(0.0, float(change[MOUTH].mean() - change[EYES].mean()))


def _contrasted(grey: UInt8[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Zero mean, unit spread: decoders give grey and colour pictures different ranges."""
    values = grey.astype(np.float32)
    contrasted: NDArray[np.float32] = (values - values.mean()) / max(float(values.std()), LEAST_CONTRAST)
    return contrasted
