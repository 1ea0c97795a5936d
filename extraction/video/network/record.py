"""What a tuned file says of its making, in its header. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from safetensors import SafetensorError, safe_open

from extraction.video.folds import VideoFolds
from extraction.video.options import Layer
from extraction.weights import Weights, WeightsUnavailable
from summer.durable import json_of

METADATA = "summer-tune"
FOLDS = "folds"  # key of the record of a file that holds a network for each fold (folded.py)
REMEDY = "copy it again, or delete it and run the summer-tune command that made it again"


def tuning_of(weights: Weights) -> dict[str, Any] | None:
    """The record of a tuned network; None of any other file.

    Raises:
        WeightsUnavailable: it is a tuned network whose record cannot be read.
    """
    try:
        with safe_open(weights.path, framework="numpy") as file:
            text = (file.metadata() or {}).get(METADATA)
    except (SafetensorError, OSError):
        return None  # whoever loads it says why
    if text is None:
        return None
    try:
        record: dict[str, Any] = json_of(text)
        if record["layer"] not in get_args(Layer):
            raise ValueError(f"layer {record['layer']!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsUnavailable(
            f"the record of the tuned network {weights.path} cannot be read ({error}); tune again"
        ) from error
    return record


def check_layer(weights: Weights, record: Mapping[str, Any], layer: Layer) -> None:
    """Refuse a network whose other layer was tuned.

    Raises:
        WeightsUnavailable: names both layers and the remedy.
    """
    if record["layer"] != layer:
        raise WeightsUnavailable(
            f"{weights.path} was tuned for the vector of layer {record['layer']!r}, and this run asks for "
            f"{layer!r}; give -o video.layer={record['layer']}"
        )


def check_is_one(weights: Weights, record: Mapping[str, Any] | None) -> None:
    """Refuse a file that holds a network for each fold.

    Raises:
        WeightsUnavailable: names the remedy.
    """
    if record is not None and FOLDS in record:
        raise WeightsUnavailable(
            f"{weights.path} holds a network for each fold, and one is wanted here; give the file of one of "
            "them, which summer-tune left beside it, or leave video.weights out"
        )


def folds_in(weights: Weights) -> VideoFolds | None:
    """Who reads what by the networks of a file; None of a file that holds one network.

    Raises:
        WeightsUnavailable: its record cannot be read.
    """
    record = tuning_of(weights)
    if record is None or FOLDS not in record:
        return None
    try:
        return VideoFolds.from_record(record[FOLDS])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsUnavailable(
            f"the folds in the record of {weights.path} cannot be read ({error}); {REMEDY}"
        ) from error
