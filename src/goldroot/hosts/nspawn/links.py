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

from goldroot.errors import HostError, ProgramFailed
from goldroot.hosts.nspawn.container import first_inside
from goldroot.hosts.port import NetLink
from goldroot.run import find, run

#: Seconds that a container gets to have its first process, and between two looks.
_PATIENCE, _LOOK_AGAIN = 20.0, 0.002
#: Kinds of links that lead nowhere, the first that the kernel has: a bridge without ports is one, too.
_NOWHERE = ("dummy", "bridge")


@contextmanager
def before_boot(pid: int) -> Iterator[int]:
    """Stop the first process of the container that a child of ours, ``pid``, runs, for the block: as soon as it is there.

    Until then systemd-nspawn has it wait, or it has hardly begun: what is made in the block is there when a service looks.

    :raises HostError: it does not begin.
    """
    end = time.monotonic() + _PATIENCE
    while (inside := first_inside(pid)) is None or _space(inside) == _space("self"):
        if time.monotonic() > end or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise HostError("it has ended before it had a network")
        time.sleep(_LOOK_AGAIN)
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
    """A link is up, with its addresses; one that it has already is no error."""
    for address in link.addresses:
        _ip(inside, "address", "replace", address, "dev", link.name)
    _ip(inside, "link", "set", "dev", link.name, "up")


def links_of(inside: int) -> list[NetLink]:
    """The links of a container but its loopback, with the addresses by which others reach it."""
    try:
        said = run([*_within(inside), "-json", "address", "show"], timeout=10).out
        found = json.loads(said)
    except (ProgramFailed, ValueError):  # it has ended
        return []
    return [
        NetLink(str(one["ifname"]), tuple(_addresses(one.get("addr_info", ()))))
        for one in found
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
