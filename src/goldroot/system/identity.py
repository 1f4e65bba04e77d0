"""What makes a clone itself: host name, machine-id, ssh host keys, addresses.  Written when it is made, never shared."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from goldroot import sshkeys
from goldroot.sshsig import KINDS, Kind
from goldroot.system import disk_files
from goldroot.system.network import NetworkSettings, checked_settings, network_files
from goldroot.system.network_values import host_name
from goldroot.system.placement import Placement

MACHINE_ID, HOSTNAME, SUSE_HOSTNAME, HOSTS = b"etc/machine-id", b"etc/hostname", b"etc/HOSTNAME", b"etc/hosts"
SSH = b"etc/ssh"

_KEY = re.compile(rb"ssh_host_([a-z0-9]+)_key")


@dataclass(frozen=True, slots=True)
class Identity:
    """``hostname`` may have a domain; ``network`` is ``None`` where the image's own settings stay."""

    hostname: str
    network: NetworkSettings | None = None

    def __post_init__(self) -> None:
        host_name(self.hostname)
        if self.network is not None:
            checked_settings(self.network)

    def as_dict(self) -> dict[str, object]:
        """For the catalog; there are no secrets in it."""
        data: dict[str, object] = {"hostname": self.hostname}
        if self.network is not None:
            data |= {"interface": self.network.interface, "address": self.network.address}
        return data


@dataclass(frozen=True)
class OwnDisks:
    """A clone's own disks as one tree; what stands on a shared disk is not in it."""

    layout: Placement
    roots: Mapping[str, str] = field(default_factory=dict)  #: directory of each own disk, by live address

    def root(self, path: bytes) -> str | None:
        """The directory of the disk that holds a path."""
        return self.roots.get(self.layout.disk_of(path).address)

    def read(self, path: bytes) -> bytes | None:
        """See :func:`goldroot.system.disk_files.read_path`."""
        root = self.root(path)
        return None if root is None else disk_files.read_path(root, path)

    def kind(self, path: bytes) -> str:
        """See :func:`goldroot.system.disk_files.kind_of`."""
        root = self.root(path)
        return "" if root is None else disk_files.kind_of(root, path)

    def names(self, path: bytes) -> list[bytes]:
        """What a directory holds."""
        root = self.root(path)
        return [] if root is None else disk_files.names_in(root, path)

    def put(self, path: bytes, data: bytes, mode: int = 0o644) -> None:
        """Write a file; nothing where it would stand on a shared disk."""
        root = self.root(path)
        if root is not None:
            disk_files.put(root, path, data, mode)


def write_identity(tree: OwnDisks, identity: Identity, room: str) -> list[str]:
    """Make a copy of gold a server of its own.

    :param room: an empty directory of this command's own, for keys until they are in their place.
    :returns: the paths written, for a person.
    """
    written = [*_names(tree, identity.hostname), *_ids(tree), *_keys(tree, identity.hostname, room)]
    if identity.network is not None:
        for file in network_files(identity.network, lambda path: _has(tree, path)):
            tree.put(file.path, file.content.encode(), file.mode)
            written.append(file.path)
    return ["/" + os.fsdecode(path) for path in written]


def _has(tree: OwnDisks, path: bytes) -> bool:
    if path.startswith(b"link:"):
        return tree.kind(path[5:]) == "link"
    return bool(tree.kind(path))


def _names(tree: OwnDisks, hostname: str) -> list[bytes]:
    short = hostname.partition(".")[0]
    tree.put(HOSTNAME, short.encode() + b"\n")
    written = [HOSTNAME]
    if tree.kind(SUSE_HOSTNAME) == "file":
        tree.put(SUSE_HOSTNAME, hostname.encode() + b"\n")
        written.append(SUSE_HOSTNAME)
    tree.put(HOSTS, hosts_with(tree.read(HOSTS) or b"", hostname))
    return [*written, HOSTS]


def hosts_with(hosts: bytes, hostname: str) -> bytes:
    """``/etc/hosts`` with the server's own line (127.0.1.1, as Debian has it) in the place of any other such line."""
    short = hostname.partition(".")[0]
    names = f"{hostname} {short}" if hostname != short else short
    own = f"127.0.1.1\t{names}".encode()
    lines = hosts.split(b"\n") if hosts else [b"127.0.0.1\tlocalhost", b""]
    kept = [line for line in lines if line.split()[:1] != [b"127.0.1.1"]]
    place = next((i + 1 for i, line in enumerate(kept) if line.split()[:1] == [b"127.0.0.1"]), 0)
    return b"\n".join([*kept[:place], own, *kept[place:]])


def _ids(tree: OwnDisks) -> list[bytes]:
    number = secrets.token_hex(16).encode() + b"\n"
    tree.put(MACHINE_ID, number, 0o444)
    written = [MACHINE_ID]
    for path, value, mode in (
        (b"var/lib/dbus/machine-id", number, 0o444),
        (b"etc/nvme/hostid", str(uuid.uuid4()).encode() + b"\n", 0o644),
        (b"etc/nvme/hostnqn", b"nqn.2014-08.org.nvmexpress:uuid:" + str(uuid.uuid4()).encode() + b"\n", 0o644),
        (b"etc/iscsi/initiatorname.iscsi", b"InitiatorName=iqn.1993-08.org.debian:01:"
         + secrets.token_hex(6).encode() + b"\n", 0o600),
        (b"var/lib/systemd/random-seed", secrets.token_bytes(32), 0o600),
    ):  # fmt: skip
        if tree.kind(path) == "file":
            tree.put(path, value, mode)
            written.append(path)
    return written


def _keys(tree: OwnDisks, hostname: str, room: str) -> list[bytes]:
    """New ssh host keys, of the kinds that gold has; what gold had is removed even where no new one is made."""
    if tree.kind(SSH) != "directory":
        return []
    names = tree.names(SSH)
    there = {found[1].decode() for name in names if (found := _KEY.fullmatch(name))}
    kinds = [kind for kind in KINDS if kind in there]
    if not kinds and b"sshd_config" in names:
        kinds = list(KINDS)
    root = tree.root(SSH)
    assert root is not None
    for name in names:
        if name.startswith(b"ssh_host_"):
            disk_files.remove_path(root, SSH + b"/" + name)
    return [path for kind in kinds for path in _key(tree, kind, hostname.partition(".")[0], room)]


def _key(tree: OwnDisks, kind: Kind, hostname: str, room: str) -> list[bytes]:
    private = SSH + f"/ssh_host_{kind}_key".encode()
    pair = sshkeys.make_key(kind, f"root@{hostname}", room)
    tree.put(private, pair.private, 0o600)
    tree.put(private + b".pub", pair.public)
    return [private, private + b".pub"]


def fingerprints(tree: OwnDisks) -> dict[str, str]:
    """What must be unique, as hashes of it: name of the thing -> hex SHA-256.  Empty things are left out."""
    found: dict[str, bytes] = {}
    for word, path in (("machine-id", MACHINE_ID), ("host name", HOSTNAME), ("host name (SUSE)", SUSE_HOSTNAME)):
        found[word] = (tree.read(path) or b"").strip()
    for name in tree.names(SSH):
        if _KEY.fullmatch(name.removesuffix(b".pub")) and name.endswith(b".pub"):
            fields = (tree.read(SSH + b"/" + name) or b"").split()
            found[f"ssh host key ({name.decode()})"] = b" ".join(fields[:2])
    return {
        word: hashlib.sha256(value).hexdigest() for word, value in found.items() if value not in (b"", b"uninitialized")
    }
