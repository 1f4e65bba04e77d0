"""What a real command does comes in the order of the model (:mod:`support.story`), so that the two cannot drift apart.

The product writes down which crash points it passes, those of its host among them.  Each point either says that an effect of
the model has been made (:data:`MADE`), or is within one (:data:`WITHIN`); a point that is in neither is a mistake, and so
is an effect that only one of the two has, or has elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from goldroot import crash
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import HealthFailed
from goldroot.fleet import clones, machines
from goldroot.fleet.rollback.fallback import plan_prune, prune_fallbacks
from goldroot.fleet.rollback.rollback import roll_back
from goldroot.fleet.update.cancel import cancel_update
from goldroot.fleet.update.update import run_update
from goldroot.hosts import find_entry, registry
from goldroot.site import Site
from goldroot.workflow import InProcess
from support import booting, story
from support.booting import behave
from support.fleet import IMAGE, next_gold, on_clone, small_site
from support.killing import kill_at
from support.story import World

#: Points, and the effect of the model that has been made when they are passed.  ``*``: the kind of the work.
MADE = {
    "*.begun": "T planned",
    "*.attempt-begun": "T attempt",
    "update.disks-intended": "T making",
    "update.generation-raised": "T merging",
    "*.disk-built": "H filled",
    "update.conflicts-stored": "T merged",
    "update.checks-passed": "T checked",
    "*.stopping": "T stopping",
    "*.held": "H stop",
    "*.switching": "T switching",
    "reconcile.followed": "T switched",
    "*.starting": "T starting",
    "*.started": "H start",
    "*.noted": "T done",
    "update.returning": "T returning",
    "update.returning-stopped": "H stop",
    "reconcile.started": "H start",
    "reconcile.settled": "T returned",
    "update.cancelled": "T cancelling",
    "update.cleared": "T cancelled",
    "fallback.pruned": "T pruning",
    "fallback.gone": "T pruned",
    "host.disk-named": "H create",
    "host.disk-removed": "H delete",
    "host.entry-written": "H apply",
}

#: Points between the parts of one effect of the model, or of what it leaves out: the register of disks, files, programs.
WITHIN = {
    "update.set-taken", "disk.intended", "disk.made", "disk.going", "disk.removed", "update.filling", "update.merge-begun",
    "update.merge-written-down", "update.rebuilt", "*.stopped", "*.before-switch", "*.switched", "*.switch-noted",
    "returning.switching", "set.dropped", "fallback.marked", "carry.begun", "carry.base-built",
    "host.file-beside", "host.entry-indexed", "host.disk-labelled", "host.disk-halfway", "host.disk-made",
    "host.disk-unnamed", "host.disk-going",
}  # fmt: skip


def effects(points: list[str]) -> list[str]:
    """The effects of the model that a log tells of."""
    found: list[str] = []
    for point in points:
        general = "*." + point.partition(".")[2]
        made = MADE.get(point) or ("" if point in WITHIN else MADE.get(general, ""))
        assert made or {point, general} & WITHIN, f"the model does not know {point}"
        if made in ("H create", "H delete"):  # both change the entry, too: one effect
            at = len(found) - 1 - found[::-1].index("H apply")
            del found[at]
        found += [made] if made else []
    return found


def modelled(trace: list[str]) -> list[str]:
    """The effects of the model, without addresses; filling is one, and saying the state that is there already is none."""
    found: list[str] = []
    state = ""
    for effect in trace:
        kind, word = effect.split()[:2]
        if (kind, word) == ("H", "fill") or (kind == "T" and word == state):
            continue
        state = word if kind == "T" else state
        found.append(f"{kind} {word}")
    return found


# -- the same story, told twice

WEB = "web1"
Real = Callable[[Site], object]


def told(act: Callable[[World], object], *before: Callable[[World], object]) -> list[str]:
    """What the model does."""
    world = World()
    for one in (
        partial(story.publish, number=1),
        partial(story.create, name=WEB, version=1),
        partial(story.power_on, name=WEB),
        partial(story.publish, number=2),
        *before,
    ):
        one(world)
    begun = len(world.trace)
    act(world)
    return modelled(world.trace[begun:])


@pytest.fixture
def real(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 runs gold 1, and gold 2 is there."""
    monkeypatch.setattr(registry, "KINDS", booting.kinds())
    site = small_site(room)
    clones.create_clone(site, WEB, IMAGE)
    next_gold(site, {"etc/plain.conf": "gold 2\n", "usr/bin/tool": "two\n"})
    machines.start_machine(site, WEB)
    yield site
    site.close()


@pytest.fixture
def done(real: Site, room: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Real], list[str]]:
    """What the product does, by its log."""

    def act(what: Real) -> list[str]:
        log = room / "points"
        monkeypatch.setenv(crash.LOG, str(log))
        try:
            what(real)
        finally:
            monkeypatch.delenv(crash.LOG)
        return effects(log.read_text().split())

    return act


def updates(site: Site) -> object:
    return run_update(site, InProcess(), WEB)


Done = Callable[[Real], list[str]]
UPDATE = partial(story.update, name=WEB, to=2)


def test_an_update(done: Done) -> None:
    found = done(updates)
    assert found == told(UPDATE)
    assert found.count("H apply") == 4 and found[-1] == "T done"  # a fence, set 5, before the filling, the switch


def test_an_update_that_waits_for_a_review_and_goes_on(real: Site, done: Done) -> None:
    on_clone(real, WEB, {"etc/plain.conf": "its own\n"})
    begun = done(updates)
    assert begun == told(partial(story.update, name=WEB, to=2, until="merged"))


def test_a_cancel(real: Site, done: Done) -> None:
    on_clone(real, WEB, {"etc/plain.conf": "its own\n"})
    updates(real)
    waits = partial(story.update, name=WEB, to=2, until="merged")
    assert done(lambda site: cancel_update(site, WEB)) == told(partial(story.cancel, name=WEB), waits)


def test_a_rollback(real: Site, done: Done) -> None:
    updates(real)
    found = done(lambda site: roll_back(site, InProcess(), WEB))
    assert found == told(partial(story.rollback, name=WEB), UPDATE)
    assert "H create" not in found


@pytest.mark.slow
def test_a_rollback_that_carries(real: Site, done: Done) -> None:
    updates(real)
    on_clone(real, WEB, {"etc/since.conf": "since\n"})
    found = done(lambda site: roll_back(site, InProcess(), WEB, carry=True))
    assert found == told(partial(story.rollback, name=WEB, carry=True), UPDATE)


def test_a_second_update_parks_and_a_prune_removes(real: Site, done: Done) -> None:
    updates(real)
    next_gold(real, {"etc/plain.conf": "gold 3\n"})
    third, second = partial(story.publish, number=3), partial(story.update, name=WEB, to=3)
    assert done(updates) == told(second, UPDATE, third)


def test_a_prune(real: Site, done: Done) -> None:
    updates(real)
    assert done(lambda site: prune_fallbacks(site, plan_prune(site, [WEB], force=True))) == told(
        partial(story.prune, name=WEB), UPDATE
    )


@pytest.mark.slow
def test_a_return_after_bad_health(real: Site, done: Done) -> None:
    behave(real.host, 2, failed=["web.service"])

    def fails(site: Site) -> None:
        with pytest.raises(HealthFailed):
            updates(site)

    assert done(fails) == told(UPDATE, lambda world: world.bad.add(2))


@pytest.mark.crash
@pytest.mark.parametrize(
    "point", ["update.attempt-begun", "update.generation-raised", "update.switching", "host.entry-written:4"]
)
def test_a_kill_around_a_fence_is_finished(real: Site, point: str) -> None:
    """Between the transaction that raises the generation and the entry that has it."""
    kill_at(point, lambda: updates(Site.open(real.root)))
    assert run_update(real, InProcess(), WEB).outcome == "done"
    with real.catalog.read() as tx:
        clone = catalog_clones.get(tx, WEB)
    entry = find_entry(real.host, clone.machine)
    assert (clone.version, entry.marks["1"].version, entry.generation) == (2, 2, clone.generation)


def test_what_the_model_does_not_know_is_found() -> None:
    with pytest.raises(AssertionError, match=r"does not know update\.surprise"):
        effects(["update.begun", "update.surprise"])


def test_the_lists_name_points_that_there_are() -> None:
    from support.points import hit, named_points

    named = named_points()
    for one in (*MADE, *WITHIN):
        kinds = ["update", "rollback"] if one.startswith("*") else [""]
        assert any(hit(name, [one.replace("*", kind)]) for name in named for kind in kinds), one
