"""Times as transcripts write them: `01:02:03.500`, `02:03,5`, `123.5`; in seconds."""

from __future__ import annotations

import math
import re

CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?")


def seconds_of(text: str) -> float | None:
    """Seconds from the start; None where the text is no time.

    Args:
        text: hours, minutes and seconds with colons, with a dot or a comma before what is less than a second,
            or a number of seconds. Hours may be left out.
    """
    words = text.strip()
    clock = CLOCK.fullmatch(words)
    if clock is not None:
        hours, minutes, seconds, part = clock.groups()
        whole = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)
        return whole + (float(f"0.{part}") if part else 0.0)
    try:
        number = float(words)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
