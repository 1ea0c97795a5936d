"""Names of corpora, policies and lists of quirks: known ones work, unknown ones name the nearest."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from extraction.corpora import CorpusError, open_corpus
from extraction.corpora.quirks import QuirksError
from tests.extraction.corpora.trees import MELD_FOLDERS, meld_row, write_csv, write_meld

SHIPPED = files("extraction.corpora.meld") / "meld.toml"


@pytest.mark.parametrize(
    ("dataset", "policy", "message"),
    [
        ("mled", {}, r"dataset 'mled' is not one of meld, demo, iemocap; did you mean 'meld'"),
        ("cmu", {}, r"dataset 'cmu' .*or the path of a manifest\.csv"),
        ("meld", {"test_clip": "plain"}, r"policy 'test_clip' = 'plain' .*did you mean 'test_clips'"),
        (
            "meld",
            {"protocol": "erc7433"},
            r"policy 'protocol' .*it knows test_clips, alignment, alignment_file, quirks",
        ),
        ("meld", {"test_clips": "raw"}, r"policy test_clips = 'raw' of meld: allowed is corrected or plain"),
        ("iemocap", {"protocol": "7433"}, r"allowed is erc7433 or majority7380"),
        ("some.csv", {"protocol": "erc7433"}, r"policy 'protocol': a manifest has no policies"),
    ],
)
def test_an_unknown_name_or_value_is_an_error_with_the_nearest(
    tmp_path: Path, dataset: str, policy: dict[str, str], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        open_corpus(dataset, tmp_path, policy)


def test_the_root_is_data_here_unless_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        CorpusError, match=r"no folder data/meld for meld; put the corpus there, or give .*--root"
    ):
        open_corpus("meld", None, {})
    write_meld(tmp_path / "data" / "meld", {"dev": [(0, 0)]})
    assert len(open_corpus("meld", None, {}).clips) == 1
    with pytest.raises(CorpusError, match=r"root .*csv is a file; give the folder"):
        open_corpus("meld", tmp_path / "data" / "meld" / "dev_sent_emo.csv", {})


def test_an_own_list_of_quirks_is_read_instead_of_the_shipped_one(tmp_path: Path) -> None:
    write_csv(tmp_path / "dev_sent_emo.csv", [meld_row(0, 0)])
    (tmp_path / MELD_FOLDERS["dev"]).mkdir()
    own = tmp_path / "own.toml"
    own.write_text(SHIPPED.read_text("utf-8").replace("dev/dia110_utt7", "dev/dia0_utt0"), "utf-8")
    missing = {
        policy: [
            problem.known
            for problem in open_corpus("meld", tmp_path, dict(quirks)).problems
            if (problem.kind, problem.where) == ("missing", "dev/dia0_utt0")
        ]
        for policy, quirks in {"shipped": (), "own": (("quirks", str(own)),)}.items()
    }
    assert missing == {"shipped": [False], "own": [True]}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "version = 2", r"version = 2: input should be 1"),
        ("utterances = 9989", "utterances = 'many'", r"splits\.train\.utterances = 'many': .*integer"),
        ("tiny_frames = 8", "tiny_frame = 8", r"media\.tiny_frame = 8: unexpected keyword"),
        ("version = 1", "version = ", r"is not TOML: .*line 2"),
    ],
)
def test_a_list_of_quirks_that_does_not_fit_is_an_error_with_key_and_value(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(SHIPPED.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(QuirksError, match=r"own\.toml.*" + message):
        open_corpus("meld", tmp_path, {"quirks": str(own)})


def test_an_absent_list_of_quirks_says_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(QuirksError, match=r"none\.toml cannot be read: .*copy .*meld\.toml there"):
        open_corpus("meld", tmp_path, {"quirks": str(tmp_path / "none.toml")})
