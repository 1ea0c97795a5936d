"""Figures: what is drawn are the numbers given; the files are pictures; what cannot be drawn is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from summer.corpus import LabelSet
from summer.evaluation.confusion import ScoreError
from summer.report.figures import draw_confusion, draw_curves, draw_projection
from summer.report.figures.confusion import confusion_figure
from summer.report.figures.curves import curves_figure
from summer.report.figures.projection import MOST_ROWS, _chosen_rows, projection_figure
from tests.summer.evaluation.made_predictions import LABELS, predictions_of

CHOSEN = {"selected_on": "dev", "loss": 1.0, "w_f1": 0.5}


def epoch(number: int, **values: Any) -> dict[str, Any]:
    return {"epoch": number, "losses": {"total": 1 / number}, **CHOSEN, **values}


def assert_picture(path: Path) -> None:
    pixels = imread(path)
    assert min(pixels.shape[:2]) > 300
    assert pixels.std() > 0.01


def test_the_confusion_shows_shares_and_counts_as_means_over_seeds(tmp_path: Path) -> None:
    labels = LabelSet(("ruhig", "süß $x$", "gεr"))
    truths = [0, 0, 0, 0, 1, 1]
    seeds = [predictions_of(truths, [0, 0, 0, 1, 1, 0]), predictions_of(truths, [0, 1, 1, 1, 1, 0], seed=1)]
    axes = confusion_figure(seeds, labels, "Title").axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts[::2] == ["0.50", "0.50", "0.00", "0.50", "0.50", "0.00", "0.00", "0.00", "0.00"]
    assert texts[1::2] == ["2", "2", "0", "1", "1", "0", "0", "0", "0"]
    draw_confusion(tmp_path / "c.png", seeds, labels, title="cost in $")
    assert_picture(tmp_path / "c.png")


def test_a_share_above_0_never_stands_over_a_count_of_0() -> None:
    guesses = [[0, 0, 1], [0, 1, 1]]
    seeds = [predictions_of([0, 0, 1], found, seed=seed) for seed, found in enumerate(guesses)]
    texts = [text.get_text() for text in confusion_figure(seeds, LABELS, "Title").axes[0].texts]
    cells = list(zip(texts[::2], texts[1::2], strict=True))
    assert cells[:2] == [("0.75", "1.5"), ("0.25", "0.5")]
    assert all((share == "0.00") == (count == "0") for share, count in cells)
    many = [predictions_of([0], [int(seed == 0)], seed=seed) for seed in range(25)]
    assert "0.04" in [text.get_text() for text in confusion_figure(many, LABELS, "Title").axes[0].texts[1::2]]


def test_no_predictions_make_no_confusion(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="at least one seed"):
        draw_confusion(tmp_path / "c.png", [], LABELS, title="")


def test_curves_show_each_seed_and_mark_the_best_epoch_first_of_equals(tmp_path: Path) -> None:
    scores = [[0.2, 0.6, 0.6], [0.7, 0.1]]
    seeds = [[epoch(n, w_f1=score) for n, score in enumerate(seed, 1)] for seed in scores]
    histories = {"teacher": seeds, "student": []}
    axes = {found.get_title(): found for found in curves_figure(histories).axes}
    assert list(axes) == ["teacher: training loss", "teacher: dev loss", "teacher: dev w-F1"]
    panel = axes["teacher: dev w-F1"]
    assert [list(line.get_ydata()) for line in panel.lines] == scores
    assert [ring.get_offsets().tolist() for ring in panel.collections] == [[[2, 0.6]], [[1, 0.7]]]
    draw_curves(tmp_path / "curves.png", histories)
    assert_picture(tmp_path / "curves.png")


@pytest.mark.parametrize(("smallest", "scale"), [(0.1, "linear"), (0.01, "log"), (-1.0, "linear")])
def test_losses_of_a_wide_range_are_drawn_by_their_logarithm(smallest: float, scale: str) -> None:
    history = [epoch(1, losses={"total": 1.0, "inner": smallest})]
    assert curves_figure({"student": [history]}).axes[0].get_yscale() == scale


def test_a_model_with_experts_and_one_without_share_a_figure(tmp_path: Path) -> None:
    shares = ({"text": 0.97}, {"text": 0.96, "audio": 0.9})
    routed = [epoch(number, drawn={"kept_experts": kept}) for number, kept in enumerate(shares, 1)]
    histories = {"teacher": [[epoch(1, loss=None, drawn={"kept_experts": {}})]], "student": [routed]}
    visible = [axes.get_title() for axes in curves_figure(histories).axes if axes.get_visible()]
    assert visible[:2] == ["teacher: training loss", "teacher: dev w-F1"]
    assert visible[-1] == "student: kept experts"
    draw_curves(tmp_path / "curves.png", histories)
    assert_picture(tmp_path / "curves.png")


def test_what_no_epoch_has_gets_no_panel_and_titles_name_the_split_that_chose() -> None:
    history = [epoch(1, selected_on="test", drawn={"kept_experts": {}, "gate_openness": {"text": 3.0}})]
    axes = {found.get_title(): found for found in curves_figure({"my-model": [history]}).axes}
    assert list(axes) == [
        f"my-model: {title}" for title in ("training loss", "test loss", "test w-F1", "gate openness")
    ]
    assert list(axes["my-model: gate openness"].lines[0].get_ydata()) == [3.0]


def test_a_training_without_an_epoch_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epoch to draw"):
        draw_curves(tmp_path / "curves.png", {"teacher": [[]]})


def test_the_projection_has_a_panel_an_entry_and_every_labelled_row_in_its_class(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truths = np.array([0] * 12 + [1] * 7 + [-1] * 3)
    before = random.normal(size=(22, 1)).astype(np.float32)
    after = np.eye(22, 5, dtype=np.float32) + before
    figure = projection_figure({"before": before, "after": after}, truths, LABELS, 0)
    assert [axes.get_title() for axes in figure.axes] == ["before", "after"]
    for axes in figure.axes:
        assert [len(points.get_offsets()) for points in axes.collections] == [12, 7, 0]
    draw_projection(tmp_path / "p.png", {"only": after}, truths=truths, labels=LABELS)
    assert_picture(tmp_path / "p.png")


def test_a_large_projection_draws_some_rows_and_the_same_for_the_same_seed() -> None:
    truths = np.where(np.arange(3 * MOST_ROWS) % 2, -1, 0)
    chosen = _chosen_rows(truths, 3)
    assert len(set(chosen.tolist())) == MOST_ROWS
    assert (truths[chosen] == 0).all()
    np.testing.assert_array_equal(chosen, _chosen_rows(truths, 3))
    assert (chosen != _chosen_rows(truths, 4)).any()


@pytest.mark.parametrize(
    ("features", "truths", "message"),
    [
        (np.ones((4, 2)), np.zeros(4, dtype=np.int64), "4 utterances with a known truth"),
        (np.ones((9, 2)), np.zeros(9, dtype=np.int64), "the same in every row"),
        (np.full((9, 2), np.nan), np.zeros(9, dtype=np.int64), "not all finite"),
    ],
)
def test_features_that_cannot_be_projected_are_refused(
    tmp_path: Path, features: np.ndarray, truths: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw_projection(tmp_path / "p.png", {"before": features}, truths=truths, labels=LABELS)
    assert not list(tmp_path.iterdir())


def test_drawing_leaves_pyplot_alone(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom summer.report.figures import draw_curves\n"
        f"draw_curves(Path({str(tmp_path / 'c.png')!r}), {{'teacher': [[{epoch(1)!r}]]}})\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
