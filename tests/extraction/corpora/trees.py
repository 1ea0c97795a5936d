"""Small corpora made on the spot: media of a few frames, MELD's and IEMOCAP's folders, manifests."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests import media_factory
from tests.media_factory import Picture, Sound

MELD_COLUMNS = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
MELD_COLUMNS += ("Season", "Episode", "StartTime", "EndTime")
MELD_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
MANIFEST_COLUMNS = ("id", "split", "dialogue", "turn", "speaker", "text", "label", "media")


def write_film(
    path: Path,
    *,
    frames: int = 10,
    size: tuple[int, int] = (64, 48),
    rate: int = 10,
    picture: bool = True,
    sound: bool = True,
    layout: str = "mono",
    sample_rate: int = 48_000,
) -> Path:
    """Write `frames / rate` seconds of grey and silence; the container follows from the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = {".mp4": "aac", ".wav": "pcm_s16le", ".avi": "mp3"}[path.suffix]
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    silence = np.zeros((channels, frames * sample_rate // rate), dtype=np.float32)
    width, height = size
    return media_factory.write(
        path,
        picture=Picture(frames=frames, rate=rate, width=width, height=height, codec="mpeg4")
        if picture
        else None,
        sound=Sound(layout=layout, rate=sample_rate, samples=silence, codec=codec) if sound else None,
    )


def meld_row(dialogue: int, utterance: int, **changes: str) -> dict[str, str]:
    """A row of MELD's annotations: one second of neutral words."""
    row = dict.fromkeys(MELD_COLUMNS, "1")
    row |= {"Utterance": f"Words {dialogue}.{utterance}", "Speaker": "Joey", "Emotion": "neutral"}
    row |= {"Dialogue_ID": str(dialogue), "Utterance_ID": str(utterance)}
    row |= {"StartTime": "0:00:01,000", "EndTime": "00:00:02,000"}
    return row | changes


def write_csv(path: Path, rows: Sequence[Mapping[str, str]], *, encoding: str = "utf-8") -> Path:
    """Write rows under their own columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_meld(root: Path, keys: Mapping[str, Sequence[tuple[int, int]]]) -> Path:
    """Annotations and empty clips of MELD's shape, beside each other; the clips are only names."""
    for split, members in keys.items():
        write_csv(
            root / f"{split}_sent_emo.csv", [meld_row(*key, Utterance=f"{split} {key}") for key in members]
        )
        for dialogue, utterance in members:
            touch(root / MELD_FOLDERS[split] / f"dia{dialogue}_utt{utterance}.mp4")
    return root


def touch(path: Path) -> Path:
    """An empty file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def manifest_row(name: str, **changes: str) -> dict[str, str]:
    """A row of a manifest: the first turn of a dialogue of its own."""
    row = dict.fromkeys(MANIFEST_COLUMNS, "")
    row |= {"id": name, "split": "train", "dialogue": name, "turn": "0", "speaker": "A", "text": "Well!"}
    return row | {"media": f"{name}.mp4"} | changes


def write_iemocap(
    session: Path, dialogue: str, turns: Sequence[tuple[str, str, str]], notes: str = ""
) -> None:
    """One dialogue: (turn, label, rating lines) each of one second, with film and sentences by name.

    Args:
        session: the folder SessionN.
        turns: such as ("F000", "neu", "C-E2:\tNeutral;\t()").
        notes: further lines of the transcription.
    """
    blocks, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
    for number, (turn, label, ratings) in enumerate(turns):
        name, start, end = f"{dialogue}_{turn}", f"{number}.2500", f"{number + 1}.2500"
        blocks += [f"[{start} - {end}]\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]", ratings]
        blocks += ["A-E3:\tval 3; act 2; dom  2;\t()", ""]
        words.append(f"{name} [{number:03d}.2500-{number + 1:03d}.2500]: Words of {turn}.")
        touch(session / "sentences" / "wav" / dialogue / f"{name}.wav")
    touch(session / "dialog" / "avi" / "DivX" / f"{dialogue}.avi")
    evaluation = touch(session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt")
    evaluation.write_text("\n".join(blocks), "utf-8")
    transcription = touch(session / "dialog" / "transcriptions" / f"{dialogue}.txt")
    transcription.write_text("\n".join(words) + "\n" + notes, "utf-8")
