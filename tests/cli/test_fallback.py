"""What is kept for the way back, by command: shown, compared with what is live, taken from."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from goldroot.site import Site
from goldroot.views import CloneDiff, FallbackDiff, FallbackRow, FallbackShown, FallbackTaken
from support.commands import data, said
from support.fleet import live, next_gold, on_clone


def on_disk(site: Site, path: str) -> Path:
    """A path of web1's live disks."""
    root = live(site, "web1").root(path.encode())
    assert root is not None
    return Path(root, path)


@pytest.fixture
def switched(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """web1 went from gold 1 to 2; its fallback has files of many kinds, and something was changed since."""
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n", "etc/web/site": "one\n", "etc/web/sub/other": "two\n"})
    web = on_disk(fleet, "etc/web")
    (web / "out").symlink_to("/etc/passwd")
    os.mkfifo(web / "fifo")
    os.link(web / "site", web / "again")
    (web / "tool").write_text("#!/bin/sh\n")
    (web / "tool").chmod(0o4755)
    next_gold(fleet, {"etc/app.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    on_clone(fleet, "web1", {"etc/plain.conf": "since\n", "etc/new": "new\n", "etc/web/sub/other": None})
    return fleet


def test_what_is_kept_is_shown(switched: Site, capsys: pytest.CaptureFixture[str]) -> None:
    one = data(capsys, "fallback", "show", "web1")
    assert FallbackShown.model_validate(one).as_json() == one
    assert (one["state"], one["version"], one["live"], one["left_by"]) == ("kept", 1, 2, "update")
    out = said(capsys, "fallback", "show", "web1")[1]
    assert "web1: fallback 1, gold 1 of small (live: gold 2)" in out and "goldroot rollback web1" in out
    assert said(capsys, "fallback", "show", "web2")[0] == 3
    assert said(capsys, "fallback", "show", "web1", "--number", "9")[0] == 3
    rows = data(capsys, "fallback", "list")
    assert [FallbackRow.model_validate(row).as_json() for row in rows] == rows and len(rows) == 1


@pytest.mark.slow
def test_the_live_disks_are_compared_with_it(switched: Site, capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, "fallback", "diff", "web1", "/etc")
    assert FallbackDiff.model_validate(found).as_json() == found
    changes = {one["path"]: one["change"] for one in found["entries"]}
    assert changes == {
        "/etc/app.conf": "content",
        "/etc/new": "added",
        "/etc/plain.conf": "content",
        "/etc/web/sub/other": "removed",
    }
    code, out = said(capsys, "fallback", "diff", "web1", "/etc/plain.conf", "--patch")
    assert code == 1 and "-mine" in out and "+since" in out
    assert "web1 differs from its fallback (small 1) in 1 place: 1 config" in out
    assert said(capsys, "fallback", "diff", "web1", "/etc/group") == (
        0,
        "web1 is as its fallback (small 1) in /etc/group.\n",
    )
    found = data(capsys, "clone", "diff", "web1")
    assert CloneDiff.model_validate(found).as_json() == found and found["entries"]


def test_no_secret_is_shown_by_a_comparison(switched: Site, capsys: pytest.CaptureFixture[str]) -> None:
    shadow = on_disk(switched, "etc/shadow")
    shadow.write_text(shadow.read_text().replace("root:*:", "root:$6$clone$secret:"))
    code, out = said(capsys, "fallback", "diff", "web1", "/etc/shadow", "--patch")
    assert code == 1 and "/etc/shadow" in out and "$6$" not in out


@pytest.mark.slow
def test_disks_set_aside_are_looked_at_too(switched: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert said(capsys, "rollback", "web1")[0] == 0
    one = data(capsys, "fallback", "show", "web1")
    assert (one["state"], one["version"], one["left_by"]) == ("set-aside", 2, "rollback")
    assert FallbackShown.model_validate(one).as_json() == one
    assert "/etc/new" in one["written_since"]
    assert "its set-aside disks (small 2)" in said(capsys, "fallback", "diff", "web1", "/etc/new")[1]
    assert said(capsys, "fallback", "get", "web1", "/etc/new", "--to", str(tmp_path))[0] == 0
    assert (tmp_path / "new").read_text() == "new\n"


@pytest.mark.slow
def test_the_number_chooses_among_several(switched: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(switched, {"etc/app.conf": "newer\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    assert data(capsys, "fallback", "show", "web1")["id"] == 2
    assert data(capsys, "fallback", "show", "web1", "--number", "1")["version"] == 1
    assert said(capsys, "fallback", "get", "web1", "/etc/plain.conf", "--to", "-", "--number", "1") == (0, "mine\n")
    assert said(capsys, "fallback", "get", "web1", "/etc/plain.conf", "--to", "-") == (0, "since\n")


@pytest.mark.slow
def test_a_directory_is_taken_with_all_that_is_in_it(
    switched: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("fallback", "get", "web1", "/etc/web/", "--to", str(tmp_path))
    code, out = said(capsys, *words, "--plan")
    assert code == 0 and "would take" in out and not (tmp_path / "web").exists()
    done = data(capsys, *words)
    assert FallbackTaken.model_validate(done).as_json() == done
    taken = tmp_path / "web"
    assert {str(path.relative_to(taken)) for path in taken.rglob("*")} == {
        "again", "fifo", "out", "site", "sub", "sub/other", "tool",
    }  # fmt: skip
    assert (taken / "sub/other").read_text() == "two\n"
    assert os.readlink(taken / "out") == "/etc/passwd"
    assert os.path.samefile(taken / "site", taken / "again")
    assert stat.S_ISFIFO((taken / "fifo").lstat().st_mode)
    assert done["paths"] == 8 and sorted(os.listdir(tmp_path)).count(".goldroot-get-") == 0
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".goldroot")]


@pytest.mark.slow
def test_what_would_have_power_over_this_machine_is_not_taken(
    switched: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out = said(capsys, "fallback", "get", "web1", "/etc/web/tool", "--to", str(tmp_path / "named"))
    assert code == 0 and "without setuid" in out
    assert stat.S_IMODE((tmp_path / "named").stat().st_mode) == 0o755


@pytest.mark.slow
@pytest.mark.root
def test_owners_are_kept_and_devices_are_left_out_for_root(
    fleet: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    on_clone(fleet, "web1", {"etc/web/site": "one\n"})
    web = on_disk(fleet, "etc/web")
    os.chown(web / "site", 101, 102)
    os.mknod(web / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    next_gold(fleet, {"etc/app.conf": "gold\n"})
    said(capsys, "update", "run", "web1")
    said(capsys, "review", "resolve", "web1", "--all", "--take", "server")
    said(capsys, "update", "run", "web1")
    code, out = said(capsys, "fallback", "get", "web1", "/etc/web", "--to", str(tmp_path))
    assert code == 0 and "1 of its paths are devices, and were left out" in out
    status = (tmp_path / "web/site").stat()
    assert (status.st_uid, status.st_gid, os.listdir(tmp_path / "web")) == (101, 102, ["site"])


NOT_TAKEN = [
    ("/etc/none", 3, "there is no /etc/none in fallback 1 of web1"),
    ("/etc/web/out/x", 3, "there is no /etc/web/out/x"),
    ("etc/plain.conf", 2, "not an absolute path"),
    ("/etc/../etc/plain.conf", 2, "not an absolute path"),
    ("/etc//plain.conf", 2, "not an absolute path"),
    ("/", 2, "not an absolute path"),
    ("/usr/bin/tool", 3, "shares with gold"),
]


@pytest.mark.slow
def test_what_cannot_be_taken_is_said(switched: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    for path, code, words in NOT_TAKEN:
        for to in (str(tmp_path), "-"):
            done = said(capsys, "fallback", "get", "web1", path, "--to", to)
            assert done[0] == code and words in done[1]
    for path in ("/etc/web", "/etc/web/fifo", "/etc/web/out"):
        code, out = said(capsys, "fallback", "get", "web1", path, "--to", "-")
        assert code == 2 and "is not a regular file" in out
    assert sorted(os.listdir(tmp_path)) == before


def test_nothing_is_written_over(switched: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "plain.conf").symlink_to("nowhere")
    for to in (str(tmp_path), str(tmp_path / "plain.conf"), str(tmp_path / "no/such")):
        code, out = said(capsys, "fallback", "get", "web1", "/etc/plain.conf", "--to", to)
        assert code == 2 and "Nothing was taken" in out
    assert os.readlink(tmp_path / "plain.conf") == "nowhere"


def test_a_comparison_has_headings_classes_and_says_what_will_be_overwritten(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n", "var/lib/dpkg/status": "mine\n", "etc/hostname": "web1.lan\n"})
    code, out = said(capsys, "clone", "diff", "web1")
    lines = out.splitlines()
    assert code == 1 and lines[0].split() == ["class", "change", "next", "update", "path"]
    places = {line.split()[-1]: number for number, line in enumerate(lines)}
    assert places["/etc/plain.conf"] < places["/etc/hostname"], "what makes a server itself does not drown the rest"
    found = {one["path"]: one["next"] for one in data(capsys, "clone", "diff", "web1")["entries"]}
    assert (found["/etc/plain.conf"], found["/etc/hostname"]) == ("merged", "stays")
    lost = sum(after == "overwritten" for after in found.values())
    assert lost and f"{lost} difference" in lines[-1] and "will be overwritten by the next update" in lines[-1]
    only = data(capsys, "clone", "diff", "web1", "--class", "config", "--class", "lines")
    assert CloneDiff.model_validate(only).as_json() == only
    assert set(only["classes"]) <= {"config", "lines"} and "/etc/plain.conf" in [one["path"] for one in only["entries"]]
    code, out = said(capsys, "clone", "diff", "web1", "--class", "confg")
    assert code == 2 and "Did you mean 'config'?" in out
    assert said(capsys, "clone", "diff", "web1", "--class", "cache") == (0, "web1 is as small 1 in class cache.\n")
