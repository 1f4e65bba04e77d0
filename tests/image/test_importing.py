"""Importing: each path comes to the disk of the layout, from a directory and from a tar alike."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from goldroot.catalog import images
from goldroot.errors import BadInput, NotTested, Refused
from goldroot.image.gold import verify_gold
from goldroot.image.importing import as_root, import_image, plan_import, replace_system
from goldroot.image.publish import publish_gold
from goldroot.image.systems import MAINTENANCE, System
from goldroot.site import Site, init_site
from goldroot.tree import Entry, Manifest, Note
from support.former import former, path_of, scan_of
from support.open_way import need_other_users
from support.roots import make_root
from support.trees import Dir, File, HardLink, Link, dump_tree, make_tree


@pytest.fixture
def site(empty: Site) -> Site:
    return empty


def disks(site: Site, image: str) -> dict[str, str]:
    system = System(site, image, MAINTENANCE)
    return {disk.address: path_of(system, disk.address) for disk in system.layout.disks}


def without_owners(notes: Iterable[Note]) -> list[tuple[str, bytes]]:
    """Kind and path of each note, but for the one that only those who are not root get."""
    return [(note.kind, note.path) for note in notes if os.geteuid() == 0 or note.kind != "owner-not-kept"]


def test_paths_come_to_their_disks(site: Site, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", shell=False)
    before = dump_tree(root)
    done = import_image(site, "small", str(root))
    assert (done.machine, without_owners(done.notes)) == ("SMALLRWMNT", [])
    found = {address: dump_tree(path) for address, path in disks(site, "small").items()}
    assert dump_tree(root) == before, "the source is only read"
    for path, seen in before.items():
        top = path.split("/")[0]
        own = "1B6" if top == "var" else "1B5" if top in ("etc", "home", "root") or "usr/local" in path else "1B1"
        assert found[own][path] == seen
        elsewhere = {address for address in found if path in found[address]} - {own}
        if elsewhere:
            assert seen.kind == "d", f"only directories stand twice, not {path}"
    assert not [path for path in found["1B1"] if path.startswith(("etc/", "var/", "home/", "usr/local/"))]
    assert found["1B5"]["usr"].mode == before["usr"].mode, "a directory on the way is a copy"


def test_an_image_is_for_the_machines_that_its_programs_are_for(site: Site, tmp_path: Path) -> None:
    """Not for the one on which it was imported."""
    program = b"\x7fELF\2\2\1" + bytes(11) + b"\0\x16"  # s390x
    import_image(site, "small", str(make_root(tmp_path / "r", {"usr/bin/dash": program}, shell=False)))
    with site.catalog.read() as tx:
        os_of_image = images.get(tx, "small").os
    assert (os_of_image["id"], os_of_image["architecture"]) == ("small", "s390x")


def test_a_path_that_the_source_lacks_is_made(site: Site, tmp_path: Path) -> None:
    import_image(site, "small", str(make_tree(tmp_path / "r", {"etc/f": "x", "usr/f": "x"})))
    found = {address: dump_tree(path) for address, path in disks(site, "small").items()}
    for path, address in (("srv", "1B5"), ("usr/local", "1B5"), ("var", "1B6")):
        assert (found[address][path].mode, found["1B1"][path].mode) == (0o755, 0o755)


@pytest.mark.root
def test_a_tar_and_a_directory_give_the_same(site: Site, tmp_path: Path) -> None:
    extra = {"etc/a": File("x", mode=0o4711, uid=7, gid=8, xattrs={"user.k": b"v"}), "etc/b": HardLink("etc/a")}
    root = make_root(tmp_path / "root", extra, shell=False)
    tar = ["tar", "-C", root, "--xattrs", "--format=posix", "-cf", tmp_path / "a.tar", "."]
    subprocess.run(tar, check=True)
    import_image(site, "one", str(root))
    import_image(site, "two", str(tmp_path / "a.tar"))
    for (_, one), (_, two) in zip(disks(site, "one").items(), disks(site, "two").items(), strict=True):
        assert dump_tree(one) == dump_tree(two)
    assert os.listdir(os.path.join(site.path("store"), "scratch")) == []


def test_hard_links_across_disks_are_separated_and_noted(site: Site, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", {"etc/a": "x", "usr/b": HardLink("etc/a")}, shell=False)
    done = import_image(site, "small", str(root))
    assert without_owners(done.notes) == [("hard-link-separated", b"usr/b")]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"etc/f": "x"}, "no usr/"),
        ({"f": "x"}, "no etc/ and usr/"),
        ({"etc/f": "x", "usr/f": "x", "home": Link("/elsewhere")}, "/home is not a directory"),
        ({"etc/f": "x", "usr/f": "x", "var": "file"}, "/var is not a directory"),
        ({"etc/f": "x", "usr": Link("/usr")}, "no usr/"),
    ],
)
def test_what_is_no_root_file_system(site: Site, tmp_path: Path, table: dict[str, Dir | str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        import_image(site, "small", str(make_tree(tmp_path / "r", table)))
    import_image(site, "small", str(make_root(tmp_path / "good", shell=False)))


def test_a_hostile_tar_leaves_nothing(site: Site, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", shell=False)
    tar = ["tar", "-C", root, "--transform", "s,^./etc/app.conf,../../evil,", "-cPf", tmp_path / "a.tar", "."]
    subprocess.run(tar, check=True)
    with pytest.raises(BadInput, match="would lead out"):
        import_image(site, "small", str(tmp_path / "a.tar"))
    assert former(site).disks() == []
    assert former(site).machines() == []


@pytest.mark.parametrize("name", ["", "Small", "a b", "../x", "x" * 17, "1st"])
def test_names(site: Site, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="image's name"):
        import_image(site, name, str(tmp_path))


def test_an_image_is_not_replaced(small: Site, tmp_path: Path) -> None:
    for function in (import_image, plan_import):
        with pytest.raises(Refused, match="an image small already"):
            function(small, "small", str(tmp_path / "root"))


def test_a_plan_changes_nothing(site: Site, tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", shell=False)
    before = dump_tree(site.root)
    assert any("SMALLRWMNT" in step for step in plan_import(site, "small", str(root)))
    assert {path for path in dump_tree(site.root) if "catalog" not in path} == {p for p in before if "catalog" not in p}
    with pytest.raises(BadInput, match="no such"):
        plan_import(site, "small", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("top", "expected"),
    [((1000, 100), {b"": (0, 0), b"etc": (0, 0), b"etc/a": (0, 7), b"etc/b": (33, 0)}),
     ((0, 0), {b"": (0, 0), b"etc": (1000, 100), b"etc/a": (1000, 7), b"etc/b": (33, 100)})],
)  # fmt: skip
def test_who_made_a_tree_without_root_is_root_in_it(
    top: tuple[int, int], expected: dict[bytes, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any server may have a user of his number.  Where the top is root's own, the numbers are those of the system."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 100)
    owners = {b"": top, b"etc": (1000, 100), b"etc/a": (1000, 7), b"etc/b": (33, 100)}
    kinds = {b"": "d", b"etc": "d"}
    rows = [
        Entry(path, kinds.get(path, "f"), 0o755, uid, gid, 0, 0, b"", (), 0, 0, 0, 0, 0)
        for path, (uid, gid) in owners.items()
    ]
    found = as_root(Manifest.from_rows(rows))
    assert {row[0]: (row[3], row[4]) for row in found.rows()} == expected
    assert (found.squashed is None) == (top == (0, 0))


@pytest.mark.root
def test_unprivileged_owners_are_recorded(tmp_path: Path) -> None:
    """What could not be given away is known all the same: the manifest has the owners of the archive."""
    need_other_users()
    make_root(tmp_path / "root", {"etc/a": File("x", uid=7, gid=8)}, shell=False)
    subprocess.run(["tar", "-C", tmp_path / "root", "-cf", tmp_path / "a.tar", "."], check=True)
    os.chmod(tmp_path, 0o777)
    place = tmp_path
    while place != Path("/"):
        if not place.stat().st_mode & 1:
            os.chmod(place, place.stat().st_mode | 0o011)
        place = place.parent
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            site = init_site(str(tmp_path / "site"))
            done = import_image(site, "small", str(tmp_path / "a.tar"))
            kinds = sorted({note.kind for note in done.notes})
            manifest = scan_of(System(site, "small", MAINTENANCE))["1B5"]
            entry = manifest.get(b"etc/a")
            os.write(writer, f"{kinds} {entry.uid if entry else None} {entry.gid if entry else None}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)  # a child that is left over would be found by other tests
    assert said == "['owner-not-kept'] 7 8"


@pytest.mark.root
def test_a_release_that_is_built_anew_replaces_the_maintenance_system(site: Site, tmp_path: Path) -> None:
    """Gold stays; nothing of the old system is left over, not even disks; a damaged source changes nothing."""
    import_image(site, "small", str(make_root(tmp_path / "one", {"etc/old": "x"}, shell=False)))
    gold = publish_gold(site, "small", untested=True).version
    disks_before = set(former(site).disks())
    with pytest.raises(BadInput):
        replace_system(site, "small", str(make_tree(tmp_path / "none", {"etc/f": "x"})))
    assert set(former(site).disks()) == disks_before
    release = {"usr/lib/os-release": 'ID=small\nVERSION_ID="2"\n', "etc/new": "x"}
    done = replace_system(site, "small", str(make_root(tmp_path / "two", release, shell=False)))
    etc = dump_tree(disks(site, "small")["1B5"])
    assert ("etc/new" in etc, "etc/old" in etc) == (True, False)
    assert len(former(site).disks()) == len(disks_before)
    assert not any(verify_gold(site, "small", gold.number).changes.values())
    with site.catalog.read() as tx:
        assert images.get(tx, "small").os["version_id"] == "2"
    with pytest.raises(NotTested):
        publish_gold(site, "small")
    assert sum(done.entries.values()) > 0


@pytest.mark.root
def test_a_replacement_that_was_killed_while_it_unpacked_is_finished_by_the_same_command(
    site: Site, tmp_path: Path
) -> None:
    root = make_root(tmp_path / "one", shell=False)
    import_image(site, "small", str(root))
    subprocess.run(["tar", "-C", root, "-cf", tmp_path / "one.tar", "."], check=True)
    left = Path(site.path("store"), "scratch", "left")
    left.mkdir()
    replace_system(site, "small", str(tmp_path / "one.tar"))
    assert not left.exists()


def test_what_a_killed_run_unpacked_goes_with_an_import_of_a_directory_too(site: Site, tmp_path: Path) -> None:
    left = Path(site.path("store"), "scratch", "left")
    left.mkdir()
    import_image(site, "small", str(make_root(tmp_path / "one", shell=False)))
    assert not left.exists()
