"""What a gold points at and does not have itself: said once, where it is made, instead of on each server.

Enabled units without a unit, alternatives and other links of systemd's configuration that lead to nothing, login shells that are
no program, mount points that are not there.  Ways that lead out of what the disks hold (/run, /dev, ...) tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from goldroot.accounts import PASSWD, AccountTables
from goldroot.tree import DIRECTORY, FILE, LINK, Entry, path_text

#: Gives what stands at a path of the system (no leading slash), no link followed.
Look = Callable[[bytes], Entry | None]
#: The paths of the system below a directory.
Below = Callable[[bytes], Iterator[Entry]]

THERE, GONE, UNKNOWN = "there", "gone", "unknown"

_UNITS = b"etc/systemd/system"
#: Where systemd looks for units of packages (systemd.unit(5)).
_UNIT_PLACES = (_UNITS, b"usr/local/lib/systemd/system", b"usr/lib/systemd/system", b"lib/systemd/system")
_ALTERNATIVES = (b"var/lib/dpkg/alternatives/", b"var/lib/alternatives/")
_NOT_ON_DISKS = (b"run/", b"proc/", b"sys/", b"dev/", b"tmp/", b"var/run/")
_LENIENT = {b"noauto", b"nofail", b"x-systemd.automount"}
_MOST_LINKS = 40


def find(look: Look, place: bytes) -> tuple[str, Entry | None]:
    """Whether something stands at a path, links followed within the system, and what."""
    waiting, at, links = _names(place), b"", 0
    entry: Entry | None = None
    while waiting:
        name = waiting.pop()
        if name == b"..":
            at = at.rpartition(b"/")[0]
            continue
        path = at + b"/" + name if at else name
        if (path + b"/").startswith(_NOT_ON_DISKS):
            return UNKNOWN, None
        entry = look(path)
        if entry is None:
            return GONE, None
        if entry.kind != LINK:
            at = path
            continue
        links += 1
        if links > _MOST_LINKS:
            return GONE, None
        at = b"" if entry.content.startswith(b"/") else at
        waiting += _names(entry.content)
    return THERE, look(at) if at else entry


def _names(place: bytes) -> list[bytes]:
    """The names of a path, the first one last."""
    return [name for name in reversed(place.split(b"/")) if name not in (b"", b".")]


def broken_references(look: Look, below: Below, tables: AccountTables, fstab: bytes) -> list[str]:
    """What leads to nothing, each in words for a person.

    :param fstab: the bytes of ``/etc/fstab``.
    """
    return [*_units(look, below), *_alternatives(look, below), *_shells(look, tables), *_mounts(look, fstab)]


def _units(look: Look, below: Below) -> Iterator[str]:
    for row in below(_UNITS):
        directory, _, name = row.path.rpartition(b"/")
        if row.kind != LINK or row.content == b"/dev/null":
            continue
        if directory.endswith((b".wants", b".requires")):
            if not any(
                find(look, place + b"/" + unit)[0] != GONE for place in _UNIT_PLACES for unit in _spelled(name)
            ) and (find(look, b"etc/init.d/" + name.removesuffix(b".service"))[0] == GONE):
                yield f"/{path_text(row.path)} enables a unit that there is not"
        elif _leads(look, row) == GONE:
            yield f"/{path_text(row.path)} leads to {path_text(row.content)}, which there is not"


def _spelled(unit: bytes) -> list[bytes]:
    """A unit, and the template of which it is an instance."""
    found = re.fullmatch(rb"([^@]+@)[^@]+(\.[a-z]+)", unit)
    return [unit, found[1] + found[2]] if found else [unit]


def _leads(look: Look, row: Entry) -> str:
    directory = row.path.rpartition(b"/")[0]
    return find(look, row.content if row.content.startswith(b"/") else directory + b"/" + row.content)[0]


def _alternatives(look: Look, below: Below) -> Iterator[str]:
    """Masters only: pages of the manual are left out of many images."""
    for row in below(b"etc/alternatives"):
        name = row.path.rpartition(b"/")[2]
        is_master = any(look(place + name) is not None for place in _ALTERNATIVES)
        if row.kind == LINK and is_master and _leads(look, row) == GONE:
            yield f"/{path_text(row.path)} leads to {path_text(row.content)}, which there is not"


def _shells(look: Look, tables: AccountTables) -> Iterator[str]:
    for key, fields in tables.table(PASSWD).records():
        shell = fields[6] if len(fields) > 6 else b""
        if not shell:
            continue
        word, entry = find(look, shell)
        if word == GONE or (entry is not None and (entry.kind != FILE or not entry.mode & 0o111)):
            yield f"the shell of {path_text(key.text)}, {path_text(shell)}, is not a program"


def _mounts(look: Look, fstab: bytes) -> Iterator[str]:
    for line in fstab.split(b"\n"):
        words = line.split()
        if len(words) < 4 or words[0].startswith(b"#") or set(words[3].split(b",")) & _LENIENT:
            continue
        point = words[1]
        if point.startswith(b"/") and point != b"/":
            word, entry = find(look, point)
            if word == GONE or (entry is not None and entry.kind != DIRECTORY and b"bind" not in words[3].split(b",")):
                yield f"/etc/fstab mounts on {path_text(point)}, which is not a directory"
