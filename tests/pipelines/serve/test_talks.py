"""Each session has what it gave for itself, as long as its page is open and used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.serve.limits import Limits
from pipelines.serve.messages import Refused
from pipelines.serve.talks import Kind, Talk, Talks


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def talks(tmp_path: Path, clock: Clock) -> Talks:
    return Talks(tmp_path / "talks", Limits(kept_seconds=100, most_talks=2), clock)


def give(talk: Talk, kind: Kind, name: str) -> Path:
    place = talk.place_for(kind, name)
    place.write_text(name)
    talk.take(kind, place)
    return place


def test_two_sessions_that_give_files_of_one_name_have_two_files(talks: Talks) -> None:
    ann, bob = talks.opened("ann"), talks.opened("bob")
    hers, his = give(ann, "recording", "talk.mp4"), give(bob, "recording", "talk.mp4")
    assert hers != his
    assert talks.of_session("ann") is talks.of_token(ann.token) is ann
    talks.close_session("ann")
    assert (hers.exists(), his.exists()) == (False, True)
    with pytest.raises(Refused, match="no longer on the server"):
        talks.of_token(ann.token)
    with pytest.raises(Refused, match="no longer on the server"):
        talks.of_session("ann")


@pytest.mark.parametrize("token", ["", ".", "..", "../ann", "nobody's"])
def test_a_token_that_was_not_given_leads_nowhere(talks: Talks, token: str) -> None:
    give(talks.opened("ann"), "recording", "talk.mp4")
    with pytest.raises(Refused):
        talks.of_token(token)
    with pytest.raises(Refused):
        talks.of_session(None)


def test_nothing_is_on_the_disk_before_something_is_given_and_then_for_its_owner_alone(talks: Talks) -> None:
    talk = talks.opened("ann")
    assert not talk.folder.exists()
    place = give(talk, "transcript", "talk.vtt")
    assert place.parent.stat().st_mode & 0o077 == 0


def test_another_file_takes_the_place_of_the_former_and_of_what_was_said_of_it(talks: Talks) -> None:
    talk = talks.opened("ann")
    former = give(talk, "recording", "a.mp4")
    words = give(talk, "transcript", "a.vtt")
    talk.out.mkdir()
    (talk.out / "conversation.html").touch()
    talk.speakers, talk.names = ("Mira",), {"Mira": "Myra"}
    later = give(talk, "recording", "b.mp4")
    assert (former.exists(), talk.out.exists(), later.exists(), words.exists()) == (False, False, True, True)
    assert (talk.speakers, talk.names) == ((), {"Mira": "Myra"})  # the names are those of the transcript
    talk.drop("transcript")
    assert (words.exists(), talk.names, set(talk.given)) == (False, {}, {"recording"})


def test_a_file_of_the_same_name_stays_when_it_is_given_again(talks: Talks) -> None:
    talk = talks.opened("ann")
    give(talk, "recording", "a.mp4")
    assert give(talk, "recording", "a.mp4").exists()


def test_what_nobody_uses_goes_after_a_while_but_not_while_it_is_read(talks: Talks, clock: Clock) -> None:
    ann, bob = talks.opened("ann"), talks.opened("bob")
    for talk in (ann, bob):
        give(talk, "recording", "talk.mp4")
    talks.begin(bob)
    clock.seconds = 60
    talks.of_session("ann")
    clock.seconds = 150
    talks.close_unused()
    assert ann.folder.exists()
    clock.seconds = 161
    talks.close_unused()
    assert (ann.folder.exists(), bob.folder.exists()) == (False, True)
    talks.end(bob)
    talks.close_unused()
    assert bob.folder.exists()  # it was used until now


def test_one_that_is_closed_while_it_is_read_goes_when_that_ends(talks: Talks) -> None:
    talk = talks.opened("ann")
    give(talk, "recording", "talk.mp4")
    talks.begin(talk)
    with pytest.raises(Refused, match="is being read already"):
        talks.begin(talk)
    talks.close_session("ann")
    assert talk.is_closed
    assert talk.folder.exists()
    talks.end(talk)
    assert not talk.folder.exists()
    with pytest.raises(Refused, match="no longer on the server"):
        talks.begin(talk)


def test_a_page_that_is_loaded_again_begins_anew(talks: Talks) -> None:
    first = talks.opened("ann")
    give(first, "recording", "talk.mp4")
    assert talks.opened("ann").token != first.token
    assert not first.folder.exists()


def test_no_more_than_so_many_have_something_on_the_disk(talks: Talks) -> None:
    for name in ("ann", "bob"):
        talks.check_room(talks.opened(name))
        give(talks.of_session(name), "recording", "talk.mp4")
    talks.check_room(talks.of_session("ann"))
    with pytest.raises(Refused, match="2 people use this server"):
        talks.check_room(talks.opened("eve"))


def test_all_go_when_the_server_ends(talks: Talks, tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        give(talks.opened(name), "recording", "talk.mp4")
    talks.close_all()
    assert list((tmp_path / "talks").iterdir()) == []
