"""Pages to be looked at, and a browser; without one these tests are skipped and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import cv2
import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from pipelines.predict.command import app as predict_app
from pipelines.report.command import app
from summer.report.conversation import conversation_page
from tests.browser.chromium import CHROMIUM, WHY_NOT
from tests.pipelines.predict.small_runs import corpus_with_runs
from tests.pipelines.report.made_up_report import made_run, made_stores
from tests.places import DEMO
from tests.summer.report.conversation.made_up_talk import bare, conversation, utterance

FILM = "a film #1.mp4"
LONGEST_SECONDS = 400  # a browser that hangs holds its test for ever: no evaluation has a limit of its own
TIMES = ("00:00:00,000 --> 00:00:00,500", "00:00:00,500 --> 00:00:01,000", "00:00:01,000 --> 00:00:01,400")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none."""
    here = Path(__file__).parent
    for item in items:
        if CHROMIUM is None and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=WHY_NOT))


@pytest.fixture(autouse=True)
def _a_browser_that_hangs_is_killed() -> Iterator[None]:
    """So the test fails, and those after it have their turn."""
    timer = Timer(LONGEST_SECONDS, _kill_browsers)
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()


def _kill_browsers() -> None:
    for process in psutil.Process().children(recursive=True):
        if any(name in process.name() for name in ("chrom", "node")):
            process.kill()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: $SUMMER_SCREENSHOTS, else a temporary folder."""
    named = os.environ.get("SUMMER_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of stores and a run."""
    folder = tmp_path_factory.mktemp("report")
    stores = made_stores(folder / "stores" / "made-up")
    run = made_run(folder / "tiny", stores)
    page = folder / "report.html"
    things = [stores, run, made_reproduction(folder / "pages")]
    result = CliRunner().invoke(app, [*map(str, things), "--attention", "--out", str(page)])
    assert result.exit_code == 0, result.output
    return page


def made_reproduction(folder: Path) -> Path:
    """What summer-reproduce leaves as far as a report reads it: wide table, wide picture, long command."""
    folder.mkdir()
    (folder / "reproduction.json").write_text("{}")
    wide = cv2.imencode(".png", np.full((40, 2000, 3), 128, dtype=np.uint8))[1]
    (folder / "systems.png").write_bytes(wide.tobytes())
    columns = 30
    table = "\n".join(f"| {' | '.join([name] * columns)} |" for name in ("head", ":---", "cell"))
    text = f"# t\n\n## All systems\n\n![a bar](systems.png)\n\n{table}\n\n```\n{'summer-train ' * 40}\n```\n"
    (folder / "page.md").write_text(text)
    return folder


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of conversations: one with a film beside it, one of which nothing is known."""
    folder = tmp_path_factory.mktemp("talk")
    shutil.copy(DEMO / "train_splits" / "dia6_utt4.mp4", folder / FILM)
    utterances = tuple(  # so short that all lie within the film
        utterance(k, start_seconds=0.3 * k, end_seconds=0.3 * k + 0.29) for k in range(12)
    )
    talks = [conversation(utterances=utterances, film=FILM), bare(30)]
    page = folder / "talk.html"
    page.write_text(conversation_page(talks, title="A talk"), encoding="utf-8")
    return page


@pytest.fixture(scope="session")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `summer-predict`, of a film of the demo."""
    folder = tmp_path_factory.mktemp("predicted")
    run = corpus_with_runs(tmp_path_factory.mktemp("corpus")).folder.parent / "both"
    film = Path(shutil.copy(DEMO / "train_splits" / "dia6_utt4.mp4", folder / FILM))
    words = folder / "words.srt"
    said = ("ADA: I said that I would come.", "BEN: You did.", "ADA: <i>So</i> here I am.")
    words.write_text("\n".join(f"{n}\n{TIMES[n]}\n{one}\n" for n, one in enumerate(said)), "utf-8")
    typed = [film, "--transcript", words, "--run", run, "--out", folder / "out", "--device", "cpu"]
    result = CliRunner().invoke(predict_app, [*map(str, typed), "--workers", "0"])
    assert result.exit_code == 0, result.output
    return folder / "out" / "conversation.html"
