"""What a folder of a fine-tuned text encoder says of its making, read without loading torch."""

from __future__ import annotations

from pathlib import Path

from summer.durable import json_of

TUNING_RECORD = "tuning.json"
TUNED_FROM = "tuned_from"  # key of the record: the name of the encoder that tuning began with


def tuned_from(folder: Path) -> str:
    """The pre-trained encoder that a folder was tuned from, as it was asked for; "" where that is not said.

    Of an encoder that was tuned in two rounds it is the one that the first began with.
    """
    try:
        record = json_of((folder / TUNING_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    name = record.get(TUNED_FROM, "") if isinstance(record, dict) else ""
    return name if isinstance(name, str) else ""
