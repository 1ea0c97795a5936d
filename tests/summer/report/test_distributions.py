"""How far the student's features are from the teacher's, and the figure of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from summer.report.figures import draw_distributions
from summer.report.figures.distributions import MOST_PANELS, distance, distributions_figure


def cloud(seed: int, *, rows: int = 400, shift: float = 0.0, width: int = 6) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).standard_normal((rows, width)) + shift


def test_the_distance_is_0_to_itself_and_the_shift_of_a_shifted_copy_in_spreads() -> None:
    first = cloud(0)[:, :2]
    spread = np.sqrt(np.trace(np.cov(first.T)))
    assert distance(first, first) == pytest.approx(0, abs=1e-6)
    assert distance(first, first + np.array([3.0, 4.0])) == pytest.approx(5 / spread)


def test_the_distance_of_two_shapes_is_frechets() -> None:
    """Of centred clouds with commuting covariances it is the difference of their roots."""
    first, second = cloud(0)[:, :2], cloud(1)[:, :2] * [3.0, 0.5]
    a, b = np.cov(first.T), np.cov(second.T)
    root = sqrtm(a)
    inner = np.trace(a + b - 2 * sqrtm(root @ b @ root).real)  # the symmetric form of the same root
    moved = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    assert distance(first, second) == pytest.approx(np.sqrt((moved + inner) / np.trace(a)))


def test_a_student_that_comes_nearer_has_smaller_distances_from_panel_to_panel() -> None:
    teacher = cloud(0)
    student = {f"epoch {n}": cloud(n, shift=8.0 / n) for n in (1, 2, 4)}
    figure = distributions_figure(teacher, student)
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.split("\n")[0] for title in titles] == list(student)
    distances = [float(title.rpartition(" ")[2]) for title in titles]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 2 * distances[-1]


def test_of_many_epochs_the_first_the_last_and_some_between_are_drawn() -> None:
    student = {f"epoch {n}": cloud(n) for n in range(1, 9)}
    drawn = [axes.get_title().split("\n")[0] for axes in distributions_figure(cloud(0), student).axes]
    assert len(drawn) == MOST_PANELS
    assert (drawn[0], drawn[-1]) == ("epoch 1", "epoch 8")


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (cloud(0, rows=4), cloud(1, rows=4), "give 5 rows or more"),
        (cloud(0), cloud(1, width=5), "of one width"),
        (cloud(0), np.full((400, 6), np.nan), "not finite"),
        (np.ones((400, 6)), cloud(1), "all alike"),
    ],
)
def test_what_cannot_be_drawn_is_refused(teacher: object, student: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        distributions_figure(teacher, {"epoch 1": student})  # type: ignore[arg-type, dict-item]


def test_the_figure_is_a_png(tmp_path: Path) -> None:
    draw_distributions(tmp_path / "it.png", cloud(0), {"epoch 1": cloud(1)})
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")
