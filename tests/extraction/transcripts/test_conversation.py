"""One's own recording as a corpus: scenes, stretches of the recording, and what is no recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from extraction.corpora import Corpus
from extraction.transcripts import Line, Media, Transcript, TranscriptError, conversation
from summer.corpus import LabelSet, Split
from tests.places import DEMO

LABELS = LabelSet(("joy", "anger"))
CLIP = DEMO / "dev_splits_complete" / "dia0_utt0.mp4"


def line(start: float | None, end: float | None, speaker: str = "A") -> Line:
    start, end = (None if seconds is None else float(seconds) for seconds in (start, end))
    return Line(speaker=speaker, text=f"at {start}", start_seconds=start, end_seconds=end)


def corpus_of(*lines: Line, media: Media | None = None, most: int = 100, pause: float = 60.0) -> Corpus:
    return conversation(
        Transcript(lines=lines),
        media,
        labels=LABELS,
        name="own",
        most_utterances=most,
        pause_seconds=pause,
    )


def scenes(*lines: Line, most: int = 100, pause: float = 60.0) -> list[int]:
    corpus = corpus_of(*lines, most=most, pause=pause)
    dialogues = [clip.utterance.dialogue for clip in corpus.clips]
    return [dialogues.count(name) for name in dict.fromkeys(dialogues)]


def test_a_long_silence_and_the_longest_that_can_be_read_begin_another_conversation() -> None:
    talk = [line(k, k + 0.5) for k in range(5)]
    assert scenes(*talk) == [5]
    assert scenes(*talk, most=2) == [2, 2, 1]
    assert scenes(line(0, 1), line(60.9, 61), line(121, 122)) == [2, 1]
    assert scenes(line(0, 100), line(5, 6), line(159, 160)) == [3]  # the first goes on all the time
    assert scenes(line(0, 1), line(None, None), line(60, 61), pause=30.0) == [2, 1]


def test_every_utterance_is_of_test_has_no_label_and_an_id_of_its_own() -> None:
    utterances = [clip.utterance for clip in corpus_of(*(line(k, k + 1) for k in range(4)), most=2).clips]
    assert {u.split for u in utterances} == {Split.TEST}
    assert not any(u.is_labelled for u in utterances)
    assert len({u.id for u in utterances}) == 4
    assert [u.turn for u in utterances] == [0, 1, 0, 1]


def test_each_has_its_stretch_of_the_recording_and_what_lies_outside_has_none() -> None:
    media = Media(path=CLIP, seconds=10.0, has_sound=True, has_picture=True)
    corpus = corpus_of(line(1, 2), line(9, 12), line(10, 11), line(None, None), media=media)
    inside, over, past, timeless = corpus.clips
    assert inside.video is not None
    assert (inside.video.start_seconds, inside.video.end_seconds) == (1, 2)
    assert over.audio is not None
    assert over.audio.end_seconds == 10.0
    assert past.video is None
    assert "past the end" in past.remark
    assert timeless.audio is None
    assert "no times" in timeless.remark
    assert all(clip.video is None for clip in corpus_of(line(1, 2)).clips)


def test_another_recording_of_the_same_name_is_another_corpus(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(CLIP.read_bytes())
    before = corpus_of(line(0, 1), media=Media.opened(path))
    path.write_bytes(CLIP.read_bytes() + b"more")
    assert corpus_of(line(0, 1), media=Media.opened(path)).digest != before.digest


def test_a_recording_tells_its_length_and_its_tracks() -> None:
    media = Media.opened(CLIP)
    assert media.has_sound
    assert media.has_picture
    assert 0.5 < media.seconds < 20
    assert not media.notes


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mp4", b"", "is empty"),
        ("a.mp4", b"no video" * 100, "FFmpeg cannot open"),
        ("a.mp4", b"#EXTM3U\nhttp://a.example/x.ts\n", "is a playlist"),
        ("a.mp4", b"\xef\xbb\xbf \n#EXTM3U\n/etc/passwd\n", "is a playlist"),
        ("a.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n", "is a playlist"),
        ("a.mp4", b'<?xml version="1.0"?><MPD></MPD>', "is a playlist"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(
    name: str, content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TranscriptError, match=says):
        Media.opened(tmp_path / name)


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="cannot be read: No such file"):
        Media.opened(tmp_path / "none.mp4")
