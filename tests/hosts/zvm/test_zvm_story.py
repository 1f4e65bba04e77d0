"""A server is updated on z/VM by the port alone, killed at each point and under faults; the same command finishes it.

Afterwards no lock, link or note of a killed command is left, no extent is lost or given twice, and all is as it would be
without a kill.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from goldroot.errors import GoldrootError, NotFound
from goldroot.hosts import Entry, Host, Mark, exchange, park, with_links, with_mark
from goldroot.hosts.sets import set_of
from goldroot.zvm.simulator.dasd import placed_in
from support.hosts import SINCE, Lab, applied, found, make_machine, make_slot, new_disk, prepare, state
from support.killing import kill_at, points_of
from support.zvmlab import ZvmLab

WORK = "next"


def update(lab: Lab, host: Host) -> None:
    """From one gold to the other, over an older fallback that is parked first; each step looks whether it is done."""
    entry = found(host, "WEB1")
    if entry.marks["1"].by != WORK:
        if entry.marks["5"].by != WORK:
            entry = park(entry, "5", "6")
            entry = with_mark(with_links(entry, "5", "DEBIANGOLD2", ["B1"]), "5", mark("preparing"))
            applied(host.apply(entry))
        host.create_disk(new_disk(lab, "next-1B5", "WEB1", "5B5"))
        with host.open_disks({"next-1B5": "rw", "WEB1-1B5": "ro"}, view="live") as opened:
            Path(opened["next-1B5"].path, "hostname").write_bytes(b"merged again")
        host.stop("WEB1", 0)
        with host.hold("WEB1"):
            applied(host.apply(exchange(found(host, "WEB1"), "5", WORK, "kept", since=SINCE)))
    host.start("WEB1")
    assert host.power("WEB1").runs == "current"


def mark(kind: str) -> Mark:
    return Mark(kind, WORK, "debian", "web1", 3, SINCE)  # type: ignore[arg-type]


def rollback(lab: Lab, host: Host) -> None:
    host.stop("WEB1", 0)
    with host.hold("WEB1"):
        if found(host, "WEB1").marks["1"].by != "back":
            applied(host.apply(exchange(found(host, "WEB1"), "5", "back", "set-aside", since=SINCE)))
    host.start("WEB1")


def prune(lab: Lab, host: Host) -> None:
    """The oldest set goes, and with it its links: gold is free only then."""
    entry = found(host, "WEB1")
    if "6" in entry.marks:
        applied(host.apply(with_mark(entry, "6", replace(entry.marks["6"], state="removing"))))
        for disk in [disk.id for address, disk in entry.disks.items() if set_of(address) == "6"]:
            host.stop("WEB1", 0)
            host.delete_disk(disk)
        applied(host.apply(with_mark(with_links(found(host, "WEB1"), "6", "DEBIANGOLD2", []), "6", None)))


def publish(lab: Lab, host: Host) -> None:
    """A third slot is made, filled and sealed."""
    host.define(Entry("GOLD3", "owner", marks={"1": Mark("publishing", "pub", "debian", "", 3, SINCE)}))
    host.create_disk(new_disk(lab, "gold3-1B1", "GOLD3", "1B1"))
    if not host.info(["gold3-1B1"])["gold3-1B1"].sealed:
        with host.hold("GOLD3"), host.open_disks({"gold3-1B1": "rw"}) as opened:
            Path(opened["gold3-1B1"].path, "version").write_bytes(b"3")
        host.seal_disk("gold3-1B1", lab.sealed)
    entry = found(host, "GOLD3")
    done = Mark("gold", "pub", "debian", "", 3, SINCE)
    if entry.marks["1"] != done:
        applied(host.apply(with_mark(entry, "1", done)))


#: What is killed, and what comes before it.
STORIES: dict[str, tuple[Callable[[Lab, Host], None], tuple[Callable[[Lab, Host], None], ...]]] = {
    "publish": (publish, ()),
    "update": (update, ()),
    "rollback": (rollback, (update,)),
    "prune": (prune, (update,)),
}
#: How often a command is tried before it has to end well.
TRIES = 3
#: Faults that strike while it is killed, and again while it is finished; every N-th point is tried with each.  With all
#: stories that is more than 300 kills.
FAULTS = {
    "": 1,
    "lost-reply@Image_*#2,lost-request@Response_Recovery": 1,
    "stale-lock=GOLDMGMT@Image_Replace_DM#1,link-stays@CP_DETACH#2": 1,
    "object-offline@Image_Replace_DM#1,changed@Image_Lock_DM#1": 2,
    "logon=WEB1@Image_Lock_DM#1,internal-error=3300@Image_Query_DM#1": 2,
    "no-space@Image_Disk_Create_DM#1,fail-operation@Image_Disk_Delete_DM#1": 2,
    "no-flashcopy,cp-refused=107@CP_LINK#2,cut-reply@Image_Activate#1": 2,
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> ZvmLab:
    """Two slots, and a machine that runs, with a fallback in set 5."""
    lab = ZvmLab(tmp_path_factory.mktemp("zvm"))
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("faults", FAULTS)
def test_a_story_that_is_killed_anywhere_is_finished_by_the_same_command(
    template: ZvmLab, name: str, faults: str, tmp_path: Path
) -> None:
    killed(template, name, faults, tmp_path, lambda points: points[:: FAULTS[faults]])


@pytest.mark.slow
def test_an_update_that_is_killed_in_its_middle_is_finished_by_the_same_command(
    template: ZvmLab, tmp_path: Path
) -> None:
    killed(template, "update", "", tmp_path, lambda points: points[len(points) // 2 :][:1])


def killed(template: ZvmLab, name: str, faults: str, tmp_path: Path, chosen: Callable[[list[str]], list[str]]) -> None:
    """Kill a story at some of its points, and finish it each time."""
    act, before = STORIES[name]
    ready = ZvmLabs(template, tmp_path, before)
    whole = ready.new()
    act(whole, whole.again())
    expected = state(whole.host)
    # Under a fault it comes to other points: a guest that somebody logged on is not started, and what failed is tried again.
    points = chosen(points_of(partial(insisted, act, ready.new(faults))))
    for point in points:
        lab = ready.new(faults)
        kill_at(point, partial(insisted, act, lab))
        nothing_lost_or_given_twice(lab)
        with suppress(GoldrootError):
            act(lab, lab.again())
        lab.sim.faults.clear()
        others_lock(lab)
        act(lab, lab.again())
        told = lab.again().tidy()
        assert state(lab.host) == expected, (point, told)
        assert lab.halves() == [], point
        nothing_lost_or_given_twice(lab)
        assert lab.sim.bugs == []
    print(f"{name}, {faults or 'no fault'}: {len(points)} kills")


def insisted(act: Callable[[Lab, Host], None], lab: ZvmLab) -> None:
    """Do it, and again where a fault has ended it: as a person would."""
    for _ in range(TRIES):
        with suppress(GoldrootError):
            act(lab, lab.again())
            return
    act(lab, lab.again())


class ZvmLabs:
    """Labs that are alike."""

    def __init__(self, template: ZvmLab, root: Path, before: tuple[Callable[[Lab, Host], None], ...]) -> None:
        first = template.copied_to(root / "first")
        assert isinstance(first, ZvmLab)
        for act in before:
            act(first, first.host)
            first.host.stop("WEB1", 0)
        self._first, self._root, self._made = first, root, 0

    def new(self, faults: str = "") -> ZvmLab:
        self._made += 1
        lab = self._first.copied_to(self._root / str(self._made))
        assert isinstance(lab, ZvmLab)
        for fault in filter(None, faults.split(",")):
            lab.sim.faults.add(fault)
        return lab


def others_lock(lab: ZvmLab) -> None:
    """Whoever took a lock away from us gives his own back."""
    manager = lab.sim.system.manager
    for name in lab.sim.system.directory.entries:
        if manager.locks.image(name) and f"directory-{name}" not in [
            one.name for one in (lab.root / "store/locks").iterdir()
        ]:
            manager.locks.unlock(name)


def nothing_lost_or_given_twice(lab: ZvmLab) -> None:
    """Every minidisk of an entry of goldroot's is a disk of that entry, or is being made; none overlap."""
    placed = [one for one in placed_in(lab.sim.system.directory) if one.entry not in ("MAINT", "GOLDMGMT")]
    for number, one in enumerate(placed):
        assert not any(one.extent.overlaps(other.extent) for other in placed[number + 1 :])
    for entry in lab.host.entries():
        standing = lab.host._directory.standing(entry.name)
        assert standing is not None and standing.unknown == {}, entry.name
        for address, disk in entry.disks.items():
            try:
                info = lab.host.info([disk.id])[disk.id]
            except NotFound:
                pytest.fail(f"{disk.id} at {address} is nobody's")
            assert any(one.extent.start == info.where["start"] for one in placed)
