"""Running commands in the systems of a site: which disks stand where, and how the site wants commands confined.

The commands get the disks as descriptors (:func:`opened`): no path of the host goes further than this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from goldroot.hosts.former import Host, partner
from goldroot.site.config import Config
from goldroot.site.layout import Layout
from goldroot.system import Bound, Confined, Mode, power_of, run_in, shell_of

#: Is given the form in which a command is confined, and why it is not the strongest one, before it starts.
TellForm = Callable[[Mode, str], None]


class Placed(NamedTuple):
    """``path`` of the disk whose files are in the directory ``disk`` stands at ``path`` of the system."""

    disk: str
    path: bytes
    read_only: bool


def binds_of(
    host: Host, machine: str, layout: Layout, *, prepared: bool = False, read_only_root: bool = False
) -> list[Placed]:
    """How a machine's disks are put together: the live ones, or those that are prepared at 5Bx.

    A disk that is linked is always read-only: gold is never written.

    :param read_only_root: shared disks are read-only even where the machine owns them.
    """
    found = []
    for bind in layout.binds():
        standing = host.at(machine, partner(bind.address) if prepared else bind.address)
        read_only = standing.mode == "ro" or (read_only_root and bind.shared)
        found.append(Placed(standing.path, bind.path, read_only))
    return found


@contextmanager
def open_places(places: Sequence[Placed]) -> Iterator[list[Bound]]:
    """The disks, open for the block."""
    with ExitStack() as stack:
        handles: dict[str, int] = {}
        for place in places:
            if place.disk not in handles:
                # A disk is a directory, or has one mounted there, and is never a link.
                handles[place.disk] = os.open(place.disk, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                stack.callback(os.close, handles[place.disk])
        yield [Bound(handles[place.disk], place.path, place.read_only) for place in places]


def run_on(
    config: Config,
    image: str,
    places: Sequence[Placed],
    command: Sequence[str] | None,
    *,
    ok: Sequence[int] | None = (0,),
    capture: bool = True,
    timeout: float | None = None,
    network: bool = False,
    label: str = "",
    told: TellForm | None = None,
) -> Confined:
    """:func:`goldroot.system.run_in` on these disks, within the limits that the site sets for ``image``.

    :param command: ``None``: a shell for a person.
    """
    with open_places(places) as binds:
        return run_in(
            binds,
            [shell_of(binds[0])] if command is None else command,
            ok=ok,
            capture=capture,
            timeout=timeout,
            network=network,
            label=label,
            limits=config.image(image).limits,
            mode=config.confine,
            told=told,
        )


def weakness(mode: Mode, why: str, *, network: bool = False) -> str:
    """What is to be said of a form that has no user namespace; "" of every other."""
    return f"commands have {power_of(mode, network=network, why=why)}" if mode == "caps" else ""
