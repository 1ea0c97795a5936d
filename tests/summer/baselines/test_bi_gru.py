"""The bidirectional GRU against its equations in numpy, and what context brings it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from summer.baselines.bi_gru import BiGruClassifier, BiGruOptions
from summer.baselines.mlp import MlpOptions
from summer.corpus import Modality, Split
from tests.summer.baselines.by_hand import gru_states
from tests.summer.baselines.made_up_conversations import (
    accuracy_on_test,
    ceiling_of_one_alone,
    told_by_opening,
)
from tests.summer.made_up import made_batch, made_conversations
from tests.summer.made_up_training import shape_with

TEXT, AUDIO = Modality.TEXT, Modality.AUDIO


def test_it_reads_modalities_and_flags_of_a_dialogue_in_both_directions_past_what_is_missing() -> None:
    torch.manual_seed(3)
    model = BiGruClassifier(BiGruOptions(width=6), shape_with(TEXT, AUDIO)).eval()
    holes = {AUDIO: (1, 2, 6), TEXT: (2, 3)}
    batch = made_batch(made_conversations({Split.TRAIN: (5, 2)}, holes=holes))
    weight, bias = (p.detach().double().numpy() for p in model.classifier.parameters())
    with torch.no_grad():
        logits = model(batch).logits.double().numpy()
    for dialogue, length in enumerate((5, 2)):
        rows, places = [], []
        for turn in range(length):
            there = [bool(batch.usable[m][dialogue, turn]) for m in (TEXT, AUDIO)]
            vectors = [batch.features[m][dialogue, turn].double().numpy() for m in (TEXT, AUDIO)]
            if any(there):
                held = [vector * here for vector, here in zip(vectors, there, strict=True)]
                rows.append(np.concatenate([*held, np.array(there, dtype=np.float64)]))
                places.append(turn)
            else:
                np.testing.assert_allclose(logits[dialogue, turn], bias, atol=1e-6)
        onwards = gru_states(model.context.forwards, rows)
        backwards = gru_states(model.context.backwards, rows[::-1])[::-1]
        assert len(places) == (4 if length == 5 else 2)
        for turn, first, second in zip(places, onwards, backwards, strict=True):
            expected = weight @ np.concatenate([first, second]) + bias
            np.testing.assert_allclose(logits[dialogue, turn], expected, atol=1e-5)


def test_it_knows_at_the_end_of_a_dialogue_what_was_said_at_its_beginning(tmp_path: Path) -> None:
    options = {
        "bi-gru": BiGruOptions(width=16, dropout=0.0),
        "mlp": MlpOptions(hidden_dim=16, dropout=0.0),
    }
    reached = {
        name: accuracy_on_test(name, told_by_opening(0), tmp_path / name, options=of_name)
        for name, of_name in options.items()
    }
    assert reached["bi-gru"] > 0.95  # 1.0
    assert reached["mlp"] < ceiling_of_one_alone() + 0.05


@pytest.mark.parametrize(
    "changes",
    [{"width": 0}, {"width": 7}, {"dropout": 1.0}, {"modalities": ()}, {"modalities": (TEXT, TEXT)}],
)
def test_options_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(BiGruOptions(), **changes)  # type: ignore[arg-type]
