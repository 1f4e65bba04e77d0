"""Axes, owners as names, classes and secrets, on real trees."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from support.merging import merge_tables
from support.trees import Device, Dir, File, Link

PASSWD = "root:x:0:0::/root:/bin/sh\n"
GROUP = "root:x:0:\n"


def accounts(users: str = "", groups: str = "") -> dict[str, str]:
    return {"etc/passwd": PASSWD + users, "etc/group": GROUP + groups}


def acl(*named: tuple[int, int, int]) -> bytes:
    """An access ACL rw-/named/r--/mask rw-/---."""
    entries = [(1, 6, 0xFFFFFFFF), *named, (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))


def test_golds_chmod_and_the_clones_edit_both_arrive(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1\n"}, {"etc/a": File("1\n", mode=0o600)}, {"etc/a": "1\n2\n"})
    assert (done.text("etc/a"), done.tree["etc/a"].mode) == ("1\n2\n", 0o600)
    assert done.entry("/etc/a")["axes"] == {"content": "clone", "mode": "gold"}


def test_text_changed_on_both_sides_is_merged_by_line(tmp_path: Path) -> None:
    lines = [f"option{i} yes\n" for i in range(10)]
    gold, clone = lines.copy(), lines.copy()
    gold[0], clone[9] = "option0 no\n", "option9 mine\n"
    done = merge_tables(tmp_path, {"etc/a": "".join(lines)}, {"etc/a": "".join(gold)}, {"etc/a": "".join(clone)})
    assert done.text("etc/a") == "".join([gold[0], *lines[1:9], clone[9]])
    assert done.entry("/etc/a")["outcome"] == "merged"


def test_overlapping_edits_conflict_and_a_decision_answers(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1\n"}, {"etc/a": "2\n"}, {"etc/a": "3\n"})
    assert done.conflicts == [("/etc/a", "content")]
    assert done.text("etc/a") == "3\n"
    key = done.record["conflicts"][0]["key"]
    for decision, wanted in ((Decision("gold"), "2\n"), (Decision("content", b"own\n"), "own\n")):
        again = merge_tables(tmp_path, {}, {}, {}, out=wanted.strip(), decisions={key: decision})
        assert again.text("etc/a") == wanted
        assert again.conflicts == []


@pytest.mark.root
def test_content_of_ones_own_is_no_answer_for_a_link_or_device(tmp_path: Path) -> None:
    sides = [{"etc/l": Link(name), "etc/c": Device(minor=minor)} for name, minor in (("1", 3), ("2", 5), ("3", 8))]
    done = merge_tables(tmp_path, *sides)
    own = {conflict["key"]: Decision("content", b"x\n") for conflict in done.record["conflicts"]}
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions=own)
    assert again.conflicts == done.conflicts == [("/etc/c", "content"), ("/etc/l", "content")]
    assert again.tree == done.tree


def test_binary_is_never_merged_inside(tmp_path: Path) -> None:
    base, gold, clone = b"\0\n1\n2\n3\n", b"\0\n1\n2\n9\n", b"\0\n9\n2\n3\n"
    done = merge_tables(tmp_path, {"etc/a": base}, {"etc/a": gold}, {"etc/a": clone})
    assert done.conflicts == [("/etc/a", "content")]


def test_opaque_is_never_merged_inside(tmp_path: Path) -> None:
    lines = [f"{i}\n" for i in range(20)]
    gold, clone = ["x\n", *lines[1:]], [*lines[:-1], "y\n"]
    done = merge_tables(
        tmp_path, {"etc/a.pem": "".join(lines)}, {"etc/a.pem": "".join(gold)}, {"etc/a.pem": "".join(clone)}
    )
    assert done.conflicts == [("/etc/a.pem", "content")]


@pytest.mark.root
def test_owners_are_merged_as_names_through_an_exchange_of_numbers(tmp_path: Path) -> None:
    base = {
        **accounts("a:x:101:0::/:/x\nb:x:102:0::/:/x\n"),
        "etc/of-a": File("1", uid=101),
        "etc/of-b": File("1", uid=102),
    }
    gold = {
        **accounts("a:x:102:0::/:/x\nb:x:101:0::/:/x\n"),
        "etc/of-a": File("1", uid=102),
        "etc/of-b": File("1", uid=101),
    }
    clone = {**base, "etc/mine": File("m", uid=101), "srv/db/file": File("d", uid=102)}
    done = merge_tables(tmp_path, base, gold, clone)
    uids = {path: done.tree[path].uid for path in ("etc/of-a", "etc/of-b", "etc/mine", "srv/db/file")}
    assert uids == {"etc/of-a": 102, "etc/of-b": 101, "etc/mine": 102, "srv/db/file": 101}
    assert done.conflicts == []
    [note] = done.record["notes"]
    assert [(one["name"], one["from"], one["to"]) for one in note["data"]["accounts"]] == [
        ("a", 101, 102),
        ("b", 102, 101),
    ]


@pytest.mark.root
def test_acl_entries_follow_the_renumbering(tmp_path: Path) -> None:
    base = {**accounts("a:x:101:0::/:/x\n"), "etc/f": File("1", mode=0o660)}
    gold = {**accounts("a:x:110:0::/:/x\n"), "etc/f": File("1", mode=0o660)}
    clone = {**base, "etc/f": File("1", mode=0o660, xattrs={"system.posix_acl_access": acl((2, 6, 101))})}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.tree["etc/f"].xattrs["system.posix_acl_access"] == acl((2, 6, 110))


@pytest.mark.root
def test_the_order_of_numbers_in_an_acl_is_no_change(tmp_path: Path) -> None:
    """The entries stand by number, and gold's numbers have another order."""

    def side(a: int, b: int, more: int = 4) -> dict[str, str | File]:
        given = {"system.posix_acl_access": acl((2, 4, a), (2, 4, b))}
        return {
            **accounts(f"a:x:{a}:0::/:/x\nb:x:{b}:0::/:/x\n"),
            "etc/f": File("1", mode=0o660, xattrs={"system.posix_acl_access": acl((2, 4, a), (2, more, b))}),
            "var/lib/db/f": File("1", mode=0o660, xattrs=given),
        }

    clone = {**side(101, 102, more=6), "var/lib/db/mine": "x"}
    done = merge_tables(tmp_path, side(101, 102), side(102, 101), clone)
    assert done.conflicts == []
    assert done.tree["etc/f"].xattrs["system.posix_acl_access"] == struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry)
        for entry in [
            (1, 6, 0xFFFFFFFF), (2, 6, 101), (2, 4, 102), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)
        ]
    )  # fmt: skip
    assert done.entry("/var/lib/db")["changed"] == {"gold": False, "clone": True}


@pytest.mark.root
def test_golds_account_takes_a_local_number_only_as_a_proposal(tmp_path: Path) -> None:
    base = accounts()
    gold = {**accounts("svc:x:150:0::/:/x\n"), "etc/svc.conf": File("s", uid=150)}
    clone = {**accounts("local:x:150:0::/:/x\n"), "srv/own/x": File("x", uid=150)}
    done = merge_tables(tmp_path, base, gold, clone)
    users = dict(line.split(":")[0:3:2] for line in done.text("etc/passwd").splitlines())
    assert users["svc"] == "150"
    assert users["local"] not in ("150", "0")
    assert done.tree["srv/own/x"].uid == int(users["local"])
    assert done.tree["etc/svc.conf"].uid == 150
    assert len(done.conflicts) == 1
    assert done.conflicts[0][0] == "/etc/passwd"


def test_a_local_password_change_stays_and_is_not_shown(tmp_path: Path) -> None:
    base = {**accounts("u:x:1000:0::/:/x\n"), "etc/shadow": File("root:*:1:0::::\nu:OLD:1::::::\n", mode=0o640)}
    gold = {**base, "etc/shadow": File("root:!:1:0::::\nu:OLD:1::::::\n", mode=0o640)}
    clone = {**base, "etc/shadow": File("root:*:1:0::::\nu:SECRET-HASH:5::::::\n", mode=0o640)}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.text("etc/shadow") == "root:!:1:0::::\nu:SECRET-HASH:5::::::\n"
    assert "SECRET-HASH" not in json.dumps(done.record)
    assert done.entry("/etc/shadow")["clone"]["hash"].startswith("secret-")


def test_a_copy_of_an_account_table_is_a_secret(tmp_path: Path) -> None:
    sides = [{"etc/passwd.bak": f"root:{hashed}:0:0::/root:/bin/sh\n"} for hashed in ("$6$base", "$6$gold", "$6$clone")]
    done = merge_tables(tmp_path, *sides)
    assert done.conflicts == [("/etc/passwd.bak", "content")]
    assert done.record["conflicts"][0]["secret"] is True
    assert "$6$" not in json.dumps(done.record)
    assert done.entry("/etc/passwd.bak")["clone"]["hash"].startswith("secret-")


def test_a_state_unit_is_never_a_mixture(tmp_path: Path) -> None:
    base = {"var/lib/mysql/ibdata": "0", "var/lib/mysql/log": "0", "var/lib/quiet/x": "0"}
    gold = {"var/lib/mysql/ibdata": "1", "var/lib/mysql/log": "1", "var/lib/mysql/new": "1", "var/lib/quiet/x": "1"}
    clone = {"var/lib/mysql/ibdata": "2", "var/lib/mysql/log": "0", "var/lib/quiet/x": "0"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert {p: done.text(p) for p in done.tree if p.startswith("var/lib/mysql/")} == {
        "var/lib/mysql/ibdata": "2", "var/lib/mysql/log": "0",
    }  # fmt: skip
    assert done.text("var/lib/quiet/x") == "1"
    assert done.entry("/var/lib/mysql")["changed"] == {"gold": True, "clone": True}
    assert "base" not in done.entry("/var/lib/mysql")


def test_each_major_version_of_postgresql_is_a_unit(tmp_path: Path) -> None:
    """Else the configuration of the new version arrived, and its cluster did not."""
    conf, data = "etc/postgresql/%s/main/postgresql.conf", "var/lib/postgresql/%s/main/PG_VERSION"
    old = {conf % 13: "port = 5432\n", data % 13: "13\n", "var/lib/postgresql/13/main/base": "0"}
    new = {conf % 17: "port = 5432\n", data % 17: "17\n"}
    done = merge_tables(tmp_path, old, new, {**old, "var/lib/postgresql/13/main/base": "1"})
    assert [done.text(path) for path in (conf % 17, data % 17, data % 13)] == ["port = 5432\n", "17\n", "13\n"]
    assert done.text("var/lib/postgresql/13/main/base") == "1"
    assert done.conflicts == [("/var/lib/postgresql/13", "unit")]  # its state stays beside an empty newer one


def test_a_later_rule_inside_a_unit_does_not_make_it_changed(tmp_path: Path) -> None:
    base = {"root/.ssh/authorized_keys": "a\n", "root/.ssh/config": "1"}
    gold = {"root/.ssh/authorized_keys": "a\nb\n", "root/.ssh/config": "2"}
    clone = {"root/.ssh/authorized_keys": "a\nc\n", "root/.ssh/config": "1"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.text("root/.ssh/config") == "2"
    assert sorted(done.text("root/.ssh/authorized_keys").split()) == ["a", "b", "c"]


def test_the_package_database_is_always_golds(tmp_path: Path) -> None:
    clone = {"var/lib/dpkg/status": "mine", "var/lib/dpkg/extra": "x"}
    done = merge_tables(tmp_path, {"var/lib/dpkg/status": "1"}, {"var/lib/dpkg/status": "2"}, clone)
    assert done.text("var/lib/dpkg/status") == "2"
    assert "var/lib/dpkg/extra" not in done.tree
    assert done.entry("/var/lib/dpkg/extra")["notes"]


def test_identity_is_the_clones_always(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/hostname": "gold\n"}, {"etc/hostname": "new\n"}, {"etc/hostname": "web1\n"})
    assert done.text("etc/hostname") == "web1\n"
    assert done.entry("/etc/hostname")["outcome"] == "clone"


def test_cache_is_golds_and_the_clones_directories_stay_empty(tmp_path: Path) -> None:
    clone = {"var/cache/app/big": "x" * 100, "var/cache/apt/pkg": "1"}
    done = merge_tables(tmp_path, {"var/cache/apt/pkg": "1"}, {"var/cache/apt/pkg": "2"}, clone)
    assert done.tree["var/cache/app"].kind == "d"
    assert "var/cache/app/big" not in done.tree
    assert done.text("var/cache/apt/pkg") == "2"
    assert done.entry("/var/cache")["dropped"] == {"files": 1, "bytes": 100}


def test_at_says_where_the_trees_stand(tmp_path: Path) -> None:
    base = {"passwd": PASSWD + "a:x:101:0::/:/x\n", "group": GROUP, "hostname": "g"}
    gold = {"passwd": PASSWD + "a:x:109:0::/:/x\n", "group": GROUP, "hostname": "h"}
    clone = {**base, "hostname": "web"}
    done = merge_tables(tmp_path, base, gold, clone, at="/etc")
    assert "a:x:109" in done.text("passwd")
    assert done.text("hostname") == "web"
    assert {entry["path"] for entry in done.record["entries"]} == {"/etc/passwd", "/etc/hostname"}


def test_a_second_run_gives_the_same_bytes(tmp_path: Path) -> None:
    base = {**accounts(), "etc/a": "1\n", "var/lib/x/y": "1", "etc/d": Dir(), "etc/l": Link("a")}
    gold = {**accounts("s:x:105:0::/:/x\n"), "etc/a": "2\n", "var/lib/x/y": "2", "etc/l": Link("b")}
    clone = {**accounts("l:x:105:0::/:/x\n"), "etc/a": "3\n", "var/lib/x/z": "2", "etc/d": Dir(), "etc/l": Link("c")}
    one = merge_tables(tmp_path, base, gold, clone, out="one")
    two = merge_tables(tmp_path, base, gold, clone, out="two")
    assert json.dumps(one.record) == json.dumps(two.record)
    assert one.tree == two.tree
    assert one.conflicts
