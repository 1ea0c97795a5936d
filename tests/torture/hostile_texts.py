"""Manifests, tables of corpora, transcripts, recipes and the records of runs that say what cannot be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from extraction.transcripts.reading import read_transcript
from pipelines.recipe import load_recipe
from tests.extraction.corpora.trees import manifest_row, write_csv, write_meld
from tests.media_factory import Sound, write
from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.torture.forked import done
from tests.torture.hostile import Hostile, asked, typed

DEEP = 100_000
ROW = manifest_row("a1", media="sound.wav", label="joy")


def texts(folder: Path, **_: object) -> Iterator[Hostile]:
    """Each read by the command that it is meant for."""
    yield from _manifests(folder / "manifests")
    yield from _recipes(folder / "recipes")
    yield from _transcripts(folder / "transcripts")
    yield from _records(folder / "records")


def _manifests(folder: Path) -> Iterator[Hostile]:
    folder.mkdir()
    write(folder / "sound.wav", sound=Sound(seconds=0.3, rate=16_000, codec="pcm_s16le"))
    os.mkfifo(folder / "pipe.wav")
    (folder / "round.wav").symlink_to("round.wav")
    (folder / "zeros.wav").symlink_to("/dev/zero")
    (folder / "random.wav").symlink_to("/dev/urandom")
    (folder / "folder.wav").mkdir()
    for name, changes in _rows_that_are_refused().items():
        yield _manifest(folder, name, [{**ROW, **changes}])
    for name, changes in _rows_that_cost_themselves().items():
        yield _manifest(folder, name, [{**ROW, **changes}], may_pass=True)
    twins = [{**ROW, "id": "a1", "dialogue": "d"}, {**ROW, "id": "a2", "dialogue": "d\0", "turn": "0"}]
    yield _manifest(folder, "dialogues that differ by a NUL", twins)
    text = write_csv(folder / "whole.csv", [ROW]).read_text()
    for name, content in _tables(text).items():
        path = folder / f"{name.replace(' ', '-')}.csv"
        path.write_bytes(content)
        yield _extracted(folder, name, path)
    os.mkfifo(folder / "pipe.csv")
    (folder / "zeros.csv").symlink_to("/dev/zero")
    (folder / "folder.csv").mkdir()
    for name in ("pipe.csv", "zeros.csv", "folder.csv", "none.csv"):
        yield _extracted(folder, name, folder / name)
    yield from _meld(folder / "meld")


def _rows_that_are_refused() -> Mapping[str, Mapping[str, str]]:
    return {
        "an id that leaves": {"id": "../../a"},
        "an id from the root": {"id": "/etc/a"},
        "an id with a NUL": {"id": "a\0b"},
        "an id of lines": {"id": "a\nb"},
        "an id of points": {"id": "a/./b"},
        "a turn of thirty digits": {"turn": "9" * 30},
        "a turn of five thousand digits": {"turn": "9" * 5000},
        "a turn below nothing": {"turn": "-1"},
        "a turn in other figures": {"turn": "٣"},
        "a time that is none": {"start_seconds": "nan", "end_seconds": "inf"},
        "a time past all": {"start_seconds": "1e999"},
        "an end before its start": {"start_seconds": "5", "end_seconds": "1"},
        "a region that is none": {"region": "nan nan nan nan"},
        "a split that is none": {"split": "../train"},
        "media that leave and are not there": {"media": "../../../nowhere.wav"},
        "a speaker with a NUL": {"speaker": "A\0"},
        "a NUL in the words": {"text": "a\0b"},
        "a NUL in the media": {"media": "a\0.wav"},
        "a span of a thousand years": {"start_seconds": "0", "end_seconds": "1e300"},
        "a span that begins then": {"start_seconds": "1e18", "end_seconds": "1e19"},
        "a label with a NUL": {"label": "joy\0"},
    }


def _rows_that_cost_themselves() -> Mapping[str, Mapping[str, str]]:
    return {
        "an id of many letters": {"id": "a" * 120_000},
        "a media path of ten thousand letters": {"media": "a" * 10_000 + ".wav"},
        "media that are a pipe": {"media": "pipe.wav"},
        "media that are a link to itself": {"media": "round.wav"},
        "media that never end": {"media": "zeros.wav"},
        "media that are noise without end": {"media": "random.wav"},
        "media that are a folder": {"media": "folder.wav"},
        "media at an address": {"media": "http://127.0.0.1/a.wav"},
        "media by a protocol": {"media": "concat:/etc/passwd"},
        "media of this process": {"media": "/proc/self/mem"},
        "a span of a month": {"start_seconds": "0", "end_seconds": "3000000"},
        "a span that begins then": {"start_seconds": "9000000", "end_seconds": "9000001"},
        "a span of nothing": {"start_seconds": "0", "end_seconds": "1e-300"},
        "a region of nothing": {"region": "0 0 1e-300 1e-300"},
        "words that steer a terminal": {"text": "\x1b[2J\x1b]0;x\x07", "speaker": "\x1b[31m"},
        "words of two million letters": {"text": "wow " * 30_000},
        "words that are a page": {"speaker": "<script>alert(1)</script>", "text": "</script><img src=x>"},
    }


def _manifest(folder: Path, name: str, rows: list[Mapping[str, str]], *, may_pass: bool = False) -> Hostile:
    path = write_csv(folder / f"{name.replace(' ', '-')}.csv", rows)
    return _extracted(folder, name, path, may_pass=may_pass)


def _extracted(folder: Path, name: str, path: Path, *, may_pass: bool = False) -> Hostile:
    words_typed = (
        "--dataset",
        path,
        "--out",
        folder / "out",
        "--modality",
        "audio",
        "--workers",
        "0",
        "-o",
        "reduction.audio.method=none",
        "--overwrite",
    )
    return Hostile(
        what="manifests and tables",
        name=name,
        work=typed("summer-extract", *words_typed),
        names="" if may_pass else path.name,
        may_pass=may_pass,
    )


def _tables(text: str) -> Mapping[str, bytes]:
    return {
        "no bytes": b"",
        "only zeros": bytes(100_000),
        "only a header": text.splitlines()[0].encode() + b"\n",
        "UTF-16": text.encode("utf-16"),
        "no UTF-8": text.encode().replace(b"Well", b"W\xff\xfe"),
        "an open quote": text.encode() + b'"' + b"a,\n" * 100_000,
        "a cell past all limits": text.encode().replace(b"Well!", b"a" * 1_000_000),
        "a hundred thousand columns": b",".join(b"c%d" % k for k in range(100_000)) + b"\n",
        "columns twice": text.encode().replace(b"id,split", b"id,id"),
        "a hundred thousand ragged rows": text.encode() + b"a,b\n" * 100_000,
        "a binary": bytes(range(256)) * 400,
    }


def _meld(folder: Path) -> Iterator[Hostile]:
    """MELD's tables, whose own columns name files."""
    for name, old, new in (
        ("numbers that leave", ",0,0,", ",../../0,0,"),
        ("numbers of thirty digits", ",0,0,", f",{'9' * 30},0,"),
        ("numbers below nothing", ",0,0,", ",-1,0,"),
    ):
        root = write_meld(
            folder / name.replace(" ", "-"), {split: [(0, 0), (0, 1)] for split in ("train", "dev", "test")}
        )
        table = root / "train_sent_emo.csv"
        table.write_text(table.read_text().replace(old, new))
        yield Hostile(
            what="manifests and tables",
            name=f"MELD: {name}",
            work=typed("summer-data", "check", "--dataset", "meld", "--root", root),
            names="train_sent_emo.csv",
        )


def _recipes(folder: Path) -> Iterator[Hostile]:
    folder.mkdir()
    contents = {
        "nested lists": b"[model]\nwidth = " + b"[" * DEEP + b"]" * DEEP,
        "nested tables": b"a = " + b"{a=" * 20_000 + b"1" + b"}" * 20_000,
        "a key of many parts": b".".join([b"a"] * 20_000) + b" = 1\n",
        "a table of many parts": b"[" + b".".join([b"a"] * 20_000) + b"]\n",
        "a number of many digits": b"[model]\nwidth = " + b"9" * 100_000,
        "a number past all": b"[model]\nwidth = 9223372036854775808000\n",
        "no number": b"[teacher]\nlearning_rate = nan\n",
        "an endless number": b"[teacher]\nlearning_rate = inf\n",
        "a word for a number": b"[model]\nwidth = 'wide'\n",
        "a list for a table": b"model = [1, 2]\n",
        "a number for a table": b"text = 3\n",
        "a date for a number": b"[model]\nlayers = 2020-01-01\n",
        "NUL": b"[model]\nwidth = 8\0\n",
        "no UTF-8": b"[model]\n\xff = 8\n",
        "UTF-16": "[model]\nwidth = 8\n".encode("utf-16"),
        "a key that is an attribute": b"[model]\n__class__ = 'x'\n__post_init__ = 1\n",
        "an empty key": b"'' = 1\n",
        "a page": b"<html>404</html>",
        "a key that is unknown": b"[modle]\nwidth = 8\n",
        "a long line": b"x = '" + b"a" * 30_000_000 + b"'",
    }
    for name, content in contents.items():
        path = folder / f"{name.replace(' ', '-')}.toml"
        path.write_bytes(content)
        yield _recipe(name, str(path), names="")
    os.mkfifo(folder / "pipe.toml")
    (folder / "zeros.toml").symlink_to("/dev/zero")
    (folder / "round.toml").symlink_to("round.toml")
    (folder / "folder.toml").mkdir()
    for path in ("pipe.toml", "zeros.toml", "round.toml", "folder.toml", "none.toml"):
        yield _recipe(path, str(folder / path), names=path)
    yield _recipe("a name that leaves", "../../etc/passwd", names="../../etc/passwd")
    yield _recipe("a name with a NUL", "a\0.toml", names="")
    for override in (
        "a" + ".a" * 20_000 + "=1",
        "model.width=" + "[" * DEEP,
        "model.width={",
        "=",
        "model=3",
        "model.width=9" + "9" * 5000,
        "model..width=3",
        "__class__.x=1",
    ):
        yield Hostile(
            what="recipes",
            name=f"the override {override[:30]}",
            work=asked(partial(load_recipe, "demo", [override])),
        )


def _recipe(name: str, path: str, *, names: str) -> Hostile:
    return Hostile(what="recipes", name=name, work=asked(partial(load_recipe, path, [])), names=names)


def _transcripts(folder: Path) -> Iterator[Hostile]:
    folder.mkdir()
    cue = "1\n00:00:00,000 --> 00:00:01,000\nHi.\n\n"
    contents: dict[str, tuple[str | bytes, bool]] = {
        "deep.json": ("[" * DEEP + "]" * DEEP, False),
        "deep-entry.json": ('[{"text": ' + "[" * 900 + "]" * 900 + "}]", True),
        "deep-object.json": ('{"a":' * DEEP + "1" + "}" * DEEP, False),
        "number.json": ('[{"text": "a", "start": ' + "9" * 100_000 + "}]", False),
        "huge.json": ('[{"text": "a", "start": 1e308, "end": 1e309}]', False),
        "nothing.json": ('[{"text": "a", "start": NaN, "end": Infinity}]', False),
        "types.json": ('[{"text": {"a": 1}, "start": true, "end": []}]', False),
        "words.json": ('{"segments": 7}', False),
        "twice.json": ('{"segments": [1, 2]}', False),
        "surrogate.json": ('[{"text": "\\ud800", "start": 0, "end": 1}]', True),
        "many.json": ("[" + ",".join(['{"text":"a"}'] * 150_000) + "]", False),
        "clock.srt": ("1\n99999999999999999999:00:00,000 --> 00:00:01,000\nHi.\n", True),
        "digits.srt": ("1\n" + "9" * 6000 + ":00:00,000 --> 00:00:01,000\nHi.\n", False),
        "digits2.srt": ("1\n" + "9" * 400 + ":00:00,000 --> " + "9" * 401 + ":00:00,000\nHi.\n", False),
        "many.srt": (cue * 150_000, False),
        "arrows.srt": ("-->" * 200_000, False),
        "tags.vtt": ("WEBVTT\n\n00:00.000 --> 00:01.000\n" + "<v " * 100_000, True),
        "tags2.vtt": ("WEBVTT\n\n00:00.000 --> 00:01.000\n" + "<b>" * 100_000 + "a", True),
        "braces.srt": (cue.replace("Hi.", "{" * 100_000), True),
        "names.srt": (cue.replace("Hi.", "A: " * 50_000), True),
        "spaces.srt": (cue.replace("Hi.", "A" + " " * 100_000 + ":" + " " * 100_000), True),
        "dashes.srt": (cue.replace("Hi.", "- " * 100_000), True),
        "nul.srt": (cue.replace("Hi.", "a\0b"), False),
        "utf16.srt": (cue.encode("utf-16-le"), False),
        "odd.srt": (b"\xff\xfe" + cue.encode("utf-16-le")[:-1], True),
        "binary.srt": (bytes(range(256)) * 400, False),
        "quote.csv": ('text,start\n"' + "a\n" * 100_000, False),
        "cell.csv": ("text,start\n" + "a" * 1_000_000 + ",1\n", False),
        "ragged.csv": ("text,start\na,1,2\n", False),
        "twice.csv": ("text,text\na,b\n", True),
        "empty.csv": ("", False),
        "name.txt": ("Hi.", False),
    }
    for name, (content, may_pass) in contents.items():
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        yield _transcript(path, may_pass=may_pass)
    os.mkfifo(folder / "pipe.srt")
    (folder / "zeros.srt").symlink_to("/dev/zero")
    (folder / "round.srt").symlink_to("round.srt")
    (folder / "folder.srt").mkdir()
    for name in ("pipe.srt", "zeros.srt", "round.srt", "folder.srt", "none.srt"):
        yield _transcript(folder / name)


def _transcript(path: Path, *, may_pass: bool = False) -> Hostile:
    return Hostile(
        what="transcripts",
        name=path.name,
        work=asked(partial(read_transcript, path)),
        names=path.name,
        may_pass=may_pass,
    )


def _records(folder: Path) -> Iterator[Hostile]:
    """What a run keeps of itself, changed by somebody else."""
    folder.mkdir()
    features, recipe = made_stores(folder / "stores"), made_recipe(folder)
    whole = folder / "whole"
    made = done(typed("summer-train", *words(recipe, features, whole)), folder / "made.txt")
    assert made.status == 0, made.said
    nested = b"[" * DEEP
    for name in (
        "run.json",
        "results.json",
        "predictions.csv",
        "features/features.json",
        "seed0/student-history.json",
        "seed0/teacher-seconds.json",
    ):
        for kind, content in {
            "nested": nested,
            "list": b"[1, 2]",
            "number": b"7",
            "null": b"null",
            "empty": b"",
            "zeros": bytes(1000),
            "word": b'"x"',
            "object": b'{"a": {}}',
        }.items():
            run = _copy(whole, folder / f"{kind}-{name.replace('/', '-')}")
            if not (run / name).is_file():
                continue
            (run / name).write_bytes(content)
            yield _evaluated(run, f"{name}: {kind}")
            yield Hostile(
                what="records of runs",
                name=f"{name}: {kind}, reported",
                work=typed("summer-report", run, "--out", folder / "page.html", "--overwrite"),
                may_pass=True,
            )
            yield Hostile(
                what="records of runs",
                name=f"{name}: {kind}, resumed",
                work=typed("summer-train", *words(recipe, features, run, "--resume")),
                may_pass=True,
            )
    for name, asset in {
        "a path that leaves": "../../../../etc/passwd",
        "a path from the root": "/etc/passwd",
        "zeros": "/dev/zero",
    }.items():
        run = _copy(whole, folder / name.replace(" ", "-"))
        path = run / "features" / "features.json"
        record = json.loads(path.read_text())
        for entry in record.values():
            entry["assets"] = {"reducer": {"path": asset, "sha256": "0" * 64, "name": "x"}}
        path.write_text(json.dumps(record))
        yield _evaluated(run, f"assets: {name}")


def _copy(whole: Path, run: Path) -> Path:
    shutil.copytree(whole, run)
    return run


def _evaluated(run: Path, name: str) -> Hostile:
    return Hostile(what="records of runs", name=name, work=typed("summer-evaluate", run), may_pass=True)
