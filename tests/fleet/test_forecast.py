"""References in a site: asked before the switch, remembered for all servers, and known beforehand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from goldroot.errors import NotFound
from goldroot.fleet import clones, forecast_gold, plan_update, review
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.update import run_update
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, ROOT, live, next_gold, on_clone, small_site, text
from support.former import former, scan_of

UNIT = "usr/lib/systemd/system/dhcpd.service"
WANTS = "etc/systemd/system/multi-user.target.wants"
ASKED = (f"/{WANTS}/dhcpd.service", "reference")


@pytest.fixture
def serving(room: Path) -> Site:
    """An image with a unit on the shared disk; web1 and web2 have it enabled."""
    site = small_site(room, {**ROOT, UNIT: "[Unit]\n"})
    for name in ("web1", "web2"):
        clones.create_clone(site, name, IMAGE)
        enable(site, name)
    return site


def enable(site: Site, name: str) -> None:
    root = live(site, name).root(b"etc")
    assert root is not None
    os.makedirs(f"{root}/{WANTS}")
    os.symlink(f"/{UNIT}", f"{root}/{WANTS}/dhcpd.service")


@pytest.mark.slow
def test_a_unit_that_gold_renamed_is_asked_about_once_for_all_servers(serving: Site, engine: InProcess) -> None:
    next_gold(serving, {UNIT: None, "usr/lib/systemd/system/isc-dhcp-server.service": "[Unit]\n"})
    plan = plan_update(serving, "web1")
    assert [(one["path"], one["axis"]) for one in plan.conflicts] == [ASKED]
    assert run_update(serving, engine, "web1").outcome == "needs-review"
    found = review.find_case(serving, "web1")
    review.resolve_conflicts(serving, found, review.chosen_conflicts(found, [ASKED[0]]), "gold")
    for name in ("web1", "web2"):
        assert run_update(serving, engine, name).outcome == "done"
        root = live(serving, name).root(b"etc")
        assert root is not None and not os.path.lexists(f"{root}/{WANTS}/dhcpd.service")
    serving.close()


@pytest.mark.slow
def test_a_rollback_with_carry_asks_nothing_new(serving: Site, engine: InProcess) -> None:
    """What came with the new gold and is linked to since is gone in the old one: a note, and the way back is free."""
    new = "usr/lib/systemd/system/new.service"
    next_gold(serving, {new: "[Unit]\n"})
    assert run_update(serving, engine, "web1").outcome == "done"
    root = live(serving, "web1").root(b"etc")
    os.symlink(f"/{new}", f"{root}/{WANTS}/new.service")
    assert roll_back(serving, engine, "web1", carry=True).outcome == "done"
    serving.close()


def test_what_a_gold_would_break_is_known_before_from_the_last_merges(serving: Site, engine: InProcess) -> None:
    site = serving
    next_gold(site, {"etc/plain.conf": "2\n"})
    assert forecast_gold(site, IMAGE).unknown == ("web1", "web2")
    run_update(site, engine, "web1")
    assert forecast_gold(site, IMAGE).unknown == ("web2",)
    plan_update(site, "web2")
    assert forecast_gold(site, IMAGE).unknown == ()
    next_gold(site, {UNIT: None})
    hidden = {disk: former(site).disk_path(disk) for disk in former(site).disks() if disk.startswith("web")}
    for path in hidden.values():
        shutil.move(path, f"{path}.away")  # no disk of a server is needed
    found = forecast_gold(site, IMAGE)
    assert found.to == 3
    assert {name: [one.path.decode() for one in lost] for name, lost in found.broken.items()} == {
        "web1": [ASKED[0]], "web2": [ASKED[0]],
    }  # fmt: skip
    assert forecast_gold(site, IMAGE, 2).broken == {"web2": []}
    assert found.as_dict()["servers"]["web1"][0]["subject"] == "system/dhcpd.service"
    with pytest.raises(NotFound, match="not tested"):
        forecast_gold(site, IMAGE, tested=True)
    system = System(site, IMAGE, MAINTENANCE)
    system.remember(scan_of(system), of="tested")
    assert [len(lost) for lost in forecast_gold(site, IMAGE, tested=True).broken.values()] == [1, 1]
    for path in hidden.values():
        shutil.move(f"{path}.away", path)
    site.close()


@pytest.mark.slow
def test_what_is_on_the_servers_own_disks_breaks_nothing(serving: Site, engine: InProcess) -> None:
    on_clone(serving, "web1", {"srv/tool/bin/x": "1\n"})
    root = live(serving, "web1").root(b"etc")
    os.symlink("/srv/tool/bin/x", f"{root}/own")
    next_gold(serving, {"etc/plain.conf": "2\n"})
    assert run_update(serving, engine, "web1").outcome == "done"
    next_gold(serving, {"etc/plain.conf": "3\n"})
    assert forecast_gold(serving, IMAGE).broken == {"web1": []}
    assert run_update(serving, engine, "web1").outcome == "done"
    assert text(serving, "web1", "etc/plain.conf") == "3\n"
    serving.close()
