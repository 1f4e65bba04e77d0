"""What the demo claims at its end: each row is looked up in the records and the trees before it is printed."""

from __future__ import annotations

import json
import os
import stat
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from goldroot.accounts import AccountTables
from goldroot.site import Site
from goldroot.system import OwnDisks
from goldroot.tree import path_bytes, scan_tree

#: The parts of the table, in the order in which they are shown, and the colour of each on a terminal.
FATES = {
    "kept": "green",
    "merged": "cyan",
    "from gold": "bright_blue",
    "reviewed": "magenta",
    "renumbered": "blue",
    "rolled back": "bright_yellow",
}

#: The columns that the last one has on the narrowest terminal.
NARROWEST = 16


@dataclass(frozen=True, slots=True)
class Row:
    """A claim: what became of something on a server, whether that is so, and where it was looked up."""

    fate: str
    server: str
    what: str
    seen: str
    true: bool

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)


class Look:
    """The live system of a clone, and the record of its newest merge, as they are now."""

    def __init__(self, site: Site, name: str) -> None:
        from goldroot.catalog import clones, updates
        from goldroot.hosts import find_entry, own_disks
        from goldroot.image import open_version

        with site.catalog.read() as tx:
            self.clone = clones.get(tx, name)
            self.updates = updates.every(tx, name)
        self.site = site
        host = site.host_named(self.clone.host)
        disks = own_disks(find_entry(host, self.clone.machine))
        found = host.info(disks.values())
        layout = open_version(site, self.clone.image, self.clone.version, self.clone.host).layout
        self.tree = OwnDisks(layout, {address: str(found[id].where["path"]) for address, id in disks.items()})

    def text(self, path: str) -> str:
        """A file; empty where there is none."""
        return (self.tree.read(path_bytes(path).lstrip(b"/")) or b"").decode("utf-8", "replace")

    def exists(self, path: str) -> bool:
        return self._stat(path) is not None

    def mode(self, path: str) -> int:
        found = self._stat(path)
        return -1 if found is None else stat.S_IMODE(found.st_mode)

    def group(self, path: str) -> int:
        found = self._stat(path)
        return -1 if found is None else found.st_gid

    def _stat(self, path: str) -> os.stat_result | None:
        inside = path_bytes(path).lstrip(b"/")
        root = self.tree.root(inside)
        if root is None:
            return None
        try:
            return os.lstat(os.path.join(os.fsencode(root), inside))
        except FileNotFoundError:
            return None

    def accounts(self) -> AccountTables:
        root = self.tree.root(b"etc/passwd")
        assert root is not None, "both shipped layouts give /etc to the clone"
        return AccountTables.read(root, b"etc")

    def password(self, user: str) -> str:
        """What stands in the password field of shadow."""
        lines = (line.split(":") for line in self.text("/etc/shadow").splitlines())
        return next((fields[1] for fields in lines if fields[0] == user), "")

    def outcome(self, path: str) -> str:
        """What the record of the newest merge says of a path: its outcome, and whether a person decided it."""
        entry = next((entry for entry in self.record()["entries"] if entry["path"] == path), None)
        if entry is None:
            return "nothing"
        return f"{entry['outcome']}, decided" if "decided" in entry else str(entry["outcome"])

    def record(self) -> dict[str, Any]:
        """The record of the newest merge."""
        file = next(one.record for one in sorted(self.updates, key=lambda one: -one.id) if one.record)
        with open(self.site.path(file), encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
        return found

    def digests(self, *, busy: bool = False) -> dict[str, str]:
        """Each own disk's whole content, as one hash: everything but inode numbers and change times.

        :param busy: the server runs services, which write to ``/var`` all the time: the disk of ``/etc`` alone.
        """
        etc = self.tree.root(b"etc")
        roots = {address: root for address, root in sorted(self.tree.roots.items()) if not busy or root == etc}
        return {address: scan_tree(root).manifest.digest() for address, root in roots.items()}


def show(rows: list[Row], line: Callable[..., None], width: int) -> None:
    """The table, grouped by fate; what was seen goes on below itself where ``width`` columns are too few for it."""
    ordered = [row for fate in FATES for row in rows if row.fate == fate]
    widths = [max(len(text) for text in column) for column in zip(*map(_cells, ordered), strict=True)]
    last = ""
    for row in ordered:
        fate, server, what = (cell.ljust(room) for cell, room in zip(_cells(row), widths, strict=True))
        shown = fate if row.fate != last else " " * len(fate)
        head = f"{'ok ' if row.true else 'NO '} {shown}  {server}  {what}  "
        for part in textwrap.wrap(row.seen, max(NARROWEST, width - len(head))) or [""]:
            line((head + part).rstrip(), fg=FATES[row.fate] if row.true else "red")
            head = " " * len(head)
        last = row.fate


def _cells(row: Row) -> tuple[str, str, str]:
    return row.fate, row.server, row.what
