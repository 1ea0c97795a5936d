"""What a folder says of its encoder, as far as a store needs it before any clip is read.

To be told takes transformers, and seconds. So it is asked once of each folder, of its files but the weights,
and under each version of the libraries; then it is known (extraction/weights/memory.py).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from extraction.weights.memory import known_sha256, remembered

SUFFIXES = (".json", ".txt", ".model")  # of configurations, tokenizers and word lists
LIBRARIES = ("transformers", "tokenizers")


class TextModelError(ValueError):
    """A folder whose model or tokenizer cannot serve as an encoder of utterances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """An encoder, in short.

    Args:
        kind: what transformers calls it: "roberta".
        width: of its vectors.
        most_tokens: of an input, special ones included.
    """

    kind: str
    layers: int
    width: int
    most_tokens: int


def described(folder: Path) -> Description:
    """What the folder's model is.

    Raises:
        TextModelError: it cannot be read, is no encoder, or its tokenizer lacks the tokens of one.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    of = [[(path.name, known_sha256(path)) for path in files], [version(name) for name in LIBRARIES]]

    def ask() -> str:
        from extraction.text.pretrained import describe  # imports transformers

        return json.dumps(asdict(describe(folder)))

    return Description(**json.loads(remembered("text-model", of, ask)))
