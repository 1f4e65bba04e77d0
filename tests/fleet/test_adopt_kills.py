"""An adoption that is killed: the same command finishes it, and a later look leaves the old or the new clone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fleet.test_adopt import APP, GOLD, SERVER
from goldroot.fleet import AdoptForm, adopt_server
from goldroot.fleet.clones import show_clone
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, dump, next_gold, small_site, text
from support.killing import kill_at, points_of
from support.points import hit, named_points
from support.trees import Seen, make_tree

pytestmark = pytest.mark.slow


class Case:
    """A site that is as it was before the command, as often as it is asked for."""

    def __init__(self, room: Path, site: Site) -> None:
        self.root, self.kept, self.source = Path(site.root), room / "kept", room / "server"
        site.close()
        subprocess.run(["cp", "-a", self.root, self.kept], check=True)

    def restore(self) -> None:
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", self.kept, self.root], check=True)

    def adopt(self) -> None:
        site = Site.open(str(self.root))
        try:
            adopt_server(site, "shop", AdoptForm(str(self.source), IMAGE))
        finally:
            site.close()

    def seen(self) -> dict[str, Seen]:
        """The clone, without the times of directories; nothing where there is none yet."""
        site = Site.open(str(self.root))
        try:
            machine = show_clone(site, "shop")["machine"]
            assert machine == "SHOP"
            assert {address[0] for address in show_clone(site, "shop")["disks"]} == {"1"}
            found = dump(site, "shop")
        finally:
            site.close()
        return {
            path: seen if seen.kind != "d" else Seen("d", seen.mode, seen.uid, seen.gid, 0, b"", seen.xattrs, ())
            for path, seen in found.items()
        }


def killed_everywhere(case: Case) -> list[str]:
    """Kill it at each of its points; returns these."""
    # The same step of a host for another disk is the same again.
    names = [name for name in points_of(case.adopt) if name.endswith(":1") or not name.startswith("host.")]
    whole = case.seen()
    for name in names:
        case.restore()
        kill_at(name, case.adopt)
        case.adopt()
        assert case.seen() == whole, name
    return names


def test_killed_anywhere_the_same_command_finishes(room: Path) -> None:
    site = small_site(room, GOLD)
    make_tree(room / "server", SERVER)
    first = killed_everywhere(Case(room, site))
    shutil.rmtree(room / "kept")
    site = Site.open(str(room / "site"))
    place = room / "server"
    (place / "etc/app.conf").write_text(APP.replace("two = 2", "two = 22"))
    (place / "var/lib/mysql/ibdata").write_text("fuller")
    later = killed_everywhere(Case(room, site))
    assert len(first) > 8 and len(later) > 8
    passed = {name.partition(":")[0] for name in (*first, *later)}
    assert [name for name in named_points() if name.startswith("adopt.") and not hit(name, passed)] == []


@pytest.mark.parametrize("point", ["adopt.set-taken", "adopt.disk-renewed", "adopt.exchanged"])
def test_an_update_after_a_look_that_was_killed(room: Path, point: str) -> None:
    """What it left in set 5 is neither a fallback nor an update that is in flight."""
    site = small_site(room, GOLD)
    make_tree(room / "server", SERVER)
    adopt_server(site, "shop", AdoptForm(str(room / "server"), IMAGE))
    (room / "server/etc/app.conf").write_text(APP.replace("two = 2", "two = 22"))
    case = Case(room, site)
    kill_at(f"{point}:1", case.adopt)
    site = Site.open(str(room / "site"))
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    done = run_update(site, InProcess(), "shop")
    assert done.outcome == "done"
    assert text(site, "shop", "etc/plain.conf") == "gold 2\n"
    assert ("two = 22" in (text(site, "shop", "etc/app.conf") or "")) is (point == "adopt.exchanged")
    assert [kept["state"] for kept in show_clone(site, "shop")["fallbacks"]] == ["kept"]
    site.close()
