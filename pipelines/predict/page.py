"""The timeline as a page: words, emotions, faces and sound, beside a player of the recording."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from extraction.extractor import MediaSpan
from extraction.media import MediaError, read_pcm
from extraction.transcripts import Media
from extraction.video.faces.crops import CHOSEN, kept_crops
from extraction.video.sheet.cells import MOST_CROPS, evenly
from extraction.video.sheet.look import jpeg_of
from pipelines.attended import attention_by_model
from summer.report.conversation import ModalityState, ShownConversation, ShownUtterance, conversation_page
from summer.report.timeline import Said, Timeline
from summer.training.attention import Attended

FACE_PIXELS = 56
PEAKS = 48  # of an utterance
PEAKS_HERTZ = 8000  # an outline needs no more


def timeline_page(
    timeline: Timeline,
    media: Media | None,
    *,
    attended: Mapping[str, Mapping[str, Attended]],
    film: str | None,
    features: Path,
    run: str,
) -> str:
    """HTML of all scenes.

    Args:
        attended: by model, then by id, what each utterance was read with in view.
        film: what the player plays, as a path relative to the page; None for no player.
        features: the folder that has the crops of faces.
        run: what it was predicted by, in words.
    """
    ids = [row.utterance.id for row in timeline.rows]
    scenes = groupby(timeline.rows, key=lambda row: row.utterance.dialogue)
    conversations = [
        ShownConversation(
            name=name,
            labels=timeline.labels.names,
            utterances=tuple(
                replace(
                    _shown(row, timeline, media, features / "crops"),
                    attends=attention_by_model(row.utterance.id, attended, ids),
                )
                for row in rows
            ),
            film=film,
        )
        for name, rows in scenes
    ]
    title = "A conversation" if media is None else media.path.name
    return conversation_page(conversations, title=title, note=". ".join([run, *timeline.notes]))


def _shown(row: Said, timeline: Timeline, media: Media | None, crops: Path) -> ShownUtterance:
    u = row.utterance
    return ShownUtterance(
        id=u.id,
        speaker=u.speaker,
        speaker_guessed=row.speaker_guessed,
        words=u.text,
        start_seconds=u.start_seconds,
        end_seconds=u.end_seconds,
        probabilities={
            model: _by_label(timeline, scores.tolist()) for model, scores in row.probabilities.items()
        },
        modalities={
            modality: ModalityState(status, reason) for modality, (status, reason) in row.statuses.items()
        },
        faces=_faces(crops, u.id),
        peaks=_peaks(media, u.start_seconds, u.end_seconds),
    )


def _by_label(timeline: Timeline, scores: Iterable[float]) -> Mapping[str, float]:
    return {
        label: min(1.0, score) for label, score in zip(timeline.labels.names, scores, strict=True)
    }  # float32 may round a sure one to more than 1


def _faces(crops: Path, utterance_id: str) -> bytes | None:
    """A strip of the chosen face, in order of time."""
    chosen = kept_crops(crops, utterance_id).get(CHOSEN, ())
    if not chosen:
        return None
    return jpeg_of([chosen[place] for place in evenly(len(chosen), MOST_CROPS)], FACE_PIXELS)[0]


def _peaks(media: Media | None, start: float | None, end: float | None) -> Sequence[float]:
    """The outline of an utterance's sound; () where there is none that can be read."""
    if media is None or not media.has_sound or start is None or end is None or start >= media.seconds:
        return ()
    span = MediaSpan(path=media.path, start_seconds=start, end_seconds=min(end, media.seconds))
    try:
        samples = np.abs(read_pcm(span, sampling_rate=PEAKS_HERTZ).samples)
    except MediaError:  # the audio row says why
        return ()
    pieces = np.array_split(samples, PEAKS) if len(samples) >= PEAKS else []
    return [round(float(piece.max()), 3) for piece in pieces]


def beside(media: Path, out: Path) -> str:
    """The recording's path from the page in `out`; what is odd in it is for the page to quote."""
    path = os.path.relpath(media.resolve(), out.resolve())
    return path if os.sep in path else f".{os.sep}{path}"  # else a:b.mp4 would begin like an address
