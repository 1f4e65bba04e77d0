"""The way back."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from goldroot.catalog import clones as catalog_clones
from goldroot.catalog import decisions, holders_of, updates
from goldroot.conflicts import Decision
from goldroot.errors import NotFound, Refused
from goldroot.fleet import clones
from goldroot.fleet.rollback import fallback
from goldroot.fleet.rollback.rollback import plan_rollback, read_written, roll_back
from goldroot.fleet.update import kept, open_update
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.update import run_update
from goldroot.hosts import find_entry, own_disks
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, ROOT, SHADOW, dump, live, next_gold, on_clone, small_site, text
from support.former import former
from support.marks import slow
from support.trees import HardLink


def moved(site: Site, engine: InProcess) -> None:
    """web1, changed, and moved from gold 1 to gold 2."""
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/mine": "before\n", "var/lib/mysql/ibdata": "before"})
    next_gold(site, {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "#!/bin/sh\necho 2\n"})
    assert run_update(site, engine, "web1").outcome == "done"


def test_the_policy_of_a_merge_is_remembered_and_not_that_of_the_one_before(site: Site, room: Path) -> None:
    """An update in review is merged again; its owner may have taken the policy out of goldroot.toml meanwhile."""
    rules = room / "policy.toml"
    rules.write_text('[[rule]]\npath = "/etc/mine"\nclass = "clone"\n')
    open_update.save_decisions(site, "web1", "work", {}, str(rules))
    assert open_update.load_given(site, "web1", "work")[1].match(b"/etc/mine").cls == "clone"
    open_update.save_decisions(site, "web1", "work", {}, None)
    assert open_update.load_given(site, "web1", "work")[1].match(b"/etc/mine").cls == "config"


def test_rule_3_links_and_disks_go_back_as_one(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/mine": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    before = dump(site, "web1")
    run_update(site, engine, "web1")
    on_clone(site, "web1", {"srv/new": "written since\n"})
    assert "/srv/new" in plan_rollback(site, "web1").written
    done = roll_back(site, engine, "web1")
    assert (done.outcome, done.to_version) == ("done", 1)
    assert dump(site, "web1") == before
    assert "/srv/new" in read_written(site, "web1", done.update)
    with site.catalog.read() as tx:
        assert catalog_clones.get(tx, "web1").version == 1
        [aside] = updates.fallbacks(tx, "web1")
        assert aside.state == "set-aside"
        assert not [one for one in holders_of(tx, IMAGE, 2) if one.kind == "clone"]
    newer = former(site).disk_path(str(aside.disks["1B5"]))
    with open(f"{newer}/srv/new") as file:
        assert file.read() == "written since\n"
    # What is set aside is parked as a whole: its links keep its gold.
    entry = site.host.find("WEB1")
    assert entry is not None and own_disks(entry, "5") == dict(aside.disks)
    assert (entry.marks["5"].state, entry.marks["5"].version, entry.links["5B1"].owner) == (
        "set-aside",
        2,
        "SMALLGOLD2",
    )


@pytest.mark.slow
def test_an_update_after_a_rollback_works(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    roll_back(site, engine, "web1")
    assert run_update(site, engine, "web1").to_version == 2
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"
    roll_back(site, engine, "web1")
    assert text(site, "web1", "etc/plain.conf") == "plain\n"


@pytest.mark.slow
def test_two_updates_can_be_gone_back_one_after_the_other(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    run_update(site, engine, "web1")
    assert text(site, "web1", "etc/plain.conf") == "gold 3\n"
    roll_back(site, engine, "web1")
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"
    roll_back(site, engine, "web1")
    assert text(site, "web1", "etc/plain.conf") == "plain\n"
    assert former(site).at("WEB1", "1B1").owner == "SMALLGOLD"


def test_a_carry_keeps_what_was_changed_since(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    shadow = SHADOW.replace("root:*:19000", "root:$6$new:20000")
    on_clone(site, "web1", {"etc/shadow": shadow, "etc/added.conf": "since\n"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    assert text(site, "web1", "etc/shadow") == shadow
    assert text(site, "web1", "etc/added.conf") == "since\n"
    assert text(site, "web1", "etc/plain.conf") == "plain\n"
    assert former(site).at("WEB1", "1B1").owner == "SMALLGOLD"
    with site.catalog.read() as tx:
        kept = updates.fallbacks(tx, "web1")
    assert [(one.state, one.from_version) for one in kept] == [("set-aside", 1), ("set-aside", 2)]
    for disk in (disk for one in kept for disk in one.disks.values()):
        former(site).disk_path(str(disk))


@pytest.mark.slow
def test_a_carry_after_a_carry_keeps_what_was_changed_since_each_switch(site: Site, engine: InProcess) -> None:
    """What was carried, and what was written before the disks became a fallback, is the server's for the next one, too."""
    moved(site, engine)
    shadow = SHADOW.replace("root:*:19000", "root:$6$new:20000")
    on_clone(site, "web1", {"etc/shadow": shadow, "etc/hosts": None, "etc/first.conf": "on 2\n", "srv/mine": "on 2\n"})
    next_gold(site, {"etc/plain.conf": "gold 3\n", "etc/third.conf": "gold 3\n"})
    run_update(site, engine, "web1")
    on_clone(site, "web1", {"etc/second.conf": "on 3\n"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    expected = ["/etc/first.conf", "/etc/hosts", "/etc/second.conf", "/etc/shadow", "/srv/mine"]
    assert list(plan_rollback(site, "web1").written) == expected
    done = roll_back(site, engine, "web1", carry=True)
    with site.catalog.read() as tx:
        assert [one.found.path for one in decisions.conflicts_of(tx, done.update)] == [b"/srv/mine"]
    assert roll_back(site, engine, "web1", carry=True, take_proposals=True).outcome == "done"
    assert text(site, "web1", "etc/shadow") == shadow
    assert text(site, "web1", "etc/hosts") is None
    assert text(site, "web1", "etc/first.conf") == "on 2\n"
    assert text(site, "web1", "etc/second.conf") == "on 3\n"
    assert text(site, "web1", "etc/plain.conf") == "plain\n"
    assert text(site, "web1", "srv/mine") == "before\n"


def test_an_empty_file_is_not_written_since_by_the_number_of_its_inode(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of this machine has a file of that number mapped, on another file system."""
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"srv/flag": "", "srv/mine": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    run_update(site, engine, "web1")
    flag = Path(live(site, "web1").root(b"srv") or "", "srv/flag")
    monkeypatch.setattr("goldroot.tree.scan.live.mapped_inodes", lambda: frozenset({flag.stat().st_ino}))
    assert list(plan_rollback(site, "web1").written) == []
    flag.write_text("written")
    assert list(plan_rollback(site, "web1").written) == ["/srv/flag"]


@pytest.mark.slow
def test_what_was_written_in_the_last_moment_before_an_update_is_not_written_since(
    site: Site, engine: InProcess
) -> None:
    """A service writes its state when it is stopped: the copy of such a file has a time as young as its making."""
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "before"})
    file = Path(live(site, "web1").root(b"var") or "", "var/lib/mysql/ibdata")
    os.utime(file, (time.time() + 600,) * 2)
    for number in (2, 3):
        next_gold(site, {"etc/plain.conf": f"gold {number}\n"})
        assert run_update(site, engine, "web1").outcome == "done"
        assert list(plan_rollback(site, "web1").written) == []
    on_clone(site, "web1", {"etc/second.conf": "on 3\n"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    assert list(plan_rollback(site, "web1").written) == ["/etc/second.conf"]


@pytest.mark.slow
def test_hard_links_made_and_broken_since_are_carried(room: Path, engine: InProcess) -> None:
    files = {"etc/one": "linked\n", "etc/two": HardLink("etc/one"), "etc/three": "apart\n", "etc/four": "apart\n"}
    site = small_site(room, {**ROOT, **files})
    moved(site, engine)
    etc = Path(live(site, "web1").root(b"etc") or "", "etc")
    shutil.copy2(etc / "two", etc / "new")
    os.replace(etc / "new", etc / "two")
    (etc / "four").unlink()
    (etc / "four").hardlink_to(etc / "three")
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    etc = Path(live(site, "web1").root(b"etc") or "", "etc")
    assert not (etc / "one").samefile(etc / "two")
    assert (etc / "three").samefile(etc / "four")
    site.close()


@pytest.mark.slow
def test_a_state_unit_changed_since_is_asked_for_and_the_fallbacks_proposed(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "since"})
    done = roll_back(site, engine, "web1", carry=True)
    assert (done.outcome, done.conflicts) == ("needs-review", 1)
    assert text(site, "web1", "etc/plain.conf") == "gold 2\n"
    with site.catalog.read() as tx:
        [asked] = decisions.conflicts_of(tx, done.update)
    assert (asked.found.path, asked.found.axis, asked.found.stands) == (b"/var/lib/mysql", "unit", "gold")
    with site.catalog.begin() as tx:
        decisions.decide(tx, IMAGE, asked.found.key, Decision("clone"))
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    assert text(site, "web1", "var/lib/mysql/ibdata") == "since"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "written", "said"),
    [
        ("srv/mine", "since", "wrote to this state unit since the switch"),
        ("srv/mine", None, "removed this state unit since the switch"),
        ("srv/new", "since", "the fallback has none, so with the fallback's version it goes"),
    ],
)
def test_the_question_about_a_unit_says_where_a_side_has_none(
    site: Site, engine: InProcess, path: str, written: str | None, said: str
) -> None:
    moved(site, engine)
    on_clone(site, "web1", {path: written})
    done = roll_back(site, engine, "web1", carry=True)
    with site.catalog.read() as tx:
        [asked] = decisions.conflicts_of(tx, done.update)
    assert asked.found.detail.endswith(said)


@pytest.mark.slow
@pytest.mark.parametrize("written", ["since", slow(None)])
def test_an_answer_about_a_unit_is_not_asked_for_again(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch, written: str | None
) -> None:
    """What was written just before the first scan has no ctime there; a minute later it has one."""
    moved(site, engine)
    on_clone(site, "web1", {"srv/mine": written, "etc/plain.conf": "since\n"})
    done = roll_back(site, engine, "web1", carry=True)
    with site.catalog.begin() as tx:
        [asked] = [one for one in decisions.conflicts_of(tx, done.update) if one.found.path == b"/srv/mine"]
        for one in decisions.conflicts_of(tx, done.update):
            decisions.decide(tx, IMAGE, one.found.key, Decision("clone"))
    monkeypatch.setattr("goldroot.tree.scan.scan.RACY", 0)
    assert roll_back(site, engine, "web1", carry=True).outcome == "done"
    assert text(site, "web1", "srv/mine") == written
    assert asked.found.stands == "gold"


@pytest.mark.slow
def test_a_unit_that_was_written_since_its_answer_is_asked_about_again(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "since"})
    done = roll_back(site, engine, "web1", carry=True)
    with site.catalog.begin() as tx:
        [asked] = decisions.conflicts_of(tx, done.update)
        decisions.decide(tx, IMAGE, asked.found.key, Decision("gold"))
    cancel_update(site, "web1")
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "what came in for three days"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "needs-review"


@pytest.mark.slow
def test_the_answer_about_a_unit_is_of_one_server(site: Site, engine: InProcess) -> None:
    for name in ("web1", "web2"):
        clones.create_clone(site, name, IMAGE)
        on_clone(site, name, {"srv/mine": "before\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    keys = []
    for name in ("web1", "web2"):
        run_update(site, engine, name)
        on_clone(site, name, {"srv/mine": None})
        done = roll_back(site, engine, name, carry=True)
        with site.catalog.read() as tx:
            keys += [one.found.key for one in decisions.conflicts_of(tx, done.update)]
    assert len(keys) == 2 and len(set(keys)) == 2


@pytest.mark.slow
def test_proposals_can_be_taken_as_they_are(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    on_clone(site, "web1", {"var/lib/mysql/ibdata": "since"})
    assert roll_back(site, engine, "web1", carry=True, take_proposals=True).outcome == "done"
    assert text(site, "web1", "var/lib/mysql/ibdata") == "before"


def test_a_clone_without_a_fallback_says_so(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    with pytest.raises(NotFound, match="no fallback"):
        roll_back(site, engine, "web1")


@pytest.mark.slow
def test_an_update_in_review_is_given_up_first(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    assert run_update(site, engine, "web1").outcome == "needs-review"
    with pytest.raises(Refused, match="needs-review"):
        roll_back(site, engine, "web1")
    cancel_update(site, "web1")
    assert roll_back(site, engine, "web1").outcome == "done"
    assert text(site, "web1", "etc/plain.conf") == "plain\n"
    with site.catalog.read() as tx:
        assert [one.state for one in updates.every(tx, "web1")] == ["done", "cancelled", "done"]


def test_a_fallback_is_pruned_past_its_date_only(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    assert fallback.plan_prune(site) == []
    with pytest.raises(Refused, match="names"):
        fallback.plan_prune(site, force=True)
    [gone] = fallback.prune_fallbacks(site, fallback.plan_prune(site, ["web1"], force=True))
    assert gone.error is None
    assert [disk for disk in former(site).disks() if disk.startswith("web1-")] == sorted(
        one.disk for one in former(site).get("WEB1").disks.values()
    )
    assert text(site, "web1", "srv/mine") == "before\n"
    with pytest.raises(NotFound):
        roll_back(site, engine, "web1")
    with site.catalog.read() as tx:
        assert holders_of(tx, IMAGE, 1) == []


@pytest.mark.slow
def test_a_fallback_that_an_older_one_needs_is_not_pruned_before_it(site: Site, engine: InProcess) -> None:
    """What the server wrote on gold 2 is known from there alone."""
    moved(site, engine)
    on_clone(site, "web1", {"etc/mine.conf": "on gold 2\n"})
    next_gold(site, {"etc/plain.conf": "gold 3\n"})
    config = Path(site.path("goldroot.toml"))
    config.write_text(config.read_text().replace("fallback_days = 14", "fallback_days = 0"))
    site.close()
    hasty = Site.open(site.root)
    assert run_update(hasty, engine, "web1").outcome == "done"
    assert [one.from_version for one in fallback.all_fallbacks(hasty)] == [1, 2]
    assert fallback.plan_prune(hasty) == []
    assert [one.from_version for one in fallback.plan_prune(hasty, ["web1"], force=True)] == [1, 2]
    for _ in range(2):
        assert roll_back(hasty, engine, "web1", carry=True).outcome == "done"
    assert text(hasty, "web1", "etc/mine.conf") == "on gold 2\n"
    hasty.close()


def test_deleting_a_clone_leaves_nothing_of_it(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    clones.delete_clone(site, "web1")
    assert [disk for disk in former(site).disks() if disk.startswith("web1-")] == []
    with site.catalog.read() as tx:
        assert catalog_clones.every(tx) == []
        assert holders_of(tx, IMAGE, 1) == []


@pytest.mark.slow
def test_an_update_beside_a_carry_names_the_command_that_finishes_it(site: Site, engine: InProcess) -> None:
    moved(site, engine)
    on_clone(site, "web1", {"srv/mine": "since\n"})
    assert roll_back(site, engine, "web1", carry=True).outcome == "needs-review"
    with pytest.raises(Refused) as refused:
        run_update(site, engine, "web1")
    assert "`goldroot rollback web1 --carry`" in refused.value.todo


# -- no more is kept than the site wants


def several(site: Site, engine: InProcess, count: int) -> None:
    for number in range(count):
        next_gold(site, {"etc/plain.conf": f"gold, {number} more\n"})
        run_update(site, engine, "web1")


def kept_versions(site: Site) -> list[tuple[int, str]]:
    with site.catalog.read() as tx:
        return [(one.from_version, one.state) for one in updates.fallbacks(tx, "web1")]


def keep(site: Site, sets: int) -> Site:
    site.close()
    config = Path(site.path("goldroot.toml"))
    config.write_text(
        config.read_text().replace("keep_sets = 3", f"keep_sets = {sets}").replace("slots = 3", "slots = 4")
    )
    return Site.open(site.root)


@pytest.mark.slow
def test_an_update_prunes_the_oldest_beyond_what_is_kept_and_says_so(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    two = keep(site, 2)
    several(two, engine, 2)
    assert kept_versions(two) == [(1, "kept"), (2, "kept")]
    next_gold(two, {"etc/plain.conf": "gold 4\n"})
    done = run_update(two, engine, "web1")
    assert list(done.pruned) == ["fallback 1 (gold 1) is pruned"]
    assert kept_versions(two) == [(2, "kept"), (3, "kept")]
    entry = find_entry(two.host, "WEB1")
    named = {disk.id for disk in entry.disks.values()}
    assert {id for id in os.listdir(two.path("store", "disks")) if id.startswith("web1-")} == named
    assert {link.owner for link in entry.links.values()} == {"SMALLGOLD2", "SMALLGOLD3", "SMALLGOLD4"}
    with two.catalog.read() as tx:
        assert holders_of(tx, IMAGE, 1) == []
    assert list(run_update(two, engine, "web1").pruned) == []
    two.close()


@pytest.mark.slow
def test_what_was_set_aside_does_not_count_and_never_goes_by_itself(site: Site, engine: InProcess) -> None:
    clones.create_clone(site, "web1", IMAGE)
    one = keep(site, 1)
    several(one, engine, 1)
    roll_back(one, engine, "web1")
    run_update(one, engine, "web1")
    assert kept_versions(one) == [(2, "set-aside"), (1, "kept")]
    next_gold(one, {"etc/plain.conf": "gold 3\n"})
    assert len(run_update(one, engine, "web1").pruned) == 1
    assert kept_versions(one) == [(2, "set-aside"), (2, "kept")]
    one.close()


@pytest.mark.slow
def test_a_prune_that_cannot_be_done_is_told_and_done_by_the_next_command(
    site: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    clones.create_clone(site, "web1", IMAGE)
    one = keep(site, 1)
    several(one, engine, 1)
    next_gold(one, {"etc/plain.conf": "gold 3\n"})
    with monkeypatch.context() as patch:
        patch.setattr(kept, "drop_set", lambda *_: (_ for _ in ()).throw(Refused("it is in use")))
        done = run_update(one, engine, "web1")
    assert (done.outcome, list(done.pruned)) == (
        "done", ["fallback 1 (gold 1) is to be pruned, and cannot be yet: it is in use"],
    )  # fmt: skip
    assert list(run_update(one, engine, "web1").pruned) == ["fallback 1 (gold 1) is pruned"]
    assert kept_versions(one) == [(2, "kept")]
    one.close()
