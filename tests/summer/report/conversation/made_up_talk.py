"""Made-up conversations to be shown: with everything, and with nothing but ids."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from summer.corpus import Modality, Status
from summer.report.conversation import (
    Looked,
    ModalityState,
    ShownAttention,
    ShownConversation,
    ShownUtterance,
)

LABELS = ("neutral", "joy", "anger")
FIRST = Looked("utt0", Modality.VIDEO, 0.25)
EVIL = "</script><script>document.title = 'taken over'</script><img src=x onerror=alert(1)>"


def picture(ending: str = ".jpg") -> bytes:
    """A small picture of one colour."""
    _, encoded = cv2.imencode(ending, np.full((8, 24, 3), 90, dtype=np.uint8))
    return encoded.tobytes()


def attention(*others: Looked, **changes: Any) -> ShownAttention:
    """Most of it to the first utterance."""
    fields: dict[str, Any] = {"itself": 0.31, "mean": 0.017, "others": others or (FIRST,)}
    return ShownAttention(**{**fields, **changes})


def utterance(number: int = 0, **changes: Any) -> ShownUtterance:
    """An utterance with everything that may be there."""
    fields: dict[str, Any] = {
        "id": f"utt{number}",
        "speaker": ("Ada", "Ben")[number % 2],
        "speaker_guessed": number % 2 == 1,
        "words": f"line {number}",
        "start_seconds": 2.0 * number,
        "end_seconds": 2.0 * number + 1.5,
        "truth": LABELS[number % 3],
        "probabilities": {
            "teacher": {"neutral": 0.5, "joy": 0.3, "anger": 0.2},
            "student": {"neutral": 0.1, "joy": 0.7, "anger": 0.2},
        },
        "modalities": {
            Modality.TEXT: ModalityState(),
            Modality.VIDEO: ModalityState(Status.NO_FACE, "no face in 12 keyframes"),
        },
        "faces": picture(),
        "peaks": (0.0, 0.5, 1.0),
        "attends": {"student": attention()},
    }
    return ShownUtterance(**{**fields, **changes})


def conversation(count: int = 3, **changes: Any) -> ShownConversation:
    """A conversation of utterances with everything."""
    fields: dict[str, Any] = {
        "name": "dia0",
        "labels": LABELS,
        "utterances": tuple(utterance(number) for number in range(count)),
    }
    return ShownConversation(**{**fields, **changes})


def bare(count: int = 2) -> ShownConversation:
    """A conversation of which nothing is known but that it took place."""
    utterances = tuple(ShownUtterance(id=f"utt{number}") for number in range(count))
    return ShownConversation(name="bare", labels=LABELS, utterances=utterances)
