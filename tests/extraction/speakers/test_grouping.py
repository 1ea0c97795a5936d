"""Voices and faces to speakers: made-up people, names that win, lines of which nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from extraction.speakers.grouping import MOST_LINES, Heard, distances_between, guessed_speakers

DIM = 128


def people(count: int) -> NDArray[np.float64]:
    """Unit vectors, all at right angles."""
    return np.eye(DIM)[:count]


def near(person: NDArray[np.float64], seed: int, *, spread: float = 0.03) -> NDArray[np.float64]:
    """A vector of that person's, about 0.1 away in cosine."""
    vector = person + np.random.default_rng(seed).normal(0, spread, DIM)
    return vector / np.linalg.norm(vector)


def spoken(turns: Sequence[int], *, names: Sequence[str] | None = None) -> list[Heard]:
    """A line by each of these people, told apart by voice."""
    voices = people(max(turns) + 1)
    given = names or [""] * len(turns)
    told = zip(turns, given, strict=True)
    return [Heard(name=name, voice=near(voices[who], k)) for k, (who, name) in enumerate(told)]


def named(lines: Sequence[Heard]) -> list[str]:
    return [guess.name for guess in guessed_speakers(lines)]


def test_two_voices_are_two_speakers_in_order_of_their_first_line() -> None:
    guesses = guessed_speakers(spoken([1, 0, 1, 1, 0]))
    assert [guess.name for guess in guesses] == [f"Speaker {k}" for k in (1, 2, 1, 1, 2)]
    assert all(guess.is_guessed and guess.is_sure for guess in guesses)


def test_forty_speakers_are_told_apart() -> None:
    turns = [k % 40 for k in range(160)]
    assert adjusted_rand_score(turns, named(spoken(turns))) == 1
    assert named(spoken(turns))[:40] == [f"Speaker {k}" for k in range(1, 41)]


def test_one_line_is_one_speaker_and_none_is_none() -> None:
    assert named(spoken([0])) == ["Speaker 1"]
    assert guessed_speakers([]) == []


def test_a_line_of_which_nothing_is_known_stays_without_a_name() -> None:
    guesses = guessed_speakers([*spoken([0, 0]), Heard()])
    assert [guess.name for guess in guesses] == ["Speaker 1", "Speaker 1", ""]
    assert not guesses[2].is_guessed
    assert named([Heard(), Heard()]) == ["", ""]


def test_names_that_are_given_win_and_nameless_lines_go_to_the_nearest() -> None:
    lines = spoken([0, 1, 0, 1, 2], names=["Ada", "Ben", "", "", ""])
    guesses = guessed_speakers(lines)
    assert [guess.name for guess in guesses] == ["Ada", "Ben", "Ada", "Ben", "Speaker 1"]
    assert [guess.is_guessed for guess in guesses] == [False, False, True, True, True]


def test_a_name_is_kept_whatever_the_voice_says() -> None:
    assert named(spoken([0, 0, 0], names=["Ada", "Ben", "Ada"])) == ["Ada", "Ben", "Ada"]


def test_a_number_that_the_transcript_has_given_is_not_given_again() -> None:
    assert named(spoken([0, 1, 2], names=["Speaker 1", "", ""])) == ["Speaker 1", "Speaker 2", "Speaker 3"]


def test_a_face_tells_apart_what_the_voice_does_not() -> None:
    faces = people(2)
    one = near(people(1)[0], 0)
    lines = [Heard(voice=one, face=near(faces[who], 10 + who, spread=0.01)) for who in (0, 1, 0)]
    apart = distances_between(lines)
    assert apart[0, 1] == pytest.approx(np.linalg.norm(lines[0].face - lines[1].face) / 2, abs=1e-6)
    alone = [Heard(face=line.face) for line in lines]
    assert named(alone) == ["Speaker 1", "Speaker 2", "Speaker 1"]


def test_lines_that_have_nothing_in_common_are_as_far_as_one_speaker_reaches() -> None:
    lines = [Heard(voice=people(1)[0]), Heard(face=people(1)[0])]
    assert distances_between(lines)[0, 1] == 1
    assert named(lines) == ["Speaker 1", "Speaker 2"]


def test_a_voice_between_two_is_not_sure() -> None:
    first, second = people(2)
    between = (first + second) / np.sqrt(2)
    lines = [Heard(voice=voice) for voice in (first, first, second, second, between)]
    assert [guess.is_sure for guess in guessed_speakers(lines)] == [True, True, True, True, False]


def test_more_lines_than_can_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="4,001 lines are more than the 4,000"):
        guessed_speakers([Heard()] * (MOST_LINES + 1))
