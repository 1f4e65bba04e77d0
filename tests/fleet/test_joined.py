"""What joins a server to others is said when it is made, kept in its entry, and shown; owners that a host lacks are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from goldroot.errors import BadPolicy, Refused, UsageError
from goldroot.fleet import clones, machines
from goldroot.fleet.inputs import refuse_owners
from goldroot.fleet.joined import join_machine, network_from, plan_join
from goldroot.fleet.update.update import run_update
from goldroot.hosts import Network, Port, find_entry
from goldroot.site import Site
from goldroot.workflow import InProcess
from support import booting
from support.booting import BootingHost, behave
from support.fleet import IMAGE, next_gold, small_site


@pytest.fixture
def site(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose host joins servers to bridges."""
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, networks=True))
    monkeypatch.setattr("goldroot.system.health._STANDS", 0.0)
    made = small_site(room)
    yield made
    made.close()


def make(site: Site, name: str, **options: Any) -> Network | None:
    """A clone made with these options; the network of its entry."""
    identity = clones.identity_from(site, name, options)
    network = network_from(site, name, options, identity=identity)
    clones.create_clone(site, name, IMAGE, form=clones.CloneForm(network=network), identity=identity)
    return find_entry(site.host, name.upper()).network


def said(site: Site, words: str) -> Site:
    """The same site, whose file says this besides."""
    with open(site.path("goldroot.toml"), "a", encoding="utf-8") as file:
        file.write(words)
    return Site.open(site.root)


def test_a_server_is_private_without_a_word(site: Site) -> None:
    assert make(site, "web1") is None
    assert make(site, "web2", address="192.0.2.9/24", interface="eth0") is None, "an address alone leads nowhere"


def test_options_are_kept_in_the_entry_through_an_update(site: Site, engine: InProcess) -> None:
    options = {"bridge": "br0", "address": "192.0.2.9/24", "gateway": "192.0.2.1", "ports": ["8080:80"]}
    wanted = Network("br0", "eth0", "192.0.2.9/24", "192.0.2.1", (Port(8080, 80),))
    assert make(site, "web1", **options) == wanted
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    assert find_entry(site.host, "WEB1").network == wanted
    assert clones.show_clone(site, "web1")["network"] == wanted.as_dict()


def test_the_table_of_a_clone_says_it_and_options_stand_over_it(site: Site) -> None:
    site = said(
        site, '[clones.web1]\nbridge = "br1"\nports = ["1:1"]\n[clones.web2]\nbridge = "br1"\nports = ["2:2"]\n'
    )
    assert make(site, "web1") == Network("br1", "eth0", ports=(Port(1, 1),))
    assert make(site, "web2", bridge="none", interface="lan0") == Network(ports=(Port(2, 2),))
    site.close()


def test_the_hosts_bridge_is_the_usual_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BootingHost, "usual_bridge", "br9")
    assert make(site, "web1") == Network("br9", "eth0")
    assert make(site, "web2", bridge="none") is None
    assert make(site, "web3", bridge="br0", interface="lan0") == Network("br0", "lan0")


@pytest.mark.parametrize("words", ['bridge = "a b"', 'ports = ["80"]', 'ports = "8080:80"'])
def test_mistakes_of_the_file_have_their_line(site: Site, words: str) -> None:
    with pytest.raises(BadPolicy, match=r"goldroot\.toml:\d+:"):
        said(site, f"[clones.web1]\n{words}\n")


def test_what_cannot_be_is_refused_before_anything_is_made(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="does not publish a port"):
        make(site, "web1", ports=["web"])
    make(site, "web1", ports=["127.0.0.1:8080:80"])
    with pytest.raises(Refused, match="port 8080 of host local leads to web1 already"):
        make(site, "web2", ports=["8080:8080"])
    make(site, "web2", ports=["192.0.2.1:8080:80"])
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, networks=False))
    with pytest.raises(Refused, match="does not join servers to a bridge"):
        make(site, "web3", bridge="br0")
    assert site.host.find("WEB3") is None


def test_what_joins_a_server_is_changed_in_its_entry(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    make(site, "web1")
    make(site, "web2", ports=["9:9"])
    assert join_machine(site, "web1", {"ports": ("8080:80",)}).before == Network()
    done = join_machine(site, "web1", {"bridge": "br0", "address": "192.0.2.9/24"})
    assert done.network == Network("br0", "eth0", "192.0.2.9/24", ports=(Port(8080, 80),))
    assert find_entry(site.host, "WEB1").network == done.network
    with pytest.raises(Refused, match="leads to web2 already"):
        join_machine(site, "web1", {"ports": ("9:1",)})
    with pytest.raises(UsageError):
        join_machine(site, "web1", {"bridge": "br0", "address": "nowhere"})
    assert plan_join(site, "web1", {"ports": ("none",)}).network == Network("br0", "eth0", "192.0.2.9/24")
    assert find_entry(site.host, "WEB1").network == done.network, "a plan and what was refused change nothing"
    machines.start_machine(site, "web1")
    assert join_machine(site, "web1", {"bridge": "none", "ports": ("none",)}).runs
    assert find_entry(site.host, "WEB1").network is None
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, networks=False))
    with pytest.raises(Refused, match="does not join"):
        join_machine(site, "web1", {"bridge": "br0"})


@pytest.mark.parametrize(
    "options",
    [
        {"address": "192.0.2.9"},
        {"address": "224.0.0.9/24"},
        {"address": "127.0.0.1/8"},
        {"address": "0.0.0.0/0"},
        {"address": "::1/128"},
        {"gateway": "192.0.2.1/24"},
        {"interface": "lo"},
        {"interface": "all"},
    ],
)
def test_what_no_link_can_have_is_refused_as_when_a_server_is_made(site: Site, options: dict[str, str]) -> None:
    make(site, "web1", bridge="br0")
    with pytest.raises(UsageError):
        join_machine(site, "web1", options)
    assert find_entry(site.host, "WEB1").network == Network("br0", "eth0")
    with pytest.raises(UsageError):
        make(site, "web2", bridge="br0", **{"address": "192.0.2.9/24", **options})


def test_what_a_private_server_has_no_link_for_is_refused(site: Site) -> None:
    """It would be forgotten, and told as if it had been done."""
    make(site, "web1", ports=["8080:80"])
    for options in ({"address": "192.0.2.9/24"}, {"interface": "lan0"}, {"bridge": "none", "gateway": "192.0.2.1"}):
        with pytest.raises(UsageError, match="web1 has no link that could have"):
            plan_join(site, "web1", options)
    assert plan_join(site, "web1", {"bridge": "none", "address": "none"}).network == Network(ports=(Port(8080, 80),))


def test_addresses_and_ports_are_shown_of_what_runs(site: Site) -> None:
    make(site, "web1", bridge="br0", ports=["8080:80"])
    behave(site.host, 1, links={"eth0": ["192.0.2.9/24", "2001:db8::9/64"]})
    (off,) = machines.machine_states(site)
    assert (off.addresses, off.ports) == ((), ("8080:80",))
    on = machines.start_machine(site, "web1")
    assert (on.addresses, on.ports) == (("192.0.2.9/24", "2001:db8::9/64"), ("8080:80",))


@pytest.mark.slow
@pytest.mark.root
def test_owners_that_a_server_cannot_have_are_named(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this host's numbers ended soon."""
    make(site, "web1")
    for path in ("etc/plain.conf", "usr/bin/tool"):
        next_gold(site, {path: "again\n"})
    limited = replace(BootingHost.abilities, largest_owner=100)
    monkeypatch.setattr(BootingHost, "abilities", limited)
    assert make(site, "web2") is None, "nothing is theirs there"
    own_file(site, "web1", "srv/far", 2_000_000)
    with pytest.raises(Refused, match=r"1 file of web1 would have owners .*: /srv/far \(user 2000000\)"):
        run_update(site, engine, "web1")
    with site.catalog.read() as tx:
        assert clones.catalog_clones.get(tx, "web1").version == 1
    own_file(site, "web1", "srv/far", 0)
    assert run_update(site, engine, "web1").outcome == "done"


def test_owners_of_gold_are_looked_at_when_a_server_is_made(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from goldroot.image import open_version

    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, largest_owner=-1))
    with pytest.raises(Refused, match=r"files of web1 would have owners .*; .*, and \d+ more"):
        make(site, "web1")
    assert site.host.find("WEB1") is None
    gold = open_version(site, IMAGE, 1)
    with pytest.raises(Refused, match=r"files of web1 .*: / \(user 0\); "):
        refuse_owners(site.host, "web1", [gold.manifest("1B1")])


def own_file(site: Site, name: str, path: str, owner: int) -> None:
    import os

    from support.fleet import live, on_clone

    on_clone(site, name, {path: "far\n"})
    root = live(site, name).root(path.encode())
    assert root is not None
    os.chown(os.path.join(root, path), owner, 0)
