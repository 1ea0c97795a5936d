"""Jobs side by side: their order, what is done already, what fails, and what becomes of them at a stop."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.reproduce.jobs import Ended, Ending, Job, do_jobs, log_of
from pipelines.reproduce.processes import LocalYard

PROGRAM = """
import os, signal, sys, time
words = sys.argv[1:]
with open(words[0], "a") as told:
    told.write(f"{words[1]} begins {time.monotonic()} {os.environ['SUMMER_MOST_THREADS']} {words[-1]}\\n")
for word in words[2:-2]:
    kind, _, value = word.partition(":")
    if kind == "sleep":
        time.sleep(float(value))
    if kind == "say":
        print(value)
    if kind == "fail":
        print("error: " + value)
        sys.exit(2)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "make":
        open(value, "w").close()
with open(words[0], "a") as told:
    told.write(f"{words[1]} ends {time.monotonic()} - -\\n")
"""


class Place:
    """A yard with a program of its own, and the diary that its jobs keep."""

    def __init__(self, folder: Path, devices: Sequence[str] = ("cpu",)) -> None:
        self.folder, self.diary = folder, folder / "diary"
        (folder / "program.py").write_text(PROGRAM)
        program = (sys.executable, str(folder / "program.py"))
        self.yard = LocalYard(folder=folder / "jobs", devices=devices, threads=3, program=program)
        self.told: list[Ended] = []

    def job(self, name: str, *does: str, needs: str | None = None, cost: float = 0.0) -> Job:
        product = self.folder / f"{name}.product"
        words = (str(self.diary), name, *does, f"make:{product}")
        return Job(name=name, words=words, product=product, needs=needs, cost=cost)

    def do(self, *jobs: Job, should_stop: Callable[[], bool] = lambda: False) -> dict[str, Ended]:
        self.told = []
        ended = do_jobs(jobs, self.yard, on_end=self.told.append, should_stop=should_stop)
        assert [one.job for one in ended] == list(jobs)
        return {one.job.name: one for one in ended}

    def entries(self, kind: str) -> list[list[str]]:
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return [line.split() for line in lines if line.split()[1] == kind]

    @property
    def begun(self) -> list[str]:
        return [name for name, *_ in self.entries("begins")]


def test_cheap_jobs_are_done_first_and_one_that_is_needed_before_what_needs_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    jobs = [
        place.job("dear", cost=3),
        place.job("needy", needs="dear", cost=0),
        place.job("cheap", cost=1),
    ]
    assert {one.ending for one in place.do(*jobs).values()} == {Ending.DONE}
    assert place.begun == ["cheap", "dear", "needy"]
    assert [one.job.name for one in place.told] == place.begun


def test_as_many_are_at_work_at_once_as_there_are_places_each_with_its_own_device(tmp_path: Path) -> None:
    place = Place(tmp_path, devices=("cuda:0", "cuda:1"))
    place.do(*(place.job(name, "sleep:0.3") for name in "abcd"))
    begins = {name: float(when) for name, _, when, *_ in place.entries("begins")}
    ends = {name: float(when) for name, _, when, *_ in place.entries("ends")}
    most = max(sum(begins[name] <= moment < ends[name] for name in begins) for moment in begins.values())
    assert most == 2
    assert {line[-1] for line in place.entries("begins")} == {"cuda:0", "cuda:1"}
    assert {line[-2] for line in place.entries("begins")} == {"3"}  # threads


def test_what_is_done_is_not_done_again_but_with_other_words_or_without_its_product(tmp_path: Path) -> None:
    place = Place(tmp_path)
    job = place.job("it", "say:hello")
    first = place.do(job)["it"]
    again = place.do(job)["it"]
    assert (first.was_done, again.was_done) == (False, True)
    assert again.seconds == pytest.approx(first.seconds, abs=0.06)
    assert place.begun == ["it"]
    place.do(place.job("it", "say:goodbye"))
    job.product.unlink()
    place.do(place.job("it", "say:goodbye"))
    assert place.begun == ["it"] * 3


def test_a_job_that_fails_stops_only_what_needs_it_and_is_tried_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    jobs = [
        place.job("bad", "say:first", "fail:there is no such thing"),
        place.job("needy", needs="bad"),
        place.job("needier", needs="needy"),
        place.job("good"),
    ]
    ended = place.do(*jobs)
    assert {name: one.ending for name, one in ended.items()} == {
        "bad": Ending.FAILED,
        "needy": Ending.LACKING,
        "needier": Ending.LACKING,
        "good": Ending.DONE,
    }
    assert ended["bad"].reason == "there is no such thing"
    assert ended["needy"].reason == "bad is not done"
    assert "first" in log_of(jobs[0], place.yard.folder).read_text()
    mended = [place.job("bad"), *jobs[1:]]
    assert {one.ending for one in place.do(*mended).values()} == {Ending.DONE}
    assert place.begun.count("good") == 1


def test_a_job_that_was_killed_says_so_and_what_often_kills(tmp_path: Path) -> None:
    place = Place(tmp_path)
    reason = place.do(place.job("it", "say:epoch 3", "die:"))["it"].reason
    assert "SIGKILL" in reason
    assert "give fewer --jobs" in reason
    silent = place.do(place.job("silent", "die:"))["silent"].reason
    assert silent.endswith("its last line: it said nothing")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"words": 3}', '{"status": 0}'])
def test_a_damaged_state_is_a_job_that_is_not_done(damage: str, tmp_path: Path) -> None:
    place = Place(tmp_path)
    job = place.job("it")
    place.do(job)
    (place.yard.folder / "it" / "state.json").write_text(damage)
    assert not place.do(job)["it"].was_done
    assert json.loads((place.yard.folder / "it" / "state.json").read_text())["status"] == 0


def test_asked_to_stop_it_stops_what_is_under_way_begins_nothing_and_goes_on_later(tmp_path: Path) -> None:
    place = Place(tmp_path)
    jobs = [place.job("long", "sleep:60"), place.job("next")]
    started = time.monotonic()
    ended = place.do(*jobs, should_stop=lambda: bool(place.begun))
    assert time.monotonic() - started < 30
    assert {one.ending for one in ended.values()} == {Ending.STOPPED}
    assert place.begun == ["long"]
    later = [replace(jobs[0], words=(*jobs[0].words[:2], jobs[0].words[-1])), jobs[1]]
    assert {one.ending for one in place.do(*later).values()} == {Ending.DONE}


def test_a_job_keeps_a_lock_that_it_inherits_until_it_ends(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with (tmp_path / "lock").open("w") as mine, (tmp_path / "lock").open("w") as other:
        fcntl.flock(mine, fcntl.LOCK_EX)
        place.yard = replace(place.yard, inherited=(mine.fileno(),))

        def look() -> bool:
            if place.begun and not mine.closed:
                mine.close()
                with pytest.raises(BlockingIOError):
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False

        place.do(place.job("it", "sleep:0.5"), should_stop=look)
        assert mine.closed
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_whose_parent_is_gone_is_asked_to_stop() -> None:
    program = (
        "import threading, time\nfrom pipelines.reproduce.child import stop_at_the_end_of_input\n"
        "threading.Thread(target=stop_at_the_end_of_input, daemon=True).start()\n"
        "print('at work', flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"at work\n"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(timeout=30) == -signal.SIGTERM
    process.stdout.close()


def test_the_command_that_repeats_a_job_can_be_typed(tmp_path: Path) -> None:
    job = Job(
        name="it",
        words=("--recipe", "demo", "-o", 'model.student=["text","audio"]', "--out", "it's here"),
        product=tmp_path / "it",
    )
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {job.command.removeprefix('summer-train ')}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert words == list(job.words)
