"""The upstream hubs: asked briefly whether they answer, then downloaded from with a check of the sha256.

A machine without a hub must learn so within seconds. A name server that does not answer ignores every
socket timeout, so the question is put from a thread of its own, and left alone when the time is over.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from extraction.weights.cache import aside_of, writing

LOGGER = logging.getLogger(__name__)
PROBE_SECONDS = 4.0
STALL_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
TRUE_WORDS = {"1", "ON", "YES", "TRUE"}  # what huggingface_hub takes for true


class SourceError(ValueError):
    """One source did not give the weights; another may."""


def may_ask() -> bool:
    """Whether hubs may be asked at all: HF_HUB_OFFLINE forbids it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() not in TRUE_WORDS


def require_answer(url: str, *, token: str | None = None, seconds: float = PROBE_SECONDS) -> None:
    """Return if `url` can be had; say why not within `seconds` otherwise.

    Args:
        url: of one file on the hub.
        token: sent to this host only, for files that need a login.

    Raises:
        SourceError: HF_HUB_OFFLINE is set, the host does not answer, or has no such file.
    """
    if not may_ask():
        raise SourceError("HF_HUB_OFFLINE is set, so no hub is asked")
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_ask(url, token, seconds)), daemon=True).start()
    try:
        problem = answers.get(timeout=seconds)
    except queue.Empty:
        problem = f"no answer within {seconds:g} s"
    if problem:
        raise SourceError(f"{url}: {problem}")


def _ask(url: str, token: str | None, seconds: float) -> str:
    request = urllib.request.Request(url, method="HEAD")
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        urllib.request.urlopen(request, timeout=seconds).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return f"the server answers {refusal.code} {refusal.reason}"
    except urllib.error.URLError as problem:
        return str(problem.reason)
    except (OSError, HTTPException, ValueError) as problem:
        return str(problem) or type(problem).__name__
    return ""


def download(url: str, target: Path, *, sha256: str) -> str:
    """Fetch a file beside its place, check it, rename it into place.

    Args:
        sha256: the first digits that the file's sha256 must have (all of them where they are known).

    Returns:
        The whole sha256.

    Raises:
        SourceError: the connection failed, or the file is another one.
        WeightsUnavailable: the file cannot be written.
    """
    aside = aside_of(target)
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest = _stream(url, aside)
            if not digest.startswith(sha256):
                raise SourceError(f"{url}: the file's sha256 is {digest}, not {sha256}; it is not used")
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    return digest


def _stream(url: str, aside: Path) -> str:
    digest = hashlib.sha256()
    with aside.open("wb") as out:
        for chunk in _chunks(url):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _chunks(url: str) -> Iterator[bytes]:
    """The file's bytes; an error of the network is not mistaken for one of the disk."""
    LOGGER.info("fetching %s", url)
    try:
        with urllib.request.urlopen(url, timeout=STALL_SECONDS) as answer:
            while chunk := answer.read(CHUNK_BYTES):
                yield chunk
    except (OSError, HTTPException) as problem:
        raise SourceError(f"{url}: {problem}") from problem
