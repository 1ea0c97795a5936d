"""Folds of the training dialogues, and the way from the axes of one fold's network to those of another.

What is trained on labels of the training split gives those rows vectors that look surer than new ones. Out of
fold, each training row is read by a network that was trained without its dialogue; text encoders and reducers
share what that takes:

- which fold a dialogue is in: folds are stretches of the corpus' order with about as many utterances each;
- how vectors x of the network without a fold come into the axes of the network trained on all (or of
  another fold's, where there is none trained on all),

      x' = (x - m_k) Q + m        Q orthogonal: nearest for rows that both were trained on

  (orthogonal Procrustes, Schoenemann 1966: Q = U V^T, where U S V^T is the singular value decomposition of
  the moment of both; m_k and m are the means of those rows). Fewer rows than dimensions leave Q open where
  S is 0; there, with U_0 and V_0 the vectors of that part, it turns as little as can be,

      Q = U_1 V_1^T + U_0 R V_0^T        R orthogonal, nearest to U_0^T V_0: the largest trace of Q

  because networks that started at one have their axes in common before anything turns them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from summer.corpus import Dialogue, Split

LEAST_FOLDS = 2
NEGLIGIBLE = 1e-10  # of a moment's largest singular value: what rounding leaves where nothing is


def folds_of(dialogues: Iterable[Dialogue], folds: int, *, option: str) -> dict[str, int]:
    """The fold, from 0, of each training dialogue, by its name.

    What stands side by side (an episode, a session) shares a fold, and a block of rows needs one network,
    seldom two.

    Args:
        dialogues: in corpus order; one may be given several times. Those of dev and test are in no fold.
        option: what an error calls the number of folds.

    Raises:
        ValueError: fewer than two folds, or fewer training dialogues than folds.
    """
    sizes = {
        dialogue.name: len(dialogue.utterances) for dialogue in dialogues if dialogue.split is Split.TRAIN
    }
    if not LEAST_FOLDS <= folds <= len(sizes):
        raise ValueError(
            f"{folds} folds of {len(sizes)} training dialogues: give {option} between {LEAST_FOLDS} "
            "and the number of dialogues, or 0 for none"
        )
    total = sum(sizes.values())
    middles = [end - size / 2 for end, size in zip(accumulate(sizes.values()), sizes.values(), strict=True)]
    return {name: int(middle * folds / total) for name, middle in zip(sizes, middles, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How vectors of a network without a fold become vectors of the network trained on all.

    Args:
        rotation: (dim, dim) orthogonal.
        mean_of_fold, mean_of_whole: (dim,) of the rows that it was fitted on.
    """

    rotation: NDArray[np.float32]
    mean_of_fold: NDArray[np.float32]
    mean_of_whole: NDArray[np.float32]

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, dim) in the axes of the network trained on all."""
        turned = (vectors - self.mean_of_fold) @ self.rotation + self.mean_of_whole
        return turned.astype(np.float32)

    @property
    def sha256(self) -> str:
        """Of its numbers."""
        parts = (self.rotation, self.mean_of_fold, self.mean_of_whole)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def to_bytes(self) -> bytes:
        """Its numbers as safetensors."""
        return save(asdict(self))

    @classmethod
    def load(cls, path: Path) -> Alignment:
        """Read what `to_bytes` gave."""
        return cls(**load_file(path))


def procrustes(of_fold: NDArray[np.float32], of_whole: NDArray[np.float32]) -> Alignment:
    """The rotation that brings one network's vectors nearest to another's of the same rows.

    Args:
        of_fold, of_whole: (rows, dim) of the same rows, in the same order.
    """
    mean_of_fold, mean_of_whole = of_fold.mean(axis=0), of_whole.mean(axis=0)
    centred = ((of_fold - mean_of_fold).astype(np.float64), (of_whole - mean_of_whole).astype(np.float64))
    return Alignment(
        rotation=_rotation(*centred).astype(np.float32),
        mean_of_fold=mean_of_fold,
        mean_of_whole=mean_of_whole,
    )


def _rotation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orthogonal Q for which one Q is nearest to the other; few rows turn the space that they span."""
    count, dim = one.shape
    if 2 * count >= dim:
        return _nearest(one.T @ other)
    space, _ = np.linalg.qr(np.concatenate([one, other]).T)
    inside = _nearest((one @ space).T @ (other @ space))
    rotation: NDArray[np.float64] = np.eye(dim) + space @ (inside - np.eye(2 * count)) @ space.T
    return rotation


def _nearest(moment: NDArray[np.float64]) -> NDArray[np.float64]:
    """The orthogonal matrix nearest to the moment, and to the identity where the moment is 0."""
    left, sizes, right = np.linalg.svd(moment)
    told = int((sizes > NEGLIGIBLE * sizes[0]).sum())
    rotation: NDArray[np.float64] = left[:, :told] @ right[:told]
    if told < len(sizes):
        open_left, open_right = left[:, told:], right[told:]
        turn, _, back = np.linalg.svd(open_left.T @ open_right.T)
        rotation = rotation + open_left @ (turn @ back) @ open_right
    return rotation
