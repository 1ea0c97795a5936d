"""What all figures share: a figure without pyplot, colours for every eye, and the way to the disk."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from summer.durable import write_aside

DOTS_PER_INCH = 150
INK = "#222222"
# Okabe and Ito's colours, told apart with any colour vision; yellow goes last, being faint on white
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")


def new_figure(*, width_inches: float, height_inches: float) -> Figure:
    """An empty figure that lays its parts out itself."""
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08)
    figure = Figure(figsize=(width_inches, height_inches), dpi=DOTS_PER_INCH, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure as PNG by one rename.

    Raises:
        DiskError: the disk is full or refuses.
    """
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=DOTS_PER_INCH)
    write_aside(path, image.getvalue())


def plain(text: str) -> str:
    """`text` as it stands: matplotlib takes what is between two dollars for a formula."""
    return text.replace("$", r"\$")
