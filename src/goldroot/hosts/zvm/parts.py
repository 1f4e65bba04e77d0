"""What a z/VM host is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from goldroot.hosts.zvm.booting import Booting
from goldroot.hosts.zvm.consoles import Spooled
from goldroot.hosts.zvm.cp import Cp
from goldroot.hosts.zvm.entries import Style
from goldroot.hosts.zvm.extents import Extents
from goldroot.hosts.zvm.limits import Limits
from goldroot.hosts.zvm.manager import PAUSES
from goldroot.hosts.zvm.medium import Medium
from goldroot.hosts.zvm.pool import Pool
from goldroot.hosts.zvm.ssh import Servers
from goldroot.zvm.smapi import Client

#: Addresses of the management guest that goldroot links disks at.
ADDRESSES = tuple(f"F{number:03X}" for number in range(256))


@dataclass(frozen=True)
class Parts:
    """What a z/VM host is made of.

    :param client: a way to SMAPI.
    :param cp: a way to CP, as the management guest.
    :param medium: what is on disks.
    :param extents: which disk lies where.
    :param me: the management guest's user ID.
    :param pauses: seconds between tries where somebody else has an entry locked.
    :param snapshots: the management guest may use FLASHCOPY and define temporary disks.
    :param booting: how guests boot.
    :param servers: how commands are run inside them.
    :param limits: how much is done at once.
    :param spooled: how consoles are read that ssh does not reach; ``None``: they are not.
    :param members: SMAPI of the other members of the cluster, by their names.
    :param member_of: entry's name -> the member at which it is logged on; all others: the management guest's.
    """

    client: Client
    cp: Cp
    medium: Medium
    extents: Extents
    me: str
    style: Style
    pool: Pool
    addresses: Sequence[str] = ADDRESSES
    pauses: Sequence[float] = PAUSES
    snapshots: bool = False
    booting: Booting = field(default_factory=Booting)
    servers: Servers = field(default_factory=Servers)
    limits: Limits = field(default_factory=Limits)
    spooled: Spooled | None = None
    members: Mapping[str, Client] = field(default_factory=dict)
    member_of: Mapping[str, str] = field(default_factory=dict)
