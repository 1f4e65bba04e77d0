"""Sphinx: HTML and man pages from the same sources; the reference is made from the code when the build starts."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import pages  # noqa: E402 - found by the line above

from goldroot import __version__  # noqa: E402 - sorted after it

project = "goldroot"
author = "the goldroot developers"
copyright = "the goldroot developers"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_ext"]
html_theme = "furo"
html_title = f"goldroot {release}"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}
# The code writes single backticks in error texts and the like; they are literals there.
default_role = "literal"
# Quotes and dots, and not dashes: `--all` in a sentence of a help text stays what a person types.
smartquotes_action = "qe"

MANUALS = pages.write_all(HERE / "reference" / "generated")
man_pages = [(page, name, summary, [author], 1) for page, name, summary in MANUALS]
man_show_urls = True
# Where nothing else is said, a page of the manual is that of `goldroot`.
man_make_section_directory = False
