"""Where things are: the repository, the demo corpus, the folder of real input."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO = REPOSITORY / "data" / "demo"
SHARED = Path(os.environ.get("SUMMER_SHARED", REPOSITORY.parent / "shared"))
