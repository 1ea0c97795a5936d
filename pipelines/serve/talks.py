"""Talks: what each session of a browser gave and got, in a folder of its own that no other session can name.

A talk is found by a token of 256 random bits, which only its own page is told. Nothing is on the disk before
something is given, and all of it goes at once: when the page is closed, some time after its last use, when
the server ends. While a talk is being read its folder stays until the reading has ended, which closing asks
for.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipelines.serve.limits import Limits
from pipelines.serve.messages import GONE, Refused
from pipelines.serve.questions import SpokenLine

Kind = Literal["recording", "transcript"]
KINDS: tuple[Kind, ...] = ("recording", "transcript")


@dataclass(slots=True, kw_only=True, eq=False)
class Talk:
    """One session's.

    Args:
        given: the files, each by the name that the user gave it.
        speakers: of the last answer, in the order in which they are shown.
        names: what they are really called, where the user has said so.
        lines: of the last answer.
        line_names: who says a line after all, where the user has said so, by its place from 0.
        is_read: being read, or waiting for it.
        is_closed: to be removed, as soon as it is not read.
    """

    token: str
    folder: Path
    used_at: float
    given: dict[Kind, Path] = field(default_factory=dict)
    speakers: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    lines: Sequence[SpokenLine] = ()
    line_names: dict[int, str] = field(default_factory=dict)
    is_read: bool = False
    is_closed: bool = False

    @property
    def out(self) -> Path:
        """Where the prediction goes."""
        return self.folder / "out"

    def place_for(self, kind: Kind, name: str) -> Path:
        """Where a file of this name goes; the folder for it is there."""
        place = self.folder / kind
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place / name

    def take(self, kind: Kind, path: Path) -> None:
        """A file has arrived: the former one goes, and what was said of it."""
        self.drop(kind, keep=path)
        self.given[kind] = path

    def drop(self, kind: Kind, keep: Path | None = None) -> None:
        """Remove what was given of a kind, and what was said of it."""
        former = self.given.pop(kind, None)
        if former is not None and former != keep:
            former.unlink(missing_ok=True)
        if kind == "transcript":
            self.names.clear()
        self.line_names.clear()
        self.speakers = self.lines = ()
        shutil.rmtree(self.out, ignore_errors=True)


class Talks:
    """All talks of a server.

    Args:
        folder: which has nothing but them.
        clock: in seconds.
    """

    def __init__(self, folder: Path, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._folder, self._clock = folder, clock
        self._talks: dict[str, Talk] = {}
        self._of_session: dict[str, Talk] = {}
        self._lock = threading.RLock()

    def opened(self, session: str) -> Talk:
        """A new talk for a page that is loaded; a former one of the same session goes."""
        with self._lock:
            self.close_session(session)
            token = secrets.token_urlsafe(32)
            talk = Talk(token=token, folder=self._folder / token, used_at=self._clock())
            self._talks[token] = self._of_session[session] = talk
            return talk

    def of_token(self, token: str) -> Talk:
        """The talk, which is used by this.

        Raises:
            Refused: there is none, or no longer.
        """
        return self._used(self._talks.get(token))

    def of_session(self, session: str | None) -> Talk:
        """The talk of a page, which is used by this.

        Raises:
            Refused: there is none, or no longer.
        """
        return self._used(self._of_session.get(session or ""))

    def _used(self, talk: Talk | None) -> Talk:
        if talk is None or talk.is_closed:
            raise Refused(GONE)
        talk.used_at = self._clock()
        return talk

    def check_room(self, talk: Talk) -> None:
        """Refuse to begin a folder where there are too many.

        Raises:
            Refused: with the limit.
        """
        kept = sum(one.folder.exists() for one in list(self._talks.values()))
        if not talk.folder.exists() and kept >= self.limits.most_talks:
            raise Refused(f"{kept} people use this server, which is as many as it takes; try again later")

    def begin(self, talk: Talk) -> None:
        """From now on it is read.

        Raises:
            Refused: it is already, or it is gone.
        """
        with self._lock:
            if talk.is_closed:
                raise Refused(GONE)
            if talk.is_read:
                raise Refused("this is being read already; wait for it, or load the page anew to stop it")
            talk.is_read = True

    def end(self, talk: Talk) -> None:
        """It is read no longer; if it was closed meanwhile it goes now."""
        with self._lock:
            talk.is_read, talk.used_at = False, self._clock()
            if talk.is_closed:
                self._remove(talk)

    def close_session(self, session: str | None) -> None:
        """The page is closed."""
        with self._lock:
            if (talk := self._of_session.get(session or "")) is not None:
                self._close(talk)

    def close_unused(self) -> None:
        """Close those that nobody has used for long."""
        with self._lock:
            latest = self._clock() - self.limits.kept_seconds
            for talk in [one for one in self._talks.values() if one.used_at < latest and not one.is_read]:
                self._close(talk)

    def close_all(self) -> None:
        """The server ends."""
        with self._lock:
            for talk in list(self._talks.values()):
                self._close(talk)

    def _close(self, talk: Talk) -> None:
        talk.is_closed = True
        self._talks.pop(talk.token, None)
        for session in [name for name, one in self._of_session.items() if one is talk]:
            del self._of_session[session]
        if not talk.is_read:
            self._remove(talk)

    def _remove(self, talk: Talk) -> None:
        talk.given.clear()
        shutil.rmtree(talk.folder, ignore_errors=True)
