"""Every key of goldroot.toml stands in the reference: what the code asks for and what the page names are the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from goldroot import toml
from goldroot.hosts.registry import KINDS
from goldroot.site.config import load_config

DOCS = Path(__file__).parents[1] / "docs"

FILE = """
[host]
kind = "directory"
[limits]
[confine]
[images.debian]
health = ["units"]
test_time = 1
check_time = 1
limits = {}
[clones.web1]
"""


def asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """(table, key) of everything that is read from a file."""
    found: set[tuple[str, str]] = set()

    def done(self: toml.Table) -> None:
        table = ".".join("NAME" if word in ("debian", "web1") else str(word) for word in self._key)
        found.update((table, key) for key in self._taken)

    monkeypatch.setattr(toml.Table, "done", done)
    (tmp_path / "goldroot.toml").write_text(FILE)
    load_config(str(tmp_path / "goldroot.toml"))
    return found


def named() -> set[tuple[str, str]]:
    """(table, key) of every row of the page."""
    page = (DOCS / "reference/site.md").read_text().partition("## Every key")[2]
    found, table = set(), ""
    for first, key in re.findall(r"^\| (?:`\[([^`]*)\]`)? ?\| (?:`(\w+)`)? ?\|", page, re.MULTILINE):
        table = first or table
        if key:
            found.add((table, key))
    return found


def test_the_page_has_every_key_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {("", name) for name in ("host", "hosts", "limits", "confine", "images", "clones")}
    asked = asked_for(tmp_path, monkeypatch)
    limits = {key for table, key in asked if table == "images.NAME.limits"}
    assert limits == {key for table, key in asked if table == "limits"}, "they are one table of the page"
    known = {one for one in asked - tables if one[0] != "images.NAME.limits"}
    assert named() == known and len(known) > 25


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_a_host_is_on_its_page(kind: str) -> None:
    page = DOCS / ("zvm/host.md" if kind == "zvm" else "reference/hosts.md")
    text = page.read_text()
    missing = [
        field.name
        for field in fields(KINDS[kind]().config)
        if f"`{field.name}`" not in text and not re.search(rf"^{field.name} =", text, re.MULTILINE)
    ]
    assert missing == []
