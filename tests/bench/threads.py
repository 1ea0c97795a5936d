"""Threads of a training step: one against all cores, by turns, over students of growing width.

A step of one layer, forwards and backwards, on one batch of MELD's lengths. On a busy machine the median
tells what a user has there, and the least of each side what an idle machine would give.
"""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import replace

import torch

from pipelines.recipe import load_recipe
from summer.corpus import Split
from summer.training.models import STUDENT
from summer.training.preparation import prepare
from summer.training.stages import Stage
from tests.bench.alone import alone
from tests.bench.meld_sized import PAPER_DIMS, generated, meld_lengths
from tests.bench.rivals import _stage

WIDTHS = (32, 64, 128, 256, 512, 1024)
DIALOGUES = 16
SECONDS_A_WIDTH = 20.0
LEAST_ROUNDS = 3


def run() -> dict[str, float]:
    """Parameters in millions, and the time of one thread over that of all cores: above 1, all are faster."""
    figures: dict[str, float] = {}
    for width in WIDTHS:
        figures |= alone(_compared, width)
    return figures


def _compared(width: int) -> dict[str, float]:
    settings = load_recipe("meld").settings
    settings = replace(settings, model=replace(settings.model, width=width, layers=1, start="drawn"))
    corpus = generated({Split.TRAIN: meld_lengths()[Split.TRAIN][: 20 * DIALOGUES]}, PAPER_DIMS)
    material = prepare(corpus, settings.model)
    stage = _stage(STUDENT, material, settings)
    batches = material.dealer.deal(Split.TRAIN, size=DIALOGUES, generator=None)
    batch = material.dealer.batch(batches[len(batches) // 2])
    threads, seconds = (1, len(os.sched_getaffinity(0))), dict[int, list[float]]()
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS_A_WIDTH or len(seconds[1]) < LEAST_ROUNDS:
        for count in threads:
            torch.set_num_threads(count)
            seconds.setdefault(count, []).append(_step_seconds(stage, batch))
    one, all_cores = (seconds[count][1:] for count in threads)
    return {
        f"width_{width}_parameters_in_millions": sum(p.numel() for p in stage.parameters()) / 1e6,
        f"width_{width}_least_seconds_of_one_thread": min(one),
        f"width_{width}_least_ratio": min(one) / min(all_cores),
        f"width_{width}_median_ratio": statistics.median(one) / statistics.median(all_cores),
    }


def _step_seconds(stage: Stage, batch: object) -> float:
    began = time.perf_counter()
    stage(batch)["total"].backward()
    stage.zero_grad()
    return time.perf_counter() - began


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:50} {value:.4g}", flush=True)
