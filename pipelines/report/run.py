"""One `summer-report` command, carried out: read what was given, make the sections, write the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup
from rich.console import Console

from extraction.corpora.readers import READERS
from pipelines.report.attention import attention_of_runs
from pipelines.report.command import ReportOrder
from pipelines.report.conversations import Shown, shown, utterances_of
from pipelines.report.display import print_written
from pipelines.report.faces import faces_blocks, store_with_crops, strips
from pipelines.report.given import Given, GivenStore, read_given
from pipelines.report.runs import reported
from summer.corpus import Modality
from summer.durable import write_aside
from summer.report.conversation import conversation_view
from summer.report.document import MARK, Facts, Fragment, Paragraph, Report, Section
from summer.report.page import html_of
from summer.report.sections.coverage import ReportedStore, coverage_blocks
from summer.report.sections.drift import drift_blocks, drifts_of
from summer.report.sections.measures import measures_blocks
from summer.report.sections.run import run_section
from summer.report.sections.statuses import remark_blocks, status_blocks

FINE = 0
HEAD_BYTES = 1000  # within which a report says what it is


def carry_out(order: ReportOrder) -> int:
    """Write the page.

    Returns:
        The exit status: 0.

    Raises:
        ValueError: anything that the user can mend; the message says how.
    """
    _check_out(order)
    given = read_given(order.things)
    crops = store_with_crops(given, order.crops)
    utterances = utterances_of(given)
    asked = attention_of_runs(given) if order.attention else None
    talk = shown(given, utterances, strips(crops, [one.id for one in utterances]), asked)
    sections = [
        *_sections_of_stores(given, faces_blocks(crops, most=order.faces)),
        *(run_section(reported(run)) for run in given.runs),
        *(_leaderboard(folder) for folder in given.reproductions),
        _conversations(talk),
    ]
    report = Report(title=_title(given), note=_note(given), sections=sections)
    content = report.html().encode()
    write_aside(order.out, content)
    print_written(
        Console(soft_wrap=True),
        order.out,
        size=len(content),
        stores=len(given.stores),
        runs=len(given.runs),
        notes=talk.notes,
    )
    return FINE


def _check_out(order: ReportOrder) -> None:
    """Refuse to write over what is no report, before anything is read."""
    out = order.out
    if out.is_dir():
        raise ValueError(
            f"{out} is a folder; give --out the name of a page in it, such as {out / 'report.html'}"
        )
    if not out.exists() or order.overwrite:
        return
    with out.open("rb") as file:
        if MARK.encode() not in file.read(HEAD_BYTES):
            raise ValueError(
                f"{out} is there and is no report; give another --out, or --overwrite to replace it"
            )


def _title(given: Given) -> str:
    corpora = [one.header.corpus for one in given.stores] or [
        one.run.origin.get("corpus", one.name) for one in given.runs
    ]
    return f"Report on {corpora[0]}"


def _note(given: Given) -> str:
    named = [str(one.path) for one in given.stores], [str(one.run.path) for one in given.runs]
    told = [
        f"{noun}: {', '.join(names)}" for noun, names in zip(("Stores", "Runs"), named, strict=True) if names
    ]
    return ". ".join(told) + ". Made by summer-report; nothing in this page is asked for from a network."


def _sections_of_stores(given: Given, faces: Sequence[Paragraph | object]) -> Iterator[Section]:
    if not given.stores:
        return
    stores = [_reported(store) for store in given.stores]
    header = stores[0].header
    facts = [("corpus", f"{header.corpus} ({header.protocol})"), ("utterances", f"{len(stores[0].rows):,}")]
    for store in stores:
        width = f", reduced to {store.width}" if store.width else ", not reduced"
        whole = "" if store.header.complete else ", not the whole corpus"
        facts.append((f"{store.header.modality}", f"{store.path}: {store.header.dim} wide{width}{whole}"))
    yield Section(title="What is there", blocks=[Facts(facts), *coverage_blocks(stores)])
    yield Section(title="What is not ok", blocks=list(status_blocks(stores)))
    yield Section(title="Remarks", blocks=list(remark_blocks(stores)))
    if any(store.header.modality is Modality.VIDEO for store in stores):
        yield Section(title="Whose face", blocks=faces)  # type: ignore[arg-type]
    yield Section(title="Sound and other measures", blocks=list(measures_blocks(stores)))
    drifts = {
        store.header.modality.value: drifts_of(
            store.features.vectors, store.rows.utterances, store.features.usable
        )
        for store in given.stores
    }
    yield Section(title="Drift between splits", blocks=list(drift_blocks(drifts)))


def _reported(store: GivenStore) -> ReportedStore:
    return ReportedStore(
        path=str(store.path),
        header=store.header,
        rows=store.rows,
        retry=_retry(store) if store.was_extracted else "",
        width=store.width,
    )


def _retry(store: GivenStore) -> str:
    corpus = store.header.corpus
    dataset = corpus if corpus in READERS else "MANIFEST.csv"
    out = store.path.absolute().parent.parent
    words = ("--dataset", dataset, "--modality", store.header.modality.value, "--out", str(out))
    return shlex.join(["summer-extract", *words, "--retry-failed"])


def _leaderboard(folder: Path) -> Section:
    """What summer-reproduce wrote, its first title left out.

    Raises:
        ValueError: its page is not there.
    """
    page = folder / "page.md"
    if not page.is_file():
        raise ValueError(
            f"{folder} has no page yet; let summer-reproduce come to its end, or leave the folder out"
        )
    markdown = page.read_text(encoding="utf-8").partition("\n")[2]
    body = html_of(markdown, folder).replace("<h2>", "<h3>").replace("</h2>", "</h3>")
    body = body.replace(
        "<table>", '<div class="wide" tabindex="0" role="region" aria-label="table"><table class="sortable">'
    )
    body = body.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
    title = f"Leaderboard {folder.absolute().name}"
    return Section(title=title, blocks=[Fragment(Markup(body))])


def _conversations(talk: Shown) -> Section:
    told = (
        "Each utterance with what is known of it: words, truth, what each model says and how surely, what a "
        "modality lacks. The filters judge by the model that you choose."
    )
    blocks = [Paragraph(told), *(Paragraph(note) for note in talk.notes)]
    view = Fragment(Markup(conversation_view(talk.conversations)))
    return Section(title="Conversations", blocks=[*blocks, view])
