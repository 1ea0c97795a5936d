"""`summer-data weights`, carried out: what a recipe reads is fetched before it is needed."""

from __future__ import annotations

from rich.console import Console

from extraction.weights import forget_refusals, speech_model
from pipelines.data.command import WeightsOrder
from pipelines.extractors import weights_of
from pipelines.recipe import load_recipe

FETCHED = 0


def fetch_weights(order: WeightsOrder) -> int:
    """Find the weights of a recipe, fetch those that are not there, and say where each is.

    Raises:
        ValueError: no such recipe or key; weights that no source has.
    """
    forget_refusals()  # who types this wants hubs to be asked now
    found = dict(weights_of(load_recipe(order.recipe, order.overrides)))
    if order.asr_model is not None:
        found["Whisper"] = speech_model(order.asr_model)
    console = Console(soft_wrap=True)
    for use, weights in found.items():
        console.print(f"{use}: {weights.path} (from: {weights.source})", highlight=False, markup=False)
    return FETCHED
