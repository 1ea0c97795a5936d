"""Only the addresses that the page asks for are there."""

from __future__ import annotations

import pytest

from pipelines.serve.doors import is_open

TOKEN = "x" * 43


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/assets/index-1.js"),
        ("GET", "/gradio_api/queue/data"),
        ("POST", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/heartbeat/abc123"),
        ("PUT", f"/talks/{TOKEN}/recording"),
        ("GET", f"/talks/{TOKEN}/conversation.html"),
    ],
)
def test_what_the_page_asks_for_is_open(method: str, path: str) -> None:
    assert is_open(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file=http://169.254.169.254/"),
        ("GET", "/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://example.com/"),
        ("POST", "/gradio_api/run/read"),
        ("POST", "/gradio_api/api/read"),
        ("POST", "/gradio_api/call/read"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/runs"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/mcp/sse"),
        ("GET", f"/talks/{TOKEN}/out/conversation.html"),
        ("GET", "/talks/../conversation.html"),
        ("POST", f"/talks/{TOKEN}/recording"),
        ("GET", "/docs"),
        ("GET", "/\n"),
    ],
)
def test_all_else_is_shut(method: str, path: str) -> None:
    assert not is_open(method, path)
