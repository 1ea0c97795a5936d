"""Pages of HTML from the templates, styles and scripts in `assets/`, by Jinja2.

Whatever a template is given is text, and escaped. Only what this file reads from `assets/`, and what a
template has made, is taken as HTML.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

ASSETS = "assets"


def rendered(template: str, **words: Any) -> Markup:
    """A template filled in; strings that are not `Markup` are escaped."""
    return Markup(_environment().get_template(template).render(**words))


@cache
def asset(name: str) -> Markup:
    """A style or a script of ours, to stand in a page as it is."""
    return Markup(_read(name))


def as_script(text: str) -> Markup:
    """A program or JSON of ours for a `<script>`: nothing in it may end that.

    Raises:
        ValueError: something would.
    """
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("a script that holds '</script' or '<!--' would end its page; write these otherwise")
    return Markup(text)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _read(name: str) -> str:
    return (files("summer.report") / ASSETS / name).read_text(encoding="utf-8")
