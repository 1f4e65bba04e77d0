"""Something is mounted inside a tree: nobody deleted what it hides, and its mode is not the directory's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.merging import Outcome, merge_directories
from support.trees import Dir, File, HardLink, Link, Node, make_tree

pytestmark = pytest.mark.root


@contextmanager
def mounted(point: Path, *options: str) -> Iterator[None]:
    if subprocess.run(["mount", *options, str(point)], check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(point)], check=True)


def merge(room: Path, tables: Mapping[str, Mapping[str, Node]], on: str, point: str) -> Outcome:
    """Merge trees (``gold`` and ``clone`` are base where they are not given) while a tmpfs hides a place of one."""
    roots = {word: make_tree(room / word, tables.get(word, tables["base"])) for word in ("base", "gold", "clone")}
    with mounted(roots[on] / point, "-t", "tmpfs", "-o", "mode=1777", "none"):
        (roots[on] / point / "foreign").write_text("f")
        return merge_directories(room, roots, at="/")


BASE: dict[str, Node] = {
    "var/tmp": Dir(mode=0o755), "var/tmp/kept": "1", "var/tmp/deep/x": "2", "srv/site/data": File("d", mode=0o640),
    "srv/site": Dir(mode=0o750), "etc/app": Dir(mode=0o700), "etc/app/conf": "1\n",
}  # fmt: skip


@pytest.mark.parametrize("on", ["base", "gold", "clone"])
@pytest.mark.parametrize("point", ["var/tmp", "srv/site", "etc/app", "var/tmp/deep"])
def test_nothing_is_deleted_nothing_is_asked_and_no_mode_arrives(tmp_path: Path, on: str, point: str) -> None:
    done = merge(tmp_path, {"base": BASE}, on, point)
    assert done.conflicts == []
    held = {
        path: (seen.mode, seen.content) for path, seen in done.tree.items() if path not in ("", "var", "srv", "etc")
    }
    wanted = merge_directories(tmp_path, {w: tmp_path / w for w in ("base", "gold", "clone")}, at="/", out="plain")
    assert held == {p: (s.mode, s.content) for p, s in wanted.tree.items() if p not in ("", "var", "srv", "etc")}
    assert [(note["kind"], note["path"]) for note in done.record["notes"] if note["kind"] == "other-file-system"] == [
        ("other-file-system", "/" + point)
    ]


def test_golds_change_below_the_servers_mount_arrives(tmp_path: Path) -> None:
    gold = {**BASE, "etc/app/conf": "2\n", "etc/app/new": "n", "srv/site/data": "new"}
    done = merge(tmp_path, {"base": BASE, "gold": gold}, "clone", "etc/app")
    assert (done.text("etc/app/conf"), done.text("etc/app/new")) == ("2\n", "n")
    assert done.conflicts == []


def test_golds_deletion_below_the_servers_mount_arrives(tmp_path: Path) -> None:
    gold = {path: node for path, node in BASE.items() if path != "etc/app/conf"}
    done = merge(tmp_path, {"base": BASE, "gold": gold}, "clone", "etc/app")
    assert "etc/app/conf" not in done.tree
    assert done.conflicts == []


def test_the_servers_change_below_golds_mount_stays(tmp_path: Path) -> None:
    clone = {**BASE, "etc/app/conf": "mine\n", "srv/site/own": "o"}
    done = merge(tmp_path, {"base": BASE, "clone": clone}, "gold", "etc/app")
    assert done.text("etc/app/conf") == "mine\n"
    again = merge(tmp_path / "again", {"base": BASE, "clone": clone}, "gold", "srv/site")
    assert (again.text("srv/site/data"), again.text("srv/site/own")) == ("d", "o")
    assert done.conflicts == again.conflicts == []


def test_below_bases_mount_both_sides_keep_what_they_have(tmp_path: Path) -> None:
    gold, clone = {**BASE, "etc/app/of-gold": "g"}, {**BASE, "etc/app/of-clone": "c"}
    done = merge(tmp_path, {"base": BASE, "gold": gold, "clone": clone}, "base", "etc/app")
    assert (done.text("etc/app/of-gold"), done.text("etc/app/of-clone"), done.text("etc/app/conf")) == ("g", "c", "1\n")
    assert done.conflicts == []


def test_what_differs_below_bases_mount_is_not_taken_for_the_servers_change(tmp_path: Path) -> None:
    gold = {**BASE, "etc/app/conf": "2\n", "etc/app": Dir(mode=0o711)}
    done = merge(tmp_path, {"base": BASE, "gold": gold}, "base", "etc/app")
    assert (done.text("etc/app/conf"), done.tree["etc/app"].mode) == ("2\n", 0o711)
    assert {done.entry(path)["outcome"] for path in ("/etc/app", "/etc/app/conf")} == {"gold"}
    assert done.conflicts == [] and done.notes("base-not-seen") == ["/etc/app/conf"]
    same = merge(tmp_path / "same", {"base": BASE, "gold": {**BASE, "etc/new": "n"}}, "base", "etc/app")
    assert same.notes("base-not-seen") == [] and same.text("etc/app/conf") == "1\n"


def test_a_unit_below_bases_mount_stays_the_servers_where_it_differs(tmp_path: Path) -> None:
    gold = {**BASE, "srv/site/data": "gold's"}
    done = merge(tmp_path, {"base": BASE, "gold": gold, "clone": {**BASE, "srv/site/data": "mine"}}, "base", "srv/site")
    assert (done.text("srv/site/data"), done.conflicts) == ("mine", [])


def test_a_unit_with_a_mount_in_base_is_golds_where_the_server_has_the_same_below_it(tmp_path: Path) -> None:
    when = 1_700_000_000_000_000_000

    def unit(text: str) -> dict[str, Node]:
        return {"var/lib/app/x": text, "var/lib/app/m/x": File("m", mtime=when), "var/lib/app/m": Dir(mtime=when)}

    done = merge(tmp_path, {"base": unit("1"), "gold": unit("2")}, "base", "var/lib/app/m")
    assert (done.text("var/lib/app/x"), done.entry("/var/lib/app")["outcome"]) == ("2", "gold")


def test_a_mount_point_of_the_servers_own_stays_a_plain_directory(tmp_path: Path) -> None:
    done = merge(tmp_path, {"base": BASE, "clone": {**BASE, "etc/own": Dir(mode=0o700)}}, "clone", "etc/own")
    assert (done.tree["etc/own"].kind, done.tree["etc/own"].mode) == ("d", 0o755)
    assert "etc/own/foreign" not in done.tree
    gold = {**BASE, "etc/own": Dir(mode=0o711), "etc/own/new": "n"}
    with_gold = merge(
        tmp_path / "gold", {"base": BASE, "gold": gold, "clone": {**BASE, "etc/own": Dir()}}, "clone", "etc/own"
    )
    assert (with_gold.tree["etc/own"].mode, with_gold.text("etc/own/new")) == (0o711, "n")
    assert with_gold.conflicts == []


def test_a_file_on_which_a_file_is_mounted_is_base_s(tmp_path: Path) -> None:
    roots = {word: make_tree(tmp_path / word, {"etc/hosts": "1\n", "etc/x": "1"}) for word in ("base", "gold", "clone")}
    other = tmp_path / "other"
    other.write_text("of the container\n")
    (roots["gold"] / "etc/hosts").write_text("2\n")
    with mounted(roots["clone"] / "etc/hosts", "--bind", str(other)):
        done = merge_directories(tmp_path, roots, at="/")
    assert (done.text("etc/hosts"), done.conflicts) == ("2\n", [])


def test_hard_links_below_a_mount_stay_together(tmp_path: Path) -> None:
    base: dict[str, Node] = {
        "etc/app/a": "1", "etc/app/b": HardLink("etc/app/a"), "etc/c": "2", "etc/d": HardLink("etc/c"),
    }  # fmt: skip
    done = merge(tmp_path, {"base": base}, "clone", "etc/app")
    assert done.tree["etc/app/a"].names == ("etc/app/a", "etc/app/b")
    assert done.tree["etc/c"].names == ("etc/c", "etc/d")


@pytest.mark.parametrize("on", ["base", "gold", "clone"])
def test_the_record_of_an_alternative_below_a_mount_is_read_where_it_is(tmp_path: Path, on: str) -> None:
    """What one side's mount hides counts as another side's file."""
    record = "auto\n/usr/bin/editor\npage.gz\n/man/page.gz\n\n/bin/vim\n30\n/man/vim.gz\n\n"

    def side(name: str) -> dict[str, Node]:
        links: dict[str, Node] = {"editor": Link(f"/bin/{name}"), "page.gz": Link(f"/man/{name}.gz")}
        return {"var/lib/dpkg/alternatives/editor": record, **{f"etc/alternatives/{k}": v for k, v in links.items()}}

    tables = {"base": side("vim"), "gold": side("nano"), "clone": side("joe")}
    done = merge(tmp_path, tables, on, "var/lib/dpkg/alternatives")
    assert done.conflicts == [("/etc/alternatives/editor", "content")]
    assert done.tree["etc/alternatives/page.gz"].content == b"/man/joe.gz"
