"""`python -m tests.torture [--short] [PART ...]`: beat the project, say what was tried and what was found."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

SHIM = Path(__file__).with_name("failing.c")
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch: forks keep no threads
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from tests.torture.forked import SHIM_LIBRARY, has_shim, load_once  # noqa: E402 (after the environment)
from tests.torture.tally import Tally, table  # noqa: E402

PARTS = ("hostile", "media", "surroundings", "kills")
SEED = 20_261_201


def _with_shim(scratch: Path) -> None:
    """Begin anew with the shim that makes writes and locks fail, where a compiler is here to make it."""
    compiler = shutil.which("cc")
    if compiler is None or has_shim():
        return
    library = scratch / SHIM_LIBRARY
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
    again = [*sys.argv[1:], *(() if "--scratch" in sys.argv else ("--scratch", str(scratch), "--forget"))]
    os.execve(
        sys.executable,
        [sys.executable, "-m", "tests.torture", *again],
        os.environ | {"LD_PRELOAD": str(library)},
    )


def main() -> int:
    """Do the parts; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} [default: all]")
    parser.add_argument("--short", action="store_true", help="a few of each, within three minutes")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--scratch", type=Path, help="where the files go; they stay [default: a folder that goes]"
    )
    parser.add_argument("--forget", action="store_true", help="remove that folder at the end")
    parser.add_argument("--out", type=Path, help="the summary as JSON")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {min(unknown)}; there are {', '.join(PARTS)}")
    scratch = chosen.scratch or Path(tempfile.mkdtemp(prefix="torture-"))
    scratch.mkdir(parents=True, exist_ok=True)
    _with_shim(scratch)
    load_once()
    tallies: list[Tally] = []
    for part in chosen.parts or PARTS:
        begun = time.monotonic()
        done = import_module(f"tests.torture.{part}").beat(
            scratch / part, seed=chosen.seed, short=chosen.short
        )
        tallies += done
        print(f"{part}: {sum(one.tried for one in done)} tried, {time.monotonic() - begun:.0f} s", flush=True)
    if chosen.scratch is None or chosen.forget:
        shutil.rmtree(scratch, ignore_errors=True)
    if chosen.out is not None:
        chosen.out.write_text(
            json.dumps([one.to_json() for one in tallies], indent=1) + "\n", encoding="utf-8"
        )
    print(table(tallies))
    return int(any(one.found for one in tallies))


if __name__ == "__main__":
    sys.exit(main())
