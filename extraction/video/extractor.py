"""LFNet3D: the vector of the speaker's face over an utterance.

Paper: section 3.3 and appendix A.1.

    keyframes -> faces -> aligned crops -> tracks -> one track -> 3D-CNN -> (dim,)
                                             |
                     all pictures and sound -+- who talks, where two tracks or more could be meant

dim is 1792 for the inflated InceptionResnetV1 (896 of the layer `repeat_2`; twice that with deviations), 512
for r3d_18. The paper's next steps, DialogueRNN over the
conversation and a fully connected layer, are `summer.reduction`.

Clips are worked on one by one: on a CPU a clip's vector has the same bytes whatever clips stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar, get_args

import numpy as np

from extraction.extractor import LEFT_HALF, RIGHT_HALF, Clip, MediaSpan, Outcome, Region, fingerprint_of
from extraction.media import MediaError, read_grey_frames, read_pcm
from extraction.video.faces.choice import Choice, FaceChoice, Talk, choose, that_could_be_meant
from extraction.video.faces.crops import keep_crops
from extraction.video.faces.detection import SMALLEST_SHARES
from extraction.video.faces.following import follow
from extraction.video.faces.sightings import Sightings, gather
from extraction.video.faces.speaking import ActiveSpeaker, Judge, MotionWithSound, Sound
from extraction.video.faces.tracks import Track, link
from extraction.video.folds import VideoFolds
from extraction.video.network.backbones import (
    Backbone,
    BackboneName,
    dim_of,
    load_backbone,
    load_detector,
    not_default,
)
from extraction.video.network.cepstra import SAMPLING_RATE
from extraction.video.network.folded import folds_in
from extraction.video.network.lfnet3d import Layer, OverTime
from extraction.weights import Weights
from summer.corpus import Modality, Status

OptionT = TypeVar("OptionT", bound=str)
METHOD = "3"  # counts up with every change, also of how media are read, that changes vectors
KEYFRAMES_AT_ONCE = 16
OTHER_HALF: Mapping[Region | None, Region] = {LEFT_HALF: RIGHT_HALF, RIGHT_HALF: LEFT_HALF}
OTHER_HALF_TALKS = "the face in the other half of the picture talks more"
LISTENING = ("talking", "speaker")  # rules that ask who talks


class LFNet3D:
    """Video extractor, configured; networks are loaded on first use, in the process that uses them.

    Args:
        backbone: "inception_resnet_v1" or "r3d_18".
        weights: of the backbone; where they are networks of folds, each training row is read by the one that
            did not see its dialogue (folds.py).
        recogniser: of the face recogniser that links tracks, where `weights` are tuned; None: the same.
        layer: whose values are the vector, "block8" or "repeat_2", see lfnet3d.py.
        over_time: "mean" or "mean-and-deviation" over the keyframes.
        bfloat16: vectors are computed in half the width, see docs/performance.md for what differs.
        face_choice: "talking", "largest" or "central", see choice.py ("speaker": by_speaker.py).
        speaking: weights of LR-ASD, which judges who talks; None: the mouth's motion and the loudness do.
        keyframe_every: one frame in so many is a keyframe.
        most_keyframes: of longer clips this many, evenly spread.
        device: as torch names it: "cpu", "cuda:0".
        batch_size: keyframes decoded and searched together; None: 16.
        keep_crops: folder for the aligned crops of the chosen face; None: they are not kept.

    Raises:
        ValueError: an option out of its range.
        WeightsUnavailable: tuned weights whose record cannot be read.
    """

    modality = Modality.VIDEO
    block_rows = 8
    columns: Mapping[str, str] = {
        "keyframes": "int",
        "faces": "int",
        "confidence": "float",
        "tracks": "int",
        "face_share": "float",
        "face_x": "float",
        "face_y": "float",
        "face_size": "float",
        "talking_score": "float",
        "talking_margin": "float",
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
        bfloat16: bool = False,
        face_choice: str = "talking",
        speaking: Weights | None = None,
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
        self.folds = folds_in(weights)
        self.keyframe_every = keyframe_every
        self.most_keyframes = most_keyframes
        self.device, self.bfloat16 = device, bfloat16
        self.keep_crops = keep_crops
        self.judge: Judge = (
            MotionWithSound() if speaking is None else ActiveSpeaker(weights=speaking, device=device)
        )
        self.dim = dim_of(self.backbone, self.layer, self.over_time)
        if self.folds is not None:
            self.columns = {**self.columns, "fold": "int"}
        self.settings: Mapping[str, str] = {
            "method": METHOD,
            "backbone": backbone,
            **not_default(self.layer, self.over_time),
            **({"precision": "bfloat16"} if bfloat16 else {}),
            "weights": weights.sha256,
            **({} if self.folds is None else _told_of(self.folds)),
            **({} if recogniser is None else {"recogniser": recogniser.sha256}),
            "face_choice": face_choice,
            **({"speaking": _judged_by(speaking)} if self.face_choice in LISTENING else {}),
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

    def reads(self, clip: Clip) -> Sequence[object]:
        """The times, and by which networks they are read: words, labels and speakers change no picture."""
        times = (clip.utterance.start_seconds, clip.utterance.end_seconds)
        return times if self.folds is None else (*times, self.folds.fold(clip))

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
            with_motion=self.face_choice in LISTENING,
        )

    def _vector_of_a_face(self, clip: Clip, sightings: Sightings) -> Outcome:
        backbone = self._reader_of(clip)
        embed = backbone.embed if backbone.recognises_faces else None
        tracks = link(sightings.keyframes, sightings.cuts, embed)
        keyframes = len(sightings.keyframes)
        choice = choose(
            tracks,
            keyframes,
            self.face_choice,
            lambda meant: self._listen(clip, clip.video, meant, sightings.cuts),
        )
        if self.face_choice in LISTENING:
            choice = self._against_the_other_half(clip, choice, sightings.cuts)
        told = {**_told(choice, keyframes), "tracks": len(tracks)}
        if self.folds is not None:
            told["fold"] = 0 if backbone.fold is None else backbone.fold + 1
        return self._outcome_of(clip, choice, backbone, told)

    def _reader_of(self, clip: Clip) -> Backbone:
        backbone = load_backbone(
            self.backbone,
            self.weights,
            self.device,
            layer=self.layer,
            over_time=self.over_time,
            recogniser=self.recogniser,
        )
        fold = None if self.folds is None else self.folds.fold(clip)
        return replace(backbone, fold=fold, bfloat16=self.bfloat16)

    def _outcome_of(
        self, clip: Clip, choice: Choice, backbone: Backbone, told: Mapping[str, int | float | str]
    ) -> Outcome:
        shown = choice.track.sightings
        if self.keep_crops is not None:
            self._keep_crops(self.keep_crops, clip.utterance.id, choice)
        return Outcome(
            status=Status.OK,
            reason=clip.with_remark(choice.remark),
            vector=backbone.vector(np.stack([sighting.crop for sighting in shown])),
            columns=told,
        )

    def _keep_crops(self, folder: Path, utterance_id: str, choice: Choice) -> None:
        keep_crops(folder, utterance_id, choice.track.sightings)

    def _against_the_other_half(self, clip: Clip, choice: Choice, cuts: frozenset[int]) -> Choice:
        """Where each of two people has half of the picture: hold the face against that in the other half."""
        other = _other_half(clip.video)
        if other is None:
            return choice
        beside = self._gather(other)
        meant = that_could_be_meant(link(beside.keyframes, beside.cuts, None), len(beside.keyframes))
        own = self._listen(clip, clip.video, [choice.track], cuts)
        if not (meant and own.scores):
            return choice
        score, theirs = own.scores[0], max(self._listen(clip, other, meant, beside.cuts).scores)
        disagrees = theirs > max(score, own.least)
        return replace(
            choice,
            talking_score=score,
            talking_margin=score - theirs,
            remark=OTHER_HALF_TALKS if disagrees else choice.remark,
        )

    def _listen(
        self, clip: Clip, span: MediaSpan | None, tracks: Sequence[Track], cuts: frozenset[int]
    ) -> Talk:
        """Look at the media a second time, at every picture, and listen."""
        sound = _sound(clip)
        if sound is None or span is None:
            return Talk(scores=(), says=self.judge.says, least=self.judge.least)
        frames = read_grey_frames(span)
        scores = self.judge(follow(tracks, cuts, frames), sound, len(tracks))
        return Talk(scores=scores, says=self.judge.says, least=self.judge.least)


def _told_of(folds: VideoFolds) -> dict[str, str]:
    return {"folds": str(folds.count), "new_rows": folds.new_rows}


def _told(choice: Choice, keyframes: int) -> dict[str, int | float | str]:
    """What the row says of the chosen face."""
    return {
        **facts_of(choice.track, keyframes),
        "keyframes": keyframes,
        "talking_score": choice.talking_score,
        "talking_margin": choice.talking_margin,
        "face_choice": choice.how,
    }


def facts_of(track: Track, keyframes: int) -> dict[str, int | float]:
    """How often and how surely a track is seen; where and how large, as shares of the picture, medians."""
    shown = track.sightings
    x, y, size = np.median([(s.x, s.y, s.size) for s in shown], axis=0).tolist()
    return {
        "faces": len(shown),
        "confidence": track.confidence,
        "face_share": len(shown) / keyframes,
        "face_x": x,
        "face_y": y,
        "face_size": size,
    }


def _other_half(span: MediaSpan | None) -> MediaSpan | None:
    """The same pictures' other half, if each is a half."""
    if span is None or any(piece.region not in OTHER_HALF for piece in span.pieces):
        return None
    first, *rest = (replace(piece, region=OTHER_HALF[piece.region]) for piece in span.pieces)
    return replace(first, then=tuple(rest))


def _judged_by(speaking: Weights | None) -> str:
    return "motion and loudness" if speaking is None else f"LR-ASD {speaking.sha256}"


def _sound(clip: Clip) -> Sound | None:
    if clip.audio is None:
        return None
    try:
        pcm = read_pcm(clip.audio, sampling_rate=SAMPLING_RATE)
    except MediaError:  # the audio row tells; here there is just nothing to hear
        return None
    return Sound(samples=pcm.samples, start_seconds=pcm.start_seconds)


def _known(name: str, value: str, known: tuple[OptionT, ...]) -> OptionT:
    for option in known:
        if option == value:
            return option
    raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")


def _check_positive(**options: int) -> None:
    for name, value in options.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
