"""What every host promises of open disks: all or none, alone where they are written, and nothing after the block."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from goldroot.errors import Busy, NotFound, Refused, StillRunning
from goldroot.hosts import Opened
from support.hosts import Lab, content, fill, found, hold, make_machine, make_slot, prepare
from support.killing import in_a_copy


@pytest.fixture
def ready(lab: Lab) -> Lab:
    """Two slots, and a machine whose set 5 is prepared for the second."""
    make_slot(lab, "DEBIANGOLD", 1)
    make_slot(lab, "DEBIANGOLD2", 2)
    make_machine(lab)
    prepare(lab)
    return lab


def test_files_are_reached_by_descriptor_and_by_path(ready: Lab) -> None:
    with ready.host.open_disks({"WEB1-5B5": "rw", "DEBIANGOLD-1B1": "ro"}) as opened:
        one = opened["WEB1-5B5"]
        assert Path(one.path, "hostname").read_bytes() == b"merged"
        handle = os.open("hostname", os.O_RDONLY, dir_fd=one.handle)
        assert os.read(handle, 100) == b"merged"
        os.close(handle)
        Path(one.path, "new").write_bytes(b"1")
        assert one.exact
        assert Path(opened["DEBIANGOLD-1B1"].path, "version").read_bytes() == b"1"
    assert content(ready.again(), "WEB1-5B5") == {"hostname": b"merged", "new": b"1"}


def test_a_child_that_gets_the_descriptor_reaches_them(ready: Lab) -> None:
    with ready.host.open_disks({"WEB1-5B5": "ro"}) as opened:
        one = opened["WEB1-5B5"]
        done = subprocess.run(["cat", f"{one.path}/hostname"], pass_fds=[one.handle], capture_output=True, check=True)
    assert done.stdout == b"merged"


def test_nothing_is_left_after_the_block(ready: Lab) -> None:
    before = ready.handles()
    with ready.host.open_disks({"WEB1-5B5": "rw", "DEBIANGOLD-1B1": "ro"}) as opened:
        kept = dict(opened)
        path = kept["WEB1-5B5"].path
    for one in kept.values():
        for use in (lambda one=one: one.handle, lambda one=one: one.path, lambda one=one: one.exact):
            with pytest.raises(ValueError, match="outside of the block"):
                use()
    assert not Path(path, "hostname").exists()
    assert ready.handles() == before


def test_nothing_is_left_after_an_error_in_the_block(ready: Lab) -> None:
    before = ready.handles()
    with pytest.raises(ZeroDivisionError), ready.host.hold("WEB1"), ready.host.open_disks({"WEB1-1B5": "rw"}):
        raise ZeroDivisionError
    assert ready.handles() == before
    with ready.host.hold("WEB1"), ready.host.open_disks({"WEB1-1B5": "rw"}):
        pass


def test_all_or_none(ready: Lab) -> None:
    before = ready.handles()
    with pytest.raises(NotFound), ready.host.open_disks({"DEBIANGOLD-1B1": "ro", "WEB1-5B5": "rw", "nothing": "ro"}):
        pass
    with ready.again().open_disks({"WEB1-5B5": "ro"}), pytest.raises(Busy):
        ready.host.open_disks({"DEBIANGOLD-1B1": "ro", "WEB1-5B5": "rw"}).__enter__()
    ready.break_disk("DEBIANGOLD2-1B1")
    with pytest.raises(Exception, match="DEBIANGOLD2-1B1"):
        ready.host.open_disks({"DEBIANGOLD-1B1": "ro", "DEBIANGOLD2-1B1": "ro", "WEB1-5B5": "rw"}).__enter__()
    assert ready.handles() == before
    with ready.host.open_disks({"DEBIANGOLD-1B1": "ro", "WEB1-5B5": "rw"}):
        pass


def test_a_killed_process_gives_everything_back(ready: Lab) -> None:
    def open_and_die() -> None:
        host = ready.again()
        with host.hold("WEB1"), host.open_disks({"WEB1-5B5": "rw", "WEB1-1B5": "rw", "DEBIANGOLD-1B1": "ro"}) as opened:
            Path(opened["WEB1-5B5"].path, "written").write_bytes(b"1")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_copy(open_and_die) == -signal.SIGKILL
    with ready.host.hold("WEB1"), ready.host.open_disks({"WEB1-5B5": "rw", "WEB1-1B5": "rw"}) as opened:
        assert Path(opened["WEB1-5B5"].path, "written").read_bytes() == b"1"


def test_who_writes_is_alone(ready: Lab) -> None:
    other = ready.again()
    with ready.host.open_disks({"WEB1-5B5": "rw"}):
        for access in ("ro", "rw"):
            for view in ("still", "live"):
                with pytest.raises(Busy, match=r"WEB1-5B5 is in use by .*process"):
                    other.open_disks({"WEB1-5B5": access}, view=view).__enter__()
    one, another = ready.host.open_disks({"WEB1-5B5": "ro"}), other.open_disks({"WEB1-5B5": "ro"})
    with one, another, pytest.raises(Busy, match="WEB1-5B5 is in use by"):
        ready.again().open_disks({"WEB1-5B5": "rw"}).__enter__()


def test_who_writes_is_alone_among_strangers_too(ready: Lab) -> None:
    with ready.used("WEB1-5B5"):
        with pytest.raises(Busy, match="in use"):
            ready.host.open_disks({"WEB1-5B5": "rw"}).__enter__()
        with pytest.raises(Busy, match="in use"):
            ready.host.open_disks({"WEB1-5B5": "ro"}).__enter__()


def test_a_live_disk_is_written_only_where_its_machine_is_held(ready: Lab) -> None:
    with pytest.raises(Refused, match="not held"):
        ready.host.open_disks({"WEB1-1B5": "rw"}).__enter__()
    with ready.host.hold("WEB1"):
        with pytest.raises((Refused, Busy)):
            ready.again().open_disks({"WEB1-1B5": "rw"}).__enter__()
        with ready.host.open_disks({"WEB1-1B5": "rw"}) as opened:
            Path(opened["WEB1-1B5"].path, "new").touch()
    assert content(ready.host, "WEB1-1B5").keys() == {"hostname", "new"}


def test_gold_that_is_linked_is_never_written(ready: Lab) -> None:
    for slot in ("DEBIANGOLD", "DEBIANGOLD2"):
        with ready.host.hold(slot), pytest.raises(Refused, match=f"WEB1 links {slot} 1B1"):
            ready.host.open_disks({f"{slot}-1B1": "rw"}).__enter__()
    with hold(ready.host, "DEBIANGOLD"), ready.host.open_disks({"DEBIANGOLD-1B5": "rw"}):
        pass


def test_what_is_opened_for_reading_is_not_written_by_its_reader(ready: Lab) -> None:
    with ready.host.open_disks({"DEBIANGOLD-1B1": "ro"}) as opened:
        handle = opened["DEBIANGOLD-1B1"].handle
        assert os.fstat(handle).st_mode & 0o40000
        if os.statvfs(handle).f_flag & os.ST_RDONLY:
            with pytest.raises(OSError, match=r"[Rr]ead-only"):
                os.open("new", os.O_WRONLY | os.O_CREAT, dir_fd=handle)


def test_mounts_take_no_devices_and_no_rights_of_files(ready: Lab) -> None:
    fill(ready.host, "WEB1-5B5", {"x": b""})
    for use in ("files", "system"):
        with ready.host.open_disks({"WEB1-5B5": "rw"}, use=use) as opened:
            flags = os.statvfs(opened["WEB1-5B5"].handle).f_flag
            if os.path.realpath(opened["WEB1-5B5"].path).startswith(str(ready.root)):
                continue  # a plain directory is reached by descriptor
            assert flags & os.ST_NOSUID
            assert flags & os.ST_NODEV
            assert bool(flags & os.ST_NOEXEC) == (use == "files")


# -- of a machine that runs


def test_a_running_machine_is_seen_still_by_nobody(ready: Lab) -> None:
    for runs in (ready.runs("WEB1"), ready.started("WEB1")):
        with runs:
            for access in ("ro", "rw"):
                with pytest.raises(StillRunning, match="WEB1"):
                    ready.host.open_disks({"WEB1-1B5": access}).__enter__()
            with ready.host.open_disks({"WEB1-5B5": "rw", "DEBIANGOLD-1B1": "ro"}):
                pass  # what is prepared, and gold, do not run


def test_a_running_machine_is_seen_live_as_the_host_can(ready: Lab) -> None:
    def see() -> Opened:
        with ready.host.open_disks({"WEB1-1B5": "ro"}, view="live") as opened:
            assert Path(opened["WEB1-1B5"].path, "hostname").read_bytes() == b"WEB1"
            assert opened["WEB1-1B5"].exact == exact
        return opened["WEB1-1B5"]

    exact = True
    see()
    can = ready.host.abilities.live_view
    others = can == "torn" or ready.sees_others
    for runs, sees in ((ready.runs("WEB1"), others), (ready.started("WEB1"), can != "none")):
        with runs:  # a point in time can, on most hosts, only be asked of a machine that the host itself runs
            if sees:
                exact = can == "snapshot"
                see()
            else:
                with pytest.raises(StillRunning):
                    see()


def test_while_it_is_read_still_nobody_starts_or_holds_it(ready: Lab) -> None:
    with (
        ready.host.open_disks({"WEB1-1B5": "ro"}),
        pytest.raises(Busy, match="WEB1 is in use by"),
        ready.again().hold("WEB1"),
    ):
        pass
    with ready.again().hold("WEB1"):
        pass


def test_who_holds_a_machine_reads_and_writes_it(ready: Lab) -> None:
    with ready.host.hold("WEB1"):
        with ready.host.open_disks({"WEB1-1B5": "ro"}) as opened:
            assert opened["WEB1-1B5"].exact
        with pytest.raises(Busy, match="WEB1 is held by"):
            ready.again().open_disks({"WEB1-1B5": "ro"}).__enter__()


def test_a_machine_that_is_being_made_is_held_to_be_filled(lab: Lab) -> None:
    make_slot(lab)
    make_machine(lab, startable=False)
    with pytest.raises(Refused, match="not held"):
        lab.host.open_disks({"WEB1-1B5": "rw"}).__enter__()
    fill(lab.host, "WEB1-1B5", {"identity": b"1"}, owner="WEB1")
    lab.host.apply(replace(found(lab.host, "WEB1"), startable=True))


# -- trees for a while


def test_scratch_is_a_tree_until_the_block_ends(ready: Lab) -> None:
    with ready.host.scratch(4096) as one, ready.host.scratch(0) as other:
        Path(one.path, "a").mkdir()
        Path(one.path, "a", "file").write_bytes(b"1")
        assert not Path(other.path, "a").exists()
        assert ready.host.tidy() == [], "they are in use"
        assert Path(one.path, "a", "file").read_bytes() == b"1"
    with pytest.raises(ValueError, match="outside of the block"):
        _ = one.path
    assert ready.halves() == []


def test_what_a_killed_process_left_of_scratch_is_tidied(ready: Lab) -> None:
    def unpack_and_die() -> None:
        with ready.again().scratch(0) as opened:
            Path(opened.path, "file").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_copy(unpack_and_die)
    ready.host.tidy()
    assert ready.halves() == []
    assert ready.host.tidy() == []


pytestmark = pytest.mark.slow
