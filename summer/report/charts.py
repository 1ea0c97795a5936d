"""Charts as Vega-Lite specifications: plain dicts, drawn in the reader's browser, never here.

Colours and letters are not set: the page does that, light or dark. Numbers are given to four digits, since a
chart of two hundred pixels shows no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Spec = dict[str, Any]
Values = Sequence[Mapping[str, Any]]
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#8c8c8c",
    "#B8A500",
)  # Okabe and Ito's
WIDE_RANGE = 20.0  # beyond which positive numbers are drawn on a logarithmic scale
MOST_TICKS = 9  # besides the first
HIGH, ROW = 220, 24  # pixels: of a chart, of a row of bars


def heat_map(values: Values, *, row: str, column: str, share: str, order: Sequence[str]) -> Spec:
    """Shares of each row as shades, with the number on them."""
    x = {
        "field": column,
        "type": "nominal",
        "sort": list(order),
        "axis": {"orient": "top", "labelAngle": -35},
    }
    y = {"field": row, "type": "nominal", "sort": list(order)}
    ink = {"condition": {"test": f"datum[{share!r}] > 0.55", "value": "white"}, "value": "#222222"}
    return {
        **_across(values),
        "height": 44 * len(order),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "tooltip": True},
                "encoding": {
                    "color": {
                        "field": share,
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": ["#eef4fb", "#08519c"]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    "text": {"field": share, "type": "quantitative", "format": ".2f"},
                    "color": ink,
                },
            },
        ],
    }


def bars_with_intervals(values: Values, *, name: str, of: str, order: Sequence[str], title: str) -> Spec:
    """A bar per name and kind, with a line from `low` to `high` on it.

    Args:
        values: each with `name`, `of`, `value`, `low` and `high`, in percent.
        of: what several bars of a name are of, such as the model.
    """
    kinds = list(dict.fromkeys(one[of] for one in values))
    x = {"field": "value", "type": "quantitative", "title": title, "scale": {"domain": [0, 100]}}
    y = {"field": name, "type": "nominal", "sort": list(order), "title": None}
    offset = {"field": of, "sort": kinds}
    return {
        **_across(values),
        "height": len(order) * max(ROW, 10 * len(kinds)),
        "encoding": {"y": y, "yOffset": offset},
        "layer": [
            {
                "mark": {"type": "bar", "tooltip": True},
                "encoding": {"x": x, "color": _colour(of, kinds)},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
            },
        ],
    }


def stacked_bars(values: Values, *, row: str, part: str, count: str, parts: Mapping[str, str]) -> Spec:
    """Shares of each row as parts of a bar of one length.

    Args:
        parts: colour by part, in order.
    """
    rows = list(dict.fromkeys(one[row] for one in values))
    colour = {
        "field": part,
        "type": "nominal",
        "scale": {"domain": list(parts), "range": list(parts.values())},
        "title": None,
    }
    return {
        **_across(values),
        "height": ROW * len(rows),
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": {"field": row, "type": "nominal", "sort": rows, "title": None},
            "x": {
                "field": count,
                "type": "quantitative",
                "stack": "normalize",
                "title": None,
                "axis": {"format": "%"},
            },
            "color": colour,
            "order": {"field": "place", "type": "quantitative"},
        },
    }


def lines(values: Values, *, x: str, y: str, name: str, seed: str, title: str) -> Spec:
    """A line per name and seed; a lone point where there is one alone."""
    numbers = [one[y] for one in values]
    names = list(dict.fromkeys(one[name] for one in values))
    is_wide = min(numbers) > 0 and max(numbers) > WIDE_RANGE * min(numbers)
    scale = {"type": "log"} if is_wide else {"zero": False}
    lone = len({one[x] for one in values}) == 1
    several = len({one[seed] for one in values}) > 1
    return {
        **_across(values),
        "height": HIGH,
        "mark": {"type": "line", "point": lone, "tooltip": True, "opacity": 0.6 if several else 1},
        "encoding": {
            "x": {
                "field": x,
                "type": "quantitative",
                "axis": {"values": _whole_ticks([one[x] for one in values]), "format": "d"},
                "scale": {"zero": False, "nice": False},
            },
            "y": {"field": y, "type": "quantitative", "title": title, "scale": scale},
            "color": _colour(name, names),
            "detail": {"field": seed, "type": "nominal"},
        },
    }


def histogram(values: Values, *, low: str, high: str, count: str, of: str, title: str) -> Spec:
    """Counted steps, one outline per kind, each as shares of its own."""
    kinds = list(dict.fromkeys(one[of] for one in values))
    return {
        **_across(values),
        "height": HIGH,
        "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.35, "line": True, "tooltip": True},
        "encoding": {
            "x": {
                "field": low,
                "type": "quantitative",
                "title": title,
                "scale": {"zero": False, "nice": False},
            },
            "y": {
                "field": count,
                "type": "quantitative",
                "stack": None,
                "title": "share of rows",
                "axis": {"format": "%"},
            },
            "color": _colour(of, kinds),
            "tooltip": [{"field": field} for field in (of, low, high, count)],
        },
    }


def _whole_ticks(numbers: Sequence[int]) -> list[int]:
    """At most ten whole numbers, evenly spread from the lowest on."""
    low, high = min(numbers), max(numbers)
    return list(range(low, high + 1, max(1, -(-(high - low) // MOST_TICKS))))


def _across(values: Values) -> Spec:
    """As wide as there is room."""
    return {
        "data": {"values": _rounded(values)},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
    }


def _colour(field: str, names: Sequence[str]) -> dict[str, Any]:
    colours = [PALETTE[place % len(PALETTE)] for place in range(len(names))]
    legend = None if len(names) == 1 else {"orient": "bottom", "title": None, "columns": 3}
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(names), "range": colours},
        "legend": legend,
    }


def _rounded(values: Values) -> list[dict[str, Any]]:
    return [
        {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in one.items()}
        for one in values
    ]
