"""The trial of a merged system: started in isolation before the switch, and compared with what its server is now."""

from __future__ import annotations

from dataclasses import replace

from goldroot.catalog import events
from goldroot.errors import GoldrootError, HostError
from goldroot.fleet.guest import Guest, LastBoot, last_boot, what_it_said
from goldroot.fleet.inputs import Stage
from goldroot.fleet.update.open_update import OpenUpdate
from goldroot.hosts import PREPARED, Around, NetLink
from goldroot.system import WAITS, LeftOut, Tried, left_out, look_inside, until_tried


def try_out(task: OpenUpdate, stage: Stage) -> Tried:
    """Start the prepared system, where the site wants that and the host can, and compare.

    Nothing of it reaches the server's disks or a network.  What is only different is told.
    """
    running = task.site.config.image(task.clone.image).running
    if running.trial != "boot" or not task.host.abilities.trials:
        return Tried((), (), ())
    stage(f"{task.name}: the new system is tried")
    before = _now(task)
    links, lacks = _around(task, before)
    around = Around(links, (*WAITS, *(unit for one in lacks for unit in one.units)))
    try:
        with task.host.trial(task.machine_name, PREPARED, around=around) as trial:
            tried = until_tried(trial, running.health, None if before is None else before.seen, running.trial_time)
            if tried.wrong and not tried.journal:  # its kernel may have ended before there was a journal
                tried = replace(tried, journal=what_it_said((), [line for line in trial.console(10) if line.strip()]))
    except HostError as error:
        tried = Tried([f"it did not begin: {error.brief}"], [], [*filter(None, [error.meaning]), *error.lines])
    tried = replace(tried, different=[*map(str, lacks), *tried.different])
    task.tell(trial={"different": list(tried.different)})
    with task.site.catalog.begin() as tx:
        events.add(
            tx, "tried", f"clone:{task.name}", update=task.update.id, wrong=list(tried.wrong),
            different=list(tried.different), journal=list(tried.journal),
        )  # fmt: skip
    return tried


def _around(task: OpenUpdate, now: LastBoot | None) -> tuple[tuple[NetLink, ...], list[LeftOut]]:
    """The links of the server, which lead nowhere in the trial, and what of its fstab is not there in it."""
    own = {f"/{path.decode('utf-8', 'replace')}" for disk in task.layout.disks for path in disk.paths}
    with task.open_prepared() as merged:
        lacks = left_out(merged.tree.read(b"etc/fstab") or b"", own)
        gives_itself = merged.tree.kind(b"etc/network/interfaces") == "file"
    links = {link.name: set(link.addresses) for link in (now.links if now else ())}
    if interface := task.clone.identity.get("interface"):
        links.setdefault(str(interface), set()).add(str(task.clone.identity["address"]))
    # ifupdown fails where a link has the address already that it is to give it; other programs take it over.
    given = (NetLink(name, () if gives_itself else tuple(sorted(has))) for name, has in sorted(links.items()))
    return tuple(given), lacks


def _now(task: OpenUpdate) -> LastBoot | None:
    """How the server does, or did in its last boot; ``None`` where nobody has asked it."""
    try:
        if task.host.power(task.machine_name).state != "on" or not task.host.abilities.guest_commands:
            return last_boot(task.site, task.name)
        seen, links = look_inside(Guest(task.host, task.machine_name)), task.host.links(task.machine_name)
    except GoldrootError:
        return None
    return LastBoot(seen, links) if seen.settled else None
