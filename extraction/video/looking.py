"""A clip, looked at: its keyframes, its faces, their tracks, the one that is meant, and the vector of it.

extractor.py says how that is configured. Here torch is loaded, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from extraction.extractor import LEFT_HALF, RIGHT_HALF, Clip, MediaSpan, Outcome, Region
from extraction.media import MediaError, read_grey_frames, read_pcm
from extraction.video.by_speaker import FACTS, TALKS
from extraction.video.extractor import LFNet3D
from extraction.video.faces.choice import Choice, Talk, choose, that_could_be_meant
from extraction.video.faces.crops import keep_candidates, keep_crops
from extraction.video.faces.following import follow
from extraction.video.faces.sightings import Sightings, gather
from extraction.video.faces.speaking import ActiveSpeaker, Judge, MotionWithSound, Sound
from extraction.video.faces.tracks import Track, link
from extraction.video.network.backbones import Backbone, load_backbone, load_detector
from extraction.video.network.cepstra import SAMPLING_RATE
from extraction.video.options import LISTENING
from summer.corpus import Status
from summer.store import Candidates

Facts = Mapping[str, int | float | str]
EMBEDDED_CROPS = 4  # of a track, evenly taken
OTHER_HALF: Mapping[Region | None, Region] = {LEFT_HALF: RIGHT_HALF, RIGHT_HALF: LEFT_HALF}
OTHER_HALF_TALKS = "the face in the other half of the picture talks more"


class Looker:
    """Looks at one clip after the other.

    Args:
        wanted: how the extractor is configured.
    """

    def __init__(self, wanted: LFNet3D) -> None:
        self.wanted = wanted
        speaking = wanted.speaking
        self.judge: Judge = (
            MotionWithSound() if speaking is None else ActiveSpeaker(weights=speaking, device=wanted.device)
        )

    def __call__(self, clip: Clip) -> Outcome:
        """A vector, or a status that says why there is none.

        Raises:
            DeviceMemoryError: not even one picture fits the device.
            DiskError: crops are to be kept, and the disk is full or refuses.
        """
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
            load_detector(self.wanted.device),
            every=self.wanted.keyframe_every,
            most=self.wanted.most_keyframes,
            chunk=self.wanted.chunk,
            with_motion=self.wanted.face_choice in LISTENING,
        )

    def _vector_of_a_face(self, clip: Clip, sightings: Sightings) -> Outcome:
        backbone = self._reader_of(clip)
        embed = backbone.embed if backbone.recognises_faces else None
        tracks = link(sightings.keyframes, sightings.cuts, embed)
        keyframes = len(sightings.keyframes)
        choice = choose(
            tracks,
            keyframes,
            self.wanted.face_choice,
            lambda meant: self._listen(clip, clip.video, meant, sightings.cuts),
        )
        if self.wanted.face_choice in LISTENING:
            choice = self._against_the_other_half(clip, choice, sightings.cuts)
        told = {**_told(choice, keyframes), "tracks": len(tracks)}
        if self.wanted.folds is not None:
            told["fold"] = 0 if backbone.fold is None else backbone.fold + 1
        return self._outcome_of(clip, choice, backbone, told)

    def _reader_of(self, clip: Clip) -> Backbone:
        backbone = load_backbone(
            self.wanted.backbone,
            self.wanted.weights,
            self.wanted.device,
            layer=self.wanted.layer,
            over_time=self.wanted.over_time,
            recogniser=self.wanted.recogniser,
        )
        folds = self.wanted.folds
        fold = None if folds is None else folds.fold(clip)
        return replace(backbone, fold=fold, bfloat16=self.wanted.bfloat16)

    def _outcome_of(
        self, clip: Clip, choice: Choice, backbone: Backbone, told: Mapping[str, int | float | str]
    ) -> Outcome:
        shown = choice.track.sightings
        if self.wanted.keep_crops is not None:
            self._keep_crops(self.wanted.keep_crops, clip.utterance.id, choice)
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


class CandidateLooker(Looker):
    """Keeps of each clip all faces that could be meant, to be chosen among by all rows (by_speaker.py)."""

    def _outcome_of(self, clip: Clip, choice: Choice, backbone: Backbone, told: Facts) -> Outcome:
        first = super()._outcome_of(clip, choice, backbone, told)
        if first.vector is None:
            raise TypeError(f"{clip.utterance.id}: a chosen face without a vector")
        tracks, keyframes, of_chosen = choice.standing, int(told["keyframes"]), first.vector
        facts = [
            {**facts_of(track, keyframes), "talking_score": score, TALKS: track is choice.track}
            for track, score in zip(tracks, choice.scores, strict=True)
        ]
        candidates = Candidates(
            ends=np.array([len(tracks)]),
            vectors=np.stack(
                [of_chosen if t is choice.track else backbone.vector(_crops(t)) for t in tracks]
            ),
            embeddings=np.stack([_embedding(track, backbone) for track in tracks]),
            facts={name: np.array([float(one[name]) for one in facts]) for name in (*FACTS, TALKS)},
        )
        kept = {"first_reason": first.reason, "first_choice": choice.how}
        return replace(first, candidates=candidates, columns={**first.columns, **kept})

    def _keep_crops(self, folder: Path, utterance_id: str, choice: Choice) -> None:
        keep_candidates(folder, utterance_id, [track.sightings for track in choice.standing])


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


def _sound(clip: Clip) -> Sound | None:
    if clip.audio is None:
        return None
    try:
        pcm = read_pcm(clip.audio, sampling_rate=SAMPLING_RATE)
    except MediaError:  # the audio row tells; here there is just nothing to hear
        return None
    return Sound(samples=pcm.samples, start_seconds=pcm.start_seconds)


def _crops(track: Track) -> NDArray[np.uint8]:
    return np.stack([sighting.crop for sighting in track.sightings])


def _embedding(track: Track, backbone: Backbone) -> Float32[np.ndarray, " dim"]:
    """The unit mean of some of a track's faces."""
    places = np.unique(np.linspace(0, len(track.sightings) - 1, EMBEDDED_CROPS).round().astype(int))
    mean = backbone.embed(_crops(track)[places]).mean(axis=0)
    unit: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
    return unit
