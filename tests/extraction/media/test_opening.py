"""FFmpeg opens the file that it is given and nothing else, whatever stands in it."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from extraction.corpora.probe import probe
from extraction.extractor import MediaSpan
from extraction.media import MediaError, read_pcm
from extraction.media.opening import RECORDINGS, open_recording
from extraction.transcripts import Media, TranscriptError
from tests.media_factory import Sound, write

ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + b"\0" * 10  # FFmpeg looks for a format behind such a tag


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another machine, which must not be asked for anything."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what it is asked for."""
    asked: list[str] = []
    handler = type("Handler", (Elsewhere,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def hls(target: str) -> bytes:
    return (
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n"
    ).encode()


def dash(target: str) -> bytes:
    return (
        '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT10S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
        '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1000">'
        f"<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()


def sdp(_: str) -> bytes:
    return b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"


LISTS: dict[str, Callable[[str], bytes]] = {
    "hls": hls,
    "hls behind a tag": lambda target: ID3 + hls(target),
    "concat": lambda target: f"ffconcat version 1.0\nfile '{target}'\n".encode(),
    "dash": dash,
    "sdp": sdp,
    "asx": lambda target: f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>'.encode(),
    "redirection": lambda target: f"[Reference]\nRef1={target}\n".encode(),
}
NAMES = ("list.m3u8", "list.ffconcat", "list.sdp", "talk.mp4", "talk.wav", "talk%03d.png")


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_list_of_other_files_is_followed_nowhere(
    kind: str, name: str, tmp_path: Path, elsewhere: tuple[str, list[str]]
) -> None:
    address, asked = elsewhere
    secret = write(
        tmp_path / "secret.wav", sound=Sound(seconds=0.5, rate=8000, hertz=(300.0,), codec="pcm_s16le")
    )
    for target in (f"{address}/x.ts", str(secret), f"file://{secret}", secret.name, "concat:/etc/passwd|x"):
        playlist = tmp_path / name
        playlist.write_bytes(LISTS[kind](target))
        found = probe(playlist)
        assert found.fault == "corrupt"
        assert (found.sound, found.picture) == (None, None)
        with pytest.raises(MediaError):
            read_pcm(MediaSpan(path=playlist), sampling_rate=8000)
        with pytest.raises(TranscriptError):
            Media.opened(playlist)
    assert asked == []


def test_ffmpeg_left_to_itself_follows_them(tmp_path: Path) -> None:
    """That the lists above are some: without the guard FFmpeg opens what they name."""
    secret = write(
        tmp_path / "secret.wav", sound=Sound(seconds=0.5, rate=8000, hertz=(300.0,), codec="pcm_s16le")
    )
    script = tmp_path / "talk.mp4"
    script.write_bytes(LISTS["concat"](secret.name))
    with av.open(str(script)) as container:
        assert container.streams.audio
    with pytest.raises(av.error.FFmpegError):
        open_recording(script)


def test_numbered_pictures_are_not_looked_for(tmp_path: Path) -> None:
    """A name such as talk%03d.png means, to FFmpeg, all pictures that are called like it."""
    (tmp_path / "talk%03d.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "talk001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert probe(tmp_path / "talk%03d.png").fault == "corrupt"


def test_an_address_in_place_of_a_path_is_not_opened(elsewhere: tuple[str, list[str]]) -> None:
    address, asked = elsewhere
    for name in (f"{address}/talk.mp4", f"cache:{address}/talk.mp4", "concat:/etc/passwd|/etc/hosts"):
        with pytest.raises((av.error.FFmpegError, OSError)):
            open_recording(Path(name))
    assert asked == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".mov"])
def test_recordings_open_whatever_they_are_called(suffix: str, tmp_path: Path) -> None:
    made = write(
        tmp_path / f"talk{suffix}", sound=Sound(seconds=0.5, rate=16_000, hertz=(300.0,), codec="aac")
    )
    called = Path(shutil.copy(made, tmp_path / "talk.m3u8"))
    for path in (made, called):
        assert probe(path).sound is not None


def test_no_format_that_is_read_is_a_list() -> None:
    lists = {
        "hls",
        "dash",
        "concat",
        "sdp",
        "rtsp",
        "image2",
        "imf",
        "webm_dash_manifest",
        "lavfi",
        "avisynth",
    }
    assert not lists & set(RECORDINGS)
    assert set(RECORDINGS) <= {name for group in av.formats_available for name in group.split(",")}
