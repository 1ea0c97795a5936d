"""Kept crops in a report: the contact sheet of the least certain faces, and a strip beside each utterance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from extraction.video.sheet.cells import Cell, Verdict, cell_of
from extraction.video.sheet.certainty import least_certain_first
from extraction.video.sheet.look import BESIDE_PIXELS, FACE_PIXELS, jpeg_of, name_of, quoted
from pipelines.report.given import Given, GivenStore
from summer.corpus import Modality
from summer.report.document import Block, Command, Face, Faces, Paragraph, Picture

EDGES = {Verdict.OK: "ok", Verdict.REMARK: "remark", Verdict.FAILED: "failed"}
STRIP_PIXELS, MOST_IN_STRIP = 40, 3
MOST_STRIP_BYTES = 5_000_000  # of all utterances; base64 adds a third


def store_with_crops(given: Given, crops: Path | None) -> tuple[GivenStore, Path] | None:
    """The store of video and the folder of its crops; None where there are none.

    Raises:
        ValueError: a folder was named that is not there.
    """
    store = next((one for one in given.stores if one.header.modality is Modality.VIDEO), None)
    if crops is not None and not (crops.is_dir() and store):
        raise ValueError(f"there are no crops of a given store in {crops}; correct --crops, or leave it out")
    folder = crops or (store.path.parent / "crops" if store else None)
    return (store, folder) if store and folder and folder.is_dir() else None


def faces_blocks(found: tuple[GivenStore, Path] | None, *, most: int) -> list[Block]:
    """The contact sheet of the faces to be looked at first.

    Raises:
        ValueError: a crop cannot be read as a picture.
    """
    if found is None:
        return [
            Paragraph("No crops of faces are there; this keeps them, for a new extraction of video:"),
            Command("summer-extract --modality video --keep-crops --overwrite"),
        ]
    store, folder = found
    ordered = least_certain_first(store.rows)
    cells = [cell_of(store.rows, row, folder) for row in ordered[:most]]
    shown = [cell for cell in cells if cell.chosen or cell.others]
    told = (
        f"{len(shown):,} of {len(ordered):,} rows with faces, the least certain first: rows with a "
        "remark, then by the weakest of what is known of each (how sure the detector is, in what share of "
        "the keyframes the face is, its lead in talking, its likeness to the speaker), by rank among all "
        "rows. The chosen face has a frame; the other faces that could be meant stand beside it, where they "
        "were kept."
    )
    whole = f"summer-data faces {store.path} --out faces.html"
    return [Paragraph(told), Faces([_face(cell) for cell in shown]), Paragraph("All rows:"), Command(whole)]


def strips(found: tuple[GivenStore, Path] | None, ids: Sequence[str]) -> dict[str, bytes]:
    """The chosen face of utterances as JPEG, by id: of the first ones, as long as there is room.

    Raises:
        ValueError: a crop cannot be read as a picture.
    """
    if found is None:
        return {}
    store, folder = found
    row_of = {utterance.id: row for row, utterance in enumerate(store.rows.utterances)}
    drawn: dict[str, bytes] = {}
    room = MOST_STRIP_BYTES
    for name in ids:
        chosen = cell_of(store.rows, row_of[name], folder).chosen if name in row_of else ()
        if chosen:
            picture, _ = jpeg_of(chosen[:MOST_IN_STRIP], STRIP_PIXELS)
            room -= len(picture)
            if room < 0:
                break
            drawn[name] = picture
    return drawn


def _face(cell: Cell) -> Face:
    speaker, name = name_of(cell.utterance.speaker), quoted(cell.utterance.id)
    chosen = None
    if cell.chosen:
        chosen = Picture("", f"the chosen face of {name}, {speaker}", jpeg_of(cell.chosen, FACE_PIXELS)[0])
    others = [
        Picture("", f"face {number}, not chosen", jpeg_of([path], BESIDE_PIXELS)[0])
        for number, path in cell.others.items()
    ]
    said = f"“{quoted(cell.utterance.text)}”" if cell.utterance.text else ""
    told = (f"{speaker} · {cell.utterance.label or 'no label'}", said, cell.how, *cell.measures)
    lines = [quoted(line) for line in (*told, cell.reason, cell.trouble) if line]
    return Face(title=name, chosen=chosen, others=others, edge=EDGES[cell.verdict], lines=lines)
