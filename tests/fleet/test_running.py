"""A running server writes while it is read: its merge is a preview, and the switch keeps what was written last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from goldroot.errors import StillRunning
from goldroot.fleet import clones
from goldroot.fleet.drift import find_drift
from goldroot.fleet.update import merge
from goldroot.fleet.update.plan import plan_update
from goldroot.fleet.update.update import run_update
from goldroot.merge import build_rows
from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import IMAGE, live, next_gold, on_clone, text
from support.former import former
from support.restless import CONF, LOG, SPOOL, WAL, restless
from support.trees import Seen, dump_tree


@pytest.fixture
def busy(site: Site) -> Site:
    """web1 on gold 1, gold 2 there.  What it wrote is read by a merge: no age of a file decides anything."""
    clones.create_clone(site, "web1", IMAGE)
    on_clone(site, "web1", {CONF: "value = 0\n", "etc/plain.conf": "plain\nmine\n"})
    next_gold(site, {"etc/app.conf": None, "usr/bin/tool": "two\n"})
    return site


def written(roots: dict[str, str]) -> dict[str, Seen]:
    """What the restless program wrote, but for directories' times."""
    found = {path: seen for root in roots.values() for path, seen in dump_tree(root).items()}
    return {
        path: seen
        for path, seen in found.items()
        if path.startswith((SPOOL + "/", LOG, WAL, CONF)) and seen.kind not in "ds"
    }


@pytest.mark.slow
def test_a_busy_server_is_merged_every_time_and_the_switch_keeps_what_was_written_last(
    busy: Site, engine: InProcess
) -> None:
    on_clone(busy, "web1", {"srv/mine": "mine\n"})
    with former(busy).running("WEB1"), restless(live(busy, "web1")):
        for _ in range(7):
            with pytest.raises(StillRunning) as caught:
                run_update(busy, engine, "web1")
            assert "the switch merges again" in caught.value.meaning
            assert plan_update(busy, "web1").to == 2
            find_drift(busy, "web1")
    roots = dict(live(busy, "web1").roots)
    last = written(roots)
    assert len(last) > 60 and {WAL, CONF} <= set(last)
    done = run_update(busy, engine, "web1")
    assert (done.outcome, done.merged_again) == ("done", 0)
    assert dict(live(busy, "web1").roots) != roots
    assert written(dict(live(busy, "web1").roots)) == last
    assert written(roots) == last, "what became the fallback is as it was"
    assert (text(busy, "web1", "srv/mine"), text(busy, "web1", "etc/app.conf")) == ("mine\n", None)


@pytest.mark.slow
def test_what_was_copied_in_a_state_that_was_gone_again_is_merged_again(
    busy: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has other bytes than the scan and the end have, which are alike: comparing these two shows nothing."""
    etc = live(busy, "web1").root(b"etc")
    assert etc is not None
    conf = Path(os.fsdecode(etc)) / CONF
    time = conf.stat().st_mtime_ns

    def other_while_copied(*args: object) -> object:
        conf.write_text("value = 9\n")
        return build_rows(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(merge, "build_rows", other_while_copied)
    with former(busy).running("WEB1"), pytest.raises(StillRunning) as caught:
        run_update(busy, engine, "web1")
    assert "1 path was written while it was read" in caught.value.meaning
    monkeypatch.undo()
    conf.write_text("value = 0\n")
    os.utime(conf, ns=(time, time))
    assert run_update(busy, engine, "web1").outcome == "done"
    assert text(busy, "web1", CONF) == "value = 0\n"


def test_a_quiet_server_says_nothing_of_it_and_is_not_merged_twice(
    busy: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with former(busy).running("WEB1"), pytest.raises(StillRunning) as caught:
        run_update(busy, engine, "web1")
    assert "merges again" not in caught.value.meaning

    def never(*args: object, **options: object) -> None:
        raise AssertionError("nothing was written")

    monkeypatch.setattr("goldroot.fleet.update.merge.make_disks", never)
    assert run_update(busy, engine, "web1").outcome == "done"


@pytest.mark.slow
def test_a_text_that_both_sides_changed_may_vanish_while_it_is_merged(
    busy: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_gold(busy, {"etc/plain.conf": "gold\nplain\n"})
    etc = live(busy, "web1").root(b"etc")
    assert etc is not None
    file = Path(os.fsdecode(etc)) / "etc/plain.conf"
    plan_sides = merge.plan_sides

    def vanished_meanwhile(*args: object) -> object:
        file.rename(file.with_name("aside"))
        try:
            return plan_sides(*args)  # type: ignore[arg-type]
        finally:
            file.with_name("aside").rename(file)

    monkeypatch.setattr(merge, "plan_sides", vanished_meanwhile)
    with former(busy).running("WEB1"), pytest.raises(StillRunning) as caught:
        run_update(busy, engine, "web1")
    assert "1 path was written while it was read" in caught.value.meaning
    monkeypatch.undo()
    assert run_update(busy, engine, "web1").outcome == "done"
    assert text(busy, "web1", "etc/plain.conf") == "gold\nplain\nmine\n"


#: Maps a file, writes to it, and writes again at each line that it is sent, which it answers.
_MAPPING = """
import mmap, sys
file = open(sys.argv[1], "r+b")
view = mmap.mmap(file.fileno(), 0)
view[0:1] = b"1"
print("ready", flush=True)
for line in sys.stdin:
    view[0:1] = line[:1].encode()
    print("done", flush=True)
"""


@pytest.mark.parametrize("path", ["srv/data.mdb", pytest.param("etc/plain.conf", marks=pytest.mark.slow)])
def test_what_is_written_through_a_mapping_after_the_merge_is_kept(
    busy: Site, engine: InProcess, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Such a write leaves no trace in the file's times."""
    for name in ("tree.scan.scan.RACY", "tree.build.build.RACY"):
        monkeypatch.setattr(f"goldroot.{name}", 0)
    on_clone(busy, "web1", {path: "0 of a server\n"})
    root = live(busy, "web1").root(path.encode())
    assert root is not None
    file = os.path.join(root, path)
    writer = subprocess.Popen(
        [sys.executable, "-c", _MAPPING, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin is not None and writer.stdout is not None
    try:
        assert writer.stdout.readline() == "ready\n"
        before = os.stat(file)
        with former(busy).running("WEB1"), pytest.raises(StillRunning):
            run_update(busy, engine, "web1")
        writer.stdin.write("2\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "done\n"
        after = os.stat(file)
        assert (before.st_ctime_ns, before.st_mtime_ns) == (after.st_ctime_ns, after.st_mtime_ns)
    finally:
        writer.kill()
        writer.communicate()
    assert run_update(busy, engine, "web1").outcome == "done"
    assert text(busy, "web1", path) == "2 of a server\n"
