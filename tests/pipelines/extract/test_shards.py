"""Shards as an array job starts them: each ends well on its own, whatever the others do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from extraction.engines import Block, BlockResult, Engine
from extraction.extractor import Extractor
from tests.pipelines.extract.small_corpus import SmallCorpus, said


def test_a_shard_that_is_done_exits_0_before_the_others_are_and_says_so_again(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path, train=15)  # 38 clips: two blocks of sound
    first = said(corpus.extract(tmp_path, "--shard", "1/2"))
    assert "shard 1/2 is done; when all are, run without --shard" in first
    assert "still to do" not in first
    assert "nothing to do" not in first
    assert "32" in first.split("utterances")[2]  # of the shard alone
    again = said(corpus.extract(tmp_path, "--shard", "1/2"))
    assert "audio: nothing to do, shard 1/2 is finished" in again
    assert "is done; when all are" in again
    said(corpus.extract(tmp_path, "--shard", "2/2"))
    assert not (tmp_path / "clips" / "audio.h5").exists()
    assert "wrote" in said(corpus.extract(tmp_path))
    assert "nothing to do, shard 2/2 is finished" in said(corpus.extract(tmp_path, "--shard", "2/2"))


def test_a_shard_without_a_block_is_done(tmp_path: Path) -> None:
    corpus = SmallCorpus(tmp_path)
    told = said(corpus.extract(tmp_path, "--shard", "3/16"))
    assert "audio: nothing to do, shard 3/16 is finished" in told
    assert "clips are there" not in told


def test_a_shard_with_an_error_is_not_called_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Engine, __: Extractor, blocks: Iterable[Block]) -> Iterator[BlockResult]:
        return (BlockResult(block=block, error="RuntimeError: a bug") for block in blocks)

    corpus = SmallCorpus(tmp_path)
    monkeypatch.setattr("extraction.engines.local.InProcess.run", failing)
    told = said(corpus.extract(tmp_path, "--shard", "1/2"), exit_code=1)
    assert "18 utterances are still to do" in told
    assert "is done" not in told
