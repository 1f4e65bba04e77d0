"""What a merge of a site's server knows of gold's system: how its root leads into /usr, and its family."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.fleet import clones
from goldroot.fleet.update.plan import plan_update
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from support.fleet import IMAGE, ROOT, live, next_gold, small_site
from support.former import path_of
from support.trees import Link


def lead(root: str | None, target: str) -> None:
    """Another target for the link of the tests."""
    assert root is not None
    link = Path(root, "etc/x.service")
    link.unlink()
    link.symlink_to(target)


def made(room: Path) -> Site:
    system = {"lib": Link("usr/lib"), "etc/x.service": Link("/lib/a"), "usr/lib/os-release": "ID=debian\n"}
    site = small_site(room, {**ROOT, **system})
    clones.create_clone(site, "web1", IMAGE)
    return site


def asked(site: Site) -> list[tuple[str, str]]:
    return [(one["path"], one["axis"]) for one in plan_update(site, "web1").conflicts]


@pytest.mark.slow
def test_two_spellings_of_one_place_ask_nothing_on_a_server_that_shares_its_root(room: Path) -> None:
    site = made(room)
    lead(live(site, "web1").root(b"etc/x.service"), "/lib/b")
    system = System(site, IMAGE, MAINTENANCE)
    lead(path_of(system, system.layout.disk_of(b"etc").address), "/usr/lib/b")
    next_gold(site, {"etc/plain.conf": "2\n"})
    assert asked(site) == []
    lead(live(site, "web1").root(b"etc/x.service"), "/lib/c")
    assert asked(site) == [("/etc/x.service", "content")]
    site.close()


def test_a_gold_of_another_family_is_asked_about(room: Path) -> None:
    site = made(room)
    next_gold(site, {"usr/lib/os-release": "ID=sles\n"})
    assert asked(site) == [("/etc/os-release", "family")]
    site.close()
