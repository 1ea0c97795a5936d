"""Small corpora whose extraction takes some seconds, and so can be killed in the middle."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from facenet_pytorch import InceptionResnetV1
from safetensors.torch import save_file

from tests.extraction.corpora.trees import manifest_row, write_csv
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.extraction.video.conftest import portrait, turned
from tests.media_factory import Picture, Sound, write
from tests.torture.media_sources import FRAMES, RATE_HERTZ, SIDE_PIXELS, moving_face

LABELS = ("joy", "anger", "neutral")
TEXTS = ("I am so happy that you came", "this is terrible and I hate it", "so what are we doing tonight")
SPLITS = ("train", "train", "train", "dev", "test")


def text_corpus(folder: Path, *, dialogues: int = 60) -> tuple[Path, Path]:
    """A manifest of words alone, and a tiny encoder of them."""
    encoder = folder / "encoder"
    roberta_folder(encoder)
    return _manifest(folder, dialogues=dialogues, media=lambda _: ""), encoder


def audio_corpus(folder: Path, *, dialogues: int = 50) -> Path:
    """Tones of a third of a second."""
    folder.mkdir()
    count = 2 * dialogues
    for number in range(count):
        tones = Sound(seconds=0.3, rate=16_000, hertz=(150.0 + 11 * number,), codec="pcm_s16le")
        write(folder / f"{number}.wav", sound=tones)
    return _manifest(folder, dialogues=dialogues, media=lambda number: f"{number}.wav")


def video_corpus(folder: Path, *, dialogues: int = 12) -> Path:
    """A face of half a second, as often as there are rows."""
    folder.mkdir()
    picture = Picture(rgb=moving_face(), rate=RATE_HERTZ, width=SIDE_PIXELS, height=SIDE_PIXELS)
    write(folder / "face.mp4", picture=picture, sound=Sound(seconds=FRAMES / RATE_HERTZ))
    return _manifest(folder, dialogues=dialogues, media=lambda _: "face.mp4")


def faces_of_people(folder: Path) -> Path:
    """Two people, three pictures of each."""
    for name in ("collins", "hopper"):
        (folder / name).mkdir(parents=True)
        for degrees in (-8, 0, 8):
            picture = cv2.cvtColor(turned(portrait(name), degrees)[0], cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / name / f"{degrees}.jpg"), np.ascontiguousarray(picture))
    return folder


def random_weights(folder: Path) -> Path:
    """The face network, untrained: nothing is fetched."""
    torch.manual_seed(0)
    network = InceptionResnetV1(classify=False)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    path = folder / "random.safetensors"
    save_file(network.state_dict(), path)
    return path


def _manifest(folder: Path, *, dialogues: int, media) -> Path:
    rows = [
        manifest_row(
            f"a{dialogue}_{turn}",
            split=SPLITS[dialogue % len(SPLITS)],
            dialogue=f"d{dialogue}",
            turn=str(turn),
            speaker=f"speaker {turn}",
            text=f"{TEXTS[(dialogue + turn) % 3]} {dialogue}",
            label=LABELS[(dialogue + turn) % 3],
            media=media(2 * dialogue + turn),
        )
        for dialogue in range(dialogues)
        for turn in range(2)
    ]
    return write_csv(folder / "manifest.csv", rows)
