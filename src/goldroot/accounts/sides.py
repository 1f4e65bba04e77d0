"""One side's accounts: each with its records in all files, and its memberships."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
