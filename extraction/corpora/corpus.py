"""What every reader returns: a corpus is its clips, in corpus order, and what is odd about it.

Corpus order is train, dev, test; within a split dialogue by dialogue; within a dialogue by turn. The digest
tells whether two runs saw the same annotations; where the media lie, and whether they do, is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field

from extraction.corpora.quirks import Quirks
from extraction.extractor import Clip
from summer.corpus import LabelSet, Utterance


class CorpusError(ValueError):
    """A corpus that cannot be read; the message names the file, the line, the value and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong or odd with the raw corpus.

    Args:
        kind: "missing", "corrupt", "orphan", "mis-cut", "giant", "tiny", "appledouble", "unparsable", ...
        where: utterance id, or a file or folder relative to the corpus' root.
        known: listed in the corpus' TOML, or declared so by the corpus itself.
        what: in words, with values.
        remedy: what to do about it.
    """

    kind: str
    where: str
    known: bool
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """All clips of a corpus under one protocol.

    Args:
        name: names the folder of the corpus' stores.
        protocol: the policies that change rows, labels or clips.
        clips: in corpus order.
        problems: seen while reading; no media was opened.
        media_names: the media as the annotations name them, one per clip, if they do; part of the digest.
        quirks: what the corpus' TOML lists, for the check.
        digest: sha256 over ids, order, texts, labels, speakers, turns, times and media names.

    Raises:
        CorpusError: no clips, an id twice, a label outside the label set.
    """

    name: str
    protocol: str
    labels: LabelSet
    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...]
    media_names: tuple[str, ...] = ()
    quirks: Quirks = field(default_factory=Quirks)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        utterances = [clip.utterance for clip in self.clips]
        if not utterances:
            raise CorpusError(
                f"corpus {self.name} has no utterance; check the annotation files under its root"
            )
        identifier, count = Counter(utterance.id for utterance in utterances).most_common(1)[0]
        if count > 1:
            raise CorpusError(
                f"corpus {self.name} has {count} utterances of id {identifier!r}; keep one of them"
            )
        for utterance in utterances:
            if utterance.label and utterance.label not in self.labels.names:
                raise CorpusError(
                    f"utterance {utterance.id!r} of {self.name} has label {utterance.label!r}, which is not "
                    f"one of {', '.join(self.labels.names)}; correct it, or leave it empty if it is not known"
                )
        object.__setattr__(self, "digest", _digest(utterances, self.media_names))


def _digest(utterances: list[Utterance], media_names: tuple[str, ...]) -> str:
    rows = [
        [u.id, u.split, u.dialogue, u.turn, u.speaker, u.text, u.label, u.start_seconds, u.end_seconds]
        for u in utterances
    ]
    return hashlib.sha256(json.dumps([rows, media_names]).encode()).hexdigest()
