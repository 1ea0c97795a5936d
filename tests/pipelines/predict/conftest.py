"""A small corpus and its runs, made once."""

from __future__ import annotations

import pytest

from tests.pipelines.extract.small_corpus import SmallCorpus
from tests.pipelines.predict.small_runs import corpus_with_runs


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SmallCorpus:
    """With its runs `words` and `both`; not to be changed."""
    return corpus_with_runs(tmp_path_factory.mktemp("corpus"))
