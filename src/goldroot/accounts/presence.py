"""Which accounts are in the result: users and groups as units over their files, then the single records.

An account that gold deleted and the clone still has goes, it stays, or it stays without a way in.
A name and a number that files carry must not be given to another; what gold took away is the way in.  The expiry is a part
of that: sshd asks for it by PAM where a key needs no password, and so do cron and at.  What a user may change himself (his
password, his shell, his real name) saves nobody.  See shadow(5), chsh(1), login.defs(5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from goldroot.accounts.fields import FIELDS, Pieces, pieces, same_record
from goldroot.accounts.ranges import span
from goldroot.accounts.sides import (
    GROUP_FILES,
    NEEDED_BY_ALL,
    NEEDED_BY_SERVICES,
    USER_FILES,
    AccountSide,
    AccountUse,
    InUse,
)
from goldroot.accounts.tables import (
    GROUP,
    PASSWD,
    RANGE_FILES,
    SHADOW,
    AccountTables,
    Key,
    asks_elsewhere,
    merge_login_defs,
    merge_sources,
)
from goldroot.accounts.three_way import Absent, Questions, etc, record_name, shown
from goldroot.conflicts import CLONE, GOLD, Conflict
from goldroot.kinds import ConflictKind
from goldroot.tree import path_text

#: What becomes of an account that one side deleted: gold's removal undone or done, the clone's deletion done or undone; or
#: it stays so that nobody can use it.
KEPT, REMOVED, DELETED, BACK, WITHDRAWN = "kept", "removed", "deleted", "back", "withdrawn"

#: The answer that withdraws.
WITHDRAW = "withdraw"

#: What a user may change of his own account, whatever it was before.
_HIS_OWN = {(PASSWD, "gecos"), (SHADOW, "min"), (SHADOW, "max"), (SHADOW, "warn"), (SHADOW, "inactive")}

_NO_LOGIN = (b"nologin", b"false", b"true")
#: Homes, without a last slash, that many accounts have and that are nobody's.
_NO_HOMES = (b"", b"/nonexistent", b"/dev/null", b"/var/empty", b"/run", b"/bin", b"/sbin", b"/dev", b"/tmp")

#: ``!`` is what sshd goes by without PAM; with ``*`` behind it nobody unlocks an empty password.
LOCKED = b"!*"
#: A day of 1970 (shadow(5): the account has expired since).
EXPIRED = b"1"


def usable(password: bytes) -> bool:
    """Whether a password field lets anybody in: a hash, or nothing at all."""
    return password != b"x" and not password.startswith((b"!", b"*"))


def is_login_shell(shell: bytes) -> bool:
    """Whether a shell is one to log in with; an empty field is ``/bin/sh``."""
    return shell.rpartition(b"/")[2] not in _NO_LOGIN


def root_made(base: AccountSide, clone: AccountSide, name: bytes, files: tuple[str, ...] = USER_FILES) -> list[str]:
    """What root changed of an account on the clone, each as ``FILE FIELD``; nothing that its user may change himself."""
    old, new = base.records(name, files), clone.records(name, files)
    found: list[str] = []
    for place in sorted(old.keys() | new.keys()):
        before = pieces(base.tables, place[0], old.get(place))
        after = pieces(clone.tables, place[0], new.get(place))
        if not before or not after:
            found.append(f"{place[0]} record")
            continue
        found += [
            f"{place[0]} {part}"
            for part in before
            if before[part] != after[part] and not _by_himself(place[0], part, before[part], after[part])
        ]
    if files == USER_FILES and base.memberships(name) != clone.memberships(name):
        found.append("groups")
    return found


def _by_himself(file: str, part: str, before: bytes | None, after: bytes | None) -> bool:
    was, now = before or b"", after or b""
    if part == "password":
        # Who has no password that lets him in cannot give himself one; a group's is never anybody's own.
        return file not in GROUP_FILES and (usable(_hash(was)) or not usable(_hash(now)))
    if (file, part) == (PASSWD, "shell"):
        return is_login_shell(was) or not is_login_shell(now)
    return (file, part) in _HIS_OWN


def _hash(value: bytes) -> bytes:
    return value.partition(b":")[0]


def same_person(one: tuple[AccountTables, bytes], other: tuple[AccountTables, bytes]) -> bool:
    """Whether two accounts of one number are the same one under two names: the same password lets in, or the same home."""
    passwords, homes = ([function(*each) for each in (one, other)] for function in (password_of, _home))
    return (passwords[0] == passwords[1] and usable(passwords[0])) or (
        homes[0] == homes[1] and homes[0] not in _NO_HOMES
    )


def password_of(tables: AccountTables, name: bytes) -> bytes:
    """The field that counts: passwd's own where it is not ``x``."""
    own, shadow = (tables.table(file).lines.get(Key(name, 0)) for file in (PASSWD, SHADOW))
    if own is not None and own[1] != b"x":
        return own[1]
    return b"*" if shadow is None else shadow[1]


def _home(tables: AccountTables, name: bytes) -> bytes:
    return b"".join(tables.table(PASSWD).lines[Key(name, 0)][5:6]).rstrip(b"/")


@dataclass(frozen=True)
class Withdrawal:
    """Decides about the users that gold deleted."""

    base: AccountSide
    gold: AccountSide
    clone: AccountSide
    ask: Questions

    def fate(self, name: bytes, used: InUse) -> str:
        """What becomes of an account that gold deleted and the clone has."""
        if changed := root_made(self.base, self.clone, name):
            detail = f"gold removed {shown(name)}; the server changed {', '.join(changed)}"
            return self._asked(name, ",".join(changed), detail)
        use, person = used.of(name), self._is_person(name)
        held = name in used.users
        if not held and not use.by(NEEDED_BY_ALL if person else NEEDED_BY_SERVICES):
            return REMOVED
        if self._is_root(name) or self.ask.going_back:
            return self._kept(name, held, use)
        if person and held and asks_elsewhere(self._sources()):
            sources = b" ".join(self._sources())
            return self._asked(
                name, "elsewhere",
                f"gold removed {shown(name)}, whose files remain, and looks for users in {shown(sources)}: withdrawn here, a"
                " person of that name could not log in",
            )  # fmt: skip
        if person:
            text = (
                f"{shown(name)}: gold removed it; locked, expired and in no group, as this remains: {_said(held, use)}"
            )
            self.ask.note("account-withdrawn", PASSWD, text, name=shown(name), **use.data())
            return WITHDRAWN
        if usable(password_of(self.clone.tables, name)):
            detail = f"gold removed {shown(name)}, the account of a service that has a password, and this remains: "
            return self._asked(name, "usable password", detail + _said(held, use))
        return self._kept(name, held, use)

    def fate_of_renamed(self, old: bytes, new: bytes) -> str:
        """What becomes of an account that gold deleted and the server has under another name."""
        if self.ask.going_back:
            return KEPT
        return self._asked(new, "renamed", f"gold removed {shown(old)}, which the server calls {shown(new)}")

    def _is_root(self, name: bytes) -> bool:
        """Whether he is the one who has number 0; another with this number is withdrawn like anybody."""
        others = (one for one, number in self.gold.tables.users.items() if number == 0 and one != name)
        return self.clone.tables.users.get(name) == 0 and next(others, None) is None

    def _kept(self, name: bytes, held: bool, use: AccountUse) -> str:
        text = f"{shown(name)}: gold removed it, and this of the result needs it: {_said(held, use)}"
        self.ask.note("account-kept", PASSWD, text, name=shown(name), **use.data())
        return KEPT

    def _asked(self, name: bytes, why: str, detail: str) -> str:
        """Ask; the key holds no hash and no number, so that all servers with this question have one answer."""
        stands = GOLD if self.ask.prefer == GOLD else CLONE
        values = (b"record", b"", why.encode("utf-8", "surrogateescape"))
        axis, answers = f"accounts:{shown(name)}:record", (CLONE, GOLD, WITHDRAW)
        conflict = Conflict(etc(PASSWD), axis, "gold-deleted", values, answers, stands, detail, secret=True)
        return {CLONE: KEPT, GOLD: REMOVED, WITHDRAW: WITHDRAWN}[self.ask.ask(conflict).take]

    def _is_person(self, name: bytes) -> bool:
        defs = merge_login_defs(*(side.tables.login_defs for side in (self.base, self.gold, self.clone)))
        if defs.users.person_min <= self.clone.tables.users[name] <= defs.users.person_max:
            return True
        fields = self.clone.tables.table(PASSWD).lines[Key(name, 0)]
        return usable(password_of(self.clone.tables, name)) and is_login_shell(b"".join(fields[6:7]))

    def _sources(self) -> tuple[bytes, ...]:
        """Gold's sources of users, or those of the result where the server has more of them."""
        return merge_sources(*(side.tables.sources for side in (self.base, self.gold, self.clone)))


def _said(held: bool, use: AccountUse) -> str:
    return str(use) or ("files" if held else "")


def returned_users(base: AccountTables, gold: AccountTables, clone: AccountTables, ask: Questions) -> set[bytes]:
    """The users that an earlier gold had deleted, so that they were withdrawn on the clone, and that gold has again."""
    found = set()
    for key, fields in clone.table(SHADOW).records():
        is_withdrawn = fields[1] == LOCKED and fields[7:8] == (EXPIRED,) and not key.nth
        if is_withdrawn and key.text not in base.users and key.text in gold.users:
            found.add(key.text)
            ask.note("account-returned", PASSWD, f"{shown(key.text)}: gold has it again", name=shown(key.text))
    return found


def nologin_of(tables: Iterable[AccountTables]) -> bytes:
    """How the first of some systems that knows ``nologin`` spells its path."""
    for one in tables:
        shells = (fields[6] for _, fields in one.table(PASSWD).records() if len(fields) > 6)
        found = Counter(shell for shell in shells if shell.endswith(b"/nologin"))
        if found:
            return found.most_common(1)[0][0]
    return b"/usr/sbin/nologin"


def withdraw_user(record: Pieces, nologin: bytes, shadowed: bool) -> Pieces:
    """A record of passwd with which nobody logs in.

    :param shadowed: whether the password stands in shadow.
    """
    return {**record, "password": b"x" if shadowed else LOCKED, "gecos": record.get("gecos") or b"",
            "home": record.get("home") or b"", "shell": nologin}  # fmt: skip


def withdraw_password(record: Pieces) -> Pieces:
    """A record of shadow with which nobody logs in."""
    changed = (record.get("password") or b"").partition(b":")[2]
    whole = {field.name: record.get(field.name) or b"" for field in FIELDS[SHADOW][:-1]}
    return {**whole, "rest": record.get("rest"), "password": LOCKED + b":" + changed, "expire": EXPIRED}


def without_unused_ranges(
    files: Mapping[str, dict[Key, Pieces]], names: Set[bytes], used: Mapping[str, Set[int]]
) -> None:
    """Take out the ranges of withdrawn users that no file of the result carries.

    :param files: the records of subuid and subgid.
    :param used: file -> the numbers without a name that the result's files carry.
    """
    for file in RANGE_FILES:
        for key, record in list(files[file].items()):
            first, end = span(record["range"] or b"0:0")
            if key.account in names and not any(first <= number < end for number in used[file]):
                del files[file][key]


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

    :param returned: see :func:`goldroot.accounts.presence.returned_users`.
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
