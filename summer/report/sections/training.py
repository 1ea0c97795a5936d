"""How a run's training went: losses, the score that chose the epoch, modality weights, experts, phi and tau.

A record of an epoch is what `<model>-history.json` keeps (`summer.report.figures.curves` has an example).
What no epoch has gets no chart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from summer.report.charts import lines
from summer.report.document import Block, Chart, Heading
from summer.report.tables import Table

History = Sequence[Mapping[str, Any]]
TITLES = {
    "modality_weights": "weight of each modality",
    "kept_experts": "share of experts that an utterance keeps (equation 3)",
    "content": "share of U_e that words, sound or picture make (equation 2)",
    "tau": "tau of each SDMoE (equation 4)",
    "phi": "phi of each attention of HCMF (equation 8)",
    "masked": "share of weights that the teacher masks (equation 7)",
    "alpha": "alpha, what is added to the head",
    "gradients": "gradient of each loss",
}


def training_blocks(histories: Mapping[str, Sequence[History]]) -> Iterator[Block]:
    """Charts per model.

    Args:
        histories: by model, then seed, then epoch.
    """
    for model, seeds in histories.items():
        charts = list(_charts(model, [seed for seed in seeds if seed]))
        if charts:
            yield Heading(f"Training of {model}")
            yield from charts


def _charts(model: str, seeds: Sequence[History]) -> Iterator[Chart]:
    split = next((epoch["selected_on"] for seed in seeds for epoch in seed if "selected_on" in epoch), "dev")
    yield from _chart(f"{model}: losses in training", "loss", seeds, "losses")
    for key, title in (("loss", "loss"), ("w_f1", "w-F1")):
        alone = [
            [{**epoch, "of": {title: epoch[key]}} for epoch in seed if epoch.get(key) is not None]
            for seed in seeds
        ]
        why = ", which chooses the epoch" if key == "w_f1" else ""
        yield from _chart(f"{model}: {title} on {split}{why}", title, alone, "of")
    for family in ("drawn", "inside"):
        names = dict.fromkeys(name for seed in seeds for epoch in seed for name in epoch.get(family) or {})
        for name in names:
            title = TITLES.get(name, name.replace("_", " "))
            yield from _chart(f"{model}: {title}", "", seeds, family, name)


def _chart(title: str, of: str, seeds: Sequence[History], *keys: str) -> Iterator[Chart]:
    values = [
        {"epoch": epoch["epoch"], "name": name, "value": float(value), "seed": number}
        for number, seed in enumerate(seeds)
        for epoch in seed
        for name, value in _within(epoch, keys).items()
        if value is not None
    ]
    if not values:
        return
    yield Chart(
        title=title,
        says=f"Lines by epoch. {_told(values)}",
        spec=lines(values, x="epoch", y="value", name="name", seed="seed", title=of or "value"),
        table=_ends(values),
    )


def _within(epoch: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    for key in keys:
        epoch = epoch.get(key) or {}
    return epoch


def _told(values: Sequence[Mapping[str, Any]]) -> str:
    """Where each line of the first seed begins and ends."""
    return "; ".join(f"{name} from {first} to {last}" for name, first, last in _ends(values).rows) + "."


def _ends(values: Sequence[Mapping[str, Any]]) -> Table:
    names = dict.fromkeys(one["name"] for one in values)
    rows = []
    for name in names:
        of_name = [one["value"] for one in values if one["name"] == name and one["seed"] == 0] or [
            one["value"] for one in values if one["name"] == name
        ]
        rows.append((name, f"{of_name[0]:.4g}", f"{of_name[-1]:.4g}"))
    return Table(header=("line", "first epoch", "last epoch"), rows=tuple(rows))
