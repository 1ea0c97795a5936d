"""Who a speaker is to the model: a row of the speaker embedding of equation 1.

Paper: section 3.3. Two ways to tell speakers apart:

    slots   the place in the dialogue, by first turn: a name never leaks from one dialogue to another
    names   the name, for speakers whom the training split knows well enough

Row 0 stands for everyone else: a slot above the last, a name that training saw rarely or never.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from summer.corpus import Dialogue, Split, Utterance
from summer.options import SpeakerRule

SOMEONE_ELSE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerIdentities:
    """Speakers to rows of the embedding.

    Args:
        rule: how speakers are told apart.
        slots: with `slots`, how many speakers of a dialogue are told apart.
        names: who is known by name, with `names`; in the order of their rows.
    """

    rule: SpeakerRule
    slots: int = 0
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return 1 + (self.slots if self.rule == "slots" else len(self.names))

    def of_dialogue(self, dialogue: Dialogue) -> list[int]:
        """The row of each utterance's speaker."""
        if self.rule == "names":
            known = {name: row for row, name in enumerate(self.names, start=1)}
            return [known.get(utterance.speaker, SOMEONE_ELSE) for utterance in dialogue.utterances]
        rows = (slot + 1 for slot in dialogue.speaker_slots)
        return [row if row <= self.slots else SOMEONE_ELSE for row in rows]

    def unknown(self, utterances: Iterable[Utterance]) -> list[str]:
        """Names, in order, that have no row of their own; none with `slots`."""
        if self.rule == "slots":
            return []
        return sorted({utterance.speaker for utterance in utterances} - set(self.names))


def identify_speakers(
    rule: SpeakerRule, utterances: Sequence[Utterance], *, slots: int, fewest_utterances: int
) -> SpeakerIdentities:
    """Decide who is told apart, from the training split alone.

    Args:
        slots: places in a dialogue, with `slots`.
        fewest_utterances: of the training split, that a name needs, with `names`.
    """
    if rule == "slots":
        return SpeakerIdentities(rule=rule, slots=slots)
    spoken = Counter(u.speaker for u in utterances if u.split is Split.TRAIN)
    names = sorted(name for name, count in spoken.items() if count >= fewest_utterances)
    return SpeakerIdentities(rule=rule, names=tuple(names))
