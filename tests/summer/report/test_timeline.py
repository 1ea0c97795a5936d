"""A conversation with its emotions as CSV, JSON and WebVTT."""

from __future__ import annotations

import csv
import io
import json

import numpy as np

from summer.corpus import LabelSet, Modality, Split, Status, Utterance
from summer.report.timeline import Said, Timeline

HOSTILE = 'He said: "<script>alert(1)</script>", & then\n\n00:01 --> 00:02'


def said(number: int, text: str, probabilities: list[float], start: float | None = None) -> Said:
    utterance = Utterance(
        id=f"scene1_utt{number}",
        split=Split.TEST,
        dialogue="scene1",
        turn=number,
        speaker="A <b>",
        text=text,
        label="",
        start_seconds=start,
        end_seconds=None if start is None else start + 1.5,
    )
    scores = np.array(probabilities, dtype=np.float32)
    return Said(
        utterance=utterance,
        probabilities={"teacher": scores[::-1].copy(), "student": scores},
        statuses={Modality.TEXT: (Status.OK, ""), Modality.VIDEO: (Status.NO_FACE, "none")},
    )


TIMELINE = Timeline(
    labels=LabelSet(("joy", "anger")),
    models=("teacher", "student"),
    rows=[said(0, HOSTILE, [0.25, 0.75], start=3599.9996), said(1, "Yes, no", [0.9, 0.1])],
    notes=("odd",),
)


def test_the_table_has_a_row_per_utterance_that_reads_back() -> None:
    first, second = csv.DictReader(io.StringIO(TIMELINE.csv()))
    assert first["text"] == HOSTILE
    assert (first["teacher"], first["student"]) == ("joy", "anger")
    assert (first["student_joy"], first["student_anger"]) == ("0.2500", "0.7500")
    assert (first["text_status"], first["video_status"]) == ("ok", "no_face")
    assert (second["start_seconds"], second["end_seconds"], second["student"]) == ("", "", "joy")


def test_the_object_says_the_same() -> None:
    whole = json.loads(TIMELINE.json())
    assert whole["labels"] == ["joy", "anger"]
    assert whole["notes"] == ["odd"]
    first, second = whole["utterances"]
    assert first["text"] == HOSTILE
    assert first["emotions"]["student"] == {"guess": "anger", "probabilities": {"joy": 0.25, "anger": 0.75}}
    assert second["start_seconds"] is None
    assert first["statuses"]["video"] == {"status": "no_face", "reason": "none"}


def test_subtitles_show_the_last_model_and_no_words_can_end_a_cue_or_be_markup() -> None:
    header, cue, *rest = TIMELINE.webvtt().rstrip("\n").split("\n\n")
    assert header == "WEBVTT"
    times, words, emotion = cue.split("\n")
    assert times == "01:00:00.000 --> 01:00:01.500"
    assert words.startswith("<v A &lt;b&gt;>He said: ")
    assert "<script" not in words
    assert "--> " not in words
    assert emotion.strip() == "[anger 75%]"
    assert not [line for line in rest if line.strip()]  # what has no times is in no cue
