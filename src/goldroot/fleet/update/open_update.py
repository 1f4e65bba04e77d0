"""What one piece of work on a clone stands on: the clone, its update or rollback, the gold versions, the disks of the three sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from goldroot.catalog import Clone, Update, clones, updates
from goldroot.errors import Refused
from goldroot.fleet.clone_names import own_addresses
from goldroot.fleet.inputs import check_layouts, policy_of
from goldroot.fleet.update import update_files
from goldroot.fleet.update.update_files import WorkFile
from goldroot.hosts.former import Machine
from goldroot.image import Gold, open_version
from goldroot.policy import Policy
from goldroot.site import Layout, Site
from goldroot.system import OwnDisks


@dataclass
class OpenUpdate:
    """One update or rollback of one clone, open; ``generation`` fences it."""

    site: Site
    clone: Clone
    update: Update
    generation: int

    @property
    def name(self) -> str:
        """The clone's name."""
        return self.clone.name

    @property
    def machine_name(self) -> str:
        """The machine's name."""
        return self.clone.machine

    @property
    def machine(self) -> Machine:
        """The machine's definition as it is now."""
        return self.site.former.get(self.machine_name)

    @cached_property
    def base(self) -> Gold:
        """The clone's own gold."""
        return open_version(self.site, self.clone.image, self.update.from_version)

    @cached_property
    def target(self) -> Gold:
        """The gold that it goes to."""
        gold = open_version(self.site, self.clone.image, self.update.to_version)
        check_layouts(self.base, gold)
        return gold

    @property
    def layout(self) -> Layout:
        """The layout of both versions."""
        return self.target.layout

    @cached_property
    def policy(self) -> Policy:
        """The rules of the merge."""
        return policy_of(self.site, self.clone.image)

    @cached_property
    def work(self) -> WorkFile:
        """What is written down of this update."""
        return update_files.load(self.site, self.name, self.update.id)

    def live_disks(self) -> dict[str, str]:
        """The ids of the clone's own live disks by address."""
        return live_disks(self.machine, self.layout)

    def tree(self, disks: Mapping[str, str]) -> OwnDisks:
        """Disks (ids by live address) as one tree."""
        return OwnDisks(self.layout, {address: self.site.former.disk_path(disk) for address, disk in disks.items()})

    def check(self) -> None:
        """See that nobody began other work on the clone since.

        :raises Busy: somebody did.
        """
        with self.site.catalog.read() as tx:
            clones.check_generation(tx, self.name, self.generation)

    def save(self) -> None:
        """Write the work down."""
        update_files.save(self.site, self.work)

    def set_state(self, state: updates.State, *, record: str | None = None, error: str | None = None) -> None:
        """Move the update on, if this work is still the clone's."""
        with self.site.catalog.begin() as tx:
            clones.check_generation(tx, self.name, self.generation)
            self.update = updates.set_state(tx, self.update.id, state, record=record, error=error)


def open_update(site: Site, update: int, generation: int) -> OpenUpdate:
    """The task of an update that was begun.

    :raises Busy: other work on the clone began since.
    """
    with site.catalog.read() as tx:
        row = updates.get(tx, update)
        clone = clones.check_generation(tx, row.clone, generation)
    return OpenUpdate(site, clone, row, generation)


def live_disks(machine: Machine, layout: Layout) -> dict[str, str]:
    """The ids of a machine's own live disks by address."""
    return {address: machine.disks[address].disk for address in own_addresses(layout, machine)}


def active_clone(site: Site, name: str) -> Clone:
    """The clone, if it can be worked on.

    :raises NotFound: there is none. :raises Refused: its making or removal was cut off.
    """
    with site.catalog.read() as tx:
        clone = clones.get(tx, name)
    if clone.state != "active":
        how = f"goldroot clone create {name} --image {clone.image}" if clone.state == "creating" else ""
        raise Refused(
            f"clone {name} is {clone.state}: that was cut off",
            todo=f"Finish it with: {how or f'goldroot clone delete {name}'}",
        )
    if site.former.find(clone.machine) is None:
        raise Refused(
            f"clone {name} has no machine: the host has none of the name {clone.machine}",
            meaning="It was deleted, and the catalog is older than that; or its definition was lost.",
            todo=f"If it was deleted, finish that: goldroot clone delete {name}. Else put its definition back.",
        )
    return clone


def gold_disks(site: Site, gold: Gold, addresses: Mapping[str, object]) -> dict[str, str]:
    """The ids of a gold version's disks."""
    return {address: site.former.at(gold.slot, address).disk for address in addresses}
