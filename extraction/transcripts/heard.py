"""What is said in a recording that has no transcript, as Whisper hears it (Radford et al. 2022).

faster-whisper runs it, an extra: `pip install 'summer-merc[asr]'`. The recording is heard in stretches of ten
minutes, so that a film needs no more memory than a clip; a stretch ends at the quietest moment of its last
minute, so that no word is cut. In it, speech is found first (Silero's detector, which faster-whisper brings).

The words of a stretch are kept as JSON beside the features, so that an interrupted run goes on after the last
stretch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from extraction.extractor import MediaSpan
from extraction.media import MediaError, read_pcm
from extraction.transcripts.conversation import Media
from extraction.transcripts.lines import Line, Transcript, TranscriptError, ordered
from extraction.weights import Weights
from summer.durable import json_of, write_aside

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

SAMPLING_RATE = 16_000
STRETCH_SECONDS, SEARCH_SECONDS = 600.0, 60.0
WINDOW_SECONDS = 0.05
PAUSE_SECONDS = 0.5
ENDS, QUOTES = (".", "!", "?", "\u2026", "\u3002"), "\"'\u201d\u2019)"


@runtime_checkable
class Word(Protocol):
    """A word as Whisper hears it: with the blank before it, and when."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How a recording is listened to.

    Args:
        weights: of Whisper, as CTranslate2 reads them.
        language: two letters such as "en"; None: told from the first half minute of each stretch.
        device: "cpu" or "cuda:N".
        threads: on a CPU.
    """

    weights: Weights
    language: str | None = None
    device: str = "cpu"
    threads: int = 1

    def fingerprint(self, media: Media) -> str:
        """Of all that decides what is heard."""
        about = [self.weights.sha256, self.language, media.named, version("faster-whisper"), STRETCH_SECONDS]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def heard(
    media: Media,
    hearing: Hearing,
    *,
    folder: Path,
    on_progress: Callable[[float], None],
    should_stop: Callable[[], bool],
) -> Transcript | None:
    """Listen to a recording; None if asked to stop between two stretches.

    Args:
        folder: where what was heard is kept.
        on_progress: told how many seconds have been listened to.

    Raises:
        TranscriptError: faster-whisper is not installed, the recording has no sound, or nobody speaks.
        DiskError: the disk is full or refuses.
    """
    if not media.has_sound:
        raise TranscriptError(f"{media.path} has no sound to listen to; give --transcript")
    kept = folder / f"heard-{hearing.fingerprint(media)}.json"
    lines, until = _read(kept)
    model: WhisperModel | None = None
    on_progress(until)
    while until < media.seconds:
        if should_stop():
            return None
        model = model or _loaded(hearing)
        end = _end_of_stretch(media, until)
        lines += _lines_of(model, media, until, end, hearing.language)
        until = end
        content = {"until": until, "lines": [asdict(line) for line in lines]}
        write_aside(kept, json.dumps(content, ensure_ascii=False).encode())
        on_progress(until)
    if not lines:
        raise TranscriptError(f"nobody is heard to speak in {media.path}; give --transcript")
    note = f"the words were heard by Whisper {hearing.weights.name}: some will be wrong"
    return ordered(lines, path=None, notes=[note])


def _read(kept: Path) -> tuple[list[Line], float]:
    """What was heard before, and until when; nothing of a file that is none."""
    try:
        content = json_of(kept.read_text(encoding="utf-8"))
        return [Line(**line) for line in content["lines"]], float(content["until"])
    except (OSError, ValueError, TypeError, KeyError):
        return [], 0.0


def _loaded(hearing: Hearing) -> WhisperModel:
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise TranscriptError(
            f"listening needs faster-whisper ({error}); install it with pip install 'summer-merc[asr]', or "
            "give --transcript"
        ) from error
    kind, _, index = hearing.device.partition(":")
    return WhisperModel(
        str(hearing.weights.path),
        device=kind,
        device_index=int(index or 0),
        compute_type="int8" if kind == "cpu" else "float16",
        cpu_threads=hearing.threads,
        local_files_only=True,
    )


def _end_of_stretch(media: Media, start: float) -> float:
    """Ten minutes on, or the quietest moment of the minute before that."""
    end = start + STRETCH_SECONDS
    if end + SEARCH_SECONDS >= media.seconds:
        return media.seconds
    samples = _samples(media, end - SEARCH_SECONDS, end)
    window = int(WINDOW_SECONDS * SAMPLING_RATE)
    count = len(samples) // window
    if not count:
        return end
    loudness = np.square(samples[: count * window].reshape(count, window)).mean(axis=1)
    return end - SEARCH_SECONDS + WINDOW_SECONDS * (int(loudness.argmin()) + 0.5)


def _samples(media: Media, start: float, end: float) -> np.ndarray:
    try:
        return read_pcm(
            MediaSpan(path=media.path, start_seconds=start, end_seconds=end), sampling_rate=SAMPLING_RATE
        ).samples
    except MediaError:  # a stretch without sound says nothing
        return np.zeros(0, dtype=np.float32)


def _lines_of(
    model: WhisperModel, media: Media, start: float, end: float, language: str | None
) -> Iterator[Line]:
    samples = _samples(media, start, end)
    if not len(samples):
        return
    segments, _ = model.transcribe(
        samples,
        language=language,
        vad_filter=True,
        word_timestamps=True,
        condition_on_previous_text=False,  # else a mistake is repeated to the end
    )
    for segment in segments:
        for words in utterances_of(segment.words or ()):
            yield Line(
                speaker="",
                text=" ".join("".join(word.word for word in words).split()),
                start_seconds=round(start + float(words[0].start), 3),
                end_seconds=round(min(start + float(words[-1].end), end), 3),
            )


def utterances_of(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Cut what Whisper heard in one breath: at the ends of sentences, and where nothing is said for a while.

    Whisper's own segments are for subtitles: in one may stand the words of several people.
    """
    spoken: list[Word] = []
    for word in words:
        if spoken and (
            spoken[-1].word.rstrip(QUOTES)[-1:] in ENDS or word.start - spoken[-1].end >= PAUSE_SECONDS
        ):
            yield spoken
            spoken = []
        spoken.append(word)
    if spoken:
        yield spoken
