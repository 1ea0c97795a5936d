"""What is known of a corpus as it really is, read from its versioned TOML.

The shipped files are `extraction/corpora/<corpus>/<corpus>.toml`. Copy one, correct it, and give it with
the policy `quirks=PATH`: it is read instead of the shipped one. An unknown key or a value of the wrong kind
is an error.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Sequence
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")


class QuirksError(ValueError):
    """A list of quirks that cannot be used; the message names the file, the key, the value and the remedy."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Known:
    """A known problem and its policy.

    Args:
        kind: as `Problem.kind`.
        clips: ids of utterances, or of clips that have none.
        dialogues: `split/number`; stands for every clip of the dialogue.
    """

    kind: str
    clips: tuple[str, ...] = ()
    dialogues: tuple[str, ...] = ()
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ExpectedMedia:
    """How the media of a corpus usually are; the check reports what differs. Empty: anything goes.

    Args:
        pictures: width and height in pixels, as stored.
        tolerance_seconds: by how much a clip's duration may differ from its annotation.
        giant_seconds: a clip longer than this is worth a word.
        tiny_frames: so is one with fewer frames.
        tiny_is_known: tiny clips whose annotation is equally short are a known trait of the corpus.
    """

    pictures: tuple[tuple[int, int], ...] = ()
    frame_rates_hertz: tuple[float, ...] = ()
    sample_rates_hertz: tuple[int, ...] = ()
    channel_layouts: tuple[str, ...] = ()
    tolerance_seconds: float = Field(default=0.1, gt=0)
    giant_seconds: float = Field(default=120.0, gt=0)
    tiny_frames: int = Field(default=8, ge=1)
    tiny_is_known: bool = False


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Quirks:
    """What the TOML of every corpus holds.

    Args:
        version: of the form of this file.
        date: when the facts were last looked at.
        sources: where they come from.
    """

    version: Literal[1] = 1
    date: datetime.date | None = None
    sources: tuple[str, ...] = ()
    media: ExpectedMedia = field(default_factory=ExpectedMedia)
    known: tuple[Known, ...] = ()

    def known_of(self, identifier: str) -> Sequence[Known]:
        """The known problems of one clip, those of its whole dialogue aside."""
        return [entry for entry in self.known if identifier in entry.clips]

    def listed(self, kind: str, identifier: str, dialogue: str = "") -> Known | None:
        """What is known of a problem of this kind with a clip, or with its dialogue (`split/number`)."""
        for entry in self.known:
            if entry.kind == kind and (identifier in entry.clips or dialogue in entry.dialogues):
                return entry
        return None


SomeQuirks = TypeVar("SomeQuirks", bound=Quirks)


def load_quirks(kind: type[SomeQuirks], corpus: str, replacement: str | None) -> SomeQuirks:
    """Read the shipped list of a corpus, or the user's own instead.

    Args:
        kind: the dataclass that the file must fit; the shipped file lies beside its module.
        corpus: name of the shipped file, less `.toml`.
        replacement: path of the user's own file; None for the shipped one.

    Raises:
        QuirksError: no such file, not TOML, an unknown key, a value of the wrong kind.
    """
    shipped = files(kind.__module__.rpartition(".")[0]) / f"{corpus}.toml"
    path = replacement or str(shipped)
    try:
        text = Path(replacement).read_text("utf-8") if replacement else shipped.read_text("utf-8")
        return TypeAdapter(kind).validate_python(tomllib.loads(text))
    except OSError as error:
        raise QuirksError(f"quirks {path} cannot be read: {error.strerror}; copy {shipped} there") from error
    except UnicodeDecodeError as error:
        raise QuirksError(f"quirks {path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except RecursionError as error:
        raise QuirksError(f"quirks {path} are nested too deeply; compare with {shipped}") from error
    except tomllib.TOMLDecodeError as error:
        raise QuirksError(f"quirks {path} is not TOML: {error}; correct that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise QuirksError(
            f"quirks {path}: {key} = {first['input']!r}: {first['msg'].lower()}; compare with {shipped}"
        ) from error
