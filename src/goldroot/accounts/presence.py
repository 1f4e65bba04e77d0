"""Which accounts are in the result: users and groups as units over their files, then the single records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from goldroot.accounts.fields import Fields, Pieces, canonical, pieces, same_record
from goldroot.accounts.questions import Questions, record_name, shown
from goldroot.accounts.tables import GROUP, GSHADOW, PASSWD, SHADOW, SUBGID, SUBUID, AccountTables, Key
from goldroot.accounts.three_way import Absent
from goldroot.conflicts import CLONE, GOLD

#: What becomes of an account that one side deleted: gold's removal undone or done, the clone's deletion done or undone.
KEPT, REMOVED, DELETED, BACK = "kept", "removed", "deleted", "back"

_USER_FILES = (PASSWD, SHADOW, SUBUID, SUBGID)
_GROUP_FILES = (GROUP, GSHADOW)

#: The lists that name users: their file, the index of their field, and what they are called.
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
            lines = self.tables.table(file).lines
            nth = 0
            while (fields := lines.get(Key(name, nth))) is not None:
                found[file, nth] = fields
                nth += 1
        return found

    def memberships(self, name: bytes) -> frozenset[bytes]:
        """The groups, with the list that says so, whose members or administrators the user is among."""
        return self._memberships.get(name, frozenset())

    def canonical_account(self, name: bytes, files: tuple[str, ...]) -> bytes:
        """The account as one canonical value, b"" where there is none."""
        records = self.records(name, files).items()
        lines = [file.encode() + b":" + canonical(self.tables, file, line) for (file, _), line in records]
        if lines and files == _USER_FILES:
            lines += sorted(self.memberships(name))
        return b"\n".join(lines)


class Presence:
    """Decides, account by account, what the deletions of either side come to."""

    def __init__(self, base: AccountSide, gold: AccountSide, clone: AccountSide, ask: Questions) -> None:
        self.base, self.gold, self.clone = base, gold, clone
        self.ask = ask

    def users(self, in_use: Set[bytes]) -> dict[bytes, str]:
        """The fate of each user that gold or the clone deleted."""
        return self._fates(PASSWD, _USER_FILES, in_use, "a file of the result belongs to it")

    def groups(self, in_use: Set[bytes], primary: Set[bytes]) -> dict[bytes, str]:
        """The fate of each group that gold or the clone deleted; ``primary`` are those that users of the result have."""
        return self._fates(
            GROUP, _GROUP_FILES, in_use | primary, "a file or an account of the result belongs to it", primary
        )

    def _fates(
        self, file: str, files: tuple[str, ...], in_use: Set[bytes], use: str, needed: Set[bytes] = frozenset()
    ) -> dict[bytes, str]:
        fates: dict[bytes, str] = {}
        gold, clone = self.gold.tables.table(file).lines, self.clone.tables.table(file).lines
        for key, _ in self.base.tables.table(file).records():
            if key.nth or (key in gold) == (key in clone):
                continue
            if key in clone:
                fates[key.text] = self._removed_by_gold(key.text, files, in_use, use)
            else:
                fates[key.text] = self._deleted_by_clone(key.text, files, needed)
        return fates

    def _removed_by_gold(self, name: bytes, files: tuple[str, ...], in_use: Set[bytes], use: str) -> str:
        changed = self._changes(name, files)
        detail = f"gold removed {shown(name)}; the clone changed {changed}"
        if changed and self._ask(name, files, "gold-deleted", detail):
            return KEPT
        if name not in in_use:
            return REMOVED
        self.ask.note("account-kept", files[0], f"{shown(name)}: gold removed it, and {use}", name=shown(name))
        return KEPT

    def _deleted_by_clone(self, name: bytes, files: tuple[str, ...], needed: Set[bytes]) -> str:
        if name in needed:
            text = f"{shown(name)}: the clone deleted it, and it is the primary group of a user that gold brings"
            self.ask.note("account-back", files[0], text, name=shown(name))
            return BACK
        if self._gold_left_it(name, files):
            return DELETED
        detail = f"the clone deleted {shown(name)}; gold changed it"
        return DELETED if self._ask(name, files, "clone-deleted", detail) else BACK

    def _ask(self, name: bytes, files: tuple[str, ...], kind: str, detail: str) -> bool:
        """Whether the clone's answer holds."""
        values = (
            self.base.canonical_account(name, files),
            self.gold.canonical_account(name, files),
            self.clone.canonical_account(name, files),
        )
        return self.ask.pick(files[0], f"accounts:{shown(name)}:record", kind, values, detail, secret=True) == CLONE

    def _changes(self, name: bytes, files: tuple[str, ...]) -> str:
        """What the clone changed of the account, for a person; "" for nothing."""
        old, new = self.base.records(name, files), self.clone.records(name, files)
        changed: list[str] = []
        for place in sorted(old.keys() | new.keys()):
            before = pieces(self.base.tables, place[0], old.get(place))
            after = pieces(self.clone.tables, place[0], new.get(place))
            changed += [f"{place[0]} {part}" for part in {**before, **after} if before.get(part) != after.get(part)]
        if files == _USER_FILES and self.base.memberships(name) != self.clone.memberships(name):
            changed.append("its groups")
        return ", ".join(changed)

    def _gold_left_it(self, name: bytes, files: tuple[str, ...]) -> bool:
        old, new = self.base.records(name, files), self.gold.records(name, files)
        if old.keys() != new.keys():
            return False
        if files == _USER_FILES and self.base.memberships(name) != self.gold.memberships(name):
            return False
        return all(
            same_record(
                place[0],
                pieces(self.base.tables, place[0], old[place]),
                pieces(self.gold.tables, place[0], new[place]),
            )
            for place in old
        )


def absent_users(fates: Mapping[bytes, str]) -> Absent:
    """What the fates of users mean for the lists that name them."""
    return Absent(*({name for name, fate in fates.items() if fate == which} for which in (KEPT, DELETED, REMOVED)))


class RecordPresence:
    """Decides for one record of one file that gold and the clone do not both have."""

    def __init__(self, file: str, fates: Mapping[bytes, str], ask: Questions) -> None:
        self.file = file
        self.fates = fates
        self.ask = ask

    def clone_only(self, key: Key, base: Pieces, clone: Pieces) -> bool:
        """Whether a record that gold lacks stays."""
        fate = self.fates.get(key.text)
        if fate in (KEPT, REMOVED) or not base:
            return fate != REMOVED
        if base == clone:
            return False
        return self._pick(key, "gold-deleted", base, {}, clone, "gold removed it, the clone changed it") == CLONE

    def gold_only(self, key: Key, base: Pieces, gold: Pieces) -> bool:
        """Whether a record that the clone lacks comes."""
        fate = self.fates.get(key.text)
        if fate in (BACK, DELETED) or not base:
            return fate != DELETED
        if same_record(self.file, base, gold):
            return False
        return self._pick(key, "clone-deleted", base, gold, {}, "the clone deleted it, gold changed it") == GOLD

    def _pick(self, key: Key, kind: str, base: Pieces, gold: Pieces, clone: Pieces, detail: str) -> bytes | str:
        values = (_joined(base), _joined(gold), _joined(clone))
        axis = f"accounts:{record_name(key)}:record"
        return self.ask.pick(self.file, axis, kind, values, f"{shown(key.text)}: {detail}", secret=True)


def _joined(record: Pieces) -> bytes:
    return b":".join(part for part in record.values() if part is not None)
