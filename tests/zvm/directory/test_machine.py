"""Edits of a machine: an IDENTITY with the SUBCONFIG of each member."""

from __future__ import annotations

import pytest

from goldroot.errors import BadInput, GoldrootError, NotFound, Refused
from goldroot.zvm.directory import Directory, machine

TWO = """\
USER S10GOLD NOLOG
 MDISK 11B0 3390 1 10 G1 RR
USER S10GOLD2 NOLOG
 MDISK 11B0 3390 1 10 G2 RR
IDENTITY LNX PW 1G 2G G
 BUILD ON M1 USING SUBCONFIG LNX-1
 BUILD ON M2 USING SUBCONFIG LNX-2
 LINK S10GOLD 11B0 01B0 RR
 MDISK 1BE 3390 1 10 SHR MR
SUBCONFIG LNX-1
 MDISK 1B5 3390 11 10 V1 MR
  MINIOPT NOMDC
 MDISK 5B5 3390 31 10 V1 MR
SUBCONFIG LNX-2
 LINK S10GOLD 11B0 02B0 RR
 MDISK 1B5 3390 11 10 V2 MR
 MDISK 5B5 3390 31 10 V2 MR
"""
#: The same with one member only.
ONE = TWO.replace(" BUILD ON M2 USING SUBCONFIG LNX-2\n", "")


def after(text: str, change: str, *args: str, **options: str) -> list[tuple[str, str]]:
    """The lines that a change takes away and puts in."""
    source = Directory.parse(text.encode())
    made = getattr(machine, change)(source, "LNX", *args, **options).to_bytes().decode()
    old, new = text.splitlines(), made.splitlines()
    assert len(old) == len(new)
    return [(a.strip(), b.strip()) for a, b in zip(old, new, strict=True) if a != b]


def test_a_device_is_exchanged_in_the_subconfig_that_is_meant() -> None:
    assert after(TWO, "exchange", "1B5", "5B5", member="m2") == [
        ("MDISK 1B5 3390 11 10 V2 MR", "MDISK 5B5 3390 11 10 V2 MR"),
        ("MDISK 5B5 3390 31 10 V2 MR", "MDISK 1B5 3390 31 10 V2 MR"),
    ]


def test_the_only_subconfig_need_not_be_named() -> None:
    assert after(ONE, "exchange", "1B5", "5B5") == [
        ("MDISK 1B5 3390 11 10 V1 MR", "MDISK 5B5 3390 11 10 V1 MR"),
        ("MDISK 5B5 3390 31 10 V1 MR", "MDISK 1B5 3390 31 10 V1 MR"),
    ]


def test_links_are_pointed_elsewhere_in_all_parts() -> None:
    assert after(TWO, "relink", "S10GOLD", "S10GOLD2") == [
        ("LINK S10GOLD 11B0 01B0 RR", "LINK S10GOLD2 11B0 01B0 RR"),
        ("LINK S10GOLD 11B0 02B0 RR", "LINK S10GOLD2 11B0 02B0 RR"),
    ]
    assert after(TWO, "relink", "S10GOLD", "S10GOLD2", member="M1") == [
        ("LINK S10GOLD 11B0 01B0 RR", "LINK S10GOLD2 11B0 01B0 RR")
    ]


def test_devices_of_the_identity_and_of_its_only_subconfig_change_places() -> None:
    assert after(ONE, "exchange", "1BE", "5B5") == [
        ("MDISK 1BE 3390 1 10 SHR MR", "MDISK 5B5 3390 1 10 SHR MR"),
        ("MDISK 5B5 3390 31 10 V1 MR", "MDISK 1BE 3390 31 10 V1 MR"),
    ]


def test_a_minidisk_goes_with_its_options_from_the_subconfig() -> None:
    source = Directory.parse(ONE.encode())
    made = machine.remove(source, "LNX", "1B5").to_bytes().decode()
    assert made == ONE.replace(" MDISK 1B5 3390 11 10 V1 MR\n  MINIOPT NOMDC\n", "")


def test_what_is_added_goes_into_the_identity_or_the_subconfig_of_a_member() -> None:
    source = Directory.parse(TWO.encode())
    whole = machine.add_link(source, "LNX", "S10GOLD2", "11B0", "3B0", "RR")
    assert " LINK S10GOLD 11B0 01B0 RR\n LINK S10GOLD2 11B0 03B0 RR\n" in whole.entry("LNX").to_bytes().decode()
    own = machine.add_mdisk(source, "LNX", "6B5 3390 51 10 V2 MR", ["MINIOPT NOMDC"], member="M2")
    assert own.entry("LNX-2").to_bytes().decode().endswith(" MDISK 6B5 3390 51 10 V2 MR\n MINIOPT NOMDC\n")
    assert own.entry("LNX") == source.entry("LNX") and own.entry("LNX-1") == source.entry("LNX-1")


@pytest.mark.parametrize(
    ("text", "change", "args", "options", "kind"),
    [
        (TWO, "exchange", ("1B5", "5B5"), {}, BadInput),
        (TWO, "remove", ("1B5",), {}, BadInput),
        (TWO, "exchange", ("1BE", "5B5"), {"member": "M1"}, Refused),
        (TWO, "exchange", ("1B5", "1B5"), {"member": "M1"}, BadInput),
        (TWO, "remove", ("777",), {}, NotFound),
        (TWO, "relink", ("NOBODY", "S10GOLD2"), {}, NotFound),
        (TWO, "remove", ("1B5",), {"member": "M3"}, NotFound),
        (TWO, "add_link", ("S10GOLD2", "11B0", "1B5"), {}, Refused),
        (TWO, "add_link", ("S10GOLD2", "11B0", "1BE"), {"member": "M1"}, Refused),
        (TWO, "add_mdisk", ("02B0 3390 1 1 V3",), {}, Refused),
    ],
)
def test_what_is_refused(
    text: str, change: str, args: tuple[str, ...], options: dict[str, str], kind: type[GoldrootError]
) -> None:
    with pytest.raises(kind):
        getattr(machine, change)(Directory.parse(text.encode()), "LNX", *args, **options)


def test_an_address_of_another_member_may_be_used() -> None:
    source = Directory.parse(TWO.encode())
    made = machine.add_link(source, "LNX", "S10GOLD2", "11B0", "2B0", "RR", member="M1")
    assert b"LINK S10GOLD2 11B0 02B0 RR" in made.entry("LNX-1").to_bytes()
