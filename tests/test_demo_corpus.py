"""The shipped demo corpus: of MELD's shape, small, and with every trouble its README names."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from extraction.transcripts import read_transcript
from tests.places import DEMO

SPLITS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
FEWEST = {"train": 4, "dev": 1, "test": 1}
EMOTIONS = {"neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"}
COLUMNS = [
    *("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
]
CORRUPT = DEMO / "train_splits" / "dia8_utt3.mp4"
NO_FACE = DEMO / "train_splits" / "dia7_utt3.mp4"
SILENT = DEMO / "train_splits" / "dia4_utt5.mp4"
TWO_FACES = DEMO / "train_splits" / "dia2_utt4.mp4"
FIVE_FRAMES = DEMO / "train_splits" / "dia4_utt1.mp4"
SURROUND = DEMO / "train_splits" / "dia1_utt2.mp4"
MISSING = DEMO / "dev_splits_complete" / "dia0_utt3.mp4"
MIS_CUT = DEMO / "output_repeated_splits_test" / "dia1_utt0.mp4"
CORRECTED = DEMO / "output_repeated_splits_test" / "final_videos_testdia1_utt0.mp4"
NO_ROW = DEMO / "output_repeated_splits_test" / "dia2_utt6.mp4"
CENTRE = 2
SMALLEST_FACE = 50  # pixels; faces of the demo are twice as large, and looking for smaller ones is slow
LISTENER_MOUTH_COLUMN, SPEAKER_MOUTH_COLUMN = 96, 294


def rows(split: str) -> list[dict[str, str]]:
    """The annotations of a split."""
    with (DEMO / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def clip(split: str, row: dict[str, str]) -> Path:
    """Where the clip of a row belongs."""
    return DEMO / SPLITS[split] / f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.mp4"


def pictures(path: Path) -> list[np.ndarray]:
    """All frames of a clip."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def sound(path: Path) -> np.ndarray:
    """All samples of a clip, channels x samples."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def seconds(timestamp: str) -> float:
    """MELD's 00:01:02,345 in seconds."""
    hours, minutes, rest = timestamp.replace(",", ".").split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(rest)).total_seconds()


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two equally long signals."""
    return float(np.corrcoef(first, second)[0, 1])


def test_the_demo_stays_under_six_megabytes() -> None:
    files = [path for path in DEMO.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 6_000_000


@pytest.mark.parametrize("split", SPLITS)
def test_the_annotations_have_the_columns_of_meld(split: str) -> None:
    annotations = rows(split)
    assert list(annotations[0]) == COLUMNS
    keys = [(row["Dialogue_ID"], row["Utterance_ID"]) for row in annotations]
    assert len(set(keys)) == len(keys)
    assert all(row["Utterance"] and row["Speaker"] for row in annotations)


@pytest.mark.parametrize("split", SPLITS)
def test_every_emotion_occurs_in_every_split(split: str) -> None:
    counts = Counter(row["Emotion"] for row in rows(split))
    assert set(counts) == EMOTIONS
    assert min(counts.values()) >= FEWEST[split]


def test_the_readme_counts_the_rows_as_they_are() -> None:
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    order = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]
    for split in SPLITS:
        annotations = rows(split)
        counts = Counter(row["Emotion"] for row in annotations)
        dialogues = len({row["Dialogue_ID"] for row in annotations})
        numbers = [len(annotations), dialogues, *(counts[emotion] for emotion in order)]
        assert f"| {split} | {' | '.join(map(str, numbers))} |" in readme


def test_dialogues_have_two_or_three_speakers() -> None:
    for split in SPLITS:
        speakers: dict[str, set[str]] = {}
        for row in rows(split):
            speakers.setdefault(row["Dialogue_ID"], set()).add(row["Speaker"])
        assert {len(names) for names in speakers.values()} <= {2, 3}


def test_only_the_named_row_lacks_its_clip_and_only_the_named_clips_lack_a_row() -> None:
    wanted = {clip(split, row) for split in SPLITS for row in rows(split)}
    present = set(DEMO.glob("*/*.mp4"))
    assert wanted - present == {MISSING}
    assert present - wanted == {CORRECTED, NO_ROW}


def test_every_trouble_is_named_in_the_readme() -> None:
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    named = {DEMO / name for name in re.findall(r"`([a-z_]+/dia\d+_utt\d+\.mp4)`", readme)}
    one_each = {CORRUPT, NO_FACE, SILENT, TWO_FACES, FIVE_FRAMES, SURROUND, MISSING, MIS_CUT, NO_ROW}
    assert named == one_each
    assert CORRECTED.name in readme


def test_every_good_clip_decodes_and_lasts_as_long_as_its_row_says() -> None:
    for split in SPLITS:
        for row in rows(split):
            path = clip(split, row)
            if path in (MISSING, CORRUPT):
                continue
            with av.open(str(path)) as container:
                (video,), (audio,) = container.streams.video, container.streams.audio
                assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac"), path
                assert video.codec_context.pix_fmt == "yuv420p"
                assert (float(video.average_rate or 0), audio.rate) == (25.0, 48_000)
                annotated = seconds(row["EndTime"]) - seconds(row["StartTime"])
                assert video.frames / 25 == pytest.approx(annotated, abs=1e-6), path
                assert float((audio.duration or 0) * (audio.time_base or 0)) == pytest.approx(
                    annotated, abs=0.05
                ), path


def test_the_corrupt_clip_cannot_be_opened() -> None:
    assert CORRUPT.stat().st_size > 1000
    with pytest.raises(av.InvalidDataError):
        av.open(str(CORRUPT))


def test_the_silent_clip_is_silent_and_its_neighbours_are_not() -> None:
    assert np.abs(sound(SILENT)).max() < 1e-6
    assert np.abs(sound(SILENT.with_name("dia4_utt4.mp4"))).max() > 0.1


def test_the_tiny_clip_has_five_frames() -> None:
    assert len(pictures(FIVE_FRAMES)) == 5


def test_the_surround_clip_has_its_voice_in_the_centre() -> None:
    with av.open(str(SURROUND)) as container:
        assert container.streams.audio[0].layout.name.startswith("5.1")
    peaks = np.abs(sound(SURROUND)).max(axis=1)
    assert peaks.size == 6
    assert np.argmax(peaks) == CENTRE


def test_one_dialogue_has_another_frame_size() -> None:
    sizes = {}
    for path in (DEMO / "train_splits").glob("*.mp4"):
        if path != CORRUPT:
            with av.open(str(path)) as container:
                context = container.streams.video[0].codec_context
                sizes[path.name] = (context.width, context.height)
    assert {size for name, size in sizes.items() if name.startswith("dia6_")} == {(256, 192)}
    assert {size for name, size in sizes.items() if not name.startswith("dia6_")} == {(384, 216)}


def test_the_mis_cut_clip_is_its_corrected_twin_begun_late() -> None:
    wrong, right = pictures(MIS_CUT), pictures(CORRECTED)
    late = 20
    assert len(wrong) == len(right)
    shifted = [float(np.abs(right[i + late].astype(float) - wrong[i]).mean()) for i in range(5)]
    unshifted = [float(np.abs(right[i].astype(float) - wrong[i]).mean()) for i in range(5)]
    assert max(shifted) < min(unshifted)
    strangers = np.abs(right[-1].astype(float) - wrong[-1]).mean()
    assert strangers > 5 * max(shifted)  # it ends with somebody else in the frame


def test_of_two_faces_only_the_right_one_talks() -> None:
    frames = [frame.astype(float) for frame in pictures(TWO_FACES)]
    heard = np.abs(sound(TWO_FACES)[0, : len(frames) * 1920]).reshape(len(frames), -1).mean(axis=1)
    # a mouth that opens is dark: follow the darkest tenth of the pixels around each mouth
    mouths = [
        np.array([np.quantile(frame[122:150, column - 14 : column + 14], 0.1) for frame in frames])
        for column in (LISTENER_MOUTH_COLUMN, SPEAKER_MOUTH_COLUMN)
    ]
    listener, speaker = (correlation(mouth, heard) for mouth in mouths)
    assert speaker < -0.5
    assert abs(listener) < 0.4


def test_portraits_are_the_pictures_the_readme_vouches_for() -> None:
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    portraits = list((DEMO / "authoring" / "portraits").iterdir())
    assert len(portraits) == 3
    for path in portraits:
        assert path.name in readme
        assert hashlib.sha256(path.read_bytes()).hexdigest() in readme


def test_the_readme_says_that_scores_mean_nothing() -> None:
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    assert "Synthetic. Scores on it mean nothing." in readme


@pytest.fixture(scope="module")
def faces_in() -> Iterator[Callable[[Path], list[int]]]:
    """Tells how many faces each tenth frame of a clip shows, by facenet-pytorch's detector."""
    torch = pytest.importorskip("torch")
    detector = pytest.importorskip("facenet_pytorch.models.mtcnn").MTCNN(
        keep_all=True, min_face_size=SMALLEST_FACE
    )

    def count(path: Path) -> list[int]:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        found = [detector.detect(frame)[1] for frame in frames[::10]]
        return [sum(sure is not None and sure > 0.9 for sure in certainties) for certainties in found]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # pictures this small are slower on many threads, most of all on a busy machine
    yield count
    torch.set_num_threads(threads)


def test_the_clip_without_a_face_shows_none(faces_in: Callable[[Path], list[int]]) -> None:
    assert set(faces_in(NO_FACE)) == {0}


def test_the_clip_of_two_shows_two(faces_in: Callable[[Path], list[int]]) -> None:
    assert set(faces_in(TWO_FACES)) == {2}


@pytest.mark.slow
def test_every_other_clip_shows_one_face_in_nine_keyframes_of_ten(
    faces_in: Callable[[Path], list[int]],
) -> None:
    for path in sorted(set(DEMO.glob("*/*.mp4")) - {CORRUPT, NO_FACE, TWO_FACES}):
        counts = faces_in(path)
        assert counts.count(1) >= 0.9 * len(counts), path


def test_the_conversation_says_what_its_dialogue_says_at_the_times_of_its_subtitles() -> None:
    transcript = read_transcript(DEMO / "conversation.vtt")
    said = [row for row in rows("test") if row["Dialogue_ID"] == "0"]
    assert [(line.speaker, line.text) for line in transcript.lines] == [
        (row["Speaker"], row["Utterance"]) for row in said
    ]
    recording = sound(DEMO / "conversation.mp4")[0]
    for line, row in zip(transcript.lines, said, strict=True):
        own = sound(clip("test", row))[0]
        start = round((line.start_seconds or 0.0) * 48_000)
        stretch = recording[start : start + len(own)]
        assert correlation(stretch, own[: len(stretch)]) > 0.95
