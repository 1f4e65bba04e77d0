"""``goldroot doctor``: what is wrong is said, and repaired as far as somebody agrees."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from goldroot.catalog import clones, copies, disks, gold, images, updates
from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.commands import data, said
from support.fleet import IMAGE, dump, moved_site, next_gold, on_clone, text
from support.killing import kill_at
from support.marks import slow
from support.two_hosts import with_west


def lose_catalog(site: Site) -> None:
    site.close()
    for beside in ("", "-wal", "-shm"):
        Path(site.path("catalog.sqlite") + beside).unlink(missing_ok=True)


def keep_catalog(site: Site) -> Path:
    """The catalog as it is now, beside the site."""
    place = Path(site.root).parent / "kept.sqlite"
    with closing(sqlite3.connect(site.catalog_file)) as catalog, closing(sqlite3.connect(place)) as copy:
        catalog.backup(copy)
    return place


def put_back(site: Site, kept: Path) -> Site:
    """An older catalog, under what the host is now."""
    lose_catalog(site)
    shutil.copy(kept, site.path("catalog.sqlite"))
    return Site.open(site.root)


def kinds(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return sorted(one["kind"] for one in data(capsys, "doctor")["findings"])


def repaired(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """The report of all repairs; what is left is none, and a second look finds nothing."""
    report: dict[str, Any] = data(capsys, "doctor", "--repair", "--yes", *more)
    assert report["sound"], report
    assert data(capsys, "doctor") == {"sound": True, "findings": [], "kept": [], "busy": []}
    return report


def everything(site: Site) -> dict[str, Any]:
    """What the catalog says, but for numbers and times that only it knew."""
    with site.catalog.read() as tx:
        return {
            "clones": [(c.name, c.image, c.version, c.kind, c.state, c.host, c.last, c.machine) for c in clones.every(tx)],
            "gold": [(v.number, v.state, v.digests, v.fingerprint, v.published_at, v.slot, v.signature)
                     for v in gold.every(tx, IMAGE)],
            "copies": [(c.version, c.host, c.slot_name, c.state) for c in copies.every(tx, IMAGE)],
            "slots": [(s.number, s.name, s.version) for s in copies.all_slots(tx, IMAGE)],
            "kept": sorted((f.clone, f.from_version, f.state, sorted(f.disks.items()), f.work) for f in updates.fallbacks(tx)),
            "disks": [(d.id, d.owner, d.purpose, d.state) for d in disks.every(tx)],
            "layout": images.get(tx, IMAGE).layout, "os": images.get(tx, IMAGE).os,
        }  # fmt: skip


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """web1 is on gold 2 with a fallback, web2 on gold 1."""
    site = moved_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", site.root)
    yield site
    site.close()


def test_a_sound_site_has_nothing_wrong_and_nothing_is_changed(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    moved.close()
    before = {path: path.lstat().st_mtime_ns for path in Path(moved.root).rglob("*") if "catalog" not in path.name}
    code, out = said(capsys, "doctor")
    assert (code, out) == (0, "Everything is as it should be.\n")
    assert {path: path.lstat().st_mtime_ns for path in before} == before
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 0
    code, out = said(capsys, "doctor", "--repair")
    assert (code, out) == (0, "Everything is as it should be.\n"), "nobody can be asked, and nothing is to be asked"


@pytest.mark.parametrize("how", ["cut", *map(slow, ["missing", "empty", "noise"])])
def test_a_lost_catalog_is_made_again(how: str, moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before, files = everything(moved), dump(moved, "web1")
    moved.close()
    file = Path(moved.path("catalog.sqlite"))
    content = file.read_bytes()
    lose_catalog(moved)
    if how != "missing":
        file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "noise": os.urandom(9000)}[how])
    assert kinds(capsys) == ["catalog-damaged" if how in ("cut", "noise") else "catalog-missing"]
    code, out = said(capsys, "doctor", "--repair")
    assert code == 3 and "--yes" in out, "nobody can be asked"
    report = repaired(capsys)
    names = sorted(Path(name).name.partition(".damaged-")[0] for name in report["kept"])
    assert names == (["catalog.sqlite"] if how in ("cut", "noise") else []) + ["workflow.sqlite"]
    site = Site.open(moved.root)
    assert everything(site) == before
    assert dump(site, "web1") == files
    next_gold(site, {"etc/app.conf": "newer\n"})
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    assert said(capsys, "rollback", "web1")[0] == 0
    assert text(site, "web1", "etc/plain.conf") == "gold\n"
    site.close()


@pytest.mark.slow
def test_a_rebuilt_catalog_knows_the_way_back_that_is_the_newest(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    next_gold(moved, {"etc/plain.conf": "gold 3\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    before = everything(moved)
    assert len(before["kept"]) == 2
    lose_catalog(moved)
    repaired(capsys)
    site = Site.open(moved.root)
    assert everything(site) == before
    assert said(capsys, "rollback", "web1")[0] == 0
    with site.catalog.read() as tx:
        assert clones.get(tx, "web1").version == 2
    site.close()


@pytest.mark.slow
def test_what_a_server_removed_is_remembered_by_a_rebuilt_catalog(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    on_clone(moved, "web1", {"etc/hosts": None})
    next_gold(moved, {"etc/hosts": None})
    assert said(capsys, "update", "run", "web1")[0] == 0
    removed = data(capsys, "clone", "show", "web1")["removed"]
    assert removed == ["/etc/hosts"]
    assert said(capsys, "fallback", "prune", "web1", "--force")[0] == 0
    lose_catalog(moved)
    repaired(capsys)
    assert data(capsys, "clone", "show", "web1")["removed"] == removed


@pytest.mark.slow
def test_an_update_in_flight_is_found_by_a_rebuilt_catalog(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(moved, "web2", {"etc/plain.conf": "mine\n"})
    assert said(capsys, "update", "run", "web2")[0] == 1
    lose_catalog(moved)
    report = data(capsys, "doctor", "--repair", "--yes")
    assert report["sound"], report
    with Site.open(moved.root).catalog.read() as tx:
        assert updates.in_flight(tx, "web2") is None, "what nobody can go on with was given up"
    assert text(moved, "web2", "etc/plain.conf") == "mine\n"
    assert said(capsys, "update", "run", "web2")[0] == 1, "and is asked again"


@pytest.mark.slow
@pytest.mark.parametrize("point", ["catalog.aside:1", *map(slow, ["catalog.rebuilt:1", "catalog.in-place:1"])])
def test_a_rebuild_that_was_killed_is_done_again(point: str, moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(moved)
    moved.close()
    file = Path(moved.path("catalog.sqlite"))
    os.truncate(file, file.stat().st_size // 2)
    kill_at(point, lambda: guarded(cli, ["doctor", "--repair", "--yes"]))
    said(capsys, "doctor", "--repair", "--yes")
    assert kinds(capsys) == []
    site = Site.open(moved.root)
    assert everything(site) == before
    assert not [name for name in os.listdir(moved.root) if ".rebuilt" in name]
    site.close()


# -- an older catalog under a newer host


@pytest.mark.slow
def test_an_older_catalog_is_brought_up_to_what_happened_since(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web2", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold 2\n"})
    assert said(capsys, "clone", "create", "web3", "web4", "--image", IMAGE)[0] == 0
    assert said(capsys, "update", "run", "web2")[0] == 1
    kept = keep_catalog(fleet)  # web2 is in flight, web3 and web4 are on gold 2
    assert said(capsys, "review", "resolve", "web2", "--all", "--take", "gold")[0] == 0
    assert said(capsys, "update", "run", "web1", "web2")[0] == 0
    assert said(capsys, "clone", "delete", "web3")[0] == 0
    assert said(capsys, "clone", "create", "web5", "--image", IMAGE)[0] == 0
    next_gold(fleet, {"etc/plain.conf": "gold 3\n"})
    on_clone(fleet, "web4", {"etc/plain.conf": "mine, too\n"})
    assert said(capsys, "update", "run", "web4")[0] == 1
    assert said(capsys, "update", "run", "web5")[0] == 0
    before = everything(fleet)
    files = {name: dump(fleet, name) for name in ("web1", "web2", "web4", "web5")}
    site = put_back(fleet, kept)
    assert set(kinds(capsys)) >= {"clone-behind", "clone-unknown", "clone-gone", "gold-unknown"}
    assert said(capsys, "doctor", "--repair", "--plan")[0] == 1
    report = data(capsys, "doctor", "--repair", "--yes")
    assert report["sound"], report
    after = everything(site)
    # The update of web4 was given up, and its disks with it: nobody has its questions any more.
    assert after.pop("disks") == [row for row in before.pop("disks") if not _prepared(fleet, row[0])]
    assert after == before
    assert {name: dump(site, name) for name in files} == files
    assert said(capsys, "update", "run", "web4")[0] == 1
    site.close()


def _prepared(site: Site, disk: str) -> bool:
    return disk not in json.dumps(
        [json.loads(path.read_text()) for path in Path(site.path("store/entries")).glob("*.json")]
    )


@pytest.mark.slow
def test_a_slot_that_was_given_away_since_is_noted(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """By the older catalog web1 holds gold 1, whose slot has gold 4 now."""
    kept = keep_catalog(fleet)
    for number in (2, 3, 4):
        next_gold(fleet, {"etc/plain.conf": f"gold {number}\n"})
        assert said(capsys, "update", "run", "web1", "web2")[0] == 0
        assert said(capsys, "fallback", "prune", "web1", "web2", "--force")[0] == 0
    before = everything(fleet)
    assert "SMALLGOLD" in {slot for _, slot, version in before["slots"] if version == 4}
    site = put_back(fleet, kept)
    repaired(capsys)
    after = everything(site)
    assert after == before
    assert next_gold(site, {"etc/plain.conf": "gold 5\n"}) == 5
    site.close()


@pytest.mark.slow
def test_an_image_that_came_or_went_since_is_adopted_or_forgotten(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(Path(fleet.root).parent / "root")
    assert said(capsys, "image", "import", "gone", "--from", root)[0] == 0
    kept = keep_catalog(fleet)
    assert said(capsys, "image", "delete", "gone")[0] == 0
    assert said(capsys, "image", "import", "new", "--from", root)[0] == 0
    assert said(capsys, "gold", "publish", "new", "--untested")[0] == 0
    assert said(capsys, "clone", "create", "n1", "--image", "new")[0] == 0
    listed = data(capsys, "image", "list")
    site = put_back(fleet, kept)
    assert {"image-unknown", "image-gone", "clone-unknown"} <= set(kinds(capsys))
    repaired(capsys)
    again = data(capsys, "image", "list")
    assert [{**one, "created_at": ""} for one in again] == [{**one, "created_at": ""} for one in listed]
    assert said(capsys, "clone", "diff", "n1")[0] in (0, 1)
    site.close()


def test_a_server_that_was_made_again_since_is_the_one_that_counts(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keep_catalog(moved)
    assert said(capsys, "clone", "delete", "web1")[0] == 0
    assert said(capsys, "clone", "create", "web1", "--image", IMAGE, "--read-write")[0] == 0
    made = data(capsys, "clone", "show", "web1")
    site = put_back(moved, kept)
    assert "clone-other" in kinds(capsys)
    repaired(capsys)
    with site.catalog.read() as tx:
        assert (clones.get(tx, "web1").version, clones.get(tx, "web1").kind) == (2, "read-write")
        assert updates.fallbacks(tx, "web1") == []
    assert data(capsys, "clone", "show", "web1") == {**made, "created_at": ANY}
    site.close()


def test_a_server_that_was_made_again_as_it_was_is_brought_up_as_one_that_went_on(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keep_catalog(moved)
    assert said(capsys, "clone", "delete", "web1")[0] == 0
    assert said(capsys, "clone", "create", "web1", "--image", IMAGE, "--hostname", "other")[0] == 0
    made = data(capsys, "clone", "show", "web1")
    site = put_back(moved, kept)
    assert "clone-behind" in kinds(capsys)
    repaired(capsys)
    assert data(capsys, "clone", "show", "web1") == {**made, "created_at": ANY}
    assert data(capsys, "fallback", "list") == []
    site.close()


# -- disks and entries


def test_a_disk_that_no_entry_names_goes_only_where_it_is_named(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path(moved.path("store"))
    shutil.copytree(next((store / "disks").glob("web2-1B5-*")), store / "disks/web2-1B5-aaaaaaaaaa", symlinks=True)
    label = json.loads(next((store / "labels").glob("web2-1B5-*")).read_text())
    (store / "labels/web2-1B5-aaaaaaaaaa.json").write_text(json.dumps({**label, "id": "web2-1B5-aaaaaaaaaa"}))
    assert kinds(capsys) == ["disk-unnamed"]
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 1
    assert (store / "disks/web2-1B5-aaaaaaaaaa").exists()
    code, out = said(capsys, "doctor", "--repair", "--remove", "web2-1B5-bbbbbbbbbb")
    assert code == 3 and "is not a disk that no entry names" in out
    assert said(capsys, "doctor", "--repair", "--remove", "web2-1B5-aaaaaaaaaa")[0] == 0
    assert not (store / "disks/web2-1B5-aaaaaaaaaa").exists()
    assert kinds(capsys) == []


def test_a_disk_that_is_named_is_never_removed(moved: Site) -> None:
    from goldroot.errors import Refused

    host = moved.look_at_host("local")
    id = next(name for name in host.disk_ids() if name.startswith("web2-1B5"))
    with pytest.raises(Refused, match="is that at 1B5 of WEB2"):
        host.give_up_disk(id)
    assert id in host.disk_ids()


def test_a_missing_disk_an_entry_that_is_gone_and_one_that_is_damaged(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Path(moved.path("store"))
    kept = [one for one in everything(moved)["kept"] if one[0] == "web1"]
    shutil.rmtree(store / "disks" / kept[0][3][0][1])
    (store / "entries/WEB2.json").unlink()
    (store / "entries/SMALLRWMNT.json").write_text("{")
    report = data(capsys, "doctor")
    found = {one["kind"]: one for one in report["findings"]}
    assert set(found) == {"disk-missing", "entry-missing", "entry-damaged"}
    assert "goldroot fallback prune web1 --force" in found["disk-missing"]["command"]
    assert found["entry-missing"]["name"] == "web2" and not found["entry-missing"]["repair"]
    code, out = said(capsys, "doctor", "--repair", "--yes")
    assert code == 1 and "3 things to see to" in out
    assert len([name for name in os.listdir(store / "disks") if name.startswith("web2-")]) == 2


@pytest.mark.slow
def test_what_was_cut_off_is_finished_or_given_up(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for point, command in (
        ("clone.disk-copied:1", ("clone", "create", "web3", "--image", IMAGE)),
        ("publish-disk-built:1", ("gold", "publish", IMAGE, "--untested", "--unchanged")),
        ("clone.unlinked:1", ("clone", "delete", "web1")),
    ):
        kill_at(point, lambda command=command: guarded(cli, list(command)))  # type: ignore[misc]
    files = dump(moved, "web2")
    found = kinds(capsys)
    assert "cut-off" in found
    repaired(capsys)
    assert dump(moved, "web2") == files
    assert [row["name"] for row in data(capsys, "clone", "list")][-1] == "web2"


def test_another_sites_store_is_not_compared(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    Path(moved.path("store/label")).write_text("another\n")
    report = data(capsys, "doctor")
    assert [one["kind"] for one in report["findings"]] == ["host-silent"]
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 1
    assert len(data(capsys, "clone", "list")) == 2


def test_options_that_need_a_repair(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "doctor", "--yes")[0] == 2
    assert said(capsys, "doctor", "--remove", "x")[0] == 2


# -- a site that was copied


@pytest.mark.slow
def test_a_site_copied_by_plain_tar_is_accepted_by_what_is_in_its_files(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_clone(moved, "web1", {"etc/app.conf": "mine\n"})
    differs = [(one["path"], one["axes"]) for one in data(capsys, "clone", "diff", "web1")["entries"]]
    moved.close()
    copied_by_tar(Path(moved.root), tmp_path / "there")
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "there/site"))
    assert kinds(capsys) == ["gold-copied"], "the files of gold 1 have whole seconds"
    code, out = said(capsys, "clone", "create", "web3", "--image", IMAGE)
    assert code == 4 and "goldroot doctor --repair" in out
    repaired(capsys)
    assert (
        said(capsys, "gold", "verify", IMAGE, "1")[0] == said(capsys, "gold", "verify", IMAGE, "2", "--quick")[0] == 0
    )
    assert [(one["path"], one["axes"]) for one in data(capsys, "clone", "diff", "web1")["entries"]] == differs
    assert said(capsys, "update", "run", "web2")[0] == 0
    assert said(capsys, "rollback", "web1")[0] == 0
    assert said(capsys, "clone", "create", "web3", "--image", IMAGE)[0] == 0


def test_a_copy_with_another_content_is_not_accepted(
    moved: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved.close()
    copied_by_tar(Path(moved.root), tmp_path / "there")
    monkeypatch.setenv("GOLDROOT_SITE", str(tmp_path / "there/site"))
    file = next((tmp_path / "there/site/store/disks").glob("smallgold2-1B5-*")) / "etc/plain.conf"
    then = file.stat().st_mtime
    file.write_text("evil\n")
    os.utime(file, (then, then))
    report = data(capsys, "doctor", "--repair", "--yes")
    assert [(one["kind"], one["outcome"]) for one in report["findings"]] == [("gold-copied", "failed")]
    assert "/etc/plain.conf" in report["findings"][0]["error"]
    assert file.stat().st_mtime == then


def copied_by_tar(site: Path, to: Path) -> None:
    """A copy with times in whole seconds."""
    to.mkdir()
    made = subprocess.run(
        ["tar", "-C", site.parent, "--format=gnu", "-cf", "-", site.name], check=True, capture_output=True
    )
    subprocess.run(["tar", "-C", to, "-xpf", "-"], input=made.stdout, check=True)


# -- several hosts


@pytest.mark.slow
def test_a_catalog_of_several_hosts_is_made_again(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site = with_west(moved)
    assert said(capsys, "gold", "replicate", IMAGE, "2", "--to", "west")[0] == 0
    assert said(capsys, "clone", "create", "w1", "--image", IMAGE, "--host", "west")[0] == 0
    assert said(capsys, "clone", "create", "w2", "--image", IMAGE, "--host", "west", "--read-write")[0] == 0
    before = everything(site)
    lose_catalog(site)
    repaired(capsys)
    again = Site.open(site.root)
    assert everything(again) == before
    next_gold(again, {"etc/app.conf": "newer\n"})
    assert said(capsys, "gold", "replicate", IMAGE, "--to", "west")[0] == 0
    assert said(capsys, "update", "run", "w1", "w2", "web1", "web2")[0] == 0
    again.close()


def test_an_update_that_waits_for_a_person_is_not_cut_off(moved: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(moved, "web2", {"etc/plain.conf": "mine\n"})
    assert said(capsys, "update", "run", "web2")[0] == 1
    assert data(capsys, "doctor")["sound"]
    assert said(capsys, "doctor", "--repair", "--yes")[0] == 0
    with Site.open(moved.root).catalog.read() as tx:
        assert updates.in_flight(tx, "web2") is not None


@pytest.mark.slow
def test_an_update_that_was_killed_is_given_up_and_the_server_stays(
    moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dump(moved, "web2")
    kill_at("update.disk-built:1", lambda: guarded(cli, ["update", "run", "web2"]))
    (found,) = data(capsys, "doctor")["findings"]
    assert (found["kind"], found["name"], found["command"]) == ("cut-off", "web2", "goldroot update run web2")
    repaired(capsys)
    assert dump(moved, "web2") == before
    assert said(capsys, "update", "run", "web2")[0] == 0


@pytest.mark.parametrize("how", ["other", "missing"])
@pytest.mark.parametrize(
    ("paper", "kind"),
    [("accounts.json", "gold-papers"), ("packages.json", "gold-papers"), ("1B5.manifest", "gold-unsigned")],
)
def test_what_stops_the_next_publish_is_found_by_who_looks_for_it(
    paper: str, kind: str, how: str, moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of the publish, `gold verify` and the doctor are of one mind about what stands beside a record."""
    file = Path(moved.image_path(IMAGE, "gold", "2", paper))
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(b"[0]\n")
    assert kinds(capsys) == [kind]
    for words in (("gold", "verify", IMAGE, "2"), ("gold", "diff", IMAGE, "1", "2")):
        code, out = said(capsys, *words)
        if words[1] == "verify" or paper != "accounts.json":
            assert (
                code == 4 and "is not what was signed" in out and str(file.parent) in out and "goldroot restore" in out
            )
    code, out = said(capsys, "gold", "publish", IMAGE, "--untested", "--unchanged")
    if paper == "accounts.json":
        assert code == 4 and "is not what was signed" in out


@pytest.mark.parametrize(
    "file", ["store/entries/WEB2.json", "store/labels/web2-1B5-*.json", "records/web1/*/record.json"]
)
def test_a_file_that_is_nested_without_end_is_damaged_as_any_other(
    file: str, moved: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser of JSON gives up on it with an error of its own, which is no ValueError."""
    next(Path(moved.root).glob(file)).write_text("[" * 100_000)
    (kind,) = kinds(capsys)
    assert kind in ("entry-damaged", "disk-foreign", "record-damaged")
    assert said(capsys, "linked")[0] == (4 if kind == "entry-damaged" else 0)
    other = "web2" if kind == "record-damaged" else "web1"
    assert said(capsys, "update", "plan", other)[0] in (0, 1), "the others go on"
