"""What a model's features look like as training goes on: those of the split that chooses, at some epochs.

Paper: appendix A.2, figure 7. Epochs 1, 2, 4, 8 and so on are kept, as float16:
`<model>-portraits/epoch4.npz` with `rows` (rows in the corpus) and `features` (rows x width).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from summer.durable import write_aside
from summer.training.prediction import SplitOutlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """Features of one epoch.

    Args:
        rows: (rows,) where the utterances stand in the corpus.
        features: (rows, width).
    """

    epoch: int
    rows: NDArray[np.int64]
    features: NDArray[np.float32]


def is_portrayed(epoch: int) -> bool:
    """Tell whether an epoch is one of 1, 2, 4, 8 and so on."""
    return epoch > 0 and epoch & (epoch - 1) == 0


def keep_portrait(folder: Path, epoch: int, outlook: SplitOutlook) -> None:
    """Write one.

    Raises:
        DiskError: the disk is full or refuses.
    """
    file = io.BytesIO()
    largest = np.finfo(np.float16).max
    np.savez_compressed(
        file,
        rows=outlook.rows,
        features=outlook.features.clip(-largest, largest).astype(np.float16),
    )
    write_aside(folder / f"epoch{epoch}.npz", file.getvalue())


def read_portraits(folder: Path) -> list[Portrait]:
    """All of a folder by epoch; none where there is no folder."""
    found = []
    for path in folder.glob("epoch*.npz"):
        with np.load(path, allow_pickle=False) as file:
            epoch = int(path.stem.removeprefix("epoch"))
            features = file["features"].astype(np.float32)
            found.append(Portrait(epoch=epoch, rows=file["rows"], features=features))
    return sorted(found, key=lambda portrait: portrait.epoch)
