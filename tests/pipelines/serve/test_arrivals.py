"""Files on their way in and out: what is too large, empty or without room leaves nothing behind."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipelines.serve.arrivals import MOST_NAME_BYTES, arrival_routes, fit_name
from pipelines.serve.limits import Limits
from pipelines.serve.messages import FULL
from pipelines.serve.results import result_routes
from pipelines.serve.talks import Talk, Talks


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def talks(tmp_path: Path) -> Talks:
    return Talks(tmp_path / "talks", Limits(most_bytes=2000, most_transcript_bytes=1000, reserved_bytes=0))


@pytest.fixture
def client(talks: Talks) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[*arrival_routes(talks), *result_routes(talks)])) as client:
        yield client


@pytest.fixture
def talk(talks: Talks) -> Talk:
    return talks.opened("ann")


def left(talk: Talk) -> list[str]:
    """All files of a talk."""
    return sorted(str(path.relative_to(talk.folder)) for path in talk.folder.rglob("*") if path.is_file())


def test_a_file_arrives_under_the_name_that_the_user_gave(client: TestClient, talk: Talk) -> None:
    answer = client.put(f"/talks/{talk.token}/recording?name=my%20t%C3%A4lk.mp4", content=b"film")
    assert (answer.status_code, answer.json()["name"]) == (200, "my tälk.mp4")
    assert talk.given["recording"].read_bytes() == b"film"
    assert left(talk) == ["recording/my tälk.mp4"]
    assert str(talk.folder) not in answer.text


def test_another_takes_its_place_and_it_can_be_taken_back(client: TestClient, talk: Talk) -> None:
    for name in ("a.mp4", "b.mp4"):
        client.put(f"/talks/{talk.token}/recording?name={name}", content=b"film")
    client.put(f"/talks/{talk.token}/transcript?name=a.vtt", content=b"WEBVTT")
    assert left(talk) == ["recording/b.mp4", "transcript/a.vtt"]
    assert client.delete(f"/talks/{talk.token}/recording").status_code == 200
    assert left(talk) == ["transcript/a.vtt"]


@pytest.mark.parametrize(
    ("kind", "size", "limit"), [("recording", 2001, "2 kB"), ("transcript", 1001, "1 kB")]
)
@pytest.mark.parametrize("promised", [True, False])
def test_what_is_too_large_is_refused_and_leaves_nothing(
    client: TestClient, talk: Talk, kind: str, size: int, limit: str, promised: bool
) -> None:
    content: bytes | Iterator[bytes] = b"x" * size if promised else iter([b"x" * 50] * (size // 50 + 1))
    answer = client.put(f"/talks/{talk.token}/{kind}?name=a.mp4", content=content)
    assert answer.status_code == 413
    assert "a.mp4 is too large: this server takes at most" in answer.json()["error"]
    assert limit in answer.json()["error"]
    assert not talk.folder.exists() or left(talk) == []
    assert talk.given == {}


def test_what_is_empty_is_refused(client: TestClient, talk: Talk) -> None:
    answer = client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=b"")
    assert (answer.status_code, answer.json()["error"]) == (400, "a.mp4 is empty; give another file")
    assert left(talk) == []


def test_a_disk_without_room_is_told_before_a_byte_is_read(
    client: TestClient, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10, 7, 3))
    answer = client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=b"film")
    assert (answer.status_code, answer.json()["error"]) == (507, FULL)
    assert left(talk) == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(
    client: TestClient, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pipelines.serve.arrivals._write", full)
    answer = client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=b"film")
    assert (answer.status_code, answer.json()["error"]) == (507, FULL)
    assert left(talk) == []


def test_what_arrives_for_a_page_that_was_closed_meanwhile_is_removed(
    client: TestClient, talks: Talks, talk: Talk
) -> None:
    def film() -> Iterator[bytes]:
        yield b"one"
        talks.close_session("ann")
        yield b"two"

    answer = client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=film())
    assert answer.status_code == 410
    assert "no longer on the server" in answer.json()["error"]
    assert not talk.folder.exists()


def test_while_it_is_read_nothing_takes_its_place(client: TestClient, talks: Talks, talk: Talk) -> None:
    client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=b"film")
    talks.begin(talk)
    assert client.put(f"/talks/{talk.token}/recording?name=b.mp4", content=b"x").status_code == 409
    assert client.delete(f"/talks/{talk.token}/recording").status_code == 409
    assert left(talk) == ["recording/a.mp4"]


def test_a_talk_that_is_not_ones_own_cannot_be_written_or_read(
    client: TestClient, talks: Talks, talk: Talk
) -> None:
    client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=b"film")
    other = talks.opened("bob").token
    assert client.get(f"/talks/{other}/recording").status_code == 404
    for token in ("x" * len(other), "..", "%2e%2e", talk.token[:-1]):
        assert client.get(f"/talks/{token}/recording").status_code == 404
        assert client.put(f"/talks/{token}/recording?name=a.mp4", content=b"x").status_code in (404, 410)


def test_results_are_sent_as_what_they_are_and_to_no_cache(client: TestClient, talk: Talk) -> None:
    client.put(f"/talks/{talk.token}/recording?name=a.mp4", content=b"0123456789")
    assert client.get(f"/talks/{talk.token}/conversation.html").status_code == 404
    talk.out.mkdir()
    for name in ("conversation.html", "timeline.csv", "timeline.json", "timeline.vtt"):
        (talk.out / name).write_text(name)
    film = client.get(f"/talks/{talk.token}/recording", headers={"Range": "bytes=2-4"})
    assert (film.status_code, film.content, film.headers["content-type"]) == (206, b"234", "video/mp4")
    page = client.get(f"/talks/{talk.token}/conversation.html")
    assert page.text == "conversation.html"
    assert page.headers["content-security-policy"] == "sandbox allow-scripts"
    for name in ("timeline.csv", "timeline.json", "timeline.vtt"):
        sent = client.get(f"/talks/{talk.token}/{name}")
        assert sent.headers["content-disposition"] == f'attachment; filename="a-{name}"'
        assert sent.headers["cache-control"] == "no-store"
    assert client.get(f"/talks/{talk.token}/features").status_code == 404


def test_a_recording_that_calls_itself_a_page_is_not_sent_as_one(client: TestClient, talk: Talk) -> None:
    client.put(f"/talks/{talk.token}/recording?name=a.html", content=b"<script>alert(1)</script>")
    sent = client.get(f"/talks/{talk.token}/recording")
    assert sent.headers["content-type"] == "application/octet-stream"
    assert sent.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\talk.mp4", "talk.mp4"),
        ("..", "recording"),
        ("", "recording"),
        (".hidden.mp4", "hidden.mp4"),
        ("a\nb\0<img>.mp4", "abimg.mp4"),
        ("line one\r\n", "line one"),
    ],
)
def test_names_lead_nowhere_and_stay_as_they_are_otherwise(given: str, fit: str) -> None:
    assert fit_name(given, "recording") == fit


def test_a_long_name_keeps_its_end() -> None:
    fit = fit_name("ä" * 500 + ".mp4", "recording")
    assert fit.endswith("ä.mp4")
    assert len(fit.encode()) <= MOST_NAME_BYTES
