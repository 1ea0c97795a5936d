"""MELD: dialogues of the series Friends, one mp4 per utterance. Also reads the demo, of the same shape.

Poria et al. 2019. Numbering restarts in each split, so ids carry it: `train/dia0_utt0`.

Policy `test_clips`: the release ships 132 test clips twice, `dia..mp4`, mis-cut, and `final_videos_test..`,
corrected. `corrected` (default) takes the second where there is one, `plain` never does.

Times are on the clock of the episode and belong to the utterance; its clip is a whole file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from extraction.corpora.corpus import Corpus, CorpusError
from extraction.corpora.layout import folders_under
from extraction.corpora.meld.parts import MeldQuirks, Part, clip_name, key_of, read_part
from extraction.corpora.meld.problems import problems
from extraction.extractor import Clip, MediaSpan
from summer.corpus import Dialogue, LabelSet, Split, group_dialogues

TEST_CLIPS = ("corrected", "plain")


def read_meld(root: Path, *, name: str, quirks: MeldQuirks, test_clips: str) -> Corpus:
    """Read a corpus of MELD's shape.

    Args:
        root: folder that holds annotations and clips, in any of the layouts seen in the wild.
        name: of the corpus.
        test_clips: "corrected" or "plain".

    Returns:
        The corpus; a clip without a file has no media, and a problem says so.

    Raises:
        CorpusError: no annotations, an ambiguous layout, an unreadable table, a key twice, an unknown label.
    """
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
    return Corpus(
        name=name,
        protocol=f"test_clips={test_clips}",
        labels=LabelSet(quirks.labels),
        clips=tuple(clip for part in parts for clip in _clips(part, dialogue_of, quirks, test_clips)),
        problems=tuple(problems(root, parts, quirks, test_clips)),
        quirks=quirks,
    )


def _clips(
    part: Part, dialogue_of: Mapping[str, Dialogue], quirks: MeldQuirks, test_clips: str
) -> Iterator[Clip]:
    for utterance in part.utterances:
        path = part.chosen(key_of(utterance), test_clips)
        span = None if path is None else MediaSpan(path=path)
        absent = [] if path else [f"no file {clip_name(key_of(utterance))}.mp4"]
        listed = [entry.what for entry in quirks.known_of(utterance.id)]
        yield Clip(
            utterance=utterance,
            dialogue=dialogue_of[utterance.id],
            audio=span,
            video=span,
            remark="; ".join(absent + listed),
        )
