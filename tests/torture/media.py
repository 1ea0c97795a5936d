"""Damaged and absurd media files, read as the extractors read them.

Each file is read whole and as a span, for sound and for pictures, in a process of its own. It must end in
time and within memory, without an error, with a status: ok has a finite vector, anything else a reason.
What was made to be whole must be ok, and what was made to lack something must say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extraction.audio import ComParE
from extraction.corpora.probe import probe
from extraction.corpora.quirks import ExpectedMedia
from extraction.extractor import Clip, Extractor, MediaSpan
from extraction.measured import Measured
from extraction.video.extractor import LFNet3D
from extraction.weights import Weights
from summer.corpus import Dialogue, Split, Status, Utterance
from tests.torture.forked import BYTES_PER_KIB, Ended, done
from tests.torture.media_absurd import absurd_files
from tests.torture.media_damage import DAMAGES
from tests.torture.media_sources import Source, sources
from tests.torture.tally import Tally
from tests.torture.victims import random_weights

FILES, FILES_OF_A_SHORT_RUN = 500, 120
EVERY_OF_A_SHORT_RUN = 10
MOST_SECONDS, MOST_BYTES = 60.0, 2 << 30  # of a file, looked at in all ways; libraries take up to 1 GiB of it
SPAN_SECONDS = (0.12, 0.44)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A file to be read.

    Args:
        expected: statuses that are true, by modality; empty where any is.
    """

    name: str
    suffix: str
    content: bytes
    expected: Mapping[str, frozenset[Status]]


def beat(scratch: Path, *, seed: int, short: bool) -> list[Tally]:
    """Read them all."""
    scratch.mkdir(parents=True)
    extractors = _extractors(scratch)
    whole = sources(scratch / "sources")
    tallies: dict[str, Tally] = {}
    count = FILES_OF_A_SHORT_RUN if short else FILES
    for number, (what, case) in enumerate(_cases(whole, scratch, count=count, seed=seed)):
        if short and number % EVERY_OF_A_SHORT_RUN:
            continue
        tally = tallies.setdefault(what, Tally(part="media", what=what))
        path = scratch / f"{number:04d}{case.suffix}"
        path.write_bytes(case.content)
        ended = done(lambda path=path: _look(path, extractors), scratch / "log.txt", cpu_seconds=MOST_SECONDS)
        tally.took(ended.seconds, ended.most_bytes)
        found = _found(ended, case)
        if found:
            tally.find(f"{path.name} {case.name}: {found}")
        else:
            path.unlink()
    return list(tallies.values())


def _cases(whole: list[Source], scratch: Path, *, count: int, seed: int) -> Iterator[tuple[str, Case]]:
    for source in whole:
        yield (
            "whole files",
            Case(name=source.name, suffix=source.suffix, content=source.content, expected=_true_of(source)),
        )
    for name, suffix, content, expected in absurd_files(scratch / "absurd"):
        yield "absurd files", Case(name=name, suffix=suffix, content=content, expected=expected)
    damages = list(DAMAGES.items())
    for number in range(count):
        source, (kind, damage) = (
            whole[number % len(whole)],
            damages[(number // len(whole) + number) % len(damages)],
        )
        random = np.random.default_rng([seed, number])
        content = damage(source.content, random)
        yield (
            f"mutated {source.suffix}",
            Case(name=f"{kind} of {source.name}", suffix=source.suffix, content=content, expected={}),
        )


def _true_of(source: Source) -> Mapping[str, frozenset[Status]]:
    is_sound = source.name.startswith("sound") or source.suffix == ".wav"
    ok = frozenset({Status.OK} if source.suffix != ".wmv" else {Status.OK, Status.TRUNCATED})  # of its sound
    return {"audio": ok, "video": frozenset({Status.NO_VIDEO}) if is_sound else ok}


def _extractors(scratch: Path) -> list[Extractor]:
    """Of sound, and of pictures with untrained weights: nothing is fetched."""
    path = random_weights(scratch)
    video = LFNet3D(weights=Weights(path=path, sha256="0" * 64, source="given"))
    return [Measured(one, ExpectedMedia()) for one in (ComParE(), video)]


def _look(path: Path, extractors: list[Extractor]) -> None:
    """What each extractor says of a file and of a span of it, one line of JSON each."""
    print(json.dumps({"probe": probe(path).fault}))
    for extractor in extractors:
        for start, end in ((None, None), SPAN_SECONDS):
            span = MediaSpan(path=path, start_seconds=start, end_seconds=end)
            utterance = Utterance(
                id="a",
                split=Split.TRAIN,
                dialogue="0",
                turn=0,
                speaker="",
                text="",
                label="",
                start_seconds=start,
                end_seconds=end,
            )
            clip = Clip(
                utterance=utterance,
                dialogue=Dialogue(split=Split.TRAIN, name="0", utterances=(utterance,)),
                audio=span,
                video=span,
            )
            (outcome,) = extractor([clip])
            is_finite = outcome.vector is not None and bool(np.isfinite(outcome.vector).all())
            print(
                json.dumps(
                    {
                        "modality": extractor.modality,
                        "whole": start is None,
                        "status": outcome.status,
                        "reason": outcome.reason,
                        "finite": is_finite,
                        "width": 0 if outcome.vector is None else len(outcome.vector),
                    }
                )
            )


def _found(ended: Ended, case: Case) -> str:
    """What went otherwise than it must; "" where nothing did."""
    if ended.is_late:
        return f"not done after {MOST_SECONDS:.0f} s: {ended.last_line}"
    if ended.status != 0:
        return f"status {ended.status}: {ended.last_line}"
    if ended.most_bytes > MOST_BYTES:
        return f"{ended.most_bytes // BYTES_PER_KIB // BYTES_PER_KIB} MiB of memory"
    said = [json.loads(line) for line in ended.said.splitlines() if line.startswith("{")]
    for one in said[1:]:
        if one["status"] == Status.OK and not (one["finite"] and one["width"]):
            return f"{one['modality']} is ok and has no finite vector"
        if one["status"] != Status.OK and not one["reason"]:
            return f"{one['modality']} is {one['status']} without a reason"
        true = case.expected.get(one["modality"], frozenset())
        if one["whole"] and true and one["status"] not in true:
            return f"{one['modality']} is {one['status']} ({one['reason']}), not {' or '.join(true)}"
    return ""
