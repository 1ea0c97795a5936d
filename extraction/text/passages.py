"""A passage: what the encoder reads in one go, and the utterances whose vectors come of it.

Paper: sections 3.3 and 4.3. Reading "utterance" makes a passage for each (context.py); reading "dialogue"

    <s> [SPK_a] utterance 1 </s> [SPK_b] utterance 2 </s> ... [SPK_a] utterance n </s>

in which each utterance is a span of its own words, so that a dialogue is read once and not once for each of
its utterances. A dialogue longer than the window is read in several passages: each utterance has its vector
from one of them, and at a seam the turns before and after are read along, `past_tokens` and `future_tokens`
of them, each at most a quarter of the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from extraction.extractor import Clip
from extraction.text.context import (
    Context,
    Frame,
    Key,
    Speech,
    Tokenise,
    Turn,
    key_of,
    nearest,
    places_of,
    read_inputs,
    tokenised,
)

LARGEST_SEAM_SHARE = 4  # of the window: one in so many, on either side


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Token ids, and the utterances in them that get a vector: one entry per utterance in the other fields.

    Args:
        ids: token ids, special tokens included.
        clips: index of the utterance's clip among those that were asked for, in the order of `ids`.
        words: half-open interval of `ids` that holds the utterance's own words, without its speaker.
        cut_tokens: tokens of the utterance's own words that did not fit the window.
    """

    ids: tuple[int, ...]
    clips: tuple[int, ...]
    words: tuple[tuple[int, int], ...]
    cut_tokens: tuple[int, ...]


def read_passages(clips: Sequence[Clip], context: Context, frame: Frame, tokenise: Tokenise) -> list[Passage]:
    """The passages in which all clips with words have their place, each in one of them.

    Args:
        tokenise: texts to token ids, without special tokens.

    Raises:
        ValueError: a clip's utterance is not in its dialogue.
    """
    if context.reading == "utterance":
        inputs = read_inputs(clips, context, frame, tokenise)
        return [
            Passage(ids=entry.ids, clips=(clip,), words=(entry.words,), cut_tokens=(entry.cut_tokens,))
            for clip, entry in enumerate(inputs)
            if entry is not None
        ]
    clip_at = {place: clip for clip, place in enumerate(places_of(clips))}
    dialogues = {key_of(clip.dialogue): clip.dialogue for clip in clips}
    everything = {key: set(range(len(dialogue.utterances))) for key, dialogue in dialogues.items()}
    speech = Speech(context=context, frame=frame, tokenise=tokenise)
    return [
        _wanted_of(passage, key, clip_at)
        for key, turns in tokenised(dialogues, everything, speech).items()
        for passage in dialogue_passages(turns, context, frame)
        if any((key, position) in clip_at for position in passage.clips)
    ]


def dialogue_passages(turns: Mapping[int, Turn], context: Context, frame: Frame) -> Iterator[Passage]:
    """A whole dialogue as passages; their `clips` are positions in the dialogue.

    Args:
        turns: of the whole dialogue, by position; those without words are left out.
    """
    spoken = {position: turn for position, turn in sorted(turns.items()) if turn.words}
    room = context.window_tokens - len(frame.start)
    whole = sum(_tokens(turn, frame) for turn in spoken.values()) <= room
    past, future = (
        0 if whole else min(tokens, room // LARGEST_SEAM_SHARE)
        for tokens in (context.past_tokens, context.future_tokens)
    )
    fitted = {position: _cut(turn, room - past - future, frame) for position, turn in spoken.items()}
    for group in _groups(fitted, room - past - future, frame):
        before = [turn for position, turn in spoken.items() if position < group[0]]
        after = [turn for position, turn in spoken.items() if position > group[-1]]
        head = (*frame.start, *nearest(before[::-1], past, past=True, end=frame.end))
        tail = nearest(after, future, past=False, end=frame.end)
        yield _laid_out(group, (spoken, fitted), (head, tail), frame)


def _laid_out(
    group: Sequence[int],
    turns: tuple[Mapping[int, Turn], Mapping[int, Turn]],
    around: tuple[tuple[int, ...], tuple[int, ...]],
    frame: Frame,
) -> Passage:
    """Turns as they fit the window, one after the other, between what is read along."""
    spoken, fitted = turns
    ids = list(around[0])
    words: list[tuple[int, int]] = []
    for position in group:
        turn = fitted[position]
        start = len(ids) + len(turn.speaker)
        words.append((start, start + len(turn.words)))
        ids += [*turn.speaker, *turn.words, *frame.end]
    return Passage(
        ids=(*ids, *around[1]),
        clips=tuple(group),
        words=tuple(words),
        cut_tokens=tuple(len(spoken[k].words) - len(fitted[k].words) for k in group),
    )


def _groups(turns: Mapping[int, Turn], room: int, frame: Frame) -> Iterator[list[int]]:
    """Positions side by side, as many as there is room for."""
    group: list[int] = []
    taken = 0
    for position, turn in turns.items():
        if group and taken + _tokens(turn, frame) > room:
            yield group
            group, taken = [], 0
        group.append(position)
        taken += _tokens(turn, frame)
    if group:
        yield group


def _cut(turn: Turn, room: int, frame: Frame) -> Turn:
    """A turn that alone is longer than the room loses the end of its words."""
    speaker = turn.speaker[: room // 2]
    return Turn(speaker, turn.words[: room - len(speaker) - len(frame.end)])


def _tokens(turn: Turn, frame: Frame) -> int:
    return len(turn.speaker) + len(turn.words) + len(frame.end)


def _wanted_of(passage: Passage, key: Key, clip_at: Mapping[tuple[Key, int], int]) -> Passage:
    """The passage with those of its utterances that were asked for, named by their clips."""
    kept = [k for k, position in enumerate(passage.clips) if (key, position) in clip_at]
    return replace(
        passage,
        clips=tuple(clip_at[key, passage.clips[k]] for k in kept),
        words=tuple(passage.words[k] for k in kept),
        cut_tokens=tuple(passage.cut_tokens[k] for k in kept),
    )
