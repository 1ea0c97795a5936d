"""An error as a sentence for the user: what is wrong and what to do, and no path of the server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from extraction.transcripts import TranscriptError
from pipelines.serve.messages import FULL, NO_SPACE, NOT_YOURS, Refused
from summer.durable import DiskError

OF_SPACE = "free some space"  # the remedy that a DiskError names
OF_THE_COMMAND_LINE = {
    "--transcript FILE": "a transcript",
    "--transcript": "a transcript",
    ", or --asr to have it heard": "",
    "check the path and its rights": "give it again",
}
A_PATH = re.compile(r"(?<![\w.<])/[\w.-]+/")


def sentence(error: Exception, given: Sequence[Path]) -> str:
    """An error of a prediction, for whoever asked for it.

    Args:
        given: the files of the user, each of which is called by its name alone.
    """
    of_space = isinstance(error, DiskError) and OF_SPACE in str(error)
    if of_space or (isinstance(error, OSError) and error.errno in NO_SPACE):
        return FULL
    if not isinstance(error, (Refused, TranscriptError)):
        return NOT_YOURS
    told = str(error)
    for path in given:
        told = told.replace(str(path), path.name)
    for typed, meant in OF_THE_COMMAND_LINE.items():
        told = told.replace(typed, meant)
    return NOT_YOURS if A_PATH.search(told) else told
