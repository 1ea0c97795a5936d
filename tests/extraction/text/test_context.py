"""What is read for an utterance: layout, budgets, cuts, speakers. Words are tokens here, without a model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extraction.extractor import Clip
from extraction.text.context import (
    SPEAKER_SLOTS,
    Context,
    Frame,
    TextInput,
    read_inputs,
)
from tests.extraction.text.tiny_encoder import clips_of, dialogue_of

START, SEPARATOR, END, FIRST_SLOT, FIRST_WORD = 0, 1, 2, 100, 1000
FRAME = Frame(
    start=(START,),
    between=(SEPARATOR, SEPARATOR),
    end=(END,),
    slots=tuple(range(FIRST_SLOT, FIRST_SLOT + SPEAKER_SLOTS)),
)
FRIENDS = dialogue_of(
    [("Monica", "a b"), ("Ross", "c d e"), ("Monica", "f"), ("Ross", "g h"), ("Phoebe", "i j k")]
)


class Words:
    """A tokenizer of whole words that keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.words: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        self.seen += texts
        for word in " ".join(texts).split():
            if word not in self.words:
                self.words.append(word)
        return [[FIRST_WORD + self.words.index(word) for word in text.split()] for text in texts]

    def spell(self, ids: Sequence[int]) -> str:
        names = {START: "<s>", SEPARATOR: "/", END: "</s>"}
        slots = {token: f"[{slot}]" for slot, token in enumerate(FRAME.slots)}
        words = {FIRST_WORD + place: word for place, word in enumerate(self.words)}
        return " ".join((names | slots | words)[token] for token in ids)


def context(past: int = 0, future: int = 0, window: int = 100, speakers: str = "tokens") -> Context:
    return Context(speakers=speakers, past_tokens=past, future_tokens=future, window_tokens=window)


def read(clip: Clip, how: Context) -> tuple[str, TextInput]:
    words = Words()
    [entry] = read_inputs([clip], how, FRAME, words)
    assert entry is not None
    return words.spell(entry.ids), entry


@pytest.mark.parametrize(
    ("past", "future", "spelled"),
    [
        (0, 0, "<s> [0] f </s>"),
        (99, 0, "<s> [0] a b [1] c d e / / [0] f </s>"),
        (0, 99, "<s> [0] f / / [1] g h [2] i j k </s>"),
        (99, 99, "<s> [0] a b [1] c d e / / [0] f / / [1] g h [2] i j k </s>"),
    ],
)
def test_an_input_is_laid_out_as_in_the_paper(past: int, future: int, spelled: str) -> None:
    assert read(clips_of(FRIENDS)[2], context(past, future))[0] == spelled


@pytest.mark.parametrize(
    ("past", "spelled"),
    [
        (1, "<s> [0] f </s>"),  # a speaker without a word says nothing
        (2, "<s> [1] e / / [0] f </s>"),
        (4, "<s> [1] c d e / / [0] f </s>"),
        (5, "<s> [1] c d e / / [0] f </s>"),
        (6, "<s> [0] b [1] c d e / / [0] f </s>"),
    ],
)
def test_the_farthest_past_utterance_loses_its_first_words_and_keeps_its_speaker(
    past: int, spelled: str
) -> None:
    assert read(clips_of(FRIENDS)[2], context(past))[0] == spelled


def test_the_farthest_future_utterance_loses_its_last_words() -> None:
    assert read(clips_of(FRIENDS)[2], context(future=5))[0] == "<s> [0] f / / [1] g h [2] i </s>"


@pytest.mark.parametrize(
    ("window", "spelled"),
    [
        (17, "<s> [0] a b [1] c d e / / [0] f / / [1] g </s>"),
        (16, "<s> [0] a b [1] c d e / / [0] f </s>"),
        (8, "<s> [1] e / / [0] f </s>"),
    ],
)
def test_in_a_small_window_the_future_gives_way_before_the_past(window: int, spelled: str) -> None:
    assert read(clips_of(FRIENDS)[2], context(99, 99, window))[0] == spelled


def test_an_utterance_is_cut_only_when_it_alone_exceeds_the_window_and_the_cut_is_counted() -> None:
    dialogue = dialogue_of([("Ross", "x " * 5), ("Monica", " ".join(f"w{n}" for n in range(20)))])
    spelled, entry = read(clips_of(dialogue)[1], context(50, 50, window=23))
    assert (spelled.split()[-2], entry.cut_tokens, len(entry.ids)) == ("w19", 0, 23)
    spelled, entry = read(clips_of(dialogue)[1], context(50, 50, window=12))
    assert spelled == "<s> [0] w0 w1 w2 w3 w4 w5 w6 w7 w8 </s>".replace("[0]", "[1]")
    assert entry.cut_tokens == 11


def test_the_words_interval_holds_the_words_without_their_speaker() -> None:
    spelled, entry = read(clips_of(FRIENDS)[3], context(99, 99))
    assert spelled.split()[slice(*entry.words)] == ["g", "h"]


def test_names_are_written_out_only_where_they_are_asked_for() -> None:
    clip = clips_of(FRIENDS)[1]
    assert read(clip, context(9, speakers="names"))[0] == "<s> Monica: a b / / Ross: c d e </s>"
    assert read(clip, context(9, speakers="none"))[0] == "<s> a b / / c d e </s>"
    words = Words()
    read_inputs(clips_of(FRIENDS), context(99, 99), FRAME, words)
    assert not any(name in text for text in words.seen for name in ("Monica", "Ross", "Phoebe"))


def test_slots_count_speakers_of_their_own_dialogue_only() -> None:
    one = dialogue_of([("Ross", "a"), ("Monica", "b")], name="1")
    other = dialogue_of([("Monica", "a"), ("Joey", "b")], name="2")
    words = Words()
    entries = read_inputs(clips_of(one, other), context(9, 9), FRAME, words)
    assert entries[:2] == entries[2:]


def test_speakers_beyond_the_last_slot_share_it() -> None:
    crowd = dialogue_of([(f"guest {number}", "hello") for number in range(SPEAKER_SLOTS + 2)])
    last = f"<s> [{SPEAKER_SLOTS - 1}] hello </s>"
    assert [read(clip, context())[0] for clip in clips_of(crowd)[-3:]] == [last] * 3


def test_an_utterance_without_words_has_no_input_and_stands_in_no_context() -> None:
    dialogue = dialogue_of([("Ross", "a"), ("Monica", " \t"), ("Joey", ""), ("Ross", "b")])
    words = Words()
    entries = read_inputs(clips_of(dialogue), context(9, 9), FRAME, words)
    assert [entry and words.spell(entry.ids) for entry in entries] == [
        "<s> [0] a / / [0] b </s>",
        None,
        None,
        "<s> [0] a / / [0] b </s>",
    ]


def test_each_utterance_is_tokenised_once_however_many_contexts_it_stands_in() -> None:
    words = Words()
    read_inputs(clips_of(FRIENDS) * 3, context(99, 99), FRAME, words)
    assert sorted(words.seen) == [" a b", " c d e", " f", " g h", " i j k"]


def test_utterances_out_of_reach_are_not_even_tokenised() -> None:
    endless = dialogue_of([("Ross", f"w{turn}") for turn in range(1000)])
    words = Words()
    read_inputs(clips_of(endless)[500:501], context(3, 2), FRAME, words)
    assert words.seen == [f" w{turn}" for turn in range(497, 503)]


def test_a_clip_from_another_dialogue_is_an_error_that_names_it() -> None:
    stray = Clip(utterance=clips_of(FRIENDS)[0].utterance, dialogue=dialogue_of([("Ross", "a")], name="9"))
    stray = Clip(
        utterance=clips_of(dialogue_of([("A", "a")], name="7"))[0].utterance, dialogue=stray.dialogue
    )
    with pytest.raises(ValueError, match="train/dia7_utt0 is not in its dialogue 9"):
        read_inputs([stray], context(), FRAME, Words())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speakers": "colours"}, "'colours' is not one of tokens, names, none"),
        ({"past": -1}, "-1 past"),
        ({"window": 7}, "window of 7 tokens"),
    ],
)
def test_an_option_out_of_range_is_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        context(**options)


turns = st.lists(
    st.tuples(st.sampled_from("ABC"), st.lists(st.sampled_from("uvwxyz"), max_size=6).map(" ".join)),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=200)
@given(turns, st.integers(0, 12), st.integers(0, 12), st.integers(8, 30), st.data())
def test_no_input_exceeds_its_budgets_or_depends_on_the_other_clips_of_its_block(
    spoken: list[tuple[str, str]], past: int, future: int, window: int, data: st.DataObject
) -> None:
    clips = clips_of(dialogue_of(spoken))
    how = context(past, future, window)
    words = Words()
    words(["u v w x y z"])
    together = read_inputs(clips, how, FRAME, words)
    here = data.draw(st.integers(0, len(clips) - 1))
    assert read_inputs([clips[here]], how, FRAME, words) == [together[here]]
    entry = together[here]
    assert (entry is None) == (not spoken[here][1])
    if entry is not None:
        begin, end = entry.words
        own = words([clips[here].utterance.text])[0]
        assert len(entry.ids) <= window
        assert list(entry.ids[begin:end]) == own[: end - begin]
        assert entry.cut_tokens == len(own) - (end - begin)
        assert begin - 1 - 1 <= past + 2
        assert len(entry.ids) - end - 1 <= future + 2
