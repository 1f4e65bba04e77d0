"""Owners as names: what a number means in its own tree, and what number a name has in the result.

An owner is spoken of as a *token*: the account's name, or ``#`` and the number where the tree's account table has no name
for it, or ``:`` and the number where it is one of another system's (a colon and ``#`` cannot stand in an account's name).
Numbers inside POSIX ACLs are treated alike.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goldroot.accounts.tables import ACCOUNT_FILES, AccountTables
from goldroot.conflicts import Conflict
from goldroot.tree import Entry, Note, Xattrs

if TYPE_CHECKING:
    from goldroot.accounts.numbers import Renumbered
    from goldroot.accounts.sides import InUse

# -- Several names of one number: which of them an owner is spoken of by. ``toor`` beside ``root``, ``exim`` beside ``mail``:
# a tree that lists them the other way round says nothing else of a file. The name is a function of tree and number, so
# that two owners are equal where they are the same to all trees.

ROOT = b"root"

NameOf = Mapping[int, bytes]  #: number -> the name by which an owner is spoken of


def owner_names(accounts: Mapping[bytes, int], gold: Mapping[bytes, int]) -> NameOf:
    """The name of each number of one tree: ``root`` for 0; else the first of gold's names for it that the tree has; else
    the first of its own that gold has at all; else its first.

    :param accounts: name -> number of the tree, in the order of its file.
    :param gold: the same of gold's tree.
    """
    names: dict[int, list[bytes]] = {}
    for name, number in accounts.items():
        names.setdefault(number, []).append(name)
    golds = {name: place for place, name in enumerate(gold)}
    return {number: held[0] if len(held) == 1 else _one_of(number, held, gold, golds) for number, held in names.items()}


def _one_of(number: int, held: Iterable[bytes], gold: Mapping[bytes, int], golds: Mapping[bytes, int]) -> bytes:
    """Of names that come first in their tree the first counts where nothing else tells."""

    def rank(name: bytes) -> tuple[bool, bool, int]:
        return not (number == 0 and name == ROOT), gold.get(name) != number, golds.get(name, len(golds))

    return min(held, key=rank)


ACL_ACCESS, ACL_DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
ACL_NAMES = (ACL_ACCESS, ACL_DEFAULT)

# linux/posix_acl_xattr.h: a version, then (tag, permissions, id) per entry, little endian.
_VERSION = 2
_HEADER, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF


class _Tokens(dict[int, bytes]):
    """number -> token; a number without a name makes its own token when it is first met."""

    def __missing__(self, number: int) -> bytes:
        token = self[number] = b"#%d" % number
        return token


class _Foreign(dict[int, bytes]):
    """number -> the token of a number of another system."""

    def __missing__(self, number: int) -> bytes:
        token = self[number] = b":%d" % number
        return token


class OwnerNames:
    """One tree's view: numbers to tokens.

    :param users: number -> account name, the first record's; empty where the tree has no table.
    :param groups: the same for groups.
    """

    def __init__(self, users: Mapping[int, bytes], groups: Mapping[int, bytes]) -> None:
        self.users: dict[int, bytes] = _Tokens(users)
        self.groups: dict[int, bytes] = _Tokens(groups)

    def xattrs(self, entry: Entry) -> dict[bytes, bytes]:
        """The extended attributes by name, ACLs in their spoken form."""
        return {
            name: self._speak(value, name == ACL_ACCESS) if name in ACL_NAMES else value for name, value in entry.xattrs
        }

    def _speak(self, value: bytes, access: bool) -> bytes:
        """An ACL with names for numbers.

        The entries that the mode bits repeat (owner, mask or owning group, others) speak no permissions in an access
        ACL: they go by the mode axis, so that one side's chmod and the other's setfacl both arrive.
        """
        entries = _parse(value)
        if entries is None:
            return value
        by_mode = _tags_of_mode(entries) if access else ()
        words = []
        for tag, permissions, number in entries:
            who = self.users[number] if tag == _USER else self.groups[number] if tag == _GROUP else b""
            words.append((tag, who, b"-" if tag in by_mode else b"%d" % permissions))
        # By name: the order of numbers is another in each tree, and says nothing.
        return b"acl\n" + b"\n".join(b"%d:%s:%s" % (tag, said, who) for tag, who, said in sorted(words))


class _NumericOwners(OwnerNames):
    def __init__(self) -> None:
        self.users, self.groups = _Foreign(), _Foreign()


#: The view of a place in which all owners are numbers of another system.
NUMERIC_OWNERS: OwnerNames = _NumericOwners()


def is_named(token: bytes) -> bool:
    """Whether a token is the name of an account."""
    return not token.startswith((b"#", b":"))


class OwnerNumbers:
    """The result's view: tokens to numbers.

    :param users: account name -> number in the merged tables.
    :param groups: the same for groups.
    :param bare_users: a number without a name -> the number to write instead, where a person decided so.
    :param bare_groups: the same for groups.
    """

    def __init__(
        self, users: Mapping[bytes, int], groups: Mapping[bytes, int], bare_users: Mapping[int, int] | None = None,
        bare_groups: Mapping[int, int] | None = None,
    ) -> None:  # fmt: skip
        self._users, self._groups = users, groups
        self._bare_users, self._bare_groups = bare_users or {}, bare_groups or {}

    def uid(self, token: bytes) -> int:
        """The number of a user token in the result."""
        return _number(token, self._users, self._bare_users)

    def gid(self, token: bytes) -> int:
        """The number of a group token in the result."""
        return _number(token, self._groups, self._bare_groups)

    def moves_user(self, number: int, names: OwnerNames) -> bool:
        """Whether the account that a tree calls a number has another one in the result."""
        return self._users.get(names.users[number], number) != number

    def moves_group(self, number: int, names: OwnerNames) -> bool:
        """The same for a group."""
        return self._groups.get(names.groups[number], number) != number

    def xattrs(self, spoken: Mapping[bytes, bytes], mode: int) -> Xattrs:
        """Extended attributes as the kernel wants them, sorted by name."""
        return tuple(
            (name, self._write(value, mode) if name in ACL_NAMES else value) for name, value in sorted(spoken.items())
        )

    def _write(self, spoken: bytes, mode: int) -> bytes:
        if not spoken.startswith(b"acl\n"):
            return spoken
        words = [word.split(b":", 2) for word in spoken[4:].split(b"\n")]
        masked = any(int(word[0]) == _MASK for word in words)
        entries = []
        for tag_text, permission_text, who in words:
            tag = int(tag_text)
            permissions = _of_mode(tag, mode, masked) if permission_text == b"-" else int(permission_text)
            number = self.uid(who) if tag == _USER else self.gid(who) if tag == _GROUP else _NO_ID
            entries.append((tag, permissions, number))
        # Numbers may have changed their order; setfacl writes each kind sorted by number.
        entries.sort(key=lambda entry: (entry[0], entry[2]))
        return _HEADER.pack(_VERSION) + b"".join(_ENTRY.pack(*entry) for entry in entries)


def _number(token: bytes, named: Mapping[bytes, int], bare: Mapping[int, int]) -> int:
    if is_named(token):
        return named[token]
    number = int(token[1:])
    return bare.get(number, number) if token.startswith(b"#") else number


def _parse(value: bytes) -> list[tuple[int, int, int]] | None:
    """The entries of an ACL, or ``None`` for bytes that are not an ACL that we know (they are kept as they are)."""
    if len(value) < 4 or (len(value) - 4) % _ENTRY.size or _HEADER.unpack_from(value)[0] != _VERSION:
        return None
    return list(_ENTRY.iter_unpack(value[4:]))


def _tags_of_mode(entries: list[tuple[int, int, int]]) -> tuple[int, ...]:
    masked = any(tag == _MASK for tag, _, _ in entries)
    return (_USER_OBJ, _MASK if masked else _GROUP_OBJ, _OTHER)


def _of_mode(tag: int, mode: int, masked: bool) -> int:
    if tag == _USER_OBJ:
        return mode >> 6 & 7
    if tag == _OTHER:
        return mode & 7
    # chmod writes the group bits to the mask where there is one, else to the owning group (acl(5)).
    return mode >> 3 & 7 if tag == (_MASK if masked else _GROUP_OBJ) else 0


def named_in_acl(spoken: Mapping[bytes, bytes]) -> tuple[set[bytes], set[bytes]]:
    """The user and the group tokens that the ACLs of one path name."""
    users: set[bytes] = set()
    groups: set[bytes] = set()
    for name in ACL_NAMES:
        for word in spoken.get(name, b"").split(b"\n")[1:]:
            tag, _, who = word.split(b":", 2)
            if int(tag) == _USER:
                users.add(who)
            elif int(tag) == _GROUP:
                groups.add(who)
    return users, groups


def rename_in_acls(
    spoken: Mapping[bytes, bytes], users: Mapping[bytes, bytes], groups: Mapping[bytes, bytes]
) -> dict[bytes, bytes]:
    """The extended attributes of one path, with other names in its ACLs."""
    result = dict(spoken)
    for name in ACL_NAMES:
        head, *words = spoken.get(name, b"").split(b"\n")
        renamed = []
        for word in words:
            tag, permissions, who = word.split(b":", 2)
            names = users if int(tag) == _USER else groups if int(tag) == _GROUP else {}
            renamed.append(b":".join((tag, permissions, names.get(who, who))))
        if renamed:
            result[name] = b"\n".join((head, *renamed))
    return result


def numbers_in_acl(xattrs: Xattrs) -> tuple[set[int], set[int]]:
    """The numbers of users and of groups that the ACLs among a path's extended attributes name."""
    entries = [entry for name, value in xattrs if name in ACL_NAMES for entry in _parse(value) or ()]
    users, groups = ({number for tag, _, number in entries if tag == kind} for kind in (_USER, _GROUP))
    return users, groups


@dataclass(frozen=True)
class AccountsMerge:
    """The merged account tables.

    ``users`` and ``groups`` hold every name of the result, and every name in use that the result has no account of.
    """

    files: Mapping[str, bytes | None]  #: the six files by name; None where the result has no such file
    users: Mapping[bytes, int]
    groups: Mapping[bytes, int]
    conflicts: list[Conflict] = field(default_factory=list)  #: what nobody has decided yet
    notes: list[Note] = field(default_factory=list)
    renumbered: list[Renumbered] = field(default_factory=list)
    #: A number without a name on the clone -> the number to write instead, where a person decided so.
    bare_users: Mapping[int, int] = field(default_factory=dict)
    bare_groups: Mapping[int, int] = field(default_factory=dict)


def unchanged_tables(tables: tuple[AccountTables, AccountTables, AccountTables], used: InUse) -> AccountsMerge | None:
    """What :func:`goldroot.accounts.merge_account_tables` makes of six files that are the same on all sides: these, with
    the numbers that they give.

    :returns: ``None`` where a file differs, or a number that the tables give a name is carried as a bare one, which is asked about.
    """
    base, gold, clone = ({file: side.files.get(file) for file in ACCOUNT_FILES} for side in tables)
    if base != gold or base != clone:
        return None
    users, groups = tables[0].users, tables[0].groups
    if _meet(used.bare_uids, users.values()) or _meet(used.bare_gids, groups.values()):
        return None
    return AccountsMerge(base, users, groups)


def _meet(bare: Set[int], named: Collection[int]) -> bool:
    return any(number in bare for number in named)
