"""What the user is told as it stands, and the sentences that several parts of the server say."""

from __future__ import annotations

import errno

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
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Refused(ValueError):  # noqa: N818 - what is the case, in one word
    """Something that the user is told as it stands."""
