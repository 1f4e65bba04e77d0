"""What a plan consists of: SMAPI calls, CP and Linux commands, and changes of directory entries, with the same by hand.

A plan is text for a system programmer; nothing here speaks to z/VM.  A SMAPI call is made by the client's own methods,
on a client that writes down instead of sending, so that a parameter cannot differ from what is sent.  **By hand** is
for sites that allow no SMAPI: the same as DIRMAINT and CP commands; the forms of DIRMAINT's are those of IBM, Directory
Maintenance Facility Commands Reference (SC24-6281): GET, REPLACE, ADD, AMDISK, DMDISK, PURGE.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from goldroot.errors import Refused
from goldroot.hosts.zvm.members import at
from goldroot.hosts.zvm.pool import ECKD, FBA, Pool
from goldroot.zvm import directory as source
from goldroot.zvm.directory import redact
from goldroot.zvm.directory.secret import MASK
from goldroot.zvm.smapi import MinidiskForm, MinidiskRoom, Reply
from goldroot.zvm.smapi.calls import Calls

Where = Literal["SMAPI", "DIRMAINT", "CP", "Linux", "edit"]

#: Volume of a minidisk that is planned: the directory manager will choose one, and a first cylinder.
PLANNED = "@NEW"


class Line(NamedTuple):
    """One call or command: where it is given, and its text."""

    where: Where
    text: str


@dataclass(frozen=True)
class Step:
    """A part of a plan.

    :param what: what it is for, in one sentence.
    :param calls: what goldroot sends, in this order.
    :param by_hand: the same without SMAPI.
    :param entry: user ID of the directory entry that changes; "" for none.
    :param diff: of that entry, records removed (``-``) and added (``+``), passwords masked.
    :param back: how it is undone.
    """

    what: str
    calls: tuple[Line, ...] = ()
    by_hand: tuple[Line, ...] = ()
    entry: str = ""
    diff: tuple[str, ...] = ()
    back: str = ""

    def as_dict(self) -> dict[str, object]:
        """As JSON data."""
        return {
            "what": self.what,
            "calls": [line._asdict() for line in self.calls],
            "by_hand": [line._asdict() for line in self.by_hand],
            "entry": self.entry,
            "diff": list(self.diff),
            "back": self.back,
        }


@dataclass(frozen=True)
class Plan:
    """What would be done.

    :param kind: update, rollback, prune, create or publish.
    :param user: user ID that it is about.
    :param after: address -> what has to stand there afterwards (:func:`goldroot.hosts.zvm.plan_check.said`).
    """

    kind: str
    user: str
    steps: tuple[Step, ...]
    after: dict[str, str] = field(default_factory=dict)


class Told(Calls):
    """A client that writes down what would be sent."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def call(self, api: str, target: str = "", *, wait: bool = True, **params: object) -> Reply:
        given = "".join(f" {name}={_word(value)}" for name, value in params.items() if value not in ("", None, ()))
        self.lines.append(Line("SMAPI", f"{api} {target}{given}".strip()))
        return Reply(api, 0, 0, 0, {})


def entry_changed(user: str, before: source.Entry, after: source.Entry, what: str) -> Step:
    """One replacement of an entry, under its lock."""
    told = Told()
    told.image_lock_dm(user)
    told.image_query_dm(user)
    told.image_replace_dm(user, after.lines())
    told.image_query_dm(user)
    changes = difference(before, after)
    kept = f" ({MASK} is a password, which stays as it is)" if any(MASK in line for line in changes) else ""
    return Step(
        what,
        tuple(told.lines),
        (
            Line("DIRMAINT", f"FOR {user} GET"),
            Line("edit", f"{user} DIRECT: remove the records with -, add those with +{kept}"),
            Line("DIRMAINT", f"FOR {user} REPLACE"),
        ),
        user,
        changes,
        f"The reverse difference, by the same way; before the REPLACE: FOR {user} UNLOCK.",
    )


def entry_made(user: str, made: source.Entry) -> Step:
    told = Told()
    told.image_create_dm(user, made.lines())
    told.image_query_dm(user)
    return Step(
        f"{user} is made: nobody can log it on yet.",
        tuple(told.lines),
        (Line("edit", f"{user} DIRECT: the records with +"), Line("DIRMAINT", f"ADD {user}")),
        user,
        tuple("+ " + line.rstrip() for line in redact.entry_lines(made)),
        f"FOR {user} PURGE",
    )


def entry_deleted(user: str, gone: source.Entry) -> Step:
    told = Told()
    told.image_delete_dm(user)
    return Step(
        f"The entry {user} goes.",
        tuple(told.lines),
        (Line("DIRMAINT", f"FOR {user} PURGE"),),
        user,
        tuple("- " + line.rstrip() for line in redact.entry_lines(gone)),
        f"ADD {user}, of a copy of its entry.",
    )


#: What makes a minidisk of a type one of Linux, before a file system is made.
_FORMATS = {
    ECKD: ("dasdfmt -b 4096 -d cdl -l LABEL -y", "fdasd -a -l LABEL"),
    FBA: ("a label (LNX1) in the second block of", "blockdev --rereadpt"),
}


def disk_made(user: str, device: str, size: int, pool: Pool, mode: str, address: str) -> Step:
    """A minidisk, of so many cylinders or blocks, with an empty file system.

    :param address: of the management guest.
    """
    told = Told()
    geometry = pool.geometry
    room, form = MinidiskRoom(pool.group, mode=mode), MinidiskForm(geometry.device, geometry.unit, formatting=1)
    told.image_disk_create_dm(user, device, size=size, room=room, form=form)
    told.image_query_dm(user)
    path = f"/dev/disk/by-path/ccw-0.0.{address.lower()}"
    made = disks_used(
        "",
        [Disk(user, device, "W")],
        [address],
        [*(Line("Linux", f"{words} {path}") for words in _FORMATS[geometry]), Line("Linux", f"mkfs.ext4 {path}-part1")],
    )
    return Step(
        f"{user} gets a minidisk at {device}, of {size} {geometry.word}, with an empty file system.",
        (*told.lines, *made.calls),
        (
            Line("DIRMAINT", f"FOR {user} AMDISK {device} {geometry.device} AUTOG {size} {pool.group} {mode}"),
            *made.by_hand,
        ),
        user,
        (f"+ MDISK {device} {geometry.device} AUTOG {size} {pool.group} {mode}",),
        f"FOR {user} DMDISK {device} CLEAN",
    )


def disk_deleted(user: str, device: str, shown: Iterable[str]) -> Step:
    told = Told()
    told.image_disk_delete_dm(user, device, erase=True)
    told.image_query_dm(user)
    return Step(
        f"The minidisk {device} of {user} goes, and what is on it is erased.",
        tuple(told.lines),
        (Line("DIRMAINT", f"FOR {user} DMDISK {device} CLEAN"),),
        user,
        tuple(f"- {line}" for line in shown),
        "None: what was on it is gone.",
    )


def at_member(command: str, member: str) -> Line:
    """A CP command, given at a member of the cluster ("": where the others are)."""
    return Line("CP", f"AT {member} CMD {command}" if member else command)


def guest_off(user: str, patience: int, member: str = "") -> Step:
    told = Told()
    told.image_status_query(user)
    told.image_deactivate(user, f"WITHIN {patience}")
    told.image_status_query(user)
    return Step(
        f"{user} is asked to shut down{at(member)}, and logged off after {patience} seconds at the latest.",
        tuple(told.lines),
        (at_member(f"SIGNAL SHUTDOWN {user} WITHIN {patience}", member), at_member(f"QUERY {user}", member)),
        back=f"{at_member(f'XAUTOLOG {user}', member).text}: its entry is as it was.",
    )


def guest_on(user: str, member: str = "") -> Step:
    told = Told()
    told.image_activate(user)
    told.image_status_query(user)
    told.call("Image_Query_Activate_Time", user)
    return Step(
        f"{user} is logged on{at(member)}: its devices come from the directory entry as it is now.",
        tuple(told.lines),
        (at_member(f"XAUTOLOG {user}", member), at_member(f"QUERY {user}", member)),
        back=at_member(f"SIGNAL SHUTDOWN {user}", member).text,
    )


class Disk(NamedTuple):
    """A minidisk that the management guest links: whose, at which device number, and in which mode."""

    owner: str
    device: str
    mode: str


class Copied(NamedTuple):
    """A minidisk of a running guest, read as FLASHCOPY puts it on a temporary disk: whose, at which device number, what
    DEFINE calls its type and its unit, and how many."""

    owner: str
    device: str
    type: str
    unit: str
    size: int


def disks_used(
    what: str,
    used: Sequence[Disk],
    addresses: Sequence[str],
    inside: Iterable[Line] = (),
    copies: Sequence[Copied] = (),
) -> Step:
    """Disks are linked to the management guest, worked on, and given back in the reverse order.

    :param addresses: of the management guest.
    :param copies: made before, and there as long.
    :raises Refused: there are fewer addresses than disks.
    """
    # The first address is that of each original in turn, and free again when all copies are made.
    free = _enough(addresses, len(copies) + max(len(used), 1 if copies else 0))
    copied, linked = free[1 : len(copies) + 1], [*free[:1], *free[len(copies) + 1 :]]
    lines: list[Line] = []
    for copy, address in zip(copies, copied, strict=True):
        lines += _copied(copy, free[0], address)
    for disk, address in zip(used, linked[: len(used)], strict=True):
        lines += [
            Line("CP", f"LINK {disk.owner} {disk.device} {address} {disk.mode}"),
            Line("CP", f"QUERY VIRTUAL {address}"),
            Line("Linux", f"chccwdev -e 0.0.{address.lower()}"),
        ]
    lines += inside
    for address in reversed([*copied, *linked[: len(used)]]):
        lines += [Line("Linux", f"chccwdev -d 0.0.{address.lower()}"), Line("CP", f"DETACH {address}")]
    return Step(what, tuple(lines), tuple(lines), back="DETACH each address; nothing of the servers is changed.")


def _copied(copy: Copied, origin: str, address: str) -> list[Line]:
    return [
        Line("CP", f"LINK {copy.owner} {copy.device} {origin} RR"),
        Line("CP", f"DEFINE {copy.type} AS {address} {copy.unit} {copy.size}"),
        Line("CP", f"FLASHCOPY {origin} 0 END TO {address} 0 END SYNCHRONOUS"),
        Line("CP", f"DETACH {origin}"),
        Line("Linux", f"chccwdev -e 0.0.{address.lower()}"),
    ]


def _enough(addresses: Sequence[str], count: int) -> Sequence[str]:
    """The first addresses.  :raises Refused: there are not so many."""
    if count > len(addresses):
        raise Refused(
            f"{count} disks are linked at once, and goldroot may link at {len(addresses)} addresses alone",
            meaning="The plan would leave some of them out.",
            todo="Name a larger range: link_addresses in the host's table.",
        )
    return addresses[:count]


def disks_held(user: str, devices: Sequence[str], addresses: Sequence[str], inside: Step) -> Step:
    """A change while nobody else gets a server's own disks.

    :raises Refused: there are fewer addresses than disks.
    """
    pairs = list(zip(devices, _enough(addresses, len(devices)), strict=True))
    links = [Line("CP", f"LINK {user} {device} {address} EW") for device, address in pairs]
    gone = [Line("CP", f"DETACH {address}") for _, address in reversed(pairs)]
    return Step(
        inside.what,
        (*links, *inside.calls, *gone),
        (*links, *inside.by_hand, *gone),
        inside.entry,
        inside.diff,
        inside.back,
    )


def difference(before: source.Entry, after: source.Entry) -> tuple[str, ...]:
    """The records that go and come, passwords masked, in the order of the entry; what stays is left out."""
    old, new = _shown(before), _shown(after)
    lines = difflib.unified_diff(old, new, lineterm="", n=0)
    return tuple(f"{line[0]} {line[1:]}" for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def _shown(entry: source.Entry) -> list[str]:
    """Without how records are padded; a planned minidisk as the directory manager is asked for it."""
    lines = (" ".join(line.split()) for line in redact.entry_lines(entry))
    return [_planned(line) for line in lines]


def _planned(line: str) -> str:
    words = line.split()
    if len(words) > 5 and words[0] == "MDISK" and words[5] == PLANNED:
        return " ".join([*words[:3], "(where it was made)", words[4], *words[6:]])
    return line


def _word(value: object) -> str:
    """A parameter as ``goldroot zvm call`` takes it; records are shown by the difference."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({len(value)} records)"
    return f"'{value}'" if " " in str(value) else str(value)
