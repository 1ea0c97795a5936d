"""What is shown of attention: the utterance itself, the few others that got most, and the mean of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.attended import attention_by_model, shown_attention
from summer.corpus import Modality
from summer.training.attention import Attended

TEXT, AUDIO, _ = Modality
IDS = [f"utt{row}" for row in range(10)]


def attended(**changes: Any) -> Attended:
    """Row 5 of a dialogue of the rows 4 to 7, whose last one has no sound."""
    fields: dict[str, Any] = {
        "row": 5,
        "rows": np.arange(4, 8),
        "weights": {
            TEXT: np.array([0.2, 0.1, 0.04, 0.0], dtype=np.float32),
            AUDIO: np.array([0.05, 0.25, 0.15, 0.0], dtype=np.float32),
        },
        "usable": {TEXT: np.ones(4, dtype=bool), AUDIO: np.array([True, True, True, False])},
    }
    return Attended(**{**fields, **changes})


def test_the_others_come_by_their_share_and_the_utterance_itself_apart() -> None:
    found = shown_attention(attended(), IDS)
    assert found is not None
    assert found.itself == pytest.approx(0.35)
    assert found.mean == pytest.approx(0.79 / 7)
    assert [(one.id, one.modality) for one in found.others] == [
        ("utt4", TEXT),
        ("utt6", AUDIO),
        ("utt4", AUDIO),
        ("utt6", TEXT),
    ]
    assert [one.weight for one in found.others] == pytest.approx([0.2, 0.15, 0.05, 0.04])


def test_a_lone_utterance_looked_at_itself_alone() -> None:
    alone = {TEXT: np.ones(1, dtype=np.float32)}
    one = attended(rows=np.array([5]), weights=alone, usable={TEXT: np.ones(1, dtype=bool)})
    found = shown_attention(one, IDS)
    assert found is not None
    assert (found.itself, found.others, found.mean) == (1.0, [], 1.0)


def test_what_cannot_be_read_has_looked_at_nothing_and_is_not_shown() -> None:
    nothing = attended(weights={TEXT: np.zeros(4, dtype=np.float32)}, usable={TEXT: np.ones(4, dtype=bool)})
    assert shown_attention(nothing, IDS) is None
    told = {"teacher": {"utt5": nothing}, "student": {"utt5": attended()}, "other": {}}
    assert list(attention_by_model("utt5", told, IDS)) == ["student"]
