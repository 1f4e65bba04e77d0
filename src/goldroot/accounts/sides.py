"""What an account is: its records in all files of one side and its memberships; and what of a result carries or names it.

Who makes a plan says what a result uses; the merger of accounts asks only where gold deleted an account that the clone has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from goldroot.accounts.fields import Fields, canonical
from goldroot.accounts.tables import (
    BY_NUMBER,
    GROUP,
    GSHADOW,
    PASSWD,
    SHADOW,
    SUBGID,
    SUBUID,
    AccountTables,
    Key,
    by_account,
)
from goldroot.counted import counted
from goldroot.tree import path_text

#: What may name an account; each is a word for the record.
UNITS, CRON, CRONTAB, AT_JOBS, KEYS = "units", "cron", "crontab", "at jobs", "authorized_keys"
SUDOERS, OVERRIDES, LINGER, SETTINGS = "sudoers", "statoverride", "linger", "settings"

#: What does not work without the account: a unit that runs as it, a line of ``/etc/cron.d``, every call of dpkg.
NEEDED_BY_ALL = (UNITS, CRON, OVERRIDES)
#: The same for the account of a service.
NEEDED_BY_SERVICES = (*NEEDED_BY_ALL, CRONTAB, SUDOERS, SETTINGS)

#: So many paths are named; the others are counted.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class AccountUse:
    """What of a result belongs to one user, and what names him; paths absolute in the system."""

    files: Sequence[bytes] = ()
    named: Mapping[str, Sequence[bytes]] = field(default_factory=dict)

    def by(self, words: Sequence[str]) -> bool:
        """Whether any of these names him."""
        return any(self.named.get(word) for word in words)

    def data(self) -> dict[str, object]:
        """For a note: the first paths of each kind, and how many files there are."""
        lists = {"files": self.files, **self.named}
        shown = {word: [path_text(path) for path in paths[:SHOWN]] for word, paths in lists.items() if paths}
        return {"count": len(self.files), **shown}

    def __str__(self) -> str:
        words = [counted(len(self.files), "file")] if self.files else []
        words += [
            f"{word} ({path_text(paths[0])}{' and more' if len(paths) > 1 else ''})"
            for word, paths in self.named.items()
            if paths
        ]
        return ", ".join(words)


def _nothing(name: bytes) -> AccountUse:
    return AccountUse()


def _nowhere(name: bytes) -> Sequence[bytes]:
    return ()


@dataclass(frozen=True, slots=True)
class InUse:
    """What the files of a result carry."""

    users: Set[bytes] = frozenset()  #: names of users that files and ACL entries carry
    groups: Set[bytes] = frozenset()
    bare_uids: Set[int] = frozenset()  #: numbers of users on the clone's files that its own tables give no name
    bare_gids: Set[int] = frozenset()
    of: Callable[[bytes], AccountUse] = _nothing  #: name of a user -> where it is used
    of_group: Callable[[bytes], Sequence[bytes]] = _nowhere  #: name of a group -> units and texts that need it


USER_FILES = (PASSWD, SHADOW, SUBUID, SUBGID)
GROUP_FILES = (GROUP, GSHADOW)

#: The lists that name users: their file, and the indexes of their fields (group(5), gshadow(5)).
MEMBER_LISTS: Mapping[str, tuple[int, ...]] = {GROUP: (3,), GSHADOW: (3, 2)}
#: What they are called.
_LISTS = ((GROUP, 3, b"group"), (GSHADOW, 3, b"gshadow"), (GSHADOW, 2, b"administrators"))


@dataclass(frozen=True)
class AccountSide:
    """One side's tables, with what each account is there."""

    tables: AccountTables

    @cached_property
    def _memberships(self) -> Mapping[bytes, frozenset[bytes]]:
        found: dict[bytes, set[bytes]] = {}
        for file, index, label in _LISTS:
            for key, fields in self.tables.table(file).records():
                for name in b",".join(fields[index : index + 1]).split(b","):
                    found.setdefault(name, set()).add(label + b":" + key.text)
        return {name: frozenset(groups) for name, groups in found.items()}

    def records(self, name: bytes, files: Iterable[str]) -> dict[tuple[str, int], Fields]:
        """Every record of the name in these files, by file and place among those of the same name."""
        found: dict[tuple[str, int], Fields] = {}
        for file in files:
            lines = by_account(self.tables, file).lines
            keys = [key for text in (name, BY_NUMBER + name) for key in _of_text(text, lines)]
            found |= {(file, place): lines[key] for place, key in enumerate(keys)}
        return found

    def memberships(self, name: bytes) -> frozenset[bytes]:
        """The groups, with the list that says so, whose members or administrators the user is among."""
        return self._memberships.get(name, frozenset())

    def canonical_account(self, name: bytes, files: tuple[str, ...]) -> bytes:
        """The account as one canonical value, b"" where there is none."""
        records = self.records(name, files).items()
        lines = [file.encode() + b":" + canonical(self.tables, file, line) for (file, _), line in records]
        if lines and files == USER_FILES:
            lines += sorted(self.memberships(name))
        return b"\n".join(lines)


def _of_text(text: bytes, lines: Mapping[Key, Fields]) -> Iterator[Key]:
    """The keys of the records of one name, in their order."""
    nth = 0
    while (key := Key(text, nth)) in lines:
        yield key
        nth += 1
