"""What of a planned result belongs to an account, and what names it: asked for accounts that gold deleted, told of names without one.

Units by ``User=`` (systemd.exec(5)), crontabs with a user's column (crontab(5)), sudoers(5), dpkg-statoverride(1), other texts
of the server's own, and the files that have his name.  Groups by ``Group=`` and texts.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Final

from goldroot.accounts import (
    ACCOUNT_FILES,
    AT_JOBS,
    CRON,
    CRONTAB,
    KEYS,
    LINGER,
    OVERRIDES,
    PASSWD,
    SETTINGS,
    SUDOERS,
    UNITS,
    AccountsMerge,
    AccountTables,
    AccountUse,
    asks_elsewhere,
    is_named,
    merge_sources,
    numbers_in_acl,
)
from goldroot.kinds import NoteKind
from goldroot.merge import special
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE, Names, read_file
from goldroot.merge.decide.line_sets import key_files_of
from goldroot.merge.decide.tables import Override, overrides
from goldroot.merge.fit.one_tree import PartPlan, ResultFiles
from goldroot.tree import DIRECTORY, FILE, Note, path_text

# -- Texts of the server's own: a program that finds a user or group missing does not start. A pool of php-fpm (``user =
# shop``), a line of tmpfiles.d(5) or inetd.conf(5), ``su`` in logrotate(8), ``User`` of Apache, ``chown`` in a script.
# Taken is any word at a place where a name stands by custom; what is too much keeps an account that nobody can log in
# with.

_NAME = rb"[A-Za-z_][\w.-]*\$?"
#: ``user = shop``, ``GROUP="video"``, ``APACHE_RUN_USER=www``, ``listen.owner: shop``; anywhere in a line.
_ASSIGNED = re.compile(
    rb"""(?<![\w$])[\w.-]*(?:user|group|owner|uid|gid|run_?as)\w*["']?[ \t]*[=:]=?[ \t]*["']?
    (%(name)s)(?:[:.](%(name)s))?(?![\w/@])"""
    % {b"name": _NAME},
    re.IGNORECASE | re.VERBOSE,
)
#: ``user www;``, ``SuexecUserGroup a b``, ``su a b``, ``create 640 a b``: the words of a line of its own.
_SETTING = re.compile(
    rb"^[ \t]*(?:user|group|su|create|createolddir|suexecusergroup|assignuserid|runas)[ \t]+([^#;\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
#: A program that is told by its arguments who somebody is.
_COMMAND = re.compile(
    rb"(?:\bchown|\bchgrp|\bsetuidgid|\bchpst -u|--?chuid|--user|--group|\brunuser|\bsudo|\bsu|\binstall)\b([^\n|;&]*)"
)
_BLANKS = re.compile(rb"[\s,:;\"'=]+")
#: tmpfiles.d(5): type, path, mode, user, group.
_TMPFILES = re.compile(rb"^[a-zA-Z][-+!=~^$a-zA-Z]*[ \t]+\S+[ \t]+\S+[ \t]+:?(\S+)[ \t]+:?(\S+)", re.MULTILINE)
#: inetd.conf(5): service, socket, protocol, wait, user and perhaps group.
_INETD = re.compile(rb"^\S+[ \t]+\S+[ \t]+\S+[ \t]+(?:no)?wait\S*[ \t]+(\S+)", re.MULTILINE)


def named_accounts(place: bytes, content: bytes) -> set[bytes]:
    """The words of a text that may be names of users or groups it needs.

    :param place: where it stands in the system.
    """
    text = b"\n".join(line for line in content.split(b"\n") if not line.lstrip().startswith((b"#", b";")))
    return set(_named_words(place, text)) - {b""}


def _named_words(place: bytes, text: bytes) -> Iterator[bytes]:
    for found in _ASSIGNED.finditer(text):
        yield from (word for word in found.groups() if word)
    for pattern in (_SETTING, _COMMAND):
        for found in pattern.finditer(text):
            yield from _BLANKS.split(found[1])
    if place.startswith(b"/etc/tmpfiles.d/"):
        for found in _TMPFILES.finditer(text):
            yield from found.groups()
    if place == b"/etc/inetd.conf":
        for found in _INETD.finditer(text):
            yield from re.split(rb"[.:/]", found[1])


# -- Accounts of the clone

#: Where systemd looks for units of the system; the last two where the trees hold them.
UNIT_PLACES = (
    b"/etc/systemd/system", b"/usr/local/lib/systemd/system", b"/usr/lib/systemd/system", b"/lib/systemd/system",
)  # fmt: skip

_USER = re.compile(rb"^[ \t]*(?:Socket)?User[ \t]*=[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_GROUPS = re.compile(rb"^[ \t]*(?:(?:Socket)?Group|SupplementaryGroups)[ \t]*=[ \t]*(\S[^\n]*)$", re.MULTILINE)
#: Files below /etc in which names are looked for by what they are, and those in which one is not a need of the account.
_OTHERWISE = (
    *(b"/etc/" + name.encode() for name in ACCOUNT_FILES), b"/etc/systemd/", b"/etc/sudoers", b"/etc/cron.d/", b"/etc/crontab",
    b"/etc/ssh/", b"/etc/security/", b"/etc/aliases", b"/etc/hosts", b"/etc/motd", b"/etc/issue", b"/etc/skel/",
)  # fmt: skip

_SUDO_WORDS = re.compile(rb"[\s,=()!:]+")
#: A remark, an include or a default; a ``#`` before a number is a user.
_SUDO_REMARK = re.compile(rb"\s*(#(?!\d)|@|Defaults)")
_VARIABLE = re.compile(rb"\s*[A-Za-z_][A-Za-z0-9_]*\s*=")


class AccountUses:
    """Looks up uses of accounts in a planned result, each kind of file once.

    :param clone: the clone's tables, for homes and numbers.
    """

    def __init__(self, parts: Sequence[PartPlan], names: Names, clone: AccountTables) -> None:
        self.parts, self.names, self.clone = parts, names, clone
        self.files = ResultFiles(parts, names)

    def of(self, name: bytes) -> AccountUse:
        """Where the result uses a user of the clone's."""
        owned = sorted(path for one in self.parts for path in self._owned(one, name))
        return AccountUse(
            owned,
            {
                UNITS: self._named_in(self._unit_users, name),
                CRON: self._named_in(self._cron_users, name),
                CRONTAB: [place + name for place in special.CRONTABS if self._is_file(place + name)],
                AT_JOBS: [path for path in owned if path.startswith(special.AT_JOBS)],
                KEYS: list(self._keys(name)),
                SUDOERS: self._named_in(self._sudo_words, name),
                OVERRIDES: self._named_in(self._override_users, name),
                SETTINGS: self._named_in(self._settings, name),
                LINGER: self._there(b"/var/lib/systemd/linger/" + name),
            },
        )

    def of_group(self, name: bytes) -> list[bytes]:
        """The units and texts of the result that need a group."""
        return sorted({*self._named_in(self._unit_groups, name), *self._named_in(self._settings, name)})

    def _owned(self, one: PartPlan, name: bytes) -> Iterator[bytes]:
        """The paths of a part that are his in the result: those that were his on the clone, and those that became so."""
        numbers = {number for number, known in self.names[CLONE_SIDE].users.items() if known == name}
        columns = one.part.trees[CLONE_SIDE].manifest.columns
        acls = {nth for nth, held in enumerate(columns.xattr_sets) if numbers & numbers_in_acl(held)[0]}
        rows = {row for number in numbers for row in _places_of(number, columns.uids)}
        rows |= {row for row, nth in enumerate(columns.xattrs) if nth in acls} if acls else set()
        manifest = one.part.trees[CLONE_SIDE].manifest
        for row in rows:
            path = manifest.entry(row).path
            unit = one.unit_over(path)
            is_his = unit is None or (unit.side == CLONE_SIDE and name not in unit.users)
            if path not in one.decided.verdicts and is_his and not one.part.numeric.covers(path):
                yield one.part.place(path)
        for path, verdict in one.decided.verdicts.items():
            if verdict.want is not None and verdict.want.owner == name:
                yield one.part.place(path)

    def _is_file(self, place: bytes) -> bool:
        found = self.files.final(place)
        return found is not None and found[2].kind != DIRECTORY

    def _there(self, place: bytes) -> list[bytes]:
        return [place] if self.files.final(place) is not None else []

    def _keys(self, name: bytes) -> Iterator[bytes]:
        for _, fields in self.clone.table(PASSWD).records():
            if fields[0] == name and len(fields) > 5:
                for place in key_files_of(name, fields[5]):
                    yield from self._there(place)

    def _named_in(self, known: Mapping[bytes, set[bytes]], name: bytes) -> list[bytes]:
        """The files, of some whose names were read, that name him, or his number after a ``#``."""
        number = b"#%d" % self.clone.users[name] if name in self.clone.users else name
        return [place for place, words in known.items() if name in words or number in words]

    @cached_property
    def _unit_users(self) -> dict[bytes, set[bytes]]:
        found: dict[bytes, set[bytes]] = {}
        for top in UNIT_PLACES:
            places = list(self.files.below(top))
            for place in places:
                users = {b"#" + one if one.isdigit() else one for one in _USER.findall(self.files.text(place) or b"")}
                if users & {b"%i", b"%I"}:  # a template runs as the name of each of its instances
                    users |= set(_instances(places, place))
                if users:
                    found[place] = users
        return found

    @cached_property
    def _unit_groups(self) -> dict[bytes, set[bytes]]:
        places = (place for top in UNIT_PLACES for place in self.files.below(top))
        found = {place: _GROUPS.findall(self.files.text(place) or b"") for place in places}
        return {place: {word for line in lines for word in line.split()} for place, lines in found.items() if lines}

    @cached_property
    def _settings(self) -> dict[bytes, set[bytes]]:
        """The names in texts below /etc that are not gold's."""
        found: dict[bytes, set[bytes]] = {}
        for one in self.parts:
            for path, verdict in one.decided.verdicts.items():
                place, gold = one.part.place(path), one.decided.comparison.deltas[path][GOLD_SIDE]
                want = verdict.want
                if want is None or want.kind != FILE or (gold is not None and gold.content == want.content):
                    continue
                if place.startswith(b"/etc/") and not place.startswith(_OTHERWISE):
                    found[place] = named_accounts(place, self.files.text(place) or b"")
        return found

    @cached_property
    def _cron_users(self) -> dict[bytes, set[bytes]]:
        places = [b"/etc/crontab", *self.files.below(b"/etc/cron.d")]
        return {place: set(_cron_column(self.files.text(place) or b"")) for place in places}

    @cached_property
    def _sudo_words(self) -> dict[bytes, set[bytes]]:
        found = {}
        for place in (b"/etc/sudoers", *self.files.below(b"/etc/sudoers.d")):
            text = (self.files.text(place) or b"").replace(b"\\\n", b" ")
            lines = [line for line in text.split(b"\n") if not _SUDO_REMARK.match(line)]
            found[place] = {word for line in lines for word in _SUDO_WORDS.split(line)}
        return found

    @cached_property
    def _override_users(self) -> dict[bytes, set[bytes]]:
        place = special.OVERRIDES
        lines = (self.files.text(place) or b"").split(b"\n")
        return {place: {line.split()[0] for line in lines if line.split()}}


def _places_of(value: int, column: array[int]) -> Iterator[int]:
    """Where a column has a value; looked for in C, as many accounts may be asked for in a large tree."""
    place = -1
    with suppress(ValueError):
        while True:
            place = column.index(value, place + 1)
            yield place


def _instances(places: Sequence[bytes], template: bytes) -> Iterator[bytes]:
    """The instances of a template (or of the one that a drop-in is for): ``web@anna.service`` is anna's."""
    name = next((part for part in reversed(template.split(b"/")) if b"@." in part), b"")
    prefix = name.partition(b"@")[0] + b"@"
    for place in places:
        unit = place.rpartition(b"/")[2]
        if name and unit.startswith(prefix) and not unit.startswith(prefix + b"."):
            yield unit.removeprefix(prefix).rpartition(b".")[0]


def _cron_column(text: bytes) -> Iterator[bytes]:
    for line in text.split(b"\n"):
        words = line.split()
        if not words or words[0].startswith(b"#") or _VARIABLE.match(line):
            continue
        column = 1 if words[0].startswith(b"@") else 5
        if len(words) > column:
            yield words[column]


# -- dpkg's overrides of owners and modes: whom they name, and which of them can have no effect. dpkg stops at an override
# whose user or group it does not know, so these accounts count as used.

NO_EFFECT: Final = "override-without-effect"
UNKNOWN: Final = "override-unknown"


def groups_in_overrides(parts: Sequence[PartPlan], names: Names) -> set[bytes]:
    """The groups that overrides of the result name."""
    return {override.group for override in _of_result(parts, names) if is_named(override.group)}


def without_effect(parts: Sequence[PartPlan], names: Names) -> Iterator[Note]:
    """The server's own overrides of paths that it shares with gold: they say nothing there."""
    if any(one.part.at != b"/" for one in parts):
        return  # of a part of a system nobody can tell what else is its own
    gold = {override for one in parts for override in _of_gold(one)}
    for override in _of_result(parts, names):
        if override not in gold and not any(_holds(one, override.path) for one in parts):
            text = f"{path_text(override.path)} is not on a disk of the server's own: its override has no effect"
            yield Note(NO_EFFECT, special.OVERRIDES, text)


def unknown_in_overrides(parts: Sequence[PartPlan], names: Names, merged: AccountsMerge) -> Iterator[Note]:
    """Whom an override of the result names, and the merged tables do not know: dpkg stops at it."""
    tables = AccountTables.of({name: data for name, data in merged.files.items() if data is not None})
    for override in _of_result(parts, names):
        for kind, name, known in (("user", override.user, tables.users), ("group", override.group, tables.groups)):
            if is_named(name) and name not in known:
                text = f"dpkg stops at the override of {path_text(override.path)}: there is no {kind} {path_text(name)}"
                yield Note(UNKNOWN, special.OVERRIDES, text)


def _of_result(parts: Sequence[PartPlan], names: Names) -> list[Override]:
    return overrides(ResultFiles(parts, names).text(special.OVERRIDES) or b"")


def _of_gold(one: PartPlan) -> list[Override]:
    path, tree = special.OVERRIDES[1:], one.part.trees[GOLD_SIDE]
    row = tree.manifest.get(path)
    return overrides(read_file(tree.root, path)) if row is not None and row.kind == FILE else []


def _holds(one: PartPlan, place: bytes) -> bool:
    """Whether a part would hold a place: the server has the directory in which it stands."""
    return one.part.trees[CLONE_SIDE].manifest.get(place[1:].rpartition(b"/")[0]) is not None


# -- Spools: at jobs name accounts by number, crontabs and mail by the names of files

#: at(1) writes the numbers of its caller into a job, and atd refuses one whose file has another owner.
_AT_RUN = re.compile(rb"\A#![^\n]*\n# atrun uid=(\d+) gid=\d+")

#: So many paths are named; the others are counted.
SHOWN = 10


def notes_of_spools(
    files: ResultFiles, merged: AccountsMerge, accounts: tuple[AccountTables, AccountTables, AccountTables]
) -> Iterator[Note]:
    """At jobs of renumbered users, and crontabs and mail of names that the result has no account of."""
    moved = {one.clone: one.number for one in merged.renumbered if one.is_user and one.clone is not None}
    moved = {old: new for old, new in moved.items() if old != new}
    if jobs := list(_stale_jobs(files, moved)) if moved else []:
        yield _note("at-job-stale", jobs, "at jobs hold the old number of a renumbered account; atd refuses them")
    data = merged.files.get(PASSWD)
    known = AccountTables.of({PASSWD: data} if data is not None else {}).users.keys()
    elsewhere = asks_elsewhere(merge_sources(*(tables.sources for tables in accounts)))
    # Where users are looked for in other places too, only a name that this merge took away says something.
    lost = [
        path
        for path, name in _named_files(files)
        if name not in known and (not elsewhere or name in accounts[CLONE_SIDE].users)
    ]
    if lost:
        yield _note("spool-without-account", lost, "crontabs or mail files have a name without an account")


def _note(kind: NoteKind, paths: list[bytes], text: str) -> Note:
    shown = [path_text(path) for path in paths]
    return Note(kind, paths[0], f"{len(paths)} {text}: {shown[0]}", {"count": len(paths), "paths": shown[:SHOWN]})


def _stale_jobs(files: ResultFiles, moved: Mapping[int, int]) -> Iterator[bytes]:
    for place in special.AT_JOBS:
        for path in files.children(place.rstrip(b"/")):
            found = _AT_RUN.match(files.text(path) or b"")
            if found and int(found[1]) in moved:
                yield path


def _named_files(files: ResultFiles) -> Iterator[tuple[bytes, bytes]]:
    """The files of crontabs and mail, with their names."""
    for place in (*special.CRONTABS, *special.MAIL):
        for path in files.children(place.rstrip(b"/")):
            found = files.final(path)
            if found is not None and found[2].kind == FILE:
                yield path, path[len(place) :]
