"""Link modes: VM/370's table, and the stable and exclusive ones, against expectations that were written apart."""

from __future__ import annotations

import itertools

import pytest

from goldroot.zvm.simulator import CpError, System
from goldroot.zvm.simulator.links import MODES, Disk, Link, LinkTable, access_for

# The summary of the LINK command in "VM/370 CP Command Reference for General Users", release 6: what comes of each
# mode when there is no link, when others only read, and when somebody writes.
VM370 = """
      none  readers  writer
R     r     r        -
RR    r     r        r
W     w     -        -
WR    w     r        r
M     w     w        -
MR    w     w        r
MW    w     w        w
"""

GIVEN = {"r": "R/O", "w": "R/W", "-": None}


def held(*links: tuple[str, str]) -> list[Link]:
    return [Link(f"U{number}", "0100", Disk("VOL", 1), *one) for number, one in enumerate(links)]


STATES = {"none": held(), "readers": held(("RR", "R/O"), ("R", "R/O")), "writer": held(("RR", "R/O"), ("MR", "R/W"))}


@pytest.mark.parametrize("line", VM370.strip().splitlines()[1:])
def test_vm370_matrix(line):
    mode, *expected = line.split()
    for state, letter in zip(("none", "readers", "writer"), expected, strict=True):
        assert access_for(mode, STATES[state]) == GIVEN[letter], (mode, state)


def told(mode: str, others: list[Link]) -> str | None:
    """The rules as sentences, for every mode: what IBM's page on linking to minidisks says of each."""
    if any(one.mode in ("ER", "EW") for one in others):
        return None
    readers, writers = bool(others), any(one.access == "R/W" for one in others)
    stable = any(one.mode in ("SR", "SW", "SM") for one in others)
    if mode in ("ER", "W", "SW", "EW"):
        return None if readers else ("R/O" if mode == "ER" else "R/W")
    if mode in ("R", "SR"):
        return None if writers else "R/O"
    if mode == "RR":
        return "R/O"
    if mode == "WR":
        return "R/O" if readers else "R/W"
    if mode == "MW":
        return None if stable else "R/W"
    if mode == "MR":
        return "R/O" if writers or stable else "R/W"
    return None if writers or stable else "R/W"  # M, SM


def test_every_mode_beside_every_pair_of_links():
    kinds = [(mode, "R/O") for mode in ("R", "RR", "WR", "MR", "SR", "ER")]
    kinds += [(mode, "R/W") for mode in ("W", "WR", "M", "MR", "MW", "SW", "SM", "EW")]
    for count in (0, 1, 2):
        for links in itertools.combinations_with_replacement(kinds, count):
            for mode in MODES:
                assert access_for(mode, held(*links)) == told(mode, held(*links)), (mode, links)


def test_a_stable_reader_keeps_every_writer_away():
    table = LinkTable()
    disk = Disk("VOL", 1)
    assert table.add("CLONE", "01B0", disk, "SR")
    for mode in ("W", "M", "MW", "SW", "SM", "EW"):
        assert table.add("ADMIN", "F1B0", disk, mode) is None, mode
    assert table.add("ADMIN", "F1B0", disk, "MR").access == "R/O"


def test_no_order_of_links_gives_two_writers_but_for_mw():
    disk = Disk("VOL", 1)
    modes = [mode for mode in MODES if mode != "MW"]
    for order in itertools.product(modes, repeat=3):
        table = LinkTable()
        for number, mode in enumerate(order):
            table.add(f"U{number}", "0100", disk, mode)
        assert sum(one.access == "R/W" for one in table) <= 1, order


TWO = """
USER OWNER PW 1G 1G G
 MDISK 100 3390 1 10 VOL001 MW READ WRITE MULTI
USER ONE PW 1G 1G G
 LINK OWNER 100 200 MR
USER TWO PW 1G 1G G
"""


def test_link_detach_and_query_for_a_shim():
    system = System(TWO)
    system.logon("TWO")
    assert system.link("TWO", "OWNER", "100", "300", "W").access == "R/W"
    one = system.logon("ONE")
    assert [(device.address, device.detail[0]) for device in system.query_virtual("ONE")] == [("0200", "R/O")]
    assert one.messages == []
    system.logon("OWNER")
    assert {(link.user, link.access) for link in system.query_links("OWNER", "100")} == {
        ("TWO", "R/W"), ("ONE", "R/O"), ("OWNER", "R/W"),
    }  # fmt: skip
    system.detach("TWO", "300")
    with pytest.raises(CpError) as refused:
        system.link("TWO", "OWNER", "100", "300", "W")
    assert refused.value.number == 106
    assert "not linked" in refused.value.text


def test_what_logon_cannot_link_is_a_message_and_the_guest_runs():
    system = System(TWO.replace("200 MR", "200 W"))
    system.logon("OWNER")
    guest = system.logon("ONE")
    assert guest.devices == {}
    assert "HCPLNM104E" in guest.messages[0] or "HCPLNM105E" in guest.messages[0]


@pytest.mark.parametrize(
    ("mode", "password", "number"),
    [("RR", "READ", 0), ("W", "write", 0), ("MR", "MULTI", 0), ("RR", "WRITE", 114), ("W", "READ", 114)],
)
def test_passwords_by_mode(mode, password, number):
    system = System(TWO)
    system.logon("TWO")
    if not number:
        assert system.link("TWO", "OWNER", "100", "300", mode, password)
        return
    with pytest.raises(CpError) as refused:
        system.link("TWO", "OWNER", "100", "300", mode, password)
    assert refused.value.number == number


def test_a_disk_without_a_password_cannot_be_linked_with_one():
    system = System(TWO.replace("READ WRITE MULTI", "READ"))
    system.logon("TWO")
    with pytest.raises(CpError) as refused:
        system.link("TWO", "OWNER", "100", "300", "W", "X")
    assert refused.value.number == 112


@pytest.mark.parametrize(
    ("owner", "address", "new", "number"),
    [("NOBODY", "100", "300", 53), ("OWNER", "999", "300", 107), ("OWNER", "100", "200", 110)],
)
def test_links_that_cannot_be(owner, address, new, number):
    system = System(TWO)
    system.logon("ONE")
    with pytest.raises(CpError) as refused:
        system.link("ONE", owner, address, new, "RR")
    assert refused.value.number == number
