"""Text: our extractor against Hugging Face's feature-extraction pipeline fed utterance by utterance.

Both run the 30M granite encoder in float32 over the same test utterances of MELD (of the demo corpus where it
is not at hand), with the same words as context, in one run, by turns. The pipeline has one process and all
cores, as torch gives it; ours has a worker process a core, with one thread each. Loading is not counted.
Processor time is compared between the two that work in this process.

Reading whole dialogues gives other vectors (each utterance hears all of its dialogue): there only the speed
is compared, with the pipeline that reads 60 and 20 tokens around each utterance.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import pipeline

from extraction import weights
from extraction.extractor import Clip, Outcome
from extraction.text import RobertaText
from extraction.text.pretrained import quiet_transformers, read_encoder, read_wordlist
from summer.corpus import Split, Utterance, group_dialogues
from tests.places import DEMO, SHARED

MODEL = "ibm-granite/granite-embedding-30m-english"
NEAR_CONTEXT = (60, 20)
CONTEXTS = {"no_context": (0, 0), "past60_future20": NEAR_CONTEXT, "past160_future60": (160, 60)}
ROUNDS = 3
BLOCKS_PER_CORE = 1
Vectors = list[NDArray[np.float32]]

_extractor: RobertaText | None = None  # of a worker process


def run() -> dict[str, float]:
    """Utterances per second of both, their ratio, and how far their vectors are apart, for three contexts.

    Then the same for whole dialogues, without a comparison of vectors.
    """
    cores = len(os.sched_getaffinity(0))
    found = weights.text_model(MODEL)
    clips = clips_of(Split.TEST, RobertaText.block_rows * BLOCKS_PER_CORE * cores)
    figures: dict[str, float] = {"utterances": len(clips)}
    for name, (past, future) in CONTEXTS.items():
        extractor = RobertaText(weights=found, past_tokens=past, future_tokens=future)
        with _workers(extractor, cores) as pool:
            measured = _compare(extractor, clips, pool)
        figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
    past, future = NEAR_CONTEXT
    near = RobertaText(weights=found, past_tokens=past, future_tokens=future, vector="mean")
    whole = RobertaText(weights=found, reading="dialogue", vector="mean")
    with _workers(whole, cores) as pool:
        _, measured = _by_turns(_ways(near, whole, clips, pool))
    tokens = sum(len(passage.ids) for passage in whole.passages(clips)) / len(clips)
    figures |= {"dialogues_tokens_per_utterance": tokens}
    return figures | {f"dialogues_{figure}": value for figure, value in measured.items()}


def _compare(extractor: RobertaText, clips: Sequence[Clip], pool: Pool) -> dict[str, float]:
    """Time the pipeline, our workers and our one process by turns; compare vectors of equal inputs."""
    inputs = [entry for entry in extractor.inputs(clips) if entry is not None]
    words = read_wordlist(extractor.weights.path, "tokens")
    equal = [
        tuple(words.tokenizer(text)["input_ids"]) == entry.ids
        for text, entry in zip(_written(extractor, clips), inputs, strict=True)
    ]
    vectors, measured = _by_turns(_ways(extractor, extractor, clips, pool))
    theirs, ours = vectors["pipeline"][equal], vectors["ours"][equal]
    norms = np.linalg.norm(theirs, axis=1) * np.linalg.norm(ours, axis=1)
    return {
        "tokens_per_utterance": statistics.mean(len(entry.ids) for entry in inputs),
        **measured,
        "compared": len(ours),
        "largest_difference": float(np.abs(theirs - ours).max()),
        "lowest_cosine": float(((theirs * ours).sum(axis=1) / norms).min()),
    }


def _ways(
    theirs: RobertaText, ours: RobertaText, clips: Sequence[Clip], pool: Pool
) -> dict[str, Callable[[], Vectors]]:
    """The pipeline over what `theirs` reads; `ours` in the pool's workers, and in this process."""
    pipe, written = _pipeline(theirs), _written(theirs, clips)
    return {
        "pipeline": lambda: [np.asarray(pipe(text)[0][0], dtype=np.float32) for text in written],
        "ours": lambda: _vectors(pool.map(_extract, _blocks(clips), chunksize=1)),
        "ours_one_process": lambda: _vectors([ours(block) for block in _blocks(clips)]),
    }


def _written(extractor: RobertaText, clips: Sequence[Clip]) -> list[str]:
    """What the extractor reads for each clip with words, as text."""
    words = read_wordlist(extractor.weights.path, "tokens")
    return [words.tokenizer.decode(entry.ids[1:-1]) for entry in extractor.inputs(clips) if entry is not None]


def _by_turns(
    ways: dict[str, Callable[[], Vectors]],
) -> tuple[dict[str, NDArray[np.float32]], dict[str, float]]:
    """The vectors of each way; its rate, and how ours compares with the pipeline's."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    processor_seconds: dict[str, list[float]] = {way: [] for way in ways}
    vectors = {}
    for _ in range(ROUNDS):
        for way, work in ways.items():
            started, busy = time.perf_counter(), time.process_time()
            vectors[way] = np.stack(work())
            seconds[way].append(time.perf_counter() - started)
            processor_seconds[way].append(time.process_time() - busy)
    rates = {way: len(vectors[way]) / statistics.median(times) for way, times in seconds.items()}
    busy_for = {way: statistics.median(times) for way, times in processor_seconds.items()}
    return vectors, {
        **{f"{way}_per_second": rate for way, rate in rates.items()},
        "ratio": rates["ours"] / rates["pipeline"],
        "ratio_in_processor_time": busy_for["pipeline"] / busy_for["ours_one_process"],
    }


def _pipeline(extractor: RobertaText) -> Callable[[str], list[list[list[float]]]]:
    path, sha256 = extractor.weights.path, extractor.weights.sha256
    with quiet_transformers():
        made: Callable[[str], list[list[list[float]]]] = pipeline(
            "feature-extraction",
            model=read_encoder(path, sha256, "tokens", "cpu"),
            tokenizer=read_wordlist(path, "tokens").tokenizer,
            device="cpu",
        )
    made("warm up")
    return made


def _workers(extractor: RobertaText, cores: int) -> Pool:
    """One process a core, each with its model loaded."""
    pool = multiprocessing.get_context("spawn").Pool(cores, _start, (extractor,))
    pool.map(_extract, [clips_of(Split.TEST, 1)] * 4 * cores, chunksize=1)
    return pool


def _start(extractor: RobertaText) -> None:
    global _extractor
    torch.set_num_threads(1)
    _extractor = extractor
    extractor(clips_of(Split.TEST, 1))


def _extract(clips: Sequence[Clip]) -> Sequence[Outcome]:
    assert _extractor is not None
    return _extractor(clips)


def _vectors(results: Sequence[Sequence[Outcome]]) -> Vectors:
    return [outcome.vector for block in results for outcome in block if outcome.vector is not None]


def _blocks(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    rows = RobertaText.block_rows
    return [clips[start : start + rows] for start in range(0, len(clips), rows)]


def clips_of(split: Split, count: int) -> list[Clip]:
    """The first utterances of a split, in whole dialogues but for the last."""
    shared = SHARED / "data" / "meld"
    folder = shared if shared.is_dir() else DEMO
    with (folder / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        utterances = [
            Utterance(
                id=f"{split}/dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}",
                split=split,
                dialogue=row["Dialogue_ID"],
                turn=int(row["Utterance_ID"]),
                speaker=row["Speaker"],
                text=row["Utterance"],
                label=row["Emotion"],
            )
            for row in csv.DictReader(file)
        ]
    return [Clip(utterance=u, dialogue=d) for d in group_dialogues(utterances) for u in d.utterances][:count]


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:45} {value:.6g}")
