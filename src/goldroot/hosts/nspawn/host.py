"""The nspawn host: the parts put together."""

from __future__ import annotations

import os
import pty
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import ClassVar

from goldroot.errors import HostError, LimitReached, MissingProgram, NoPermission, ProgramFailed, Refused
from goldroot.hosts.directory.host import Directories
from goldroot.hosts.machines import MOST_SAID, MachineHost, Running, Watch, control
from goldroot.hosts.machines.bridges import other_end, refuse_bridge
from goldroot.hosts.machines.cover import cover, own_mounts, uncover
from goldroot.hosts.machines.paths import check_paths, ordered, usual_paths
from goldroot.hosts.machines.powered import Given
from goldroot.hosts.network import Network, checked
from goldroot.hosts.nspawn import forward, links, mounts
from goldroot.hosts.nspawn.assembly import gives_itself, put_at, refuse_led_out
from goldroot.hosts.nspawn.container import BASE, COUNT, arguments
from goldroot.hosts.nspawn.process import Container, as_a_shell, words_inside
from goldroot.hosts.port import Around, Entry, NetLink
from goldroot.run import Done, find, run_stranger, start

#: Where systemd-nspawn would leave a directory of each machine on this one.
_NSPAWN_RUN = "/run/systemd/nspawn"


@dataclass(frozen=True)
class NspawnConfig:
    """``[hosts.NAME]`` with ``kind = "nspawn"``.

    :param store: where disks and entries stand; relative to the site.
    :param running: a command that is called with an entry's name; status 0: it runs, 1: it does not.
    :param paths: place -> the paths of that disk, as the layout has them.
    :param bridge: of this machine, to which links of servers lead of which nobody says otherwise; "": they are private.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    store: str = "store"
    running: list[str] = field(default_factory=list)
    bridge: str = ""
    paths: dict[str, list[str]] = field(default_factory=usual_paths)

    def __post_init__(self) -> None:
        check_paths(self.paths)
        checked(Network(self.bridge, "eth0"))


class NspawnHost(MachineHost):
    """Disks as directories below ``store``; machines as containers whose numbers are not a user's of this machine."""

    kind = "nspawn"
    abilities = replace(MachineHost.abilities, guest_commands=True, trials=True, networks=True, largest_owner=COUNT - 1)

    def __init__(self, name: str, store: str, config: NspawnConfig) -> None:
        super().__init__(name, store, Directories(store), config)

    def launch(
        self, stack: ExitStack, watch: Watch, entry: Entry, disks: Sequence[Given], around: Around | None = None
    ) -> Running:
        if os.geteuid() != 0:
            raise NoPermission("only root starts containers", todo="Run goldroot as root.")
        program, setpriv = find("systemd-nspawn"), find("setpriv")
        network = Network() if around is not None or entry.network is None else entry.network
        if network.bridge:
            find("ip")
            refuse_bridge(entry.name, network.bridge)
        sockets = forward.listen(stack, entry.name, network.ports)
        root = os.path.join(self.directory(entry.name), "root")
        os.makedirs(root, mode=0o700, exist_ok=True)
        self._mount(stack, entry, disks, root)
        refuse_led_out(entry.name, root)
        lead, follow = pty.openpty()
        stack.callback(os.close, lead)
        words = [
            setpriv,
            "--pdeathsig",
            "KILL",
            "--",
            program,
            *arguments(entry.name, root, network.interface if network.bridge else ""),
        ]
        # What follows is process 1's own: systemd reads it as a kernel's command line (systemd-debug-generator(8)).
        words += [f"systemd.mask={unit}" for unit in (around.masked if around else ())]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8", "SYSTEMD_NSPAWN_LOCK": "0"}
        env["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
        try:
            process = start(words, program=setpriv, streams=(follow, follow, follow), pass_fds=(), env=env)
        finally:
            os.close(follow)
        running = Container(process, lead)
        try:
            with links.before_boot(running.pid, watch) as inside:
                links.make_dummies(inside, around.links if around else ())
                if network.bridge:
                    own = gives_itself(root)
                    links.join(inside, network, other_end(entry.name), gives_itself=own)
                forward.forward(stack, inside, sockets)
        except BaseException:
            running.halt("killed")
            running.wait()
            raise
        return running

    @property
    def usual_bridge(self) -> str:
        return str(self.config.bridge)

    def links(self, name: str) -> Sequence[NetLink]:
        """As :meth:`goldroot.hosts.Host.links`."""
        if self.power(name).state != "on":
            return ()
        try:
            return links.links_of(int(control.ask(self.directory(name), do="inside")["pid"]))
        except (HostError, MissingProgram):  # it has just ended; this machine has no ip(8)
            return ()

    def command(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """As :meth:`goldroot.hosts.Host.command`.  After the timeout the command may go on inside."""
        if self.power(name).state != "on":
            raise Refused(f"{name} does not run", todo="Start it first: goldroot machine start CLONE")
        return self.inside(name, argv, timeout)

    def inside(self, name: str, argv: Sequence[str], timeout: float) -> Done:
        """As :meth:`goldroot.hosts.machines.TryingHost.inside`."""
        pid = int(control.ask(self.directory(name), do="inside")["pid"])
        try:
            done = run_stranger(words_inside(pid, argv), timeout=timeout, most=MOST_SAID)
        except LimitReached as error:
            raise LimitReached(
                f"{argv[0]} said more than {MOST_SAID >> 20} MiB in {name}",
                limit=error.limit,
                meaning="It was ended.",
                todo="Let it write to a file on the server.",
            ) from error
        except ProgramFailed as error:
            raise ProgramFailed(
                f"{argv[0]} did not end within {timeout:g} s in {name}",
                meaning="It may go on inside.",
                todo="Look at why it hangs, or give it more time.",
            ) from error
        return as_a_shell(done, argv[0])

    def _mount(self, stack: ExitStack, entry: Entry, disks: Sequence[Given], root: str) -> None:
        """Put the system together, in this process's own view of files."""
        own_mounts()
        if not os.path.isdir("/run/systemd/system"):
            os.makedirs(_NSPAWN_RUN, mode=0o755, exist_ok=True)
            uncover(_NSPAWN_RUN)
            cover(_NSPAWN_RUN)
        uncover(root)  # it may have restarted; else its mounts go with this process, by which others see that it runs
        with mounts.shifted(BASE, COUNT) as namespace:
            trees = {given.label.id: self._tree(stack, given, (root, namespace)) for given in disks}
            for given, path in ordered(entry.name, disks, self.config.paths):
                read_only = given.access == "ro" and not given.aside
                attributes = mounts.NODEV | (mounts.READ_ONLY if read_only else 0)
                put_at(trees[given.label.id], root, path, (attributes, -1 if given.aside else namespace))

    def _tree(self, stack: ExitStack, given: Given, where: tuple[str, int]) -> int:
        """A descriptor of a disk, or of the tree in whose files its own are written over.

        :param where: the machine's root, and the user namespace with its numbers.
        """
        root, namespace = where
        opened = self._bytes.open(stack, given.label, given.access, "system", exact=True)
        stack.callback(opened.close)
        if not given.aside:
            return opened.handle
        place = f"{root}.aside"
        if not os.path.ismount(place):
            os.makedirs(place, mode=0o700, exist_ok=True)
            cover(place, "50%")
        try:
            tree = mounts.aside(os.path.join(place, given.address), opened.handle, namespace)
        except OSError as error:
            raise HostError(
                f"disk {given.label.id} cannot be written aside: {error.strerror}",
                meaning="This kernel has no overlays on mapped mounts, which came with Linux 5.19.",
                todo='Set trial = "commands" for the image.',
            ) from error
        stack.callback(os.close, tree)
        return tree


def why_no_containers(store: str) -> str:
    """Why no containers can be started from a store in this directory; "" where nothing is known to stand in the way."""
    if os.geteuid() != 0:
        return "only root starts containers"
    for program in ("systemd-nspawn", "setpriv", "nsenter"):
        try:
            find(program)
        except MissingProgram:
            return f"{program} is not installed"
    if not mounts.can_shift(store):
        return f"the file system of {store}, or this kernel, has no mapped mounts"
    return ""


def open_host(name: str, config: NspawnConfig, root: str) -> NspawnHost:
    """The host of that name in the site at ``root``."""
    return NspawnHost(name, os.path.join(root, config.store), config)
