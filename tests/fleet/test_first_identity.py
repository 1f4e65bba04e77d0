"""What a server must have of its own since a new gold, in an update of a site."""

from __future__ import annotations

import os
import stat

import pytest

from goldroot.catalog import updates
from goldroot.fleet import clones, drift
from goldroot.fleet.rollback.rollback import plan_rollback, roll_back
from goldroot.fleet.update import open_update
from goldroot.fleet.update.update import run_update
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, live, next_gold, on_clone, text
from support.killing import kill_at

SSHD = {
    "etc/ssh/sshd_config": "Port 22\n",
    "etc/ssh/ssh_host_ed25519_key": "gold's own",
    "etc/ssh/ssh_host_ed25519_key.pub": "gold's own\n",
    "etc/hostid": "gold",
    "var/lib/wicked/duid.xml": "gold's own",
    "var/lib/wicked/state.xml": "new",
}


@pytest.mark.slow
def test_a_service_that_comes_with_an_update_has_a_key_of_each_servers_own(site: Site, engine: InProcess) -> None:
    for name in ("web1", "web2"):
        clones.create_clone(site, name, IMAGE)
    on_clone(site, "web1", {"etc/app.conf": "mine\n"})
    next_gold(site, SSHD)
    done = [run_update(site, engine, name) for name in ("web1", "web2")]
    assert [one.outcome for one in done] == ["done", "done"]
    keys = [text(site, name, "etc/ssh/ssh_host_ed25519_key.pub") or "" for name in ("web1", "web2")]
    assert all(key.startswith("ssh-ed25519 ") for key in keys)
    assert keys[0] != keys[1]
    assert keys[0].rstrip().endswith("root@web1")
    ids = [live(site, name).read(b"etc/hostid") for name in ("web1", "web2")]
    assert len({*ids, b"gold"}) == 3
    assert text(site, "web1", "var/lib/wicked/duid.xml") is None
    assert text(site, "web1", "var/lib/wicked/state.xml") == "new"
    etc = live(site, "web1").root(b"etc") or ""
    assert stat.S_IMODE(os.stat(f"{etc}/etc/ssh/ssh_host_ed25519_key").st_mode) == 0o600
    with site.catalog.read() as tx:
        [update] = updates.every(tx, "web1")
    notes = open_update.read_record(site, "web1", update.work)["notes"]
    made = {note["path"] for note in notes if note["kind"] == "identity-made"}
    assert made == {"/etc/hostid", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub"}


@pytest.mark.crash
def test_one_that_was_killed_before_it_was_written_down_is_said_all_the_same(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, SSHD)
    kill_at("update.identity-made", lambda: run_update(Site.open(site.root), InProcess(), "web1"))
    assert run_update(site, engine, "web1").outcome == "done"
    assert (text(site, "web1", "etc/ssh/ssh_host_ed25519_key.pub") or "").startswith("ssh-ed25519 ")
    with site.catalog.read() as tx:
        [update] = updates.every(tx, "web1")
    notes = open_update.read_record(site, "web1", update.work)["notes"]
    assert "/etc/hostid" in {note["path"] for note in notes if note["kind"] == "identity-made"}


@pytest.mark.slow
def test_what_was_made_counts_as_goldroots_own_work(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    next_gold(site, SSHD)
    run_update(site, engine, "web1")
    assert plan_rollback(site, "web1").written == ()
    assert roll_back(site, engine, "web1").to_version == 1
    assert text(site, "web1", "etc/ssh/sshd_config") is None


@pytest.mark.slow
def test_an_identity_that_a_server_deleted_stays_deleted(site: Site, engine: InProcess) -> None:
    next_gold(site, SSHD)
    clones.create_clone(site, "web1", IMAGE)
    assert (text(site, "web1", "etc/ssh/ssh_host_ed25519_key.pub") or "").startswith("ssh-ed25519 ")
    on_clone(site, "web1", {"etc/ssh/ssh_host_ed25519_key": None, "etc/ssh/ssh_host_ed25519_key.pub": None})
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    assert run_update(site, engine, "web1").outcome == "done"
    assert live(site, "web1").names(b"etc/ssh") == [b"sshd_config"]


@pytest.mark.slow
def test_what_a_new_server_lacks_on_purpose_is_no_change_of_its_units(site: Site, engine: InProcess) -> None:
    """A clone is made without gold's ids; gold's next version of that state still arrives."""
    next_gold(site, SSHD)
    clones.create_clone(site, "web1", IMAGE)
    assert text(site, "web1", "var/lib/wicked/duid.xml") is None
    assert set(drift.find_drift(site, "web1").by_class) <= {"identity", "config"}
    next_gold(site, {"var/lib/wicked/state.xml": "newer"})
    run_update(site, engine, "web1")
    assert text(site, "web1", "var/lib/wicked/state.xml") == "newer"
    assert text(site, "web1", "var/lib/wicked/duid.xml") is None
