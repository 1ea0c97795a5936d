"""The folder of a run: begun, resumed, begun anew; never taken from somebody else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from summer.durable import DiskError
from summer.runs.folder import RECORD, RunError, begin_run, origin_of_program, read_record

RUN_RECORD: dict[str, Any] = {
    "corpus": "made-up",
    "protocol": "none",
    "labels": ["neutral", "joy"],
    "seeds": [0],
    "models": ["teacher", "student"],
    "teacher_run": None,
    "precision": "no",
    "settings": {"model": {"width": 8}, "teacher": {"learning_rate": 0.1}},
    "stores": {"text": "f" * 64},
    "commit": "abc",
}


def begun(out: Path, **changes: Any) -> None:
    begin_run(out, {**RUN_RECORD, **changes}, resume=False, overwrite=False)


def resumed(out: Path, **changes: Any) -> None:
    begin_run(out, {**RUN_RECORD, **changes}, resume=True, overwrite=False)


def test_a_run_is_begun_with_its_record(tmp_path: Path) -> None:
    begun(tmp_path / "runs" / "new")
    assert json.loads((tmp_path / "runs" / "new" / RECORD).read_text()) == RUN_RECORD


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    begun(tmp_path)
    assert (tmp_path / RECORD).is_file()


def test_a_run_that_is_there_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(RunError, match=f"{tmp_path} holds a run; --resume .*--overwrite .*another --out"):
        begun(tmp_path, seeds=[9])
    assert json.loads((tmp_path / RECORD).read_text())["seeds"] == [0]


def test_resume_without_a_run_begins_one(tmp_path: Path) -> None:
    resumed(tmp_path / "new")
    assert (tmp_path / "new" / RECORD).is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"settings": {"model": {"width": 16}, "teacher": {"learning_rate": 0.1}}},
            "settings.model.width = 8, .*16",
        ),
        (
            {"settings": {"model": {"width": 8}, "teacher": {"learning_rate": 0.2}}},
            "settings.teacher.learning_rate = 0.1, .*0.2",
        ),
        (
            {"settings": {"model": {"width": 8}, "teacher": {}}},
            "settings.teacher.learning_rate = 0.1, .*None",
        ),
        ({"teacher_run": "runs/a"}, "teacher_run = None, .*'runs/a'"),
        ({"precision": "bf16"}, "precision = 'no', .*'bf16'"),
        ({"protocol": "other"}, "protocol = 'none', .*'other'"),
        ({"labels": ["joy", "neutral"]}, r"labels = \['neutral', 'joy'\], .*\['joy', 'neutral'\]"),
        ({"stores": {"text": "e" * 64}}, "stores.text = 'fff.*'eee"),
        ({"stores": {"text": "f" * 64, "audio": "a" * 64}}, "stores.audio = None, .*'aaa"),
    ],
)
def test_resume_with_other_settings_names_the_key_and_both_values(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    begun(tmp_path)
    with pytest.raises(RunError, match=f"was begun with {message}.*the same to --resume, or another --out"):
        resumed(tmp_path, **changes)
    assert json.loads((tmp_path / RECORD).read_text()) == RUN_RECORD


def test_resume_may_add_seeds_and_models_and_come_from_another_commit(tmp_path: Path) -> None:
    begun(tmp_path)
    resumed(tmp_path, seeds=[0, 1], models=["teacher", "student", "mlp"], commit="def")
    found = read_record(tmp_path)
    assert (found["seeds"], found["models"]) == ([0, 1], ["teacher", "student", "mlp"])


MLP = {"options": {"hidden_dim": 8}}


def with_rivals(**rivals: Any) -> dict[str, Any]:
    return {**RUN_RECORD["settings"], "rivals": rivals}


def test_settings_of_a_rival_bind_once_the_run_has_it(tmp_path: Path) -> None:
    begun(tmp_path)
    resumed(tmp_path, models=["teacher", "student", "mlp"], settings=with_rivals(mlp=MLP))
    others = with_rivals(mlp={"options": {"hidden_dim": 9}})
    with pytest.raises(RunError, match=r"settings\.rivals\.mlp\.options\.hidden_dim = 8, .*9"):
        resumed(tmp_path, models=["teacher", "student", "mlp"], settings=others)
    with pytest.raises(RunError, match=r"settings\.rivals\.mlp\.options\.hidden_dim = 8, .*None"):
        resumed(tmp_path, models=["teacher", "student", "mlp"])


@pytest.mark.parametrize(("stage", "models"), [("teacher", ["teacher"]), ("all", ["teacher", "student"])])
def test_a_run_of_before_0_2_0_names_its_models_by_its_stage(
    stage: str, models: list[str], tmp_path: Path
) -> None:
    old = {key: value for key, value in RUN_RECORD.items() if key != "models"}
    (tmp_path / RECORD).write_text(json.dumps({**old, "stage": stage}))
    assert read_record(tmp_path)["models"] == models
    resumed(tmp_path, models=models)


@pytest.mark.parametrize("record", [None, "{}", "[]", "no JSON", '{"name": "someone else\'s"}'])
def test_what_is_no_run_has_no_record(record: str | None, tmp_path: Path) -> None:
    if record is not None:
        (tmp_path / RECORD).write_text(record)
    assert read_record(tmp_path) == {}


def test_overwrite_begins_anew(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "seed0").mkdir()
    (tmp_path / "seed0" / "teacher.safetensors").write_bytes(b"old")
    begin_run(tmp_path, {**RUN_RECORD, "seeds": [5]}, resume=False, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]
    assert read_record(tmp_path)["seeds"] == [5]


@pytest.mark.parametrize("flags", [{"resume": True}, {"overwrite": True}, {}])
@pytest.mark.parametrize("record", [None, "{}", "[]", "no JSON", '{"name": "someone else\'s"}'])
def test_a_folder_that_is_not_a_run_is_never_touched(
    record: str | None, flags: dict[str, bool], tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    if record is not None:
        (tmp_path / RECORD).write_text(record)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RunError, match="another --out"):
        begin_run(tmp_path, RUN_RECORD, **{"resume": False, "overwrite": False, **flags})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_resume_and_overwrite_together_are_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "precious").touch()
    with pytest.raises(RunError, match="give one of them"):
        begin_run(tmp_path, RUN_RECORD, resume=True, overwrite=True)
    assert (tmp_path / "precious").exists()


def test_what_a_kill_left_of_the_first_write_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / f".{RECORD}.4711.tmp").write_text("{")
    begun(tmp_path)
    assert (tmp_path / RECORD).is_file()


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_file_in_the_place_of_the_folder_is_refused(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DiskError, match="a file stands where a folder must be; choose another --out"):
        begun(tmp_path / out)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_knows_its_commit_and_versions() -> None:
    origin = origin_of_program()
    assert origin["commit"]
    assert {"python", "torch", "accelerate", "h5py"} <= origin["versions"].keys()


def test_where_no_checkout_tells_the_commit_the_environment_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMER_COMMIT", "of-the-image")
    monkeypatch.setenv("PATH", "/nowhere")  # no git
    assert origin_of_program()["commit"] == "of-the-image"
    monkeypatch.delenv("SUMMER_COMMIT")
    assert origin_of_program()["commit"] == "unknown"


def test_a_checkout_knows_better_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUMMER_COMMIT", "of-the-image")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, "abc\n"))
    assert origin_of_program()["commit"] == "abc"
