"""What makes a server itself: made for a copy of gold, removed from it, or left alone; and what no gold should be published with."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from goldroot.site import layout
from goldroot.system import (
    Identity,
    OwnDisks,
    UpdateTrees,
    doubtful,
    host_ties,
    made_contents,
    make_first,
    write_identity,
)
from support.trees import Dir, File, Link, Node, make_tree

PAPER = layout.load_layout("readonly-root")


def tree(place: Path, table: Mapping[str, Node]) -> OwnDisks:
    """One directory for all disks of a layout: each looks only for its own paths."""
    root = str(make_tree(place, {"etc": Dir(), "var/lib": Dir(), **table}))
    return OwnDisks(PAPER, {disk.address: root for disk in PAPER.disks})


def made(place: Path, table: Mapping[str, Node]) -> OwnDisks:
    """A copy of a gold with this in it, made a server."""
    found = tree(place, table)
    write_identity(found, Identity("web1.example.org"), str(make_tree(place.with_name(place.name + "-room"), {})))
    return found


RNDC = 'key "rndc-key" {\n\talgorithm hmac-sha256;\n\tsecret "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";\n};\n'
MADE: dict[str, Node] = {
    "etc/machine-id": "0" * 32 + "\n",
    "var/lib/dbus/machine-id": "0" * 32 + "\n",
    "etc/hostid": b"gold",
    "etc/nvme/hostid": "gold\n",
    "etc/nvme/hostnqn": "gold\n",
    "etc/iscsi/initiatorname.iscsi": "InitiatorName=gold\n",
    "var/lib/systemd/random-seed": b"s" * 32,
    "var/lib/urandom/random-seed": b"s" * 512,
    "var/lib/NetworkManager/secret_key": b"nm-v2:" + base64.b64encode(b"k" * 32) + b"\n",
    "etc/bind/rndc.key": File(RNDC, mode=0o640),
    "etc/bind/named.conf": 'include "/etc/bind/rndc.key";\n',
}


def test_what_a_server_needs_of_its_own_is_made_for_each(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one", MADE), made(tmp_path / "two", MADE)
    for path in MADE:
        if path == "etc/bind/named.conf":
            continue
        name = path.encode()
        values = [one.read(name), two.read(name), MADE[path] if isinstance(MADE[path], bytes) else None]
        assert None not in values[:2], path
        assert len({value for value in values if value is not None}) == len([v for v in values if v is not None]), path
    assert one.read(b"var/lib/dbus/machine-id") == one.read(b"etc/machine-id")
    assert len(one.read(b"etc/hostid") or b"") == 4
    assert len(one.read(b"var/lib/urandom/random-seed") or b"") == 512
    nqn = (one.read(b"etc/nvme/hostnqn") or b"").strip()
    assert nqn == b"nqn.2014-08.org.nvmexpress:uuid:" + (one.read(b"etc/nvme/hostid") or b"").strip()
    key = one.read(b"var/lib/NetworkManager/secret_key") or b""
    assert len(base64.b64decode(key.removeprefix(b"nm-v2:"))) == 32


def test_a_new_rndc_key_has_the_name_the_algorithm_and_the_mode_of_the_old_one(tmp_path: Path) -> None:
    found = made(tmp_path / "t", MADE)
    text = (found.read(b"etc/bind/rndc.key") or b"").decode()
    secret = text.split('secret "')[1].split('"')[0]
    assert text.replace(secret, RNDC.split('secret "')[1].split('"')[0]) == RNDC
    assert len(base64.b64decode(secret)) == 32
    status = found.status(b"etc/bind/rndc.key")
    assert status is not None and stat.S_IMODE(status.st_mode) == 0o640


def test_a_key_that_named_does_not_include_is_shared_on_purpose(tmp_path: Path) -> None:
    table = {"etc/bind/rndc.key": RNDC, "etc/bind/named.conf": '// include "/etc/bind/rndc.key";\n'}
    assert made(tmp_path / "t", table).read(b"etc/bind/rndc.key") == RNDC.encode()


ALIKE = (
    "etc/munge/munge.key", "etc/corosync/authkey", "var/lib/rabbitmq/.erlang.cookie", "etc/ceph/ceph.client.admin.keyring",
    "etc/salt/pki/minion/minion_master.pub", "etc/chef/validation.pem",
)  # fmt: skip


def test_what_is_alike_on_purpose_is_never_touched(tmp_path: Path) -> None:
    found = made(tmp_path / "t", dict.fromkeys(ALIKE, "alike\n"))
    assert {path: found.read(path.encode()) for path in ALIKE} == dict.fromkeys(ALIKE, b"alike\n")


REMOVED = (
    "var/lib/wicked/duid.xml", "var/lib/wicked/iaid.xml", "var/lib/wicked/lease-eth0-dhcp-ipv4.xml", "var/lib/dhcpcd/duid",
    "var/lib/dhcpcd/secret", "etc/dhcpcd.duid", "var/lib/dhcpcd/eth0.lease", "var/lib/dhcp/dhclient.eth0.leases",
    "var/lib/dhclient/dhclient-eth0.lease", "var/lib/NetworkManager/internal-1-eth0.lease", "etc/salt/minion_id",
    "etc/salt/pki/minion/minion.pem", "etc/salt/pki/minion/minion.pub", "etc/puppet/ssl/private_keys/gold.pem",
    "etc/puppetlabs/puppet/ssl/certs/gold.pem", "etc/chef/client.pem", "var/lib/mysql/auto.cnf", "etc/docker/key.json",
    "var/lib/docker/engine-id", "var/lib/snapd/device/private-keys-v1/x", "var/lib/zypp/AnonymousUniqueId",
    "etc/insights-client/machine-id", "var/lib/netdata/registry/netdata.public.unique.id", "var/lib/yum/uuid",
    "etc/udev/rules.d/70-persistent-net.rules", "etc/blkid.tab", "etc/lvm/devices/system.devices",
    "var/lib/systemd/credential.secret",
)  # fmt: skip
BESIDE = {"var/lib/dhcp/dhcpd.leases": "served\n", "var/lib/mysql/ibdata1": "d", "etc/salt/minion": "c\n"}


def test_what_its_program_makes_again_is_removed(tmp_path: Path) -> None:
    found = made(tmp_path / "t", {**dict.fromkeys(REMOVED, "gold's\n"), **BESIDE})
    assert [path for path in REMOVED if found.kind(path.encode())] == []
    assert all(found.kind(path.encode()) == "file" for path in BESIDE)


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = make_tree(tmp_path / "outside", {"minion.pem": "theirs", "duid.xml": "theirs"})
    table: dict[str, Node] = {
        "etc/salt/pki/minion": Link(str(outside)), "var/lib/wicked/duid.xml": Link(str(outside / "duid.xml")),
        "var/lib/NetworkManager/secret_key": Link(str(outside / "duid.xml")),
    }  # fmt: skip
    found = made(tmp_path / "t", table)
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"minion.pem": "theirs", "duid.xml": "theirs"}
    assert (found.kind(b"var/lib/wicked/duid.xml"), found.kind(b"var/lib/NetworkManager/secret_key")) == ("", "link")


SNAKEOIL: dict[str, Node] = {
    "etc/ssl/private/ssl-cert-snakeoil.key": File("gold's", mode=0o640),
    "etc/ssl/certs/ssl-cert-snakeoil.pem": "gold's",
}


@pytest.mark.parametrize("library", [True, False], ids=["library", "openssl"])
def test_a_certificate_and_its_key_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: bool
) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    def missing(name: str) -> None:
        raise ImportError(name)

    if not library:
        monkeypatch.setattr(made_contents, "import_module", missing)
    found = made(tmp_path / "t", SNAKEOIL)
    private = load_pem_private_key(found.read(b"etc/ssl/private/ssl-cert-snakeoil.key") or b"", None)
    certificate = x509.load_pem_x509_certificate(found.read(b"etc/ssl/certs/ssl-cert-snakeoil.pem") or b"")
    assert certificate.public_key() == private.public_key()
    assert certificate.subject.rfc4514_string() == "CN=web1.example.org"
    status = found.status(b"etc/ssl/private/ssl-cert-snakeoil.key")
    assert status is not None and stat.S_IMODE(status.st_mode) == 0o640


@pytest.mark.root
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    found = made(tmp_path / "t", {**MADE, "etc/bind/rndc.key": File(RNDC, mode=0o640, uid=7, gid=8)})
    status = found.status(b"etc/bind/rndc.key")
    assert status is not None and (status.st_uid, status.st_gid) == (7, 8)


# -- what a gold should not be published with


@pytest.mark.parametrize(
    "path",
    [
        "etc/krb5.keytab", "var/lib/samba/private/secrets.tdb", "etc/ipa/default.conf", "var/lib/sss/db/cache_example.ldb",
        "etc/zypp/credentials.d/SCCcredentials", "etc/pki/consumer/key.pem", "etc/pki/entitlement/123.pem",
        "var/lib/ubuntu-advantage/private/machine-token.json", "var/ossec/etc/client.keys",
    ],
)  # fmt: skip
def test_what_ties_gold_to_one_host_is_found(tmp_path: Path, path: str) -> None:
    found = tree(tmp_path / "t", {path: "x"})
    assert [tie.path.decode() for tie in host_ties(found)] == [path]
    assert host_ties(found)[0].what
    assert host_ties(tree(tmp_path / "empty", {path: ""})) == []


def test_the_secret_of_credentials_is_a_tie_only_while_there_are_some(tmp_path: Path) -> None:
    secret = {"var/lib/systemd/credential.secret": "s"}
    assert host_ties(tree(tmp_path / "one", {**secret, "etc/credstore.encrypted": Dir()})) == []
    table = {**secret, "etc/credstore.encrypted/db": "x"}
    assert [str(tie) for tie in host_ties(tree(tmp_path / "two", table))] == [
        "/var/lib/systemd/credential.secret (the key of credentials in credstore.encrypted)"
    ]
    assert made(tmp_path / "three", table).kind(b"var/lib/systemd/credential.secret") == "file"


def test_what_is_perhaps_not_meant_for_all_is_said(tmp_path: Path) -> None:
    table: dict[str, Node] = {
        "root/.bash_history": "x", "root/.ssh/id_ed25519": "k", "root/.ssh/id_ed25519.pub": "p", "home/a/.ssh/id_rsa": "k",
        "etc/mailname": "gold.example.org\n", "etc/postfix/main.cf": "# myhostname = a\nmyhostname = gold\n",
        "etc/zabbix/zabbix_agentd.conf": "# Hostname=x\nHostname=gold-1\n", "var/lib/cloud/instance": Link("instances/i-1"),
    }  # fmt: skip
    notes = {os.fsdecode(note.path): note.text for note in doubtful(tree(tmp_path / "t", table))}
    assert sorted(notes) == sorted("/" + path for path in table if not path.endswith(".pub"))
    assert notes["/etc/zabbix/zabbix_agentd.conf"].endswith("gold-1")
    assert notes["/etc/postfix/main.cf"].endswith("gold")


# -- what a new gold has for the first time


def first(place: Path, **tables: Mapping[str, Node]) -> tuple[OwnDisks, list[str], list[str]]:
    sides = {word: tree(place / word, tables.get(word, {})) for word in ("base", "gold", "clone", "result")}
    room = str(make_tree(place / "room", {}))
    done = make_first(UpdateTrees(**sides), "web1", room)
    again = make_first(UpdateTrees(**sides), "web1", room)
    assert (again.made, again.removed) == (done.made, ()), "a second time nothing is made"
    return sides["result"], [path.decode() for path in done.made], [path.decode() for path in done.removed]


SSHD: dict[str, Node] = {"etc/ssh/sshd_config": "Port 22\n"}
KEY: dict[str, Node] = {
    "etc/ssh/ssh_host_ed25519_key": File("gold's", mode=0o600),
    "etc/ssh/ssh_host_ed25519_key.pub": "gold's",
}


def test_a_service_that_comes_with_gold_gets_its_host_key(tmp_path: Path) -> None:
    result, done, _ = first(tmp_path, gold={**SSHD, **KEY}, result=SSHD)
    assert done == ["etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub"]
    status = result.status(b"etc/ssh/ssh_host_ed25519_key")
    assert status is not None and stat.S_IMODE(status.st_mode) == 0o600
    assert (result.read(b"etc/ssh/ssh_host_ed25519_key.pub") or b"").startswith(b"ssh-ed25519 ")


def test_sshd_without_any_key_of_golds_gets_all_kinds(tmp_path: Path) -> None:
    _, done, _ = first(tmp_path, gold=SSHD, result=SSHD)
    assert {path.split("_")[2] for path in done} == {"ed25519", "ecdsa", "rsa"}


@pytest.mark.parametrize("base", [{**SSHD, **KEY}, SSHD], ids=["gold had the key", "gold's servers had one"])
def test_a_key_that_the_server_deleted_stays_deleted(tmp_path: Path, base: dict[str, Node]) -> None:
    _, done, _ = first(tmp_path, base=base, gold={**SSHD, **KEY}, clone=SSHD, result=SSHD)
    assert done == []


def test_a_new_kind_of_key_is_made_and_the_servers_own_stay(tmp_path: Path) -> None:
    rsa = {"etc/ssh/ssh_host_rsa_key": "own", "etc/ssh/ssh_host_rsa_key.pub": "own"}
    result, done, _ = first(
        tmp_path, base={**SSHD, **rsa}, gold={**SSHD, **rsa, **KEY}, clone={**SSHD, **rsa}, result={**SSHD, **rsa}
    )
    assert done == ["etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub"]
    assert result.read(b"etc/ssh/ssh_host_rsa_key") == b"own"


def test_ids_that_come_with_gold_are_made(tmp_path: Path) -> None:
    gold = {path: node for path, node in MADE.items() if path != "etc/machine-id"} | SNAKEOIL
    own = {"etc/machine-id": "1" * 32 + "\n", "etc/hostid": b"mine"}
    result, done, _ = first(tmp_path, base={"etc/machine-id": ""}, gold=gold, clone=own, result=own)
    assert sorted(done) == sorted(path for path in gold if path not in ("etc/bind/named.conf", "etc/hostid"))
    assert result.read(b"etc/hostid") == b"mine"
    assert result.read(b"var/lib/dbus/machine-id") == b"1" * 32 + b"\n"


def test_ids_that_a_unit_of_golds_brought_are_left_out(tmp_path: Path) -> None:
    brought = {"var/lib/wicked/duid.xml": "gold's", "var/lib/dhcpcd/secret": "gold's"}
    result, _, gone = first(
        tmp_path, gold={**brought, "var/lib/wicked/x": "x"}, result={**brought, "var/lib/wicked/x": "x"}
    )
    assert sorted(gone) == sorted(brought)
    assert result.kind(b"var/lib/wicked/x") == "file"


def test_what_the_old_gold_had_is_the_servers_matter(tmp_path: Path) -> None:
    both = {"var/lib/NetworkManager/secret_key": b"k" * 32, "etc/hostid": b"gold"}
    _, done, gone = first(tmp_path, base=both, gold=both, clone={}, result={})
    assert (done, gone) == ([], [])


def test_half_of_a_certificate_is_not_given(tmp_path: Path) -> None:
    own = {"etc/ssl/certs/ssl-cert-snakeoil.pem": "own"}
    _, done, _ = first(tmp_path, gold=SNAKEOIL, clone=own, result=own)
    assert done == []
