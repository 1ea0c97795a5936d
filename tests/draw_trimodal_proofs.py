"""Draws what the trimodal proofs measure, over three seeds: python -m tests.draw_trimodal_proofs OUT.png

Bars are means over seeds, points the seeds, red lines what can be reached by the generators' closed forms.
The numbers go beside the figure, as OUT.json. Takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from summer.corpus import Modality
from tests.summer import trimodal_measures as measures
from tests.summer.made_up_trimodal import (
    cases_of_noise,
    cases_of_two,
    ceiling,
    ceiling_with_holes,
    ceiling_without_context,
    ceiling_without_speakers,
    score_of_trusted_zeros,
)

SEEDS = (0, 1, 2)
DOTS_PER_INCH = 80
Numbers = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One part of the figure.

    Args:
        unit: of the vertical axis, from 0 to 1.
        limits: closed form, by bar that has one.
    """

    name: str
    title: str
    unit: str
    limits: Mapping[str, float]


BOTH = ceiling(cases_of_noise(), [Modality.TEXT, Modality.AUDIO])
PANELS = (
    Panel(
        name="two",
        title="1 text and audio reveal together",
        unit="accuracy",
        limits={m.value: ceiling(cases_of_two(), [m]) for m in Modality}
        | {"student": ceiling(cases_of_two(), Modality)},
    ),
    Panel(
        name="noise",
        title="2 video is noise",
        unit="accuracy",
        limits={"with\nvideo": BOTH, "without\nvideo": BOTH},
    ),
    Panel(name="weights", title="2 GMoE, video is noise", unit="mean weight g", limits={}),
    Panel(name="routing", title="2 SDMoE, video is noise", unit="share", limits={}),
    Panel(
        name="speakers",
        title="3 labels shift with the speaker",
        unit="accuracy",
        limits={"embedding\nand party": 1.0, "party\nonly": 1.0, "one\nspeaker": ceiling_without_speakers()},
    ),
    Panel(
        name="holes",
        title="4 half of the video is missing",
        unit="accuracy",
        limits={"masked": ceiling_with_holes(), "zeros\nthat count": score_of_trusted_zeros()},
    ),
    Panel(name="guidance", title="5 the teacher's guidance", unit="share", limits={}),
    Panel(
        name="context",
        title="6 the utterance before says it",
        unit="accuracy",
        limits={"in\ndialogues": 1.0, "alone": ceiling_without_context()},
    ),
)


def measure(folder: Path, seed: int) -> dict[str, Numbers]:
    """Every panel's bars, for one seed."""
    reveal = measures.reveal(folder / "two", seed)
    noise = measures.add_noise(folder / "noise", seed)
    product = measures.weights_of_product(folder / "product", seed)
    speakers = measures.tell_speakers_apart(folder / "speakers", seed)
    party = measures.tell_parties_apart(folder / "speakers", seed)
    holes = measures.look_into_holes(folder / "holes", seed)
    context = measures.tell_what_was_before(folder / "context", seed)
    guidance = measures.look_at_guidance(reveal.trained)
    return {
        "two": {m.value: score for m, score in reveal.teachers.items()} | {"student": reveal.student},
        "noise": {"with\nvideo": noise.with_video, "without\nvideo": noise.without_video},
        "weights": {f"{m.value}\nbranches": weight for m, weight in noise.weights.items()}
        | {f"{m.value}\nproduct": weight for m, weight in product.items()},
        "routing": {f"{m.value}\nentropy": value for m, value in noise.entropies.items()}
        | {f"{m.value}\nkept": share for m, share in noise.kept.items()},
        "speakers": {
            "embedding\nand party": speakers["apart"],
            "party\nonly": party,
            "one\nspeaker": speakers["merged"],
        },
        "holes": {"masked": holes["masked"], "zeros\nthat count": holes["filled"]},
        "guidance": {
            "lowest\nphi": min(guidance.phis),
            "highest\nphi": max(guidance.phis),
            "lowest\nM = 1": min(guidance.masked),
            "highest\nM = 1": max(guidance.masked),
        },
        "context": {"in\ndialogues": context["in dialogues"], "alone": context["alone"]},
    }


def draw(measured: Sequence[Mapping[str, Numbers]], path: Path) -> None:
    """One panel a proof."""
    figure, axes = plt.subplots(2, 4, figsize=(16, 7.5), constrained_layout=True)
    for axis, panel in zip(axes.flat, PANELS, strict=True):
        _draw_panel(axis, panel, [of_seed[panel.name] for of_seed in measured])
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)


def _draw_panel(axis: Axes, panel: Panel, of_seeds: Sequence[Numbers]) -> None:
    names = list(of_seeds[0])
    for place, name in enumerate(names):
        values = [of_seed[name] for of_seed in of_seeds]
        axis.bar(place, sum(values) / len(values), width=0.7, color="#9db8d2")
        axis.plot([place] * len(values), values, "o", color="#1f3f60", markersize=4)
        if name in panel.limits:
            axis.hlines(panel.limits[name], place - 0.45, place + 0.45, color="#c0392b", linewidth=2)
    axis.set_xticks(range(len(names)), names, fontsize=7 if len(names) > 4 else 9)
    axis.set_ylim(0, 1.05)
    axis.set_ylabel(panel.unit)
    axis.set_title(panel.title, fontsize=11)


def main() -> None:
    """Measure all seeds, or those given, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="the figure, a PNG")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    given = parser.parse_args()
    measured = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            measured.append(measure(Path(folder), seed))
    given.out.with_suffix(".json").write_text(
        json.dumps(dict(zip(given.seeds, measured, strict=True)), indent=1)
    )
    draw(measured, given.out)


if __name__ == "__main__":
    main()
