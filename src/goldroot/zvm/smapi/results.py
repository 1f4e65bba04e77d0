"""What the calls return.  What may hold a password is left out of the repr.

The members of a class that the table names stand in the order of the wire."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A statement that matched: the entry it stands in, and its text."""

    target_id: str
    statement: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """An entry of the whole directory.

    :param directory_entry_type: 0 USER, 1 PROFILE, 3 an IDENTITY with a POOL, 4 the head, 5 GLOBALDEFS, 6 IDENTITY,
        7 SUBCONFIG, 8 other.
    :param directory_entry_data: its records, or its keywords, passwords included.
    """

    directory_entry_type: int
    directory_entry_id: str
    directory_entry_data: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failing:
    """A machine of a list for which the call failed."""

    image_name: str
    return_code: int
    reason_code: int


@dataclass(frozen=True, slots=True)
class Dasd:
    """A disk of a running machine.

    :param access_type: 1 read-write, 2 read-only...; as z/VM gives it.
    :param size: in ``cyl_or_blks``: 1 cylinders, 2 blocks.
    """

    vdasd_id: str
    rdev: str
    access_type: int
    devtype: str
    size: int
    cyl_or_blks: int
    volid: str


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Of how many machines it was asked, and for which it failed; None where z/VM answered with codes alone."""

    done: int | None
    failed: int | None
    failing: tuple[Failing, ...] = ()


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Whether an entry is locked, by whom, and which of its disks are: (address, by)."""

    locked: bool
    type: str = ""
    by: str = ""
    devices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MdiskLink:
    """A running machine that is linked to a minidisk.

    :param mode: ``READ`` or ``WRITE``.
    """

    system: str
    userid: str
    vdev: str
    mode: str


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """A line about space on a volume: used by a minidisk, or free.

    :param start: first cylinder or block; ``size``: how many.
    :param owner: who has it, "" when free; ``vdev``: at which address.
    :param group: to which the space belongs; "" where the answer does not say it.
    :param region: the same of the region.
    :param text: the whole line, which is all that is known of a definition.
    """

    volid: str
    devtype: str
    start: int
    size: int
    owner: str
    vdev: str
    text: str
    group: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a wait for an asynchronous operation stands.  ``elapsed`` in seconds."""

    operation_id: int
    api: str
    elapsed: float
    polls: int
    state: str


def lock_info(locked: str, devices: bytes, reason: int) -> LockInfo:
    """From the answer of ``Image_Lock_Query_DM`` or ``Profile_Lock_Query_DM``: reason 12 locked, 24 unlocked."""
    kind, _, by = locked.partition(" ")
    return LockInfo(reason == 12, kind, by.strip(), tuple(_device(item) for item in _lock_records(devices)))


def _lock_records(devices: bytes) -> list[str]:
    """Records that end with NUL, or (as another client reads them) records of 4 + 8 characters."""
    if b"\0" in devices:
        return [item.decode("latin-1") for item in devices.split(b"\0") if item]
    return [devices[start : start + 12].decode("latin-1") for start in range(0, len(devices), 12)]


def _device(record: str) -> tuple[str, str]:
    words = record.split(maxsplit=1)
    if len(words) == 2:
        return words[0], words[1].strip()
    return record[:4].strip(), record[4:].strip()


def mdisk_link(line: str) -> MdiskLink:
    """From a line such as ``VM1      DTCVSW2 0592 READ``."""
    system, userid, vdev, mode = [*line.split(), "", "", "", ""][:4]
    return MdiskLink(system, userid, vdev, mode)


#: ``query_type`` of a space query, and the ``entry_type`` for groups.
DEFINITION, FREE, USED = 1, 2, 3
BY_GROUP = 3


def space_record(line: str, query: int = USED, entry: int = 2) -> SpaceRecord:
    """From a line of a space query.

    Used: ``LX3000 3390 29129 1000 GT@PONG 0777 * * LX3000`` (captured, by region): extent, owner, address, system
    affinity, group, region.  Free: extent, then group and region by group, else the region (as Feilong reads them).
    """
    words = ["" if word == "*" else word for word in line.split()]
    words += [""] * (9 - len(words))
    if query == DEFINITION:
        return SpaceRecord(words[0], "", 0, 0, "", "", line)
    start, size = (int(word) if word.isdigit() else 0 for word in words[2:4])
    if query == FREE:
        group, region = (words[4], words[5]) if entry == BY_GROUP else ("", words[4])
        return SpaceRecord(words[0], words[1], start, size, "", "", line, group, region)
    return SpaceRecord(words[0], words[1], start, size, words[4], words[5], line, words[7], words[8])
