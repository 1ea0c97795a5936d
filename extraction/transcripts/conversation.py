"""One's own recording and what is said in it, as a corpus of one's own: the same extractors read it.

The recording is cut into conversations where nothing is said for long, and where one would be longer than the
model can read. All utterances are of the test split and have no label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extraction.corpora.corpus import Corpus
from extraction.corpora.probe import Probe, probe
from extraction.extractor import Clip, MediaSpan
from extraction.transcripts.lines import Line, Transcript, TranscriptError
from summer.corpus import LabelSet, Split, Utterance, group_dialogues

PROTOCOL = "own"
PLAYLISTS = (
    "#EXTM3U",
    "ffconcat",
    "[playlist]",
    "[Reference]",
    "<?xml",
    "<smil",
    "<MPD",
    "<asx",
    "<ASX",
    "v=0",
)
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
PICTURE_BRANDS = (b"WEBP", b"heic", b"heix", b"mif1", b"avif")  # of RIFF, and of MP4's family
BRAND = slice(8, 12)
NOT_IN_MEDIA = "its times lie past the end of the recording"
NO_TIMES = "the transcript has no times of it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A recording that was looked into.

    Args:
        seconds: how long it is.
        has_sound, has_picture: which tracks it has.
        notes: what is odd about it, in words.
    """

    path: Path
    seconds: float
    has_sound: bool
    has_picture: bool
    notes: tuple[str, ...] = ()

    @classmethod
    def opened(cls, path: Path) -> Media:
        """Look into a recording.

        Raises:
            TranscriptError: it is no recording, or a picture, or a playlist, which names other files.
        """
        _refuse_what_is_no_recording(path)
        found = probe(path)
        if found.fault in ("missing", "corrupt") or not (found.sound or found.picture):
            why = found.reason or "it has neither sound nor picture"
            raise TranscriptError(f"{path} is no video or sound that can be read: {why}; give another file")
        return cls(
            path=path,
            seconds=found.seconds,
            has_sound=found.sound is not None,
            has_picture=found.picture is not None,
            notes=tuple(_notes(path, found)),
        )

    @property
    def named(self) -> str:
        """What tells that it is still the same: a changed file is read anew."""
        about = self.path.stat()
        return f"{self.path.name} {about.st_size} {about.st_mtime_ns}"


def _notes(path: Path, found: Probe) -> Iterator[str]:
    if found.fault:
        yield f"{path.name}: {found.reason}"
    if found.sound is None:
        yield f"{path.name} has no sound: only words and faces are read"
    if found.picture is None:
        yield f"{path.name} has no picture: only words and sound are read"


def _refuse_what_is_no_recording(path: Path) -> None:
    """Say so where the first bytes tell; `open_recording` follows no list, whatever it looks like."""
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise TranscriptError(
            f"{path} cannot be read: {error.strerror}; check the path and its rights"
        ) from error
    if start.startswith(PICTURES) or start[BRAND] in PICTURE_BRANDS:
        raise TranscriptError(f"{path} is a picture, in which nobody talks; give a video or a sound file")
    words = start.decode("latin-1").lstrip("\ufeffï»¿ \t\r\n")
    if words.startswith(PLAYLISTS):
        raise TranscriptError(f"{path} is a playlist, which names other files; give the recording itself")


def conversation(
    transcript: Transcript,
    media: Media | None,
    *,
    labels: LabelSet,
    name: str,
    most_utterances: int,
    pause_seconds: float,
) -> Corpus:
    """The lines of a transcript as utterances of conversations, each with its stretch of the recording.

    Args:
        media: None: there are words alone.
        labels: of the model that is to be asked.
        name: of the corpus.
        most_utterances: of one conversation: what the model can read.
        pause_seconds: silence after which another conversation begins.
    """
    utterances = [
        Utterance(
            id=f"scene{scene}_utt{turn}",
            split=Split.TEST,
            dialogue=f"scene{scene}",
            turn=turn,
            speaker=line.speaker,
            text=line.text,
            label="",
            start_seconds=line.start_seconds,
            end_seconds=line.end_seconds,
        )
        for scene, lines in enumerate(_scenes(transcript.lines, most_utterances, pause_seconds), start=1)
        for turn, line in enumerate(lines)
    ]
    dialogue_of = {u.id: dialogue for dialogue in group_dialogues(utterances) for u in dialogue.utterances}
    clips = [_clip(u, media) for u in utterances]
    return Corpus(
        name=name,
        protocol=PROTOCOL,
        labels=labels,
        clips=tuple(
            Clip(utterance=u, dialogue=dialogue_of[u.id], audio=span, video=span, remark=remark)
            for u, (span, remark) in zip(utterances, clips, strict=True)
        ),
        problems=(),
        media_names=(media.named,) * len(utterances) if media else (),
    )


def _scenes(lines: Sequence[Line], most: int, pause_seconds: float) -> Iterator[list[Line]]:
    scene: list[Line] = []
    said_until = 0.0
    for line in lines:
        start = said_until if line.start_seconds is None else line.start_seconds
        if scene and (len(scene) == most or start - said_until >= pause_seconds):
            yield scene
            scene = []
        scene.append(line)
        said_until = max(said_until, start, line.end_seconds or 0.0)
    yield scene


def _clip(utterance: Utterance, media: Media | None) -> tuple[MediaSpan | None, str]:
    """Its stretch of the recording, cut where that ends; or why there is none."""
    start, end = utterance.start_seconds, utterance.end_seconds
    if media is None:
        return None, "there is no recording"
    if start is None or end is None:
        return None, NO_TIMES
    if start >= media.seconds:
        return None, NOT_IN_MEDIA
    return MediaSpan(path=media.path, start_seconds=start, end_seconds=min(end, media.seconds)), ""
