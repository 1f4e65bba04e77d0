"""What a directory manager checks before it takes an entry, and how it searches."""

from __future__ import annotations

from fnmatch import fnmatchcase

from goldroot.zvm.simulator.answer import SmapiError
from goldroot.zvm.simulator.directory import Entry
from goldroot.zvm.simulator.statements import Statement, significant, vdev

#: 596 and a message number of the directory manager: it does not take this entry.  The numbers of the real one are
#: not documented with the calls; a client can only show them.
NOT_ONE_ENTRY = 3212
WRONG_NAME = 3213
ADDRESS_TWICE = 3214
BAD_STATEMENT = 3215


def checked(entry: Entry | None, name: str, kinds: tuple[str, ...]) -> Entry:
    """One entry, of this name, of one of these kinds, that a directory program would take.

    :raises SmapiError: 596 with a number for what is wrong with it.
    """
    if entry is None or entry.kind not in kinds:
        raise SmapiError(596, NOT_ONE_ENTRY)
    if entry.name != name:
        raise SmapiError(596, WRONG_NAME)
    addresses = [address for statement in entry.statements for address in device_addresses(statement)]
    if len(addresses) != len(set(addresses)):
        raise SmapiError(596, ADDRESS_TWICE)
    if any(one.keyword in ("LINK", "MDISK") and len(one.operands) < 2 for one in entry.statements):
        raise SmapiError(596, BAD_STATEMENT)
    return entry


def device_addresses(statement: Statement) -> list[str]:
    """The virtual address that a device statement defines."""
    if statement.keyword == "LINK":
        third = statement.operand(2)
        return [vdev(third if (third and not third.isalpha()) or is_hex(third) else statement.operand(1))]
    if statement.keyword in ("MDISK", "CONSOLE", "SPOOL", "SPECIAL", "DEDICATE"):
        return [vdev(statement.operand(0))]
    return []


def is_hex(word: str) -> bool:
    return bool(word) and all(letter in "0123456789ABCDEF" for letter in word)


def address_taken(entry: Entry, address: str) -> bool:
    """Whether a statement of the entry defines this device; a network adapter may have several statements."""
    adapters = {vdev(statement.operand(0)) for statement in entry.find("NICDEF")}
    return address in adapters or any(address in device_addresses(statement) for statement in entry.statements)


def matches(record: str, pattern: str) -> bool:
    """Whether the words of a record begin with those of a pattern."""
    words, wanted = significant(record).upper().split(), pattern.upper().split()
    if len(words) < len(wanted):
        return False
    safe = [word.replace("[", "[[]").replace("?", "[?]") for word in wanted]
    return all(fnmatchcase(word, one) for word, one in zip(words, safe, strict=False))
