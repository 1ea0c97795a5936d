"""The contact sheet: whose face each row of a video store got, as a page or as one picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

from extraction.video.sheet.cells import NOT_KEPT, Sheet, Verdict, read_sheet
from extraction.video.sheet.look import quoted
from extraction.video.sheet.page import html_of
from extraction.video.sheet.picture import png_of
from summer.corpus import Modality, Status
from summer.durable import write_aside
from summer.store import FeatureStore

ONLY = {"remarks": Verdict.REMARK, "failed": Verdict.FAILED}
DRAWN_AS: Mapping[str, Callable[[Sheet], tuple[Sheet, bytes]]] = {
    ".html": lambda sheet: (sheet, html_of(sheet)),
    ".png": png_of,
}
MOST_NAMED = 6
REMEDY = (
    "extract video again with summer-extract --modality video --keep-crops --overwrite, or say with --crops "
    "where they are"
)


def write_sheet(
    path: Path,
    out: Path,
    *,
    crops: Path | None = None,
    most: int = 400,
    speaker: str | None = None,
    only: str | None = None,
) -> Sheet:
    """Draw the contact sheet of a video store.

    Args:
        path: the store.
        out: an .html or a .png, replaced if it is there.
        crops: the folder in which crops were kept; None: `crops` beside the store.
        most: cells, evenly taken over the corpus.
        speaker: the rows of this one only; None: all.
        only: "remarks" or "failed"; None: all.

    Returns:
        What was drawn.

    Raises:
        ValueError: no store of video; no crops; no row that was asked for; an option that is unknown.
        DiskError: the disk is full or refuses.
    """
    if out.suffix not in DRAWN_AS:
        raise ValueError(
            f"{out} is neither {' nor '.join(DRAWN_AS)}; name the sheet with one of these endings"
        )
    if only is not None and only not in ONLY:
        raise ValueError(f"--only {only!r} is not one of {', '.join(ONLY)}")
    folder = path.parent / "crops" if crops is None else crops
    with FeatureStore(path) as store:
        header, rows = store.header, store.rows
    if header.modality is not Modality.VIDEO:
        raise ValueError(f"{path} is a store of {header.modality}, which has no faces; give a store of video")
    _check_speaker(speaker, [utterance.speaker for utterance in rows.utterances])
    verdict = None if only is None else ONLY[only]
    sheet = read_sheet(path, header, rows, folder, most=most, speaker=speaker, only=verdict)
    _check_cells(sheet, folder)
    drawn, content = DRAWN_AS[out.suffix](sheet)
    write_aside(out, content)
    return drawn


def _check_speaker(speaker: str | None, names: list[str]) -> None:
    if speaker is not None and speaker not in names:
        loudest = [name for name, _ in Counter(names).most_common(MOST_NAMED)]
        near = get_close_matches(speaker, set(names), n=3) or loudest
        named = ", ".join(repr(quoted(name)) for name in near)
        raise ValueError(f"nobody is named {speaker!r} in this store; give --speaker one of {named}, ...")


def _check_cells(sheet: Sheet, folder: Path) -> None:
    if not sheet.cells:
        raise ValueError(f"{sheet.title}: there is no such row; ask for others with --only and --speaker")
    ok = [cell for cell in sheet.cells if cell.status is Status.OK]
    if ok and all(cell.trouble == NOT_KEPT for cell in ok):
        raise ValueError(f"{folder} has no crops of these rows; {REMEDY}")
