"""The catalog of any moment of a story, put under the host as it is later: the next command finishes, or says what to do.

The power may fail while the catalog's last transactions are not on the disk; and a catalog is restored from a backup.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from goldroot import crash
from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import decisions, fallbacks, updates
from goldroot.conflicts import Decision
from goldroot.errors import GoldrootError, Refused
from goldroot.fleet import clones
from goldroot.fleet.rollback import fallback
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.update import run_update
from goldroot.image import publish_gold
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, dump, live, next_gold, on_clone, small_site
from support.former import former
from support.trees import Seen

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]

COMMANDS: dict[str, Callable[[Site], object]] = {
    "update run": lambda site: run_update(site, InProcess(), "web1"),
    "update cancel": lambda site: cancel_update(site, "web1"),
    "rollback": lambda site: roll_back(site, InProcess(), "web1"),
    "fallback prune": lambda site: fallback.prune_fallbacks(site, fallback.plan_prune(site, ["web1"])),
    "clone delete": lambda site: clones.delete_clone(site, "web1"),
    "clone create": lambda site: clones.create_clone(site, "web1", IMAGE),
    "gold publish": lambda site: publish_gold(site, IMAGE, untested=True),
}


class Story:
    """A site, the catalogs of all its moments, and its store as it was at some of them."""

    def __init__(self, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = room
        self.catalogs: list[tuple[str, Path]] = []
        self.stores: list[tuple[str, int, Path]] = []  # name, how many catalogs are older, copy
        self._doing = ""
        self._seen: set[bytes] = set()
        made = small_site(room)
        made.close()
        with open(f"{made.root}/goldroot.toml", "a", encoding="utf-8") as config:
            config.write(f"\n[images.{IMAGE}]\nslots = 7\n")
        self.site = Site.open(made.root)
        monkeypatch.setattr(crash, "point", self.keep)
        self._tell()
        monkeypatch.undo()
        self.site.close()

    def keep(self, point: str) -> None:
        """Keep the catalog as it is, if it is another one."""
        with closing(sqlite3.connect(self.site.catalog_file)) as catalog:
            said = "\n".join(catalog.iterdump()).encode()
            if said in self._seen:
                return
            self._seen.add(said)
            place = self.room / f"catalog-{len(self.catalogs)}"
            with closing(sqlite3.connect(place)) as copy:
                catalog.backup(copy)
        self.catalogs.append((f"{self._doing}, {point}", place))

    def does(self, doing: str, act: Callable[[], Any], *, store: bool = False) -> Any:
        self._doing = doing
        done = act()
        self.keep("done")
        if store:
            place = self.room / f"store-{len(self.stores)}"
            subprocess.run(["cp", "-a", self.site.root, str(place)], check=True)
            self.stores.append((doing, len(self.catalogs), place))
        return done

    def _tell(self) -> None:
        site, engine = self.site, InProcess()
        self.does("create", lambda: clones.create_clone(site, "web1", IMAGE))
        on_clone(site, "web1", {"etc/plain.conf": "mine\n", "srv/mine": "mine\n"})
        next_gold(site, {"etc/plain.conf": "gold 2\n"})
        self.does("update", lambda: run_update(site, engine, "web1"))
        self.does("resolve", self._resolve)
        self.does("switch", lambda: run_update(site, engine, "web1"), store=True)
        next_gold(site, {"etc/app.conf": "gold 3\n"})
        self.does("second update", lambda: run_update(site, engine, "web1"), store=True)
        self.does("rollback", lambda: roll_back(site, engine, "web1"), store=True)
        self.does("third update", lambda: run_update(site, engine, "web1"))
        next_gold(site, {"etc/plain.conf": "gold 4\n"})
        on_clone(site, "web1", {"etc/plain.conf": "mine again\n"})
        self.does(
            "prune", lambda: fallback.prune_fallbacks(site, fallback.plan_prune(site, ["web1"], force=True)), store=True
        )
        self.does("fourth update", lambda: run_update(site, engine, "web1"))
        self.does("cancel", lambda: cancel_update(site, "web1"), store=True)
        self.does("carry", lambda: _updated_and_carried(site, engine), store=True)
        self.does("delete", lambda: clones.delete_clone(site, "web1"), store=True)
        self.does("create again", lambda: clones.create_clone(site, "web1", IMAGE), store=True)

    def _resolve(self) -> None:
        with self.site.catalog.begin() as tx:
            for conflict in decisions.conflicts_of(tx, 1):
                decisions.decide(tx, IMAGE, conflict.found.key, Decision("clone"))

    def older(self, store: Path, catalog: Path) -> Site:
        """The site of a store, with an older catalog."""
        root = Path(self.site.root)
        shutil.rmtree(root)
        subprocess.run(["cp", "-a", str(store), str(root)], check=True)
        for name in ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):
            (root / name).unlink(missing_ok=True)
        shutil.copy(catalog, root / "catalog.sqlite")
        return Site.open(str(root))


def _updated_and_carried(site: Site, engine: InProcess) -> None:
    next_gold(site, {"etc/hosts": "gold 5\n"})
    with site.catalog.begin() as tx:
        for one in updates.every(tx, "web1"):
            for conflict in decisions.conflicts_of(tx, one.id):
                decisions.decide(tx, IMAGE, conflict.found.key, Decision("clone"))
    if run_update(site, engine, "web1").outcome == "needs-review":
        with site.catalog.begin() as tx:
            going = updates.in_flight(tx, "web1")
            assert going is not None
            for conflict in decisions.conflicts_of(tx, going.id):
                decisions.decide(tx, IMAGE, conflict.found.key, Decision("clone"))
        assert run_update(site, engine, "web1").outcome == "done"
    on_clone(site, "web1", {"etc/carried.conf": "carried\n"})
    roll_back(site, engine, "web1", carry=True)


def tried(site: Site, act: Callable[[Site], object], where: str) -> GoldrootError | None:
    """The error of a command, which is one for a person."""
    try:
        act(site)
    except GoldrootError as error:
        assert error.exit_code in (3, 4) and error.brief and (error.todo or error.meaning), (where, error)
        return error
    except Exception as error:
        raise AssertionError(where) from error
    return None


def named_disks(site: Site) -> set[str]:
    """The disks of web1 that are live, or kept by a fallback."""
    if former(site).find("WEB1") is None:
        return set()
    with site.catalog.read() as tx:
        kept = fallbacks.every(tx, "web1") if catalog_clones.find(tx, "web1") else []
    return {disk.disk for disk in former(site).get("WEB1").disks.values()} | {
        str(disk) for one in kept for disk in one.disks.values()
    }


def live_content(site: Site) -> dict[str, Seen]:
    return dump(site, "WEB1") if former(site).find("WEB1") else {}


def test_the_catalog_of_any_moment_under_a_later_host(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(room, monkeypatch)
    assert len(story.catalogs) > 40
    names = itertools.cycle(COMMANDS)
    for store_name, count, store in story.stores:
        newest = story.older(store, story.catalogs[count - 1][1])
        needed, before = named_disks(newest), live_content(newest)
        newest.close()
        for moment, catalog in story.catalogs[:count]:
            command = next(names)
            where = f"{command}, catalog of [{moment}], host of [{store_name}]"
            site = story.older(store, catalog)
            error = tried(site, COMMANDS[command], where)
            check(site, command, error, needed, before, where)
            site.close()


def check(
    site: Site, command: str, error: GoldrootError | None, needed: set[str], before: dict[str, Seen], where: str
) -> None:
    """Nothing that is needed is gone, and the clone goes on from there."""
    if not (command == "clone delete" and error is None) and former(site).find("WEB1") is not None:
        if before and command != "fallback prune":
            assert needed <= set(former(site).disks()), where
        if error is not None and before:
            assert live_content(site) == before, where
    with site.catalog.read() as tx:
        clone = catalog_clones.find(tx, "web1")
    if (
        clone is None
        or former(site).find("WEB1") is None
        or (isinstance(error, Refused) and "does not know" in error.brief)
    ):
        return
    for again in ("update run", "rollback"):
        later = tried(site, COMMANDS[again], f"{where}; then {again}")
        if later is not None and "does not know" in later.brief:
            return
        with site.catalog.read() as tx:
            going = updates.in_flight(tx, "web1")
            now = catalog_clones.get(tx, "web1")
            slots = {f"{IMAGE.upper()}GOLD{n if n > 1 else ''}": n for n in range(1, 9)}
        owner = former(site).at("WEB1", "1B1").owner
        assert owner in slots
        if going is not None:
            assert going.state == "needs-review" or isinstance(later, Refused), (where, error, again, going, later)
            return
        assert live(site, "web1").roots, where
        from goldroot.catalog import gold

        with site.catalog.read() as tx:
            assert gold.get(tx, IMAGE, now.version).slot_name == owner, (where, again)
