"""Rule 9: an update costs its own server's work.  Counted, not timed, among 3 clones and among 100."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from goldroot.accounts import AccountTables
from goldroot.catalog import LocalAccount, LocalAccounts
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import ChecksFailed, Refused
from goldroot.fleet import clones
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.update import run_update
from goldroot.image import local_accounts, open_version
from goldroot.image.renumber import clone_collisions, with_local
from goldroot.site import Site
from goldroot.system import Confined, Identity
from goldroot.tree.build import build as write
from goldroot.tree.scan import scan
from goldroot.workflow import Engine, InProcess, open_engine
from support.counting import counted
from support.fleet import GROUP, IMAGE, PASSWD, next_gold, on_clone, small_site, text
from support.former import Attached, LinkTo, Machine, former

FEW, MANY = 3, 100

#: Columns that older catalogs have not.
LATER = {
    "clones": "last",
    "updates": "work back inputs migration disks seen told carry attempt",
    "fallbacks": "work gone",
    "conflicts": "own",
}


#: Before a site had several hosts: a slot held a version, a name was one image's slot.
ONE_HOST = """
CREATE TABLE old (image TEXT NOT NULL REFERENCES images (name), number INTEGER NOT NULL, version INTEGER,
  CONSTRAINT pk_slots PRIMARY KEY (image, number), CONSTRAINT uq_slots_image_version UNIQUE (image, version));
DROP TABLE disks;
INSERT INTO old SELECT slots.image, slots.number, version FROM slots LEFT JOIN gold_copies ON slots.number = slot;
DROP TABLE gold_copies;
DROP TABLE slots;
ALTER TABLE old RENAME TO slots;
CREATE TABLE old (host TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
  clone TEXT REFERENCES clones (name) ON DELETE CASCADE, image TEXT, slot INTEGER NOT NULL,
  CONSTRAINT pk_entries PRIMARY KEY (host, name), CONSTRAINT uq_entries_clone UNIQUE (clone),
  CONSTRAINT uq_entries_image_role_slot UNIQUE (image, role, slot));
INSERT INTO old SELECT '', name, role, clone, image, slot FROM entries;
DROP TABLE entries;
ALTER TABLE old RENAME TO entries;
ALTER TABLE images DROP COLUMN host;
UPDATE clones SET host = '';
UPDATE site SET key = 'store' WHERE key = 'store:local';
"""


def neighbours(site: Site, number: int) -> None:
    """So many clones besides, as far as others could ask about them: rows, definitions, disks."""
    for name in (f"other{n}" for n in range(number)):
        with site.catalog.begin() as tx:
            catalog_clones.create(tx, name, IMAGE, 1, "read-only")
            catalog_clones.set_identity(tx, name, {"hostname": name})
            catalog_clones.note_identity(tx, name, {"machine-id": name, "host name": name})
            local = (LocalAccount("user", b"local" + name.encode(), 1500),)
            catalog_clones.note_accounts(
                tx, name, LocalAccounts(local, {"users": [1000, 60000, 101, 999], "groups": [1000, 60000, 101, 999]})
            )
            catalog_clones.activate(tx, name)
        disks = {address: f"{name}-{address}-1.1" for address in ("1B5", "1B6")}
        for disk in disks.values():
            os.mkdir(f"{former(site).create_disk(disk)}/etc")
        former(site).define(
            Machine(
                name.upper(),
                disks={address: Attached(disk) for address, disk in disks.items()},
                links={"1B1": LinkTo("SMALLGOLD", "1B1")},
            )
        )


@pytest.fixture(
    params=[
        "update",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("publish", "nothing-to-do", "rollback", "create")),
    ]
)
def work(request: pytest.FixtureRequest) -> Callable[[Site, Engine], object]:
    """Something that is done for one clone, or for one image."""
    works: dict[str, Callable[[Site, Engine], object]] = {
        "update": lambda site, engine: run_update(site, engine, "web1"),
        "nothing-to-do": lambda site, engine: run_update(site, engine, "done1"),
        "rollback": lambda site, engine: roll_back(site, engine, "done1"),
        "create": lambda site, engine: clones.create_clone(site, "new1", IMAGE),
        "publish": lambda site, engine: next_gold(site, {"etc/plain.conf": "gold 3\n"}),
    }
    works["publish"].__name__ = "publish"
    return works[request.param]


def counts_among(place: Path, number: int, work: Callable[[Site, Engine], object]) -> Counter[str]:
    place.mkdir()
    site = small_site(place)
    try:
        for name in ("web1", "done1"):
            clones.create_clone(site, name, IMAGE)
        neighbours(site, number - 2)
        next_gold(site, {"etc/plain.conf": "gold 2\n"})
        with open_engine(site.path("workflow.sqlite"), site.path("locks")) as engine:
            run_update(site, engine, "done1")  # what is loaded and compiled once is loaded
            site.verified.clear()
            site.genuine.clear()
            with counted(site) as counts:
                work(site, engine)
        return counts
    finally:
        site.close()


@pytest.fixture(autouse=True)
def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was written within the clock's last ticks is read again: so many as this machine is fast."""
    for module in (write, scan):
        monkeypatch.setattr(module, "RACY", -(10**18))


def test_rule_9_a_fleet_of_a_hundred_costs_one_server_no_more_than_one_of_three(
    room: Path, work: Callable[[Site, Engine], object]
) -> None:
    few, many = (counts_among(room / str(number), number, work) for number in (FEW, MANY))
    assert few["sql"] > 0
    assert few == many


def test_no_update_lists_machines_or_disks_and_each_version_is_verified_once(room: Path) -> None:
    counts = counts_among(room / "one", FEW, lambda site, engine: run_update(site, engine, "web1"))
    assert {name for name in counts if name in ("host.machines", "host.disks", "host.linked")} == set()
    assert counts["signature"] == 2  # the signatures of the version that it leaves, and of the one that it goes to


def test_a_signature_is_verified_again_when_its_files_were_written(site: Site) -> None:
    open_version(site, IMAGE, 1)
    with counted(site) as counts:
        open_version(site, IMAGE, 1)
        assert counts["signature"] == 0
        record = site.image_path(IMAGE, "gold", "1", "record.json")
        content = Path(record).read_bytes()
        Path(record).write_bytes(content)
        open_version(site, IMAGE, 1)
        assert counts["signature"] == 1


def test_what_is_asked_of_all_is_asked_by_an_index(site: Site) -> None:
    """A question whose answer is a search through a table would cost more with each clone."""
    asked: list[tuple[str, object]] = []

    def hear(conn: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    clones.create_clone(site, "web1", IMAGE)
    with site.catalog.read() as tx:
        sa.event.listen(site.catalog._engine, "before_cursor_execute", hear)
        list(catalog_clones.sharing(tx, "web1", {"machine-id": "x", "host name": "y"}))
        catalog_clones.unread(tx, "identity")
    with sqlite3.connect(site.catalog_file) as database:
        for statement, parameters in asked:
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            scans = [line for line in plan if line.startswith("SCAN") and "ix_readings_unread" not in line]
            assert scans == [], (statement, plan)
    assert len(asked) == 2


# -- clones of an older goldroot


@pytest.fixture
def old_site(site: Site) -> Iterator[Site]:
    """Two clones, of which the catalog knows as much as that of the schema before them did."""
    for name in ("web1", "web2"):
        clones.create_clone(site, name, IMAGE, identity=Identity(f"{name}.example.org"))
    site.close()
    with sqlite3.connect(site.catalog_file) as database:
        for table in ("readings", "local_accounts", "identities"):
            database.execute(f"DROP TABLE {table}")
        for index in ("ix_updates_clone", "ix_fallbacks_clone", "uq_updates_work", "ix_fallbacks_work"):
            database.execute(f"DROP INDEX {index}")
        for table, names in LATER.items():
            for name in names.split():
                database.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        database.executescript(ONE_HOST)
        database.execute("UPDATE alembic_version SET version_num = '0002'")
    database.close()
    again = Site.open(site.root)
    yield again
    again.close()


@pytest.mark.slow
def test_a_clone_of_an_older_site_is_not_taken_for_one_without_identity(old_site: Site, engine: InProcess) -> None:
    with old_site.catalog.read() as tx:
        assert catalog_clones.unread(tx, "identity") == ["web1", "web2"]
    on_clone(old_site, "web1", {"etc/machine-id": None})
    on_clone(old_site, "web1", {"etc/machine-id": text(old_site, "web2", "etc/machine-id")})
    next_gold(old_site, {"etc/plain.conf": "gold 2\n"})
    with pytest.raises(ChecksFailed, match="machine-id is that of web2 too"):
        run_update(old_site, engine, "web1")
    with old_site.catalog.read() as tx:
        assert catalog_clones.unread(tx, "identity") == []
    on_clone(old_site, "web1", {"etc/machine-id": "0" * 32 + "\n"})
    assert run_update(old_site, engine, "web1").outcome == "done"


def test_names_that_were_given_are_known_of_an_older_site_at_once(old_site: Site) -> None:
    with pytest.raises(Refused, match=r"the host name web2\.example\.org is that of the clone web2"):
        clones.create_clone(old_site, "web3", IMAGE, identity=Identity("WEB2.example.org"))


@pytest.mark.slow
def test_a_neighbour_that_cannot_be_read_is_told_and_holds_nobody_up(old_site: Site, engine: InProcess) -> None:
    machine = former(old_site).get("WEB2")
    os.rename(former(old_site).disk_path(machine.disks["1B5"].disk), old_site.path("away"))
    next_gold(old_site, {"etc/plain.conf": "gold 2\n"})
    done = run_update(old_site, engine, "web1")
    assert (done.outcome, list(done.not_compared)) == ("done", ["web2"])
    os.rename(old_site.path("away"), f"{former(old_site).store}/disks/{machine.disks['1B5'].disk}")
    next_gold(old_site, {"etc/plain.conf": "gold 3\n"})
    assert list(run_update(old_site, engine, "web1").not_compared) == []


# -- what is kept is what is there


def test_a_switch_and_the_way_back_leave_in_the_catalog_what_the_server_is(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"etc/passwd": PASSWD + "own:x:1500:1500::/:/bin/sh\n"})
    next_gold(site, {"etc/passwd": PASSWD + "new:x:300:300::/:/bin/sh\n", "etc/group": GROUP + "new:x:300:\n"})
    own = LocalAccount("user", b"own", 1500)
    for do in (run_update, roll_back):
        do(site, engine, "web1")
        with site.catalog.read() as tx:
            assert catalog_clones.accounts_of(tx, IMAGE)["web1"].local == (own,)


def test_a_publish_asks_the_catalog_for_accounts_and_opens_no_clone(site: Site) -> None:
    next_gold(site, {"etc/nsswitch.conf": "passwd: files\n", "etc/login.defs": "UID_MIN 1000\n"})  # and not in /usr/etc
    clones.create_clone(site, "web1", IMAGE)
    with site.catalog.begin() as tx:
        ranges = {"users": [1000, 60000, 101, 999], "groups": [1000, 60000, 101, 999]}
        catalog_clones.note_accounts(tx, "web1", LocalAccounts((LocalAccount("user", b"own", 1500),), ranges))
    new = AccountTables.of({"passwd": (PASSWD + "app:x:1500:1500::/:/bin/sh\n").encode(), "group": GROUP.encode()})
    with counted(site) as counts:
        found, notes = clone_collisions(site, IMAGE, new)
    assert [str(one) for one in found] == ["web1: its own user own has 1500, which gold gives to app"]
    assert notes == [] and counts["host.open_disks"] == 1  # gold's own /etc


def test_what_is_typed_in_a_server_counts_at_the_next_publish(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the catalog read of a server's accounts does not hold behind a command that was run in it."""
    clones.create_clone(site, "web1", IMAGE)
    clones.create_clone(site, "web2", IMAGE)

    def useradd(*_: object, **__: object) -> Confined:
        on_clone(site, "web1", {"etc/passwd": PASSWD + "own:x:1500:1500::/:/bin/sh\n"})
        return Confined(0, b"", b"")

    monkeypatch.setattr(clones, "run_on", useradd)
    clones.enter_clone(site, "web1", ("useradd", "own"))
    new = AccountTables.of({"passwd": (PASSWD + "app:x:1500:1500::/:/bin/sh\n").encode(), "group": GROUP.encode()})
    found, notes = clone_collisions(site, IMAGE, new)
    assert [str(one) for one in found] == ["web1: its own user own has 1500, which gold gives to app"]
    assert notes == []
    with site.catalog.read() as tx:
        assert catalog_clones.unread(tx, "accounts") == ["web1"]  # and web2 was not opened


def test_accounts_are_the_same_again_from_what_is_kept_of_them() -> None:
    base = AccountTables.of({"passwd": PASSWD.encode(), "group": GROUP.encode()})
    own = AccountTables.of({
        "passwd": PASSWD.replace("mysql:x:101", "mysql:x:102").replace("daemon:x:1:1", "demon:x:1:1").encode(),
        "group": (GROUP + "own:x:1500:\n").encode(),
        "login.defs": b"UID_MIN 500\n",
    })  # fmt: skip
    again = with_local(base, local_accounts(base, own))
    assert (again.users, again.groups) == (own.users, own.groups)
    assert again.login_defs[:2] == own.login_defs[:2]
