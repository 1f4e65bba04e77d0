"""Disks: what entries name against what is there, whose each one is, and the catalog's register of them."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.counted import counted
from goldroot.fleet.doctor.findings import Finding
from goldroot.fleet.doctor.seen import HostSeen, Seen
from goldroot.hosts import Entry, is_live, set_of


def compare_disks(seen: Seen) -> Iterator[Finding]:
    """What is wrong with the disks of each host."""
    for host in seen.hosts.values():
        if host.trouble is None:
            yield from _named(seen, host)
            yield from _unnamed(seen, host)
            yield from _register(seen, host)
            if host.leftovers:
                shown = ", ".join(host.leftovers[:5]) + (" ..." if len(host.leftovers) > 5 else "")
                yield Finding(
                    "leftover",
                    host.name,
                    f"work on host {host.name} was cut off: {shown}",
                    host.name,
                    repair="remove it",
                )


def _named(seen: Seen, host: HostSeen) -> Iterator[Finding]:
    for entry in host.entries.values():
        if seen.is_busy(entry.name, host.mark(entry.name)):
            continue
        for address, disk in sorted(entry.disks.items()):
            there = host.disks[disk.id]
            if there.why:
                yield Finding("disk-foreign", disk.id, f"disk {disk.id} of {entry.name}: {there.why}", host.name,
                              command="put its label right, or put it back from a backup (goldroot restore)")  # fmt: skip
            elif not there.whole:
                what = f"disk {disk.id}, at {address} of {entry.name}, is not there"
                yield Finding("disk-missing", disk.id, what, host.name, command=_put_back(seen, host, entry, address))
            elif there.damage:
                what = f"disk {disk.id}, at {address} of {entry.name}: {there.damage}"
                yield Finding("disk-damaged", disk.id, what, host.name, command=_put_back(seen, host, entry, address))
            elif there.owner != entry.name:
                yield Finding(
                    "disk-foreign", disk.id, f"{entry.name} names disk {disk.id} at {address}, whose label says "
                    f"{there.owner or 'nobody'}", host.name,
                )  # fmt: skip


def _put_back(seen: Seen, host: HostSeen, entry: Entry, address: str) -> str:
    """What a person can do about a disk that is lost, or a part of it."""
    known = seen.known.names.get((host.name, entry.name))
    clone = known.clone if known is not None else ""
    if not clone:
        return "put the disk back"
    if not is_live(address):
        return f"put the disk back, or remove what is left of that set: goldroot fallback prune {clone} --force"
    if any(mark.state == "kept" for digit, mark in entry.marks.items() if digit != set_of(address)):
        return f"put the disk back, or go back to what is kept: goldroot rollback {clone}"
    return f"put the disk back, or remove the server: goldroot clone delete {clone} --force"


def _unnamed(seen: Seen, host: HostSeen) -> Iterator[Finding]:
    going = {row.id for row in seen.known.disks if row.host == host.name and row.state != "made"}
    begun = {left.removeprefix("disk ") for left in host.leftovers}
    for disk in host.disks.values():
        if disk.id in host.named or disk.begun or disk.id in begun | going or not (disk.whole or not disk.owner):
            continue
        # Which disks a damaged entry names is not known.
        if disk.owner in host.damaged or "?" in host.damaged or seen.is_busy(disk.owner, host.mark(disk.owner)):
            continue
        if any(one.machine == disk.owner and disk.owner not in host.entries for one in seen.known.clones.values()):
            continue  # told with its entry, which is missing
        whose = f"a disk of {disk.owner}" if disk.owner else "a disk without a label"
        yield Finding(
            "disk-unnamed", disk.id, f"{disk.id} is {whose}, and no entry names it", host.name,
            repair="remove it", removes=disk.id, command=f"goldroot doctor --repair --remove {disk.id}",
        )  # fmt: skip


def _register(seen: Seen, host: HostSeen) -> Iterator[Finding]:
    """One finding for an entry: a row without a disk, or a disk without a row."""
    rows: dict[str, dict[str, str]] = {}
    for row in seen.known.disks:
        if row.host == host.name:
            rows.setdefault(row.owner, {})[row.id] = row.state
    for owner in sorted({*rows, *host.entries}):
        entry = host.entries.get(owner)
        if owner in host.damaged or seen.is_busy(owner, host.mark(owner)):
            continue
        if entry is not None and (host.name, owner) not in seen.known.names:
            continue  # the entry itself is told
        known = rows.get(owner, {})
        named = set() if entry is None else {disk.id for disk in entry.disks.values()}
        wrong = {id for id in known.keys() - named if not _stays(host, id)} | (named - known.keys())
        wrong |= {id for id, state in known.items() if state != "made"}
        if wrong:
            what = counted(len(wrong), "disk")
            yield Finding(
                "register-behind", owner, f"the register says something else of {what} of {owner} than the host", host.name,
                repair="finish what was begun with them, and note what is there",
            )  # fmt: skip


def _stays(host: HostSeen, id: str) -> bool:
    """Whether there is a disk that no entry names: it is told by itself."""
    disk = host.disks.get(id)
    return disk is not None and (disk.whole or bool(disk.why))
