"""How the pages of this folder become a site: `make site`. Building it and reading it fetch nothing."""

import re

from sphinx.application import Sphinx

project = "SUMMER"
html_title = "SUMMER"
html_theme = "furo"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# The pages are read on code hosts as well: plain Markdown, and links by relative path, also to headings.
myst_heading_anchors = 4

# Some blocks begin with the name of the file that they stand for, which JSON has no comment for.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "none"  # a block that names no language holds commands
default_role = "code"  # what docstrings put between backticks

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False

OUTSIDE = re.compile(r"\]\((\.\./[^)#]+)(#[^)]*)?\)")


def link_to_copies(_: Sphinx, __: str, source: list[str]) -> None:
    """Have links to files that are no pages, such as ../README.md, lead to copies of these in the site."""
    source[0] = OUTSIDE.sub(r"](path:\1)", source[0])


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("source-read", link_to_copies)
