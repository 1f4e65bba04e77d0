"""``[hosts.NAME]`` with ``kind = "zvm"``, and the host that it says."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from goldroot import files
from goldroot.errors import BadInput, Refused, UsageError
from goldroot.hosts.sets import check_entry_name
from goldroot.hosts.zvm.booting import Booting
from goldroot.hosts.zvm.cp import Cp, Vmcp
from goldroot.hosts.zvm.dasd import BY_PATH, Dasds
from goldroot.hosts.zvm.elsewhere import RemoteDasds, RemoteVmcp
from goldroot.hosts.zvm.entries import TEMPLATES, Style
from goldroot.hosts.zvm.extents import ExtentsFile
from goldroot.hosts.zvm.fixed_blocks import FixedBlocks
from goldroot.hosts.zvm.host import ZvmHost
from goldroot.hosts.zvm.limits import Limits
from goldroot.hosts.zvm.medium import Medium
from goldroot.hosts.zvm.names import Names
from goldroot.hosts.zvm.parts import Parts
from goldroot.hosts.zvm.pool import GEOMETRIES, Pool
from goldroot.hosts.zvm.simulated import Socket, Trees
from goldroot.hosts.zvm.ssh import Remote, Servers
from goldroot.hosts.zvm.writing import Words
from goldroot.zvm.smapi import PORT, Client, Patience, Secret, Server

_PLACE = re.compile("[0-9A-F]{2}")

#: The variable that holds the password where no file does.
PASSWORD = "GOLDROOT_SMAPI_PASSWORD"


@dataclass(frozen=True)
class ZvmConfig:
    """``[hosts.NAME]`` with ``kind = "zvm"``.

    :param server: name or address of the SMAPI server.
    :param user: a user ID that may call SMAPI.
    :param guest: user ID of the management guest, on which goldroot runs.
    :param group: the directory manager's group of volumes, for new minidisks.
    :param password_file: its first line is the password of ``user``; relative to the site.  Without it,
        ``$GOLDROOT_SMAPI_PASSWORD``.
    :param ca_file: certificate that the server's is checked against; "" for those of the system.
    :param store: directory for locks, notes and the registry of disks; relative to the site.
    :param names: entry's name -> user ID, where they differ.
    :param prefixes: a slot's name -> the digit before the addresses of its disks, where it is not 1.
    :param link_mode: of links to gold: SR keeps writers off while a server is up, where the site allows LNKSTABL.
    :param disk_mode: of a server's own live disks.
    :param logon: what stands in the place of the password of a server that goldroot made.
    :param template: the lines of a new server's directory entry; ``{user}`` is its user ID.
    :param live_view: flashcopy: disks of a running server are seen as FLASHCOPY puts them on a temporary disk of the
        management guest, which needs the class for that, and room in the system's temporary space.
    :param disk_type: of all disks of this host: ECKD (3390), or FBA, of which CP also makes SCSI disks (EDEVs).
    :param disk_size: MiB of a new disk; one that is there at the same place of the server says more.
    :param disk_sizes: place (the last two digits of an address) -> MiB, where they differ.
    :param boot: disk: the disk with ``/boot`` gets a boot record, again on each copy; outside: servers boot from what
        goldroot does not manage.
    :param initial: goldroot: the initial file system that is booted is the system's own, and what puts its root together
        from the server's disks; system: the system's own alone does that.
    :param parameters: of each kernel, besides those for its disks.
    :param own_parameters: entry's name -> parameters of its kernel besides (zfcp, say): in the boot record of a root of
        its own, or else behind ``IPL`` in its directory entry, when that is made.
    :param copies: how many disks are copied or erased at once by commands of this site.
    :param logons: how many guests are logged on at once by them.
    :param operation_time: seconds that an asynchronous operation of the directory manager is waited for; it goes on then.
    :param guest_ssh: how the management guest is reached where it is another machine; files are reached there alone.
    :param ssh: how servers are reached for commands, ``USER@HOST``; ``{name}`` is the entry's name in small letters.
    :param ssh_own: entry's name -> the same where it differs.
    :param simulator: what the option ``--cp`` of a simulator names, whose disks are directories; "" for a real system.
        Relative to the site.
    :param link_addresses: first and last address of the management guest at which disks are linked.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    server: str
    user: str
    guest: str
    group: str
    password_file: str = ""
    port: int = PORT
    tls: bool = True
    ca_file: str = ""
    store: str = "store"
    names: dict[str, str] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    link_mode: Literal["RR", "SR"] = "RR"
    disk_mode: Literal["W", "M", "MR"] = "MR"
    logon: Literal["AUTOONLY", "LBYONLY"] = "AUTOONLY"
    template: list[str] = field(default_factory=lambda: list(TEMPLATES["machine"]))
    slot_template: list[str] = field(default_factory=lambda: list(TEMPLATES["owner"]))
    disk_type: Literal["ECKD", "FBA"] = "ECKD"
    disk_size: int = 2048
    disk_sizes: dict[str, int] = field(default_factory=dict)
    live_view: Literal["none", "flashcopy"] = "none"
    link_addresses: str = "F000-F0FF"
    vmcp: str = "vmcp"
    devices: str = BY_PATH
    boot: Literal["disk", "outside"] = "disk"
    initial: Literal["goldroot", "system"] = "goldroot"
    parameters: str = "ro"
    own_parameters: dict[str, str] = field(default_factory=dict)
    copies: int = 2
    logons: int = 10
    operation_time: int = 3600
    guest_ssh: str = ""
    ssh: str = ""
    ssh_own: dict[str, str] = field(default_factory=dict)
    simulator: str = ""


def open_host(name: str, config: ZvmConfig, root: str) -> ZvmHost:
    """The host of that name in the site at ``root``; nothing is asked and no password is read yet.

    :raises UsageError: a name, template or address in the table cannot be one.
    """
    store = os.path.join(root, config.store)
    for words in (config.parameters, *config.own_parameters.values()):
        if not words.isascii() or not words.isprintable():
            raise BadInput(f"{words!r} cannot be parameters of a kernel", todo="Use plain letters, in one line.")
    server = Server(config.server, config.port, tls=config.tls, ca_file=config.ca_file)
    if min(config.copies, config.logons, config.operation_time) < 1:
        raise BadInput("copies, logons and operation_time are at least 1")
    servers = Servers(config.ssh, {check_entry_name(name): to for name, to in config.ssh_own.items()})
    servers.check()
    cp, medium = _guest(config, root)
    parts = Parts(
        client=Client(
            server,
            config.user,
            Secret(lambda: _password(config, root)),
            patience=Patience(operation=config.operation_time),
        ),
        cp=cp,
        medium=medium,
        extents=ExtentsFile(os.path.join(store, "disks.sqlite")),
        me=config.guest.upper(),
        style=Style(
            Words(Names(config.names, config.prefixes), config.link_mode, config.disk_mode, config.logon),
            {"machine": _template(config.template), "owner": _template(config.slot_template)},
            {check_entry_name(name): words for name, words in config.own_parameters.items()},
        ),
        pool=_pool(config),
        addresses=_addresses(config.link_addresses),
        snapshots=config.live_view == "flashcopy",
        servers=servers,
        limits=Limits(config.copies, config.logons),
        booting=Booting(config.boot, config.initial, config.parameters, config.own_parameters),
    )
    return ZvmHost(name, store, parts)


def _pool(config: ZvmConfig) -> Pool:
    for place, size in {"": config.disk_size, **config.disk_sizes}.items():
        if size < 1:
            raise BadInput(f"a disk of {size} MiB cannot be made")
        if place and not _PLACE.fullmatch(place.upper()):
            raise BadInput(
                f"{place!r} is not a place: the last two digits of an address", todo="Write it so: B5, for 1B5."
            )
    sizes = {place.upper(): size << 20 for place, size in config.disk_sizes.items()}
    geometry = GEOMETRIES[config.disk_type]
    return Pool(config.group.upper(), config.disk_mode, config.disk_size << 20, sizes, geometry)


def _guest(config: ZvmConfig, root: str) -> tuple[Cp, Medium]:
    """The management guest: this Linux, another one, or a simulator's."""
    if config.guest_ssh:
        remote = Remote(config.guest_ssh)
        return RemoteVmcp(remote, config.vmcp), RemoteDasds(remote, config.devices)
    if not config.simulator:
        return Vmcp(config.vmcp), (Dasds if config.disk_type == "ECKD" else FixedBlocks)(config.devices)
    cp = Socket(os.path.join(root, config.simulator), config.guest.upper())
    return cp, Trees(cp)


def _password(config: ZvmConfig, root: str) -> str:
    """:raises UsageError: there is none.  :raises Refused: others may read the file."""
    if not config.password_file:
        if PASSWORD in os.environ:
            return os.environ[PASSWORD]
        raise UsageError("there is no password for SMAPI", todo=f"Name a password_file, or set {PASSWORD}.")
    path = os.path.join(root, config.password_file)
    if files.is_loose(path):
        raise Refused(f"the password file {path!r} may be read by others than its owner", todo=f"chmod 600 {path}")
    try:
        with open(path, encoding="latin-1") as file:
            return file.readline().rstrip("\n")
    except OSError as error:
        raise UsageError(f"the password file {path!r} cannot be read: {error.strerror}") from error


def _template(lines: Sequence[str]) -> tuple[str, ...]:
    words = lines[0].split() if lines else []
    if len(words) < 3 or words[0].upper() not in ("USER", "IDENTITY") or words[1] != "{user}" or words[2] != "NOLOG":
        raise BadInput(
            "a template of a directory entry begins with `USER {user} NOLOG`",
            meaning="Nobody logs a machine on before it is complete; then goldroot writes another word there.",
        )
    return tuple(lines)


def _addresses(range_: str) -> tuple[str, ...]:
    first, _, last = range_.partition("-")
    try:
        numbers = range(int(first, 16), int(last, 16) + 1)
    except ValueError:
        numbers = range(0)
    if not numbers or numbers[-1] > 0xFFFF:
        raise BadInput(f"{range_!r} is not a range of device addresses", todo="Write it so: F000-F0FF.")
    return tuple(f"{number:04X}" for number in numbers)
