"""Systems side by side: w-F1 with intervals, SDMoE and MoE (figure 4), losses of two fusions (figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from summer.report.figures.bars import Bar
from summer.report.figures.canvas import INK, PALETTE, new_figure, plain

OWN, OTHER = PALETTE[1], PALETTE[0]


def systems_figure(bars: Sequence[Bar]) -> Figure:
    """A point per system with its interval, the best at the top.

    Raises:
        ValueError: no system.
    """
    if not bars:
        raise ValueError("there is no system to draw; train at least one")
    ordered = sorted(bars, key=lambda bar: bar.mean)
    figure = new_figure(width_inches=8.0, height_inches=0.8 + 0.33 * len(ordered))
    axes = figure.subplots()
    for place, bar in enumerate(ordered):
        colour = OWN if bar.is_own else OTHER
        axes.plot([bar.low, bar.high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(bar.mean, place, "o", color=colour, markersize=6)
        axes.annotate(
            f"{bar.mean:.2f}",
            (bar.high, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(ordered)), [plain(bar.title) for bar in ordered])
    axes.set_xlabel("test w-F1, percent, with its 95 % interval", fontsize=9)
    axes.margins(x=0.08)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(colors=INK, left=False)
    return figure


def experts_figure(pairs: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Figure 4: a group of bars per modality, one per kind of experts.

    Args:
        pairs: by modality, then kind, such as SDMoE and MoE: w-F1 of each seed, as shares.

    Raises:
        ValueError: nothing to draw.
    """
    if not pairs:
        raise ValueError("there is no modality to draw; train the teacher of at least one")
    kinds = list(dict.fromkeys(kind for of in pairs.values() for kind in of))
    figure = new_figure(width_inches=2.2 + 1.6 * len(pairs), height_inches=3.6)
    axes = figure.subplots()
    wide = 0.8 / len(kinds)
    for number, kind in enumerate(kinds):
        places = [at for at, of in enumerate(pairs.values()) if kind in of]
        scores = [100 * np.array(of[kind]) for of in pairs.values() if kind in of]
        spread = [float(one.std(ddof=1)) if len(one) > 1 else 0.0 for one in scores]
        bars = axes.bar(
            [at + (number - (len(kinds) - 1) / 2) * wide for at in places],
            [float(one.mean()) for one in scores],
            wide * 0.92,
            yerr=spread,
            color=PALETTE[number],
            label=kind,
            error_kw={"ecolor": INK, "capsize": 3},
        )
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
    axes.set_xticks(range(len(pairs)), [plain(modality) for modality in pairs])
    axes.set_ylabel("test w-F1, percent")
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(kinds), frameon=False)
    return figure


def losses_figure(courses: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> Figure:
    """Figure 5: how each loss falls, a panel per term, a line per entry of `courses`: the mean over seeds.

    Args:
        courses: by title, then seed, then epoch: losses by name.

    Raises:
        ValueError: no epoch.
    """
    terms = list(
        dict.fromkeys(term for seeds in courses.values() for seed in seeds for e in seed for term in e)
    )
    if not terms:
        raise ValueError("there is no epoch to draw; train for at least one")
    figure = new_figure(width_inches=2.8 * len(terms), height_inches=3.0)
    panels = figure.subplots(1, len(terms), squeeze=False)[0]
    for axes, term in zip(panels, terms, strict=True):
        for number, (title, seeds) in enumerate(courses.items()):
            drawn = _mean_course([[epoch[term] for epoch in seed] for seed in seeds if seed])
            axes.plot(range(1, len(drawn) + 1), drawn, color=PALETTE[number], label=title)
        axes.set_title(plain(f"{term} loss"), fontsize=10)
        axes.set_xlabel("epoch")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _mean_course(seeds: Sequence[Sequence[float]]) -> Float[np.ndarray, " epoch"]:
    """Mean over the seeds that had the epoch."""
    longest = max(map(len, seeds), default=0)
    columns = [[seed[epoch] for seed in seeds if len(seed) > epoch] for epoch in range(longest)]
    return np.array([np.mean(column) for column in columns], dtype=np.float64)
