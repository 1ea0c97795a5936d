"""Where blocks of clips are worked on: engine.py says what that is, local.py does it on this machine."""

from extraction.engines.engine import Block, BlockResult, Engine, EngineError
from extraction.engines.local import InProcess, LocalProcesses, stop_workers_at_once

__all__ = [
    "Block",
    "BlockResult",
    "Engine",
    "EngineError",
    "InProcess",
    "LocalProcesses",
    "stop_workers_at_once",
]
