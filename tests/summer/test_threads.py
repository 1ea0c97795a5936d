"""How many threads: what was said, else one for small models and a core each for large ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from summer import threads
from summer.runs.timing import read_times, timed
from summer.threads import AT_MOST, LARGE_PARAMETERS, ThreadsError, computing_with, share, threads_for
from summer.training.history import EpochRecord, Watch


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has said anything."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    for name in (*threads.VARIABLES, AT_MOST, "OPENCV_FOR_THREADS_NUM"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_small_model_has_one_thread_and_a_large_one_a_thread_a_core() -> None:
    assert threads_for(LARGE_PARAMETERS - 1) == 1
    assert threads_for(LARGE_PARAMETERS) == 8


def test_of_several_processes_each_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [share(processes) for processes in (1, 3, 8, 99)] == [8, 2, 1, 1]
    monkeypatch.setenv(AT_MOST, "2")
    assert (threads_for(LARGE_PARAMETERS), threads_for(1)) == (2, 1)


@pytest.mark.parametrize(("said", "number"), [("3", 3), (" 5 ", 5), ("4,2", 4)])
def test_what_the_environment_says_is_done_whatever_the_size(
    said: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_for(1) == threads_for(LARGE_PARAMETERS) == share(4) == number


@pytest.mark.parametrize("said", ["0", "-1", "many", "1.5"])
def test_a_number_that_cannot_be_is_named_with_the_remedy(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    with pytest.raises(ThreadsError, match=f"OMP_NUM_THREADS is '{said}'; set it to 1 or more"):
        threads_for(1)


def test_what_is_typed_goes_before_the_environment_and_to_the_processes_that_are_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    threads.ask_for(None)
    assert threads_for(1) == 5
    try:
        threads.ask_for(2)
        assert (threads_for(LARGE_PARAMETERS), share(8), os.environ["OMP_NUM_THREADS"]) == (2, 2, "2")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_number_holds_in_the_block_and_is_left_as_it_was() -> None:
    before = torch.get_num_threads()
    with computing_with(before + 1):
        assert threads.in_use() == before + 1
    assert torch.get_num_threads() == before


def test_the_times_of_an_epoch_say_its_threads(tmp_path: Path) -> None:
    silent = Watch(on_step=lambda *_: None, on_epoch=lambda *_: None, should_stop=lambda: False)
    record = EpochRecord(
        epoch=1, losses={}, learning_rate=0.1, selected_on="dev", loss=1.0, w_f1=0.5, drawn={}
    )
    with computing_with(3):
        timed(silent, tmp_path).on_epoch("mlp", record)
    assert [took.threads for took in read_times(tmp_path, "mlp")] == [3]
    path = tmp_path / "mlp-seconds.json"
    of_old = [
        {key: value for key, value in one.items() if key != "threads"} for one in json.loads(path.read_text())
    ]
    path.write_text(json.dumps(of_old))
    assert [took.threads for took in read_times(tmp_path, "mlp")] == [None]
