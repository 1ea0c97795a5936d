"""Bring features of your own: put them into a store, or ask a trained model about them directly.

python examples/own_features.py data/stores/demo/text.h5 own-audio.h5
"""

import sys
from pathlib import Path

import numpy as np

from summer import FeatureStore, Modality, Status
from summer.store import Header, Rows, new_store


def my_vector(words: str) -> np.ndarray:
    """Four numbers of an utterance; yours would come from a network."""
    return np.array([len(words), words.count(" "), words.count("!"), words.count("?")], dtype=np.float32) + 1


def main(like: Path, out: Path) -> None:
    """Write a store of the same utterances as another one, with vectors of our own."""
    with FeatureStore(like) as store:
        theirs, utterances = store.header, store.rows.utterances
    vectors = np.stack([my_vector(utterance.text) for utterance in utterances])
    header = Header(
        corpus=theirs.corpus,
        protocol=theirs.protocol,
        modality=Modality.AUDIO,
        labels=theirs.labels,
        dim=vectors.shape[1],
        fingerprint="my-vectors-1",  # change it whenever the vectors would
        corpus_digest=theirs.corpus_digest,
        complete=True,
    )
    rows = Rows(utterances=utterances, statuses=[Status.OK] * len(vectors), reasons=[""] * len(vectors))
    with new_store(out, header, rows) as writer:
        writer.write_raw(0, vectors)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
