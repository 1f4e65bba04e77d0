"""The machines of clones: whether they run, and starting and stopping them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goldroot.catalog import Clone, clones, readings, updates
from goldroot.errors import GoldrootError, HealthFailed, Refused
from goldroot.fleet.clone_names import host_of, machine_of
from goldroot.fleet.guest import NEXT_START, Guest, console_words
from goldroot.fleet.inputs import Stage, silent
from goldroot.fleet.update.open_update import active_clone
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.hosts import Power
from goldroot.run import Done
from goldroot.site import Site
from goldroot.system import until_healthy


@dataclass(frozen=True, slots=True)
class MachineState:
    """A clone, its machine, and whether that runs; ``error``: why nobody knows."""

    clone: Clone
    power: Power
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "name": self.clone.name, "machine": self.clone.machine, "image": self.clone.image, "host": self.clone.host,
            "version": self.clone.version, "power": self.power.state, "runs": self.power.runs, "why": self.power.why,
            "since": self.power.since, "error": self.error,
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
    """Whether the machine of a clone runs; a host that does not answer is told, and is no error."""
    try:
        host = site.host_named(clone.host)
        if host.find(clone.machine) is None:
            return MachineState(clone, _UNKNOWN, f"the host has no machine {clone.machine}")
        return MachineState(clone, host.power(clone.machine))
    except GoldrootError as error:
        return MachineState(clone, _UNKNOWN, error.brief)


def powers_of(site: Site, found: Sequence[Clone]) -> dict[str, Power]:
    """Whether these clones run, by name, where their hosts start machines.

    Elsewhere it is unknown here: it would be a look at all processes, or a command of the site, for each.
    """
    return {
        one.name: machine_state(site, one).power if site.host_named(one.host).abilities.boots else _UNKNOWN
        for one in found
    }


def start_machine(site: Site, name: str, *, stage: Stage = silent) -> MachineState:
    """Start the machine of a clone from its entry; again: nothing.

    One that was switched while it was off is asked now how it does.

    :raises Refused: this host starts no machines, or this one cannot be started now.
    :raises HealthFailed: it runs, and does not do well.
    """
    with clone_lock(site, name, f"start of {name}"):
        reconcile(site, name)
        clone = active_clone(site, name)
        site.host_named(clone.host).start(clone.machine)
        _ask_health(site, clone, stage)
        return machine_state(site, clone)


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
        usual = site.config.image(clone.image).running.stop_time
        return site.host_named(clone.host).stop(clone.machine, usual if patience is None else patience)


def run_in_machine(site: Site, name: str, argv: Sequence[str], timeout: float) -> Done:
    """Run a command inside the running machine of a clone, as its root.

    :param timeout: in seconds.
    :raises Refused: it does not run, or this host cannot.
    """
    done = host_of(site, name).command(machine_of(site, name), argv, timeout)
    # It may have added an account or changed a name: who asks for these next reads them again.
    with site.catalog.begin() as tx:
        readings.forget(tx, name)
    return done


def console_lines(site: Site, name: str, lines: int) -> list[str]:
    """The last lines of a machine's console."""
    return host_of(site, name).console(machine_of(site, name), lines)


def _ask_health(site: Site, clone: Clone, stage: Stage) -> None:
    """A server that was off when it was switched is asked at its first start."""
    with site.catalog.read() as tx:
        last = updates.latest(tx, clone.name)
    if last is None or last.state != "done" or last.told.get("health") != NEXT_START:
        return
    stage(f"{clone.name}: is it well?")
    host, running = site.host_named(clone.host), site.config.image(clone.image).running
    guest = Guest(host, clone.machine)
    wrong = until_healthy(guest, running.health, (), running.health_time) if host.abilities.guest_commands else []
    with site.catalog.begin() as tx:
        updates.note(tx, last.id, told={**last.told, "health": "; ".join(wrong) or "good"})
    if wrong:
        raise HealthFailed(
            f"{clone.name} does not do well at its first start after the {last.kind} to gold {last.to_version}: "
            + "; ".join(wrong[:5]),
            meaning="It runs. " + console_words(host, clone.machine),
            todo=f"Look into it: goldroot machine console {clone.name}; or go back: goldroot rollback {clone.name}",
        )
