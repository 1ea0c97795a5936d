"""Out-of-fold reading of faces: which dialogues each network was tuned without, and who reads a clip.

A network that was tuned on a corpus' emotions has seen the labels of the training rows that it then reads;
their vectors look surer than those of new rows. So `summer-tune` deals the training dialogues into K folds
and tunes a network without each (tuning_folds.py); one file holds them all (network/folded.py). Each training
row is read by the network that did not see its dialogue; all other rows, also those of a dialogue that the
file does not know, are read by one more network, tuned on the "whole" training split, or get the "mean" of
what the K read.

The file keeps the ids of all training utterances, because it is told by rows whether a corpus is the one that
was dealt: an utterance that was tuned on and now stands in another split, dialogue or fold would be read by a
network that has seen it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

from extraction.corpora import Corpus
from extraction.extractor import Clip
from extraction.folds import NewRows, deal, fold_of_clip
from summer.corpus import Split

WHOLE = "whole"


class FoldsError(ValueError):
    """Folds that do not go with a corpus or a recipe; the message names both and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFolds:
    """How the training dialogues of a corpus were dealt, and who reads new rows.

    Args:
        corpus: its name.
        count: how many folds there are.
        fold_of: fold of each training dialogue, from 0.
        utterances: ids of each training dialogue's.
    """

    corpus: str
    count: int
    new_rows: NewRows
    fold_of: Mapping[str, int]
    utterances: Mapping[str, tuple[str, ...]]

    @classmethod
    def dealt(cls, corpus: Corpus, folds: int, new_rows: NewRows) -> VideoFolds:
        """Deal the training dialogues of a corpus.

        Raises:
            ValueError: fewer than two folds, or than three to average; fewer training dialogues than folds.
        """
        training = [clip for clip in corpus.clips if clip.utterance.split is Split.TRAIN]
        return cls(
            corpus=corpus.name,
            count=folds,
            new_rows=new_rows,
            fold_of=deal(corpus.clips, folds, new_rows, table="video"),
            utterances={
                name: tuple(clip.utterance.id for clip in clips)
                for name, clips in groupby(training, key=lambda clip: clip.dialogue.name)
            },
        )

    @property
    def networks(self) -> tuple[str, ...]:
        """Their names, in the order in which they are numbered; `whole` is the last, where there is one."""
        folds = tuple(f"fold_{fold + 1}" for fold in range(self.count))
        return (*folds, WHOLE) if self.new_rows == "whole" else folds

    @property
    def reference(self) -> int:
        """The network whose axes all vectors have: the one tuned on all, else that of the first fold."""
        return self.count if self.new_rows == "whole" else 0

    def fold(self, clip: Clip) -> int | None:
        """The clip's fold; None of a clip that is read as new rows are."""
        return fold_of_clip(clip, self.fold_of)

    def readers(self, fold: int | None) -> Sequence[int]:
        """The networks that read a row; where there are several, their mean is its vector."""
        if fold is not None:
            return (fold,)
        return (self.reference,) if self.new_rows == "whole" else range(self.count)

    def dialogues_of(self, folds: Collection[int]) -> set[str]:
        """The training dialogues of some folds."""
        return {name for name, fold in self.fold_of.items() if fold in folds}

    def check(self, corpus: Corpus) -> None:
        """Refuse a corpus of which a row would be read by a network that has seen it.

        A corpus without training rows has new rows only, whatever its name.

        Raises:
            FoldsError: another corpus, or this one with other splits, dialogues or ids.
        """
        training = [clip for clip in corpus.clips if clip.utterance.split is Split.TRAIN]
        if corpus.name != self.corpus:
            if training:
                raise FoldsError(
                    f"the networks of video.weights were tuned without folds of corpus {self.corpus!r}, and "
                    f"{corpus.name!r} has {len(training)} training rows of its own; tune on {corpus.name!r}, "
                    "or give one network's file, which reads all rows alike"
                )
            return
        self._refuse_rows_elsewhere(corpus.clips)
        self._refuse_other_ids(training)

    def _refuse_rows_elsewhere(self, clips: Sequence[Clip]) -> None:
        dealt = {name: self.fold_of[dialogue] for dialogue, ids in self.utterances.items() for name in ids}
        moved = [
            clip
            for clip in clips
            if clip.utterance.id in dealt and self.fold(clip) != dealt[clip.utterance.id]
        ]
        if moved:
            first = moved[0]
            raise FoldsError(
                f"{len(moved)} training rows of corpus {self.corpus!r} were in other folds when the networks "
                f"of video.weights were tuned: {first.utterance.id} was in fold "
                f"{dealt[first.utterance.id] + 1} of {self.count} and is in dialogue "
                f"{first.dialogue.name!r} of {first.utterance.split} now, so that it would be read by a "
                "network that has seen it; put the annotations back, or tune again"
            )

    def _refuse_other_ids(self, training: Sequence[Clip]) -> None:
        present: dict[str, set[str]] = {}
        for clip in training:
            present.setdefault(clip.dialogue.name, set()).add(clip.utterance.id)
        strange = [
            name
            for name, ids in present.items()
            if name in self.fold_of and ids.isdisjoint(self.utterances[name])
        ]
        if strange:
            raise FoldsError(
                f"{len(strange)} training dialogues of corpus {self.corpus!r} have none of the utterances "
                f"that they had when the networks of video.weights were tuned, {strange[0]!r} the first: ids "
                "or dialogues have other names; put the annotations back, or tune again"
            )

    @property
    def record(self) -> Mapping[str, Any]:
        """All of it, as JSON has it."""
        return {
            "corpus": self.corpus,
            "count": self.count,
            "new_rows": self.new_rows,
            "dialogues": [[name, self.fold_of[name], list(ids)] for name, ids in self.utterances.items()],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> VideoFolds:
        """Read what `record` says.

        Raises:
            KeyError, TypeError, ValueError: it is no such record.
        """
        if record["new_rows"] not in get_args(NewRows):
            raise ValueError(f"new_rows {record['new_rows']!r}")
        return cls(
            corpus=record["corpus"],
            count=int(record["count"]),
            new_rows=record["new_rows"],
            fold_of={name: fold for name, fold, _ in record["dialogues"]},
            utterances={name: tuple(ids) for name, _, ids in record["dialogues"]},
        )
