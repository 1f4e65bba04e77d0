"""Records and lists beside them that were damaged: an error with advice, and never a bug."""

from __future__ import annotations

import json
import os

import pytest

from goldroot.errors import Damaged
from goldroot.fleet.update import open_update
from goldroot.fleet.update.memory import load_references
from goldroot.site import Site

WHOLE = {
    "counts": {"conflicts": 0},
    "conflicts": [],
    "entries": [{"path": "/etc/motd", "outcome": "gold", "axis": "content", "rule": {}}],
    "notes": [],
}
DAMAGED = {
    "empty": b"",
    "cut": json.dumps(WHOLE).encode()[:-9],
    "not UTF-8": b'{"counts": "\xff"}',
    "a list": b"[]",
    "null": b"null",
    "no entries": json.dumps({**WHOLE, "entries": None}).encode(),
    "an entry without its path": json.dumps(WHOLE).replace('"path"', '"pbth"').encode(),
    "entries that are words": json.dumps({**WHOLE, "entries": ["path"]}).encode(),
    "counts that are a number": json.dumps({**WHOLE, "counts": 3}).encode(),
    "a thousand brackets": b"[" * 100_000,
}


@pytest.fixture
def record(site: Site) -> str:
    path = open_update.record_file(site, "web1", "u1")
    os.makedirs(os.path.dirname(path))
    return path


def test_a_whole_record_is_read_and_one_that_is_not_there_is_empty(site: Site, record: str) -> None:
    assert open_update.read_record(site, "web1", "u1") == {}
    open_update.write(record, json.dumps(WHOLE).encode())
    assert open_update.read_record(site, "web1", "u1") == WHOLE


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_says_what_to_do(site: Site, record: str, content: bytes) -> None:
    open_update.write(record, content)
    with pytest.raises(Damaged) as told:
        open_update.read_record(site, "web1", "u1")
    assert record in told.value.brief
    assert "goldroot restore" in str(told.value.todo)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"references": [{}]}', b'{"references": 3}'])
def test_a_damaged_list_of_references_says_what_to_do(site: Site, content: bytes) -> None:
    open_update.write(site.path("records", "web1", "references.json"), content)
    with pytest.raises(Damaged):
        load_references(site, "web1")
