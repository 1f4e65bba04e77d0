"""Running commands in the systems of a site: which disks stand where, and how the site wants commands confined.

The commands get the disks as descriptors: no path of the host goes further than this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from goldroot.hosts import LIVE, Access, Entry, Host, Opened, standing
from goldroot.site.config import Config
from goldroot.site.layout import Layout
from goldroot.system import Bound, Confined, How, Mode, power_of, run_in, shell_of

#: Is given the form in which a command is confined, and why it is not the strongest one, before it starts.
TellForm = Callable[[Mode, str], None]

PLAINLY = How()


def binds_of(layout: Layout, opened: Mapping[str, Opened], read_only: Collection[str] = ()) -> list[Bound]:
    """How disks are put together: each path of the layout from its disk.

    :param opened: the disks by their live addresses, good for as long as these are open.
    :param read_only: the addresses of those that are only read: gold is never written.
    """
    return [Bound(opened[bind.address].handle, bind.path, bind.address in read_only) for bind in layout.binds()]


@contextmanager
def open_system(
    host: Host, entry: Entry, layout: Layout, set: str = LIVE, *, read_only_root: bool = False
) -> Iterator[list[Bound]]:
    """The system of a set of disks, put together for the block: its own disks to be written, linked ones to be read.

    :param read_only_root: shared disks are read-only even where the machine owns them.
    """
    disks = standing(host, entry, set)
    shared = {disk.address for disk in layout.shared} if read_only_root else ()
    fixed = {address for address, disk in disks.items() if disk.owner != entry.name or address in shared}
    wanted: dict[str, Access] = {disk.id: "ro" if address in fixed else "rw" for address, disk in disks.items()}
    with host.open_disks(wanted, use="system") as opened:
        yield binds_of(layout, {address: opened[disk.id] for address, disk in disks.items()}, fixed)


def run_on(
    config: Config, image: str, binds: Sequence[Bound], command: Sequence[str] | None, how: How = PLAINLY, *,
    time: int | None = None,
) -> Confined:  # fmt: skip
    """:func:`goldroot.system.run_in` on these disks, within the limits that the site sets for ``image``.

    :param command: ``None``: a shell for a person.
    :param how: its ``limits`` and its ``mode`` are the site's.
    :param time: the seconds that this command may take, 0 as many as it wants; ``None``: as the limits say, or ``how``.
    """
    words = [shell_of(binds[0])] if command is None else command
    limits = config.image(image).limits
    if time is not None:
        limits, how = replace(limits, time=time), replace(how, timeout=None)
    return run_in(binds, words, replace(how, limits=limits, mode=config.confine))


def weakness(mode: Mode, why: str, *, network: bool = False) -> str:
    """What is to be said of a form that has no user namespace; "" of every other."""
    return f"commands have {power_of(mode, network=network, why=why)}" if mode == "caps" else ""
