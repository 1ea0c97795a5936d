"""IEMOCAP: two actors, ten speakers, five sessions, 151 dialogues, some scripted and some improvised.

Busso et al. 2008. A session holds `dialog/{EmoEvaluation,transcriptions}/*.txt`, `dialog/avi/DivX/*.avi` and
`sentences/wav/<dialogue>/<turn>.wav`. There is no film of a turn: its picture is a span of the dialogue's, in
which both actors sit side by side. An id such as `Ses01F_impro01_M000` says who wears the markers (character
5) and who speaks (character -4); the speaker sits left when the two are the same, right otherwise.

Policy `protocol`: `erc7433` (default), what published work on conversations uses, or `majority7380`, the
majority label; they differ by 53 turns, and iemocap.toml names them. Turns of other labels are said as well:
they are rows without a label, context that no protocol counts. Only what nobody rated (XX) is left out.

Sessions 1 to 4 are train, less twelve dialogues that are dev; session 5 is test.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from extraction.corpora.corpus import Corpus
from extraction.corpora.iemocap.dialogues import FilmedDialogue, IemocapQuirks, find_dialogues
from extraction.corpora.iemocap.files import RatedTurn
from extraction.corpora.iemocap.problems import problems
from extraction.extractor import LEFT_HALF, RIGHT_HALF, Clip, MediaSpan, Region
from summer.corpus import Dialogue, LabelSet, Utterance, group_dialogues

PROTOCOLS = ("erc7433", "majority7380")
MARKERS, SPEAKER = 5, -4  # characters of a turn's id


def read_iemocap(root: Path, *, quirks: IemocapQuirks, protocol: str) -> Corpus:
    """Read IEMOCAP.

    Args:
        root: `IEMOCAP_full_release`, or a folder that holds it.
        protocol: "erc7433" or "majority7380".

    Returns:
        The corpus; a turn without film or sound has no media, and a problem says so.

    Raises:
        CorpusError: no session, a session twice, a file that cannot be read.
    """
    release = find_dialogues(root, quirks)
    filmed_of: dict[str, FilmedDialogue] = {}
    utterances = []
    for dialogue in release.dialogues:
        for turn, rated in enumerate(dialogue.turns):
            utterances.append(_utterance(dialogue, turn, label_of(rated, quirks, protocol)))
            filmed_of[rated.id] = dialogue
    dialogue_of = {u.id: dialogue for dialogue in group_dialogues(utterances) for u in dialogue.utterances}
    return Corpus(
        name="iemocap",
        protocol=protocol,
        labels=LabelSet(quirks.labels),
        clips=tuple(_clip(utterance, filmed_of[utterance.id], dialogue_of) for utterance in utterances),
        problems=tuple(problems(release, utterances, quirks, protocol)),
        quirks=quirks,
    )


def label_of(turn: RatedTurn, quirks: IemocapQuirks, protocol: str) -> str:
    """The label of a turn under a protocol; "" if to the protocol the turn is context."""
    if turn.label in quirks.labels:
        return turn.label
    shared = quirks.erc7433
    listed = turn.label == shared.undecided and turn.id in shared.turns
    return shared.label if protocol == "erc7433" and listed else ""


def speaker_half(turn_id: str) -> Region:
    """Where in the picture the speaker of a turn sits."""
    return LEFT_HALF if turn_id[MARKERS] == turn_id[SPEAKER] else RIGHT_HALF


def _utterance(dialogue: FilmedDialogue, turn: int, label: str) -> Utterance:
    rated = dialogue.turns[turn]
    timed = rated.end_seconds > rated.start_seconds
    texts: Mapping[str, str] = dialogue.transcription.texts if dialogue.transcription else {}
    return Utterance(
        id=rated.id,
        split=dialogue.split,
        dialogue=dialogue.name,
        turn=turn,
        speaker=rated.id[:MARKERS] + rated.id[SPEAKER],
        text=texts.get(rated.id, ""),
        label=label,
        start_seconds=rated.start_seconds if timed else None,
        end_seconds=rated.end_seconds if timed else None,
    )


def _clip(utterance: Utterance, filmed: FilmedDialogue, dialogue_of: Mapping[str, Dialogue]) -> Clip:
    film = sound = None
    if filmed.film and utterance.end_seconds is not None:
        film = MediaSpan(
            path=filmed.film,
            start_seconds=utterance.start_seconds,
            end_seconds=utterance.end_seconds,
            region=speaker_half(utterance.id),
        )
    if utterance.id in filmed.sentences:
        sound = MediaSpan(path=filmed.sentences[utterance.id])
    elif film:
        sound = MediaSpan(
            path=film.path, start_seconds=utterance.start_seconds, end_seconds=utterance.end_seconds
        )
    return Clip(
        utterance=utterance,
        dialogue=dialogue_of[utterance.id],
        audio=sound,
        video=film,
        remark=_remark(utterance, filmed),
    )


def _remark(utterance: Utterance, filmed: FilmedDialogue) -> str:
    remarks = []
    if utterance.end_seconds is None:
        remarks.append("the turn's times are no interval, so that its picture cannot be found")
    elif filmed.film is None:
        remarks.append(f"no film {filmed.name}.avi")
    if utterance.id not in filmed.sentences:
        remarks.append(f"no sentence {utterance.id}.wav" + (", sound of the film" if filmed.film else ""))
    return "; ".join(remarks)
