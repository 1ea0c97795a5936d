"""The page: two files in, a line to wait in, a conversation out, names of speakers to be corrected."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipelines.serve import view
from pipelines.serve.line import Line
from pipelines.serve.session import MOST_NAME_LETTERS, MOST_NAMES, Sessions
from pipelines.serve.talks import Talks

TITLE = "SUMMER: what is felt in a conversation"
NAMES = (
    "<h2>Are these their names?</h2><p>Correct a name, and the models are asked again: they go by who said "
    "what. Two speakers of one name are one.</p>"
)
LINES = "Change the name before the words; a ? is nobody known"
COLOURS = {  # those of our other pages; Gradio's own are too pale to be read by all
    "button_primary_background_fill": "#0b57a4",
    "button_primary_background_fill_hover": "#084484",
    "button_primary_background_fill_dark": "#0b57a4",
    "button_primary_background_fill_hover_dark": "#084484",
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#ffffff",
    "body_text_color_subdued": "#5a6069",
    "body_text_color_subdued_dark": "#a9afb8",
    "border_color_primary": "#8b9099",
    "border_color_primary_dark": "#6b717a",
    "link_text_color": "#0b57a4",
    "link_text_color_dark": "#8ab8ff",
    "error_text_color": "#a8271b",
    "error_text_color_dark": "#ff9a8c",
    "block_info_text_color": "#5a6069",
    "block_title_text_color": "#1d1f23",
    "block_title_text_color_dark": "#e7e8ea",
}
OF_ALL_EVENTS: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
}


def page(talks: Talks, line: Line, *, hears: bool) -> gr.Blocks:
    """The page of all sessions.

    Args:
        hears: words are heard where there is no transcript.
    """
    sessions = Sessions(talks, line, hears=hears)
    blocks: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.HTML(view.opening(talks.limits), elem_classes="summer")
        places = gr.HTML(elem_classes="summer")
        read = gr.Button("Read it", variant="primary", elem_id="read")
        status = gr.HTML(elem_classes="summer", elem_id="status")
        result = gr.HTML(elem_classes="summer", elem_id="result")
        with gr.Column(visible=False) as naming:
            gr.HTML(NAMES, elem_classes="summer")
            with gr.Row():
                names = [_box() for _ in range(MOST_NAMES)]
            with gr.Accordion("Who says which line?", open=False):
                lines = gr.Textbox(label=LINES, lines=4, max_lines=16, elem_id="lines")
            again = gr.Button("Ask again with these names", elem_id="again")
        shown = [status, result, read, again, naming, lines, *names]
        read.click(sessions.read, outputs=shown, **OF_ALL_EVENTS)
        again.click(sessions.read_again, inputs=[lines, *names], outputs=shown, **OF_ALL_EVENTS)
        blocks.load(sessions.greet, outputs=places, **OF_ALL_EVENTS)
        blocks.unload(sessions.leave)
    blocks.queue(api_open=False)  # nothing waits in it: that is done in the line
    return blocks


def _box() -> gr.Textbox:
    return gr.Textbox(visible=False, max_length=MOST_NAME_LETTERS, min_width=200, max_lines=1)


def look() -> dict[str, Any]:
    """What the page looks like: fonts of the reader's machine, nothing from elsewhere."""
    fonts = ["system-ui", "DejaVu Sans", "sans-serif"]
    theme = gr.themes.Default(font=fonts, font_mono=["monospace"]).set(**COLOURS)
    return {
        "theme": theme,
        "css": view.style(),
        "head": view.script(),
    }
