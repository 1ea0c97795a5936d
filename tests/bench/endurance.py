"""Many clips in one run: whether memory stays flat, and time grows as the corpus does.

`summer-extract` as typed, on a manifest of the demo corpus' clips over and over, 1,000 and 10,000 of them.
Once a second: how many clips are in parts on the disk, processor seconds of the command and its workers,
resident memory of the command and of its largest worker. Processor time, for wall time is right on an idle
machine only. Of each film two keyframes are looked at, or ten thousand would take hours.

    python -m tests.bench.endurance docs/endurance.png     measures, and draws what was measured
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from matplotlib.figure import Figure

from extraction.audio import ComParE
from extraction.video.extractor import LFNet3D
from summer.report.figures.canvas import PALETTE, new_figure, save_figure
from tests.bench.typed import EXTRACT, typed, wait_for
from tests.extraction.corpora.trees import manifest_row, write_csv
from tests.places import DEMO

SIZES = (1_000, 10_000)
ROWS_OF_A_PART = {"audio": ComParE.block_rows, "video": LFNet3D.block_rows}
TURNS = 20  # of a dialogue
SECONDS_BETWEEN_LOOKS = 1.0
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A run at one moment.

    Args:
        clips: in parts on the disk.
        processor_seconds: of all its processes so far.
        command_mib, worker_mib: resident memory of the command and of the largest worker.
    """

    clips: int
    processor_seconds: float
    command_mib: float
    worker_mib: float


Looks = Mapping[tuple[str, int], Sequence[Look]]


def run() -> dict[str, float]:
    """Memory after the first tenth and at the end of the long runs, and how time grows with the corpus."""
    return figures_of(measured())


def measured() -> Looks:
    """Both modalities at both sizes."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            (modality, clips): _watched(Path(folder), modality, clips)
            for modality in ROWS_OF_A_PART
            for clips in SIZES
        }


def figures_of(looks: Looks) -> dict[str, float]:
    """The figures of docs/performance.md."""
    few, many = SIZES
    figures: dict[str, float] = {}
    for modality in ROWS_OF_A_PART:
        short, long = looks[modality, few], looks[modality, many]
        early = next(look for look in long if look.clips >= few)
        for name, look in ((f"after_{few}", early), (f"after_{many}", long[-1])):
            figures[f"{modality}_command_mib_{name}"] = look.command_mib
            figures[f"{modality}_worker_mib_{name}"] = look.worker_mib
        seconds_a_clip = {size: _seconds_a_clip(run) for size, run in ((few, short), (many, long))}
        figures |= {f"{modality}_seconds_a_clip_of_{size}": value for size, value in seconds_a_clip.items()}
        figures[f"{modality}_time_over_linear"] = seconds_a_clip[many] / seconds_a_clip[few]
    return figures


def _seconds_a_clip(run: Sequence[Look]) -> float:
    """From the first part on: what a run begins with is the same for any corpus."""
    first = next(look for look in run if look.clips)
    return (run[-1].processor_seconds - first.processor_seconds) / (run[-1].clips - first.clips)


def _watched(folder: Path, modality: str, clips: int) -> list[Look]:
    manifest = _manifest(folder / f"{modality}-{clips}" / "manifest.csv", clips)
    out = folder / f"{modality}-{clips}-stores"
    words = ["--dataset", str(manifest), "--root", str(DEMO), "--modality", modality, "--out", str(out)]
    words += ["-o", "video.most_keyframes=2"] if modality == "video" else []
    command = typed([*EXTRACT, *words])
    parts = out / manifest.parent.name / f"{modality}.parts"
    looks: list[Look] = []
    while command.poll() is None:
        with suppress(psutil.NoSuchProcess):  # it ends while it is looked at
            done = len(list(parts.glob("*.h5"))) * ROWS_OF_A_PART[modality]
            looks.append(_look(command, min(done, clips)))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    wait_for(command)
    usual_mib = max(look.worker_mib for look in looks) / 2
    return [look for look in looks if look.worker_mib > usual_mib]  # workers have loaded what they need


def _look(command: psutil.Process, clips: int) -> Look:
    with command.oneshot():
        workers = command.children(recursive=True)
        memory = [worker.memory_info().rss / MIB for worker in workers]
        times = [process.cpu_times() for process in (command, *workers)]
        return Look(
            clips=clips,
            processor_seconds=sum(each.user + each.system for each in times),
            command_mib=command.memory_info().rss / MIB,
            worker_mib=max(memory, default=0.0),
        )


def _manifest(path: Path, clips: int) -> Path:
    media = sorted(film.relative_to(DEMO) for film in (DEMO / "train_splits").glob("*.mp4"))
    rows = []
    for number in range(clips):
        dialogue, turn = divmod(number, TURNS)
        film = str(media[number % len(media)])
        rows.append(manifest_row(f"row{number}", dialogue=str(dialogue), turn=str(turn), media=film))
    return write_csv(path, rows)


def drawn(looks: Looks) -> Figure:
    """Memory by clips, and processor time by clips, of the long runs; the short ones as points."""
    figure = new_figure(width_inches=9, height_inches=3.6)
    memory, seconds = figure.subplots(1, 2)
    few, many = SIZES
    for colour, modality in zip(PALETTE, ROWS_OF_A_PART, strict=False):
        run, short = looks[modality, many], looks[modality, few][-1]
        clips = [look.clips for look in run]
        memory.plot(clips, [look.worker_mib for look in run], color=colour, label=f"{modality}, worker")
        memory.plot(
            clips,
            [look.command_mib for look in run],
            color=colour,
            linestyle=":",
            label=f"{modality}, command",
        )
        seconds.plot(clips, [look.processor_seconds for look in run], color=colour, label=modality)
        seconds.plot([short.clips], [short.processor_seconds], "o", color=colour)
    memory.set_ylabel("resident memory, MiB")
    seconds.set_ylabel("processor seconds, all processes")
    for axes in (memory, seconds):
        axes.set_xlabel("clips done")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    found = measured()
    for figure_name, value in figures_of(found).items():
        print(f"{figure_name:45} {value:.4g}")
    save_figure(Path(sys.argv[1]), drawn(found))
