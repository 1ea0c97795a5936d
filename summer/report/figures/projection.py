"""Features in the plane by t-SNE, as in figure 6 of the paper."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from summer.corpus import UNKNOWN_LABEL, LabelSet
from summer.report.figures.canvas import PALETTE, new_figure, plain

MOST_ROWS = 2000
FEWEST_ROWS = 5
PERPLEXITY = 30.0
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def projection_figure(
    features: Mapping[str, Float[np.ndarray, "rows _"]],
    truths: Int64[np.ndarray, " rows"],
    labels: LabelSet,
    seed: int,
) -> Figure:
    """One panel per entry of `features`, a colour and a shape per class.

    Raises:
        ValueError: fewer than five rows to draw, features that are not finite or are all alike.
    """
    rows = _chosen_rows(truths, seed)
    figure = new_figure(width_inches=4.6 * len(features), height_inches=5.2)
    panels = figure.subplots(1, len(features), squeeze=False)[0]
    for axes, (title, vectors) in zip(panels, features.items(), strict=True):
        points = _plane(title, vectors[rows], seed)
        _draw_classes(axes, points, truths[rows], labels)
        axes.set_title(plain(title))
    handles, names = panels[0].get_legend_handles_labels()
    columns = min(len(labels), 4 * len(features))
    figure.legend(
        *(handles, names),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        markerscale=2,
        handletextpad=0.2,
    )
    return figure


def _chosen_rows(truths: Int64[np.ndarray, " rows"], seed: int) -> Int64[np.ndarray, " chosen"]:
    rows = np.flatnonzero(truths != UNKNOWN_LABEL)
    if len(rows) < FEWEST_ROWS:
        raise ValueError(
            f"{len(rows)} utterances with a known truth cannot be drawn; give {FEWEST_ROWS} or more"
        )
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    return rows


def _plane(title: str, vectors: Float[np.ndarray, "rows _"], seed: int) -> Float[np.ndarray, "rows 2"]:
    if not np.isfinite(vectors).all():
        raise ValueError(f"features {title!r} are not all finite numbers; give those of rows that are ok")
    if (vectors == vectors[0]).all():
        raise ValueError(f"features {title!r} are the same in every row; there is nothing to draw")
    return np.asarray(
        TSNE(
            perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
            init="pca" if vectors.shape[1] > 1 else "random",
            random_state=seed,
        ).fit_transform(vectors)
    )


def _draw_classes(
    axes: Axes, points: Float[np.ndarray, "rows 2"], truths: Int64[np.ndarray, " rows"], labels: LabelSet
) -> None:
    # the most frequent class lies at the bottom, or it would hide the rare ones
    frequent = np.argsort(-np.bincount(truths, minlength=len(labels)), kind="stable").tolist()
    for place, label in enumerate(labels.names):
        members = points[truths == place]
        axes.scatter(
            members[:, 0],
            members[:, 1],
            s=9,
            color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[(place + place // len(PALETTE)) % len(MARKERS)],
            linewidths=0,
            alpha=0.75,
            zorder=2 + frequent.index(place) / len(labels),
            label=plain(label),
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#bbbbbb")
