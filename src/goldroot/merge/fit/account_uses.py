"""What of a planned result belongs to a user, and what names him: asked for accounts that gold deleted.

Units by ``User=`` (systemd.exec(5)), crontabs with a user's column (crontab(5)), sudoers(5), dpkg-statoverride(1), other texts
of the server's own (:mod:`goldroot.merge.fit.named_accounts`), and the files that have his name.  Groups by ``Group=`` and texts.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property

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
    AccountTables,
    AccountUse,
    OwnerNames,
    numbers_in_acl,
)
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.decide.line_sets import key_files_of
from goldroot.merge.fit.named_accounts import named_accounts
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.merge.fit.result_files import ResultFiles
from goldroot.tree import DIRECTORY, FILE

#: Where systemd looks for units of the system; the last two where the trees hold them.
UNIT_PLACES = (
    b"/etc/systemd/system", b"/usr/local/lib/systemd/system", b"/usr/lib/systemd/system", b"/lib/systemd/system",
)  # fmt: skip
#: Crontabs of users, by their names: Debian, SUSE, Red Hat.
CRONTABS = (b"/var/spool/cron/crontabs/", b"/var/spool/cron/tabs/", b"/var/spool/cron/")
AT_PLACES = (b"/var/spool/cron/atjobs/", b"/var/spool/atjobs/", b"/var/spool/at/")

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

    def __init__(
        self, parts: Sequence[PartPlan], names: tuple[OwnerNames, OwnerNames, OwnerNames], clone: AccountTables
    ) -> None:
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
                CRONTAB: [place + name for place in CRONTABS if self._is_file(place + name)],
                AT_JOBS: [path for path in owned if path.startswith(AT_PLACES)],
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
        place = b"/var/lib/dpkg/statoverride"
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
