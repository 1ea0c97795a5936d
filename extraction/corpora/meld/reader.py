"""MELD: dialogues of the series Friends, one mp4 per utterance. Also reads the demo, of the same shape.

Poria et al. 2019. Numbering restarts in each split, so ids carry it: `train/dia0_utt0`.

Policy `test_clips`: the release ships 132 test clips twice, `dia..mp4`, mis-cut, and `final_videos_test..`,
corrected. `corrected` (default) takes the second where there is one, `plain` never does.

Policy `alignment`: `none` (default) takes each utterance's own clip, a whole file. `meld-fair` takes the
pieces of its own and its neighbours' clips in which its words are really spoken, for sound and picture alike;
the file that `alignment_file` names lists them (alignment.py). Where it has none, or a file of theirs is not
there, its own clip is used whole after all, and its rows say so.

Times are on the clock of the episode and belong to the utterance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from extraction.corpora.corpus import Corpus, CorpusError
from extraction.corpora.layout import folders_under
from extraction.corpora.meld.alignment import Alignment, Media, Piece, read_alignment, span_of
from extraction.corpora.meld.parts import MeldQuirks, Part, clip_name, key_of, read_part
from extraction.corpora.meld.problems import problems
from extraction.extractor import Clip, MediaSpan
from summer.corpus import Dialogue, LabelSet, Split, Utterance, group_dialogues

TEST_CLIPS = ("corrected", "plain")
ALIGNMENTS = ("none", "meld-fair")


def read_meld(
    root: Path,
    *,
    name: str,
    quirks: MeldQuirks,
    test_clips: str,
    alignment: str = "none",
    alignment_file: Path | None = None,
) -> Corpus:
    """Read a corpus of MELD's shape.

    Args:
        root: folder that holds annotations and clips, in any of the layouts seen in the wild.
        name: of the corpus.
        test_clips: "corrected" or "plain".
        alignment: "none" or "meld-fair".
        alignment_file: where the pieces are listed, with "meld-fair".

    Returns:
        The corpus; a clip without a file has no media, and a problem says so.

    Raises:
        CorpusError: no annotations, an ambiguous layout, an unreadable table, a key twice, an unknown label,
            an alignment without its file, a file without alignment.
    """
    _check_alignment(alignment, alignment_file)
    folders = folders_under(root)
    splits = [split for split in Split if split in quirks.splits]
    parts = [part for split in splits if (part := read_part(split, folders, quirks)) is not None]
    if not parts:
        names = ", ".join(entry.annotations for entry in quirks.splits.values())
        raise CorpusError(
            f"{root} holds none of {names}, down to three folders deep; give --root the folder of the "
            "unpacked archive, and put the CSV files of the corpus' repository there, or into annotations/"
        )
    utterances = [utterance for part in parts for utterance in part.utterances]
    dialogue_of = {u.id: dialogue for dialogue in group_dialogues(utterances) for u in dialogue.utterances}
    pieces = None if alignment_file is None else read_alignment(alignment_file, parts)
    media = {u.id: _media(part, u, pieces, test_clips) for part in parts for u in part.utterances}
    return Corpus(
        name=name,
        protocol=f"test_clips={test_clips}" + ("" if pieces is None else f", alignment={alignment}"),
        labels=LabelSet(quirks.labels),
        clips=tuple(_clip(u, dialogue_of[u.id], media[u.id], quirks) for u in utterances),
        problems=tuple(problems(root, parts, quirks, test_clips, media)),
        media_names=() if pieces is None else tuple(_told(pieces.get(u.id, ())) for u in utterances),
        quirks=quirks,
    )


def _check_alignment(alignment: str, alignment_file: Path | None) -> None:
    if alignment != "none" and alignment_file is None:
        raise CorpusError(
            f"policy alignment={alignment} has no file; give alignment_file=PATH, with the path of "
            "MELD_video_realignment_timestamps.csv of the repository MELD-FAIR"
        )
    if alignment == "none" and alignment_file is not None:
        raise CorpusError(
            f"policy alignment_file={alignment_file} says nothing by itself; give alignment=meld-fair "
            "with it, or leave it out"
        )


def _media(part: Part, utterance: Utterance, pieces: Alignment | None, test_clips: str) -> Media:
    """Where an utterance is: in its pieces, else in its own clip."""
    own = part.chosen(key_of(utterance), test_clips)
    whole = None if own is None else MediaSpan(path=own)
    if pieces is None or part.files is None:
        return Media(span=whole)
    if utterance.id not in pieces:
        return Media(span=whole, unaligned="the alignment has no piece of it")
    found = span_of(pieces[utterance.id], part)
    if isinstance(found, MediaSpan):
        return Media(span=found, is_aligned=True)
    missing = " and ".join(f"{clip_name(key)}.mp4" for key in dict.fromkeys(found))
    return Media(
        span=whole, unaligned=f"its pieces lie in {missing}, which is not there", missing=tuple(found)
    )


def _told(pieces: Sequence[Piece]) -> str:
    return "; ".join(map(str, pieces))


def _clip(utterance: Utterance, dialogue: Dialogue, media: Media, quirks: MeldQuirks) -> Clip:
    absent = "" if media.span else f"no file {clip_name(key_of(utterance))}.mp4"
    whole = f"{media.unaligned}: its own clip is used whole" if media.span and media.unaligned else ""
    listed = [] if media.is_aligned else [entry.what for entry in quirks.known_of(utterance.id)]
    return Clip(
        utterance=utterance,
        dialogue=dialogue,
        audio=media.span,
        video=media.span,
        remark="; ".join(filter(None, [absent, whole, *listed])),
    )
