"""The speakers of lines without a name, guessed by voice, and by face where one is surely the speaker's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extraction.corpora import Corpus
from extraction.extractor import Clip
from extraction.media import MediaError, read_pcm
from extraction.speakers import (
    Guess,
    Heard,
    face_vector,
    guessed_speakers,
    load_voice_encoder,
    voice_vector,
)
from extraction.speakers.spectrum import SAMPLING_RATE
from extraction.transcripts import Transcript
from extraction.video.faces.crops import CHOSEN, kept_crops
from extraction.video.faces.tracks import Embed
from extraction.video.network.backbones import load_backbone
from extraction.weights import vggface2
from extraction.weights.voice import voice_model
from pipelines.predict.features import Read
from summer.corpus import Modality, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTranscript:
    """A transcript whose lines have speakers as far as they could be guessed.

    Args:
        guesses: of its lines, in their order.
    """

    transcript: Transcript
    guesses: tuple[Guess, ...]


def name_speakers(
    transcript: Transcript, corpus: Corpus, read: Read, *, crops: Path, device: str
) -> NamedTranscript:
    """Guess who says the lines without a name, and say so in a note.

    Args:
        corpus: the transcript's lines as utterances.
        read: what was read of the picture, where it was.
        crops: folder of the faces that were kept.

    Raises:
        WeightsUnavailable: no source has the voice encoder, or the face recogniser.
        ValueError: more lines than can be compared.
    """
    nameless = sum(not line.speaker for line in transcript.lines)
    if not nameless:
        note = "every line has its speaker's name, and none was guessed"
        return _renamed(
            transcript, [Guess(name=line.speaker, is_guessed=False) for line in transcript.lines], note
        )
    faces = list(_faces(corpus, read, crops, device))
    lines = [
        Heard(name=line.speaker, voice=voice, face=face)
        for line, voice, face in zip(transcript.lines, _voices(corpus), faces, strict=True)
    ]
    guesses = guessed_speakers(lines)
    return _renamed(transcript, guesses, _told(guesses, lines, nameless))


def _voices(corpus: Corpus) -> Iterator[NDArray[np.float32] | None]:
    encoder = load_voice_encoder(voice_model())
    for clip in corpus.clips:
        samples = _sound(clip)
        yield None if samples is None else voice_vector(encoder, samples)


def _sound(clip: Clip) -> NDArray[np.float32] | None:
    if clip.audio is None:
        return None
    try:
        return read_pcm(clip.audio, sampling_rate=SAMPLING_RATE).samples
    except MediaError:  # the audio row says why, where sound is read
        return None


def _faces(corpus: Corpus, read: Read, crops: Path, device: str) -> Iterator[NDArray[np.float32] | None]:
    """Those that are surely the speaker's: of rows without a remark."""
    rows: Sequence[tuple[Status, str]] = read.statuses.get(Modality.VIDEO, ())
    if not rows:
        yield from (None for _ in corpus.clips)
        return
    embed: Embed = load_backbone("inception_resnet_v1", vggface2(), device).embed
    for clip, (status, remark) in zip(corpus.clips, rows, strict=True):
        sure = status is Status.OK and not remark
        yield face_vector(kept_crops(crops, clip.utterance.id).get(CHOSEN, ()), embed) if sure else None


def _renamed(transcript: Transcript, guesses: Sequence[Guess], note: str) -> NamedTranscript:
    lines = tuple(
        replace(line, speaker=guess.name) for line, guess in zip(transcript.lines, guesses, strict=True)
    )
    named = replace(transcript, lines=lines, notes=(*transcript.notes, note))
    return NamedTranscript(transcript=named, guesses=tuple(guesses))


def _told(guesses: Sequence[Guess], lines: Sequence[Heard], nameless: int) -> str:
    guessed = [guess for guess in guesses if guess.is_guessed]
    if not guessed:
        return (
            f"{nameless} of {len(lines)} lines have no speaker; none is guessed: there is no voice, no face"
        )
    speakers = len({guess.name for guess in guessed})
    faces = sum(line.face is not None for line in lines)
    unsure, left = sum(not guess.is_sure for guess in guessed), nameless - len(guessed)
    return (
        f"{len(guessed)} of {len(lines)} lines have a guessed speaker, one of {speakers}, by voice and "
        f"{faces} faces; {unsure} of them could nearly as well be another's"
        f"{f', and {left} stay without a name' if left else ''}"
    )
