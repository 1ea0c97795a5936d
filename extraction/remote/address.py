"""Addresses of media: `https://host/a.mp4`, `s3://bucket/a.mp4`, and what else fsspec has a file system for.

What an address says of a file is used without asking anybody: its name, and how it is shown to people,
without what may be secret in it (a password before the host, a signature after the question mark).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
OF_THE_WEB = ("http", "https")
LONGEST_NAME = 200  # bytes; file systems take 255
UNNAMED = "media"


def is_address(text: str) -> bool:
    """Tell an address from a path."""
    return ADDRESS.match(text) is not None


def scheme_of(address: str) -> str:
    """Such as https; it says by what the file is fetched."""
    return address.partition("://")[0].lower()


def place_of(address: str) -> str:
    """The host or bucket, with how it is asked: files of one place are to be had together, or not at all."""
    return f"{scheme_of(address)}://{urlsplit(address).netloc}"


def shown(address: str) -> str:
    """The address without what may be secret."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{scheme_of(address)}://{host}{parts.path}"


def joined(root: str, name: str) -> str:
    """The address of a file below a root; its name is as in a file system, with any letter in it."""
    written = quote(name) if scheme_of(root) in OF_THE_WEB else name
    return f"{root.rstrip('/')}/{written}"


def file_name(address: str) -> Path:
    """What a copy of the file is called: as there, if a file system takes it, so that rows say the same."""
    of_the_web = scheme_of(address) in OF_THE_WEB  # elsewhere ? % and # are letters like any other
    path = unquote(urlsplit(address).path) if of_the_web else address.partition("://")[2]
    name = PurePosixPath(path).name
    if not name.isprintable() or name in ("", ".", "..") or len(name.encode()) > LONGEST_NAME:
        suffix = PurePosixPath(name).suffix
        name = UNNAMED + (suffix if suffix.isprintable() and len(suffix) < LONGEST_NAME // 4 else "")
    return Path(name)


def refusal(address: str) -> str:
    """What is wrong with an address, and the remedy; "" if nothing is."""
    from fsspec import available_protocols  # takes a moment, which a corpus of files should not

    scheme = scheme_of(address)
    if "::" in address:
        return "an address within an address is not fetched; unpack the archive, and give the file's own"
    if scheme not in available_protocols():
        return f"nothing fetches {scheme}://; give http://, https://, s3://, gs:// or another that fsspec has"
    if not place_of(address).partition("://")[2]:
        return "it names no host and no bucket; give the whole address"
    return ""
