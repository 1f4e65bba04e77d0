"""The paths that the server's own units, cron tables and mail settings name: programs, their arguments, directories.

Taken are words that are absolute paths.  That is more than what must be there; but only what was there before the update and
is gone after it is told.  Left out is what its line itself allows to be missing: ``ExecStart=-/x``, ``[ -x /x ] && /x``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from goldroot.policy import ASK

SPOOLS = (b"/var/spool/cron/crontabs/", b"/var/spool/cron/tabs/", b"/var/spool/cron/")

_UNIT_FILES = re.compile(
    rb"/etc/systemd/(?:system|user)/(?:[^/]+\.d/[^/]+\.conf|[^/]+\.(?:service|socket|mount|automount|swap|path|timer))",
    re.DOTALL,
)
_CRON_TABLES = re.compile(rb"/etc/(?:crontab|cron\.d/[^/]+)", re.DOTALL)
_POSTFIX = (b"/etc/postfix/main.cf", b"/etc/postfix/master.cf")

#: systemd.service(5), systemd.exec(5), systemd.mount(5): settings whose value names files.
_EXEC = re.compile(rb"Exec(?:Start|Stop|Reload|StartPre|StartPost|StopPost|Condition)")
_PATHS = (b"WorkingDirectory", b"RootDirectory", b"RootImage", b"EnvironmentFile", b"AssertPathExists")
#: Of these each word is a path, or ends with one; a ``-`` before it lets it be missing.
_MANY_PATHS = (
    b"Environment", b"BindPaths", b"BindReadOnlyPaths", b"ReadWritePaths", b"ReadOnlyPaths", b"LoadCredential",
)  # fmt: skip
_A_PATH = re.compile(rb"(?:^|=)[\"']?\+?(/[^\s\"':%*]+)|^[A-Za-z0-9_.-]+:(/[^\s:%*]+)")
#: systemd.unit(5), systemd.timer(5), systemd.socket(5): without these units a unit is not started, or starts nothing.
_NEEDED_UNITS = (b"Requires", b"Requisite", b"BindsTo", b"Unit", b"Service", b"Sockets")
#: Not those that systemd makes itself (devices, slices), mounts, and what has a specifier.
_A_UNIT = re.compile(rb"[^%/\s]+\.(?:service|socket|timer|path|target)")
#: Not ``service.d``, nor ``foo-.service.d``, which are for many units.
_DROP_IN = re.compile(rb"([^/]*[^/.-]\.(?:service|socket|timer|path|mount|automount|swap|target))\.d/")
#: What stands before a program: systemd.service(5), "COMMAND LINES".
_PREFIXES = b"-@:+!|"

_WORD = re.compile(rb"""(?<![^\s;|&()<>"'`={,:])(?P<path>/[^\s;|&()<>"'`={},:]+)""")
#: A path that is looked for first, and one that is only written.
GUARDED = re.compile(rb"(?:\[\s+|\btest\s+)(?:!\s+)?-[a-z]\s+[\"']?(/[^\s\"'\]]+)")
_WRITTEN = re.compile(rb"(?:[12&]?>>?)\s*(/\S+)")

_CRON_LINE = re.compile(rb"\s*(?:@[a-z]+|(?:\S+\s+){4}\S+)\s+(?P<rest>\S.*)", re.DOTALL)
_SETTING = re.compile(rb"\s*[A-Za-z_][A-Za-z0-9_]*\s*=")

#: How Postfix names a table (postfix(1), DATABASE_README) -> the ending of the file that it reads.
_MAPS = {
    b"hash": b".db", b"btree": b".db", b"lmdb": b".lmdb", b"cdb": b".cdb", b"dbm": b".pag", b"sdbm": b".pag",
    b"texthash": b"", b"regexp": b"", b"pcre": b"", b"cidr": b"",
}  # fmt: skip
_MAP = re.compile(rb"(?<![\w-])(?P<kind>%s):(?P<path>/[^\s,;{}]+)" % b"|".join(_MAPS))


class Named(NamedTuple):
    """A path that a line of a file names."""

    path: bytes
    line: bytes  #: what names it, for a person; nothing else of its line, which may hold a secret
    is_point: bool = False  #: something is mounted on it
    level: str = ASK
    is_unit: bool = False  #: ``path`` is ``system/NAME`` or ``user/NAME`` of a unit
    is_library: bool = False  #: ``path`` is what must be in a directory of libraries


Finder = Callable[[bytes], Iterator[Named]]


def finder_of(place: bytes) -> Finder | None:
    """What finds the paths that a file of the system names; ``None`` where nothing is looked for in it."""
    if _UNIT_FILES.fullmatch(place):
        return lambda content: chain(_of_unit(content), _units_in(place, content))
    if _CRON_TABLES.fullmatch(place):
        return lambda content: _of_cron(content, has_user=True)
    if place.startswith(SPOOLS[-1]):
        return lambda content: _of_cron(content, has_user=False)
    return _of_postfix if place in _POSTFIX else None


def _of_unit(content: bytes) -> Iterator[Named]:
    for line in re.sub(rb"\\\n", b" ", content).split(b"\n"):
        name, equals, value = (part.strip() for part in line.partition(b"="))
        if not equals or name.startswith((b"#", b";")):
            continue
        if _EXEC.fullmatch(name):
            command = value.lstrip(_PREFIXES)
            if b"-" not in value[: len(value) - len(command)]:
                yield from (Named(path, name + b"=" + path) for path in words_of(command))
        elif name in _PATHS and value.startswith(b"/"):
            yield Named(value, name + b"=" + value)
        elif name in _MANY_PATHS:
            for word in value.split():
                if found := _A_PATH.search(word):
                    path = found[1] or found[2]
                    yield Named(path.rstrip(b"/") or b"/", name + b"=" + path)
        elif name == b"What" and value.startswith(b"/") and not value.startswith((b"/dev/", b"//")):
            yield Named(value, b"What=" + value)
        elif name == b"Where" and value.startswith(b"/"):
            yield Named(value.rstrip(b"/") or b"/", b"Where=" + value, is_point=True)


def _units_in(place: bytes, content: bytes) -> Iterator[Named]:
    """The units that another unit cannot do without, and the one that a drop-in is for."""
    scope, _, name = place.removeprefix(b"/etc/systemd/").partition(b"/")
    if found := _DROP_IN.match(name):
        yield Named(scope + b"/" + found[1], name, is_unit=True)
    for line in content.split(b"\n"):
        setting, equals, value = (part.strip() for part in line.partition(b"="))
        for unit in value.split() if equals and setting in _NEEDED_UNITS else ():
            if _A_UNIT.fullmatch(unit):
                yield Named(scope + b"/" + unit, setting + b"=" + unit, is_unit=True)


def _of_cron(content: bytes, *, has_user: bool) -> Iterator[Named]:
    """crontab(5); the system's own tables have a user before the command."""
    for line in content.split(b"\n"):
        found = None if line.lstrip().startswith(b"#") or _SETTING.match(line) else _CRON_LINE.fullmatch(line)
        if found is None:
            continue
        command = found["rest"].split(None, 1)[-1] if has_user else found["rest"]
        yield from (Named(path, path) for path in words_of(command))


def words_of(command: bytes) -> Iterator[bytes]:
    """The absolute paths of a command, but for those that it looks for itself, or writes."""
    left = {*GUARDED.findall(command), *_WRITTEN.findall(command)}
    for found in _WORD.finditer(command):
        path = found["path"]
        if path not in left and not re.search(rb"[%$*?\[\\]", path):
            yield path.rstrip(b"/") or b"/"


def _of_postfix(content: bytes) -> Iterator[Named]:
    for line in content.split(b"\n"):
        if not line.startswith(b"#"):
            for found in _MAP.finditer(line):
                yield Named(found["path"] + _MAPS[found["kind"]], found["kind"] + b":" + found["path"])
