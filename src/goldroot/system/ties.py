"""What of a maintenance system ties it to one host, or is perhaps not meant for every server: tables, and looking it up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from goldroot.system.identity import CREDENTIAL_SECRET, expanded, has_encrypted
from goldroot.system.own_disks import Tree
from goldroot.tree import Note, path_text

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
