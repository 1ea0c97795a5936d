"""What was seen inside of models, drawn: a panel per mechanism, a line per part and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

from summer.report.figures import draw_learning
from summer.report.figures.curves import learning_figure

INSIDE = {
    "content": {"text": 0.9, "audio": 0.4},
    "tau": {"text": 1.0},
    "phi": {"text from audio": 0.5, "audio from text": 0.25},
    "masked": {"text from audio": 0.0},
    "alpha": {"added": -0.25},
    "gradients": {"cross": 1e-3, "smooth": 0.5},
}


def history(*epochs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"epoch": number, "inside": inside} for number, inside in enumerate(epochs, start=1)]


def test_each_mechanism_has_a_panel_and_each_seed_a_line_per_part(tmp_path: Path) -> None:
    moved = {**INSIDE, "phi": {"text from audio": 0.75, "audio from text": 0.125}}
    histories = {
        "student": [history(INSIDE, moved), history(INSIDE)],
        "mlp": [history({"gradients": {"smooth": 0.5}})],
    }
    figure = learning_figure(histories)
    axes = {found.get_title(): found for found in figure.axes if found.get_visible()}
    assert list(axes) == [
        "student: content in U_e",
        "student: tau of SDMoE",
        "student: phi of HCMF",
        "student: masked by the teacher",
        "student: alpha beside the linear layer",
        "student: gradient of each term",
        "mlp: gradient of each term",
    ]
    phi = axes["student: phi of HCMF"]
    assert [list(line.get_ydata()) for line in phi.lines] == [[0.5, 0.75], [0.5], [0.25, 0.125], [0.25]]
    legend = phi.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["text from audio", "audio from text"]
    scales = [axes[title].get_yscale() for title in axes]
    assert scales == ["linear"] * 5 + ["log"] * 2
    draw_learning(tmp_path / "learning.png", histories)
    pixels = imread(tmp_path / "learning.png")
    assert min(pixels.shape[:2]) > 300
    assert pixels.std() > 0.01


def test_a_term_without_gradient_breaks_nothing(tmp_path: Path) -> None:
    for norms in ({"inner": 0.0, "smooth": 0.5}, {"inner": 0.0}):
        draw_learning(tmp_path / "learning.png", {"student": [history({"gradients": norms})] * 2})


def test_models_that_were_never_looked_into_have_no_row() -> None:
    old = [{"epoch": 1, "w_f1": 0.5}, {"epoch": 2, "inside": {}}]
    figure = learning_figure({"teacher": [old], "student": [old, history(INSIDE)], "mlp": [[]]})
    assert {axes.get_title().partition(":")[0] for axes in figure.axes} == {"student"}


def test_histories_of_before_have_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epoch was looked into"):
        draw_learning(tmp_path / "learning.png", {"teacher": [[{"epoch": 1}]], "student": []})
    assert not list(tmp_path.iterdir())
