"""The libvirt host: the disks of the QEMU host, and machines that libvirt's daemon runs, for whoever uses virsh."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from goldroot.errors import Damaged, GoldrootError, HostError, Refused, Unreachable
from goldroot.guest.initramfs import PARAMETER, hashes_at
from goldroot.hosts.inuse import entry_lock, new_note
from goldroot.hosts.libvirt.account import account_of
from goldroot.hosts.libvirt.booting import Booted, Told, boot_files, prepare, remove
from goldroot.hosts.libvirt.config import LibvirtConfig
from goldroot.hosts.libvirt.daemon import Active, Daemon
from goldroot.hosts.libvirt.domain import (
    PORTS,
    Blank,
    Joined,
    Ours,
    drives_of,
    new,
    next_start,
    redefined,
    shape_of,
    targets_of,
)
from goldroot.hosts.libvirt.entries import DomainEntries
from goldroot.hosts.machines import Given, PoweredHost
from goldroot.hosts.machines.bridges import is_bridge, refuse_bridge
from goldroot.hosts.machines.console import NAME as CONSOLE
from goldroot.hosts.machines.trying import TRIAL
from goldroot.hosts.network import Network
from goldroot.hosts.port import Applied, Entry, NetLink, Opened, Power
from goldroot.hosts.qemu.arguments import Drive, board_of
from goldroot.hosts.qemu.cards import bridged, card_of_ports, refuse_taken
from goldroot.hosts.qemu.emulated import EmulatedHost, Shape
from goldroot.hosts.qemu.monitor import links_of, run_inside
from goldroot.hosts.sets import is_live
from goldroot.hosts.storefiles import Label, Labels
from goldroot.run import Done

#: Bytes that a kernel and its initial file system take at most.
_BOOT_ROOM = 256 << 20
#: Directories of the store that another account passes through, where one runs QEMU.
_PASSED = ("", "disks", "boot", "running", "scratch")


class LibvirtHost(EmulatedHost):
    """Disks as images below ``store``; a machine is a domain, which has its entry."""

    kind = "libvirt"
    ways = ("asked", "pressed", "killed")

    def __init__(self, name: str, store: str, config: LibvirtConfig) -> None:
        self._daemon = Daemon(config.uri)
        self._domains = DomainEntries(store, self._daemon, config.prefix, blank=self._blank, ours=self._ours)
        self._account = account_of(config.user) if config.user else None
        group = self._account.group if self._account else None
        super().__init__(name, store, config, keepers=(self._domains, Labels(os.path.abspath(store))), group=group)
        self._boot = os.path.join(self.store, "boot")
        self.abilities = replace(
            PoweredHost.abilities,
            live_view="snapshot",
            networks=True,
            exact_apply=False,
            guest_commands=True,
            trials=True,
            runs_architectures=frozenset([self.architecture]),
            sizes=True,
            verity=config.verity,
        )

    @property
    def own_paths(self) -> list[str]:
        passed = {os.path.join(self.store, name).rstrip("/") for name in _PASSED} if self._account else set()
        return [path for path in (self._boot, *super().own_paths) if path not in passed]

    def create(self) -> None:
        super().create()
        os.makedirs(self._boot, mode=0o700, exist_ok=True)
        if self._account is not None:
            for name in _PASSED:
                self._account.let_pass(os.path.join(self.store, name).rstrip("/"))

    # -- disks

    def empty_disk(self, id: str) -> None:
        super().empty_disk(id)
        remove(self._boot, id)

    def delete_disk(self, id: str) -> None:
        super().delete_disk(id)
        remove(self._boot, id)

    def give_up(self, name: str) -> list[str]:
        gone = super().give_up(name)
        for id in gone:
            remove(self._boot, id)
        return gone

    # -- entries

    def apply(self, wanted: Entry) -> Applied:
        """As :meth:`goldroot.hosts.Host.apply`; what the machine boots is laid ready, so that anybody can start it."""
        if wanted.role == "machine" and wanted.startable:
            self._make_directory(wanted.name)
            # What does not boot is told by the start: an entry may be changed without that.
            with suppress(GoldrootError):
                self._lay_ready(wanted, self._disks_of(wanted), starting=False)
                if self._domains.text(wanted.name) is None:
                    self._chosen(wanted)  # that takes its time, and the store is locked while a domain is made
        return super().apply(wanted)

    # -- power

    @property
    def usual_bridge(self) -> str:
        return str(self.config.bridge)

    def power(self, name: str) -> Power:
        entry = self._entries.get(name)
        free = entry.role == "machine" and self._in_use.asked(entry_lock(name))
        if free and (active := self._active(name)) is not None:
            return Power("on", self._words(active), "", "current" if self._is_current(entry, active) else "older")
        return super().power(name)

    def start(self, name: str) -> None:
        """As :meth:`goldroot.hosts.Host.start`; a domain that somebody undefined is defined again, as it was."""
        entry = self._entries.get(name)
        if entry.role == "machine" and not entry.startable and self._domains.was_undefined(name):
            self.apply(replace(entry, startable=True))
        super().start(name)

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """As :meth:`goldroot.hosts.Host.command`, by qemu-guest-agent.  After the timeout it may go on inside."""
        if self.power(name).state != "on":
            raise Refused(f"{name} does not run", todo="Start it first: goldroot machine start CLONE")
        with self._daemon.agent(self._domains.domain(name), timeout) as agent:
            return run_inside(agent, argv, timeout)

    def links(self, name: str) -> Sequence[NetLink]:
        """As :meth:`goldroot.hosts.Host.links`, as the guest's agent says."""
        try:
            if self.power(name).state == "on":
                with self._daemon.agent(self._domains.domain(name)) as agent:
                    return links_of(agent)
        except HostError:  # it has just ended; no agent answers
            pass
        return ()

    def shape(self, name: str) -> Shape:
        """What its administrator gives to it; of one without a domain, what a new one gets."""
        text = self._domains.text(name.removesuffix(TRIAL))
        memory, processors, parameters = shape_of(text or self._blank(name))
        return Shape(memory, processors, parameters)

    def tidy(self) -> list[str]:
        self._domains.tidy()
        return super().tidy()

    # -- inside: what the parts of this host ask

    def _begin(self, name: str) -> None:
        with self.run_by(str(new_note("run").who), name) as (entry, disks):
            for given in disks:
                self._images.refuse_cut_off(given.label)
            if entry.network is not None:
                self._refuse_network(entry.name, entry.network)
            self._make_directory(name)
            self._lay_ready(entry, disks, starting=True)
            if self._account is not None:
                self._account.refuse_unreachable(self._images.file(disks[0].label))
            domain = self._domains.domain(name)
            if (text := self._domains.text(name)) is None:
                raise Refused(f"{name} has no domain", meaning="It was not started.")
            if next_start(redefined(text, self._ours(entry, "")), self.store) != next_start(text, self.store):
                self._domains.renew(name)  # a disk was sealed since, or another goldroot boots it
            try:
                self._daemon.start(domain)
            except Unreachable:
                raise
            except HostError as error:
                raise HostError(
                    f"{name} was not started: {error.brief}", meaning=error.meaning, todo=error.todo
                ) from error

    def _is_ours(self, name: str) -> bool:
        return self._in_use.asked(entry_lock(name)) and self._active(name) is not None

    def _told(self, name: str, how: str) -> bool:
        domain = self._domains.domain(name)
        do = {"asked": self._daemon.shut_down, "pressed": self._daemon.press, "killed": self._daemon.kill}[how]
        try:
            do(domain)
        except HostError:
            return self._active(name) is None
        return True

    def _seen(self, entry: Entry) -> str | None:
        if entry.role == "machine":
            if (active := self._active(entry.name)) is not None:
                return self._words(active)
            if self._domains.text(entry.name) is not None and self._daemon.is_saved(self._domains.domain(entry.name)):
                return "its memory was saved (virsh managedsave), and its next start goes on from that"
        return super()._seen(entry)

    def _refuse_attached(self, label: Label) -> None:
        if label.id in self._run_from(label.owner):
            raise Refused(f"{label.owner} runs from disk {label.id}", todo="It can go after the next stop.")
        super()._refuse_attached(label)

    def _run_from(self, name: str) -> Mapping[str, str]:
        if (active := self._active(name)) is None:
            return {}
        return {self._id_of(drive): address for address, drive in drives_of(active.text, self.store).items()}

    def _copy_out(self, name: str, wanted: Mapping[str, str]) -> None:
        if (active := self._active(name)) is None:
            raise HostError(f"{name} has ended just now", todo="Run the command again.")
        images = {drive.image: address for address, drive in drives_of(active.text, self.store).items()}
        targets = {target: images.get(image, "") for target, image in targets_of(active.text).items()}
        copied = {target: wanted[address] for target, address in targets.items() if address in wanted}
        sizes = {drive.address: os.path.getsize(drive.image) for drive in drives_of(active.text, self.store).values()}
        for address, path in wanted.items():
            # Made here, as an account that may write into it may not make it.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            os.truncate(path, sizes[address])
            if self._account is not None:
                self._account.let_pass(os.path.dirname(path))
                self._account.give(path, 0o660)
        self._daemon.back_up(self._domains.domain(name), copied, sorted(targets.keys() - copied.keys()))

    # -- inside

    def _active(self, name: str) -> Active | None:
        """A domain of this store that runs."""
        active = self._daemon.active(self._domains.domain(name))
        return active if active is not None and self._domains.is_ours(active.text) else None

    def _words(self, active: Active) -> str:
        return "libvirt runs it" if active.state == "running" else f"libvirt runs it; it is {active.state}"

    def _is_current(self, entry: Entry, active: Active) -> bool:
        """Whether what it was started from are the disks that its entry has live now."""
        there = {address: self._id_of(drive) for address, drive in drives_of(active.text, self.store).items()}
        return there == {given.address: given.label.id for given in self._disks_of(entry)}

    def _id_of(self, drive: Drive) -> str:
        return os.path.basename(drive.image).rpartition(".")[0]

    def _disks_of(self, entry: Entry) -> list[Given]:
        """The live disks of an entry, links followed; nothing is locked, and a link that leads nowhere has none."""
        given = []
        for address, disk in sorted(entry.disks.items()):
            if is_live(address) and (label := self._labels.find(disk.id)) is not None:
                given.append(Given(address, label, "ro" if label.sealed else disk.mode))
        for address, link in sorted(entry.links.items()):
            owner = self._entries.find(link.owner) if is_live(address) else None
            there = None if owner is None else owner.disks.get(link.address)
            if there is not None and (label := self._labels.find(there.id)) is not None:
                given.append(Given(address, label, "ro", link.owner))
        return given

    def _blank(self, name: str) -> str:
        config: LibvirtConfig = self.config
        blank = Blank(
            name=self._domains.domain(name),
            board=board_of(self.architecture),
            architecture=self.architecture,
            accelerator=self._chosen(self._entries.find(name)),
            memory=config.memory,
            processors=config.processors,
            parameters=f"{PARAMETER} {config.parameters}",
            console=os.path.join(self.directory(name), CONSOLE),
            network=config.network,
            account=config.label(self._account),
        )
        return new(blank)

    def _chosen(self, entry: Entry | None) -> str:
        """The accelerator of a new domain: KVM only where it ran the kernel that is laid ready."""
        if self.config.accelerator:
            return str(self.config.accelerator)
        kernel = "" if entry is None else self._boot_of(entry, self._disks_of(entry)).kernel
        if not os.path.exists(kernel) or not self._daemon.offers_kvm(self.architecture):
            return "tcg"
        return self.accelerator(kernel)[0]

    def _make_directory(self, name: str) -> None:
        """What is kept of a machine besides its disks: its console is written there by who runs it."""
        os.makedirs(directory := self.directory(name), mode=0o700, exist_ok=True)
        if self._account is not None:
            self._account.let_pass(directory, 0o770)

    def _ours(self, entry: Entry, said: str) -> Ours:
        disks = self._disks_of(entry)
        drives = {one.address: Drive(one.address, self._images.file(one.label), one.access) for one in disks}
        with suppress(Damaged):  # hashes that are lost are told by the start; the entry may be changed without them
            drives |= {drive.address: drive for drive in self._drives(disks)}
        for address in (*entry.disks, *entry.links):
            if is_live(address) and address not in drives:  # it keeps its place, and the machine does not start
                drives[address] = Drive(address, os.path.join(self.store, "disks", f"{address}.missing"), "ro")
        boot, network = self._boot_of(entry, disks), entry.network or Network()
        card = card_of_ports(entry.name, self.store, network, PORTS)
        others = {one.address for one in disks if one.owner}
        shared = frozenset(others | {hashes_at(address) for address in others})
        return Ours(
            entry=said,
            store=self.store,
            kernel=boot.kernel,
            initrd=boot.initrd,
            drives=sorted(drives.values(), key=_address),
            shared=shared,
            joined=self._joined(entry.name, network),
            ports=[] if card is None else card.words_of_a_domain(board_of(self.architecture).bus),
        )

    def _joined(self, name: str, network: Network) -> Joined | None:
        """What its link leads to: a bridge of this machine, or a network of libvirt's where there is none of that name."""
        if (link := bridged(name, self.store, network)) is None:
            return None
        kind = "network" if not is_bridge(network.bridge) and self._daemon.has_network(network.bridge) else "bridge"
        return Joined(kind, network.bridge, link.card)

    def _refuse_network(self, name: str, network: Network) -> None:
        """:raises Refused: there is no such bridge or network; a port is in use."""
        if network.bridge and not self._daemon.has_network(network.bridge):
            refuse_bridge(name, network.bridge)
        refuse_taken(name, network)

    def _guest_told(self, entry: Entry, disks: Sequence[Given]) -> Told:
        network = entry.network or Network()
        card = card_of_ports(entry.name, self.store, network)
        links = [bridged(entry.name, self.store, network), None if card is None else card.link]
        return Told(*self._guest(entry.name, disks), [link for link in links if link is not None])

    def _boot_of(self, entry: Entry, disks: Sequence[Given]) -> Booted:
        """Where what a machine boots is laid ready; where it has no root, nothing is."""
        try:
            root = self._booted_from(entry, disks)
            return boot_files(self._boot, root.label.id, self._guest_told(entry, disks))
        except GoldrootError:
            return Booted(os.path.join(self._boot, "none"), os.path.join(self._boot, "none"))

    def _lay_ready(self, entry: Entry, disks: Sequence[Given], *, starting: bool) -> None:
        """Copy the kernel and the initial file system out of the root, where that is not done yet.

        :param starting: nobody else has the disks; a root of its own may have another kernel since the last time.
        :raises Damaged: it has none.
        """
        root, told = self._booted_from(entry, disks), self._guest_told(entry, disks)
        files = boot_files(self._boot, root.label.id, told)
        if files.are_there() and (root.label.sealed or not starting):
            return
        with ExitStack() as stack:
            opened: Opened
            if starting:
                opened = self._images.open(stack, root.label, "ro", "files", exact=True)
                stack.callback(opened.close)
            else:
                opened = stack.enter_context(self.open_disks({root.label.id: "ro"}))[root.label.id]
            scratch = stack.enter_context(self.scratch(_BOOT_ROOM))
            prepare(files, opened.handle, os.readlink(scratch.path), told)
        if self._account is not None:
            directory = os.path.dirname(files.kernel)
            for path in (os.path.dirname(directory), directory):
                self._account.let_pass(path)
            for path in (files.kernel, files.initrd):
                self._account.give(path)


def _address(drive: Drive) -> str:
    return drive.address


def open_host(name: str, config: LibvirtConfig, root: str) -> LibvirtHost:
    """The host of that name in the site at ``root``."""
    return LibvirtHost(name, os.path.join(root, config.store), config)
