"""Whether media can be had at all: told before a run begins, and asked again when a file cannot be had.

Rows are not to be marked missing because a cable was pulled. So a run begins only where some place answers
that its media lie at; and when files cannot be had on the way, that place is asked again: where it is silent
too, the network is to blame, and the rows are left to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from fsspec.callbacks import Callback

from extraction.remote.address import place_of, shown
from extraction.remote.cache import RemoteError, explained, file_system, raised_by

MOST_PLACES_ASKED = 5


class _AnswersError(ValueError):
    """There is an answer; no more is wanted."""


class _UntilItAnswers(Callback):  # type: ignore[misc]  # fsspec has no annotations
    def set_size(self, size: int | None) -> None:  # noqa: ARG002 - the callback's own form
        raise _AnswersError


def answers(address: str) -> str:
    """ "" where the place of an address answers, be it with a no; else what is said instead.

    Raises:
        RemoteError: the package for such addresses is not installed.
    """
    files, name = file_system(address)
    with ThreadPoolExecutor(max_workers=1) as pool:
        error = raised_by(pool.submit(files.get_file, name, "/dev/null", callback=_UntilItAnswers()))
    if error is None or isinstance(error, _AnswersError):
        return ""
    failure = explained(address, error)
    return "" if failure.is_final else failure.reason


def landmark(addresses: Iterable[str]) -> str:
    """One of the addresses, at a place that answers.

    Raises:
        RemoteError: none of the first places does, or a package is missing.
    """
    first_of: dict[str, str] = {}
    for address in addresses:
        first_of.setdefault(place_of(address), address)
    silent = []
    for address in list(first_of.values())[:MOST_PLACES_ASKED]:
        if not (told := answers(address)):
            return address
        silent.append(told)
    raise RemoteError(
        f"no media can be had: {silent[0]}. Is this machine offline? Nothing is marked missing for it; when "
        f"{place_of(shown(address))} answers, the same command goes on"
    )
