"""Dialogues read whole: each utterance in one passage, seams, vectors as transformers computes; batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from extraction.text import RobertaText
from extraction.text.batches import TrainingBatches
from extraction.text.context import Context, Frame, Turn
from extraction.text.passages import Passage, dialogue_passages
from extraction.text.pretrained import load_encoder, read_wordlist
from extraction.weights import Weights
from summer.corpus import Status
from tests.extraction.text.tiny_encoder import clips_of, dialogue_of, roberta_folder

FRAME = Frame(start=(0,), between=(2, 2), end=(2,))
LONG = {
    position: Turn((50,), tuple(range(100 + 10 * position, 104 + 10 * position))) for position in range(9)
}
FRIENDS = dialogue_of([("Monica", "so what are we doing?"), ("Ross", " "), ("Ross", "I hate it.")])


def context(window: int, past: int = 0, future: int = 0) -> Context:
    return Context(
        speakers="tokens", past_tokens=past, future_tokens=future, window_tokens=window, reading="dialogue"
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return roberta_folder(tmp_path_factory.mktemp("roberta"))


def reader(weights: Weights, **more: object) -> RobertaText:
    return RobertaText(weights=weights, reading="dialogue", vector="mean", **more)  # type: ignore[arg-type]


def test_a_dialogue_that_fits_is_one_passage_of_its_own_words() -> None:
    [passage] = dialogue_passages({0: LONG[0], 1: Turn((51,), ()), 2: LONG[2]}, context(64), FRAME)
    assert passage.ids == (0, 50, 100, 101, 102, 103, 2, 50, 120, 121, 122, 123, 2)
    assert passage.clips == (0, 2)
    assert [passage.ids[start:stop] for start, stop in passage.words] == [LONG[0].words, LONG[2].words]


@pytest.mark.parametrize(("window", "past", "future"), [(25, 0, 0), (33, 6, 7), (40, 99, 99), (12, 3, 3)])
def test_a_long_dialogue_gives_each_utterance_once_in_passages_no_longer_than_the_window(
    window: int, past: int, future: int
) -> None:
    passages = list(dialogue_passages(LONG, context(window, past, future), FRAME))
    assert len(passages) > 1
    assert [position for passage in passages for position in passage.clips] == list(LONG)
    assert max(len(passage.ids) for passage in passages) <= window
    for passage in passages:
        for position, (start, stop), cut in zip(
            passage.clips, passage.words, passage.cut_tokens, strict=True
        ):
            whole = LONG[position].words
            assert passage.ids[start:stop] == whole[: len(whole) - cut]


def test_what_is_read_along_at_a_seam_stands_before_and_after() -> None:
    _, second, *_ = dialogue_passages(LONG, context(33, 6, 7), FRAME)
    first, last = second.clips[0], second.clips[-1]
    assert second.ids[1:7] == (50, *LONG[first - 1].words, 2)
    after = second.words[-1][1] + 1
    assert second.ids[after : after + 6] == (50, *LONG[last + 1].words, 2)


def test_vectors_are_means_over_the_words_of_one_pass_over_the_dialogue(tiny: Weights) -> None:
    found = reader(tiny)(clips_of(FRIENDS))
    assert [outcome.status for outcome in found] == [Status.OK, Status.MISSING, Status.OK]
    words = read_wordlist(tiny.path, "tokens")
    [a, b] = words.tokenise([" so what are we doing?", " I hate it."])
    slots = words.frame.slots
    ids = [*words.frame.start, slots[0], *a, *words.frame.end, slots[1], *b, *words.frame.end]
    encoder = load_encoder(tiny.path, "tokens").eval()
    with torch.inference_mode():
        states = encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
    for outcome, start, length in ((found[0], 2, len(a)), (found[2], 4 + len(a), len(b))):
        assert outcome.vector is not None
        wanted = states[start : start + length].mean(dim=0).numpy()
        assert np.allclose(outcome.vector, wanted, atol=1e-5)


def test_a_block_that_ends_within_a_dialogue_reads_the_rest_of_it_as_well(tiny: Weights) -> None:
    clips = clips_of(FRIENDS)
    [_, _, whole], [alone] = reader(tiny)(clips), reader(tiny)(clips[2:])
    assert whole.vector is not None
    assert alone.vector is not None
    assert np.allclose(alone.vector, whole.vector, atol=1e-5)


def test_a_dialogue_of_silence_has_no_vector(tiny: Weights) -> None:
    [only] = reader(tiny)(clips_of(dialogue_of([("Ross", "")])))
    assert only.status is Status.MISSING


def test_the_reading_is_part_of_the_fingerprint_and_old_stores_stay_valid(tiny: Weights) -> None:
    assert "reading" not in RobertaText(weights=tiny).settings
    assert reader(tiny).settings["reading"] == "dialogue"


def test_the_start_token_of_a_dialogue_is_refused_as_the_vector_of_an_utterance(tiny: Weights) -> None:
    with pytest.raises(ValueError, match=r"one start token.*text\.vector"):
        RobertaText(weights=tiny, reading="dialogue")
    with pytest.raises(ValueError, match="reading 'chapter' is not one of utterance, dialogue"):
        RobertaText(weights=tiny, reading="chapter", vector="mean")


def passages_of(sizes: list[int]) -> list[Passage]:
    one = Passage(ids=(1,) * 9, clips=(0,), words=((1, 2),), cut_tokens=(0,))
    return [replace(one, ids=(1,) * (9 * size), clips=(0,) * size) for size in sizes]


@pytest.mark.parametrize("sizes", [[1] * 50, [1, 30, 2, 2, 8, 1, 1, 24, 3], [40], [1, 1, 90]])
def test_training_batches_hold_each_passage_once_and_are_as_many_each_epoch(sizes: list[int]) -> None:
    batches = TrainingBatches(passages_of(sizes), utterances=8, seed=0)
    for epoch in range(3):
        batches.set_epoch(epoch)
        dealt = list(batches)
        assert len(dealt) == len(batches)
        assert all(dealt)
        assert sorted(position for batch in dealt for position in batch) == list(range(len(sizes)))


def test_training_batches_are_of_about_as_many_utterances_whatever_the_lengths() -> None:
    sizes = [1 + number % 12 for number in range(300)]
    dealt = list(TrainingBatches(passages_of(sizes), utterances=32, seed=1))
    counts = [sum(sizes[position] for position in batch) for batch in dealt]
    assert max(counts) < 32 + 12
    assert min(counts) > 32 - 12


def test_training_batches_differ_by_epoch_and_not_by_run() -> None:
    first, again = (TrainingBatches(passages_of([1] * 64), utterances=8, seed=3) for _ in range(2))
    assert list(first) == list(again)
    again.set_epoch(1)
    assert list(first) != list(again)


def test_padding_is_less_than_half_of_what_batches_of_chance_would_have() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 24, size=1000).tolist()
    lengths = [9 * size for size in sizes]

    def padding(batches: list[list[int]]) -> int:
        return sum(len(batch) * max(lengths[row] for row in batch) for batch in batches) - sum(lengths)

    dealt = list(TrainingBatches(passages_of(sizes), utterances=32, seed=0))
    by_chance = [list(range(start, min(start + 3, 1000))) for start in range(0, 1000, 3)]
    assert 0 < padding(dealt) < padding(by_chance) / 2
