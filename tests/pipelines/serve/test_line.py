"""One prediction at a time, in order; whoever goes away stands in nobody's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.serve.limits import Limits
from pipelines.serve.line import Line, Turn
from pipelines.serve.messages import GONE, Refused
from pipelines.serve.questions import Answer, Question, Stage
from pipelines.serve.talks import Talk, Talks

PATIENCE_SECONDS = 60.0


class Slow:
    """Answers when it is told to; remembers what it was asked, and how many questions it had at once."""

    def __init__(self) -> None:
        self.asked: list[Path] = []
        self.stopped: list[Path] = []
        self.under_way = self.most_under_way = 0
        self.may_answer = threading.Semaphore(0)
        self.began = threading.Semaphore(0)

    def ask(
        self, question: Question, *, show: Callable[[Stage], None], should_stop: Callable[[], bool]
    ) -> Answer:
        self.asked.append(question.out)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.began.release()
        show(Stage("reading", 1, 2))
        try:
            while not self.may_answer.acquire(timeout=0.01):
                if should_stop():
                    self.stopped.append(question.out)
                    raise Refused(GONE)
        finally:
            self.under_way -= 1
        return Answer(speakers={"Mira": 1})


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def talks(tmp_path: Path) -> Talks:
    return Talks(tmp_path, Limits(most_waiting=2))


@pytest.fixture
def line(slow: Slow, talks: Talks) -> Iterator[Line]:
    line = Line(slow, talks)
    yield line
    line.close()


def given(talks: Talks, name: str) -> Talk:
    talk = talks.opened(name)
    place = talk.place_for("recording", f"{name}.mp4")
    place.touch()
    talk.take("recording", place)
    return talk


def began(slow: Slow) -> None:
    assert slow.began.acquire(timeout=PATIENCE_SECONDS)


def over(turn: Turn) -> Turn:
    assert turn.over.wait(PATIENCE_SECONDS)
    return turn


def test_they_are_answered_one_at_a_time_and_in_order(slow: Slow, talks: Talks, line: Line) -> None:
    everyone = [given(talks, name) for name in ("ann", "bob", "eve")]
    turns = [line.join(everyone[0])]
    began(slow)
    turns += [line.join(talk) for talk in everyone[1:]]
    assert [line.before(turn) for turn in turns] == [0, 1, 2]
    assert turns[0].stage == Stage("reading", 1, 2)
    slow.may_answer.release()
    over(turns[0])
    began(slow)
    assert [line.before(turn) for turn in turns] == [0, 0, 1]
    slow.may_answer.release(2)
    assert [over(turn).answer for turn in turns] == [Answer(speakers={"Mira": 1})] * 3
    assert slow.asked == [talk.out for talk in everyone]
    assert slow.most_under_way == 1
    assert not any(talk.is_read for talk in everyone)


def test_more_than_may_wait_are_told_so_and_lose_nothing(slow: Slow, talks: Talks, line: Line) -> None:
    for name in ("ann", "bob", "cy"):
        line.join(given(talks, name))
        if name == "ann":
            began(slow)
    eve = given(talks, "eve")
    with pytest.raises(Refused, match="2 people wait already"):
        line.join(eve)
    assert not eve.is_read
    assert eve.given["recording"].exists()
    slow.may_answer.release(3)


def test_one_talk_cannot_be_in_the_line_twice(slow: Slow, talks: Talks, line: Line) -> None:
    ann = given(talks, "ann")
    line.join(ann)
    with pytest.raises(Refused, match="is being read already"):
        line.join(ann)
    slow.may_answer.release()


def test_whoever_closes_the_page_is_broken_off_or_passed_over(slow: Slow, talks: Talks, line: Line) -> None:
    ann, bob, eve = (given(talks, name) for name in ("ann", "bob", "eve"))
    first = line.join(ann)
    began(slow)
    second, third = line.join(bob), line.join(eve)
    talks.close_session("bob")
    assert line.before(third) == 1
    talks.close_session("ann")
    assert over(first).refusal == GONE
    assert over(second).refusal == GONE
    began(slow)
    slow.may_answer.release()
    assert over(third).answer is not None
    assert (slow.stopped, slow.asked) == ([ann.out], [ann.out, eve.out])
    assert [talk.folder.exists() for talk in (ann, bob, eve)] == [False, False, True]


def test_the_end_of_the_server_breaks_off_everything(slow: Slow, talks: Talks) -> None:
    line = Line(slow, talks)
    turns = [line.join(given(talks, "ann"))]
    began(slow)
    turns.append(line.join(given(talks, "bob")))
    line.close()
    assert [over(turn).refusal for turn in turns] == [GONE, GONE]
    with pytest.raises(Refused):
        line.join(given(talks, "eve"))


def test_what_cannot_be_answered_is_told_to_the_one_who_asked(
    slow: Slow, talks: Talks, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Answer:
        raise Refused("ann.mp4 is a playlist")

    monkeypatch.setattr(slow, "ask", refuse)
    assert over(line.join(given(talks, "ann"))).refusal == "ann.mp4 is a playlist"
