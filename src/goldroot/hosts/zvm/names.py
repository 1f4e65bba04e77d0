"""Names and addresses of goldroot, and those of z/VM.

An entry's name is a user ID where that can be one; where it is too long, or the user ID has ``@``, ``#`` or ``$``, the
site's table says which.  An address is a device number of the same digits (``1B5`` is 01B5); that of a gold slot has a
digit more before it (11B5), which may differ from owner to owner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from goldroot.errors import BadInput
from goldroot.hosts.port import Role
from goldroot.hosts.sets import SETS, check_entry_name
from goldroot.zvm.directory import address_of

_USER = re.compile(r"[A-Z0-9@#$_-]{1,8}")
_NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}")
_ADDRESS = re.compile(rf"[{SETS}][0-9A-F]{{2}}")
_PREFIX = re.compile(r"[1-9A-F]")

#: The digit before the address of a gold slot's disk.
PREFIX = "1"


class Names:
    """Which user ID an entry has, and how the disks of gold slots are numbered.

    :param users: entry's name -> user ID, for those that differ.
    :param prefixes: entry's name of a slot -> the digit before its addresses, where it is not ``1``.
    :raises BadInput: a user ID cannot be one, or two entries would have it.
    """

    def __init__(self, users: Mapping[str, str] | None = None, prefixes: Mapping[str, str] | None = None) -> None:
        self._users = {check_entry_name(name): _check_user(user) for name, user in (users or {}).items()}
        self._names = {user: name for name, user in self._users.items()}
        if len(self._names) < len(self._users):
            twice = sorted(user for user in self._names if list(self._users.values()).count(user) > 1)
            raise BadInput(f"two entries would have the user ID {', '.join(twice)}")
        self._prefixes = {check_entry_name(name): _check_prefix(digit) for name, digit in (prefixes or {}).items()}

    def user(self, name: str) -> str:
        """The user ID of an entry.

        :raises BadInput: the name cannot be an entry's, or is not a user ID and stands not in the table.
        """
        if (found := self._users.get(check_entry_name(name))) is not None:
            return found
        if not _USER.fullmatch(name) or name in self._names:
            raise BadInput(
                f"{name!r} cannot be a user ID of z/VM, which has at most 8 characters",
                todo=f'Name one in the host\'s table in goldroot.toml: names = {{ {name} = "..." }}.',
            )
        return name

    def entry(self, user: str) -> str | None:
        """The entry's name of a user ID; ``None``: it has none, so that no entry of goldroot's can be it."""
        user = user.upper()
        if (found := self._names.get(user)) is not None:
            return found
        return user if _NAME.fullmatch(user) and user not in self._users else None

    def shown(self, user: str) -> str:
        """A name for people: the entry's, or else the user ID."""
        return self.entry(user) or user.upper()

    def device(self, name: str, role: Role, address: str) -> str:
        """The device number (four digits) of a disk or link at an address of an entry."""
        return (self._prefix(name) if role == "owner" else "0") + address

    def address(self, name: str, role: Role, device: str) -> str:
        """The address of a device number; one that cannot be an address comes back without leading zeros."""
        digits = address_of(device)
        want = self._prefix(name) if role == "owner" else "0"
        if digits[:1] == want and _ADDRESS.fullmatch(digits[1:]):
            return digits[1:]
        # An owner's 01B5 must not be taken for its address 1B5, which is 11B5.
        return digits.lstrip("0") or "0" if role == "machine" else digits

    def _prefix(self, name: str) -> str:
        return self._prefixes.get(name, PREFIX)


def is_address(word: str) -> bool:
    """Whether a device, as :meth:`Names.address` says it, is an address of goldroot's."""
    return _ADDRESS.fullmatch(word) is not None


def _check_user(user: str) -> str:
    if not _USER.fullmatch(user):
        raise BadInput(f"{user!r} is not a user ID of z/VM", todo="Use 1 to 8 capitals, digits, @ # $ _ and -.")
    return user


def _check_prefix(digit: str) -> str:
    if not _PREFIX.fullmatch(digit):
        raise BadInput(f"{digit!r} is not the first digit of a device number", todo="Use one of 1 to 9 and A to F.")
    return digit
