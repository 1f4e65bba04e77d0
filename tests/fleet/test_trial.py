"""Before the switch the merged system is tried in isolation: what is worse than now stops it, what is different is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.errors import ChecksFailed
from goldroot.fleet import clones, machines
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.system import Identity, NetworkSettings
from goldroot.workflow import InProcess
from support import booting
from support.booting import BootingHost, behave
from support.fleet import IMAGE, configured, next_gold, on_clone, small_site
from support.marks import slow


@pytest.fixture
def site(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 runs gold 1, gold 2 is there; the host starts trials."""
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, trials=True))
    monkeypatch.setattr("goldroot.system.health._STANDS", 0.0)
    monkeypatch.setattr("goldroot.system.health._PORTS", 0.0)
    site = small_site(room)
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    machines.start_machine(site, "web1")
    yield site
    site.close()


def log(site: Site) -> list[str]:
    assert isinstance(site.host, BootingHost)
    return site.host.log("WEB1")


def host_of(site: Site) -> BootingHost:
    assert isinstance(site.host, BootingHost)
    return site.host


def version(site: Site) -> int:
    with site.catalog.read() as tx:
        return catalog_clones.get(tx, "web1").version


def test_a_good_trial_comes_before_the_stop(site: Site, engine: InProcess) -> None:
    assert run_update(site, engine, "web1").outcome == "done"
    assert log(site) == ["start 1", "try 2", "stop 1", "start 2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"failed": ["web.service"]}, r"the unit web\.service has failed"),
        slow({"ports": [22]}, "nothing listens at port 80 any more"),
        slow({"state": "maintenance"}, "emergency mode"),
        ({"no_trial": "no process 1"}, "it did not begin: no process 1"),
    ],
)
def test_what_is_worse_than_now_stops_the_switch(
    site: Site, engine: InProcess, how: dict[str, object], why: str
) -> None:
    behave(site.host, 1, ports=[22, 80])
    behave(site.host, 2, **({"ports": [22, 80]} | how))
    with pytest.raises(ChecksFailed, match=why) as caught:
        run_update(site, engine, "web1")
    assert list(caught.value.lines) == (["web.service: why it failed"] if "failed" in how else [])
    assert version(site) == 1
    assert "stop 1" not in log(site), "the server lives on"
    behave(site.host, 2, ports=[22, 80])
    assert run_update(site, engine, "web1").outcome == "done"


@pytest.mark.slow
def test_a_question_of_the_image_is_asked_in_the_trial(site: Site, engine: InProcess) -> None:
    site = configured(site, 'health = ["run check-it"]\ntrial_time = 1')
    behave(site.host, 2, trial={"commands": ["check-it"]})
    with pytest.raises(ChecksFailed, match="trial: run check-it: status 1: no"):
        run_update(site, engine, "web1")
    site.close()


def test_what_is_only_different_is_told(site: Site, engine: InProcess) -> None:
    behave(site.host, 1, ports=[22, 40001], failed=["old.service"])
    behave(site.host, 2, ports=[22, 443, 40002])
    done = run_update(site, engine, "web1")
    assert list(done.different) == ["the unit old.service does not fail any more", "something listens at port 443"]


@pytest.mark.slow
def test_a_server_that_never_ran_has_nothing_to_be_compared_with(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web2", IMAGE, form=clones.CloneForm(number=1))
    behave(site.host, 2, failed=["web.service"])
    done = run_update(site, engine, "web2")
    assert (done.outcome, list(done.different)) == ("done", ["the unit web.service fails"])


@pytest.mark.slow
def test_a_server_that_is_off_is_compared_with_its_last_boot(site: Site, engine: InProcess) -> None:
    behave(site.host, 1, ports=[22, 80], failed=["old.service"])
    machines.stop_machine(site, "web1")
    behave(site.host, 2, ports=[22], failed=["old.service"])
    with pytest.raises(ChecksFailed, match="nothing listens at port 80 any more"):
        run_update(site, engine, "web1")
    behave(site.host, 2, ports=[22, 80], failed=["old.service"])
    assert run_update(site, engine, "web1").outcome == "done"


def test_a_trial_has_the_links_of_its_server_and_leaves_out_what_it_lacks(site: Site, engine: InProcess) -> None:
    identity = Identity("web3", NetworkSettings("eth1", "192.0.2.7/24"))
    clones.create_clone(site, "web3", IMAGE, form=clones.CloneForm(number=1), identity=identity)
    on_clone(
        site, "web3", {"etc/network/interfaces": None, "etc/fstab": "UUID=a-b /data ext4 defaults 0 2\n/dev/root / x\n"}
    )
    behave(site.host, 1, links={"eth0": ["192.0.2.9/24"]})
    machines.start_machine(site, "web3")
    done = run_update(site, engine, "web3")
    assert list(done.different) == ["UUID=a-b of its fstab (/data) is not there in a trial, and was left out"]
    around = host_of(site).around("WEB3")
    assert around["links"] == [
        {"name": "eth0", "addresses": ["192.0.2.9/24"]}, {"name": "eth1", "addresses": ["192.0.2.7/24"]},
    ]  # fmt: skip
    assert {"data.mount", "systemd-networkd-wait-online.service"} <= set(around["masked"])
    assert "-.mount" not in around["masked"]


@pytest.mark.slow
def test_a_server_that_is_off_is_tried_with_the_links_of_its_last_boot(site: Site, engine: InProcess) -> None:
    behave(site.host, 1, links={"eth0": ["192.0.2.9/24"]})
    machines.stop_machine(site, "web1")
    run_update(site, engine, "web1")
    assert host_of(site).around("WEB1")["links"] == [{"name": "eth0", "addresses": []}], "ifupdown gives the address"


@pytest.mark.slow
@pytest.mark.parametrize("word", ["commands", "none"])
def test_no_trial_where_the_site_wants_none(site: Site, engine: InProcess, word: str) -> None:
    site = configured(site, f'trial = "{word}"')
    assert run_update(site, engine, "web1").outcome == "done"
    assert "try 2" not in log(site)
    site.close()
