"""Who speaks: how surely each track's face talks with the sound.

Paper: not settled there. Tracks are followed through every picture (following.py) and their faces judged 25
times a second. A track's score is over the slots t of the clip, in some of which it may not be seen:

    s = (1 + corr(m, e)) / 2  1/T sum_t p_t               LR-ASD: p_t the probability that the face speaks
    s = (1 + corr(m, e)) / 2  sum_t m_t e_t / sum_t e_t   without its weights

m is what changes in the mouth's region from one face to the next less what changes around eyes and nose, both
as mean absolute difference in units of the face's contrast, so that moving heads, cameras and flicker cancel;
at least 0. e is the RMS of the sound around the slot. Before they are correlated both are averaged over five
slots.

LR-ASD looks at lips more than it listens: p hardly falls where the sound is half a second late. That a mouth
moves when it is loud is what the correlation adds: docs/whose-face.md has what each is worth.

A clip with one face is not judged: its mouth is only looked at between each keyframe and the next picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt8
from numpy.typing import NDArray

from extraction.video.faces.following import SLOTS_PER_SECOND, Stretch
from extraction.video.network.cepstra import FRAME_SAMPLES, SAMPLING_RATE, STEP_SAMPLES, cepstra
from extraction.video.network.lr_asd import CEPSTRA_PER_SLOT, ActiveSpeakerNetwork, folded, renamed
from extraction.weights import Weights
from extraction.weights.states import load_active_speaker

LEAST_SLOTS = 5  # of a stretch; the network's own reach in time
SLOT_SAMPLES = SAMPLING_RATE // SLOTS_PER_SECOND
AVERAGED_SLOTS = 5
MOUTH_OF_FACE = (slice(74, 98), slice(34, 78))  # rows and columns of a followed face
EYES_OF_FACE = (slice(39, 63), slice(17, 95))
MOUTH_OF_CROP = (slice(96, 136), slice(46, 114))  # of an aligned crop
EYES_OF_CROP = (slice(36, 84), slice(36, 124))
LEAST_CONTRAST = 1.0  # grey levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Sound in one channel at 16 kHz; `start_seconds` from the start of the span."""

    samples: Float32[np.ndarray, " sample"]
    start_seconds: float

    def of_slots(self, first: int, count: int, *, more: int = 0) -> Float32[np.ndarray, " sample"]:
        """What is heard in some slots, and in `more` samples after them; silence beyond the sound."""
        begin = first * SLOT_SAMPLES - round(self.start_seconds * SAMPLING_RATE)
        end = begin + count * SLOT_SAMPLES + more
        heard = self.samples[max(begin, 0) : max(end, 0)]
        before = min(max(-begin, 0), end - begin)
        return np.pad(heard, (before, end - begin - before - len(heard)))


class Judge(Protocol):
    """Says how surely each track talks.

    Attributes:
        says: how it judges, for the rows.
        least: score below which nobody can be said to talk.
    """

    says: str
    least: float

    def __call__(self, stretches: Iterable[Stretch], sound: Sound, tracks: int) -> list[float]: ...


@dataclass(frozen=True, slots=True)
class ActiveSpeaker:
    """LR-ASD with published weights, and whether mouths move when it is loud."""

    weights: Weights
    device: str
    says = "talking"
    least = 0.2

    @torch.inference_mode()
    def __call__(self, stretches: Iterable[Stretch], sound: Sound, tracks: int) -> list[float]:
        """Score each track, 0 to 1."""
        network = load_network(self.weights, self.device)
        surely, motions = [0.0] * tracks, _Motions(tracks)
        for stretch in stretches:
            motions.add(stretch)
            if len(stretch.faces) >= LEAST_SLOTS:
                surely[stretch.track] += self._speaking(network, stretch, sound)
        slots = max(motions.slots, 1)
        return [sure / slots * motions.agreement(track, sound) for track, sure in enumerate(surely)]

    def _speaking(self, network: ActiveSpeakerNetwork, stretch: Stretch, sound: Sound) -> float:
        """In how many slots of a stretch the face speaks, by expectation."""
        count = len(stretch.faces)
        heard = sound.of_slots(stretch.first_slot, count, more=FRAME_SAMPLES - STEP_SAMPLES)
        faces = torch.from_numpy(stretch.faces).to(self.device).float()
        frames = torch.from_numpy(cepstra(heard, frames=CEPSTRA_PER_SLOT * count)).to(self.device)
        return float(network(faces, frames).sigmoid().sum())


@lru_cache(maxsize=1)
def load_network(weights: Weights, device: str) -> ActiveSpeakerNetwork:
    """Build LR-ASD and load its weights.

    Raises:
        WeightsUnavailable: the file is not such weights.
    """
    network = ActiveSpeakerNetwork()
    network.load_state_dict(load_active_speaker(weights, network, renamed))
    return folded(network).requires_grad_(False).to(device)


@dataclass(frozen=True, slots=True)
class MotionWithSound:
    """The mouth's motion against the loudness, where LR-ASD's weights are not to be had."""

    says = "talking, by motion and loudness"
    least = 0.002

    def __call__(self, stretches: Iterable[Stretch], sound: Sound, tracks: int) -> list[float]:
        """Score each track, 0 or more."""
        motions = _Motions(tracks)
        for stretch in stretches:
            motions.add(stretch)
        return [motions.agreement(track, sound) * motions.while_loud(track, sound) for track in range(tracks)]


class _Motions:
    """How much each track's mouth moves, slot by slot."""

    def __init__(self, tracks: int) -> None:
        self.slots = 0
        self._pieces: list[list[tuple[int, Float64[np.ndarray, " slot"]]]] = [[] for _ in range(tracks)]

    def add(self, stretch: Stretch) -> None:
        self._pieces[stretch.track].append((stretch.first_slot, mouth_motions(stretch.faces)))
        self.slots = max(self.slots, stretch.first_slot + len(stretch.faces))

    def agreement(self, track: int, sound: Sound) -> float:
        """(1 + corr) / 2 over the slots in which the track is seen: 1 if its mouth moves when it is loud."""
        motion, loudness = self._of(track), _loudness(sound, self.slots)
        seen = ~np.isnan(motion)
        if seen.sum() < LEAST_SLOTS:
            return 0.0
        moved, loud = (_averaged(values)[seen] for values in (np.nan_to_num(motion), loudness))
        if not (moved.std() > 0 and loud.std() > 0):
            return 0.5
        return (1 + float(np.corrcoef(moved, loud)[0, 1])) / 2

    def while_loud(self, track: int, sound: Sound) -> float:
        """Mean motion, each slot weighted by its loudness."""
        loudness = _loudness(sound, self.slots)
        total = loudness.sum()
        return float((np.nan_to_num(self._of(track)) * loudness).sum() / total) if total > 0 else 0.0

    def _of(self, track: int) -> Float64[np.ndarray, " slot"]:
        """NaN where the track is not seen."""
        motion = np.full(self.slots, np.nan)
        for first, piece in self._pieces[track]:
            motion[first : first + len(piece)] = piece
        return motion


def _averaged(values: Float64[np.ndarray, " slot"]) -> Float64[np.ndarray, " slot"]:
    return np.convolve(values, np.full(AVERAGED_SLOTS, 1 / AVERAGED_SLOTS), mode="same")[: len(values)]


def _loudness(sound: Sound, slots: int) -> Float64[np.ndarray, " slot"]:
    """RMS of each slot and its neighbours, full scale 1."""
    heard = [np.square(sound.of_slots(slot - 1, 3), dtype=np.float64) for slot in range(slots)]
    return np.array([float(np.sqrt(power.mean())) for power in heard])


def mouth_motions(faces: UInt8[np.ndarray, "slot 112 112"]) -> Float64[np.ndarray, " slot"]:
    """How much more the mouth moves than eyes and nose since the face before; 0 at the first."""
    contrasted = np.stack([_contrasted(face) for face in faces])
    change = np.abs(np.diff(contrasted, axis=0))
    mouth, eyes = (change[:, *region].mean(axis=(1, 2)) for region in (MOUTH_OF_FACE, EYES_OF_FACE))
    return np.concatenate([[0.0], np.maximum(0.0, mouth - eyes)]).astype(np.float64)


def mouth_motion(crop: UInt8[np.ndarray, "160 160 3"], after: UInt8[np.ndarray, "160 160"]) -> float:
    """How much more the mouth moves than the eyes' region, from a crop to the grey one shortly after."""
    before = _contrasted(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY))
    change = np.abs(_contrasted(after) - before)
    return max(0.0, float(change[MOUTH_OF_CROP].mean() - change[EYES_OF_CROP].mean()))


def _contrasted(grey: UInt8[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Zero mean, unit spread: decoders give grey and colour pictures different ranges."""
    values = grey.astype(np.float32)
    contrasted: NDArray[np.float32] = (values - values.mean()) / max(float(values.std()), LEAST_CONTRAST)
    return contrasted
