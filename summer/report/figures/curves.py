"""How training went: losses by term, loss and w-F1 of the split that chooses, and what the model wants drawn.

An epoch is a record as `<model>-history.json` keeps it: `{"epoch": 1, "losses": {"total": 1.9, ...},
"selected_on": "dev", "loss": 1.5, "w_f1": 0.51, "drawn": {"kept_experts": {"text": 0.97}}, "inside":
{"phi": {"text from audio": 0.6}}}`. What no epoch has, gets no panel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from summer.report.figures.canvas import INK, PALETTE, new_figure, plain

History = Sequence[Mapping[str, Any]]
WIDE_RANGE = 20.0
ROOM_FOR_SHARES = 0.05
INCHES_A_PANEL = (3.7, 3.4)
LONG_NAME = 8  # letters; of longer ones two fit beside each other below a panel
INSIDE = {  # what `summer.training.learning` sees, and how its panel is called
    "content": "content in U_e",
    "tau": "tau of SDMoE",
    "phi": "phi of HCMF",
    "masked": "masked by the teacher",
    "alpha": "alpha beside the linear layer",
    "gradients": "gradient of each term",
}
Panels = dict[str, Callable[[Axes, Sequence[History]], None]]


def curves_figure(histories: Mapping[str, Sequence[History]]) -> Figure:
    """How training went: a row of panels per model, a line per seed.

    Raises:
        ValueError: not one epoch.
    """
    rows = {model: [seed for seed in seeds if seed] for model, seeds in histories.items()}
    rows = {model: seeds for model, seeds in rows.items() if seeds}
    if not rows:
        raise ValueError("there is no epoch to draw; train for at least one")
    return _rows_of_panels(rows, {model: _panels(seeds) for model, seeds in rows.items()})


def learning_figure(histories: Mapping[str, Sequence[History]]) -> Figure:
    """Whether each mechanism does anything: a row of panels per model, a line per seed.

    Raises:
        ValueError: no epoch was looked into.
    """
    rows = {model: [seed for seed in seeds if seed] for model, seeds in histories.items()}
    panels = {model: _panels_inside(seeds) for model, seeds in rows.items()}
    panels = {model: of_model for model, of_model in panels.items() if of_model}
    if not panels:
        raise ValueError("no epoch was looked into; histories of before 0.3.0 have nothing to draw here")
    return _rows_of_panels({model: rows[model] for model in panels}, panels)


def _rows_of_panels(rows: Mapping[str, Sequence[History]], panels: Mapping[str, Panels]) -> Figure:
    columns = max(map(len, panels.values()))
    width, height = INCHES_A_PANEL
    figure = new_figure(width_inches=width * columns, height_inches=height * len(rows))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    if len(set(map(len, rows.values())) - {1}):
        figure.suptitle("one line per seed", fontsize=9, color=INK)
    for axes_row, (model, seeds) in zip(grid, rows.items(), strict=True):
        for axes in axes_row[len(panels[model]) :]:
            axes.set_visible(False)
        for axes, (title, draw) in zip(axes_row, panels[model].items(), strict=False):
            draw(axes, seeds)
            _dress(axes, f"{model}: {title}", longest=max(map(len, seeds)))
    return figure


def _panels(seeds: Sequence[History]) -> Panels:
    """The panels that these epochs can fill."""
    split = next((epoch["selected_on"] for seed in seeds for epoch in seed if "selected_on" in epoch), "dev")
    panels: Panels = {}
    if _names(seeds, "losses"):
        panels["training loss"] = partial(_draw_family, family=("losses",))
    if _has(seeds, "loss"):
        panels[f"{split} loss"] = _draw_loss
    if _has(seeds, "w_f1"):
        panels[f"{split} w-F1"] = _draw_score
    for name in _names(seeds, "drawn"):
        if _names(seeds, "drawn", name):
            panels[name.replace("_", " ")] = partial(_draw_drawn, family=("drawn", name))
    return panels


def _panels_inside(seeds: Sequence[History]) -> Panels:
    """The panels of what was seen inside, in the order of a model's parts."""
    draw = {
        "content": _draw_drawn,
        "tau": _draw_family,
        "phi": _draw_drawn,
        "masked": _draw_drawn,
        "alpha": _draw_family,
        "gradients": _draw_gradients,
    }
    return {
        title: partial(draw[name], family=("inside", name))
        for name, title in INSIDE.items()
        if _names(seeds, "inside", name)
    }


def _names(seeds: Sequence[History], *keys: str) -> list[str]:
    return list(dict.fromkeys(name for seed in seeds for epoch in seed for name in _within(epoch, keys)))


def _within(epoch: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    for key in keys:
        epoch = epoch.get(key) or {}
    return epoch


def _has(seeds: Sequence[History], key: str) -> bool:
    return any(epoch.get(key) is not None for seed in seeds for epoch in seed)


def _points(history: History, name: str, *keys: str) -> np.ndarray:
    """(2, epochs): epochs and their values, without epochs that have none."""
    found = [(epoch["epoch"], _within(epoch, keys).get(name)) for epoch in history]
    return np.array([pair for pair in found if pair[1] is not None], dtype=np.float64).reshape(-1, 2).T


def _draw_family(axes: Axes, seeds: Sequence[History], *, family: Sequence[str]) -> None:
    """One colour per name, one line per seed."""
    values = []
    for place, name in enumerate(_names(seeds, *family)):
        colour = INK if name == "total" else PALETTE[place % (len(PALETTE) - 1)]
        style = "-" if place < len(PALETTE) - 1 else "--"
        for number, history in enumerate(seeds):
            epochs, found = _points(history, name, *family)
            label = None if number else plain(name)
            look = _look(epochs, seeds)
            axes.plot(epochs, found, linestyle=style, color=colour, label=label, **look)
            values.extend(found)
    if min(values) > 0 and max(values) > WIDE_RANGE * min(values):
        axes.set_yscale("log")
    columns = 2 if max(map(len, _names(seeds, *family))) > LONG_NAME else 3
    legend = axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns, frameon=False, fontsize=8
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)


def _draw_loss(axes: Axes, seeds: Sequence[History]) -> None:
    for history in seeds:
        epochs, found = _points(history, "loss")
        axes.plot(epochs, found, color=PALETTE[0], **_look(epochs, seeds))


def _draw_score(axes: Axes, seeds: Sequence[History]) -> None:
    """The lines, and on each a ring where it is highest: the epoch that is kept."""
    for number, history in enumerate(seeds):
        epochs, found = _points(history, "w_f1")
        axes.plot(epochs, found, color=PALETTE[0], **_look(epochs, seeds))
        if found.size:
            best = int(found.argmax())
            label = None if number else "epoch chosen"
            axes.scatter(
                *(epochs[best], found[best], 36),
                facecolor="white",
                edgecolor=PALETTE[1],
                linewidth=1.6,
                zorder=3,
                label=label,
            )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False, fontsize=8)


def _draw_drawn(axes: Axes, seeds: Sequence[History], *, family: Sequence[str]) -> None:
    """What a model wants drawn; between 0 and 1 it is a share, in percent."""
    _draw_family(axes, seeds, family=family)
    axes.set_yscale("linear")
    values = [value for seed in seeds for epoch in seed for value in _within(epoch, family).values()]
    if min(values) < 0 or max(values) > 1:
        return
    low, high = axes.get_ylim()
    axes.set_ylim(max(0.0, low - ROOM_FOR_SHARES), min(1 + ROOM_FOR_SHARES / 10, high + ROOM_FOR_SHARES))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))


def _draw_gradients(axes: Axes, seeds: Sequence[History], *, family: Sequence[str]) -> None:
    """Norms differ by orders of magnitude; one that is 0 leaves the panel at its bottom."""
    _draw_family(axes, seeds, family=family)
    if any(value > 0 for seed in seeds for epoch in seed for value in _within(epoch, family).values()):
        axes.set_yscale("log")


def _look(epochs: np.ndarray, seeds: Sequence[History]) -> dict[str, Any]:
    """Lines of several seeds shine through each other; a lone epoch is no line and needs a dot."""
    return {
        "alpha": 1.0 if len(seeds) == 1 else 0.6,
        "linewidth": 1.3,
        "marker": "o" if epochs.size == 1 else None,
        "markersize": 4,
    }


def _dress(axes: Axes, title: str, *, longest: int) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=min(longest, 8), integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
