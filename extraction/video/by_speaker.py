"""LFNet3D by the named speaker: who talks in a clip, then who that is in the whole corpus.

Paper: not settled there. Each clip is looked at once. Of every track that could be meant the vector, the
embedding and the facts are kept in the store; the second look is over those of all rows together, needs no
media and takes seconds (faces/identity.py): it is taken anew whenever rows are added or names corrected.

Where the named speaker is known and not in the picture, the row gets the status speaker_absent, with which it
is masked in training, or keeps the face that talks most and a remark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from extraction.extractor import fingerprint_of
from extraction.video.extractor import LFNet3D
from extraction.video.faces.identity import Faces, Recognition, learn, recognise
from summer.corpus import Status
from summer.store import Candidates, Rows

if TYPE_CHECKING:
    from extraction.video.looking import Looker

AbsentSpeaker = Literal["masked", "kept"]
EMBEDDING_DIM = 512
FACTS = ("faces", "confidence", "face_share", "face_x", "face_y", "face_size", "talking_score")
TALKS = "talks"  # the fact that is 1 of the candidate chosen by talking


class BySpeaker(LFNet3D):
    """Video extractor that chooses faces by talking and by name.

    Args:
        absent_speaker: "masked" or "kept", what becomes of rows whose speaker is not in the picture.

    Raises:
        ValueError: an option out of its range, or a backbone that does not recognise faces.
    """

    columns: Mapping[str, str] = {
        **LFNet3D.columns,
        "first_reason": "text",
        "first_choice": "text",
        "identity_distance": "float",
        "identity_margin": "float",
        "candidate": "int",  # the chosen one, from 1 on; 0: none was chosen
    }

    second_look_settings = ("absent_speaker",)

    def __init__(self, *, absent_speaker: str = "masked", **options: Any) -> None:
        super().__init__(**{**options, "face_choice": "speaker"})
        if absent_speaker not in get_args(AbsentSpeaker):
            raise ValueError(f"absent_speaker {absent_speaker!r} is not one of masked, kept")
        if self.backbone != "inception_resnet_v1":
            raise ValueError(
                f"face_choice 'speaker' with backbone {self.backbone!r}: it does not recognise people; take "
                "inception_resnet_v1, or face_choice talking"
            )
        self.absent_speaker = absent_speaker
        self.settings = {**self.settings, "absent_speaker": absent_speaker}
        self.fingerprint = fingerprint_of(self.settings)
        self.no_candidates = Candidates(
            ends=np.zeros(1, dtype=np.int64),
            vectors=np.zeros((0, self.dim), dtype=np.float32),
            embeddings=np.zeros((0, EMBEDDING_DIM), dtype=np.float32),
            facts={name: np.zeros(0) for name in (*FACTS, TALKS)},
        )

    def _looker(self) -> Looker:
        from extraction.video.looking import CandidateLooker  # imports torch: not to choose again

        return CandidateLooker(self)

    def choose_again(self, rows: Rows, candidates: Candidates) -> tuple[Rows, NDArray[np.float32]]:
        """Learn the speakers' faces from all rows, and choose by them."""
        faces = Faces(
            clip=candidates.row, embeddings=candidates.embeddings, talking=candidates.facts["talking_score"]
        )
        names = [utterance.speaker for utterance in rows.utterances]
        people, weights = learn(faces, names), faces.weights()
        settled = _Settled.of(rows, self.dim)
        for row, name in enumerate(names):
            own = candidates.of(row)
            if own.start < own.stop:
                known = people.get(name)
                found = None if known is None else recognise(known, candidates.embeddings[own], weights[own])
                settled.settle(row, name, found, candidates.rows(slice(row, row + 1)), self.absent_speaker)
        return replace(
            rows, statuses=settled.statuses, reasons=settled.reasons, columns=settled.columns
        ), settled.vectors


@dataclass(frozen=True, slots=True)
class _Settled:
    """Rows and vectors as they are to stand, filled in row by row."""

    statuses: list[Status]
    reasons: list[str]
    columns: dict[str, list[int | float | str]]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Rows, dim: int) -> _Settled:
        columns = {name: list(values) for name, values in rows.columns.items()}
        return cls(list(rows.statuses), list(rows.reasons), columns, np.zeros((len(rows), dim), np.float32))

    def settle(
        self, row: int, name: str, found: Recognition | None, own: Candidates, absent_speaker: str
    ) -> None:
        """Say of a row with candidates what identity makes of it; what was said at its look is the start."""
        first_reason, first_choice = (str(self.columns[c][row]) for c in ("first_reason", "first_choice"))
        count, chosen = len(own.vectors), int(own.facts[TALKS].argmax())
        status, reason, how = Status.OK, first_reason, first_choice
        if found is not None and found.margin < 0:
            beyond = f"of {count} faces none is {name}'s, the nearest {-found.margin:.2f} beyond the limit"
            reason = ". ".join(part for part in (f"speaker absent: {beyond}", first_reason) if part)
            status = Status.SPEAKER_ABSENT if absent_speaker == "masked" else Status.OK
        elif found is not None:
            chosen = found.candidate
            how = f"speaker: {chosen + 1} of {count} tracks, {found.distance:.2f} from {name}'s face"
        self.statuses[row], self.reasons[row] = status, reason
        if status is Status.OK:
            self.vectors[row] = own.vectors[chosen]
        self.columns["candidate"][row] = chosen + 1 if status is Status.OK else 0
        told = {fact: float(own.facts[fact][chosen]) for fact in FACTS}
        lead = _lead(own.facts["talking_score"], chosen)
        self._say(row, **told, talking_margin=lead, **_measured(found), face_choice=how)

    def _say(self, row: int, **told: float | str) -> None:
        for column, value in told.items():
            self.columns[column][row] = int(value) if column == "faces" else value


def _lead(scores: NDArray[np.float64], chosen: int) -> float:
    """By how much the chosen one talks more than any other; negative where another does; NaN: not judged."""
    return float(scores[chosen] - np.delete(scores, chosen).max()) if len(scores) > 1 else np.nan


def _measured(found: Recognition | None) -> dict[str, float]:
    distance, margin = (np.nan, np.nan) if found is None else (found.distance, found.margin)
    return {"identity_distance": distance, "identity_margin": margin}
