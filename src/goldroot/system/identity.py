"""What makes a server itself: host name, machine-id, keys, ids, addresses; where they are, and giving a server its own.

It is made when the server is made, or when a gold first brings it, and is never shared.  What is in none of the tables is alike on
purpose, and never touched: munge's key, corosync's authkey, Erlang's cookie, keyrings of Ceph, a shared ``rndc.key``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from goldroot import sshkeys
from goldroot.sshkeys import KINDS, Kind
from goldroot.system.made_contents import CONTENTS, RNDC_KEYS, SNAKEOIL, SNAKEOIL_KEY, make_contents, new_machine_id
from goldroot.system.network import NetworkSettings, checked_settings, host_name, network_files
from goldroot.system.own_disks import OwnDisks, Tree

# -- Where a system keeps what must be its alone

MACHINE_ID, DBUS_ID = b"etc/machine-id", b"var/lib/dbus/machine-id"
NAMED = (b"etc/bind", b"etc/named", b"etc/named.d", b"etc")
_INCLUDE = re.compile(rb'^\s*include\s+"([^"]*)"', re.MULTILINE)

#: Removed from a copy of gold: the program that has it makes another one.  ``**`` at the end: all files below.
REMOVED = (
    # DHCP: ids, secrets, and leases that were given to the maintenance system
    "var/lib/wicked/duid.xml", "var/lib/wicked/iaid.xml", "var/lib/wicked/lease-*.xml", "etc/dhcpcd.duid", "etc/dhcpcd.secret",
    "var/lib/dhcpcd/duid", "var/lib/dhcpcd/secret", "var/lib/dhcpcd/*.lease*", "var/lib/dhcp/dhclient*.lease*",
    "var/lib/dhclient/*.lease*", "var/lib/NetworkManager/*.lease",
    # agents of configuration management, which a server enrols with again
    "etc/salt/minion_id", "etc/salt/pki/minion/minion.pem", "etc/salt/pki/minion/minion.pub", "etc/puppet/ssl/**",
    "var/lib/puppet/ssl/**", "etc/puppetlabs/puppet/ssl/**", "etc/chef/client.pem",
    # ids of services
    "var/lib/mysql/auto.cnf", "etc/docker/key.json", "var/lib/docker/engine-id", "var/lib/consul/node-id", "opt/consul/node-id",
    "opt/consul/data/node-id", "var/lib/snapd/device/**", "var/lib/zypp/AnonymousUniqueId", "etc/insights-client/machine-id",
    "etc/redhat-access-insights/machine-id", "var/lib/netdata/registry/netdata.public.unique.id", "var/lib/yum/uuid",
    # hardware of the machine that gold was made on
    "etc/udev/rules.d/70-persistent-net.rules", "etc/blkid.tab", "etc/blkid.tab.old", "etc/blkid/blkid.tab",
    "etc/lvm/devices/system.devices",
)  # fmt: skip

#: What two servers must not have alike, of what is made or removed above; not leases, hardware and random seeds, which say
#: nothing of who a server is.  Files of a wildcard count together.
UNIQUE = (
    "etc/hostid", "etc/nvme/hostid", "etc/nvme/hostnqn", "etc/iscsi/initiatorname.iscsi", "var/lib/NetworkManager/secret_key",
    "etc/ssl/private/ssl-cert-snakeoil.key", "var/lib/wicked/duid.xml", "etc/dhcpcd.duid", "etc/dhcpcd.secret",
    "var/lib/dhcpcd/duid", "var/lib/dhcpcd/secret", "etc/salt/minion_id", "etc/salt/pki/minion/minion.pem",
    "etc/puppet/ssl/private_keys/*", "var/lib/puppet/ssl/private_keys/*", "etc/puppetlabs/puppet/ssl/private_keys/*",
    "etc/chef/client.pem", "var/lib/mysql/auto.cnf", "etc/docker/key.json", "var/lib/docker/engine-id",
    "var/lib/consul/node-id", "opt/consul/node-id", "opt/consul/data/node-id", "var/lib/snapd/device/private-keys-v1/*",
    "var/lib/zypp/AnonymousUniqueId", "etc/insights-client/machine-id", "etc/redhat-access-insights/machine-id",
    "var/lib/netdata/registry/netdata.public.unique.id", "var/lib/yum/uuid",
)  # fmt: skip

#: The key by which systemd encrypts credentials; what it has encrypted nobody else can read.
CREDENTIAL_SECRET = b"var/lib/systemd/credential.secret"
ENCRYPTED = (b"etc/credstore.encrypted", b"usr/lib/credstore.encrypted")


def expanded(tree: Tree, pattern: str) -> Iterator[bytes]:
    """The files (or links) of a tree that a pattern names; a wildcard stands for a part of one name."""
    head, _, tail = pattern.rpartition("/")
    places = [b""]
    for name in head.split("/"):
        inside: list[bytes] = []
        for path in _matching(tree, places, name):
            if tree.kind(path) == "directory":
                inside.append(path)
        places = inside
    if tail == "**":
        for place in places:
            yield from _files_below(tree, place)
        return
    for path in _matching(tree, places, tail):
        if tree.kind(path) in ("file", "link"):
            yield path


def _matching(tree: Tree, places: Sequence[bytes], name: str) -> Iterator[bytes]:
    """The paths in some directories that have a name, or match it; of a name alone whether there or not."""
    for place in places:
        prefix = place + b"/" if place else b""
        for held in [name.encode()] if "*" not in name else tree.names(place):
            if "*" not in name or fnmatchcase(held.decode("utf-8", "surrogateescape"), name):
                yield prefix + held


def _files_below(tree: Tree, place: bytes) -> Iterator[bytes]:
    for name in tree.names(place):
        path = place + b"/" + name
        kind = tree.kind(path)
        if kind == "directory":
            yield from _files_below(tree, path)
        elif kind in ("file", "link"):
            yield path


def to_remove(tree: Tree) -> Iterator[bytes]:
    """What a copy of a gold must not have, and gets another one of by itself."""
    for pattern in REMOVED:
        yield from expanded(tree, pattern)
    if tree.kind(CREDENTIAL_SECRET) == "file" and not has_encrypted(tree):
        yield CREDENTIAL_SECRET


def has_encrypted(tree: Tree) -> bool:
    """Whether there are credentials that only this system's secret opens."""
    return any(True for place in ENCRYPTED for _ in _files_below(tree, place))


def unique_contents(tree: Tree) -> Iterator[tuple[str, bytes]]:
    """What of a system nobody else must have: (its place, its content)."""
    for pattern in UNIQUE:
        held = b"\0".join(tree.read(path) or b"" for path in sorted(expanded(tree, pattern)))
        yield f"/{pattern.removesuffix('/*')}", held.strip()


def to_make(tree: Tree) -> Iterator[bytes]:
    """The files of gold's that every system needs its own of; not machine-id, nor keys of sshd."""
    for path in CONTENTS:
        if tree.kind(path) == "file":
            yield path
    for path in RNDC_KEYS:
        if tree.kind(path) == "file" and b"/" + path in _included(tree):
            yield path
    for path in (SNAKEOIL_KEY, SNAKEOIL):
        if tree.kind(path) == "file":
            yield path


def _included(tree: Tree) -> set[bytes]:
    """The files that the name server's configuration includes."""
    places = [place + b"/" + name for place in NAMED for name in tree.names(place) if name.startswith(b"named")]
    return {one for path in places for one in _INCLUDE.findall(tree.read(path) or b"")}


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


# -- A new server

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


# -- A new gold. A service arrives with an update, its key does not: class ``identity`` is the server's always, so a host key
# of gold's never comes to a server; and what a state unit of gold's brings (a DHCP id) would be the same on all servers.
# What the old gold had already, and the server deleted, stays deleted.


@dataclass(frozen=True, slots=True)
class UpdateTrees:
    """The own disks of one update: of the old gold, the new gold, the server, and of the merge's result."""

    base: OwnDisks
    gold: OwnDisks
    clone: OwnDisks
    result: OwnDisks

    def is_first(self, path: bytes) -> bool:
        """Whether neither the old gold nor the server has something there."""
        return not self.base.kind(path) and not self.clone.kind(path)

    def is_made(self, path: bytes) -> bool:
        """Whether the result has something there that is not gold's: an earlier attempt made it."""
        return bool(self.result.kind(path)) and self.result.read(path) != self.gold.read(path)


@dataclass(frozen=True, slots=True)
class FirstIdentity:
    """What was done; paths without a leading slash."""

    made: tuple[bytes, ...] = ()  #: now, or by an earlier attempt
    removed: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.made or self.removed)


def make_first(trees: UpdateTrees, hostname: str, room: str) -> FirstIdentity:
    """Make in a result what its server must have of its own since this gold; done again, it changes nothing.

    :param room: an empty directory of this command's own, for keys until they are in their place.
    """
    result = trees.result
    wanted = list(_wanted(trees))
    missing = [path for path in wanted if not trees.is_made(path)]
    contents = make_contents(missing, trees.gold, hostname, room) if missing else {}
    contents |= _machine_ids(trees, missing)
    for path, content in contents.items():
        result.put_like(path, content, trees.gold)
    for kind in _new_kinds(trees):
        if not result.kind(host_key(kind)):
            make_host_key(result, kind, hostname, room)
        wanted += [host_key(kind), host_key(kind) + b".pub"]
    removed = [path for path in to_remove(trees.gold) if trees.is_first(path) and result.kind(path)]
    for path in removed:
        result.remove(path)
    return FirstIdentity(tuple(wanted), tuple(removed))


def _wanted(trees: UpdateTrees) -> Iterator[bytes]:
    pair = (SNAKEOIL_KEY, SNAKEOIL)
    # A key and its certificate belong together: who has the one is not given the other.
    whole = all(trees.is_first(path) for path in pair)
    ids = (path for path in (MACHINE_ID, DBUS_ID) if trees.gold.kind(path) == "file")
    for path in (*ids, *to_make(trees.gold)):
        if whole if path in pair else trees.is_first(path):
            yield path


def _machine_ids(trees: UpdateTrees, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    found = {MACHINE_ID: new_machine_id()} if MACHINE_ID in wanted else {}
    if DBUS_ID in wanted:
        found[DBUS_ID] = found.get(MACHINE_ID) or trees.result.read(MACHINE_ID) or new_machine_id()
    return found


def _new_kinds(trees: UpdateTrees) -> list[Kind]:
    """The kinds of host keys that the new gold's servers have, and the old one's had not."""
    if trees.result.kind(SSH) != "directory":
        return []
    had = key_kinds(trees.base)
    return [
        kind for kind in key_kinds(trees.gold)
        if kind not in had and not trees.clone.kind(host_key(kind))
    ]  # fmt: skip
