"""What the commands of a page find: a folder with the corpora, stores, runs and files that the page names."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.docs.pages import Block
from tests.docs.treated import Runs
from tests.extraction.corpora.trees import manifest_row, write_csv, write_film, write_iemocap
from tests.media_factory import Picture, Sound, write
from tests.pipelines.extract.small_corpus import LABELS, TEXTS
from tests.pipelines.report.made_up_report import made_run, made_stores
from tests.places import DEMO, REPOSITORY

TALKING = DEMO / "train_splits" / "dia0_utt0.mp4"


def run_block(block: Block, home: Path, treatment: Runs) -> None:
    """Run a block in the home of its page: commands by bash, with this environment's console scripts.

    Raises:
        ValueError: a stand-in for words that the block does not have, or an exit status other than 0.
    """
    text = block.text
    for words, stand_in in treatment.stand_ins.items():
        if words not in text:
            raise ValueError(f"{block}: nothing is {words!r}, which tests/docs/treated.py replaces")
        text = text.replace(words, stand_in)
    typed = (
        [sys.executable, "-c", text]
        if block.language == "python"
        else ["bash", "-euo", "pipefail", "-c", text]
    )
    run(typed, home, str(block))


def run(typed: list[str], home: Path, name: str) -> None:
    """Run a program in a home.

    Raises:
        ValueError: its exit status is not 0.
    """
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(typed, cwd=home, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{name}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")


def with_made_up_stores(home: Path) -> None:
    """Stores of three modalities where those of the demo are."""
    made_stores(home / "data" / "stores" / "demo")


def with_made_up_run(home: Path) -> None:
    """Stores of three modalities, a run on them and a reproduction, named as the demo's are."""
    with_made_up_stores(home)
    made = made_run(home / "runs" / "demo", home / "data" / "stores" / "demo", projection=False)
    shutil.copytree(made, home / "pages" / "demo" / "runs" / "summer")
    (home / "pages" / "demo" / "reproduction.json").write_text("{}")
    (home / "pages" / "demo" / "page.md").write_text("# t\n\n## All systems\n")


def with_made_up_meld(home: Path) -> None:
    """Stores where those of MELD are."""
    made_stores(home / "data" / "stores" / "meld")


def with_features_of_others(home: Path) -> None:
    """A table, an archive and a pickle of features, and the store that says what utterances there are."""
    stores = made_stores(home / "stores")
    (home / "data" / "stores" / "meld").mkdir(parents=True)
    shutil.copy(stores / "text.h5", home / "data" / "stores" / "meld")
    rows = [(split, dialogue) for split in ("train", "test") for dialogue in range(3)]
    table = [{"split": s, "dialogue": str(d), "utterance": "0", "pitch": "1.5", "rate": "2"} for s, d in rows]
    write_csv(home / "prosody8.csv", table)
    np.savez(home / "faces.npz", **{f"{split}/dia{dialogue}_utt0": np.ones(3) for split, dialogue in rows})
    (home / "MELD_features_raw1.pkl").write_bytes(pickle.dumps(_tuple_of_meld()))


def _tuple_of_meld() -> tuple[object, ...]:
    """MMGCN's: the last dialogues of train, 1039 to 1152 being dev, and the first of test, a turn each."""
    train, test = list(range(1037, 1153)), [1153, 1154]
    one_turn = {
        "ids": [0],
        "speakers": [[1, 0]],
        "labels": [0],
        **{modality: [np.ones(3)] for modality in ("text", "audio", "video")},
        "sentences": ["Hey!"],
    }
    return (*(dict.fromkeys(train + test, value) for value in one_turn.values()), train, test, {})


def with_demo(home: Path) -> None:
    """What `make demo` leaves, without its installation; beside it a little of IEMOCAP, and own clips."""
    with_shipped_demo(home)
    makefile = str(REPOSITORY / "Makefile")
    run(["make", "--old-file=install", f"--file={makefile}", "demo"], home, "make demo")
    for number in range(1, 6):
        session = home / "corpora" / "IEMOCAP" / f"Session{number}"
        name = f"Ses0{number}F_impro01"
        write_iemocap(session, name, [(turn, "neu", "C-E2:\tNeutral;\t()") for turn in ("F000", "M000")])
        write_film(session / "dialog" / "avi" / "DivX" / f"{name}.avi", frames=30, size=(128, 48))
    with_own_clips(home)


def with_shipped_demo(home: Path) -> None:
    """The demo corpus where the repository has it."""
    (home / "data").mkdir(parents=True, exist_ok=True)
    (home / "data" / "demo").symlink_to(DEMO)


def with_own_clips(home: Path) -> None:
    """A manifest of short films of a tone each, and of two of the demo, which show a face."""
    folder = home / "my" / "clips"
    folder.mkdir(parents=True)
    rows = [
        _tone(folder, split, n)
        for split, count in (("train", 10), ("dev", 4), ("test", 4))
        for n in range(count)
    ]
    for split in ("train", "test"):
        media = shutil.copy(TALKING, folder / f"{split}.mp4").name
        rows.append(manifest_row(split, split=split, text="Look at me!", label="joy", media=media))
    write_csv(folder / "manifest.csv", rows)


def _tone(folder: Path, split: str, number: int) -> dict[str, str]:
    """The row of a film of 0.4 seconds, two of which are a dialogue."""
    name = f"{split}-{number}"
    tone = Sound(seconds=0.4, hertz=(200.0 + 37 * number,))
    write(folder / f"{name}.mp4", picture=Picture(frames=10), sound=tone)
    dialogue, turn = divmod(number, 2)
    said = {"speaker": f"speaker {turn + 1}", "text": TEXTS[number % 3], "label": LABELS[number % 3]}
    return manifest_row(name, split=split, dialogue=f"d{dialogue}", turn=str(turn), **said)


HOMES: Mapping[str, Callable[[Path], None]] = {
    "README.md": with_demo,
    "docs/feature-store.md": with_made_up_stores,
    "docs/import.md": with_features_of_others,
    "docs/own-clips.md": with_own_clips,
    "docs/quick-start.md": with_made_up_run,
    "docs/report.md": with_made_up_run,
    "docs/reproduce.md": with_made_up_meld,
}
WITH_WEIGHTS = {"README.md", "docs/own-clips.md"}
SLOW = {*WITH_WEIGHTS, "docs/quick-start.md", "docs/report.md"}
