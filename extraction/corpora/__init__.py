"""Corpora: what was said, by whom, with which label, and where its sound and picture are.

One reader per corpus; what is known of each as it really is stands in a TOML file beside its reader.
"""

from extraction.corpora.check import check_corpus
from extraction.corpora.corpus import Corpus, CorpusError, Problem
from extraction.corpora.readers import open_corpus

__all__ = ["Corpus", "CorpusError", "Problem", "check_corpus", "open_corpus"]
