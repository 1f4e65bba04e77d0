"""What makes a clone itself: host name, machine-id, ssh host keys, addresses.  Written when it is made, never shared."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from goldroot import sshkeys
from goldroot.sshsig import KINDS, Kind
from goldroot.system.identity_made import DBUS_ID, MACHINE_ID, make_contents, new_machine_id, to_make
from goldroot.system.identity_places import to_remove, unique_contents
from goldroot.system.network import NetworkSettings, checked_settings, network_files
from goldroot.system.network_values import host_name
from goldroot.system.own_disks import OwnDisks

HOSTNAME, SUSE_HOSTNAME, HOSTS = b"etc/hostname", b"etc/HOSTNAME", b"etc/hosts"
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


def write_identity(tree: OwnDisks, identity: Identity, room: str) -> list[str]:
    """Make a copy of gold a server of its own.

    :param room: an empty directory of this command's own, for keys until they are in their place.
    :returns: the paths written and removed, for a person.
    """
    written = [*_names(tree, identity.hostname), *_machine_id(tree)]
    made = make_contents(to_make(tree), tree, identity.hostname, room)
    for path, content in made.items():
        tree.put_like(path, content, tree)
    written += [*made, *_keys(tree, identity.hostname, room)]
    if identity.network is not None:
        for file in network_files(identity.network, lambda path: _has(tree, path)):
            tree.put(file.path, file.content.encode(), file.mode)
            written.append(file.path)
    removed = list(to_remove(tree))
    for path in removed:
        tree.remove(path)
    return ["/" + os.fsdecode(path) for path in (*written, *removed)]


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


def _machine_id(tree: OwnDisks) -> list[bytes]:
    number = new_machine_id()
    tree.put(MACHINE_ID, number, 0o444)
    if tree.kind(DBUS_ID) != "file":
        return [MACHINE_ID]
    tree.put(DBUS_ID, number, 0o444)
    return [MACHINE_ID, DBUS_ID]


def _keys(tree: OwnDisks, hostname: str, room: str) -> list[bytes]:
    """New ssh host keys, of the kinds that gold has; what gold had is removed even where no new one is made."""
    kinds = key_kinds(tree)
    for name in tree.names(SSH):
        if name.startswith(b"ssh_host_"):
            tree.remove(SSH + b"/" + name)
    return [path for kind in kinds for path in make_host_key(tree, kind, hostname, room)]


def key_kinds(tree: OwnDisks) -> list[Kind]:
    """The kinds of host keys that a server of this gold has: those of gold, or all where its sshd has none yet."""
    if tree.kind(SSH) != "directory":
        return []
    names = tree.names(SSH)
    there = {found[1].decode() for name in names if (found := _KEY.fullmatch(name.removesuffix(b".pub")))}
    kinds = [kind for kind in KINDS if kind in there]
    return kinds or (list(KINDS) if b"sshd_config" in names else [])


def make_host_key(tree: OwnDisks, kind: Kind, hostname: str, room: str) -> list[bytes]:
    """A new host key in its place; the paths of its two files."""
    private = host_key(kind)
    pair = sshkeys.make_key(kind, f"root@{hostname.partition('.')[0]}", room)
    tree.put(private, pair.private, 0o600)
    tree.put(private + b".pub", pair.public)
    return [private, private + b".pub"]


def host_key(kind: Kind) -> bytes:
    """Where sshd has its private key of a kind."""
    return SSH + f"/ssh_host_{kind}_key".encode()


def fingerprints(tree: OwnDisks) -> dict[str, str]:
    """What must be unique, as hashes of it: name of the thing -> hex SHA-256.  Empty things are left out."""
    found: dict[str, bytes] = {}
    for word, path in (("machine-id", MACHINE_ID), ("host name", HOSTNAME), ("host name (SUSE)", SUSE_HOSTNAME)):
        found[word] = (tree.read(path) or b"").strip()
    for name in tree.names(SSH):
        if _KEY.fullmatch(name.removesuffix(b".pub")) and name.endswith(b".pub"):
            fields = (tree.read(SSH + b"/" + name) or b"").split()
            found[f"ssh host key ({name.decode()})"] = b" ".join(fields[:2])
    found |= unique_contents(tree)
    return {
        word: hashlib.sha256(value).hexdigest() for word, value in found.items() if value not in (b"", b"uninitialized")
    }
