"""Clones: made from gold, looked at, entered, removed.

Making one is safe to be killed: the catalog says ``creating`` first, the entry can be started when its disks are complete,
and the catalog says ``active`` last.  The same command begins again what was cut off, and removing finishes what was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from goldroot import crash
from goldroot.catalog import Clone, CloneKind, disks, entries, images, updates
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import NotFound, Refused, StillRunning
from goldroot.fleet import manifests
from goldroot.fleet.clone_names import host_of, machine_of
from goldroot.fleet.inputs import Reading, Stage, open_clone, open_own, policy_of, read_server, refuse_owners, silent
from goldroot.fleet.joined import LINK, bridge_of, refuse_ports
from goldroot.fleet.update import open_update
from goldroot.fleet.update.memory import memory_of
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.hosts import (
    LIVE,
    Entry,
    Host,
    Link,
    Mark,
    Network,
    applied,
    fenced,
    find_entry,
    give_up_entry,
    new_disk_id,
    refuse_others_disks,
    refuse_running,
    running_reason,
    utc_now,
    with_mark,
)
from goldroot.image import Gold, check_genuine, open_version, refuse_unknown_machine, said_once
from goldroot.policy import Policy
from goldroot.site import (
    DiskRegister,
    Site,
    TellForm,
    check_clone_name,
    keep_reserve,
    make_bootable,
    open_system,
    run_on,
    work_room,
)
from goldroot.system import Confined, How, Identity, NetworkSettings, write_identity
from goldroot.tree import Manifest, Note, copy_tree


@dataclass(frozen=True, slots=True)
class Created:
    """A new clone and what a person should know about its making."""

    clone: Clone
    machine: Entry
    identity: tuple[str, ...]  #: the paths that make it itself
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class CloneForm:
    """How a clone is made.

    :param host: where it will live; "": on the site's default host.
    :param read_write: with copies of all disks, not with links to the shared ones.
    :param number: the gold version that it is made from; ``None``: the current one.
    :param network: what joins it to others; ``None``: nothing.
    """

    host: str = ""
    read_write: bool = False
    number: int | None = None
    network: Network | None = None

    @property
    def kind(self) -> CloneKind:
        return "read-write" if self.read_write else "read-only"


#: From the current version, on the site's default host, with links.
USUAL = CloneForm()


@dataclass(frozen=True, slots=True)
class CreatePlan:
    """What making a clone means: disks to copy and to link, by address."""

    name: str
    image: str
    version: int
    host: str
    kind: CloneKind
    identity: Identity
    copied: tuple[str, ...]
    linked: tuple[str, ...]
    slot: str
    network: Network | None = None


def identity_from(site: Site, name: str, options: Mapping[str, Any] | None = None, *, host: str = "") -> Identity:
    """The identity of a clone: its table in ``goldroot.toml``, with what the command says over it.

    :param host: where it will live; "": on the site's default host.
    """
    table = site.config.clone(check_clone_name(name))
    said = {key: value for key, value in (options or {}).items() if value}
    hostname = str(said.get("hostname") or table.hostname or name)
    address = str(said.get("address") or table.address)
    if not address:
        return Identity(hostname)
    return Identity(
        hostname,
        NetworkSettings(
            str(said.get("interface") or table.interface or (LINK if bridge_of(site, name, said, host) else "")),
            address,
            str(said.get("gateway") or table.gateway),
            tuple(said.get("nameservers") or table.nameservers),
        ),
    )


def plan_clone(
    site: Site, name: str, image: str, *, form: CloneForm, identity: Identity, adopted: bool = False
) -> CreatePlan:
    """What :func:`create` would do; the same refusals.

    :param adopted: the identity is that of a server which exists already, and which keeps it.
    """
    gold = _gold_for(site, check_clone_name(name), image, form)
    refuse_taken(site, name, gold.host)
    _refuse_shared(site, name, identity, adopted)
    refuse_ports(site, name, gold.host_name, form.network)
    refuse_owners(gold.host, name, (gold.manifest(disk.address) for disk in gold.layout.disks))
    copied = [disk.address for disk in gold.layout.disks if form.read_write or not disk.shared]
    linked = [disk.address for disk in gold.layout.disks if disk.address not in copied]
    return CreatePlan(
        name, image, gold.number, gold.host_name, form.kind, identity, tuple(copied), tuple(linked), gold.slot,
        form.network,
    )  # fmt: skip


def create_clone(
    site: Site, name: str, image: str, *, form: CloneForm = USUAL, identity: Identity | None = None,
    stage: Stage = silent,
) -> Created:  # fmt: skip
    """Make a clone of a gold version.

    :param identity: what makes it itself; that of its table in ``goldroot.toml`` without it.
    :raises Refused: the name is taken.
    :raises NotFound: there is no such version, or no copy of it on that host.
    """
    identity = identity or identity_from(site, check_clone_name(name))
    keep_reserve(site)
    with clone_lock(site, name, f"making of the clone {name}"):
        if (made := _made_already(site, name, image, form)) is not None:
            return made
        plan = plan_clone(site, name, image, form=form, identity=identity)
        policy = policy_of(site, image)
        # Before the catalog knows of it: what is refused must not hold a slot.
        gold = open_version(site, image, plan.version, plan.host)
        check_genuine(gold)
        clone = begin_clone(site, plan)
        host = gold.host
        define_clone(site, host, clone, plan)
        with host.hold(clone.machine):
            written, notes, reading = _fill(site, gold, plan, policy, stage)
            applied(host, replace(find_entry(host, clone.machine), startable=True))
        crash.point("clone.defined")
        with site.catalog.begin() as tx:
            catalog_clones.activate(tx, name)
            reading.note(tx, name)
        entry = find_entry(host, clone.machine)
        with site.catalog.read() as tx:
            return Created(catalog_clones.get(tx, name), entry, tuple(written), said_once(notes))


def define_clone(site: Site, host: Host, clone: Clone, plan: CreatePlan) -> None:
    """An entry with links and without disks: those of an attempt that was killed go."""
    mark = Mark("live", clone.last, clone.image, clone.name, clone.version, utc_now())
    links = {address: Link(plan.slot, address) for address in plan.linked}
    new = Entry(clone.machine, "machine", links=links, marks={LIVE: mark}, network=plan.network)
    entry = host.define(fenced(new, clone.generation))
    crash.point("clone.entry-made")
    remove_disks(site, host, entry)
    entry = find_entry(host, clone.machine)
    if entry.generation < clone.generation:
        applied(host, fenced(entry, clone.generation))


def _fill(
    site: Site, gold: Gold, plan: CreatePlan, policy: Policy, stage: Stage
) -> tuple[list[str], list[Note], Reading]:
    """Disks of its own, as gold's, and what makes it itself; the clone is held."""
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, plan.name)
    ids = {address: new_disk_id(clone.machine, address) for address in plan.copied}
    DiskRegister(site, gold.host, clone.machine, "clone").make(ids, clone.last)
    notes: list[Note] = []
    with open_own(gold.host, gold.layout, ids, "rw") as server, gold.open(plan.copied) as sources:
        built: dict[str, Manifest] = {}
        for address, id in ids.items():
            source, out = sources[address].path, server.opened[address].path
            known = gold.manifest(address)
            copy = copy_tree(
                source, out, known=known, progress=stage(f"copying {id}", partial(manifests.counted_twice, known))
            )
            built[address] = copy.manifest
            notes += copy.notes
            crash.point("clone.disk-copied")
        with work_room(site, f"keys-{plan.name}") as room:
            written = write_identity(server.tree, plan.identity, room.path)
        crash.point("clone.identity-written")
        linked = [disk.address for disk in gold.layout.disks if disk.address not in ids]
        notes += make_bootable(gold.host, clone.machine, gold.layout, server.opened, linked)
        for address, id in ids.items():
            manifests.save_made(site, id, server.opened[address].path, built[address], policy)
        return list(written), notes, read_server(gold, server.tree)


def _made_already(site: Site, name: str, image: str, form: CloneForm) -> Created | None:
    """A clone whose making was cut off behind its last step on the host: only the catalog was to follow."""
    with site.catalog.read() as tx:
        begun = catalog_clones.find(tx, name)
    if begun is None or begun.state != "creating":
        return None
    host = site.host_named(begun.host)
    entry = host.find(begun.machine)
    if entry is None or not entry.startable:
        return None
    _gold_for(site, name, image, form)
    reconcile(site, name)
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, name)
    if clone.state != "active":
        return None
    gold = open_version(site, clone.image, clone.version, clone.host)
    with open_clone(site, clone) as server:
        reading = read_server(gold, server.tree)
    with site.catalog.begin() as tx:
        reading.note(tx, name)
    return Created(clone, find_entry(host, clone.machine), (), ())


def made_clone(site: Site, name: str) -> Created:
    """A clone that is there already, as :func:`create_clone` tells of one that it made."""
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, name)
    return Created(clone, find_entry(site.host_named(clone.host), clone.machine), (), ())


def _gold_for(site: Site, name: str, image: str, form: CloneForm) -> Gold:
    """The version to make it from, on its host; what was begun and cut off stays on both."""
    number, host = form.number, site.check_host(form.host or site.config.default_host)
    with site.catalog.read() as tx:
        images.get(tx, image)
        begun = catalog_clones.find(tx, name)
    if begun is not None and begun.state == "creating":
        other = form.host not in ("", begun.host)
        if other or begun.image != image or begun.kind != form.kind or number not in (None, begun.version):
            raise Refused(
                f"the making of {name}, {begun.kind}, from {begun.image} {begun.version} on host {begun.host} was cut off",
                todo=f"Finish it with the same options, or remove it with: goldroot clone delete {name}",
            )
        number, host = begun.version, begun.host
    return open_version(site, image, number, host)


def _refuse_shared(site: Site, name: str, identity: Identity, adopted: bool) -> None:
    """Two servers must not answer to one name or address, whatever state the other one is in."""
    wanted = catalog_clones.given(identity.as_dict())
    with site.catalog.read() as tx:
        shared = list(catalog_clones.sharing(tx, name, wanted, active=False))
    for kind, other in shared:
        key = next(key for key, known in catalog_clones.GIVEN.items() if known == kind)
        todo = f"Give {name} another one: --{key}, or in the table [clones.{name}] of goldroot.toml."
        if adopted:
            todo = (
                f"A server keeps its own when it is adopted. Where {other} is this server, adopted before, give the command for "
                f"{other}: it takes what is new. Else change it on the server, or remove the clone: goldroot clone delete {other}"
            )
        raise Refused(
            f"the {kind.removeprefix('given ')} {wanted[kind]} is that of the clone {other}",
            meaning="Nothing was made.",
            todo=todo,
        )


def refuse_taken(site: Site, name: str, host: Host) -> None:
    with site.catalog.read() as tx:
        known = catalog_clones.find(tx, name)
    if known is not None and known.state != "creating":
        raise Refused(f"there is a clone {name} already", todo="Take another name, or delete it.")
    if known is None:
        with site.catalog.read() as tx:
            machine = entries.check_free_for_clone(tx, name, host.name)
        refuse_unknown_machine(host, machine)


def begin_clone(site: Site, plan: CreatePlan) -> Clone:
    """The catalog's row."""
    with site.catalog.begin() as tx:
        known = catalog_clones.find(tx, plan.name)
        if known is None:
            catalog_clones.create(tx, plan.name, plan.image, plan.version, plan.kind, host=plan.host)
        else:
            catalog_clones.fence(tx, plan.name)
        catalog_clones.set_identity(tx, plan.name, plan.identity.as_dict())
    open_update.forget(site, plan.name)
    crash.point("clone.cleaned")
    with site.catalog.read() as tx:
        return catalog_clones.get(tx, plan.name)


def remove_disks(site: Site, host: Host, entry: Entry) -> None:
    """Delete all disks of an entry that cannot be started; a second time it finishes the first."""
    own = DiskRegister(site, host, entry.name, "clone")
    going = [*(disk.id for disk in entry.disks.values()), *own.lost()]
    for id in going:
        manifests.forget(site, id)
    own.remove(going)


def _remove(site: Site, name: str) -> None:
    """Take away the machine with all its disks; a second time it finishes the first.  The clone is held, or cannot be
    started."""
    host = host_of(site, name)
    entry = host.find(machine_of(site, name))
    if entry is None:
        return
    mark = entry.marks.get(LIVE)
    if entry.startable or (mark is not None and mark.state != "removing"):
        gone = entry if mark is None else with_mark(entry, LIVE, replace(mark, state="removing"))
        applied(host, replace(gone, startable=False))
        crash.point("clone.marked")
    remove_disks(site, host, find_entry(host, entry.name))
    entry = find_entry(host, entry.name)
    if entry.links:
        applied(host, replace(entry, links={}))
        crash.point("clone.unlinked")


def plan_delete(site: Site, name: str) -> None:
    """The refusals of :func:`delete_clone`, as far as they are known before.

    :raises StillRunning: it may still be written.
    :raises Refused: disks stand in its entry that goldroot did not make.
    """
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, name)
    host = site.host_named(clone.host)
    if host.find(clone.machine) is not None:
        refuse_running(host, clone.machine)
        refuse_others_disks(host, clone.machine)


def delete_clone(site: Site, name: str) -> None:
    """Remove a clone with all its disks, fallbacks among them.

    :raises StillRunning: it may still be written.
    :raises Refused: an update of it is in flight, or disks stand in its entry that goldroot did not make.
    """
    with clone_lock(site, name, f"removal of the clone {name}"):
        reconcile(site, name, starts=False)
        with site.catalog.read() as tx:
            clone = catalog_clones.get(tx, name)
        host = site.host_named(clone.host)
        entry = host.find(clone.machine)
        with ExitStack() as stack:
            if entry is not None:
                refuse_others_disks(host, clone.machine)
                stack.enter_context(host.hold(clone.machine))
            with site.catalog.begin() as tx:
                catalog_clones.begin_delete(tx, name)
            crash.point("clone.deleting")
            _remove(site, name)
        host.undefine(clone.machine)
        crash.point("clone.undefined")
        open_update.forget(site, name)
        with site.catalog.begin() as tx:
            catalog_clones.forget(tx, name)


def force_delete_clone(site: Site, name: str, *, plan_only: bool = False) -> list[str]:
    """Remove what is left of a clone whose entry is damaged or whose disks are missing, with its update in flight.

    :returns: the ids of the disks that went.
    :raises Refused: one of its disks is in use, or its host cannot tell which disks it has.
    :raises Busy: somebody works on it.
    """
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, name)
    host = site.host_named(clone.host)
    if plan_only:
        return []
    with clone_lock(site, name, f"removal of the clone {name}"):
        with site.catalog.begin() as tx:
            going = updates.in_flight(tx, name)
            if going is not None:
                updates.set_state(tx, going.id, "failed", error="the clone was removed by force")
            catalog_clones.begin_delete(tx, name)
        gone = give_up_entry(host, clone.machine)
        open_update.forget(site, name)
        for id in gone:
            manifests.forget(site, id)
        with site.catalog.begin() as tx:
            disks.forget(tx, disks.of_owner(tx, host.name, clone.machine))
            catalog_clones.forget(tx, name)
        return gone


def show_clone(site: Site, name: str) -> dict[str, Any]:
    """Everything that is known of a clone, as JSON data."""
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, name)
        kept = updates.fallbacks(tx, name)
        going = updates.in_flight(tx, name)
    host = site.host_named(clone.host)
    machine = host.find(clone.machine)
    return {
        "clone": clone.name, "name": clone.name,  # the older name
        "image": clone.image, "version": clone.version, "kind": clone.kind, "state": clone.state,
        "host": clone.host, "machine": clone.machine, "identity": dict(clone.identity), "created_at": clone.created_at,
        "running": running_reason(host, machine.name) if machine else None,
        "runs": host.power(machine.name).runs if machine else "unknown",
        "disks": {} if machine is None else {a: disk.id for a, disk in sorted(machine.disks.items())},
        "links": {} if machine is None else {a: f"{k.owner} {k.address}" for a, k in sorted(machine.links.items())},
        "lost": DiskRegister(site, host, clone.machine, "clone").lost(),
        "fallbacks": [
            {"id": one.id, "version": one.from_version, "state": one.state, "kept_until": one.kept_until}
            for one in kept
        ],
        "removed": [one["path"] for one in memory_of(site, name).data()],
        "network": machine.network.as_dict() if machine is not None and machine.network else None,
        "update": None if going is None else
        {"id": going.id, "kind": going.kind, "to": going.to_version, "state": going.stands},
    }  # fmt: skip


@contextmanager
def _alone_in(host: Host, clone: Clone) -> Iterator[None]:
    """:raises StillRunning: its system runs; the error says how commands are run in that."""
    with ExitStack() as stack:
        try:
            stack.enter_context(host.hold(clone.machine, runs=True))
        except StillRunning as error:
            if host.abilities.guest_commands:
                error.todo = f"Run it in the running system: goldroot machine run {clone.name} COMMAND"
            raise
        yield


def enter_clone(
    site: Site, name: str, command: Sequence[str] = (), *, capture: bool = False, told: TellForm | None = None
) -> Confined:
    """Run a command (a shell without one) in a clone's system, on the terminal or with its output captured.

    It has no right over this machine, and no network.

    :param told: is given the form in which the command is confined, before it starts.
    """
    with site.catalog.read() as tx:
        clone = catalog_clones.get(tx, name)
    if clone.state != "active":
        raise NotFound(f"clone {name} is {clone.state}", todo="Finish that first.")
    gold = open_version(site, clone.image, clone.version, clone.host)
    with (
        _alone_in(gold.host, clone),
        open_system(gold.host, find_entry(gold.host, clone.machine), gold.layout) as binds,
    ):
        # What is typed here may add an account or change a name: who asks for these next reads them again.
        with site.catalog.begin() as tx:
            catalog_clones.forget_reading(tx, name)
        return run_on(
            site.config, clone.image, binds, command or None,
            How(ok=None, capture=capture, label=clone.machine, told=told),
        )  # fmt: skip
