"""``goldroot machine``, as a person gives it, and what other commands say of servers that run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from goldroot.views import MachineRow
from support import booting
from support.booting import BootingHost, behave
from support.commands import data, said
from support.fleet import IMAGE, next_gold, small_site
from support.two_hosts import with_west


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose host starts machines, with web1 and web2."""
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    monkeypatch.setattr("goldroot.system.health._STANDS", 0.0)
    made = small_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", made.root)
    assert guarded(cli, ["clone", "create", "web1", "web2", "--image", IMAGE]) == 0
    yield made
    made.close()


def test_machines_are_started_listed_and_stopped(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "machine", "start", "web1", "web2", "--plan") == (
        0, "web1 would be started\nweb2 would be started\n",
    )  # fmt: skip
    assert [one["power"] for one in data(capsys, "machine", "list")["machines"]] == ["off", "off"]
    assert said(capsys, "machine", "start", "web1") == (0, "web1 was started\n")
    assert said(capsys, "machine", "start", "web1") == (0, "web1 runs already\n")
    (again,) = data(capsys, "machine", "start", "web1")["machines"]
    assert again["started"] is False
    assert said(capsys, "machine", "start", "web1", "web2", "--plan")[1] == "web1 runs already\nweb2 would be started\n"
    (one,) = data(capsys, "machine", "list", "web1")["machines"]
    assert MachineRow.model_validate(one).as_json() == one
    assert (one["machine"], one["power"], one["runs"], one["version"]) == ("WEB1", "on", "current", 1)
    lines = said(capsys, "machine", "list")[1].splitlines()
    assert lines[0].split()[:4] == ["clone", "machine", "gold", "power"]
    assert lines[1].split()[:5] == ["web1", "WEB1", IMAGE, "1", "on"]
    assert said(capsys, "machine", "stop", "web1", "--plan") == (0, "web1 would be stopped\n")
    assert said(capsys, "machine", "stop", "web1", "web2") == (0, "web1 has shut down\nweb2 was off already\n")
    assert data(capsys, "machine", "stop", "web1")["machines"] == [{"clone": "web1", "name": "web1", "ended": "off"}]


def test_the_console_and_a_command_inside(fleet: Site, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert guarded(cli, ["machine", "run", "web1", "true"]) == 3
    assert guarded(cli, ["machine", "run", "--plan", "web1", "true"]) == 1
    assert guarded(cli, ["machine", "start", "web1"]) == 0
    behave(fleet.host, 1, commands=["check-it"])
    capfdbinary.readouterr()
    assert guarded(cli, ["machine", "run", "web1", "sh", "-c", "check-it"]) == 1
    assert capfdbinary.readouterr() == (b"", b"no")
    assert guarded(cli, ["machine", "run", "--plan", "web1", "sh", "-c", "check-it"]) == 0
    assert capfdbinary.readouterr().out == b"would run sh -c check-it in WEB1, which is on\n"
    assert guarded(cli, ["machine", "run", "--json", "web1", "check-it"]) == 1
    assert json.loads(capfdbinary.readouterr().out)["status"] == 1
    assert guarded(cli, ["machine", "console", "web1"]) == 0
    assert capfdbinary.readouterr().out == b"start 1\n"


def test_machines_of_two_hosts_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    site = with_west(small_site(tmp_path))
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    said(capsys, "gold", "replicate", IMAGE, "--to", "west")
    said(capsys, "clone", "create", "web1", "--image", IMAGE)
    said(capsys, "clone", "create", "web2", "--image", IMAGE, "--host", "west")
    head, one, two = said(capsys, "machine", "list")[1].splitlines()
    assert head.split()[:4] == ["clone", "machine", "host", "gold"]
    assert (one.split()[2], two.split()[2]) == ("local", "west")
    site.close()


def test_what_joins_a_server_to_others_is_said_and_listed(
    fleet: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, networks=True))
    words = [
        "clone",
        "create",
        "shop",
        "--image",
        IMAGE,
        "--bridge",
        "br0",
        "--port",
        "8080:80",
        "--address",
        "192.0.2.9/24",
    ]
    assert "network: eth0 192.0.2.9/24 on br0, port 8080:80" in said(capsys, *words, "--plan")[1]
    assert "network: eth0 192.0.2.9/24 on br0, port 8080:80" in said(capsys, *words)[1]
    assert "eth0 192.0.2.9/24 on br0" in said(capsys, "clone", "show", "shop")[1]
    behave(fleet.host, 1, links={"eth0": ["192.0.2.9/24"]})
    said(capsys, "machine", "start", "shop")
    head, shop = said(capsys, "machine", "list", "shop")[1].splitlines()
    assert "addresses" in head.split() and "192.0.2.9/24 port 8080:80" in shop
    assert data(capsys, "machine", "list", "shop")["machines"][0]["ports"] == ["8080:80"]
    assert said(capsys, "machine", "network", "shop")[1] == "shop: eth0 192.0.2.9/24 on br0, port 8080:80\n"
    words = said(capsys, "machine", "network", "shop", "--port", "8081:80")[1]
    assert "-> eth0 192.0.2.9/24 on br0, port 8081:80" in words and "from its next start on" in words
    assert data(capsys, "machine", "network", "shop", "--plan", "--port", "none")["network"]["ports"] == []
    assert said(capsys, "clone", "create", "a", "b", "--image", IMAGE, "--port", "1:1")[0] == 2


def test_names_that_are_not_there_are_told(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("start", "stop", "list", "console"):
        assert said(capsys, "machine", command, "nosuch")[0] == 3
    code, words = said(capsys, "machine", "start", "web1", "nosuch")
    assert code == 3
    assert "web1 was started" in words and "there is no clone 'nosuch'" in words


def test_clone_list_and_show_tell_what_runs(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "machine", "start", "web1")
    one, other = data(capsys, "clone", "list")
    assert (one["power"], one["runs"], other["power"]) == ("on", "current", "off")
    assert said(capsys, "clone", "list")[1].splitlines()[0].split() == [
        "clone",
        "image",
        "gold",
        "kind",
        "power",
        "state",
    ]
    assert data(capsys, "clone", "show", "web1")["runs"] == "current"
    assert "running: its file" in said(capsys, "clone", "show", "web1")[1]


def test_a_host_that_starts_no_machines_shows_no_power(
    fleet: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, boots=False))
    assert "power" not in said(capsys, "clone", "list")[1].splitlines()[0].split()
    # One word for one thing: what nobody knows is not "off" in one list and unknown in the other.
    assert {one["power"] for one in data(capsys, "clone", "list")} == {"unknown"}
    found = data(capsys, "machine", "list")["machines"]
    assert {(one["power"], one["why"]) for one in found} == {("unknown", "this host starts no machines")}
    code, words = said(capsys, "machine", "stop", "web1", "--plan")
    assert (code, "does not start or stop machines" in words) == (3, True)


@pytest.mark.slow
def test_an_update_says_how_the_server_does(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold 2\n"})
    said(capsys, "machine", "start", "web1")
    code, words = said(capsys, "update", "run", "web1")
    assert (code, "It was started again, and is well." in words) == (0, True)
    assert "It was off, and stays off" in said(capsys, "update", "run", "web2")[1]
    assert "It was started again, and is well." in said(capsys, "rollback", "web1")[1]


@pytest.mark.slow
def test_an_update_that_goes_back_fails_and_is_listed_so(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold 2\n"})
    behave(fleet.host, 2, failed=["web.service"])
    said(capsys, "machine", "start", "web1")
    code, words = said(capsys, "update", "run", "web1")
    assert code == 4
    assert "web1 did not come up well after the update to gold 2: the unit web.service has failed" in words
    assert "It is back on gold 1, on the disks that it had, and runs." in words
    assert "\n    web.service: why it failed\n    console: start 1\n" in words, "each line is a line"
    assert data(capsys, "update", "list") == []
    went, back = data(capsys, "update", "list", "web1", "--all")
    assert (went["state"], went["reason"]) == ("returned", "not well: the unit web.service has failed")
    assert (back["state"], back["reason"]) == ("done", "the server went back by itself")
    lines = said(capsys, "update", "list", "web1", "--all")[1].splitlines()
    assert went["changed_at"] in lines[1]
    assert lines[3:] == [f"{went['id']}: {went['reason']}", f"{back['id']}: {back['reason']}"]
    assert data(capsys, "update", "list", "web1", "--all") == [went, back]
    assert data(capsys, "update", "run", "web1")["error"] == "health-failed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ('health = ["port x"]', r"goldroot.toml:\d+: 'port x' is not a question about health"),
        ('trial = "always"', r"goldroot.toml:\d+: there is no trial 'always'"),
        ("health_time = 0", r"goldroot.toml:\d+: 'health_time' must be a whole number from 1 to 86400"),
        ("health = true", r"goldroot.toml:\d+: 'health' must be a list of texts"),
    ],
)
def test_mistakes_in_the_file_have_their_line(
    fleet: Site, capsys: pytest.CaptureFixture[str], words: str, why: str
) -> None:
    with open(fleet.path("goldroot.toml"), "a", encoding="utf-8") as file:
        file.write(f"[images.{IMAGE}]\n{words}\n")
    code, told = said(capsys, "machine", "list")
    assert code == 2
    import re

    assert re.search(why, told), told
