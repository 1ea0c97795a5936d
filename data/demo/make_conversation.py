"""Join the clips of a test dialogue into one recording with subtitles, as people have of their conversations.

Run once by whoever changes the corpus, after make_demo.py:

    python data/demo/make_conversation.py

Writes conversation.mp4 and conversation.vtt. Between two utterances the last picture stands still, and nobody
speaks, for as long as on the clock of the episode.
"""

from __future__ import annotations

import csv
import html
import sys
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

DEMO = Path(__file__).resolve().parent
sys.path.insert(0, str(DEMO / "authoring"))

from clips import AUDIO_RATE_HERTZ, FRAME_RATE_HERTZ, write_clip  # noqa: E402

DIALOGUE = "0"
GAP_SECONDS = 0.4


def read_clip(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """Its pictures (BGR) and its sound, as long as its pictures are shown: (1, samples) at 48 kHz."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    length = len(pictures) * AUDIO_RATE_HERTZ // FRAME_RATE_HERTZ
    return pictures, np.pad(sound, ((0, 0), (0, max(0, length - sound.shape[1]))))[:, :length]


def main() -> None:
    """Write the recording and its subtitles."""
    with (DEMO / "test_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Dialogue_ID"] == DIALOGUE]
    pictures: list[NDArray[np.uint8]] = []
    sounds: list[NDArray[np.float32]] = []
    cues = ["WEBVTT"]
    for row in rows:
        name = f"dia{DIALOGUE}_utt{row['Utterance_ID']}.mp4"
        shown, heard = read_clip(DEMO / "output_repeated_splits_test" / name)
        start, end = len(pictures) / FRAME_RATE_HERTZ, (len(pictures) + len(shown)) / FRAME_RATE_HERTZ
        words = html.escape(row["Utterance"], quote=False)
        cues.append(f"00:{start:06.3f} --> 00:{end:06.3f}\n<v {row['Speaker']}>{words}")
        gap = round(GAP_SECONDS * FRAME_RATE_HERTZ)
        pictures += [*shown, *[shown[-1]] * gap]
        sounds += [heard, np.zeros((1, gap * AUDIO_RATE_HERTZ // FRAME_RATE_HERTZ), dtype=np.float32)]
    write_clip(DEMO / "conversation.mp4", pictures, np.concatenate(sounds, axis=1))
    (DEMO / "conversation.vtt").write_text("\n\n".join(cues) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
