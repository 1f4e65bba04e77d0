"""Merges of whole Debian servers: no path is lost without a word, and numbers follow names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.debian import copy_of
from support.server import Facts, Server
from support.servers import Merged, merge

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]  # roots may have to be made first
twelve_to_thirteen = pytest.mark.parametrize(
    "merged", [pytest.param(("bookworm", "trixie"), id="bookworm-trixie")], indirect=True, scope="session"
)

ACCOUNT_FILES = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
RENUMBERED = {("bookworm", "trixie"): {"_chrony", "Debian-snmp", "postfix", "sshd"}}
RENUMBERED_GROUPS = {
    ("bookworm", "trixie"): {"mysql", "postfix", "postdrop", "_chrony", "Debian-snmp", "crontab", "_ssh"}
}
WHERE_CONFLICTS_MAY_BE = {
    "/etc/cron.daily/apt-compat",  # deleted here, changed there
    "/etc/group",  # local accounts made to move
    "/etc/passwd",
    "/etc/postfix/main.cf",  # Debian 13 wrote it again
    "/etc/snmp/snmpd.conf",  # edited and with an ACL here; content, mode and group changed there
    "/etc/sysctl.conf",  # changed here, deleted or brought there
    "/var/lib/dpkg/status",  # a package of the server's own, which gold's database does not know
}


def word_for(merged: Merged, path: str) -> dict[str, object] | None:
    """The record's entry that speaks for a path: its own, that of its state unit, or that of its cache."""
    if path in merged.entries:
        return merged.entries[path]
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        entry = merged.entries.get(path)
        if entry is not None and entry["axis"] in ("unit", "cache"):
            return entry
    return None


def every_path(merged: Merged) -> set[str]:
    return {path for side in (merged.base, merged.gold, merged.clone, merged.result) for path in side.every()}


def test_every_path_is_in_the_result_or_in_the_record(merged: Merged) -> None:
    lost = [path for path in every_path(merged) if not merged.result.exists(path) and word_for(merged, path) is None]
    assert lost == []


def test_what_the_record_does_not_name_is_the_same_everywhere(merged: Merged) -> None:
    """And what it names is what it says: one side's as a whole, or a merge."""
    wrong = [path for path in every_path(merged) if not agrees(merged, path)]
    assert wrong == []


def agrees(merged: Merged, path: str) -> bool:
    base, gold, clone, result = (side.facts(path) for side in (merged.base, merged.gold, merged.clone, merged.result))
    entry = word_for(merged, path)
    if entry is None:
        return base == gold == clone == result
    if entry["axis"] == "cache":
        return result == gold or (result == clone and result is not None and result.kind == "d")
    if entry["outcome"] == "gold":
        return result == gold or base == gold == clone == result
    if entry["outcome"] == "clone":
        return result == clone or is_kept_directory(entry, result, base)
    return (
        result is None
        or each_axis_is_of_a_side(result, [side for side in (base, gold, clone) if side])
        or is_accounts(path)
    )


def is_kept_directory(entry: dict[str, object], result: Facts | None, base: Facts | None) -> bool:
    return result is not None and result.kind == "d" and result == base and "notes" in entry


def each_axis_is_of_a_side(result: Facts, sides: list[Facts]) -> bool:
    axes = ("kind", "mode", "owner", "group", "xattrs")
    return all(getattr(result, axis) in {getattr(side, axis) for side in sides} for axis in axes)


def is_accounts(path: str) -> bool:
    return path in {f"/etc/{name}" for name in ACCOUNT_FILES}


def test_the_record_names_no_path_twice(merged: Merged) -> None:
    assert len(merged.entries) == len(merged.record["entries"])


def test_conflicts_are_only_where_an_administrator_expects_them(merged: Merged) -> None:
    assert {path for path, _ in merged.conflicts} <= WHERE_CONFLICTS_MAY_BE


def test_every_number_of_gold_is_kept_and_no_two_accounts_share_one(merged: Merged) -> None:
    result, gold = merged.result, merged.gold
    assert {name: result.users[name] for name in gold.users} == gold.users
    assert {name: result.groups[name] for name in gold.groups} == gold.groups
    assert len(set(result.users.values())) == len(result.users)
    assert len(set(result.groups.values())) == len(result.groups)


def test_every_local_account_stays(merged: Merged) -> None:
    for table in ("users", "groups"):
        base, clone, result = (set(getattr(side, table)) for side in (merged.base, merged.clone, merged.result))
        assert clone - base <= result


def test_members_and_primary_groups_keep_their_meaning(merged: Merged) -> None:
    for user in merged.result.users:
        sides = [side for side in (merged.clone, merged.gold) if user in side.users]
        meant = {side.group_name(int(side.record("passwd", user)[3])) for side in sides}
        assert merged.result.group_name(int(merged.result.record("passwd", user)[3])) in meant


def test_nothing_belongs_to_a_number_without_a_name(merged: Merged) -> None:
    nameless = [path for path in merged.result.every() if "#" in merged.result.owner(path)]
    assert nameless == []


def test_renumbered_accounts_are_named(merged: Merged) -> None:
    clone, result = merged.clone, merged.result
    moved = {name for name in clone.users if result.users.get(name, clone.users[name]) != clone.users[name]}
    groups = {name for name in clone.groups if result.groups.get(name, clone.groups[name]) != clone.groups[name]}
    [note] = [note for note in merged.record["notes"] if note["kind"] == "renumbered"]
    assert moved | groups <= {one["name"] for one in note["data"]["accounts"]}
    assert RENUMBERED.get(merged.releases, set()) <= moved
    assert RENUMBERED_GROUPS.get(merged.releases, set()) <= groups


def test_account_files_are_as_the_tools_want_them(merged: Merged) -> None:
    """shadow's and passwd's accounts are the same, and nobody is in a group that does not exist."""
    result = merged.result
    tables = {name: [line.split(":") for line in result.text(f"/etc/{name}").splitlines()] for name in ACCOUNT_FILES}
    assert {len(fields) for fields in tables["passwd"]} == {7}
    assert {len(fields) for fields in tables["shadow"]} == {9}
    assert {len(fields) for fields in tables["group"] + tables["gshadow"]} == {4}
    for one, other in (("passwd", "shadow"), ("group", "gshadow")):
        assert [fields[0] for fields in tables[one]] and {f[0] for f in tables[one]} == {f[0] for f in tables[other]}
    users = {fields[0] for fields in tables["passwd"]}
    assert {member for fields in tables["group"] for member in fields[3].split(",") if member} <= users


# -- Debian 12 to 13, in other ways


def again(merged: Merged, out: Path, *more: str | Path) -> Merged:
    return merge(merged.base.root, merged.gold.root, merged.clone.root, out, *more)


@twelve_to_thirteen
def test_a_second_run_is_identical(merged: Merged, tmp_path: Path) -> None:
    second = again(merged, tmp_path / "second")
    first_record = merged.result.root.with_suffix(".json").read_bytes()
    assert (tmp_path / "second.json").read_bytes() == first_record
    differing = [path for path in merged.result.every() if merged.result.facts(path) != second.result.facts(path)]
    assert differing == []
    assert set(merged.result.every()) == set(second.result.every())


@twelve_to_thirteen
def test_the_result_merged_again_changes_only_what_is_never_the_clones(merged: Merged, tmp_path: Path) -> None:
    """The next update's base is this gold: nothing is asked again, nothing moves."""
    same_gold = copy_of(merged.gold.root, tmp_path / "gold")
    second = merge(merged.gold.root, same_gold, merged.result.root, tmp_path / "second")
    assert second.record["conflicts"] == []
    differing = [path for path in merged.result.every() if merged.result.facts(path) != second.result.facts(path)]
    assert differing == []


def copy(root: Path, where: Path, *paths: str) -> Path:
    """A copy of some parts of a tree."""
    where.mkdir()
    subprocess.run(["cp", "-a", *(root / path for path in paths), where], check=True)
    return where


@twelve_to_thirteen
def test_etc_alone(merged: Merged, tmp_path: Path) -> None:
    """Merged alone, /etc comes out as it does with all the rest."""
    sides = [getattr(merged, side).root / "etc" for side in ("base", "gold", "clone")]
    alone = merge(*sides, tmp_path / "etc", "--at", "/etc", "--system", merged.base.root, merged.gold.root)
    assert alone.conflicts == {(path, axis) for path, axis in merged.conflicts if path.startswith("/etc/")}
    same_as_whole(merged, alone.result.root, "/etc", tmp_path)


@twelve_to_thirteen
def test_of_etc_alone_a_removed_link_is_known_whatever_spelling_gold_has(merged: Merged, tmp_path: Path) -> None:
    """Nothing tells there that /lib is /usr/lib; a link of ``*.wants`` is its unit's by its name, and stays removed."""
    sides = [getattr(merged, side).root / "etc" for side in ("base", "gold", "clone")]
    alone = merge(*sides, tmp_path / "etc", "--at", "/etc")
    assert alone.conflicts == {(path, axis) for path, axis in merged.conflicts if path.startswith("/etc/")}
    link = "systemd/system/multi-user.target.wants/snmpd.service"
    spellings = [os.readlink(side / link) for side in sides[:2]]
    assert spellings == ["/lib/systemd/system/snmpd.service", "/usr/lib/systemd/system/snmpd.service"]
    assert not os.path.lexists(sides[2] / link) and not os.path.lexists(alone.result.root / link)


@twelve_to_thirteen
def test_etc_and_var_as_a_root(merged: Merged, tmp_path: Path) -> None:
    sides = [copy(getattr(merged, side).root, tmp_path / side, "etc", "var") for side in ("base", "gold", "clone")]
    both = merge(*sides, tmp_path / "both", "--system", merged.base.root, merged.gold.root)
    assert both.conflicts == merged.conflicts
    assert not [
        path for path in both.result.every() if both.result.facts(path) != merged.result.facts(path) and path != "/"
    ]


@twelve_to_thirteen
def test_var_with_accounts_from_elsewhere(merged: Merged, tmp_path: Path) -> None:
    roots = [getattr(merged, side).root for side in ("base", "gold", "clone")]
    alone = merge(
        *(root / "var" for root in roots),
        tmp_path / "var",
        "--at",
        "/var",
        "--accounts",
        *(root / "etc" for root in roots),
    )
    same_as_whole(merged, alone.result.root, "/var", tmp_path)


def same_as_whole(merged: Merged, part: Path, at: str, room: Path) -> None:
    """A part, put beside the whole's account files, is what the whole has there."""
    stage = room / "stage"
    stage.mkdir()
    part.rename(stage / at.strip("/"))
    if at != "/etc":
        copy(merged.result.root, stage / "etc", *(f"etc/{name}" for name in ("passwd", "group")))
    looked = Server(stage)
    paths = [path for path in merged.result.every() if path == at or path.startswith(f"{at}/")]
    assert not [path for path in paths if looked.facts(path) != merged.result.facts(path)]
    assert {path for path in looked.every() if path.startswith(f"{at}/")} == set(paths) - {at}
