"""New entries from a template."""

from __future__ import annotations

import pytest

from goldroot.errors import BadInput, Refused
from goldroot.zvm.directory import Directory, filled, names_in, with_entry
from goldroot.zvm.directory.records import RecordLayout

TEMPLATE = b"""* for a read-only clone
USER {userid} {password} 2G 4G G
 INCLUDE LINDFLT
* made for {userid}
 LINK {gold} 11B0 01B0 RR
 MDISK 01B5 3390 AUTOG 100 {group} MR
 MINIOPT NOMDC
"""
VALUES = {"userid": "c9", "password": "geheim", "gold": "S10GOLD", "group": "POOL1"}
LINES = RecordLayout(b"\n", 0)


def test_names_in_order() -> None:
    assert names_in(TEMPLATE) == ["userid", "password", "gold", "group"]


def test_values_are_filled_in() -> None:
    entry = filled(TEMPLATE, VALUES, LINES)
    assert entry.to_bytes() == (
        b"USER c9 geheim 2G 4G G\n INCLUDE LINDFLT\n* made for c9\n LINK S10GOLD 11B0 01B0 RR\n"
        b" MDISK 01B5 3390 AUTOG 100 POOL1 MR\n MINIOPT NOMDC\n"
    )


def test_it_takes_the_layout_of_the_directory(old_bytes: bytes) -> None:
    directory = Directory.parse(old_bytes)
    more = with_entry(directory, filled(TEMPLATE, VALUES, directory.layout()))
    assert more.to_bytes().startswith(old_bytes)
    assert more.entries[:-1] == directory.entries
    assert more.entry("C9").name == "C9"
    assert {record.eol for record in more.records()} == {record.eol for record in directory.records()}
    if b"\n" not in old_bytes:
        assert {len(record.raw) for record in more.records()} == {80}


def test_behind_a_last_record_without_line_end() -> None:
    more = with_entry(Directory.parse(b"USER A B\n IPL CMS"), filled(b"USER {n} P", {"n": "Z"}, LINES))
    assert more.to_bytes() == b"USER A B\n IPL CMS\nUSER Z P\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gold": None}, "no value for gold"),
        ({"extra": "x"}, "does not use extra"),
        ({"gold": "A B"}, "single word"),
        ({"gold": ""}, "single word"),
        ({"gold": "A\n"}, "single word"),
        ({"gold": "A,"}, "single word"),
        ({"gold": "A\x00"}, "control character"),
        ({"gold": "\u20ac"}, "cannot hold"),
        ({"userid": "MUCHTOOLONG"}, "user ID"),
        ({"group": "G" * 60}, "columns"),
    ],
)
def test_values_that_do_not_fit(change: dict[str, str | None], said: str) -> None:
    values = {name: value for name, value in {**VALUES, **change}.items() if value is not None}
    with pytest.raises(BadInput, match=said) as caught:
        filled(TEMPLATE, values, LINES)
    assert "geheim" not in f"{caught.value} {caught.value.meaning} {caught.value.todo}"


@pytest.mark.parametrize("template", [b"", b"LINK A 190\n", b"USER A B\nUSER C D\n"])
def test_a_template_is_one_entry(template: bytes) -> None:
    with pytest.raises(BadInput, match="entries"):
        filled(template, {}, LINES)


def test_a_name_that_is_taken(modern_bytes: bytes) -> None:
    directory = Directory.parse(modern_bytes)
    for name in ("C1", "maint", "MAINT-1"):
        with pytest.raises(Refused, match="already"):
            with_entry(directory, filled(b"USER {n} P", {"n": name}, LINES))
    assert with_entry(directory, filled(b"USER {n} P", {"n": "LINDFLT"}, LINES)).find("LINDFLT", "USER")
