"""A conversation with what models say of each utterance, as files that other programs read.

    timeline.csv    one row per utterance: where, who, what, each model's guess and probabilities, statuses
    timeline.json   the same, for programs
    timeline.vtt    WebVTT: the words with the emotion below, to be shown by any player over the recording

Words and names are text in all of them: markup in them is escaped where the format has any.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from summer.corpus import LabelSet, Modality, Status, Utterance

WORDS = ("id", "scene", "turn", "start_seconds", "end_seconds", "speaker", "speaker_guessed", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One utterance and what is said of it.

    Args:
        probabilities: (cls,) by model.
        statuses: by modality that a model reads; with the reason, or a remark.
        speaker_guessed: the speaker was not named, but guessed by voice or face.
    """

    utterance: Utterance
    probabilities: Mapping[str, NDArray[np.float32]]
    statuses: Mapping[Modality, tuple[Status, str]]
    speaker_guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All utterances, in order.

    Args:
        labels: the emotions, in the order of the probabilities.
        models: the last one is the one that subtitles show.
        notes: what is to be known of the recording and the transcript, in words.
    """

    labels: LabelSet
    models: tuple[str, ...]
    rows: Sequence[Said]
    notes: tuple[str, ...] = ()

    def guess(self, row: Said, model: str) -> tuple[str, float]:
        """The likeliest emotion, and its probability."""
        best = int(row.probabilities[model].argmax())
        return self.labels.names[best], float(row.probabilities[model][best])

    def csv(self) -> str:
        """The table, with a header."""
        file = io.StringIO(newline="")
        table = csv.writer(file, lineterminator="\n")
        statuses = list(self.rows[0].statuses)
        scores = [f"{model}_{label}" for model in self.models for label in self.labels.names]
        table.writerow([*WORDS, *self.models, *scores, *(f"{modality}_status" for modality in statuses)])
        for row in self.rows:
            u = row.utterance
            table.writerow(
                [
                    *(u.id, u.dialogue, u.turn, _cell(u.start_seconds), _cell(u.end_seconds)),
                    *(u.speaker, "yes" if row.speaker_guessed else "", u.text),
                    *(self.guess(row, model)[0] for model in self.models),
                    *(f"{p:.4f}" for model in self.models for p in row.probabilities[model].tolist()),
                    *(row.statuses[modality][0].value for modality in statuses),
                ]
            )
        return file.getvalue()

    def json(self) -> str:
        """The same as an object with `labels`, `models`, `notes` and `utterances`."""
        whole = {
            "labels": list(self.labels.names),
            "models": list(self.models),
            "notes": list(self.notes),
            "utterances": [self._object(row) for row in self.rows],
        }
        return json.dumps(whole, ensure_ascii=False, indent=1)

    def _object(self, row: Said) -> dict[str, object]:
        u = row.utterance
        return {
            "id": u.id,
            "scene": u.dialogue,
            "turn": u.turn,
            "start_seconds": u.start_seconds,
            "end_seconds": u.end_seconds,
            "speaker": u.speaker,
            "speaker_guessed": row.speaker_guessed,
            "text": u.text,
            "emotions": {
                model: {
                    "guess": self.guess(row, model)[0],
                    "probabilities": dict(
                        zip(self.labels.names, (round(p, 4) for p in scores.tolist()), strict=True)
                    ),
                }
                for model, scores in row.probabilities.items()
            },
            "statuses": {
                modality.value: {"status": status.value, "reason": reason}
                for modality, (status, reason) in row.statuses.items()
            },
        }

    def webvtt(self) -> str:
        """Subtitles of the last model; an utterance without times is in none."""
        return "\n\n".join(["WEBVTT", *self._cues()]) + "\n"

    def _cues(self) -> Iterator[str]:
        for row in self.rows:
            u = row.utterance
            if u.start_seconds is None or u.end_seconds is None:
                continue
            emotion, probability = self.guess(row, self.models[-1])
            guessed = " (guessed)" if row.speaker_guessed else ""
            voice = f"<v {_escaped(u.speaker)}{guessed}>" if u.speaker else ""
            yield (
                f"{_clock(u.start_seconds)} --> {_clock(u.end_seconds)}\n"
                f"{voice}{_escaped(u.text)}\n[{emotion} {probability:.0%}]"
            )


def _cell(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def _escaped(words: str) -> str:
    """Without markup, and on one line: an empty line would end the cue."""
    return html.escape(" ".join(words.split()), quote=False)


def _clock(seconds: float) -> str:
    thousandths = round(1000 * seconds)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
