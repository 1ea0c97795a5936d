"""What the check calls mis-cut is a remark in the rows that extraction writes, word for word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from extraction.corpora import check_corpus, open_corpus
from extraction.engines import InProcess
from extraction.extractor import Clip, Outcome
from extraction.plan import Job
from extraction.run import extract
from summer.corpus import Modality, Status
from summer.store import FeatureStore
from tests.extraction.corpora.trees import MELD_FOLDERS, manifest_row, meld_row, touch, write_csv, write_film
from tests.extraction.fake import DIM, FakeExtractor

TEST = MELD_FOLDERS["test"]


@dataclass(frozen=True, kw_only=True)
class Remarking(FakeExtractor):
    """Vectors of ones; what is known of a clip is its row's reason, as every extractor has it."""

    def __call__(self, clips: Sequence[Clip]) -> Sequence[Outcome]:
        return [
            Outcome(status=Status.OK, vector=np.ones(DIM, np.float32), reason=clip.remark) for clip in clips
        ]


def reasons(
    dataset: str, root: Path | None, folder: Path, modality: Modality, policy: Mapping[str, str] | None = None
) -> dict[str, str]:
    corpus = open_corpus(dataset, root, policy or {})
    job = Job(corpus=corpus, extractor=Remarking(modality=modality), folder=folder)
    extract(job, InProcess(), reduction=None, on_progress=lambda _: None)
    with FeatureStore(job.store) as store:
        names = [utterance.id for utterance in store.rows.utterances]
        return dict(zip(names, store.rows.reasons, strict=True))


def mis_cut(dataset: str, root: Path | None, policy: Mapping[str, str] | None = None) -> dict[str, str]:
    corpus = open_corpus(dataset, root, policy or {})
    found = check_corpus(corpus, root, workers=1, on_progress=lambda *_: None)
    return {problem.where: problem.what.partition(": ")[2] for problem in found if problem.kind == "mis-cut"}


@pytest.mark.parametrize("modality", [Modality.AUDIO, Modality.VIDEO])
def test_a_clip_of_another_length_than_its_annotation_says_so_in_its_row(
    tmp_path: Path, modality: Modality
) -> None:
    keys = [(0, 0), (0, 1), (38, 4), (0, 2), (0, 3)]
    write_csv(tmp_path / "test_sent_emo.csv", [meld_row(*key) for key in keys])
    for key, frames in zip(keys, [10, 14, 20, 10], strict=False):
        write_film(tmp_path / TEST / f"dia{key[0]}_utt{key[1]}.mp4", frames=frames)
    touch(tmp_path / TEST / "dia0_utt3.mp4")  # of no bytes
    told = mis_cut("meld", tmp_path)
    assert set(told) == {"test/dia0_utt1", "test/dia38_utt4"}
    found = reasons("meld", tmp_path, tmp_path / "stores", modality)
    assert found["test/dia0_utt1"] == told["test/dia0_utt1"]
    giant, _, length = found["test/dia38_utt4"].rpartition("; ")
    assert giant.startswith("far longer")
    assert length == told["test/dia38_utt4"]
    assert found["test/dia0_utt0"] == found["test/dia0_utt2"] == found["test/dia0_utt3"] == ""


def test_a_span_past_the_end_of_its_film_says_so_in_its_row(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", frames=20)
    times = [{"start_seconds": "0", "end_seconds": "1.5"}, {"start_seconds": "1", "end_seconds": "3"}]
    rows = [manifest_row(f"{k}", media="film.mp4", **times[k]) for k in range(2)]
    manifest = str(write_csv(tmp_path / "manifest.csv", [row | times[k] for k, row in enumerate(rows)]))
    told = mis_cut(manifest, None)
    assert reasons(manifest, None, tmp_path / "stores", Modality.VIDEO) == {"0": "", "1": told["1"]}


def test_a_piece_past_the_end_of_its_file_says_so_in_its_row(tmp_path: Path) -> None:
    write_csv(tmp_path / "test_sent_emo.csv", [meld_row(0, 0), meld_row(0, 1)])
    for number in (0, 1):
        write_film(tmp_path / TEST / f"dia0_utt{number}.mp4", frames=30)
    pieces = ["Split,Dialogue ID,Utterance ID,Original Dialogue ID,Original Utterance ID,Start Time,End Time"]
    pieces += ["test,0,0,0,0,0,1", "test,0,1,0,0,1,3.2", "test,0,1,0,1,0,3.5"]
    (tmp_path / "pieces.csv").write_text("\n".join(pieces), "utf-8")
    policy = {"alignment": "meld-fair", "alignment_file": str(tmp_path / "pieces.csv")}
    told = mis_cut("meld", tmp_path, policy)
    found = reasons("meld", tmp_path, tmp_path / "stores", Modality.AUDIO, policy)
    assert found["test/dia0_utt0"] == ""  # of another length than annotated, but it is not its clip
    one, _, other = found["test/dia0_utt1"].partition("; ")
    assert (one[:26], other[:26]) == ("its span ends at 3.20 s, t", "its span ends at 3.50 s, t")
    assert told["test/dia0_utt1"] in (one, other)


def test_rows_of_text_tell_nothing_of_clips(tmp_path: Path) -> None:
    write_csv(tmp_path / "test_sent_emo.csv", [meld_row(0, 0)])
    write_film(tmp_path / TEST / "dia0_utt0.mp4", frames=30)
    assert set(mis_cut("meld", tmp_path)) == {"test/dia0_utt0"}
    assert reasons("meld", tmp_path, tmp_path / "stores", Modality.TEXT) == {"test/dia0_utt0": ""}
