"""Read a feature store: vectors, statuses, words; take what is usable.

python examples/read_a_store.py data/stores/demo/audio.h5
"""

import sys
from collections import Counter
from pathlib import Path

from summer import FeatureStore


def main(path: Path) -> None:
    """Print what a store holds of each split."""
    with FeatureStore(path) as store:
        kind = "raw" if store.reduced_width is None else "reduced"
        vectors, rows = store.features(kind), store.rows
        print(f"{store.header.modality} of {store.header.corpus}: {vectors.shape}, {kind}")
        print(dict(Counter(status.value for status in rows.statuses)))
        for utterance, usable, vector in zip(rows.utterances, rows.usable, vectors, strict=True):
            if usable and utterance.split == "test":
                print(
                    f"{utterance.id}  {utterance.speaker}: {utterance.text!r}  |x| = {abs(vector).mean():.3f}"
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
