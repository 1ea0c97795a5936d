"""What users are told: what is wrong with what they gave, and never where it lies."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from extraction.transcripts import Media, TranscriptError, read_transcript
from pipelines.serve.messages import FULL, NOT_YOURS, Refused
from pipelines.serve.sentences import sentence
from summer.durable import REMEDIES, DiskError
from summer.runs.folder import RunError


def test_a_file_is_called_by_the_name_that_the_user_gave(tmp_path: Path) -> None:
    wrong = tmp_path / "my talk.mp4"
    wrong.write_text("hello")
    with pytest.raises(TranscriptError) as found:
        Media.opened(wrong)
    told = sentence(found.value, [wrong])
    assert told.startswith("my talk.mp4 is no video or sound that can be read")
    assert str(tmp_path) not in told


def test_options_of_the_command_line_are_not_spoken_of(tmp_path: Path) -> None:
    error = TranscriptError(f"nobody is heard to speak in {tmp_path / 'a.wav'}; give --transcript")
    assert sentence(error, [tmp_path / "a.wav"]) == "nobody is heard to speak in a.wav; give a transcript"


@pytest.mark.parametrize("content", [b"", b"\0", b'{"a": 1}', b"[1]"])
def test_every_way_in_which_a_transcript_is_wrong_names_no_folder(tmp_path: Path, content: bytes) -> None:
    for suffix in (".vtt", ".json", ".csv", ".txt"):
        wrong = tmp_path / f"words{suffix}"
        wrong.write_bytes(content)
        with pytest.raises(TranscriptError) as found:
            read_transcript(wrong)
        told = sentence(found.value, [wrong])
        assert f"words{suffix}" in told
        assert str(tmp_path) not in told


@pytest.mark.parametrize(
    "error",
    [
        RunError("/srv/runs/demo was trained on text features that cannot be made here"),
        ValueError("/root/.cache/summer/weights.bin is damaged"),
        Refused("look at /srv/runs/demo"),
        TranscriptError("/somewhere/else.vtt is empty"),
        DiskError("cannot write /tmp/x: permission denied; choose another --out or change its permissions"),
    ],
)
def test_what_lies_on_the_server_is_not_named(error: ValueError) -> None:
    assert sentence(error, [Path("/tmp/talk.mp4")]) == NOT_YOURS


@pytest.mark.parametrize(
    "error",
    [
        DiskError(f"cannot write /tmp/x/timeline.csv: {REMEDIES[errno.ENOSPC]} and run it again"),
        OSError(errno.ENOSPC, "No space left on device", "/tmp/x"),
    ],
)
def test_a_full_disk_is_the_servers_affair(error: Exception) -> None:
    assert sentence(error, []) == FULL
