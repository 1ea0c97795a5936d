"""Which reader reads which corpus, and the policies that each knows: one line of READERS per corpus."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from extraction.corpora.corpus import Corpus, CorpusError
from extraction.corpora.iemocap.dialogues import IemocapQuirks
from extraction.corpora.iemocap.reader import PROTOCOLS, read_iemocap
from extraction.corpora.manifest import read_manifest
from extraction.corpora.meld.parts import MeldQuirks
from extraction.corpora.meld.reader import ALIGNMENTS, TEST_CLIPS, read_meld
from extraction.corpora.quirks import Quirks, load_quirks
from extraction.remote.address import is_address, refusal, shown


@dataclass(frozen=True, slots=True)
class Reader:
    """How a corpus is read.

    Args:
        read: called with the corpus' folder, its `quirks`, and a keyword argument for each policy.
        quirks: the dataclass that the corpus' TOML must fit; <corpus>.toml lies beside its module.
        policies: the allowed values of each policy, the default first.
        files: policies that name a file; None where it is not given.
    """

    read: Callable[..., Corpus]
    quirks: type[Quirks]
    policies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()


MELD_POLICIES = {"test_clips": TEST_CLIPS, "alignment": ALIGNMENTS}
MELD_FILES = ("alignment_file",)
READERS: Mapping[str, Reader] = {
    "meld": Reader(partial(read_meld, name="meld"), MeldQuirks, MELD_POLICIES, MELD_FILES),
    "demo": Reader(partial(read_meld, name="demo"), MeldQuirks, MELD_POLICIES, MELD_FILES),
    "iemocap": Reader(read_iemocap, IemocapQuirks, {"protocol": PROTOCOLS}),
}
QUIRKS = "quirks"  # of every corpus but a manifest: the path of a list to read instead of the shipped one


def open_corpus(dataset: str, root: Path | str | None, policy: Mapping[str, str]) -> Corpus:
    """Read the annotations of a corpus and find its media, which are not opened.

    Args:
        dataset: "meld", "iemocap", "demo", or the path of a manifest.csv.
        root: folder of the raw corpus; None for data/<dataset> here. Of a manifest: the folder that its media
            paths are relative to, None for its own; or the address, such as s3://bucket/films.
        policy: of meld and demo `test_clips` = corrected | plain, `alignment` = none | meld-fair, and
            `alignment_file` = path; of iemocap `protocol` = erc7433 | majority7380; of each of them
            `quirks` = path of a list of quirks to read instead of the shipped one.

    Returns:
        The corpus; problems with single clips are listed in it.

    Raises:
        CorpusError: an unknown corpus, no such root, annotations that cannot be read.
        ValueError: an unknown policy or value of one.
    """
    address = str(root) if root is not None and is_address(str(root)) else None
    local = None if root is None or address else Path(root)
    if dataset not in READERS:
        return _open_manifest(dataset, address or local, policy)
    reader = READERS[dataset]
    chosen = _chosen(dataset, policy)
    if address:
        raise CorpusError(
            f"root {shown(address)} is an address, and {dataset} is found by listing folders; mount it, or "
            "list its clips in a manifest, whose media may lie at addresses"
        )
    folder = _root(dataset, local)
    return reader.read(folder, quirks=load_quirks(reader.quirks, dataset, policy.get(QUIRKS)), **chosen)


def media_folder(dataset: str, root: Path | None) -> Path:
    """The folder that the files of a corpus are named relative to."""
    if root is not None:
        return root
    return Path("data") / dataset if dataset in READERS else Path(dataset).parent


def _open_manifest(dataset: str, root: Path | str | None, policy: Mapping[str, str]) -> Corpus:
    path = Path(dataset)
    if path.suffix.lower() != ".csv":
        near = difflib.get_close_matches(dataset, READERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "give one of these, or the path of a manifest.csv"
        raise CorpusError(f"dataset {dataset!r} is not one of {', '.join(READERS)}; {hint}")
    if policy:
        raise CorpusError(
            f"policy {next(iter(policy))!r}: a manifest has no policies, its rows say all; leave it out"
        )
    if isinstance(root, Path):
        _root(dataset, root)
    elif root is not None and (remedy := refusal(root)):
        raise CorpusError(f"root {shown(root)}: {remedy}")
    return read_manifest(path, root=root, quirks=Quirks())


def _chosen(dataset: str, policy: Mapping[str, str]) -> dict[str, str | Path | None]:
    allowed, files = READERS[dataset].policies, READERS[dataset].files
    for key, value in policy.items():
        if key in (*files, QUIRKS):
            continue
        if key not in allowed:
            known = [*allowed, *files, QUIRKS]
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(known)}"
            raise CorpusError(f"policy {key!r} = {value!r} is none of {dataset}; {hint}")
        if value not in allowed[key]:
            raise CorpusError(
                f"policy {key} = {value!r} of {dataset}: allowed is {' or '.join(allowed[key])}"
            )
    paths = {key: Path(policy[key]) if key in policy else None for key in files}
    return {key: policy.get(key, values[0]) for key, values in allowed.items()} | paths


def _root(dataset: str, root: Path | None) -> Path:
    folder = media_folder(dataset, root)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CorpusError(f"root {folder} is a file; give the folder of the unpacked corpus")
    remedy = "correct --root" if root else "put the corpus there, or give its folder with --root"
    raise CorpusError(f"there is no folder {folder} for {dataset}; {remedy}")
