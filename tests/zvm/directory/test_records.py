"""Fixed records: 80 or 72 bytes, whatever stands in them and wherever it begins."""

from __future__ import annotations

import pytest

from goldroot.zvm.directory import Directory
from goldroot.zvm.directory.records import fixed_width, join, split

LINES = [
    b"USER LNX%03d PW 1G 2G G",
    b"INCLUDE LINDFLT",
    b"* remark about %03d",
    b"IPL 1B0",
    b"LINK S10GOLD 11B0 01B0 RR",
    b"",
    b"MDISK 01B5 3390 %05d 00100 LX3002 MR READ WRITE MULTIPLE",
    b"MINIOPT NOMDC",
    b"COMMAND SET VSWITCH EXTERN GRANT &USERID",
    b"NICDEF 0600 TYPE QDIO LAN SYSTEM VSW1",
]


def records(count: int, indent: int, width: int, *, numbers: bool = False) -> list[bytes]:
    found = []
    for at in range(count):
        line = LINES[at % len(LINES)]
        line = b" " * indent + (line % at if b"%" in line else line)
        end = b"%08d" % (at * 10) if numbers else b" " * 8
        found.append((line.ljust(72) + end)[:width])
    return found


@pytest.mark.parametrize("indent", range(14))
@pytest.mark.parametrize(("width", "count"), [(80, 9), (80, 18), (80, 90), (72, 10), (72, 20), (72, 100)])
def test_both_widths_fit_the_size_and_the_right_one_is_taken(indent: int, width: int, count: int) -> None:
    data = b"".join(records(count, indent, width))
    assert len(data) % 80 == len(data) % 72 == 0
    assert [record.raw for record in split(data)] == records(count, indent, width)


@pytest.mark.parametrize("indent", range(14))
def test_sequence_numbers_do_not_matter(indent: int) -> None:
    made = records(90, indent, 80, numbers=True)
    assert [record.raw for record in split(b"".join(made))] == made


def test_a_last_record_that_is_cut() -> None:
    made = records(20, 8, 80)
    data = b"".join(made).rstrip()
    assert [record.raw for record in split(data)][:19] == made[:19]


def test_a_binary_checksum_is_not_the_end_of_a_line() -> None:
    """``*DVHOPT`` ends in four bytes that may be anything, also the byte of a line end."""
    made = records(30, 1, 80)
    made[12] = b"*DVHOPT LNK0 LOG1 RCM1 SMS0 NPW1 LNGAMENG PWC20190412 CRC\x0a\x0d".ljust(80)
    data = b"".join(made)
    assert [record.raw for record in split(data)] == made
    assert Directory.parse(data).to_bytes() == data


def test_lines_stay_lines() -> None:
    text = b"\n".join([b"USER A PW", b" COMMAND " + b"X" * 71]) + b"\n"
    assert [len(record.raw) for record in split(text)] == [9, 80]
    long = b"X" * 200 + b"\n" + b"Y" * 39
    assert len(long) == 240 and [record.raw for record in split(long)] == [b"X" * 200, b"Y" * 39]


def test_no_bytes_are_lost_at_any_size() -> None:
    data = b"".join(records(40, 9, 80))
    for size in range(800):
        assert join(split(data[:size])) == data[:size]


def test_the_captured_directory_in_fixed_records(captured_bytes: bytes) -> None:
    """Windows of it whose size both widths divide, as they are and indented further."""
    lines = captured_bytes.split(b"\n")[:-1]
    wrong = []
    for indent in (0, 8, 12):
        for width, count in ((80, 9), (72, 10)):
            for at in range(0, len(lines) - count, 45):
                made = [(b" " * indent + line[:72])[:72].rstrip().ljust(width) for line in lines[at : at + count]]
                if fixed_width(b"".join(made)) != width:
                    wrong.append((indent, width, at))
    assert wrong == []
