"""Which accounts are in the result: users and groups as units over their files, then the single records."""

from __future__ import annotations

from collections.abc import Mapping, Set

from goldroot.accounts.fields import Pieces, pieces, same_record
from goldroot.accounts.questions import Questions, etc, record_name, shown
from goldroot.accounts.sides import GROUP_FILES, USER_FILES, AccountSide
from goldroot.accounts.tables import GROUP, PASSWD, Key
from goldroot.accounts.three_way import Absent
from goldroot.accounts.uses import InUse
from goldroot.accounts.withdrawn import BACK, DELETED, KEPT, REMOVED, WITHDRAWN, Withdrawal, root_made, same_person
from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.tree import path_text


class Presence:
    """Decides, account by account, what the deletions of either side come to."""

    def __init__(self, base: AccountSide, gold: AccountSide, clone: AccountSide, ask: Questions) -> None:
        self.base, self.gold, self.clone = base, gold, clone
        self.ask = ask

    def users(self, used: InUse) -> dict[bytes, str]:
        """The fate of each user that gold or the clone deleted."""
        decide = Withdrawal(self.base, self.gold, self.clone, self.ask)
        fates = {
            name: decide.fate(name, used) if by_gold else self._deleted_by_clone(name, USER_FILES, frozenset())
            for name, by_gold in self._deleted(PASSWD)
        }
        return fates | {new: decide.fate_of_renamed(old, new) for old, new in self._renamed()}

    def _renamed(self) -> list[tuple[bytes, bytes]]:
        """Users that gold deleted and the clone calls otherwise: old and new name.

        usermod(8) ``-l`` leaves number, password and, without ``-d``, the home.  A number alone says nothing: the next account
        that is made takes the one that was given up.
        """
        base, gold, clone = (side.tables.users for side in (self.base, self.gold, self.clone))
        own = {number: name for name, number in clone.items() if name not in base and name not in gold}
        gone = [name for name in base if name not in gold and name not in clone]
        found = ((name, own[base[name]]) for name in gone if base[name] in own)
        return [(old, new) for old, new in found if same_person((self.base.tables, old), (self.clone.tables, new))]

    def groups(self, used: InUse, primary: Set[bytes]) -> dict[bytes, str]:
        """The fate of each group that gold or the clone deleted; ``primary`` are those that users of the result have."""
        return {
            name: self._group_removed_by_gold(name, used, primary)
            if by_gold
            else self._deleted_by_clone(name, GROUP_FILES, primary)
            for name, by_gold in self._deleted(GROUP)
        }

    def _deleted(self, file: str) -> list[tuple[bytes, bool]]:
        """The names of base that one side alone deleted, and whether that was gold."""
        gold, clone = self.gold.tables.table(file).lines, self.clone.tables.table(file).lines
        names = (key for key, _ in self.base.tables.table(file).records() if not key.nth)
        return [(key.text, key in clone) for key in names if (key in gold) != (key in clone)]

    def _group_removed_by_gold(self, name: bytes, used: InUse, primary: Set[bytes]) -> str:
        if changed := root_made(self.base, self.clone, name, GROUP_FILES):
            values = (b"record", b"", ",".join(changed).encode("utf-8", "surrogateescape"))
            detail = f"gold removed {shown(name)}; the server changed {', '.join(changed)}"
            axis = f"accounts:{shown(name)}:record"
            asked = Conflict(etc(GROUP), axis, "gold-deleted", values, detail=detail, secret=True)
            if self.ask.pick(asked) == CLONE:
                return KEPT
        use = "a file or an account of the result belongs to it"
        if name not in used.groups and name not in primary:
            places = used.of_group(name)
            if not places:
                return REMOVED
            use = f"{path_text(places[0])}{' and more' if len(places) > 1 else ''} of the result needs it"
        self.ask.note("account-kept", GROUP, f"{shown(name)}: gold removed it, and {use}", name=shown(name))
        return KEPT

    def _deleted_by_clone(self, name: bytes, files: tuple[str, ...], needed: Set[bytes]) -> str:
        if name in needed:
            text = f"{shown(name)}: the server deleted it, and it is the primary group of a user that gold brings"
            self.ask.note("account-back", files[0], text, name=shown(name))
            return BACK
        if self._gold_left_it(name, files):
            return DELETED
        detail = f"the server deleted {shown(name)}; gold changed it"
        values = (self.base.canonical_account(name, files), self.gold.canonical_account(name, files), b"")
        axis = f"accounts:{shown(name)}:record"
        asked = Conflict(etc(files[0]), axis, "clone-deleted", values, detail=detail, secret=True)
        answer = self.ask.pick(asked)
        return DELETED if answer == CLONE else BACK

    def _gold_left_it(self, name: bytes, files: tuple[str, ...]) -> bool:
        old, new = self.base.records(name, files), self.gold.records(name, files)
        if old.keys() != new.keys():
            return False
        if files == USER_FILES and self.base.memberships(name) != self.gold.memberships(name):
            return False
        return all(
            same_record(
                place[0],
                pieces(self.base.tables, place[0], old[place]),
                pieces(self.gold.tables, place[0], new[place]),
            )
            for place in old
        )


def absent_users(fates: Mapping[bytes, str], returned: Set[bytes]) -> Absent:
    """What the fates of users mean for the lists that name them.

    :param returned: see :func:`goldroot.accounts.withdrawn.returned_users`.
    """
    words = (KEPT, DELETED, REMOVED, WITHDRAWN, BACK)
    kept, lost, dropped, withdrawn, brought = (
        {name for name, fate in fates.items() if fate == which} for which in words
    )
    return Absent(kept, lost, dropped, withdrawn, returned, brought)


class RecordPresence:
    """Decides for one record of one file that gold and the clone do not both have."""

    def __init__(self, file: str, fates: Mapping[bytes, str], ask: Questions) -> None:
        self.file = file
        self.fates = fates
        self.ask = ask

    def stands(self, key: Key) -> bool:
        """Whether the clone's records stand, whatever gold left: it removed the account, and the account is kept.

        A record of shadow that gold forgot, or made, would else be a password that nobody gave to it.
        """
        return self.fates.get(key.account) == KEPT

    def clone_only(self, key: Key, base: Pieces, clone: Pieces) -> bool:
        """Whether a record that gold lacks stays."""
        fate = self.fates.get(key.account)
        if fate in (KEPT, REMOVED, WITHDRAWN) or not base:
            return fate != REMOVED
        if base == clone:
            return False
        # Whatever the clone made of it: the key of the question holds no password.
        values = (b"record", b"", b"changed")
        return self._pick(key, "gold-deleted", values, "gold removed it, the server changed it") == CLONE

    def gold_only(self, key: Key, base: Pieces, gold: Pieces) -> bool:
        """Whether a record that the clone lacks comes."""
        fate = self.fates.get(key.account)
        if fate in (BACK, DELETED) or not base:
            return fate != DELETED
        if same_record(self.file, base, gold):
            return False
        values = (_joined(base), _joined(gold), b"")
        return self._pick(key, "clone-deleted", values, "the server deleted it, gold changed it") == GOLD

    def _pick(self, key: Key, kind: ConflictKind, values: tuple[bytes, bytes, bytes], detail: str) -> bytes | str:
        axis = f"accounts:{record_name(key)}:record"
        said = f"{shown(key.text)}: {detail}"
        return self.ask.pick(Conflict(etc(self.file), axis, kind, values, detail=said, secret=True))


def _joined(record: Pieces) -> bytes:
    return b":".join(part for part in record.values() if part is not None)
