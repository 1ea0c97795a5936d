"""An extractor without media, for tests of the run: it fails, dies or errs where the words say so."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from extraction.corpora import Corpus
from extraction.extractor import Clip, Outcome
from summer.corpus import LabelSet, Modality, Split, Status, Utterance, group_dialogues

DIM = 5


@dataclass(frozen=True, kw_only=True)
class FakeExtractor:
    """Vectors from the words; "fail", "die", "err" in the words do as they say.

    Args:
        healed: a file whose presence makes failing clips succeed.
        seconds: how long a clip takes.
    """

    healed: Path | None = None
    seconds: float = 0.0
    version: str = "1"
    modality: Modality = Modality.AUDIO
    assets: Mapping[str, str] = field(default_factory=lambda: {"model": "a made-up one"})
    dim: int = DIM
    columns: Mapping[str, str] = field(default_factory=lambda: {"words": "int", "voice": "text"})
    block_rows: int = 4

    @property
    def settings(self) -> dict[str, str]:
        return {"version": self.version}

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.version.encode()).hexdigest()

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        return [self._one(clip.utterance.text) for clip in clips]

    def reads(self, clip: Clip) -> Sequence[object]:
        return [clip.utterance.text]

    def _one(self, words: str) -> Outcome:
        time.sleep(self.seconds)
        if "die" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        if "err" in words:
            raise RuntimeError(f"a bug met {words!r}")
        if "fail" in words and not (self.healed and self.healed.exists()):
            return Outcome(status=Status.CORRUPT, reason=f"cannot read {words!r}")
        digest = hashlib.sha256(f"{self.version} {words}".encode()).digest()
        vector = np.frombuffer(digest[: 4 * DIM], dtype=np.uint32).astype(np.float32)
        return Outcome(
            status=Status.OK, vector=vector, columns={"words": len(words.split()), "voice": words[:3]}
        )


def corpus_of(texts: Sequence[str], *, turns: int = 5) -> Corpus:
    """A corpus of dialogues of `turns` utterances: the first half is train, the rest dev and test."""
    utterances = []
    for row, text in enumerate(texts):
        share = row * 4 // len(texts)
        split = [Split.TRAIN, Split.TRAIN, Split.DEV, Split.TEST][share]
        dialogue, turn = divmod(row, turns)
        utterances.append(
            Utterance(
                id=f"{split}/dia{dialogue}_utt{turn}",
                split=split,
                dialogue=str(dialogue),
                turn=turn,
                speaker=f"speaker {turn % 2}",
                text=text,
                label=("joy", "anger")[row % 2],
            )
        )
    dialogue_of = {u.id: dialogue for dialogue in group_dialogues(utterances) for u in dialogue.utterances}
    return Corpus(
        name="fake",
        protocol="plain",
        labels=LabelSet(("joy", "anger")),
        clips=tuple(Clip(utterance=u, dialogue=dialogue_of[u.id]) for u in utterances),
        problems=(),
    )
