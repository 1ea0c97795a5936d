"""Teacher's and student's features as the student learns, as in figure 7 of the paper.

All are drawn in one plane: the first two principal components of the teacher's features and of the student's
last ones together. Above each panel stands how far the two distributions are apart, as Frechet's distance
between the normal distributions of their means and covariances (Dowson and Landau 1982):

    d^2 = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

in units of the teacher's own spread, the square root of tr C_1. It is taken in the plane that is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA

from summer.report.figures.canvas import PALETTE, new_figure, plain

FEWEST_ROWS = 5
MOST_ROWS = 1500
MOST_PANELS = 5


def distributions_figure(
    teacher: Float[np.ndarray, "rows width"], student: Mapping[str, Float[np.ndarray, "rows _"]]
) -> Figure:
    """A panel per entry of `student`, each with the teacher's features behind; the last entry is the end.

    Where there are more entries than panels the first, the last and some between are drawn.

    Raises:
        ValueError: fewer than five rows, another width, or features that are not finite or all alike.
    """
    chosen = _spread(list(student))
    last = student[chosen[-1]]
    _check(teacher, last)
    rows = np.random.default_rng(0).permutation(len(teacher))[:MOST_ROWS]
    plane = PCA(n_components=2, svd_solver="full").fit(np.concatenate([teacher, last]))
    behind = plane.transform(teacher)
    figure = new_figure(width_inches=3.1 * len(chosen), height_inches=3.6)
    panels = figure.subplots(1, len(chosen), squeeze=False, sharex=True, sharey=True)[0]
    for axes, title in zip(panels, chosen, strict=True):
        points = plane.transform(student[title])
        _draw(axes, behind[rows], points[rows])
        axes.set_title(plain(f"{title}\ndistance {distance(behind, points):.2f}"), fontsize=9)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, markerscale=3)
    return figure


def distance(first: Float[np.ndarray, "rows axes"], second: Float[np.ndarray, "others axes"]) -> float:
    """Frechet's distance in units of the first's spread.

    >>> square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> round(distance(square, square + [0.0, 3.0]), 6)  # the spread is the root of 4/3 + 4/3
    1.837117
    """
    means, spreads = [a.mean(axis=0) for a in (first, second)], [np.cov(a.T) for a in (first, second)]
    mixed = np.real(sqrtm(spreads[0] @ spreads[1]))
    squared = ((means[0] - means[1]) ** 2).sum() + np.trace(spreads[0] + spreads[1] - 2 * mixed)
    return float(np.sqrt(max(squared, 0.0) / np.trace(spreads[0])))


def _spread(titles: list[str]) -> list[str]:
    """At most as many as there are panels, the first and the last among them."""
    places = np.linspace(0, len(titles) - 1, num=min(MOST_PANELS, len(titles)))
    return [titles[round(place)] for place in places]


def _check(teacher: Float[np.ndarray, "rows width"], last: Float[np.ndarray, "rows _"]) -> None:
    if len(teacher) < FEWEST_ROWS or teacher.shape[1] != last.shape[1] or teacher.shape[1] < 2:
        raise ValueError(
            f"features of teacher and student are {teacher.shape} and {last.shape}; give {FEWEST_ROWS} "
            "rows or more, of one width of at least 2"
        )
    for features in (teacher, last):
        if not np.isfinite(features).all() or (features == features[0]).all():
            raise ValueError("features are not finite or all alike; there is nothing to draw")


def _draw(axes: Axes, behind: Float[np.ndarray, "rows 2"], points: Float[np.ndarray, "rows 2"]) -> None:
    size = float(np.clip(1500 / len(points), 5, 30))  # a few points are drawn large
    for name, drawn, colour, alpha in (
        ("teacher", behind, PALETTE[0], 0.35),
        ("student", points, PALETTE[1], 0.5),
    ):
        axes.scatter(drawn[:, 0], drawn[:, 1], s=size, color=colour, alpha=alpha, linewidths=0, label=name)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#bbbbbb")
