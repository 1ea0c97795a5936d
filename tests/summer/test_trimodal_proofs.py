"""Each mechanism does what it is for, on made-up corpora whose best possible scores are known.

Bounds are closed forms of the generators (`made_up_trimodal`), with the luck of a sample; the figure of all
of them over three seeds is drawn by `python -m tests.draw_trimodal_proofs OUT.png`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from summer.corpus import Modality, Split
from summer.model.fusion import START_OF_PHI
from tests.summer.made_up_trimodal import (
    DIALOGUES,
    TURNS,
    cases_of_holes,
    cases_of_noise,
    cases_of_two,
    ceiling,
    ceiling_with_holes,
    ceiling_without_context,
    ceiling_without_speakers,
    luck,
    revealed_by_two,
    score_of_trusted_zeros,
    told_by_previous,
)
from tests.summer.trimodal_measures import (
    Reveal,
    add_noise,
    look_at_guidance,
    look_into_holes,
    reveal,
    tell_speakers_apart,
    tell_what_was_before,
    weights_of_product,
)

SEED = 0
TESTED = DIALOGUES[Split.TEST] * TURNS


@pytest.fixture(scope="module")
def revealed(tmp_path_factory: pytest.TempPathFactory) -> Reveal:
    return reveal(tmp_path_factory.mktemp("two"), SEED)


def _with_luck(limit: float) -> float:
    return limit + luck(limit, TESTED)


def test_ceilings_are_those_that_one_finds_by_hand() -> None:
    single = [ceiling(cases_of_two(), [m]) for m in Modality]
    assert single == pytest.approx([0.7, 0.5, 0.6])
    assert ceiling(cases_of_two(), [Modality.TEXT, Modality.VIDEO]) == pytest.approx(0.7)
    assert ceiling(cases_of_two(), [Modality.TEXT, Modality.AUDIO]) == pytest.approx(1.0)
    assert [ceiling(cases_of_noise(), [m]) for m in Modality] == pytest.approx([0.5, 0.5, 0.25])
    assert ceiling(cases_of_holes(), [Modality.TEXT]) == pytest.approx(0.8)


def test_a_drawn_corpus_keeps_to_its_cases() -> None:
    corpus = revealed_by_two(SEED)
    codes = {m: one.vectors.argmax(axis=1) for m, one in corpus.features.items()}
    labels = [corpus.labels.index(u.label) for u in corpus.utterances]
    both = (codes[Modality.TEXT] ^ codes[Modality.AUDIO]) == labels
    told = codes[Modality.VIDEO] == labels
    assert both.mean() > 0.999  # noise hides a code now and then
    assert abs(told.mean() - 0.6) < luck(0.6, len(labels))


def test_utterances_that_stand_alone_keep_their_labels() -> None:
    together, alone = told_by_previous(SEED, alone=False), told_by_previous(SEED, alone=True)
    assert [u.label for u in together.utterances] == [u.label for u in alone.utterances]
    assert len({u.dialogue for u in alone.utterances}) == len(alone.utterances)


@pytest.mark.slow
def test_no_teacher_is_above_what_its_modality_can_say(revealed: Reveal) -> None:
    for modality, score in revealed.teachers.items():
        assert score <= _with_luck(ceiling(cases_of_two(), [modality])), modality


@pytest.mark.slow
def test_the_student_reaches_what_no_single_modality_can(revealed: Reveal) -> None:
    best_single = max(ceiling(cases_of_two(), [m]) for m in Modality)
    assert revealed.student > (best_single + 1) / 2
    assert revealed.student > max(revealed.teachers.values()) + 0.15


@pytest.mark.slow
def test_guidance_is_learned_and_neither_masks_all_nor_nothing(revealed: Reveal) -> None:
    guidance = look_at_guidance(revealed.trained)
    assert max(abs(phi - START_OF_PHI) for phi in guidance.phis) > 0.01
    assert all(0 < share < 1 for share in guidance.masked)


@pytest.mark.slow
def test_a_modality_of_noise_is_turned_down_and_costs_next_to_nothing(tmp_path: Path) -> None:
    noise = add_noise(tmp_path, SEED)
    heard = min(noise.weights[Modality.TEXT], noise.weights[Modality.AUDIO])
    assert noise.weights[Modality.VIDEO] < heard / 2
    assert weights_of_product(tmp_path / "product", SEED)[Modality.VIDEO] < 0.1  # of 1/3 before training
    assert noise.with_video > noise.without_video - 0.02
    assert noise.with_video > 0.95  # both codes are read: of one alone, 0.5 is the most


@pytest.mark.slow
def test_what_another_speaker_means_is_learned_from_who_speaks(tmp_path: Path) -> None:
    scores = tell_speakers_apart(tmp_path, SEED)
    assert scores["merged"] <= _with_luck(ceiling_without_speakers())
    assert scores["apart"] > 0.95


@pytest.mark.slow
def test_a_missing_face_is_not_a_zero_face(tmp_path: Path) -> None:
    scores = look_into_holes(tmp_path, SEED)
    assert scores["masked"] > ceiling_with_holes() - luck(ceiling_with_holes(), TESTED) - 0.02
    assert scores["masked"] > scores["filled"] + (ceiling_with_holes() - score_of_trusted_zeros()) / 2


@pytest.mark.slow
def test_what_was_said_before_is_read(tmp_path: Path) -> None:
    scores = tell_what_was_before(tmp_path, SEED)
    assert scores["alone"] <= _with_luck(ceiling_without_context())
    assert scores["in dialogues"] > 0.95
