"""Clones: what the catalog has of each against the entry that its host has.  Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator

from goldroot.catalog import Clone, Update
from goldroot.errors import Refused
from goldroot.fleet.doctor.findings import Finding
from goldroot.fleet.doctor.seen import HostSeen, Seen, kind_of
from goldroot.fleet.update.entry_says import Rows, follow
from goldroot.hosts import PREPARED, Entry, Mark
from goldroot.site import Site

#: States of an update that no person is waited for in, and that a command leaves behind only where it was killed.
UNDER_WAY = ("planned", "preparing", "switching", "stopping", "switched", "starting", "returning")


def compare_clones(seen: Seen) -> Iterator[Finding]:
    """What is wrong with the clones that the catalog has, and with servers that it has not."""
    for clone in seen.known.clones.values():
        host = seen.hosts.get(clone.host)
        if host is None:
            yield Finding(
                "host-unknown", clone.name, f"{clone.name} is on host {clone.host}, which goldroot.toml does not name",
                clone.host, command="name that host in goldroot.toml again",
            )  # fmt: skip
        elif host.trouble is None and f"clone-{clone.name}" not in seen.busy:
            yield from _of_clone(seen, host, clone)
    for host in seen.hosts.values():
        yield from _unknown(seen, host)


def _of_clone(seen: Seen, host: HostSeen, clone: Clone) -> Iterator[Finding]:
    entry = host.entries.get(clone.machine)
    if clone.machine in host.damaged:
        yield _damaged(host, clone)
    elif entry is None:
        yield from _without_entry(host, clone)
    elif (mark := host.mark(entry.name)) is not None and is_another(seen.site, clone, entry, mark):
        yield Finding(
            "clone-other", clone.name, f"{entry.name} is another {clone.name}, of {mark.image} {mark.version}, and the catalog has "
            f"one of {clone.image} {clone.version}, {clone.kind}", host.name,
            repair="forget the one, and adopt the other",
        )  # fmt: skip
    else:
        yield from _behind(seen, host, clone, entry)


def is_another(site: Site, clone: Clone, entry: Entry, mark: Mark) -> bool:
    """Whether an entry is of another server than the one of its name that the catalog has: of another name, image or kind.

    One that was made again as it was cannot be told from one that went on: both are brought up to the entry.
    """
    if (mark.server, mark.image) != (clone.name, clone.image):
        return True
    kind = kind_of(site, entry, mark) if mark.state == "live" and entry.startable else None
    return kind is not None and kind != clone.kind


def _damaged(host: HostSeen, clone: Clone) -> Finding:
    return Finding(
        "entry-damaged", clone.name, host.damaged[clone.machine], host.name,
        command=f"put the file back from a backup (goldroot restore), or goldroot clone delete {clone.name} --force",
    )  # fmt: skip


def _without_entry(host: HostSeen, clone: Clone) -> Iterator[Finding]:
    if clone.state == "active" and (left := host.owned.get(clone.machine)):
        yield Finding(
            "entry-missing", clone.name,
            f"the entry {clone.machine} is missing, and there are disks of it: {_listed([one.id for one in left])}", host.name,
            command=f"put it back from a backup (goldroot restore), or goldroot clone delete {clone.name} --force",
        )  # fmt: skip
    elif clone.state == "creating":
        yield _making_cut_off(host, clone)
    else:
        yield Finding(
            "clone-gone", clone.name, f"{clone.name} is in the catalog, and nothing of it is on its host", host.name,
            repair="forget it",
        )  # fmt: skip


def _behind(seen: Seen, host: HostSeen, clone: Clone, entry: Entry) -> Iterator[Finding]:
    rows = Rows(
        clone,
        {one.work: one for one in seen.known.updates.get(clone.name, ())},
        {one.work: one for one in seen.known.fallbacks.get(clone.name, ())},
    )
    try:
        after = follow(rows, entry)
    except Refused as error:
        yield Finding("host-older", clone.name, error.brief, host.name, command=error.todo)
        return
    if after != rows:
        yield Finding(
            "clone-behind", clone.name, f"the catalog has {clone.name} {_stands(rows)}, and its entry says {_stands(after)}",
            host.name, repair="bring the catalog up to the entry",
        )  # fmt: skip
    yield from _cut_off(seen, host, after, entry)


def _stands(rows: Rows) -> str:
    going = next((f", {one.kind} {one.stands}" for one in rows.updates.values() if not one.ended), "")
    kept = sum(one.state in ("kept", "set-aside") for one in rows.fallbacks.values())
    return f"on gold {rows.clone.version} ({rows.clone.state}{going}, {kept} kept)"


def _cut_off(seen: Seen, host: HostSeen, rows: Rows, entry: Entry) -> Iterator[Finding]:
    clone = rows.clone
    if clone.state == "creating":
        yield _making_cut_off(host, clone)
    elif clone.state == "deleting":
        yield Finding(
            "cut-off", clone.name, f"the removal of {clone.name} was begun, and is not done", host.name,
            repair="finish it", command=f"goldroot clone delete {clone.name}",
        )  # fmt: skip
    for one in rows.updates.values():
        # One that stopped with an error waits for a person; goldroot status names it.
        stopped = bool(one.error) and clone.last != one.work
        if not one.ended and one.stands in UNDER_WAY and not seen.known.asked.get(one.id) and not stopped:
            yield _update_cut_off(host, clone, one)
    # What is set aside, after a return or a rollback, is kept for a person; what was prepared has to go.
    five = entry.marks.get(PREPARED)
    left = {one.work for one in rows.updates.values() if one.state in ("cancelled", "failed") and one.disks}
    if five is not None and five.state == "preparing" and five.by in left:
        yield Finding(
            "cut-off", clone.name, f"disks of a work of {clone.name} that was given up are still there", host.name,
            repair="finish it", command=f"goldroot update cancel {clone.name}",
        )  # fmt: skip
    for kept in rows.fallbacks.values():
        if kept.state == "pruned" and not kept.gone:
            yield Finding(
                "cut-off", clone.name, f"the pruning of what was kept of {clone.name}, gold {kept.from_version}, was begun, "
                "and is not done", host.name, repair="finish it", command=f"goldroot fallback prune {clone.name}",
            )  # fmt: skip


def _making_cut_off(host: HostSeen, clone: Clone) -> Finding:
    return Finding(
        "cut-off", clone.name, f"the making of {clone.name} was begun, and is not done", host.name,
        repair="give it up", command=f"goldroot clone create {clone.name} --image {clone.image}",
    )  # fmt: skip


def _update_cut_off(host: HostSeen, clone: Clone, one: Update) -> Finding:
    command = f"goldroot {'update run' if one.kind == 'update' else 'rollback'} {clone.name}"
    has_switched = clone.last == one.work
    return Finding(
        "cut-off", clone.name, f"the {one.kind} of {clone.name} to gold {one.to_version} is {one.stands}, and nobody works on it",
        host.name, repair="finish it" if has_switched else "give it up: the server stays as it is", command=command,
    )  # fmt: skip


def _unknown(seen: Seen, host: HostSeen) -> Iterator[Finding]:
    """Entries that are nobody's by the catalog; those of images are told with these."""
    for name, entry in host.entries.items():
        mark = host.mark(name)
        if (host.name, name) in seen.known.names or seen.is_busy(name, mark) or entry.role == "owner":
            continue
        if mark is None:
            yield Finding("machine-unknown", name, f"nobody knows the machine {name} of host {host.name}", host.name)
        elif mark.server and mark.server in seen.known.clones:
            other = seen.known.clones[mark.server]
            yield Finding(
                "machine-unknown", name, f"{name} says that it is {mark.server}, whose machine is {other.machine} of host "
                f"{other.host}", host.name,
            )  # fmt: skip
        elif mark.server:
            yield Finding(
                "clone-unknown", mark.server, f"the host has a server {mark.server} of {mark.image} {mark.version}, and the "
                "catalog does not know it", host.name,
                repair="adopt it",
            )  # fmt: skip
    for name, why in host.damaged.items():
        of = seen.known.names.get((host.name, name))
        if of is None or not of.clone:
            yield Finding(
                "entry-damaged", name, why, host.name, command="put the file back from a backup (goldroot restore)"
            )


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more
