"""Commands of a site on z/VM are killed, and the same command finishes what they began.

At the port each step is killed by test_zvm_story.py; here it is whole commands, catalog and all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.zvm.simulator.dasd import placed_in
from support.fleet import ROOT
from support.killing import kill_at, points_of
from support.zvmfleet import ZvmFleet, password

#: Kills of each command, spread over its crash points.
KILLS = 8
#: And at these, where it passes them: what was merged again inside of the switch was not proved yet.
ALWAYS = ("update.conflicts-stored:2", "update.rebuilt:2", "zvm.boot-recorded:1")


#: Commands that make a root of somebody's own, whose boot record must be that of this very disk; "" for the newest gold.
BOOTS = {"publish": "", "create": "WEB2", "update-own": "DB1"}


def started(fleet: ZvmFleet) -> None:
    fleet("machine", "start", "web1")


def nothing(fleet: ZvmFleet) -> None:
    """It is ready."""


def updated(fleet: ZvmFleet) -> None:
    fleet("update", "run", "web1")


#: Command, what comes before it on each copy, and how its repetition may end besides 0.
ACTS: dict[str, tuple[tuple[str, ...], Callable[[ZvmFleet], None], Sequence[int]]] = {
    "publish": (("gold", "publish", "s10", "--untested", "--unchanged"), nothing, ()),
    "create": (("clone", "create", "web2", "--image", "s10", "--read-write"), nothing, (3,)),
    "update": (("update", "run", "web1"), started, ()),
    "update-own": (("update", "run", "db1"), nothing, ()),
    "rollback": (("rollback", "web1"), updated, (3,)),
    "prune": (("fallback", "prune", "web1", "--force"), updated, (3,)),
}


@pytest.fixture
def ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], ZvmFleet]]:
    """Copies of a site with a server on gold 1, and a gold 2."""
    first = ZvmFleet(tmp_path / "first", capsys)
    made = [first]
    password(monkeypatch, first)
    first.image({**ROOT, "boot/vmlinuz-6.1": "kernel", "boot/initrd.img-6.1": "initial"})
    first("clone", "create", "web1", "--image", "s10")
    first("clone", "create", "db1", "--image", "s10", "--read-write")
    first.publish({"etc/plain.conf": "2\n"})

    def copy() -> ZvmFleet:
        fleet = first.copied_to(tmp_path / str(len(made)))
        made.append(fleet)
        password(monkeypatch, fleet)
        return fleet

    try:
        yield copy
    finally:
        for fleet in made:
            fleet.sim.stop()


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ACTS)
def test_a_command_that_is_killed_is_finished_by_the_same_command(ready: Callable[[], ZvmFleet], name: str) -> None:
    words, prepare, again = ACTS[name]
    whole = ready()
    prepare(whole)
    points = points_of(partial(run, words))
    expected = looks(whole)
    chosen = [*points[:: max(1, len(points) // KILLS)], *(one for one in ALWAYS if one in points)]
    for point in chosen:
        fleet = ready()
        prepare(fleet)
        kill_at(point, partial(run, words))
        status, text = fleet.ends(*words)
        assert status == 0 or status in again, (point, text)
        assert looks(fleet) == expected, point
        assert fleet.left() == [], point
        none_given_twice(fleet)
        if name in BOOTS:
            assert boots(fleet, BOOTS[name]), point
        assert fleet.sim.bugs == []
        fleet.sim.stop()
    print(f"goldroot {' '.join(words)}: {len(chosen)} kills at {len(points)} points")


#: What goes wrong once in an update: of the operation that makes a disk, its room, the guest, the entry, and a link.
FAULTS = (
    "stuck-operation@Image_Disk_Create_DM#1",
    "fail-operation@Image_Disk_Create_DM#1",
    "no-space@Image_Disk_Create_DM#1",
    "logon=WEB1@CP_LINK#40",
    "changed=SPECIAL 0610 CTCA@Image_Lock_DM#2",
    "link-stays@CP_DETACH#3",
    "no-flashcopy@CP_FLASHCOPY#1",
    "cp-refused=203@CP_LINK#1",
    "server-away@Image_Replace_DM#1",
)


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(1200)
def test_an_update_with_which_something_goes_wrong_is_finished_by_the_same_command(
    ready: Callable[[], ZvmFleet],
) -> None:
    words, prepare, _ = ACTS["update"]
    whole = ready()
    prepare(whole)
    run(words)
    expected = looks(whole)
    for fault in FAULTS:
        fleet = ready()
        fleet.write_table("operation_time = 1")
        prepare(fleet)
        fleet.sim.faults.add(fault)
        first = fleet.ends(*words)
        fleet.sim.faults.clear()
        for number in list(fleet.sim.system.operations._all):
            fleet.sim.system.operations.cancel(number)
        assert "Traceback" not in first[1], (fault, first)
        status, text = fleet.ends(*words)
        assert status == 0, (fault, first, text)
        assert looks(fleet) == expected, fault
        assert fleet.left() == [], fault
        none_given_twice(fleet)
        assert fleet.sim.bugs == []
        fleet.sim.stop()


def run(words: Sequence[str]) -> None:
    assert guarded(cli, words) == 0


def looks(fleet: ZvmFleet) -> dict[str, Any]:
    """What the entries say, without ids and times; what is on the disks of the server; and what the catalog says."""
    entries = {
        entry.name: (
            {address: disk.mode for address, disk in entry.disks.items()},
            {address: (link.owner, link.address) for address, link in entry.links.items()},
            {digit: (mark.state, mark.version) for digit, mark in entry.marks.items()},
            entry.startable,
        )
        for entry in fleet.host().entries()
    }
    files = {address: fleet.text("WEB1", address, "etc/plain.conf") for address in fleet.entry("WEB1").disks}
    clones = {one["name"]: (one["version"], one["state"]) for one in fleet.data("clone", "list")}
    kept = [(one["clone"], one["version"], one["state"]) for one in fleet.data("fallback", "list")]
    return {
        "entries": entries, "files": files, "clones": clones, "kept": kept, "on": sorted(fleet.sim.system.active()),
        "gold": [(one["number"], one["state"]) for one in fleet.data("gold", "list")],
    }  # fmt: skip


def boots(fleet: ZvmFleet, name: str) -> bool:
    """Whether the boot record of a root lists blocks of its own disk, which the simulator's stand-in for zipl says so."""
    if not name:
        golds = [
            entry for entry in fleet.host().entries() if entry.role == "owner" and entry.marks["1"].state == "gold"
        ]
        name = max(golds, key=lambda entry: entry.marks["1"].version).name
    boot = fleet.place(name, "1B1") / "boot"
    return bool(json.loads((boot / "bootmap").read_text())["boot"] == boot.stat().st_ino)


def none_given_twice(fleet: ZvmFleet) -> None:
    placed = list(placed_in(fleet.sim.system.directory))
    for number, one in enumerate(placed):
        assert not any(one.extent.overlaps(other.extent) for other in placed[number + 1 :])
    unknown = next(one for one in fleet.data("zvm", "doctor")["points"] if one["key"] == "unknown-disks")
    assert unknown["state"] == "well"
