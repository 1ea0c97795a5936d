"""Models, reducers, weights and progress that declare what they do not hold, or would run as programs."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from extraction.text.encoder import RobertaText
from extraction.video.network.backbones import load_backbone
from extraction.weights import Weights
from extraction.weights.language import text_model
from extraction.weights.states import load_vggface2
from summer.reduction import load_reducer
from summer.training.checkpoints import load_checkpoint
from tests.extraction.text.tiny_encoder import roberta_folder
from tests.pipelines.evaluate.made_up_runs import made_recipe, made_stores, words
from tests.torture.forked import Forked, done
from tests.torture.hostile import Hostile, asked, changed_bytes, typed

MUTATED = 90
DEEP = 100_000
Change = Callable[[dict[str, Any]], None]


def models(folder: Path, *, seed: int) -> Iterator[Hostile]:
    """Each read by what reads such a file."""
    features, recipe = made_stores(folder / "stores"), made_recipe(folder)
    run = folder / "run"
    made = done(typed("summer-train", *words(recipe, features, run)), folder / "made.txt")
    assert made.status == 0, made.said
    count = MUTATED
    yield from _checkpoints(
        folder / "checkpoints", run / "seed0" / "student.safetensors", seed=seed, count=count
    )
    yield from _reducers(folder / "reducers")
    yield from _weights(folder / "weights", folder / "canary")
    yield from _encoders(folder / "encoders")
    yield from _progress(folder / "progress", folder / "canary", features, recipe)


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """A safetensors file's own header, and its numbers."""
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _safetensors(header: Mapping[str, Any] | bytes, numbers: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def _checkpoints(folder: Path, whole: Path, *, seed: int, count: int) -> Iterator[Hostile]:
    folder.mkdir()
    content = whole.read_bytes()
    for name, change in _changes().items():
        header, numbers = _parts(content)
        said = json.loads(header["__metadata__"]["summer"])
        change(said)
        header["__metadata__"]["summer"] = json.dumps(said)
        yield _checkpoint(folder, name, _safetensors(header, numbers))
    for name, text in {
        "a nested record": "[" * DEEP,
        "a record that is a list": "[]",
        "a record that is a number": "7",
        "no record": "",
    }.items():
        header, numbers = _parts(content)
        header["__metadata__"]["summer"] = text
        yield _checkpoint(folder, name, _safetensors(header, numbers))
    header, numbers = _parts(content)
    yield _checkpoint(folder, "a header of a million million bytes", struct.pack("<Q", 10**12) + content[8:])
    yield _checkpoint(folder, "a nested header", _safetensors(b'{"a":' * DEEP + b"1" + b"}" * DEEP, b""))
    for name, dtype in {"BF16": "BF16", "F8": "F8_E4M3", "none": "X9"}.items():
        changed = {
            key: {**entry, "dtype": dtype} if key.startswith("centre") else entry
            for key, entry in header.items()
        }
        yield _checkpoint(folder, f"numbers of type {name}", _safetensors(changed, numbers))
    huge = {**header, "model.x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    yield _checkpoint(folder, "a tensor that is not there", _safetensors(huge, numbers))
    yield from _no_files(folder, "checkpoints", ".safetensors", load_checkpoint)
    for number, changed_content in enumerate(changed_bytes(content, seed, count)):
        yield _checkpoint(folder, f"mutation {number}", changed_content, may_pass=True)


def _checkpoint(folder: Path, name: str, content: bytes, *, may_pass: bool = False) -> Hostile:
    path = folder / f"{name.replace(' ', '-')}.safetensors"
    path.write_bytes(content)
    what = "checkpoints, bytes changed" if may_pass else "checkpoints"
    return Hostile(
        what=what, name=name, work=asked(partial(load_checkpoint, path)), names=path.name, may_pass=may_pass
    )


def _changes() -> Mapping[str, Change]:
    def options(**values: Any) -> Change:
        def change(said: dict[str, Any]) -> None:
            for model in said["models"]:
                target = model["options"].get("model", model["options"])
                target.update(values)

        return change

    def shape(**values: Any) -> Change:
        return lambda said: [model["shape"].update(values) for model in said["models"]] and None

    def top(**values: Any) -> Change:
        return lambda said: said.update(values)

    return {
        "a width of a million million": options(width=2 * 10**12, heads=2),
        "a width of a million": options(width=10**6, heads=2),
        "a thousand million layers": options(layers=10**9),
        "a hundred thousand layers": options(layers=10**5),
        "a thousand million experts": options(experts=10**9),
        "dialogues of a million million": options(longest_dialogue=10**12),
        "a thousand million slots": options(speaker_slots=10**9),
        "a width that is a word": options(width="wide"),
        "a width below nothing": options(width=-8),
        "a thousand million classes": shape(classes=10**9),
        "classes below nothing": shape(classes=-1),
        "classes that are a word": shape(classes="x"),
        "a thousand million identities": shape(identities=10**9),
        "features of a million million": shape(feature_dims=[["text", 10**12]]),
        "features of a modality that is none": shape(feature_dims=[["smell", 3]]),
        "a shape that is unknown": shape(a=1),
        "labels that are a number": top(labels=7),
        "labels that are numbers": top(labels=[1, 2, 3]),
        "labels too many": top(labels=[f"label {k}" for k in range(1000)]),
        "no labels": top(labels=[]),
        "no models": top(models=[]),
        "models that are words": top(models=["teacher"]),
        "ten thousand models": lambda said: said.update(models=said["models"] * 5000),
        "a model that is none": lambda said: said["models"][-1].update(name="../../evil"),
        "a model that is a list": lambda said: said["models"][-1].update(name=["teacher"]),
        "a format that is a list": top(format=[2]),
        "a format of tomorrow": top(format=99),
        "an origin that is a word": top(origin="x"),
        "identities that are a word": top(identities="x"),
    }


def _no_files(folder: Path, what: str, suffix: str, reader: Callable[[Path], object]) -> Iterator[Hostile]:
    os.mkfifo(folder / f"pipe{suffix}")
    (folder / f"zeros{suffix}").symlink_to("/dev/zero")
    (folder / f"round{suffix}").symlink_to(f"round{suffix}")
    (folder / f"folder{suffix}").mkdir()
    (folder / f"empty{suffix}").touch()
    (folder / f"page{suffix}").write_text("<html>404</html>" * 100)
    for name in ("pipe", "zeros", "round", "folder", "empty", "page", "none"):
        path = folder / f"{name}{suffix}"
        yield Hostile(what=what, name=path.name, work=asked(partial(reader, path)), names=path.name)


def _reducers(folder: Path) -> Iterator[Hostile]:
    folder.mkdir()
    arrays = {"components": np.ones((2, 4), np.float32), "mean": np.zeros(4, np.float32)}
    good = {"format": 1, "method": "pca", "width": 2, "raw_dim": 4, "facts": {}, "fingerprint": "0" * 64}
    records: dict[str, Any] = {
        "a list": [],
        "a number": 3,
        "a word": "x",
        "no method": {"format": 1},
        "another method": {**good, "method": "../x"},
        "another width": {**good, "width": 10**12},
        "facts that are a list": {**good, "facts": [1]},
        "a format that is a list": {**good, "format": [1]},
    }
    texts = {name: json.dumps(record) for name, record in records.items()} | {
        "nested": "[" * DEEP,
        "none": "",
    }
    for key in ("summer", "reducer"):
        for name, text in texts.items():
            path = folder / f"{key}-{name.replace(' ', '-')}.safetensors"
            path.write_bytes(save(arrays, metadata={key: text}))
            yield Hostile(
                what="reducers",
                name=f"{key}: {name}",
                work=asked(partial(load_reducer, path)),
                names=path.name,
            )
    yield from _no_files(folder, "reducers", ".safetensors", load_reducer)


class _Shell:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def _weights(folder: Path, canary: Path) -> Iterator[Hostile]:
    """Of the face network, as a recipe may name them."""
    folder.mkdir()
    evil = _Shell(f"touch {canary}")
    state = io.BytesIO()
    torch.save({"a": torch.ones(3)}, state)
    files: dict[str, bytes] = {
        "call.pt": pickle.dumps(evil),
        "call-zipped.pt": _torch_zip(pickle.dumps(evil)),
        "call-in-state.pt": _saved({"a": evil}),
        "tensor.pt": _saved(torch.ones(3)),
        "list.pt": _saved([1, 2]),
        "words.pt": _saved({"a": "x", 3: torch.ones(1)}),
        "bomb.pt": _bomb(state.getvalue()),
        "numpy.pt": pickle.dumps({"a": np.ones(3)}),
        "huge-storage.pt": _torch_zip(
            _saved_pickle().replace(b"K\x03", b"\x8a\x06" + (1 << 44).to_bytes(6, "little"))
        ),
        "memo.pt": b"\x80\x02]r\xff\xff\xff\x7f.",
        "deep.pt": b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",
        "half.pt": state.getvalue()[:200],
        "text.pth": b"<html>404</html>" * 100,
        "old.pt": pickle.dumps(0x1950A86A20F9469CFC6C)
        + pickle.dumps(1001)
        + pickle.dumps({})
        + pickle.dumps(evil),
        "record.safetensors": save({"a": np.ones(3, np.float32)}, metadata={"summer": "[" * DEEP}),
        "other.safetensors": save({"a": np.ones(3, np.float32)}),
    }
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        weights = Weights(path=path, sha256="0" * 64, source="given")
        yield Hostile(what="weights", name=name, work=asked(partial(load_vggface2, weights)), names=name)
    for name in ("record.safetensors", "other.safetensors", "call-in-state.pt"):
        weights = Weights(path=folder / name, sha256="0" * 64, source="given")
        yield Hostile(
            what="weights",
            name=f"{name}, as a tuned network",
            work=asked(partial(load_backbone, "inception_resnet_v1", weights, "cpu")),
            names=name,
        )


def _saved(content: Any) -> bytes:
    image = io.BytesIO()
    torch.save(content, image)
    return image.getvalue()


def _saved_pickle() -> bytes:
    with zipfile.ZipFile(io.BytesIO(_saved({"a": torch.ones(3)}))) as archive:
        return archive.read("archive/data.pkl")


def _torch_zip(content: bytes) -> bytes:
    image = io.BytesIO()
    with zipfile.ZipFile(image, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", bytes(12))
        archive.writestr("archive/version", "3\n")
    return image.getvalue()


def _bomb(whole: bytes) -> bytes:
    """The same archive, with two gigabytes of zeros deflated in place of its numbers."""
    image = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(image, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if not name.endswith("data/0"):
                new.writestr(name, old.read(name))
                continue
            with new.open(name, "w", force_zip64=True) as member:
                for _ in range(128):
                    member.write(bytes(1 << 24))
    return image.getvalue()


def _encoders(folder: Path) -> Iterator[Hostile]:
    """Folders of a text encoder, as a recipe may name them."""
    whole = folder / "whole"
    roberta_folder(whole)
    config = json.loads((whole / "config.json").read_text())
    changes: dict[str, Mapping[str, bytes]] = {
        "a config that is nested": {"config.json": b"[" * DEEP},
        "a config that is a list": {"config.json": b"[1]"},
        "a config of no model": {"config.json": b"{}"},
        "a config of its own code": {
            "config.json": json.dumps(
                {
                    **config,
                    "model_type": "evil",
                    "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"},
                }
            ).encode(),
            "evil.py": b"import os\nos.system('touch canary')\n",
        },
        "a config of huge layers": {
            "config.json": json.dumps({**config, "hidden_size": 10**9, "num_attention_heads": 1}).encode()
        },
        "a tokenizer that is nested": {"tokenizer.json": b"[" * DEEP},
        "a tokenizer that is none": {"tokenizer.json": b"{}"},
        "a record that is nested": {"tuning.json": b"[" * DEEP},
        "weights that are a page": {"model.safetensors": b"<html>404</html>" * 100},
        "weights of another": {"model.safetensors": save({"a": np.ones(3, np.float32)})},
    }
    for name, files in changes.items():
        place = folder / name.replace(" ", "-")
        shutil.copytree(whole, place)
        for file, content in files.items():
            (place / file).write_bytes(content)
        yield Hostile(
            what="text encoders",
            name=name,
            work=asked(partial(_read_encoder, place)),
            names=place.name,
            may_pass="record" in name,
        )


def _read_encoder(place: Path) -> None:
    from tests.extraction.text.tiny_encoder import clips_of, dialogue_of

    RobertaText(weights=text_model(str(place)), device="cpu")(
        clips_of(dialogue_of([("Ann", "Hi."), ("Bob", "So?")]))
    )


def _progress(folder: Path, canary: Path, features: Path, recipe: Path) -> Iterator[Hostile]:
    """A training that was stopped, whose progress somebody else has written since."""
    folder.mkdir()
    more = ("-o", "teacher.most_epochs=500", "-o", "teacher.patience_epochs=500")
    whole = folder / "whole"
    process = Forked(typed("summer-train", *words(recipe, features, whole, *more)), folder / "made.txt")
    while not list(whole.glob("seed0/teacher-progress/epoch-*/progress.json")) and not process.is_over_within(
        0.02
    ):
        pass
    import signal

    process.signal_group(signal.SIGKILL)
    process.ended()
    (found,) = (
        path for path in whole.glob("seed0/teacher-progress/epoch-*") if not path.name.startswith(".")
    )
    evil = pickle.dumps(_Shell(f"touch {canary}"))
    contents = {
        "call": evil,
        "call-zipped": _torch_zip(evil),
        "page": b"<html>404</html>",
        "empty": b"",
        "memo": b"\x80\x02]r\xff\xff\xff\x7f.",
        "nested": b"[" * DEEP,
    }
    read = (path.name for path in found.iterdir() if not path.name.startswith("random_states"))  # seeded anew
    for file in sorted(read):
        for kind, content in contents.items():
            run = folder / f"{file}-{kind}"
            shutil.copytree(whole, run)
            (run / "seed0" / "teacher-progress" / found.name / file).write_bytes(content)
            yield Hostile(
                what="progress",
                name=f"{file}: {kind}",
                work=typed("summer-train", *words(recipe, features, run, *more, "--resume")),
                names="progress",
            )
