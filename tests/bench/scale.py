"""What the command itself costs, whoever extracts: a corpus of many rows whose vectors cost nothing.

This is what limits a cluster: one process opens the corpus, writes a part per block and builds the store, and
holds all rows in memory. Processor time, for the machine may have other work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from extraction.corpora import open_corpus
from extraction.engines import InProcess
from extraction.extractor import Clip, Outcome
from extraction.plan import Job
from extraction.run import extract
from summer.corpus import Status
from tests.bench.alone import alone, peak_bytes
from tests.extraction.corpora.trees import manifest_row, write_csv
from tests.extraction.fake import FakeExtractor

SIZES = (2_000, 20_000)
DIM = 1792  # of a face
BLOCK_ROWS = 8  # of video, whose blocks are the smallest
TURNS = 20


@dataclass(frozen=True, kw_only=True)
class Instantly(FakeExtractor):
    """The same vector for each clip, at once."""

    dim: int = DIM
    block_rows: int = BLOCK_ROWS

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        return [Outcome(status=Status.OK, vector=np.ones(DIM, np.float32)) for _ in clips]


def run() -> dict[str, float]:
    """Milliseconds and bytes a row, by the size of the corpus."""
    figures = {}
    for rows in SIZES:
        with TemporaryDirectory() as folder:
            for what, value in alone(measured, rows, folder).items():
                figures[f"{what}, {rows} rows"] = value
    return figures


def measured(rows: int, folder: str) -> dict[str, float]:
    """One corpus, from the manifest to the store."""
    manifest = write_csv(Path(folder) / "manifest.csv", [_row(number) for number in range(rows)])
    before_bytes, started = peak_bytes(), time.process_time()
    corpus = open_corpus(str(manifest), "https://host/films", {})
    opened = time.process_time()
    job = Job(corpus=corpus, extractor=Instantly(), folder=Path(folder) / "out")
    object.__setattr__(job.corpus, "clips", tuple(_without_media(clip) for clip in corpus.clips))
    last_block: list[float] = []
    extract(job, InProcess(), reduction=None, on_progress=lambda _: last_block.append(time.process_time()))
    return {
        "opening, ms a row": 1000 * (opened - started) / rows,
        "parts, ms a block": 1000 * (last_block[-1] - last_block[0]) / (len(last_block) - 1),
        "building, ms a row": 1000 * (time.process_time() - last_block[-1]) / rows,
        "memory, KB a row": (peak_bytes() - before_bytes) / rows / 1000,
    }


def _without_media(clip: Clip) -> Clip:
    return Clip(utterance=clip.utterance, dialogue=clip.dialogue)


def _row(number: int) -> dict[str, str]:
    dialogue, turn = divmod(number, TURNS)
    return manifest_row(
        f"row{number}",
        dialogue=str(dialogue),
        turn=str(turn),
        label="joy",
        text="So what are we doing tonight?",
    )


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:40} {value:.4g}")
