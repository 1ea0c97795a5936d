"""LFNet3D: the vector of the speaker's face over an utterance.

Paper: section 3.3 and appendix A.1.

    keyframes -> faces -> aligned crops -> tracks -> one track -> 3D-CNN -> (dim,)
                                             |
                     all pictures and sound -+- who talks, where two tracks or more could be meant

dim is 1792 for the inflated InceptionResnetV1 (896 of the layer `repeat_2`; twice that with deviations), 512
for r3d_18. The paper's next steps, DialogueRNN over the
conversation and a fully connected layer, are `summer.reduction`.

Here is how that is configured, and what a store says of it; what is done with a clip is in looking.py, which
loads torch. Clips are worked on one by one: on a CPU a clip's vector has the same bytes whatever clips stand
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from extraction.extractor import Clip, Outcome, fingerprint_of
from extraction.video.folds import VideoFolds
from extraction.video.network.record import folds_in
from extraction.video.options import (
    LISTENING,
    SMALLEST_SHARES,
    BackboneName,
    FaceChoice,
    Layer,
    OverTime,
    dim_of,
    not_default,
)
from extraction.weights import Weights
from summer.corpus import Modality

if TYPE_CHECKING:
    from extraction.video.looking import Looker

OptionT = TypeVar("OptionT", bound=str)
METHOD = "3"  # counts up with every change, also of how media are read, that changes vectors
KEYFRAMES_AT_ONCE = 16


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
        self.speaking = speaking
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
        look = self._looker()
        return [look(clip) for clip in clips]

    def _looker(self) -> Looker:
        from extraction.video.looking import Looker  # imports torch: not to say what there is to do

        return Looker(self)

    def reads(self, clip: Clip) -> Sequence[object]:
        """The times, and by which networks they are read: words, labels and speakers change no picture."""
        times = (clip.utterance.start_seconds, clip.utterance.end_seconds)
        return times if self.folds is None else (*times, self.folds.fold(clip))


def _told_of(folds: VideoFolds) -> dict[str, str]:
    return {"folds": str(folds.count), "new_rows": folds.new_rows}


def _judged_by(speaking: Weights | None) -> str:
    return "motion and loudness" if speaking is None else f"LR-ASD {speaking.sha256}"


def _known(name: str, value: str, known: tuple[OptionT, ...]) -> OptionT:
    for option in known:
        if option == value:
            return option
    raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")


def _check_positive(**options: int) -> None:
    for name, value in options.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
