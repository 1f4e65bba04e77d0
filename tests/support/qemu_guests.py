"""A host of QEMU's machines with two servers that boot in seconds, by emulation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from goldroot.hosts import Entry, Link
from support.guest import put_boot
from support.hosts import MIB, Lab, applied, found, gold, hold, live, new_disk, qemu_lab


@contextmanager
def booting(
    root: Path,
    unpacked: Path,
    architecture: str,
    *,
    verity: bool = False,
    checking: bool = False,
    accelerator: str = "tcg",
) -> Iterator[Lab]:
    """:param checking: the guest's initial file system can check what it reads."""
    settings = {"memory": 256, "architecture": architecture, "parameters": "quiet panic=-1", "verity": verity}
    lab = qemu_lab(root, accelerator=accelerator, paths={"B1": ["/"], "B5": ["/etc"]}, **settings)
    lab.host.define(Entry("GOLD", "owner", marks={"1": gold(1)}))
    lab.host.create_disk(new_disk(lab, "root", "GOLD", "1B1", size=64 * MIB))
    with hold(lab.host, "GOLD"), lab.host.open_disks({"root": "rw"}) as opened:
        put_boot(unpacked, Path(opened["root"].path), checking=checking)
        for name in ("etc", "tmp"):
            Path(opened["root"].path, name).mkdir()
    lab.host.seal_disk("root", "erofs")
    for name in ("WEB1", "WEB2"):
        lab.host.define(Entry(name, "machine", links={"1B1": Link("GOLD", "1B1")}, marks={"1": live()}))
        lab.host.create_disk(new_disk(lab, f"{name}-1B5", name, "1B5"))
        put(lab, name, "hostname", f"{name.lower()}\n")
        applied(lab.host.apply(replace(found(lab.host, name), startable=True)))
    try:
        yield lab
    finally:
        for name in ("WEB1", "WEB2"):
            lab.host.stop(name, 0)


def put(lab: Lab, name: str, file: str, text: str = "") -> None:
    with hold(lab.host, name), lab.host.open_disks({f"{name}-1B5": "rw"}) as opened:
        etc = Path(opened[f"{name}-1B5"].path, "etc")
        etc.mkdir(exist_ok=True)
        (etc / file).write_text(text)


def until_said(lab: Lab, words: str, name: str = "WEB1", *, starts: int = 1) -> list[str]:
    """The console has what was said since its first start: ``starts`` is how many of them have said this."""
    for _ in range(2400):
        lines = lab.host.console(name, 200)
        if sum(words in line for line in lines) >= starts:
            return lines
        time.sleep(0.05)
    raise AssertionError(lines)
