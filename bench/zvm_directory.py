"""How long a user directory takes: parsing, typed views, checks, an edit, the text of it without passwords.

::

    python bench/zvm_directory.py [FILE]     FILE: a source directory; a made-up one of 4,500 records without it

Prints the best and the median of 20 runs in milliseconds.  The parse of 4,519 records has to stay under 50 ms.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from goldroot.zvm.directory import Directory, check, edited, exchange, meaning, redact, views

RUNS = 20
#: Entries of a made-up directory: 15 records each.
ENTRIES = 300


def made_up() -> bytes:
    """A directory of guests, numbered in 73-80."""
    lines = []
    for at in range(ENTRIES):
        lines += [f"USER LNX{at:05d} SECRET 2G 4G G", " INCLUDE LINDFLT", " OPTION LNKNOPAS", " IPL 1B0"]
        lines += [f" LINK GOLD {vdev} {vdev} RR" for vdev in ("1B0", "1B1", "1B2", "190", "19E")]
        lines += [" NICDEF 0600 TYPE QDIO LAN SYSTEM VSW1", "* disks"]
        lines += [
            f" MDISK {vdev} 3390 {at * 40 + n * 10 + 1} 10 LX0001 MR R W M" for n, vdev in enumerate(("1B5", "1B6"))
        ]
        lines += [" MINIOPT NOMDC", "*"]
    return "".join(f"{line:<72}{at:08d}\n" for at, line in enumerate(lines)).encode()


def timed(name: str, work: Callable[[], object]) -> None:
    """Runs ``work`` and prints its best and median time."""
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        took.append((time.perf_counter() - begin) * 1000)
    print(f"{name:34} best {min(took):8.2f} ms   median {statistics.median(took):8.2f} ms")


def main() -> None:
    if len(sys.argv) > 1:
        with open(sys.argv[1], "rb") as file:
            data = file.read()
    else:
        data = made_up()
    directory = Directory.parse(data)
    name = next(entry.name for entry in directory.entries if sum(1 for _ in entry.code("MDISK")) > 1)
    one, other = [statement.operands[0] for statement in directory.entry(name).code("MDISK")][:2]
    print(f"{len(directory.records())} records, {len(directory.entries)} entries, {len(data)} bytes")
    timed("parse", lambda: Directory.parse(data))
    timed("parse and write", lambda: Directory.parse(data).to_bytes())
    timed("parse and all typed views", lambda: [list(views(entry)) for entry in Directory.parse(data).entries])
    timed("check", lambda: check(directory))
    timed("meaning of all entries", lambda: [meaning(entry) for entry in directory.entries])
    timed("text without passwords", lambda: redact.text(data))
    timed(
        "exchange two addresses", lambda: edited(directory, name, lambda entry: exchange(entry, one, other)).to_bytes()
    )


if __name__ == "__main__":
    main()
