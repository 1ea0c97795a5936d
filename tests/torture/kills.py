"""Kills at random moments: whatever is under way, the same command goes on and ends as an unbroken run does.

Each victim is a command in a process group of its own, killed with all that it began. It is typed again, and
killed again, until it ends; then what it leaves is held against an unbroken run's, and it begins anew.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.torture.forked import Forked, typed
from tests.torture.tally import Tally
from tests.torture.victims import audio_corpus, faces_of_people, random_weights, text_corpus, video_corpus

SHARES = {
    "text": 25,
    "text, tuned": 30,
    "audio": 35,
    "video": 25,
    "tuning": 25,
    "training": 40,
    "reproduction": 20,
}
SHARES_OF_A_SHORT_RUN = {"audio": 2, "training": 1}
LEFT_OUT_OF_A_REPRODUCTION = (  # what is trained as some that stay are: one of each kind is killed
    *("regression-audio", "regression-text-audio"),
    *("modalities-text", "modalities-audio", "modalities-text-audio"),
    *("teacher-audio-sparse", "teacher-audio-top-k", "teacher-text-top-k"),
    *("without-sdmoe", "without-hcmf", "without-ikd", "without-residual"),
)
MOST_SECONDS = 900.0
Outcome = Callable[[Path], dict[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A command that can be killed.

    Args:
        work: what is done, given where to.
        left: all that must not depend on kills, by name.
    """

    name: str
    work: Callable[[Path], Callable[[], None]]
    left: Outcome


def beat(scratch: Path, *, seed: int, short: bool) -> list[Tally]:
    """Kill them all, one after the other."""
    scratch.mkdir(parents=True)
    shares = SHARES_OF_A_SHORT_RUN if short else SHARES
    return [
        _beaten(victim, scratch / victim.name.replace(", ", "-"), kills=shares[victim.name], seed=seed)
        for victim in _victims(scratch)
        if shares.get(victim.name)
    ]


def _beaten(victim: Victim, scratch: Path, *, kills: int, seed: int) -> Tally:
    scratch.mkdir()
    tally = Tally(part="kills", what=victim.name)
    log = scratch / "log.txt"
    begun = time.monotonic()
    whole = Forked(victim.work(scratch / "whole"), log).ended(MOST_SECONDS)
    seconds = time.monotonic() - begun
    if whole.status:
        tally.find(f"an unbroken run ended with {whole.status}: {whole.last_line}")
        return tally
    expected = victim.left(scratch / "whole")
    dice, out, ends = random.Random(f"{seed} {victim.name}"), scratch / "killed", 0
    while tally.tried < kills:
        process = Forked(victim.work(out), log)
        if not process.is_over_within(dice.uniform(0.02, 0.9) * seconds):
            process.signal_group(signal.SIGKILL)
            tally.took(0.0, process.ended().most_bytes)
            continue
        ends += 1
        _check_end(victim, process, out, expected, tally)
    _check_end(victim, Forked(victim.work(out), log), out, expected, tally)
    tally.note = f"{ends + 1} ends compared, {seconds:.1f} s unbroken"
    return tally


def _check_end(victim: Victim, process: Forked, out: Path, expected: dict[str, bytes], tally: Tally) -> None:
    ended = process.ended(MOST_SECONDS)
    tally.longest_seconds = max(tally.longest_seconds, ended.seconds)
    if ended.is_late:
        tally.find(f"after {tally.tried} kills it was not done within {MOST_SECONDS:g} s")
    elif ended.status or ended.has_traceback:
        tally.find(f"after {tally.tried} kills it ended with {ended.status}: {ended.last_line[:300]}")
    else:
        left = victim.left(out)
        unlike = sorted(
            name for name in expected.keys() | left.keys() if expected.get(name) != left.get(name)
        )
        if unlike:
            tally.find(f"after {tally.tried} kills other content: {', '.join(unlike[:5])}")
        strays = [path.name for path in out.rglob("*") if _is_stray(path.name)]
        if strays:
            tally.find(f"after {tally.tried} kills left behind: {', '.join(strays[:5])}")
    shutil.rmtree(out, ignore_errors=True)


def _is_stray(name: str) -> bool:
    """Whether a file is of those that are written aside: by us, or by safetensors."""
    return name.endswith((".tmp", ".parts")) or name.startswith(".tmp")


def _victims(scratch: Path) -> Sequence[Victim]:
    made = scratch / "made"
    made.mkdir()
    texts, encoder = text_corpus(made / "texts")
    sounds, films, weights, people = (
        audio_corpus(made / "sounds"),
        video_corpus(made / "films"),
        random_weights(made),
        faces_of_people(made / "people"),
    )
    features, recipe = made_stores(made / "stores"), made_recipe(made)
    few = ("-o", "text.window_tokens=32", "-o", f"text.model={encoder}", "--device", "cpu")
    tuned = ("-o", "text.mode=tuned", "-o", "text.tuning.epochs=3", "-o", "text.tuning.batch_size=8")
    quick = (
        "-o",
        "video.tuning.epochs=2",
        "-o",
        "video.tuning.trained_blocks=1",
        "-o",
        "video.tuning.clip_frames=2",
        "-o",
        "video.tuning.batch_clips=2",
    )
    own = ("-o", f"video.weights={weights}", "--device", "cpu")
    epochs = ("-o", "teacher.most_epochs=8", "-o", "student.most_epochs=8", "-o", "teacher.patience_epochs=8")

    def extracted(corpus: Path, modality: str, *more: str) -> Callable[[Path], Callable[[], None]]:
        return lambda out: typed(
            "summer-extract",
            "--dataset",
            corpus,
            "--out",
            out,
            "--modality",
            modality,
            "--workers",
            "0",
            *more,
        )

    return (
        Victim(name="text", work=extracted(texts, "text", "-o", "text.mode=frozen", *few), left=left_stores),
        Victim(name="text, tuned", work=extracted(texts, "text", *tuned, *few), left=left_stores),
        Victim(
            name="audio", work=extracted(sounds, "audio", "-o", "reduction.audio.width=4"), left=left_stores
        ),
        Victim(
            name="video",
            work=extracted(films, "video", "-o", "reduction.video.method=none", *own),
            left=left_stores,
        ),
        Victim(
            name="tuning",
            work=lambda out: typed("summer-tune", "--faces", people, "--out", out, *quick, *own),
            left=_weights,
        ),
        Victim(
            name="training",
            work=lambda out: typed("summer-train", *words(recipe, features, out, *epochs, "--resume")),
            left=left_of_run,
        ),
        Victim(
            name="reproduction",
            work=lambda out: typed("summer-reproduce", *_reproduced(features, out)),
            left=_page,
        ),
    )


def _reproduced(features: Path, out: Path) -> list[str]:
    from tests.pipelines.reproduce.test_reproduce import SHORT
    from tests.summer.battery import TRAINED_RIVALS

    left_out = (*(name for name in TRAINED_RIVALS if name != "mlp"), *LEFT_OUT_OF_A_REPRODUCTION)
    fewer = [word for name in left_out for word in ("--without", name)]
    return [
        "--recipe",
        "demo",
        "--features",
        str(features),
        "--out",
        str(out),
        "--seeds",
        "0",
        "--without-test-selection",
        "--device",
        "cpu",
        "--jobs",
        "1",
        *fewer,
        *SHORT,
    ]


def left_stores(out: Path) -> dict[str, bytes]:
    """Stores, reducers and encoders."""
    return {path.name: path.read_bytes() for path in out.rglob("*.h5")} | _weights(out)


def _weights(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.rglob("*.safetensors")}


def left_of_run(out: Path) -> dict[str, bytes]:
    """Models, histories and predictions."""
    kept = ("*.safetensors", "*-history.json", "predictions.csv", "table.md")
    return {str(path.relative_to(out)): path.read_bytes() for pattern in kept for path in out.rglob(pattern)}


def _page(out: Path) -> dict[str, bytes]:
    from tests.pipelines.reproduce.test_reproduce import page_without_costs

    figures = {path.name: path.read_bytes() for path in out.glob("*.png")}
    return {"page.md": page_without_costs(out).encode(), **figures}
