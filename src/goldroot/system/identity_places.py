"""Where a system keeps what must be its alone, and what it must never share: tables, and looking them up in a tree.

What is in none of the tables is alike on purpose, and never touched: munge's key, corosync's authkey, Erlang's cookie, keyrings
of Ceph, a shared ``rndc.key``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from goldroot.tree import Note, path_text


class Tree(Protocol):
    """A system's tree, as far as it is looked at here."""

    def read(self, path: bytes) -> bytes | None: ...
    def kind(self, path: bytes) -> str: ...
    def names(self, path: bytes) -> list[bytes]: ...


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

#: What ties a system to one host, with a word for a person: on several servers it is wrong, and it cannot be made again.
TIES = (
    ("etc/krb5.keytab", "a Kerberos keytab"),
    ("var/lib/samba/private/secrets.tdb", "Samba's secrets of a domain"),
    ("etc/samba/secrets.tdb", "Samba's secrets of a domain"),
    ("etc/ipa/default.conf", "an enrolment with IPA"),
    ("var/lib/ipa-client/sysrestore/*", "an enrolment with IPA"),
    ("var/lib/sss/db/*.ldb", "sssd's cache"),
    ("var/lib/sss/secrets/*", "sssd's secrets"),
    ("etc/zypp/credentials.d/SCCcredentials", "a registration with SUSE"),
    ("etc/zypp/credentials.d/NCCcredentials", "a registration with Novell"),
    ("etc/pki/consumer/*.pem", "a registration with Red Hat"),
    ("etc/pki/entitlement/*.pem", "entitlements of Red Hat"),
    ("etc/sysconfig/rhn/systemid", "a registration with Red Hat's Satellite"),
    ("var/lib/ubuntu-advantage/private/machine-token.json", "a token of Ubuntu Pro"),
    ("var/ossec/etc/client.keys", "the key of an agent (Wazuh, OSSEC)"),
    ("var/lib/amazon/ssm/Vault/Store/RegistrationKey", "the key of an agent (SSM)"),
    ("var/lib/tailscale/tailscaled.state", "the key of an agent (Tailscale)"),
    ("var/lib/zerotier-one/identity.secret", "the key of an agent (ZeroTier)"),
    ("var/lib/teleport/host_uuid", "the id of an agent (Teleport)"),
    ("opt/CrowdStrike/falconstore", "the id of an agent (CrowdStrike)"),
    ("etc/qualys/hostid", "the id of an agent (Qualys)"),
)

#: What is perhaps not meant to go to every server.
DOUBTFUL = (
    ("root/.ssh/id_*", "a private key of a user"),
    ("home/*/.ssh/id_*", "a private key of a user"),
    ("root/.*_history", "what somebody typed"),
    ("home/*/.*_history", "what somebody typed"),
    ("var/lib/cloud/instance", "cloud-init's state of the first boot: `cloud-init clean` would run it again"),
)
#: Files in which a host's name may stand by itself: the line that says it.
NAMES = (
    ("etc/zabbix/zabbix_agentd.conf", rb"^\s*Hostname\s*=\s*(\S+)"),
    ("etc/zabbix/zabbix_agent2.conf", rb"^\s*Hostname\s*=\s*(\S+)"),
    ("etc/mailname", rb"^\s*(\S+)"),
    ("etc/postfix/main.cf", rb"^myhostname\s*=\s*(\S+)"),
)


@dataclass(frozen=True, slots=True)
class Tie:
    """Something of a system that ties it to one host."""

    path: bytes
    what: str

    def __str__(self) -> str:
        return f"/{path_text(self.path)} ({self.what})"


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


def host_ties(tree: Tree) -> list[Tie]:
    """What of a maintenance system must not be published without a word: it ties gold to one host."""
    found = [Tie(path, what) for pattern, what in TIES for path in expanded(tree, pattern) if _holds(tree, path)]
    if tree.kind(CREDENTIAL_SECRET) == "file" and has_encrypted(tree):
        found.append(Tie(CREDENTIAL_SECRET, "the key of credentials in credstore.encrypted"))
    return found


def _holds(tree: Tree, path: bytes) -> bool:
    return tree.read(path) != b""


def doubtful(tree: Tree) -> Iterator[Note]:
    """What of a maintenance system is perhaps not meant for every server."""
    for pattern, what in DOUBTFUL:
        for path in expanded(tree, pattern):
            if not path.endswith(b".pub"):
                yield Note("own-of-one-host", b"/" + path, what)
    for file, line in NAMES:
        found = re.search(line, tree.read(file.encode()) or b"", re.MULTILINE)
        if found:
            name = found[1].decode("utf-8", "replace")
            yield Note("own-of-one-host", b"/" + file.encode(), f"it names a host: {name}")
