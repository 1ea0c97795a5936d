"""The contact sheet: whose crops are shown, what is said of each row, what is counted, what is refused."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extraction.video.faces.crops import crop_folder
from extraction.video.sheet import write_sheet
from extraction.video.sheet.look import BESIDE_PIXELS, COLOURS, FACE_PIXELS
from summer.corpus import Modality, Status
from tests.extraction.video.sheet.made_up_faces import BLUE, GREEN, RED, Row, write_faces
from tests.summer.made_up import write_store
from tests.summer.made_up_training import made_learnable

VOID = {"meta", "img", "br"}
ROWS = (
    Row(name="train/0", how="talking: 2 of 2 tracks, score 0.9 over 0.1", talking=(0.9, 0.8)),
    Row(name="train/1", speaker="Ben", reason="only face, its mouth hardly moves"),
    Row(name="train/2", reason="it lasts 3.2 s, its annotation 5.1 s"),
    Row(name="train/3", reason="no face surely talks. it lasts 9 s, its annotation 4 s", label=""),
    Row(name="train/4", status=Status.NO_FACE, reason="no face in any of 3 keyframes"),
)
CANDIDATES = (
    Row(
        name="train/0",
        candidates=(BLUE, RED, GREEN),
        candidate=2,
        how="speaker: 2 of 3 tracks, 0.62 from Ann's face",
        talking=(0.1, -0.8),
        identity=(0.62, 0.38),
    ),
    Row(name="train/1", candidates=(BLUE, GREEN), status=Status.SPEAKER_ABSENT, reason="speaker absent"),
)


class Page(HTMLParser):
    """A page read back: its cells' words and pictures; tags that do not close are an error."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.pictures: list[NDArray[np.uint8]] = []
        self.alternatives: list[str] = []
        self.words, self.open_tags = "", list[str]()
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        assert self.open_tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        if tag not in VOID:
            self.open_tags.append(tag)
        if tag == "article":
            self.cells.append("")
        if tag == "img":
            self.alternatives.append(dict(attrs)["alt"] or "")
            data = str(dict(attrs)["src"]).removeprefix("data:image/jpeg;base64,")
            decoded = cv2.imdecode(np.frombuffer(b64decode(data, validate=True), np.uint8), cv2.IMREAD_COLOR)
            self.pictures.append(np.asarray(decoded[..., ::-1], dtype=np.uint8))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "
        if "article" in self.open_tags:
            self.cells[-1] += f"{data} "

    def cell(self, words: str) -> str:
        return next(cell for cell in self.cells if words in cell)


def drawn(store: Path, **options: Any) -> Page:
    out = store.with_name("sheet.html")
    write_sheet(store, out, **options)
    return Page(out)


def colour(picture: NDArray[np.uint8]) -> list[int]:
    return [round(value / 220) * 220 for value in picture[5:30, 5:30].mean(axis=(0, 1))]


def pixels(path: Path, colour: tuple[int, int, int]) -> int:
    picture = cv2.imread(str(path))
    assert picture is not None
    return int((picture == colour[::-1]).all(axis=2).sum())


def test_a_cell_says_of_its_row_what_the_store_says(tmp_path: Path) -> None:
    page = drawn(write_faces(tmp_path, ROWS, by_speaker=False))
    words = page.cell("train/0")
    for said in ("train · joy", "So it is.", "talking: 2 of 2 tracks", "in 75% of 8", "0.8 over the next"):
        assert said in words
    assert "talking" not in page.cell("train/1")  # it was not judged
    assert "no label" in page.cell("train/3")
    assert "no_face" in page.cell("train/4")
    assert "no face in any of 3 keyframes" in page.cell("train/4")
    assert "keyframes" not in page.cell("train/4").replace("of 3 keyframes", "")


def test_the_head_counts_remarks_by_kind_and_says_what_is_shown(tmp_path: Path) -> None:
    sheet = write_sheet(write_faces(tmp_path, ROWS, by_speaker=False), tmp_path / "sheet.html")
    assert list(sheet.counts.verdicts.values()) == [1, 3, 1]
    assert sheet.counts.remarks == {
        "it lasts … s, its annotation … s": 2,
        "only face, its mouth hardly moves": 1,
        "no face surely talks": 1,
    }
    assert sheet.counts.statuses == {"ok": 4, "no_face": 1}
    assert sheet.counts.choices == {"only face": 3, "talking": 1}
    words = Page(tmp_path / "sheet.html").words
    assert "All 5 rows are shown." in words
    assert "4 rows: 1 ok, 2 ok with a remark, 1 not ok" in words  # Ann's


def test_cells_stand_by_speaker_in_corpus_order(tmp_path: Path) -> None:
    page = drawn(write_faces(tmp_path, ROWS, by_speaker=False))
    assert [re.findall(r"train/\d", cell)[0][-1] for cell in page.cells] == ["0", "2", "3", "4", "1"]
    assert re.findall(r"border-left-color:(#\w+)", page.source) == [
        *(COLOURS[verdict] for verdict in list(COLOURS)[:2]),
        *list(COLOURS.values())[1:],
        list(COLOURS.values())[1],
    ]


def test_words_stand_for_pictures_that_cannot_be_seen(tmp_path: Path) -> None:
    page = drawn(write_faces(tmp_path, CANDIDATES, by_speaker=True))
    assert page.alternatives == [
        "the chosen face, 4 times: train/0, Ann",
        *(f"candidate {number} of train/0, not chosen" for number in (1, 3)),
        *(f"candidate {number} of train/1, not chosen" for number in (1, 2)),
    ]


def test_a_cell_is_no_wider_than_a_narrow_window_and_each_colour_has_one_for_the_dark(tmp_path: Path) -> None:
    style = re.findall(
        r"<style>(.*)</style>", drawn(write_faces(tmp_path, ROWS, by_speaker=False)).source, re.S
    )
    [article] = re.findall(r"article \{(.*?)\}", style[0], re.S)
    assert "max-width: 100%" in article
    light, dark = (
        dict(re.findall(r"--(\w[\w-]*): (#\w+)", part))
        for part in style[0].split("@media (prefers-color-scheme: dark)")
    )
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for ink, ground in (
            ("ink", "card"),
            ("quiet", "card"),
            ("remark", "card"),
            ("on-nothing", "nothing"),
        ):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)  # WCAG 2.1, 1.4.3


def contrast(one: str, other: str) -> float:
    """As WCAG 2.1 defines it, of colours such as #fff and #0072B2."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        shares = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_of_candidates_the_chosen_one_is_shown_and_the_others_beside_it(tmp_path: Path) -> None:
    store = write_faces(tmp_path, CANDIDATES, by_speaker=True)
    page = drawn(store)
    large, small = (FACE_PIXELS, 4 * FACE_PIXELS + 6, 3), (BESIDE_PIXELS, BESIDE_PIXELS, 3)
    assert [picture.shape for picture in page.pictures] == [large, *[small] * 4]
    assert [tuple(colour(picture)) for picture in page.pictures] == [RED, BLUE, GREEN, BLUE, GREEN]
    assert "0.8 under another" in page.cell("train/0")
    assert "in 75% of 8 keyframes; 0.38 within the limit of likeness" in page.cell("train/0")
    assert "speaker_absent" in page.cell("train/1")
    write_sheet(store, tmp_path / "sheet.png")
    assert pixels(tmp_path / "sheet.png", RED) == 4 * FACE_PIXELS**2
    assert pixels(tmp_path / "sheet.png", BLUE) == 0
    assert pixels(tmp_path / "sheet.png", (102, 102, 234)) == 2 * BESIDE_PIXELS**2


def test_crops_are_shown_in_order_of_time(tmp_path: Path) -> None:
    store = write_faces(tmp_path, ROWS[:1], by_speaker=False)
    for frame, grey in enumerate((0, 40, 80, 120, 160, 200)):
        path = crop_folder(tmp_path / "crops", "train/0") / f"{frame * 10:06d}.png"
        cv2.imwrite(str(path), np.full((160, 160), grey, np.uint8))
    [picture] = drawn(store).pictures
    middles = [picture[38, 38 + place * 78].mean() for place in range(4)]
    assert middles == pytest.approx([0, 80, 120, 200], abs=4)


@pytest.mark.parametrize(
    "name", ["../x", "a b/c d", "ünï/漢字", "<script>alert(1)</script>", "tab\tand $\\bad{$"]
)
@pytest.mark.parametrize("ending", ["html", "png"])
def test_odd_ids_words_and_names_are_shown_and_do_no_harm(tmp_path: Path, name: str, ending: str) -> None:
    odd = Row(name=name, speaker=name, text=f"{name} 🙂 \x07 שלום & <b> " + "W" * 300, reason=name)
    store = write_faces(tmp_path / "corpus", [odd, replace(odd, name="plain", text="")], by_speaker=False)
    out = tmp_path / f"sheet.{ending}"
    sheet = write_sheet(store, out, speaker=name)
    assert not sheet.troubles
    if ending == "html":
        page = Page(out)
        assert " ".join(name.split()) in page.cells[0]
        assert "W" * 200 not in page.source
        assert "\x07" not in page.source
        assert len(page.pictures) == 2
    else:
        assert pixels(out, RED) == 8 * FACE_PIXELS**2


def test_of_many_rows_some_are_taken_evenly_and_that_is_said(tmp_path: Path) -> None:
    many = [Row(name=f"train/{k}", faces=1) for k in range(41)]
    page = drawn(write_faces(tmp_path, many, by_speaker=False), most=5)
    assert [re.findall(r"train/(\d+)", cell)[0] for cell in page.cells] == ["0", "10", "20", "30", "40"]
    assert "5 of 41 rows are shown, evenly taken over the corpus." in page.words
    assert "41 rows: 41 ok; 5 shown" in page.words


def test_a_picture_leaves_out_what_does_not_fit_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extraction.video.sheet.picture.HIGHEST", 1000)
    many = [Row(name=f"train/{k}", faces=1) for k in range(60)]
    sheet = write_sheet(write_faces(tmp_path, many, by_speaker=False), tmp_path / "sheet.png")
    picture = cv2.imread(str(tmp_path / "sheet.png"))
    assert picture is not None
    assert picture.shape[0] <= 1000
    assert 10 < len(sheet.cells) < 60
    assert pixels(tmp_path / "sheet.png", RED) == len(sheet.cells) * FACE_PIXELS**2
    assert sheet.shown.endswith(f"{60 - len(sheet.cells)} more did not fit.")
    assert (sheet.cells[0].utterance.id, sheet.cells[-1].utterance.id) == ("train/0", "train/59")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"speaker": "Ben"}, ["1"]),
        ({"only": "failed"}, ["4"]),
        ({"only": "remarks"}, ["2", "3", "1"]),
        ({"only": "remarks", "speaker": "Ann"}, ["2", "3"]),
    ],
)
def test_some_rows_may_be_asked_for(tmp_path: Path, options: dict[str, str], shown: list[str]) -> None:
    page = drawn(write_faces(tmp_path, ROWS, by_speaker=False), **options)
    assert [re.findall(r"train/(\d)", cell)[0] for cell in page.cells] == shown


def test_crops_may_lie_elsewhere(tmp_path: Path) -> None:
    store = write_faces(tmp_path, ROWS, by_speaker=False)
    (tmp_path / "crops").rename(tmp_path / "elsewhere")
    assert len(drawn(store, crops=tmp_path / "elsewhere").pictures) == 4


def test_without_crops_the_folder_and_the_remedy_are_named(tmp_path: Path) -> None:
    store = write_faces(tmp_path, ROWS, by_speaker=False, crops=False)
    with pytest.raises(ValueError, match="--keep-crops --overwrite") as refusal:
        write_sheet(store, tmp_path / "sheet.html")
    assert str(tmp_path / "crops") in str(refusal.value)
    assert not (tmp_path / "sheet.html").exists()
    assert len(drawn(store, only="failed").cells) == 1  # needs none


def test_rows_whose_crops_are_not_theirs_are_told_in_cell_and_head(tmp_path: Path) -> None:
    store = write_faces(tmp_path, ROWS, by_speaker=False)
    (crop_folder(tmp_path / "crops", "train/0") / "000030.png").unlink()
    for path in crop_folder(tmp_path / "crops", "train/1").iterdir():
        path.unlink()
    page = drawn(store)
    assert "its crops are of another extraction" in page.cell("train/0")
    assert "no crops of it were kept" in page.cell("train/1")
    assert "1 of the shown rows: no crops of it were kept" in page.words
    write_faces(tmp_path / "later", CANDIDATES, by_speaker=True)
    with pytest.raises(ValueError, match="no crops"):
        write_sheet(store, tmp_path / "sheet.html", crops=tmp_path / "later" / "crops")


def test_a_damaged_crop_is_named_and_the_old_sheet_stays(tmp_path: Path) -> None:
    store = write_faces(tmp_path, ROWS, by_speaker=False)
    (tmp_path / "sheet.html").write_text("old")
    (crop_folder(tmp_path / "crops", "train/0") / "000000.png").write_bytes(b"")
    with pytest.raises(ValueError, match="000000.png cannot be read"):
        write_sheet(store, tmp_path / "sheet.html")
    assert (tmp_path / "sheet.html").read_text() == "old"
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"speaker": "Anne"}, "nobody is named 'Anne'.* 'Ann'"),
        ({"speaker": "Zoe"}, "give --speaker one of 'Ann', 'Ben'"),
        ({"only": "ok"}, "remarks, failed"),
        ({"only": "failed", "speaker": "Ben"}, "there is no such row"),
        ({"out": "sheet.pdf"}, "neither .html nor .png"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, options: dict[str, str], words: str) -> None:
    store = write_faces(tmp_path, ROWS, by_speaker=False)
    out = tmp_path / options.get("out", "sheet.html")
    with pytest.raises(ValueError, match=words):
        write_sheet(store, out, speaker=options.get("speaker"), only=options.get("only"))


def test_a_store_of_text_is_refused_by_its_modality(tmp_path: Path) -> None:
    store = write_store(tmp_path / "text.h5", made_learnable(), Modality.TEXT)
    with pytest.raises(ValueError, match="a store of text, which has no faces"):
        write_sheet(store, tmp_path / "sheet.html")
