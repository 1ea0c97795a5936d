"""Pages of HTML from the templates, styles and scripts in `assets/`, by Jinja2.

Whatever a template is given is text, and escaped. Only what this file reads from `assets/`, and what a
template has made, is taken as HTML.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

ASSETS = "assets"


def rendered(template: str, **words: Any) -> Markup:
    """A template filled in; strings that are not `Markup` are escaped."""
    return Markup(templates_of("summer.report").get_template(template).render(**words))


@cache
def asset(name: str) -> Markup:
    """A style or a script of ours, to stand in a page as it is."""
    return Markup(read_asset("summer.report", name))


def as_script(text: str) -> Markup:
    """A program or JSON of ours for a `<script>`: nothing in it may end that.

    Raises:
        ValueError: something would.
    """
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("a script that holds '</script' or '<!--' would end its page; write these otherwise")
    return Markup(text)


@cache
def templates_of(package: str) -> Environment:
    """The templates in the folder `assets` of a package; what they are given is escaped."""
    return Environment(
        loader=FunctionLoader(partial(read_asset, package)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read_asset(package: str, name: str) -> str:
    """A file of the folder `assets` of a package."""
    return (files(package) / ASSETS / name).read_text(encoding="utf-8")
