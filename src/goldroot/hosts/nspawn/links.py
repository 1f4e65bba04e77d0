"""Network links of containers: made from outside, in the container's own network namespace, by ip(8).

What is made there goes with the container; of this machine's own links only the other end of a bridged one is changed.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice

from goldroot.errors import HostError, ProgramFailed
from goldroot.hosts.machines import MOST_LINKS, Watch
from goldroot.hosts.network import Network
from goldroot.hosts.nspawn.container import first_inside
from goldroot.hosts.port import NetLink
from goldroot.run import find, run

#: Seconds that a container gets to have its first process, and then its link; and between two looks.
_BEGINS, _PATIENCE, _LOOK_AGAIN = 60.0, 20.0, 0.002
#: Kinds of links that lead nowhere, the first that the kernel has: a bridge without ports is one, too.
_NOWHERE = ("dummy", "bridge")


@contextmanager
def before_boot(pid: int, watch: Watch) -> Iterator[int]:
    """Stop the first process of the container that a child of ours, ``pid``, runs, for the block: as soon as it is there.

    Until then systemd-nspawn has it wait, or it has hardly begun: what is made in the block is there when a service looks.

    :param watch: is told that process before it is stopped: one that is does not see that systemd-nspawn has ended.
    :raises HostError: it does not begin.
    """
    end = time.monotonic() + _BEGINS
    while (inside := first_inside(pid)) is None or _space(inside) == _space("self"):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise HostError("it ended before it had begun")
        if time.monotonic() > end:
            raise HostError(f"it did not begin within {_BEGINS:g} s")
        time.sleep(_LOOK_AGAIN)
    watch(inside)
    os.kill(inside, signal.SIGSTOP)
    try:
        yield inside
    finally:
        with suppress(ProcessLookupError):
            os.kill(inside, signal.SIGCONT)


def make_dummies(inside: int, links: Sequence[NetLink]) -> None:
    """Links that lead nowhere, with these names and addresses.

    :raises HostError: the kernel makes none.
    """
    for link in links:
        if all(_ip(inside, "link", "add", "name", link.name, "type", kind) for kind in _NOWHERE):
            raise HostError(f"the link {link.name} cannot be made in the trial: this kernel has no dummy links")
        give_addresses(inside, link)


def give_addresses(inside: int, link: NetLink) -> None:
    """A link is up, with its addresses; one that it has already is not an error."""
    for address in link.addresses:
        _ip(inside, "address", "replace", address, "dev", link.name)
    _ip(inside, "link", "set", "dev", link.name, "up")


def join(inside: int, network: Network, ours: str, *, gives_itself: bool) -> None:
    """Join the link of a container to its bridge, and give it its address.

    :param ours: what its other end is called on this machine.
    :param gives_itself: the system sets its address itself, and fails where that is there already.
    :raises HostError: that does not work.
    """
    end = time.monotonic() + _PATIENCE
    while not os.path.isdir(f"/sys/class/net/{ours}"):  # systemd-nspawn makes it now
        if time.monotonic() > end:
            raise HostError(f"its link {ours} was not made")
        time.sleep(_LOOK_AGAIN)
    try:
        run([find("ip"), "link", "set", "dev", ours, "master", network.bridge, "up"], timeout=10)
    except ProgramFailed as error:
        raise HostError(f"its link cannot be joined to {network.bridge}: {error.stderr}") from error
    while why := _ip(inside, "link", "set", "dev", network.interface, "up"):  # its end inside is moved there
        if time.monotonic() > end:
            raise HostError(f"its link {network.interface} is not there: {why}")
        time.sleep(_LOOK_AGAIN)
    if gives_itself or not network.address:
        return
    give_addresses(inside, NetLink(network.interface, (network.address,)))
    # A gateway need not be one of the address's own network: one of the link alone (fe80::1) is reached by its link, too.
    way = ("via", network.gateway, "dev", network.interface, "onlink")
    if network.gateway and (why := _ip(inside, "route", "replace", "default", *way)):
        raise HostError(f"it has no way to {network.gateway}: {why}")


def links_of(inside: int) -> list[NetLink]:
    """The links of a container but its loopback, with the addresses by which others reach it."""
    try:
        said = run([*_within(inside), "-json", "address", "show"], timeout=10).out
        found = json.loads(said)
    except (ProgramFailed, ValueError):  # it has ended
        return []
    return [
        NetLink(str(one["ifname"]), tuple(islice(_addresses(one.get("addr_info", ())), MOST_LINKS)))
        for one in found[:MOST_LINKS]
        if "LOOPBACK" not in one.get("flags", ())
    ]


def _addresses(found: Sequence[dict[str, object]]) -> Iterator[str]:
    for one in found:
        if one.get("scope") == "global":
            yield f"{one['local']}/{one['prefixlen']}"


def _ip(inside: int, *words: str) -> str:
    """Why a command of ip(8) failed in the container's network; "" where it did not."""
    done = run([*_within(inside), *words], ok=None, timeout=10)
    return done.err.decode("utf-8", "replace").strip() or f"status {done.status}" if done.status else ""


def _within(inside: int) -> list[str]:
    return [find("nsenter"), f"--net=/proc/{inside}/ns/net", "--", find("ip")]


def _space(pid: int | str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return os.readlink("/proc/self/ns/net")
