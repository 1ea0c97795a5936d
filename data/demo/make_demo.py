"""Make the demo corpus: authored dialogues, synthetic speech, moved portraits, in the shape of MELD.

Run once by whoever changes the corpus; nobody needs it to use the corpus, whose clips are in the repository:

    python data/demo/make_demo.py

Needs espeak-ng 1.51 (Debian package `espeak-ng`) beside numpy, scipy, PyAV and opencv-python-headless, which
the project has anyway. The same versions of these write the same bytes. What is said stands in
authoring/screenplay.txt, which also places the clips of trouble; README.md explains each of them.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DEMO = Path(__file__).resolve().parent
sys.path.insert(0, str(DEMO / "authoring"))

from clips import AUDIO_RATE_HERTZ, FRAME_RATE_HERTZ, cut_short, write_clip  # noqa: E402
from faces import Actor, Portrait, scenery  # noqa: E402
from speech import loudness, spoken, surround  # noqa: E402

FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
EPISODES = {"train": 1, "dev": 2, "test": 3}
COLUMNS = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
)
SENTIMENTS = {
    "neutral": "neutral",
    "joy": "positive",
}  # of the others: negative; of surprise: in the screenplay
WIDE, NARROW = (384, 216), (256, 192)
FEW_FRAMES = 5
MIS_CUT_SECONDS = 0.8
SPEAKER_NEARNESS, LISTENER_NEARNESS = 0.85, 1.3  # of two faces the larger is the silent one
GAP_SECONDS = 0.4  # between two utterances on the clock of the episode
SAMPLES_A_FRAME = AUDIO_RATE_HERTZ // FRAME_RATE_HERTZ

COLLINS = Portrait(
    file="collins.jpg",
    left_eye=(205, 102),
    right_eye=(247, 104),
    left_mouth=(202, 139),
    right_mouth=(245, 142),
    lips_below_corners=0.17,
)
HOPPER = Portrait(
    file="hopper.jpg",
    left_eye=(222, 192),
    right_eye=(310, 186),
    left_mouth=(233, 280),
    right_mouth=(307, 276),
)
MONA_LISA = Portrait(
    file="mona_lisa.jpg",
    left_eye=(160, 140),
    right_eye=(203, 138),
    left_mouth=(165, 187),
    right_mouth=(199, 186),
)
PORTRAITS = {
    "Nora": COLLINS,
    "June": HOPPER,
    "Mira": MONA_LISA,
    "Felix": replace(COLLINS, mirrored=True, widened=1.14, tint=(0.72, 0.82, 0.90)),
    "Theo": replace(HOPPER, mirrored=True, widened=0.88, tint=(0.84, 0.94, 1.0), saturation=0.15),
}

Picture = NDArray[np.uint8]
Sound = NDArray[np.float32]
Clip = tuple[list[Picture], Sound]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One utterance of the screenplay."""

    split: str
    dialogue: int
    turn: int
    speaker: str
    listener: str
    emotion: str
    sentiment: str
    words: str
    trouble: str
    size: tuple[int, int]

    @property
    def seed(self) -> int:
        """A number of its own, the same in every run."""
        return 10_000 * EPISODES[self.split] + 100 * self.dialogue + self.turn

    @property
    def clip(self) -> Path:
        """Where its clip belongs."""
        return DEMO / FOLDERS[self.split] / f"dia{self.dialogue}_utt{self.turn}.mp4"


def screenplay(path: Path) -> list[Line]:
    """Read the screenplay.

    Args:
        path: of screenplay.txt, which describes its own form.

    Returns:
        All lines, in order.

    Raises:
        ValueError: a line of another form.
    """
    lines: list[Line] = []
    for block in path.read_text(encoding="utf-8").split("\n== ")[1:]:
        heading, *rows = block.strip().splitlines()
        split, number, *notes = heading.split()
        cast = list(dict.fromkeys(row.split(" | ")[0] for row in rows if row != "-"))
        for turn, row in enumerate(rows):
            if row == "-":
                continue
            speaker, feeling, words, *trouble = row.split(" | ")
            emotion, _, sentiment = feeling.partition("/")
            lines.append(
                Line(
                    split=split,
                    dialogue=int(number),
                    turn=turn,
                    speaker=speaker,
                    listener=next(name for name in cast if name != speaker),
                    emotion=emotion,
                    sentiment=sentiment or SENTIMENTS.get(emotion, "negative"),
                    words=words,
                    trouble=trouble[0] if trouble else "",
                    size=NARROW if "narrow" in notes else WIDE,
                )
            )
    return lines


def acted(line: Line, actors: dict[str, Actor]) -> Clip:
    """Play one line, with whatever trouble can be seen or heard.

    Args:
        line: of the screenplay.
        actors: by name.

    Returns:
        BGR frames at 25 Hz, and channels x samples at 48 kHz, of equal duration.

    Raises:
        KeyError: a speaker without portrait or voice.
    """
    voice = spoken(line.words, speaker=line.speaker, emotion=line.emotion, seed=line.seed)
    count = FEW_FRAMES if line.trouble == "five frames" else -(-voice.size // SAMPLES_A_FRAME)
    voice = np.pad(voice, (0, max(0, count * SAMPLES_A_FRAME - voice.size)))[: count * SAMPLES_A_FRAME]
    mouth = loudness(voice, frames=count, frame_rate_hertz=FRAME_RATE_HERTZ)
    frames = [_picture(line, actors, index=i, count=count, opening=float(mouth[i])) for i in range(count)]
    if line.trouble == "silent":
        voice = np.zeros_like(voice)
    return frames, surround(voice, seed=line.seed) if line.trouble == "surround" else voice[None]


def _picture(line: Line, actors: dict[str, Actor], *, index: int, count: int, opening: float) -> Picture:
    """One frame of a line: the speaker; or both, side by side; or nobody."""
    second, progress = index / FRAME_RATE_HERTZ, index / max(1, count - 1)
    if line.trouble == "no face":
        return scenery(second=second, size=line.size)
    two = line.trouble == "two faces"
    size = (line.size[0] // 2, line.size[1]) if two else line.size
    speaking = actors[line.speaker].frame(
        second=second,
        progress=progress,
        opening=opening,
        emotion=line.emotion,
        phase=line.seed % 63 / 10,
        size=size,
        nearness=SPEAKER_NEARNESS if two else 1.0,
    )
    if not two:
        return speaking
    listening = actors[line.listener].frame(
        second=second,
        progress=progress,
        opening=0.0,
        emotion="neutral",
        phase=line.seed % 63 / 10 + 2,
        size=size,
        nearness=LISTENER_NEARNESS,
    )
    return np.hstack([listening, speaking])


def write_line(line: Line, following: Line | None, actors: dict[str, Actor]) -> float:
    """Write the clip or clips of one line.

    Args:
        line: of the screenplay.
        following: the next line, which a mis-cut clip runs into.
        actors: by name.

    Returns:
        Duration in seconds, as the annotations give it.

    Raises:
        ValueError: a mis-cut last line.
    """
    frames, sound = acted(line, actors)
    if line.trouble == "mis-cut":
        if following is None:
            raise ValueError(f"{line.clip.name}: a mis-cut clip needs a line after it")
        write_clip(line.clip.with_name(f"final_videos_test{line.clip.name}"), frames, sound)
        write_clip(line.clip, *_late((frames, sound), acted(following, actors)))
    elif line.trouble != "missing":
        write_clip(line.clip, frames, sound)
    if line.trouble == "corrupt":
        cut_short(line.clip)
    return len(frames) / FRAME_RATE_HERTZ


def _late(clip: Clip, following: Clip) -> Clip:
    """A clip that begins and ends too late."""
    late, count = round(MIS_CUT_SECONDS * FRAME_RATE_HERTZ), len(clip[0])
    sound = np.concatenate([clip[1], following[1]], axis=1)
    span = slice(late * SAMPLES_A_FRAME, (late + count) * SAMPLES_A_FRAME)
    return (clip[0] + following[0])[late : late + count], np.ascontiguousarray(sound[:, span])


def rows(lines: Sequence[Line], durations: Sequence[float], split: str) -> Iterator[list[str]]:
    """Rows of the annotations of one split, as MELD writes them.

    Args:
        lines: of all splits.
        durations: of each line in seconds.
        split: whose rows.

    Yields:
        One row a line, but for clips that are to have no row.

    Raises:
        ValueError: not as many durations as lines.
    """
    clock, number = 75.0, 0
    for line, duration in zip(lines, durations, strict=True):
        if line.split != split or line.trouble == "no row":
            continue
        number += 1
        clock += GAP_SECONDS if line.turn else 20.0
        ids = [str(line.dialogue), str(line.turn), "1", str(EPISODES[split])]
        times = [_timestamp(clock), _timestamp(clock + duration)]
        yield [str(number), line.words, line.speaker, line.emotion, line.sentiment, *ids, *times]
        clock += duration


def _timestamp(seconds: float) -> str:
    """Seconds as MELD writes them: 00:01:02,345."""
    thousandths = round(1000 * seconds)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def main() -> int:
    """Make the whole corpus beside this file."""
    lines = screenplay(DEMO / "authoring" / "screenplay.txt")
    actors = {name: Actor(portrait, DEMO / "authoring" / "portraits") for name, portrait in PORTRAITS.items()}
    for folder in FOLDERS.values():
        shutil.rmtree(DEMO / folder, ignore_errors=True)
        (DEMO / folder).mkdir()
    durations = []
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        durations.append(write_line(line, following, actors))
        name = line.clip.relative_to(DEMO)
        print(f"{name}  {durations[-1]:.2f} s  {line.speaker}, {line.emotion}  {line.trouble}")
    for split in FOLDERS:
        with (DEMO / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS.split(","))
            writer.writerows(rows(lines, durations, split))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
