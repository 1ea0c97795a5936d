"""Input of an utterance: its speaker, its words, and the dialogue around it, as token ids.

Paper: sections 3.3 and 4.3. Reading "utterance", in which the input of utterance i is

    <s> past ... </s></s> [SPK_k] utterance i </s></s> future ... </s>

A part that is empty goes with its separators; another model's own special tokens take the places of `<s>` and
`</s>`. Each utterance is tokenised once, however many contexts it stands in, and brings its own speaker:
a token `[SPK_k]` of its slot in the dialogue (so no name leaks from one dialogue to another), or `Name:`.

Context is whole utterances, nearest first; the first that does not fit is cut on its far side and keeps
its speaker. Where the window is too small for all, the future gives way first, then the past; the utterance
itself is cut, at its end, only when it alone is longer than the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from extraction.extractor import Clip
from summer.corpus import Dialogue

Tokenise = Callable[[Sequence[str]], Sequence[Sequence[int]]]
Key = tuple[str, str]  # split and name of a dialogue

SPEAKERS = ("tokens", "names", "none")
READINGS = ("utterance", "dialogue")
SPEAKER_SLOTS = 32  # MELD's largest dialogue has 9 speakers; from the 32nd on they share the last slot
SHORTEST_WINDOW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What of a dialogue is read with an utterance.

    Args:
        speakers: how they are told apart: "tokens" of their slots, written "names", or "none".
        past_tokens, future_tokens: most tokens of each side's utterances, their speakers included; 0: none.
        window_tokens: most tokens of a whole input; the model's own limit applies as well.
        reading: an input for each "utterance", or one for the whole "dialogue" (passages.py), where past and
            future tokens count only at the seams of a dialogue that is longer than the window.
    """

    speakers: str
    past_tokens: int
    future_tokens: int
    window_tokens: int
    reading: str = "utterance"

    def __post_init__(self) -> None:
        if self.reading not in READINGS:
            raise ValueError(f"reading {self.reading!r} is not one of {', '.join(READINGS)}")
        if self.speakers not in SPEAKERS:
            raise ValueError(f"speakers {self.speakers!r} is not one of {', '.join(SPEAKERS)}")
        if min(self.past_tokens, self.future_tokens) < 0:
            raise ValueError(
                f"context of {self.past_tokens} past and {self.future_tokens} future tokens: give 0 or more"
            )
        if self.window_tokens < SHORTEST_WINDOW:
            raise ValueError(
                f"window of {self.window_tokens} tokens: no words would be left; give at least "
                f"{SHORTEST_WINDOW}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Special tokens of a model: at the start of an input, between its parts, at its end, of the speakers.

    Args:
        slots: the token of each speaker's slot; empty where speakers are told apart otherwise.
    """

    start: tuple[int, ...]
    between: tuple[int, ...]
    end: tuple[int, ...]
    slots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """An utterance as token ids: who speaks (may be nothing), and the words."""

    speaker: tuple[int, ...]
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextInput:
    """What the encoder reads for one utterance.

    Args:
        ids: token ids, special tokens included.
        words: half-open interval of `ids` that holds the utterance's own words, without its speaker.
        cut_tokens: tokens of the utterance's own words that did not fit the window.
    """

    ids: tuple[int, ...]
    words: tuple[int, int]
    cut_tokens: int


def speaker_token(slot: int) -> str:
    """The special token of a speaker's slot."""
    return f"[SPK_{slot}]"


def read_inputs(
    clips: Sequence[Clip], context: Context, frame: Frame, tokenise: Tokenise
) -> list[TextInput | None]:
    """The input of each clip's utterance; None where it has no words.

    Args:
        tokenise: texts to token ids, without special tokens.

    Raises:
        ValueError: a clip's utterance is not in its dialogue.
    """
    places = places_of(clips)
    dialogues = {key_of(clip.dialogue): clip.dialogue for clip in clips}
    wanted: dict[Key, set[int]] = {key: set() for key in dialogues}
    for key, position in places:
        wanted[key].update(_reach(position, len(dialogues[key].utterances), context))
    turns = tokenised(dialogues, wanted, Speech(context=context, frame=frame, tokenise=tokenise))
    return [build_input(turns[key], position, context, frame) for key, position in places]


def build_input(turns: Mapping[int, Turn], target: int, context: Context, frame: Frame) -> TextInput | None:
    """Lay an utterance and its context out in the window.

    Args:
        turns: by position in the dialogue; at least all that are in reach of the target.
        target: position of the utterance whose input this is.
    """
    turn = turns[target]
    if not turn.words:
        return None
    room = context.window_tokens - len(frame.start) - len(frame.end)
    speaker = turn.speaker[: room // 2]
    words = turn.words[: room - len(speaker)]
    room -= len(speaker) + len(words)
    between = len(frame.between)
    reach = _reach(target, max(turns) + 1, context)
    before = [turns[position] for position in reach if position < target]
    past = nearest(before[::-1], min(context.past_tokens, room - between), past=True)
    room -= len(past) + between if past else 0
    after = [turns[position] for position in reach if position > target]
    future = nearest(after, min(context.future_tokens, room - between), past=False)
    head = (*frame.start, *past, *(frame.between if past else ()), *speaker)
    tail = (*(frame.between if future else ()), *future, *frame.end)
    return TextInput(
        ids=(*head, *words, *tail),
        words=(len(head), len(head) + len(words)),
        cut_tokens=len(turn.words) - len(words),
    )


def nearest(turns: Iterable[Turn], room: int, *, past: bool, end: tuple[int, ...] = ()) -> tuple[int, ...]:
    """As many tokens of the turns, nearest first, as there is room for, in the order of the dialogue.

    Args:
        end: stands after each turn.
    """
    pieces: list[tuple[int, ...]] = []
    for turn in turns:
        if not turn.words:
            continue
        room_for_words = room - len(turn.speaker) - len(end)
        if room_for_words <= 0:
            break
        words = turn.words[-room_for_words:] if past else turn.words[:room_for_words]
        pieces.append((*turn.speaker, *words, *end))
        room = room_for_words - len(words)
    ordered = reversed(pieces) if past else pieces
    return tuple(token for piece in ordered for token in piece)


def said_in_reach(clip: Clip, context: Context) -> list[object]:
    """Which utterance of how many is read, and by whom what is said in its reach.

    Raises:
        ValueError: the clip's utterance is not in its dialogue.
    """
    dialogue, position = clip.dialogue, _position(clip)
    reach = range(len(dialogue.utterances))
    if context.reading == "utterance":
        reach = _reach(position, len(reach), context)
    spoken = [dialogue.utterances[turn] for turn in reach]
    marks: Sequence[object] = [utterance.speaker for utterance in spoken]
    if context.speakers == "tokens":
        marks = dialogue.speaker_slots[reach.start : reach.stop]
    if context.speakers == "none":
        marks = [""] * len(spoken)
    said = [(mark, utterance.text) for mark, utterance in zip(marks, spoken, strict=True)]
    return [reach.index(position), said]


def _reach(position: int, turns: int, context: Context) -> range:
    """Positions that can stand in an input: an utterance with words takes one token or more."""
    return range(max(0, position - context.past_tokens), min(turns, position + context.future_tokens + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How a dialogue's speakers and words become tokens."""

    context: Context
    frame: Frame
    tokenise: Tokenise

    def speakers(self, dialogue: Dialogue) -> dict[str, tuple[int, ...]]:
        """What stands before each speaker's words."""
        names = dialogue.speakers
        if self.context.speakers == "tokens":
            slots = self.frame.slots
            return {name: (slots[min(slot, len(slots) - 1)],) for slot, name in enumerate(names)}
        if self.context.speakers == "none":
            return dict.fromkeys(names, ())
        written = [_as_words(f"{name.strip()}:") if name.strip() else "" for name in names]
        return {name: tuple(ids) for name, ids in zip(names, self.tokenise(written), strict=True)}


def tokenised(
    dialogues: Mapping[Key, Dialogue], wanted: Mapping[Key, set[int]], speech: Speech
) -> dict[Key, dict[int, Turn]]:
    """The wanted utterances by dialogue and position, all tokenised in one call."""
    speakers = {key: speech.speakers(dialogue) for key, dialogue in dialogues.items()}
    places = [(key, position) for key, positions in wanted.items() for position in sorted(positions)]
    utterances = [dialogues[key].utterances[position] for key, position in places]
    words = speech.tokenise([_as_words(utterance.text) for utterance in utterances])
    turns: dict[Key, dict[int, Turn]] = {key: {} for key in dialogues}
    for (key, position), utterance, ids in zip(places, utterances, words, strict=True):
        turns[key][position] = Turn(speakers[key][utterance.speaker], tuple(ids))
    return turns


def _as_words(text: str) -> str:
    """Text as it stands in the middle of a sentence: byte-level tokens tell a word by the space before it."""
    stripped = text.strip()
    return f" {stripped}" if stripped else ""


def key_of(dialogue: Dialogue) -> Key:
    """Split and name."""
    return (dialogue.split, dialogue.name)


def places_of(clips: Sequence[Clip]) -> list[tuple[Key, int]]:
    """Dialogue and position in it of each clip's utterance.

    Raises:
        ValueError: a clip's utterance is not in its dialogue.
    """
    return [(key_of(clip.dialogue), _position(clip)) for clip in clips]


def _position(clip: Clip) -> int:
    for position, utterance in enumerate(clip.dialogue.utterances):
        if utterance.id == clip.utterance.id:
            return position
    raise ValueError(f"utterance {clip.utterance.id} is not in its dialogue {clip.dialogue.name}")
