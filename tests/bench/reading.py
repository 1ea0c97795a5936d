"""Reading a store trio of MELD's size (text 768, audio 512, video 1000; float32) to tensors.

Each reading is done in a process of its own: stores to `Conversations` to a `ConversationDealer`, with and
without standardising. The files were just written, so they come from the page cache. Memory is the peak while
reading above what the process held before, over the size of the vectors; below 2 s and 2 times are wanted.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from summer.conversations.batches import ConversationDealer
from summer.conversations.reading import fit_standardisations, read_conversations, standardise
from summer.conversations.speakers import identify_speakers
from summer.corpus import Modality
from tests.bench.alone import alone, peak_bytes, resident_bytes
from tests.bench.meld_sized import PAPER_DIMS, generated, meld_lengths
from tests.summer.made_up import write_stores

ROUNDS = 3
MIB = 2**20


def run(dims: Mapping[Modality, int] = PAPER_DIMS) -> dict[str, float]:
    """Seconds and memory of reading, as it is and standardised."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = alone(_write, folder, dict(dims))
        for way, standardised in (("read", False), ("standardised", True)):
            rounds = [alone(_read, folder, standardised) for _ in range(ROUNDS)]
            figures |= {
                f"{way}_seconds": statistics.median(one["seconds"] for one in rounds),
                f"{way}_peak_over_size": max(one["peak"] / one["size"] for one in rounds),
                f"{way}_process_peak_mib": max(one["process_peak"] / MIB for one in rounds),
            }
    return figures


def _write(folder: Path, dims: Mapping[Modality, int]) -> dict[str, float]:
    conversations = generated(meld_lengths(), dims)
    write_stores(folder, conversations)
    size = sum(one.vectors.nbytes for one in conversations.features.values())
    return {"utterances": float(len(conversations.utterances)), "size_mib": size / MIB}


def _read(folder: Path, standardised: bool) -> dict[str, float]:
    before, started = resident_bytes(), time.perf_counter()
    conversations = read_conversations(sorted(folder.glob("*.h5")))
    if standardised:
        standardise(conversations, fit_standardisations(conversations))
    identities = identify_speakers("slots", conversations.utterances, slots=16, fewest_utterances=1)
    dealer = ConversationDealer(conversations, identities)
    seconds, peak = time.perf_counter() - started, peak_bytes()
    assert dealer.of_split(conversations.utterances[0].split)
    return {
        "seconds": seconds,
        "size": float(sum(one.vectors.nbytes for one in conversations.features.values())),
        "peak": float(peak - before),
        "process_peak": float(peak),
    }


if __name__ == "__main__":
    for figure, value in run().items():
        print(f"{figure:40} {value:.4g}")
