"""LFNet3D: the vector of the speaker's face over an utterance.

Paper: section 3.3 and appendix A.1.

    keyframes -> faces -> aligned crops -> tracks -> one track -> 3D-CNN -> (dim,)

dim is 1792 for the inflated InceptionResnetV1 (896 of the layer `repeat_2`; twice that with deviations), 512
for r3d_18. The paper's next steps, DialogueRNN over the
conversation and a fully connected layer, are `summer.reduction`.

Clips are worked on one by one: on a CPU a clip's vector has the same bytes whatever clips stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np

from extraction.extractor import Clip, MediaSpan, Outcome, fingerprint_of
from extraction.media import MediaError, read_pcm
from extraction.video.faces.choice import FaceChoice, Sound, choose
from extraction.video.faces.crops import keep_crops
from extraction.video.faces.detection import SMALLEST_SHARES
from extraction.video.faces.sightings import Sightings, gather
from extraction.video.faces.tracks import Track, link
from extraction.video.network.backbones import (
    BackboneName,
    dim_of,
    load_backbone,
    load_detector,
    not_default,
)
from extraction.video.network.lfnet3d import Layer, OverTime
from extraction.weights import Weights
from summer.corpus import Modality, Status

OptionT = TypeVar("OptionT", bound=str)
METHOD = "2"  # counts up with every change, also of how media are read, that changes vectors
KEYFRAMES_AT_ONCE = 16
LOUDNESS_RATE = 16_000  # Hz


class LFNet3D:
    """Video extractor, configured; networks are loaded on first use, in the process that uses them.

    Args:
        backbone: "inception_resnet_v1" or "r3d_18".
        weights: of the backbone.
        recogniser: of the face recogniser that links tracks, where `weights` are tuned; None: the same.
        layer: whose values are the vector, "block8" or "repeat_2", see lfnet3d.py.
        over_time: "mean" or "mean-and-deviation" over the keyframes.
        face_choice: "talking", "largest" or "central", see choice.py.
        keyframe_every: one frame in so many is a keyframe.
        most_keyframes: of longer clips this many, evenly spread.
        device: as torch names it: "cpu", "cuda:0".
        batch_size: keyframes decoded and searched together; None: 16.
        keep_crops: folder for the aligned crops of the chosen face; None: they are not kept.

    Raises:
        ValueError: an option out of its range.
    """

    modality = Modality.VIDEO
    block_rows = 8
    columns: Mapping[str, str] = {
        "keyframes": "int",
        "faces": "int",
        "confidence": "float",
        "tracks": "int",
        "face_choice": "text",
    }

    def __init__(
        self,
        *,
        backbone: str = "inception_resnet_v1",
        weights: Weights,
        recogniser: Weights | None = None,
        layer: str = "block8",
        over_time: str = "mean",
        face_choice: str = "talking",
        keyframe_every: int = 10,
        most_keyframes: int = 256,
        device: str = "cpu",
        batch_size: int | None = None,
        keep_crops: Path | None = None,
    ) -> None:
        self.backbone: BackboneName = _known("backbone", backbone, get_args(BackboneName))
        self.layer: Layer = _known("layer", layer, get_args(Layer))
        self.over_time: OverTime = _known("over_time", over_time, get_args(OverTime))
        self.face_choice: FaceChoice = _known("face_choice", face_choice, get_args(FaceChoice))
        self.chunk = KEYFRAMES_AT_ONCE if batch_size is None else batch_size
        _check_positive(keyframe_every=keyframe_every, most_keyframes=most_keyframes, batch_size=self.chunk)
        self.weights, self.recogniser = weights, recogniser
        self.keyframe_every = keyframe_every
        self.most_keyframes = most_keyframes
        self.device = device
        self.keep_crops = keep_crops
        self.dim = dim_of(self.backbone, self.layer, self.over_time)
        self.settings: Mapping[str, str] = {
            "method": METHOD,
            "backbone": backbone,
            **not_default(self.layer, self.over_time),
            "weights": weights.sha256,
            **({} if recogniser is None else {"recogniser": recogniser.sha256}),
            "face_choice": face_choice,
            "keyframe_every": str(keyframe_every),
            "most_keyframes": str(most_keyframes),
            "smallest_face": " then ".join(f"1/{round(1 / share)}" for share in SMALLEST_SHARES),
            **{name: version(name) for name in ("torch", "facenet-pytorch", "av", "opencv-python-headless")},
        }
        self.fingerprint = fingerprint_of(self.settings)
        self.assets: Mapping[str, str] = {"backbone": weights.name or self.backbone}

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        """One outcome per clip, in order; a clip without a face or that cannot be read has a status.

        Raises:
            DeviceMemoryError: not even one picture fits the device.
            DiskError: crops are to be kept, and the disk is full or refuses.
        """
        return [self._outcome(clip) for clip in clips]

    def _outcome(self, clip: Clip) -> Outcome:
        if clip.video is None:
            return Outcome(status=Status.MISSING, reason=clip.remark or "the corpus has no video of it")
        try:
            sightings = self._gather(clip.video)
        except MediaError as error:
            return Outcome(status=error.status, reason=clip.with_remark(error.reason))
        if not sightings.count:
            count = len(sightings.keyframes)
            return Outcome(
                status=Status.NO_FACE,
                reason=clip.with_remark(f"no face in any of {count} keyframes"),
                columns={"keyframes": count},
            )
        return self._vector_of_a_face(clip, sightings)

    def _gather(self, span: MediaSpan) -> Sightings:
        return gather(
            span,
            load_detector(self.device),
            every=self.keyframe_every,
            most=self.most_keyframes,
            chunk=self.chunk,
            with_motion=self.face_choice == "talking",
        )

    def _vector_of_a_face(self, clip: Clip, sightings: Sightings) -> Outcome:
        backbone = load_backbone(
            self.backbone,
            self.weights,
            self.device,
            layer=self.layer,
            over_time=self.over_time,
            recogniser=self.recogniser,
        )
        embed = backbone.embed if backbone.recognises_faces else None
        tracks = link(sightings.keyframes, sightings.cuts, embed)
        track, how = choose(tracks, self.face_choice, lambda: _sound(clip))
        if self.keep_crops is not None:
            keep_crops(self.keep_crops, clip.utterance.id, track.sightings)
        return Outcome(
            status=Status.OK,
            reason=clip.remark,
            vector=backbone.vector(np.stack([sighting.crop for sighting in track.sightings])),
            columns={
                "keyframes": len(sightings.keyframes),
                "faces": len(track.sightings),
                "confidence": _confidence(track),
                "tracks": len(tracks),
                "face_choice": how,
            },
        )


def _confidence(track: Track) -> float:
    return float(np.mean([sighting.face.confidence for sighting in track.sightings]))


def _sound(clip: Clip) -> Sound | None:
    if clip.audio is None:
        return None
    try:
        pcm = read_pcm(clip.audio, sampling_rate=LOUDNESS_RATE)
    except MediaError:  # the audio row tells; here there is just nothing to hear
        return None
    return Sound(samples=pcm.samples, sampling_rate=pcm.sampling_rate, start_seconds=pcm.start_seconds)


def _known(name: str, value: str, known: tuple[OptionT, ...]) -> OptionT:
    for option in known:
        if option == value:
            return option
    raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")


def _check_positive(**options: int) -> None:
    for name, value in options.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
