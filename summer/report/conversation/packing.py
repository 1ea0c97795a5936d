"""Conversations as compact JSON, as the page's script draws them.

    {"labels": [...], "models": [...], "speakers": [...], "modalities": [...],
     "states": [[modality, status, reason], ...],
     "conversations": [{"name": ..., "film": ..., "utterances": [...]}, ...]}

An utterance holds positions in these lists instead of words, and leaves out what it lacks:

    {"id": ..., "speaker": 3, "guessed": 1, "words": ..., "from": 0.0, "to": 1.5, "truth": 0,
     "says": [[0, 9120, 880], null], "states": [2], "faces": "data:image/jpeg;base64,...",
     "peaks": [0, 99, ...], "attends": [[310, 17, 4, 0, 120, 3, 1, 55], null]}

`says` has, per model, the position of the most probable label and the probabilities in ten thousandths;
`states` what is not plainly ok; `peaks` hundredths. `attends` has, per model, in thousandths the share of
attention that the utterance itself got, the mean of all that could be looked at, and of the four others that
got most: place of the utterance, position of the modality, share.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from summer.corpus import Status
from summer.report.conversation.shown import (
    ShownAttention,
    ShownConversation,
    ShownUtterance,
    picture_type,
)

PROBABILITY, PEAK, WEIGHT = 10_000, 100, 1000  # what 1 is written as
MOST_ATTENDED = 4
SECONDS_DIGITS = 2


@dataclass(slots=True)
class _Register:
    """Words by their position, in order of their first use."""

    places: dict[Any, int] = field(default_factory=dict)

    def place(self, word: Any) -> int:
        return self.places.setdefault(word, len(self.places))


def packed(conversations: Sequence[ShownConversation]) -> dict[str, Any]:
    """Conversations of one label set as what JSON is made of.

    Raises:
        ValueError: they are of several label sets, or there is none.
    """
    label_sets = list(dict.fromkeys(conversation.labels for conversation in conversations))
    if len(label_sets) != 1:
        raise ValueError(
            f"{len(conversations)} conversations of {len(label_sets)} label sets; give some, "
            "all of the same labels"
        )
    return _Packing(label_sets[0], _models(conversations)).packed(conversations)


def as_json(content: Any) -> str:
    """JSON that may stand in a `<script>` of an HTML page: no letter of it can end the script."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":  # in JSON these stand inside of strings alone
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text.encode("utf-8", "replace").decode()


def _models(conversations: Iterable[ShownConversation]) -> list[str]:
    said = (
        model
        for each in conversations
        for one in each.utterances
        for model in (*one.probabilities, *one.attends)
    )
    return list(dict.fromkeys(said))


class _Packing:
    def __init__(self, labels: tuple[str, ...], models: list[str]) -> None:
        self._labels, self._models = labels, models
        self._speakers, self._states, self._modalities = _Register(), _Register(), _Register()

    def packed(self, conversations: Sequence[ShownConversation]) -> dict[str, Any]:
        for modality in (m for each in conversations for one in each.utterances for m in one.modalities):
            self._modalities.place(modality)
        drawn = [self._conversation(conversation) for conversation in conversations]
        return {
            "labels": self._labels,
            "models": self._models,
            "speakers": list(self._speakers.places),
            "modalities": list(self._modalities.places),
            "states": list(self._states.places),
            "conversations": drawn,
        }

    def _conversation(self, conversation: ShownConversation) -> dict[str, Any]:
        place_of = {utterance.id: place for place, utterance in enumerate(conversation.utterances)}
        entry: dict[str, Any] = {
            "name": conversation.name,
            "utterances": [self._utterance(utterance, place_of) for utterance in conversation.utterances],
        }
        if conversation.film is not None:
            entry["film"] = quote(conversation.film)
        return entry

    def _utterance(self, one: ShownUtterance, place_of: dict[str, int]) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "id": one.id,
            "speaker": self._speakers.place(one.speaker),
            "words": one.words,
        }
        if one.speaker_guessed:
            entry["guessed"] = 1
        if one.start_seconds is not None and one.end_seconds is not None:
            entry["from"] = round(one.start_seconds, SECONDS_DIGITS)
            entry["to"] = round(one.end_seconds, SECONDS_DIGITS)
        if one.truth is not None:
            entry["truth"] = self._labels.index(one.truth)
        if one.probabilities:
            entry["says"] = [self._says(one, model) for model in self._models]
        if states := [
            self._states.place((modality, state.status, state.reason))
            for modality, state in one.modalities.items()
            if state.status is not Status.OK or state.reason
        ]:
            entry["states"] = states
        if one.faces is not None:
            entry["faces"] = f"data:{picture_type(one.faces)};base64,{b64encode(one.faces).decode()}"
        if len(one.peaks):
            entry["peaks"] = [round(PEAK * min(peak, 1.0)) for peak in one.peaks]
        if one.attends:
            entry["attends"] = [self._attends(one.attends.get(model), place_of) for model in self._models]
        return entry

    def _attends(self, attention: ShownAttention | None, place_of: dict[str, int]) -> list[int] | None:
        if attention is None:
            return None
        entry = [round(WEIGHT * attention.itself), round(WEIGHT * attention.mean)]
        for one in attention.others[:MOST_ATTENDED]:
            weight = round(WEIGHT * one.weight)
            entry += [place_of[one.id], self._modalities.place(one.modality), weight]
        return entry

    def _says(self, one: ShownUtterance, model: str) -> list[int] | None:
        shares = one.probabilities.get(model)
        if shares is None:
            return None
        ordered = [shares[label] for label in self._labels]
        return [ordered.index(max(ordered)), *(round(PROBABILITY * share) for share in ordered)]
