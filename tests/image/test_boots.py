"""Where the host starts trials, both forms of the test system are booted, and tests run in what runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.image import MAINTENANCE, TEST, System
from goldroot.image import test_system as try_system
from goldroot.site import Site
from support import booting
from support.booting import BootingHost, behave
from support.fleet import IMAGE, small_site

VERSION = 0  #: what marks of maintenance and test systems say


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr("goldroot.hosts.registry.KINDS", booting.kinds())
    monkeypatch.setattr(BootingHost, "abilities", replace(BootingHost.abilities, trials=True))
    monkeypatch.setattr("goldroot.system.health._STANDS", 0.0)
    site = small_site(tmp_path)
    with open(site.path("goldroot.toml"), "a", encoding="utf-8") as file:
        file.write(f'[images.{IMAGE}]\ntests = ["check-one", "check-two"]\n')
    again = Site.open(site.root)
    yield again
    again.close()
    site.close()


def test_both_forms_are_booted_and_tested_inside(site: Site) -> None:
    done = try_system(site, IMAGE)
    assert done.passed
    assert [form.form for form in done.forms] == ["read-only", "read-write"]
    assert [one.log.split("\n")[0] for one in done.forms[0].commands] == ["$ (boot)", "$ check-one", "$ check-two"]
    assert isinstance(site.host, BootingHost)
    machine = System(site, IMAGE, TEST).machine
    assert site.host.log(machine) == [f"try {VERSION} without 1B1", f"try {VERSION}"]


def test_a_form_that_does_not_come_up_well_has_not_passed(site: Site) -> None:
    behave(site.host, VERSION, failed=["web.service"])
    done = try_system(site, IMAGE)
    assert not done.passed
    said = "$ (boot)\nthe unit web.service has failed\nweb.service: why it failed\n[failed]"
    assert said in done.forms[0].log


def test_what_its_fstab_has_of_other_disks_is_left_out_and_told(site: Site) -> None:
    system = System(site, IMAGE, MAINTENANCE)
    with system.host.hold(system.machine), system.open("rw") as opened:
        Path(opened[system.layout.disk_of(b"etc/fstab").address].path, "etc/fstab").write_text("nas:/x /mnt nfs\n")
    done = try_system(site, IMAGE)
    assert done.passed
    assert "nas:/x of its fstab (/mnt) is not there in a trial, and was left out\n[it is well]" in done.forms[0].log
    assert isinstance(site.host, BootingHost)
    assert "mnt.mount" in site.host.around(System(site, IMAGE, TEST).machine)["masked"]


def test_a_command_that_fails_inside_has_not_passed(site: Site) -> None:
    behave(site.host, VERSION, commands=["check-two"])
    done = try_system(site, IMAGE)
    assert [one.status for one in done.forms[1].commands] == [0, 0, 1]


def test_one_that_does_not_begin_has_not_passed_and_says_why(site: Site) -> None:
    behave(site.host, VERSION, no_trial="no process 1")
    done = try_system(site, IMAGE)
    assert not done.passed
    assert "no process 1" in done.forms[0].log
