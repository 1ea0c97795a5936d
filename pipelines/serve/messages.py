"""What is said to the user: what is wrong and what to do, and no path of the server."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from pathlib import Path

from extraction.transcripts import TranscriptError
from summer.durable import DiskError

GONE = (
    "what you gave is no longer on the server: it goes when the page is closed, or after a while without "
    "use; load the page again"
)
FULL = "the server's disk is full; try again later, or tell whoever runs the server"
NOT_YOURS = "the server cannot read this with the model that it has; its log says why to whoever runs it"
DIED = (
    "the server's program ended while it read this: the recording may be damaged; try it saved anew, as MP4"
)
TOO_SLOW = "the server gave up: this takes longer than it allows; give a shorter piece"
OF_SPACE = "free some space"  # the remedy that a DiskError names
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
OF_THE_COMMAND_LINE = {
    "--transcript FILE": "a transcript",
    "--transcript": "a transcript",
    ", or --asr to have it heard": "",
    "check the path and its rights": "give it again",
}
A_PATH = re.compile(r"(?<![\w.<])/[\w.-]+/")


class Refused(ValueError):  # noqa: N818 - what is the case, in one word
    """Something that the user is told as it stands."""


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
