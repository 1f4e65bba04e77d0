"""What gold starts by links of its packages below ``/usr/lib``, and the server had disabled, stays disabled (letter B)."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from goldroot.merge import ManifestFiles, Options, Trees, apply_plan, plan_trees
from goldroot.merge.decide.services import started_by_packages
from goldroot.merge.surroundings import DirectoryFiles
from goldroot.tree import scan_tree
from support.going_back import plan_back
from support.merging import Outcome, Table, merge_directories, merge_tables
from support.trees import Dir, Link, dump_tree, make_tree

UNITS = "etc/systemd/system"
WANTS = "multi-user.target.wants"
OLD, NEW = "php8.2-fpm.service", "php8.4-fpm.service"
KEEP: Table = {f"{UNITS}/{WANTS}/keep.service": Link("/lib/systemd/system/keep.service")}
MASK = Link("/dev/null")


def own(*units: str, wants: str = WANTS) -> Table:
    """Links by which an administrator enables units."""
    return {f"{UNITS}/{wants}/{unit}": Link(f"/lib/systemd/system/{unit}") for unit in units}


def static(*units: str, wants: str = WANTS, lib: str = "usr/lib") -> Table:
    """Links by which packages do."""
    return {f"{lib}/systemd/system/{wants}/{unit}": Link(f"../{unit}") for unit in units}


def masked(unit: str) -> Table:
    return {f"{UNITS}/{unit}": MASK}


def merged(room: Path, base: Table, gold: Table, clone: Table) -> Outcome:
    return merge_tables(room, {**KEEP, **base}, {**KEEP, **gold}, {**KEEP, **clone})


CASES = {
    "masked, static before": (static(OLD), static(NEW), {**static(OLD), **masked(OLD)}),
    "masked, enabled before": (own(OLD), static(NEW), {**own(OLD), **masked(OLD)}),
    "disabled": (own(OLD), static(NEW), {}),
    "disabled, the same unit": (own(NEW), static(NEW), {}),
    "disabled, of another target": (own(OLD, wants="a.target.requires"), static(NEW, wants="b.target.upholds"), {}),
    "a script": ({"etc/rc2.d/S01php8.4-fpm": Link("../init.d/php8.4-fpm")}, static(NEW), {}),
    "no merged /usr": (own(OLD), static(NEW, lib="lib"), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_unit_that_the_server_disabled_is_masked_under_its_new_version_until_somebody_answers(
    tmp_path: Path, case: str
) -> None:
    done = merged(tmp_path, *CASES[case])
    assert done.conflicts == [(f"/{UNITS}/{NEW}", "presence")]
    assert done.tree[f"{UNITS}/{NEW}"].content == b"/dev/null"
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert f"{UNITS}/{NEW}" not in taken.tree and taken.conflicts == []
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.tree[f"{UNITS}/{NEW}"].content == b"/dev/null" and kept.conflicts == []
    same = make_tree(tmp_path / "same", {**KEEP, **CASES[case][1]})
    roots = {"base": tmp_path / "gold", "gold": same, "clone": kept.out}
    again = merge_directories(tmp_path, roots, out="again", after=kept)
    assert again.tree == kept.tree and again.conflicts == []


SILENT = {
    "the server starts it": (own(OLD), static(NEW), own(OLD)),
    "nobody ever did": ({}, static(NEW), {}),
    "gold starts the old one, too": (static(OLD), static(OLD, NEW), {**static(OLD), **masked(OLD)}),
    "the old gold started it so": ({**own(OLD), **static(NEW)}, static(NEW), static(NEW)),
    "gold masked it before": ({**static(OLD), **masked(OLD)}, static(NEW), {**static(OLD), **masked(OLD)}),
    "another instance": (own("pg@15-main.service"), static("pg@17-main.service"), {}),
    "the server masked it": (own(NEW), static(NEW), masked(NEW)),
    "the server starts it by a static link": ({**own(OLD), **static(OLD)}, static(NEW), static(OLD)),
}


@pytest.mark.parametrize("case", SILENT)
def test_of_what_the_server_did_not_disable_nothing_is_asked(tmp_path: Path, case: str) -> None:
    done = merged(tmp_path, *SILENT[case])
    assert done.conflicts == []
    assert done.tree.keys() & masked(NEW).keys() == CASES_WITH_MASK.get(case, set())


CASES_WITH_MASK = {"the server masked it": {f"{UNITS}/{NEW}"}}


def test_a_unit_of_the_servers_own_at_the_place_of_the_mask_stays(tmp_path: Path) -> None:
    unit: Table = {f"{UNITS}/{NEW}": "[Service]\n"}
    done = merged(tmp_path, own(OLD), static(NEW), unit)
    assert done.text(f"{UNITS}/{NEW}") == "[Service]\n" and done.conflicts == []


def test_gold_starts_it_in_both_ways_and_that_is_one_question(tmp_path: Path) -> None:
    done = merged(tmp_path, own(OLD), {**own(NEW), **static(NEW)}, {})
    link = f"{UNITS}/{WANTS}/{NEW}"
    assert done.conflicts == [(f"/{link}", "presence")]
    assert link not in done.tree and done.tree[f"{UNITS}/{NEW}"].content == b"/dev/null"
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert link in taken.tree and f"{UNITS}/{NEW}" not in taken.tree


def test_a_way_back_is_not_held_up(tmp_path: Path) -> None:
    plan = plan_back(tmp_path, {**KEEP, **own(OLD)}, {**KEEP, **static(NEW)}, KEEP)
    assert plan.conflicts == []
    assert [note.path for note in plan.notes if "the mask stays" in note.text] == [f"/{UNITS}/{NEW}".encode()]
    mask = plan.parts[0].decided.verdicts[f"{UNITS}/{NEW}".encode()].want
    assert mask is not None and mask.content == b"/dev/null"


def test_it_is_remembered_over_a_version_without_it(tmp_path: Path) -> None:
    first = merged(tmp_path / "1", own(OLD), {}, {})
    second = merge_tables(tmp_path / "2", KEEP, {**KEEP, **static(NEW)}, KEEP, after=first)
    assert second.conflicts == [(f"/{UNITS}/{NEW}", "presence")]


@pytest.mark.parametrize("take", ["", "gold"])
def test_the_disks_that_are_shared_with_gold_tell_it_too(tmp_path: Path, take: str) -> None:
    old = make_tree(tmp_path / "old", {**static(OLD), "etc": Dir()})
    new = make_tree(tmp_path / "new", {**static(NEW), "etc": Dir()})
    tables: tuple[Table, ...] = (KEEP, KEEP, {**KEEP, **masked(OLD)})
    b, g, c = (make_tree(tmp_path / name, table) / "etc" for name, table in zip("bgc", tables, strict=True))
    trees = Trees(b, g, c, at="/etc", system=(old, new))
    plan = plan_trees(trees)
    assert [(one.path, one.axis) for one in plan.conflicts] == [(f"/{UNITS}/{NEW}".encode(), "presence")]
    answers = {plan.conflicts[0].key: Decision(take)} if take else {}
    apply_plan(plan_trees(trees, decisions=answers), tmp_path / "out", options=Options(jobs=1))
    out = dump_tree(tmp_path / "out")
    assert ("systemd/system/" + NEW in out) is (take == "")


def test_directories_and_manifests_tell_the_same(tmp_path: Path) -> None:
    root = make_tree(
        tmp_path / "root",
        {**static(OLD, NEW), **static("a.service", wants="x.target.requires"), "usr/lib/systemd/system/b.service": "",
         "usr/lib/systemd/system/b.service.d/c.conf": "", "usr/lib/systemd/user/y.target.wants/d.service": Link("../d")},
    )  # fmt: skip
    manifest = scan_tree(root).manifest
    stored = ManifestFiles(lambda path: "disk", lambda disk: manifest)
    names = {b"system/" + name.encode() for name in (OLD, NEW, "a.service")} | {b"user/d.service"}
    assert started_by_packages(DirectoryFiles(str(root).encode(), b"/etc")) == started_by_packages(stored) == names
    assert started_by_packages(ManifestFiles(lambda path: None, lambda disk: manifest)) == set()


def test_a_service_that_golds_packages_start_now_is_not_told_as_gone(tmp_path: Path) -> None:
    done = merged(tmp_path, own("x.service", "y.service"), static("x.service"), own("x.service", "y.service"))
    (note,) = [note for note in done.record["notes"] if note["kind"] == "services-not-started"]
    assert note["data"] == {"services": ["system/y.service"]}


def test_disks_beside_the_trees_are_not_read_where_the_server_disabled_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unasked(shared: object) -> set[bytes]:
        raise AssertionError(shared)

    monkeypatch.setattr("goldroot.merge.plan.started_by_packages", unasked)
    tables: tuple[Table, ...] = (KEEP, {**KEEP, **own(NEW)}, {**KEEP, **own("mine.service")})
    b, g, c = (make_tree(tmp_path / name, table) / "etc" for name, table in zip("bgc", tables, strict=True))
    old, new = (make_tree(tmp_path / name, {**static(OLD), "etc": Dir()}) for name in ("old", "new"))
    assert plan_trees(Trees(b, g, c, at="/etc", system=(old, new))).conflicts == ()
    masking = make_tree(tmp_path / "m", {**KEEP, **masked(OLD)}) / "etc"
    with pytest.raises(AssertionError):
        plan_trees(Trees(b, g, masking, at="/etc", system=(old, new)))
