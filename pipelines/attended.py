"""What models attended to, as the conversation view shows it: of each utterance the few that got most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from summer.report.conversation import Looked, ShownAttention
from summer.report.conversation.packing import MOST_ATTENDED
from summer.training.attention import Attended


def shown_attention(attended: Attended, ids: Sequence[str]) -> ShownAttention | None:
    """The share of the utterance itself, and those of the others that got most.

    Args:
        ids: of all rows of the corpus.

    Returns:
        None where nothing was looked at, because nothing of the utterance can be read.
    """
    modalities = list(attended.weights)
    weights = np.stack([attended.weights[modality] for modality in modalities])
    there = np.stack([attended.usable[modality] for modality in modalities])
    if not weights.any():
        return None
    own = attended.rows == attended.row
    of_others = np.where(own, 0.0, weights)
    strongest = np.argsort(-of_others, axis=None, kind="stable")[:MOST_ATTENDED]
    places = [divmod(int(place), len(own)) for place in strongest if of_others.flat[place] > 0]
    return ShownAttention(
        itself=_share(weights[:, own].sum()),
        mean=_share(weights.sum() / there.sum()),
        others=[
            Looked(ids[attended.rows[turn]], modalities[modality], _share(weights[modality, turn]))
            for modality, turn in places
        ],
    )


def attention_by_model(
    name: str, attended: Mapping[str, Mapping[str, Attended]], ids: Sequence[str]
) -> dict[str, ShownAttention]:
    """What each model looked at while it read one utterance; without those of which nothing is known.

    Args:
        name: id of the utterance.
        attended: by model, then by id.
        ids: of all rows of the corpus.
    """
    shown = {model: shown_attention(of[name], ids) for model, of in attended.items() if name in of}
    return {model: attention for model, attention in shown.items() if attention is not None}


def _share(weight: float) -> float:
    return min(1.0, float(weight))  # float32 may round a sum to more than 1
