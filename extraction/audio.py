"""ComParE_2016: 6,373 functionals of a clip's sound, as openSMILE computes them.

Paper: section 3.3. The sound is decoded to one channel at 16 kHz (`extraction.media.sound`: centre of 5.1,
mean of stereo, within +-32767/32768) and handed over as samples (functionals.py).

Measured (opensmile 2.6.0): of fewer than 960 samples, one window of 60 ms, there are no features at all; from
there on all 6,373 are finite, for noise, speech, tones, clicks and constants.

Departures from the paper: silent and too short clips get a status, not a vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from math import log10

import av
import numpy as np
from jaxtyping import Float32

from extraction.extractor import Clip, Outcome, fingerprint_of
from extraction.functionals import DIM, SAMPLING_RATE, SHORTEST_SAMPLES, functionals
from extraction.media import MediaError, Pcm, read_pcm
from summer.corpus import Modality, Status

SILENCE_DBFS = -80.0  # of the swing about the mean: three steps of 16 bits, in which no sound has a shape
FLOOR_DBFS = -120.0  # under the last of 16 bits
MOST_SECONDS = 1800.0  # openSMILE takes 0.8 MB a second


class ComParE:
    """openSMILE's ComParE_2016 functionals, an `Extractor`."""

    modality = Modality.AUDIO
    dim = DIM
    block_rows = 32
    assets: Mapping[str, str] = {}  # openSMILE's package brings all that it needs
    columns: Mapping[str, str] = {"duration_seconds": "float", "channels": "text", "peak_dbfs": "float"}

    def __init__(self) -> None:
        self.settings: Mapping[str, str] = {
            "feature_set": "ComParE_2016",
            "feature_level": "Functionals",
            "sampling_rate": str(SAMPLING_RATE),
            "channels": "centre if there is one among more than two, else mean",
            "most_seconds": str(MOST_SECONDS),
            "opensmile": version("opensmile"),
            "av": version("av"),
            **{name: ".".join(map(str, numbers)) for name, numbers in sorted(av.library_versions.items())},
        }
        self.fingerprint = fingerprint_of(self.settings)

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order; without sound, silent or unreadable: a status and a reason."""
        return [_outcome(clip) for clip in clips]

    def reads(self, clip: Clip) -> Sequence[object]:
        """The times: words, labels and speakers change no sound."""
        return (clip.utterance.start_seconds, clip.utterance.end_seconds)


def _outcome(clip: Clip) -> Outcome:
    if clip.audio is None:
        return Outcome(status=Status.MISSING, reason=clip.remark or "the corpus has no sound of this clip")
    columns: dict[str, float | str] = {}
    try:
        pcm = read_pcm(clip.audio, sampling_rate=SAMPLING_RATE, most_seconds=MOST_SECONDS)
        columns["duration_seconds"] = pcm.duration_seconds
        columns["channels"] = pcm.channel_policy
        columns["peak_dbfs"] = decibels(pcm.peak)
        vector = _features(pcm)
    except MediaError as error:
        return Outcome(status=error.status, reason=clip.with_remark(error.reason), columns=columns)
    cut = f"only the first {MOST_SECONDS:.0f} s of the sound were used" if pcm.is_cut else ""
    return Outcome(status=Status.OK, reason=clip.with_remark(cut), vector=vector, columns=columns)


def _features(pcm: Pcm) -> Float32[np.ndarray, " dim"]:
    if len(pcm.samples) < SHORTEST_SAMPLES:
        least = SHORTEST_SAMPLES / SAMPLING_RATE
        reason = f"{pcm.duration_seconds:.3f} s of sound; openSMILE needs {least} s, one window"
        raise MediaError(Status.TOO_SHORT, reason)
    swing = decibels(float(np.ptp(pcm.samples)) / 2)
    if swing < SILENCE_DBFS:
        reason = f"silent: {swing:.0f} dBFS about its mean; sound begins at {SILENCE_DBFS:.0f} dBFS"
        raise MediaError(Status.NO_AUDIO, reason)
    vector = functionals(pcm.samples)
    if not np.isfinite(vector).all():
        count = np.count_nonzero(~np.isfinite(vector))
        raise MediaError(Status.CORRUPT, f"{count} of openSMILE's features are not finite")
    return vector


def decibels(amplitude: float) -> float:
    """Level in dBFS of an amplitude of full scale 1; -120 for digital silence and whatever is below."""
    return max(FLOOR_DBFS, 20 * log10(amplitude)) if amplitude > 0 else FLOOR_DBFS
