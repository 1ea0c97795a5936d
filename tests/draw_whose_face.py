"""Draw how the talker of a demo clip is found: `python -m tests.draw_whose_face docs/whose-face.png`.

Three rows: a keyframe with its tracks; some of each track's followed faces; what each mouth does while the
sound is loud, and what LR-ASD says of it, where its weights are at hand.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from extraction.extractor import MediaSpan
from extraction.media import read_grey_frames, read_keyframes, read_pcm
from extraction.video.faces.following import SLOTS_PER_SECOND, Stretch, follow
from extraction.video.faces.sightings import gather
from extraction.video.faces.speaking import ActiveSpeaker, MotionWithSound, Sound, mouth_motions
from extraction.video.faces.tracks import Track, link
from extraction.video.network.backbones import load_detector
from extraction.weights import WeightsUnavailable, active_speaker
from tests.places import DEMO, SHARED

CLIP = DEMO / "train_splits" / "dia2_utt4.mp4"
COLOURS = ("tab:blue", "tab:orange")
SHOWN_FACES = 12


def draw(path: Path) -> None:
    """Make the figure of the demo clip in which the smaller face talks."""
    span = MediaSpan(path=CLIP)
    detect = load_detector("cpu")
    sightings = gather(span, detect, every=10, most=256, chunk=16, with_motion=True)
    tracks = link(sightings.keyframes, sightings.cuts, None)
    stretches = list(follow(tracks, sightings.cuts, read_grey_frames(span)))
    pcm = read_pcm(span)
    sound = Sound(samples=pcm.samples, start_seconds=pcm.start_seconds)
    figure = plt.figure(figsize=(11, 8), layout="constrained")
    picture, faces, course = figure.subfigures(3, 1, height_ratios=[3, 1.4, 2.2])
    _keyframe(picture.subplots(), span, tracks, _scores(stretches, sound, len(tracks)))
    for row, axes in enumerate(faces.subplots(len(tracks), 1)):
        _faces(axes, next(s for s in stretches if s.track == row), COLOURS[row])
    _course(course.subplots(), stretches, sound)
    figure.savefig(path, dpi=80)


def _scores(stretches: Sequence[Stretch], sound: Sound, tracks: int) -> list[str]:
    told = [f"motion {score:.3f}" for score in MotionWithSound()(stretches, sound, tracks)]
    published = SHARED / "weights" / "lr_asd" / "finetuning_TalkSet.model"
    try:
        judge = ActiveSpeaker(
            weights=active_speaker(published if published.is_file() else None), device="cpu"
        )
    except WeightsUnavailable:
        return told
    by_network = judge(stretches, sound, tracks)
    return [f"{motion}, LR-ASD {score:.2f}" for motion, score in zip(told, by_network, strict=True)]


def _keyframe(axes: Axes, span: MediaSpan, tracks: Sequence[Track], scores: Sequence[str]) -> None:
    first = next(read_keyframes(span, most=1))[0]
    axes.imshow(first.rgb)
    for track, score, colour in zip(tracks, scores, COLOURS, strict=False):
        x0, y0, x1, y1 = track.sightings[0].face.box.tolist()
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=3))
        axes.text(x0, y0 - 4, score, color="white", backgroundcolor=colour, fontsize=9, va="bottom")
    axes.set_axis_off()
    axes.set_title("A keyframe, its tracks, and how surely each talks")


def _faces(axes: Axes, stretch: Stretch, colour: str) -> None:
    chosen = np.linspace(0, len(stretch.faces) - 1, SHOWN_FACES).astype(int)
    axes.imshow(np.hstack(stretch.faces[chosen]), cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_edgecolor(colour)
        side.set_linewidth(2)


def _course(axes: Axes, stretches: Sequence[Stretch], sound: Sound) -> None:
    for stretch in stretches:
        seconds = (stretch.first_slot + np.arange(len(stretch.faces))) / SLOTS_PER_SECOND
        axes.plot(
            seconds, mouth_motions(stretch.faces), color=COLOURS[stretch.track], label="motion of a mouth"
        )
    slots = max(stretch.first_slot + len(stretch.faces) for stretch in stretches)
    loudness = [float(np.sqrt(np.mean(sound.of_slots(slot, 1) ** 2))) for slot in range(slots)]
    other = axes.twinx()
    other.fill_between(np.arange(slots) / SLOTS_PER_SECOND, loudness, color="grey", alpha=0.3)
    other.set_ylabel("loudness (grey)")
    axes.set_xlabel("seconds")
    axes.set_ylabel("motion of the mouth")


if __name__ == "__main__":
    torch.set_num_threads(1)
    draw(Path(sys.argv[1]))
