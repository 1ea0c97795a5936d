"""Charts: each specification is one that Vega-Lite itself compiles, with the values that it was given."""

from __future__ import annotations

import re
from typing import Any

import pytest
from vl_convert import vegalite_to_svg

from summer.report.charts import Spec, bars_with_intervals, heat_map, histogram, lines, stacked_bars

EPOCHS = [
    {"epoch": epoch, "name": name, "value": scale / epoch, "seed": seed}
    for seed in (0, 1)
    for name, scale in (("total", 2.0), ("cross", 1.0))
    for epoch in (1, 2, 3)
]


def drawn(spec: Spec) -> str:
    """As SVG, by the compiler itself; it refuses what it does not know."""
    return vegalite_to_svg({**spec, "width": 400})


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_heat_map_shows_every_share_in_the_order_of_the_labels() -> None:
    values = [{"truth": t, "guess": g, "share": s} for t, g, s in (("b", "b", 0.75), ("b", "a", 0.25))]
    said = texts(drawn(heat_map(values, row="truth", column="guess", share="share", order=["b", "a"])))
    assert {"0.75", "0.25"} <= set(said)
    assert said.index("b") < said.index("a")


def test_bars_have_a_line_from_low_to_high() -> None:
    values = [
        {"emotion": e, "model": m, "value": 50.0, "low": 40.0, "high": 62.5}
        for e in ("joy", "anger")
        for m in ("teacher", "student")
    ]
    svg = drawn(bars_with_intervals(values, name="emotion", of="model", order=["joy", "anger"], title="F1"))
    rules = re.findall(r'<line aria-label="low: 40; [^>]*translate\(([\d.]+),[^>]*x2="([\d.]+)"', svg)
    assert len(rules) == 4
    wide = float(rules[0][0]) / 0.40  # of all hundred points
    assert float(rules[0][1]) == pytest.approx(0.225 * wide, rel=1e-3)
    assert {"teacher", "student", "joy", "anger"} <= set(texts(svg))


def test_parts_of_a_bar_keep_their_colours() -> None:
    values = [
        {"of": "audio", "status": s, "rows": n, "place": k}
        for k, (s, n) in enumerate((("ok", 3), ("bad", 1)))
    ]
    parts = {"ok": "#009e73", "bad": "#d55e00"}
    svg = drawn(stacked_bars(values, row="of", part="status", count="rows", parts=parts))
    assert all(colour in svg.lower() for colour in parts.values())


def test_there_is_a_line_per_name_and_seed() -> None:
    svg = drawn(lines(EPOCHS, x="epoch", y="value", name="name", seed="seed", title="loss"))
    assert len(re.findall(r'<path aria-label="epoch: 1; ', svg)) == 4
    assert {"total", "cross", "1", "2", "3"} <= set(texts(svg))


@pytest.mark.parametrize(
    ("numbers", "scale"),
    [((1.0, 2.0), {"zero": False}), ((0.01, 2.0), {"type": "log"}), ((0.0, 50.0), {"zero": False})],
)
def test_only_positive_numbers_far_apart_get_a_logarithmic_scale(
    numbers: tuple[float, float], scale: dict[str, Any]
) -> None:
    values = [{"epoch": k, "name": "a", "value": v, "seed": 0} for k, v in enumerate(numbers)]
    spec = lines(values, x="epoch", y="value", name="name", seed="seed", title="")
    assert spec["encoding"]["y"]["scale"] == scale
    drawn(spec)


def test_many_epochs_have_few_whole_ticks() -> None:
    values = [{"epoch": k, "name": "a", "value": 1.0, "seed": 0} for k in range(1, 94)]
    ticks = lines(values, x="epoch", y="value", name="name", seed="seed", title="")["encoding"]["x"]["axis"]
    assert ticks["values"] == list(range(1, 94, 11))


def test_a_lone_epoch_is_a_point() -> None:
    spec = lines(EPOCHS[:1], x="epoch", y="value", name="name", seed="seed", title="loss")
    assert spec["mark"]["point"] is True


def test_a_histogram_is_drawn_with_all_its_steps() -> None:
    values = [{"split": "train", "from": k / 3, "to": (k + 1) / 3, "share": 0.5} for k in range(2)]
    spec = histogram(values, low="from", high="to", count="share", of="split", title="seconds")
    assert [one["from"] for one in spec["data"]["values"]] == [0.0, 0.3333]
    assert "seconds" in texts(drawn(spec))
