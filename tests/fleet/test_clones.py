"""Clones: what makes each one itself, what it shares, how two commands keep out of each other's way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import holders_of
from goldroot.errors import BadSignature, Busy, Refused, UsageError
from goldroot.fleet import clones, drift
from goldroot.fleet.update import reconcile
from goldroot.site import Site
from goldroot.system import Identity, NetworkSettings, fingerprints, network
from goldroot.system.identity import hosts_with
from support.fleet import IMAGE, ROOT, live, next_gold, on_clone, small_site, text
from support.former import former
from support.trees import File, Node, dump_tree

SSH: dict[str, Node] = {
    "etc/ssh/sshd_config": "Port 22\n",
    "etc/ssh/ssh_host_ed25519_key": File("gold's own", mode=0o600),
    "etc/ssh/ssh_host_ed25519_key.pub": "gold's own\n",
    "var/lib/dbus/machine-id": "gold's\n",
}
STATIC = NetworkSettings("eth0", "192.0.2.10/24", "192.0.2.1", ("192.0.2.53",))


def test_each_clone_is_itself(room: Path) -> None:
    site = small_site(room, {**ROOT, **SSH})
    clones.create_clone(site, "web1", IMAGE, identity=Identity("web1.example.org", STATIC))
    clones.create_clone(site, "web2", IMAGE, identity=Identity("web2.example.org"))
    assert text(site, "web1", "etc/hostname") == "web1\n"
    assert text(site, "web1", "etc/hosts") == "127.0.0.1\tlocalhost\n127.0.1.1\tweb1.example.org web1\n"
    machine_id = text(site, "web1", "etc/machine-id")
    assert machine_id is not None and len(machine_id) == 33
    assert text(site, "web1", "var/lib/dbus/machine-id") == machine_id
    key = live(site, "web1").root(b"etc")
    assert key is not None
    assert os.stat(f"{key}/etc/ssh/ssh_host_ed25519_key").st_mode & 0o777 == 0o600
    one, two = (fingerprints(live(site, name)) for name in ("web1", "web2"))
    assert set(one) == {"machine-id", "host name", "ssh host key (ssh_host_ed25519_key.pub)"}
    assert all(one[word] != two[word] for word in one)
    assert text(site, "web1", "etc/network/interfaces.d/eth0") == (
        "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n"
        "    dns-nameservers 192.0.2.53\n"
    )
    assert text(site, "web1", "etc/resolv.conf") == "-> ../run/resolv.conf"
    site.close()


def test_the_table_of_the_configuration_gives_the_address(site: Site) -> None:
    with open(site.path("goldroot.toml"), "a") as file:
        file.write('\n[clones.web1]\nhostname = "w.example.org"\ninterface = "eth1"\naddress = "192.0.2.7/24"\n')
    again = Site.open(site.root)
    assert clones.identity_from(again, "web1") == Identity("w.example.org", NetworkSettings("eth1", "192.0.2.7/24"))
    assert clones.identity_from(again, "web1", {"hostname": "x"}).hostname == "x"
    again.close()


@pytest.mark.slow
def test_a_link_on_the_way_is_never_written_through(room: Path) -> None:
    from goldroot.errors import BadInput
    from support.trees import Link

    (room / "outside").mkdir()
    table = {path: node for path, node in ROOT.items() if path != "etc/network/interfaces"}
    site = small_site(room, {**table, "etc/netplan/x.yaml": "", "etc/network": Link(target=str(room / "outside"))})
    clones.create_clone(site, "web1", IMAGE, identity=Identity("web1", STATIC))
    site.close()
    other = small_site(room / "second", {**table, "etc/netplan": Link(target=str(room / "outside"))})
    with pytest.raises(BadInput, match="cannot be written"):
        clones.create_clone(other, "web1", IMAGE, identity=Identity("web1", STATIC))
    other.close()
    assert list((room / "outside").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "path", "words"),
    [
        (b"etc/netplan", b"etc/netplan/60-goldroot.yaml", "addresses: ['192.0.2.10/24']"),
        (
            b"etc/NetworkManager",
            b"etc/NetworkManager/system-connections/eth0.nmconnection",
            "address1=192.0.2.10/24,192",
        ),
        (b"etc/sysconfig/network", b"etc/sysconfig/network/ifcfg-eth0", "IPADDR='192.0.2.10/24'"),
        (b"nothing", b"etc/systemd/network/10-goldroot.network", "Address=192.0.2.10/24"),
    ],
)
def test_addresses_are_written_in_the_systems_own_form(place: bytes, path: bytes, words: str) -> None:
    file, resolver = network.network_files(STATIC, lambda asked: asked == place)
    assert file.path == path and words in file.content
    assert resolver.content == "nameserver 192.0.2.53\n"


def test_two_clones_share_neither_name_nor_address(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE, identity=Identity("www.example.org", STATIC))
    same_host = Identity("WWW.example.org")
    same_address = Identity("web2", NetworkSettings("eth9", "192.0.2.10/16", "", ()))
    for identity, words in ((same_host, "host name www.example.org"), (same_address, "address 192.0.2.10")):
        with pytest.raises(Refused, match=f"the {words} is that of the clone web1"):
            clones.create_clone(site, "web2", IMAGE, identity=identity)
    clones.create_clone(
        site, "web2", IMAGE, identity=Identity("web2", NetworkSettings("eth0", "192.0.2.11/24", "", ()))
    )


def test_what_is_no_identity_is_refused() -> None:
    for wrong in ("", "-x", "a b", "x" * 64, "a..b"):
        with pytest.raises(UsageError):
            Identity(wrong)
    for address in ("192.0.2.300/24", "192.0.2.1", "x"):
        with pytest.raises(UsageError):
            Identity("web1", NetworkSettings("eth0", address))
    with pytest.raises(UsageError):
        Identity("web1", NetworkSettings("eth0; reboot", "192.0.2.1/24"))


def test_the_hosts_line_replaces_the_one_that_was_there() -> None:
    assert hosts_with(b"127.0.0.1 localhost\n127.0.1.1 gold\n::1 ip6\n", "web1") == (
        b"127.0.0.1 localhost\n127.0.1.1\tweb1\n::1 ip6\n"
    )


def test_rule_1_a_clone_links_gold_and_changes_nothing_of_it(site: Site) -> None:
    path = former(site).at("SMALLGOLD", "1B1").path
    before = dump_tree(path)
    clones.create_clone(site, "web1", IMAGE)
    machine = former(site).get("WEB1")
    assert set(machine.disks) == {"1B5", "1B6"}
    assert former(site).at("WEB1", "1B1").mode == "ro"
    assert dump_tree(path) == before
    for _ in range(2):
        next_gold(site, {"etc/plain.conf": "next\n"})
    number = next_gold(site, {"etc/plain.conf": "again\n"})
    with site.catalog.read() as tx:
        from goldroot.catalog import gold

        assert gold.get(tx, IMAGE, 1).slot == 1
        assert gold.get(tx, IMAGE, 2).slot is None and number == 4
    assert dump_tree(path) == before


def test_the_drift_report_says_what_changed_by_class(site: Site) -> None:
    clones.create_clone(site, "web1", IMAGE)
    clean = drift.find_drift(site, "web1")
    assert set(clean.by_class) <= {"identity", "config"}
    on_clone(site, "web1", {"etc/plain.conf": "mine\n", "var/lib/mysql/ibdata": "x", "root/notes": "n"})
    found = drift.find_drift(site, "web1")
    changes = {entry["path"]: (entry["rule"]["class"], entry["change"]) for entry in found.entries}
    assert changes["/etc/plain.conf"] == ("config", "content")
    assert changes["/var/lib/mysql"] == ("state", "state")
    assert drift.drift_patch(site, found)["/etc/plain.conf"] == ["@@ -1 +1 @@", "-plain", "+mine"]
    assert [entry["path"] for entry in drift.find_drift(site, "web1", ["/etc/plain.conf"]).entries] == [
        "/etc/plain.conf"
    ]


def test_two_commands_on_one_clone_do_not_meet(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    clones.create_clone(site, "web1", IMAGE)
    monkeypatch.setattr(reconcile, "WAIT", 0.1)
    with reconcile.clone_lock(site, "web1", "a long work"), pytest.raises(Busy, match="a long work"):
        clones.delete_clone(site, "web1")
    with site.catalog.read() as tx:
        assert catalog_clones.get(tx, "web1").state == "active"


@pytest.mark.slow
def test_a_running_clone_is_not_deleted(site: Site) -> None:
    from goldroot.errors import StillRunning

    clones.create_clone(site, "web1", IMAGE)
    with former(site).running("WEB1"), pytest.raises(StillRunning):
        clones.delete_clone(site, "web1")
    assert text(site, "web1", "etc/plain.conf") == "plain\n"


def test_a_machine_that_is_there_already_is_not_taken(site: Site) -> None:
    with pytest.raises(Refused, match="SMALLGOLD"):
        clones.create_clone(site, "smallgold", IMAGE)
    with site.catalog.read() as tx:
        assert catalog_clones.every(tx) == []


def test_a_clone_that_is_refused_holds_no_slot(site: Site) -> None:
    """Gold that was written to is nobody's source; the slot must be free for the one that puts it right."""
    with open(os.path.join(former(site).at("SMALLGOLD", "1B5").path, "etc/plain.conf"), "a") as file:
        file.write("by hand\n")
    with pytest.raises(BadSignature, match="not what was published"):
        clones.create_clone(site, "web1", IMAGE)
    with site.catalog.read() as tx:
        assert catalog_clones.every(tx) == []
        assert holders_of(tx, IMAGE, 1) == []


def test_keys_of_a_creation_that_was_killed_go_with_the_next_command_on_any_clone(room: Path) -> None:
    site = small_site(room, {**ROOT, **SSH})
    clones.create_clone(site, "web1", IMAGE)
    assert os.listdir(site.path("work")) == []
    left = Path(site.path("work", "keys-web2-x"))
    left.mkdir()
    (left / "ssh_host_ed25519_key").write_text("a key that nobody has")
    clones.delete_clone(site, "web1")
    assert os.listdir(site.path("work")) == []
    site.close()
