"""What a server has otherwise on the disks that it will share: it does not come along, so it is named."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from goldroot.accounts import OwnerNames
from goldroot.fleet.adopt.base import Brought
from goldroot.tree import DIRECTORY, FILE, LINK, SOCKET, Entry, tree_key, upwards

CHANGED, ADDED, REMOVED = "changed", "added", "removed"

#: What programs make from what packages brought, and make again.
_MADE = re.compile(
    "|".join(
        fnmatch.translate(pattern)
        for pattern in (
            "*/__pycache__", "*/__pycache__/*", "*.pyc", "boot/initrd*", "boot/initramfs*", "boot/grub/*", "boot/*.img",
            "usr/lib/modules/*/modules.*", "usr/lib/*/gconv/gconv-modules.cache", "usr/lib/*/gdk-pixbuf-2.0/*/loaders.cache",
            "usr/lib/*/gio/modules/giomodule.cache", "usr/lib/udev/hwdb.bin", "usr/share/applications/mimeinfo.cache",
            "usr/share/fonts/.uuid", "usr/share/glib-2.0/schemas/gschemas.compiled", "usr/share/icons/*/icon-theme.cache",
            "usr/share/info/dir", "usr/share/info/dir.old", "usr/share/mime/*", "usr/lib/gcc/*", "usr/lib/sysimage/*",
            "usr/lib/locale/C.utf8/*", "usr/share/man/*/index.db", ".readahead", "usr/lib/systemd/catalog/database",
        )
    )
    .encode()
)  # fmt: skip
#: What only people read, and what small images leave out.
_PAGES = (b"usr/share/doc", b"usr/share/info", b"usr/share/locale", b"usr/share/man", b"usr/share/lintian")
#: Attributes that say what a program may do.
_MEANT = (b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default")


@dataclass(frozen=True, slots=True)
class LostPath:
    """One path, or a directory with all in it (``count``), that gold has otherwise."""

    path: bytes
    what: str  #: changed: gold's stands; added: it is not there any more; removed: it is there again
    package: str  #: whose it is, by the server's database; "": nobody's
    count: int = 1


@dataclass(frozen=True)
class Lost:
    """What is named, and what is only counted: made by programs from other files; removed pages that only people read."""

    named: tuple[LostPath, ...] = ()
    made: int = 0
    pages: int = 0


@dataclass
class SharedSide:
    """What a system has on the disks that are shared, by paths in one spelling."""

    names: OwnerNames
    rows: dict[bytes, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, disks: Iterable[Iterable[Entry]], names: OwnerNames, canon: Callable[[bytes], bytes]) -> SharedSide:
        rows = (row for disk in disks for row in disk)
        return cls(names, {canon(row.path): row for row in rows if row.kind != SOCKET})

    def value(self, row: Entry) -> tuple[object, ...]:
        """What a path comes to, whatever the numbers of its owners."""
        held = tuple((name, value) for name, value in self.names.xattrs(row).items() if name in _MEANT)
        return (*self.content(row), row.mode, self.names.users[row.uid], self.names.groups[row.gid], held)

    @staticmethod
    def content(row: Entry) -> tuple[object, ...]:
        return (row.kind, row.content)


def find_lost(
    server: SharedSide, gold: SharedSide, brought: Brought, versions: tuple[Mapping[str, str], Mapping[str, str]]
) -> Lost:
    """Compare the two.

    :param versions: of the installed packages, by name: the server's and gold's.
    """
    theirs, ours = versions
    same = {name for name in theirs if theirs[name] == ours.get(name)}
    found: list[LostPath] = []
    made = 0
    for path, row in server.rows.items():
        other = gold.rows.get(path)
        if other is not None and server.value(row) == gold.value(other):
            continue
        if _MADE.match(path) or (row.kind == LINK and row.content.startswith(b"/etc/alternatives/")):
            made += row.kind != DIRECTORY
            continue
        package = brought.owners.get(path, "")
        if row.kind == DIRECTORY:
            if other is None and not package and not _holds_packaged(path, brought):
                found.append(LostPath(path, ADDED, ""))
            elif other is not None and (other.kind != DIRECTORY or package in same):
                found.append(LostPath(path, CHANGED, package))
        elif _is_servers_own(server, gold, brought, (row, other, package), same):
            found.append(LostPath(path, CHANGED if other is not None or package else ADDED, package))
    gone = [
        path for path, package in brought.owners.items() if path in gold.rows and path not in server.rows and package
    ]
    pages = sum(_is_page(path) for path in gone)
    found += [
        LostPath(path, REMOVED, brought.owners[path]) for path in gone if not _is_page(path) and not _MADE.match(path)
    ]
    return Lost(tuple(_topmost(found)), made, pages)


def _is_servers_own(
    server: SharedSide, gold: SharedSide, brought: Brought, at: tuple[Entry, Entry | None, str], same: set[str]
) -> bool:
    """Whether a path that differs was made so on the server, and not by another version of its package."""
    row, other, package = at
    if not package:
        return True
    as_brought = brought.is_as_brought(row) if row.kind == FILE else None
    if as_brought is False:
        return True
    if other is None or package not in same:
        return False
    # The same version brought both: of a link nothing else is known, of a file only its content is.
    return as_brought is None or server.content(row) == gold.content(other)


def _is_page(path: bytes) -> bool:
    return any(above in _PAGES for above in upwards(path))


def _holds_packaged(path: bytes, brought: Brought) -> bool:
    return brought.owner(path) != "" or path in brought.holders


def _topmost(found: list[LostPath]) -> Iterator[LostPath]:
    """A directory that nobody brought, with a count, in the place of all in it."""
    tops = {one.path for one in found if one.what == ADDED and not one.package}
    counts: dict[bytes, int] = {}
    kept = []
    for one in sorted(found, key=lambda one: tree_key(one.path)):
        top = next((above for above in reversed(list(upwards(one.path))) if above in tops and above != one.path), None)
        if top is None:
            kept.append(one)
        else:
            counts[top] = counts.get(top, 0) + 1
    for one in kept:
        yield LostPath(one.path, one.what, one.package, counts.get(one.path, 0) or 1)
