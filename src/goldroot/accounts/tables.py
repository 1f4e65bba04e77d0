"""The account tables of a system as data: ``passwd``, ``group``, ``shadow``, ``gshadow``, ``subuid``, ``subgid``.

Only the files of the tree that is asked for are read, never the running host's.  A missing file is an empty table.
Everything is bytes, and a table gives its file back byte for byte: a line that is not a record (blank, comment, ``+nis``,
``-user``, a number that is none) is kept as an *odd* line.  Formats: passwd(5), group(5), shadow(5), gshadow(5),
subuid(5), login.defs(5).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from goldroot.errors import BadInput, NoPermission
from goldroot.files import Cursor, read_regular

# -- Numbers: how they are written, and the ranges of login.defs(5) that they are given out from

NOBODY = 65534
#: The highest usable number: 2**32 - 1 means "no change" to chown(2).
LAST_NUMBER = 2**32 - 2


def number_of(text: bytes) -> int | None:
    """The account number that ``text`` writes in decimal; None where it is none, or higher than can be used."""
    if not text.isdigit() or len(text) > 20:
        return None
    number = int(text)
    return number if number <= LAST_NUMBER else None


class NumberRanges(NamedTuple):
    """Where login.defs has numbers given out; both ends belong to their range."""

    person_min: int = 1000
    person_max: int = 60000
    system_min: int = 101
    system_max: int = 999

    def is_system(self, number: int) -> bool:
        """Whether the number is a system account's; 65534 (nobody, nogroup) is."""
        return number < self.person_min or number == NOBODY


class LoginDefs(NamedTuple):
    """What ``/etc/login.defs`` says about numbers, with the defaults of shadow-utils."""

    users: NumberRanges = NumberRanges()
    groups: NumberRanges = NumberRanges()
    sub_users: tuple[int, int] = (100000, 600100000)
    sub_groups: tuple[int, int] = (100000, 600100000)


def parse_login_defs(data: bytes | None) -> LoginDefs:
    """Read login.defs(5); what is missing or is not a number takes its default, and the last of several lines counts."""
    values: dict[bytes, int] = {}
    for line in (data or b"").split(b"\n"):
        words = line.split()
        if len(words) >= 2 and (number := number_of(words[1].strip(b'"'))) is not None:
            values[words[0]] = number
    return LoginDefs(
        _ranges(values, b"UID"),
        _ranges(values, b"GID"),
        (values.get(b"SUB_UID_MIN", 100000), values.get(b"SUB_UID_MAX", 600100000)),
        (values.get(b"SUB_GID_MIN", 100000), values.get(b"SUB_GID_MAX", 600100000)),
    )


def merge_login_defs(base: LoginDefs, gold: LoginDefs, clone: LoginDefs) -> LoginDefs:
    """What holds in a merged system, value by value, the clone's where both changed it: the file is merged as text."""
    users, groups = (
        NumberRanges(*(gold if clone == base else clone for base, gold, clone in zip(*three, strict=True)))
        for three in ((base.users, gold.users, clone.users), (base.groups, gold.groups, clone.groups))
    )
    return LoginDefs(
        users,
        groups,
        gold.sub_users if clone.sub_users == base.sub_users else clone.sub_users,
        gold.sub_groups if clone.sub_groups == base.sub_groups else clone.sub_groups,
    )


def _ranges(values: Mapping[bytes, int], kind: bytes) -> NumberRanges:
    # Older systems set only SYS_UID_MAX 499 and leave UID_MIN to follow it.
    system_max = values.get(b"SYS_" + kind + b"_MAX")
    person_min = values.get(kind + b"_MIN", 1000 if system_max is None else system_max + 1)
    if system_max is None:
        system_max = person_min - 1
    system_min = values.get(b"SYS_" + kind + b"_MIN", min(101, system_max))
    return NumberRanges(person_min, values.get(kind + b"_MAX", max(60000, person_min)), system_min, system_max)


# -- Where a system looks for the accounts of its users: the line ``passwd`` of nsswitch.conf(5)

#: What glibc asks where no file or no line says anything.
FILES_ALONE = (b"files",)

#: ``[NOTFOUND=return]`` says what to do after a service, and names none.
_ACTION = re.compile(rb"\[[^\]]*\]")


def account_sources(data: bytes | None) -> tuple[bytes, ...]:
    """The services that are asked for a user, in their order; ``files`` is ``/etc/passwd``.

    :param data: the content of ``/etc/nsswitch.conf``; ``None`` where there is none.
    """
    found: tuple[bytes, ...] = FILES_ALONE
    for line in (data or b"").split(b"\n"):
        database, colon, services = line.partition(b"#")[0].partition(b":")
        if colon and database.strip() == b"passwd":
            found = tuple(_ACTION.sub(b" ", services).split())  # glibc goes by the last line
    return found


def merge_sources(base: tuple[bytes, ...], gold: tuple[bytes, ...], clone: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The sources of a merged system: gold's where it has others than files, else what either side changed."""
    return gold if asks_elsewhere(gold) or clone == base else clone


def asks_elsewhere(sources: tuple[bytes, ...]) -> bool:
    """Whether a user may be known without a line in ``/etc/passwd``."""
    return any(service != b"files" for service in sources)


# -- The tables

PASSWD, GROUP, SHADOW, GSHADOW, SUBUID, SUBGID = "passwd", "group", "shadow", "gshadow", "subuid", "subgid"

#: The six files that are merged, in the order in which they are treated.
ACCOUNT_FILES = (PASSWD, GROUP, SHADOW, GSHADOW, SUBUID, SUBGID)
#: Those of ranges, whose records may have a number in the place of the name.
RANGE_FILES = (SUBUID, SUBGID)
LOGIN_DEFS, NSSWITCH = "login.defs", "nsswitch.conf"
#: Where settings stand, and where those of the maker of the system that ``/etc`` stands before (libeconf's order).
ETC, VENDORS = b"etc", b"usr/etc"


#: Before the account's name in the key of a record that has the number instead (no record's own name begins so).
BY_NUMBER = b"#"


class Key(NamedTuple):
    """What makes two lines of different sides the same line."""

    text: bytes  #: a record's name, or the whole of an odd line
    nth: int  #: 0 for the first line with that text in its file, 1 for the second, ...
    odd: bool = False

    @property
    def account(self) -> bytes:
        """The name of the account that a record is about; see :func:`by_account`."""
        return self.text.removeprefix(BY_NUMBER)

    @property
    def by_number(self) -> bool:
        """Whether the record names its account by the number."""
        return not self.odd and self.text.startswith(BY_NUMBER)


#: The least number of fields of a record, and which of them must be numbers.
_SHAPES: Mapping[str, tuple[int, tuple[int, ...]]] = {
    PASSWD: (4, (2, 3)),
    GROUP: (3, (2,)),
    SHADOW: (2, ()),
    GSHADOW: (2, ()),
    SUBUID: (3, (1, 2)),
    SUBGID: (3, (1, 2)),
}


@dataclass(frozen=True)
class Table:
    """One account file.  ``lines`` maps keys to fields in file order; an odd line has itself as its only field."""

    lines: Mapping[Key, tuple[bytes, ...]] = field(default_factory=dict)
    present: bool = False  #: whether the file exists at all
    newline: bool = True  #: whether its last line is ended

    @cached_property
    def keys(self) -> list[Key]:
        return list(self.lines)

    def records(self) -> Iterator[tuple[Key, tuple[bytes, ...]]]:
        """Every line that is a record, in file order."""
        return ((key, fields) for key, fields in self.lines.items() if not key.odd)

    def render(self) -> bytes | None:
        """The file's bytes; None where there is no file."""
        if not self.present:
            return None
        data = b"\n".join(b":".join(fields) for fields in self.lines.values())
        return data + b"\n" if self.lines and self.newline else data


def parse_table(file: str, data: bytes | None) -> Table:
    """The table that ``data`` holds, ``file`` being one of ACCOUNT_FILES; None is a missing file."""
    if not data:
        return Table(present=data is not None)
    seen: Counter[tuple[bytes, bool]] = Counter()
    lines: dict[Key, tuple[bytes, ...]] = {}
    for line in data.removesuffix(b"\n").split(b"\n"):
        fields = tuple(line.split(b":"))
        odd = not _is_record(file, fields)
        text = line if odd else fields[0]
        lines[Key(text, seen[text, odd], odd)] = (line,) if odd else fields
        seen[text, odd] += 1
    return Table(lines, present=True, newline=data.endswith(b"\n"))


def _is_record(file: str, fields: tuple[bytes, ...]) -> bool:
    least, numbers = _SHAPES[file]
    if len(fields) < least or not fields[0].strip() or fields[0][:1] in (b"+", b"-", b"#"):
        return False
    return None not in map(number_of, map(fields.__getitem__, numbers))


class AccountTables:
    """The account tables of one system.

    ``users`` and ``groups`` give each name its number (the first record's of that name); ``user_names`` and
    ``group_names`` give each number its name (the first record's of that number, among those first records), as
    getpwuid(3) would answer for the owner of a file.
    """

    def __init__(self, files: Mapping[str, bytes], *, irregular: tuple[str, ...] = ()) -> None:
        self.files: Mapping[str, bytes] = dict(files)
        self._tables: dict[str, Table] = {}
        self.irregular = irregular  #: names that exist and are not regular files (links, FIFOs); taken as missing

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> AccountTables:
        """The tables of the files given by name (``passwd``, ..., ``login.defs``, ``nsswitch.conf``); others are missing."""
        return cls(files)

    @classmethod
    def read(cls, directory: bytes | str | os.PathLike[str], inside: bytes = b"") -> AccountTables:
        """Read the account files of a directory; no link among them is followed.

        :param directory: the system's ``/etc``, or its root with ``inside`` being ``b"etc"``.
        :param inside: a path below it, on which no link is followed; where it leads nowhere, the tables are empty.
        :raises BadInput: ``directory`` is not a directory.
        :raises NoPermission: a directory or file may not be read.
        """
        place = os.fsencode(directory)
        try:
            top = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise BadInput(f"{os.fsdecode(place)} is not a directory.") from None
        except PermissionError:
            raise _forbidden(place) from None
        cursor = Cursor(top)
        place = place + b"/" + inside if inside else place
        try:
            found = cls._read_all(place, cursor.at(inside))
            return found._with_vendors(top) if inside == ETC else found
        except (FileNotFoundError, NotADirectoryError):
            return cls({})
        except PermissionError:
            raise _forbidden(place) from None
        finally:
            cursor.close()
            os.close(top)

    @property
    def complete(self) -> bool:
        """Whether the system's own settings say whom to ask for users, and from which ranges numbers are taken."""
        return LOGIN_DEFS in self.files and NSSWITCH in self.files

    def with_vendors(self, root: bytes | str | os.PathLike[str]) -> AccountTables:
        """These tables with the settings that stand in ``/usr/etc`` and nowhere in ``/etc`` (SUSE): whom to ask, and ranges.

        :param root: the directory that holds ``usr``; where it has no such file, nothing is added.
        """
        top = os.open(os.fsencode(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return self._with_vendors(top)
        finally:
            os.close(top)

    def _with_vendors(self, top: int) -> AccountTables:
        cursor, files = Cursor(top), dict(self.files)
        try:
            for name in (LOGIN_DEFS, NSSWITCH):
                if name not in files and name not in self.irregular:
                    with suppress(OSError):
                        data = read_regular(name, cursor.at(VENDORS))
                        files.update({} if data is None else {name: data})
        finally:
            cursor.close()
        return AccountTables(files, irregular=self.irregular)

    @classmethod
    def _read_all(cls, folder: bytes, directory: int) -> AccountTables:
        files: dict[str, bytes] = {}
        irregular: list[str] = []
        for name in (*ACCOUNT_FILES, LOGIN_DEFS, NSSWITCH):
            try:
                data = read_regular(name, directory)
            except FileNotFoundError:
                continue
            except PermissionError:
                raise _forbidden(folder + b"/" + name.encode()) from None
            if data is None:
                irregular.append(name)
            else:
                files[name] = data
        return cls(files, irregular=tuple(irregular))

    def table(self, file: str) -> Table:
        """The parsed table of one of ACCOUNT_FILES."""
        if file not in self._tables:
            self._tables[file] = parse_table(file, self.files.get(file))
        return self._tables[file]

    @property
    def empty(self) -> bool:
        """Whether there is neither a passwd nor a group file, so that no number has a name."""
        return PASSWD not in self.files and GROUP not in self.files

    @cached_property
    def login_defs(self) -> LoginDefs:
        return parse_login_defs(self.files.get(LOGIN_DEFS))

    @cached_property
    def sources(self) -> tuple[bytes, ...]:
        """The services that the system asks for its users."""
        return account_sources(self.files.get(NSSWITCH))

    @cached_property
    def users(self) -> Mapping[bytes, int]:
        return _numbers(self.table(PASSWD))

    @cached_property
    def groups(self) -> Mapping[bytes, int]:
        return _numbers(self.table(GROUP))

    @cached_property
    def user_names(self) -> Mapping[int, bytes]:
        return _names(self.users)

    @cached_property
    def group_names(self) -> Mapping[int, bytes]:
        return _names(self.groups)


def by_account(tables: AccountTables, file: str) -> Table:
    """A table in whose keys accounts are named: subuid and subgid may have a number in the place of a login name.

    The number means what it means in its own tree; one without an account stays itself.
    """
    table = tables.table(file)
    if file not in RANGE_FILES or not any(key.text.isdigit() for key in table.lines):
        return table
    seen: Counter[tuple[bytes, bool]] = Counter()
    lines: dict[Key, tuple[bytes, ...]] = {}
    for key, fields in table.lines.items():
        number = None if key.odd else number_of(key.text)
        name = None if number is None else tables.user_names.get(number)
        text = key.text if name is None else BY_NUMBER + name
        lines[Key(text, seen[text, key.odd], key.odd)] = fields
        seen[text, key.odd] += 1
    return Table(lines, table.present, table.newline)


def _numbers(table: Table) -> dict[bytes, int]:
    numbers: dict[bytes, int] = {}
    for key, fields in table.lines.items():
        if not key.odd and key.nth == 0:
            numbers[key.text] = int(fields[2])
    return numbers


def _names(numbers: Mapping[bytes, int]) -> dict[int, bytes]:
    names: dict[int, bytes] = {}
    for name, number in numbers.items():
        names.setdefault(number, name)
    return names


def _forbidden(path: bytes) -> NoPermission:
    return NoPermission(
        f"{os.fsdecode(path)} may not be read.",
        meaning="Without the account tables the owners of files cannot be merged by name.",
        todo="Run the command as root.",
    )
