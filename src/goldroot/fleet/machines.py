"""The machines of clones: whether they run, and starting and stopping them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from goldroot import crash
from goldroot.catalog import Clone, Update, clones, updates
from goldroot.errors import GoldrootError, HealthFailed, Refused
from goldroot.fleet.clone_names import host_of, machine_of
from goldroot.fleet.guest import Guest, console_end, had_failed, note_seen, what_it_said
from goldroot.fleet.inputs import Stage, silent
from goldroot.fleet.replaced import refuse_replaced
from goldroot.fleet.update.entry_says import has_switched, kept_sets
from goldroot.fleet.update.open_update import active_clone, open_update
from goldroot.fleet.update.power import come_up, health_failed
from goldroot.fleet.update.reconcile import NEXT_START, RETURNED, clone_lock, reconcile
from goldroot.hosts import Power, find_entry
from goldroot.run import Done
from goldroot.site import Site
from goldroot.system import look_inside, unit_lines, until_healthy


@dataclass(frozen=True, slots=True)
class MachineState:
    """A clone, its machine, and whether that runs.

    :param error: why nobody knows.
    :param started: of :func:`start_machine`: it did not run before.
    :param addresses: that its links have now, with their prefix lengths.
    :param ports: of its host that lead into it.
    """

    clone: Clone
    power: Power
    error: str = ""
    started: bool = False
    addresses: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "clone": self.clone.name, "name": self.clone.name,  # the older name
            "machine": self.clone.machine, "image": self.clone.image, "host": self.clone.host,
            "version": self.clone.version, "power": self.power.state, "runs": self.power.runs, "why": self.power.why,
            "since": self.power.since, "error": self.error, "addresses": list(self.addresses), "ports": list(self.ports),
        }  # fmt: skip


_UNKNOWN = Power("unknown", "", "", "unknown")


def machine_states(site: Site, names: Sequence[str] = ()) -> list[MachineState]:
    """The clones of these names (all, where none is named), by name.

    :raises NotFound: there is no clone of a name.
    """
    with site.catalog.read() as tx:
        found = [clones.get(tx, name) for name in names] if names else clones.every(tx)
    return [machine_state(site, clone) for clone in found]


def machine_state(site: Site, clone: Clone) -> MachineState:
    """Whether the machine of a clone runs; a host that does not answer is told, and is not an error.

    On a host that starts no machines it is unknown: there a look at all processes, or a command of the site, would say of
    each clone no more than that nobody uses its disks now.
    """
    try:
        host = site.host_named(clone.host)
        if not host.abilities.boots:
            return MachineState(clone, replace(_UNKNOWN, why="this host starts no machines"))
        if (entry := host.find(clone.machine)) is None:
            return MachineState(clone, _UNKNOWN, f"the host has no machine {clone.machine}")
        power = host.power(clone.machine)
        links = host.links(clone.machine) if power.state == "on" and entry.network else ()
        addresses = tuple(address for link in links for address in link.addresses)
        ports = tuple(str(port) for port in entry.network.ports) if entry.network else ()
        return MachineState(clone, power, addresses=addresses, ports=ports)
    except GoldrootError as error:
        return MachineState(clone, _UNKNOWN, error.brief)


def powers_of(site: Site, found: Sequence[Clone]) -> dict[str, Power]:
    """Whether these clones run, by name; as :func:`machine_state` has it."""
    return {one.name: machine_state(site, one).power for one in found}


def start_machine(site: Site, name: str, *, stage: Stage = silent) -> MachineState:
    """Start the machine of a clone from its entry; again: nothing.

    One that was switched while it was off, or by a command that was killed before its start, is asked now how it does,
    and goes back by itself where that is bad.

    :raises Refused: this host starts no machines, or this one cannot be started now.
    :raises Damaged: its shared disks are not those of its gold version.
    :raises HealthFailed: it does not do well; it is back on the disks that it had, where these are still there.
    """
    with clone_lock(site, name, f"start of {name}"):
        with site.catalog.read() as tx:
            was = machine_state(site, clones.get(tx, name)).power.state
        reconcile(site, name, goes_on=("update", "rollback"))
        clone = active_clone(site, name)
        if was != "on":
            refuse_replaced(site, clone, f"{name} was not started")
        with site.catalog.read() as tx:
            going, last = updates.in_flight(tx, name), updates.latest(tx, name)
        if going is not None and has_switched(clone, going):
            _first_start(site, going, stage)
        elif last is not None and last.state == "done" and last.told.get("health") == NEXT_START:
            _asked_now(site, clone, last, stage)
        else:
            site.host_named(clone.host).start(clone.machine)
        return replace(machine_state(site, clone), started=was != "on")


def _asked_now(site: Site, clone: Clone, last: Update, stage: Stage) -> None:
    entry = find_entry(site.host_named(clone.host), clone.machine)
    if last.work not in kept_sets(entry):
        _ask_health(site, clone, last, stage)
        return
    # It goes on as if its server had run: started, asked, taken back where that is bad, whatever is killed on the way.
    with site.catalog.begin() as tx:
        last = updates.reopen(tx, last.id, was_on=True, settled=False, health="", first_start=True)
    crash.point(f"{last.kind}.first-start")
    _first_start(site, last, stage)


def _first_start(site: Site, update: Update, stage: Stage) -> None:
    """:raises HealthFailed: it went back."""
    task = open_update(site, update.id, update.attempt)
    if come_up(task, stage) == RETURNED:
        with site.catalog.read() as tx:
            raise health_failed(updates.get(tx, update.id))


def plan_start(site: Site, name: str) -> MachineState:
    """The machine as it is before it would be started or stopped; the same refusals, as far as they are known before.

    :raises Refused: this host starts no machines.
    """
    clone = active_clone(site, name)
    _refuse_unable(site, clone)
    return machine_state(site, clone)


def _refuse_unable(site: Site, clone: Clone) -> None:
    host = site.host_named(clone.host)
    if not host.abilities.boots:
        raise Refused(
            f"a {host.kind} host does not start or stop machines",
            todo=f"Start or stop {clone.machine} with whatever it is that runs it.",
        )


def stop_machine(site: Site, name: str, *, patience: float | None = None) -> str:
    """Stop the machine of a clone; how it ended: "off" (it was), "asked", "pressed", "killed".

    :param patience: seconds until it is killed; the image's ``stop_time`` without it.
    :raises Refused: this host stops no machines.
    :raises StillRunning: nothing helped, or goldroot's host did not start it.
    """
    with clone_lock(site, name, f"stop of {name}"):
        reconcile(site, name)
        clone = active_clone(site, name)
        _refuse_unable(site, clone)
        usual, host = site.config.image(clone.image).running.stop_time, site.host_named(clone.host)
        if host.abilities.guest_commands and host.power(clone.machine).state == "on":
            guest = Guest(host, clone.machine)
            note_seen(site, name, guest, look_inside(guest))
        return site.host_named(clone.host).stop(clone.machine, usual if patience is None else patience)


def run_in_machine(site: Site, name: str, argv: Sequence[str], timeout: float) -> Done:
    """Run a command inside the running machine of a clone, as its root.

    :param timeout: in seconds.
    :raises Refused: it does not run, or this host cannot.
    """
    done = host_of(site, name).command(machine_of(site, name), argv, timeout)
    # It may have added an account or changed a name: who asks for these next reads them again.
    with site.catalog.begin() as tx:
        clones.forget_reading(tx, name)
    return done


def console_lines(site: Site, name: str, lines: int) -> list[str]:
    """The last lines of a machine's console."""
    return host_of(site, name).console(machine_of(site, name), lines)


def _ask_health(site: Site, clone: Clone, last: Update, stage: Stage) -> None:
    """Of one that was off when it was switched, and whose way back is gone meanwhile.

    :raises HealthFailed: it runs, and does not do well.
    """
    host, running = site.host_named(clone.host), site.config.image(clone.image).running
    host.start(clone.machine)
    stage(f"{clone.name}: is it well?")
    guest, before = Guest(host, clone.machine), had_failed(site, last)
    wrong = until_healthy(guest, running.health, before, running.health_time) if host.abilities.guest_commands else []
    with site.catalog.begin() as tx:
        updates.note(tx, last.id, told={**last.told, "health": "; ".join(wrong) or "good"})
    if wrong:
        error = HealthFailed(
            f"{clone.name} did not come up well at its first start after the {last.kind} to gold {last.to_version}: "
            + "; ".join(wrong[:5]),
            meaning="It runs: the disks that it had before are gone, so it cannot go back. What it said last:",
            todo=f"Look into it: goldroot machine console {clone.name}",
        )
        units = unit_lines(guest, sorted(look_inside(guest).failed - set(before)))
        error.lines = what_it_said(units, console_end(host, clone.machine))
        raise error
