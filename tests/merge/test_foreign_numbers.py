"""Numbers of other systems: containers keep theirs, users' own containers and jails follow, and nobody plants a root."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from support.merging import Outcome, merge_tables
from support.trees import Dir, File, Node

pytestmark = pytest.mark.root

ROOT = "root:x:0:0::/root:/bin/bash\n"


def system(*, redis: int = 0, anna: int = 0, group: int = 0, **more: Node) -> dict[str, Node]:
    """Account files in which a service and a person have these numbers (0: there is none)."""
    users = f"redis:x:{redis}:{group or redis}::/:/usr/sbin/nologin\n" if redis else ""
    users += f"anna:x:{anna}:100::/home/anna:/bin/bash\n" if anna else ""
    groups = f"redis:x:{group or redis}:\n" if redis else ""
    return {"etc/passwd": ROOT + users, "etc/group": f"root:x:0:\nusers:x:100:\n{groups}", **more}


def acl(uid: int) -> bytes:
    entries = [(1, 6, 0xFFFFFFFF), (2, 6, uid), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


OLD, NEW = system(redis=999), system(redis=101)


@pytest.mark.parametrize(
    "place", ["docker", "containers", "containerd", "lxc", "lxd", "incus", "machines", "kubelet", "rancher"]
)
def test_a_containers_volume_keeps_its_numbers(tmp_path: Path, place: str) -> None:
    top = f"var/lib/{place}/volumes/db"
    own: dict[str, Node] = {
        top: Dir(uid=999, gid=999),
        f"{top}/data": File("d", uid=999, gid=999, mode=0o660, xattrs={"system.posix_acl_access": acl(999)}),
        "srv/redis/dump": File("r", uid=999, gid=999),
    }
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    data = done.tree[f"{top}/data"]
    assert (data.uid, data.gid, data.xattrs["system.posix_acl_access"]) == (999, 999, acl(999))
    assert (done.tree[top].uid, done.tree[top].gid) == (999, 999)
    assert (done.tree["srv/redis/dump"].uid, done.tree["srv/redis/dump"].gid) == (101, 101)
    assert done.conflicts == []


def test_nothing_of_a_container_keeps_an_account(tmp_path: Path) -> None:
    own = {"var/lib/docker/volumes/x": File("d", uid=999, gid=999)}
    done = merge_tables(tmp_path, OLD, system(), {**OLD, **own})
    assert "redis" not in done.text("etc/passwd") + done.text("etc/group")
    assert done.tree["var/lib/docker/volumes/x"].uid == 999


def test_a_containers_number_is_not_a_bare_number_of_the_server(tmp_path: Path) -> None:
    """Gold gives 500 to a new account: the container's 500 is nobody's here, and nothing is asked."""
    own = {"var/lib/docker/volumes/x": File("d", uid=500, gid=500)}
    done = merge_tables(tmp_path, system(), system(redis=500), {**system(), **own})
    assert (done.conflicts, done.tree["var/lib/docker/volumes/x"].uid) == ([], 500)


def test_golds_layers_of_containers_arrive_with_their_numbers(tmp_path: Path) -> None:
    def layer(uid: int) -> dict[str, Node]:
        return {"var/lib/docker/overlay2/l/f": File("1", uid=uid)}

    done = merge_tables(tmp_path, {**OLD, **layer(999)}, {**NEW, **layer(101)}, {**OLD, **layer(999)})
    assert done.tree["var/lib/docker/overlay2/l/f"].uid == 101, "gold gave the layer's file another owner"
    assert {e["path"]: e["outcome"] for e in done.record["entries"]}["/var/lib/docker"] == "gold"


def test_the_same_number_is_no_change_whatever_the_tables_call_it(tmp_path: Path) -> None:
    layer = {"var/lib/docker/overlay2/l/f": File("1", uid=999)}
    done = merge_tables(tmp_path, {**OLD, **layer}, {**NEW, **layer}, {**OLD, **layer})
    assert done.tree["var/lib/docker/overlay2/l/f"].uid == 999
    assert "/var/lib/docker" not in {entry["path"] for entry in done.record["entries"]}


def test_a_policy_says_numeric_and_takes_it_back(tmp_path: Path) -> None:
    own: dict[str, Node] = {
        "srv/chroots/a/f": File("1", uid=999), "srv/chroots/host/f": File("1", uid=999),
        "srv/pods-1/f": File("1", uid=999), "var/lib/machines/mine/f": File("1", uid=999),
    }  # fmt: skip
    policy = """
    [[rule]]
    paths = ["/srv/chroots", "/srv/pods-*"]
    owners = "numeric"
    [[rule]]
    paths = ["/srv/chroots/host", "/var/lib/machines/mine"]
    owners = "names"
    """
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own}, policy=policy)
    assert {path: done.tree[path].uid for path in own} == {
        "srv/chroots/a/f": 999, "srv/chroots/host/f": 101, "srv/pods-1/f": 999, "var/lib/machines/mine/f": 101,
    }  # fmt: skip


def test_a_later_rule_with_a_class_keeps_the_numbers(tmp_path: Path) -> None:
    own = {"var/lib/docker/volumes/x": File("d", uid=999)}
    policy = '[[rule]]\npath = "/var/lib/docker"\nclass = "state"\nwhole = true\n'
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own}, policy=policy)
    assert done.tree["var/lib/docker/volumes/x"].uid == 999


def test_a_users_own_containers_follow_the_user_and_keep_the_numbers_of_the_range(tmp_path: Path) -> None:
    store = "home/anna/.local/share/containers/storage/overlay/l/diff"
    own: dict[str, Node] = {
        store: Dir(uid=1000), f"{store}/etc/passwd": File(ROOT + "www:x:33:33::/:/x\n", uid=1000),
        f"{store}/var": Dir(uid=100032), "etc/subuid": "anna:100000:65536\n",
    }  # fmt: skip
    base, gold = system(anna=1000), system(anna=1005)
    done = merge_tables(tmp_path, base, gold, {**base, **own})
    assert (done.tree[store].uid, done.tree[f"{store}/var"].uid) == (1005, 100032)
    assert done.conflicts == []


def test_numbers_of_a_range_move_with_it(tmp_path: Path) -> None:
    base = system(anna=1000)
    gold = {**system(anna=1000), "etc/subuid": "build:100000:65536\n"}
    clone = {**base, "etc/subuid": "anna:100000:65536\n", "home/anna/c/f": File("1", uid=100033, gid=100)}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.tree["home/anna/c/f"].uid == 100033
    [conflict] = done.record["conflicts"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={conflict["key"]: Decision("gold")})
    assert sorted(again.text("etc/subuid").splitlines()) == ["anna:165536:65536", "build:100000:65536"]
    assert again.tree["home/anna/c/f"].uid == 165569
    assert [note["data"]["count"] for note in again.record["notes"] if note["kind"] == "ranges-moved"] == [1]


def test_images_of_virtual_machines_belong_to_the_hosts_accounts(tmp_path: Path) -> None:
    own = {"var/lib/libvirt/images/a.qcow2": File("d", uid=999, gid=999)}
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    assert (done.tree["var/lib/libvirt/images/a.qcow2"].uid, done.tree["var/lib/libvirt/images/a.qcow2"].gid) == (
        101,
        101,
    )


FOREIGN = ROOT + "postgres:x:999:999::/:/bin/sh\n"


def foreign(top: str, passwd: str = FOREIGN, **meta: int) -> dict[str, Node]:
    return {
        top: Dir(uid=0, gid=0), f"{top}/etc": Dir(uid=0, gid=0), f"{top}/etc/passwd": File(passwd, uid=0, gid=0),
        f"{top}/var/data": File("d", uid=999, gid=999, mode=0o4755),
    }  # fmt: skip


def owners(done: Outcome) -> list[tuple[str, str]]:
    return [found for found in done.conflicts if found[1] == "owners"]


def test_a_root_with_accounts_of_its_own_is_asked_about_and_keeps_its_numbers(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **foreign("srv/chroot/sid")})
    assert done.conflicts == [("/srv/chroot/sid", "owners")]
    [conflict] = done.record["conflicts"]
    assert (conflict["stands"], conflict["answers"]) == ("numeric", ["numeric", "names"])
    assert "user redis" in conflict["detail"]
    assert (done.tree["srv/chroot/sid/var/data"].uid, done.tree["srv/chroot/sid/var/data"].mode) == (999, 0o4755)
    for take, uid in (("numeric", 999), ("names", 101)):
        again = merge_tables(tmp_path, {}, {}, {}, out=take, decisions={conflict["key"]: Decision(take)})
        assert again.conflicts == []
        assert again.tree["srv/chroot/sid/var/data"].uid == uid
        assert "decided" in {note["kind"] for note in again.record["notes"]}


def test_a_root_that_gold_has_too_is_golds_matter(tmp_path: Path) -> None:
    """An unchanged clone becomes gold, whose container has its own 999; what the server added to it is asked about."""
    both = foreign("srv/chroot/sid")
    done = merge_tables(tmp_path, {**OLD, **both}, {**NEW, **both}, {**OLD, **both})
    assert (done.conflicts, done.tree["srv/chroot/sid/var/data"].uid) == ([], 999)
    (tmp_path / "own").mkdir()
    own = {**OLD, **both, "srv/chroot/sid/var/own": File("o", uid=999)}
    assert owners(merge_tables(tmp_path / "own", {**OLD, **both}, {**NEW, **both}, own)) == [
        ("/srv/chroot/sid", "owners")
    ]


def test_the_key_of_a_root_is_the_same_on_all_servers(tmp_path: Path) -> None:
    keys = set()
    for server, passwd in (("one", FOREIGN), ("two", ROOT + "mysql:x:999:999::/:/bin/sh\n")):
        (tmp_path / server).mkdir()
        done = merge_tables(tmp_path / server, OLD, NEW, {**OLD, **foreign("srv/chroot/sid", passwd)})
        keys |= {conflict["key"] for conflict in done.record["conflicts"]}
    assert len(keys) == 1


def test_a_root_that_uses_no_renumbered_number_is_not_spoken_of(tmp_path: Path) -> None:
    own = foreign("srv/chroot/sid")
    own["srv/chroot/sid/var/data"] = File("d", uid=998, gid=998)
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    assert done.conflicts == []
    assert not [note for note in done.record["notes"] if note["path"].startswith("/srv")]


@pytest.mark.parametrize("passwd", [ROOT + "redis:x:999:999::/:/x\n", ROOT, "redis:x:999:999::/:/x\n+\n"])
def test_a_jail_whose_accounts_are_the_servers_follows_them(tmp_path: Path, passwd: str) -> None:
    own = {**foreign("var/spool/postfix", passwd), "var/spool/postfix/etc/group": "redis:x:999:\n"}
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    assert done.tree["var/spool/postfix/var/data"].uid == 101
    assert done.conflicts == []
    notes = {note["kind"]: note["path"] for note in done.record["notes"]}
    assert notes["jail-tables-stale"] == "/var/spool/postfix"


def test_a_jail_whose_groups_are_others_is_a_root(tmp_path: Path) -> None:
    own = {**foreign("srv/ftp/jail", ROOT), "srv/ftp/jail/etc/group": "postgres:x:999:\n"}
    assert owners(merge_tables(tmp_path, OLD, NEW, {**OLD, **own})) == [("/srv/ftp/jail", "owners")]


@pytest.mark.parametrize(
    ("path", "meta"),
    [
        ("", {"uid": 999}),
        ("", {"mode": 0o777, "uid": 0}),
        ("/etc", {"uid": 999}),
        ("/etc", {"mode": 0o775, "uid": 0, "gid": 999}),
        ("/etc/passwd", {"uid": 999}),
        ("/etc/passwd", {"mode": 0o666, "uid": 0}),
    ],
)
def test_a_root_that_a_service_could_have_planted_wins_nothing(
    tmp_path: Path, path: str, meta: Mapping[str, int]
) -> None:
    """Else its set-uid program would keep the number, which is another account's by now."""
    own = foreign("var/lib/redis/r")
    own[f"var/lib/redis/r{path}"] = File(FOREIGN, **meta) if path == "/etc/passwd" else Dir(**meta)
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    assert done.tree["var/lib/redis/r/var/data"].uid == 101
    assert done.conflicts == []


@pytest.mark.parametrize("home", ["home/redis", "srv/app"])
def test_a_home_is_no_root(tmp_path: Path, home: str) -> None:
    base = {**OLD, "etc/passwd": str(OLD["etc/passwd"]).replace("::/:", f"::/{home}:")}
    gold = {**NEW, "etc/passwd": str(NEW["etc/passwd"]).replace("::/:", f"::/{home}:")}
    done = merge_tables(tmp_path, base, gold, {**base, **foreign(home)})
    assert (done.conflicts, done.tree[f"{home}/var/data"].uid) == ([], 101)


def test_configuration_is_no_root(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **foreign("etc/skel/jail")})
    assert (done.conflicts, done.tree["etc/skel/jail/var/data"].uid) == ([], 101)


@pytest.mark.parametrize("top", ["opt/jail", "srv/chroot/sid"])
def test_of_a_root_that_is_not_in_the_result_nothing_is_asked(tmp_path: Path, top: str) -> None:
    keep: dict[str, Node] = {"srv/chroot/keep": "x", "opt/keep": "x"}
    base = {**OLD, **keep, **foreign(top)}
    gone = merge_tables(tmp_path / "gold", base, {**NEW, **keep}, base)
    assert gone.conflicts == [] and f"{top}/etc/passwd" not in gone.tree
    own = merge_tables(tmp_path / "server", base, {**base, **NEW}, {**OLD, **keep})
    assert own.conflicts == [] and f"{top}/etc/passwd" not in own.tree


# -- below /opt, and wherever else no rule says state


@pytest.mark.parametrize("top", ["opt/jail", "opt/app/rootfs", "data/containers/db"])
def test_a_root_where_no_rule_says_state_is_asked_about_too(tmp_path: Path, top: str) -> None:
    own = {f"{top}/file{n}": File(str(n), uid=999, gid=999, mode=0o4755) for n in range(2)}
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **foreign(top), **own})
    assert done.conflicts == [(f"/{top}", "owners")]
    assert {done.tree[path].uid for path in (*own, f"{top}/var/data")} == {999}
    names = merge_tables(tmp_path, {}, {}, {}, out="names", decisions=done.decide("names"))
    assert names.conflicts == [] and {names.tree[path].uid for path in (*own, f"{top}/var/data")} == {101}


@pytest.mark.parametrize(
    ("path", "meta"),
    [
        ("opt/redis", {"uid": 999}),
        ("opt/redis", {"mode": 0o777, "uid": 0}),
        ("opt/redis/r", {"uid": 999}),
        ("opt/redis/r/etc", {"uid": 999}),
        ("opt", {"mode": 0o777, "uid": 0}),
    ],
)
def test_a_root_below_a_services_directory_wins_nothing(tmp_path: Path, path: str, meta: Mapping[str, int]) -> None:
    own = {"opt": Dir(), "opt/redis": Dir(uid=0), **foreign("opt/redis/r"), path: Dir(**meta)}
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    assert (done.conflicts, done.tree["opt/redis/r/var/data"].uid) == ([], 101)


def volume(*numbers: int) -> dict[str, Node]:
    return {
        "opt": Dir(uid=0), "opt/app": Dir(uid=0),
        **{f"opt/app/volumes/{uid}/data": File("d", uid=uid, gid=uid) for uid in numbers},
    }  # fmt: skip


def test_several_numbers_that_the_server_does_not_know_make_a_volume(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **volume(70, 472, 999)})
    assert done.conflicts == [("/opt/app", "owners")]
    assert "(70, 472)" in done.record["conflicts"][0]["detail"]
    assert done.tree["opt/app/volumes/999/data"].uid == 999
    more = merge_tables(tmp_path / "more", OLD, NEW, {**OLD, **volume(70, 71, 999)})
    assert [one["key"] for one in more.record["conflicts"]] == [one["key"] for one in done.record["conflicts"]]
    names = merge_tables(tmp_path, {}, {}, {}, out="names", decisions=done.decide("names"))
    assert names.conflicts == [] and names.tree["opt/app/volumes/999/data"].uid == 101


@pytest.mark.parametrize(
    "own",
    [
        volume(999),
        volume(472, 999),  # one stranger may be an accident
        volume(100070, 100472, 999),  # numbers that a service of a user can have: his sub-range
        volume(20001, 20002, 999),  # people that a directory service knows
        {**volume(70, 472, 999), "opt/app": Dir(uid=999)},
    ],
    ids=["none", "one", "sub-range", "people", "a service's own directory"],
)
def test_what_a_service_could_make_or_an_accident_is_no_volume(tmp_path: Path, own: dict[str, Node]) -> None:
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **own})
    assert (done.conflicts, done.tree["opt/app/volumes/999/data"].uid) == ([], 101)


def test_a_volume_without_a_renumbered_number_is_not_spoken_of(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, OLD, NEW, {**OLD, **volume(70, 472)})
    assert done.conflicts == []


def test_at_jobs_and_crontabs_and_mail_are_noted(tmp_path: Path) -> None:
    spool: dict[str, Node] = {
        "var/spool/cron/atjobs/a1": File("#!/bin/sh\n# atrun uid=1000 gid=100\n# mail anna 0\n", uid=1000),
        "var/spool/cron/atjobs/a2": File("#!/bin/sh\n# atrun uid=0 gid=0\n# mail root 0\n", uid=0),
        "var/spool/cron/crontabs/anna": File("x\n", uid=1000), "var/spool/cron/tabs/gone": "x\n",
        "var/mail/gone": "m", "var/mail/root": "m", "var/spool/cron/crontabs/redis": "x\n",
    }  # fmt: skip
    base, gold = system(anna=1000, redis=999), system(anna=1005)
    done = merge_tables(tmp_path, base, gold, {**base, **spool})
    notes = {note["kind"]: note["data"] for note in done.record["notes"]}
    assert notes["at-job-stale"]["paths"] == ["/var/spool/cron/atjobs/a1"]
    assert notes["spool-without-account"]["paths"] == ["/var/spool/cron/tabs/gone", "/var/mail/gone"]


def test_with_other_sources_only_a_name_that_went_is_noted(tmp_path: Path) -> None:
    base, gold = system(redis=999), system()
    spool: dict[str, Node] = {
        "var/mail/of-ldap": "m",
        "var/mail/redis": "m",
        "etc/nsswitch.conf": "passwd: files sss\n",
    }
    done = merge_tables(tmp_path, base, gold, {**base, **spool})
    notes = {note["kind"]: note["data"] for note in done.record["notes"]}
    assert notes["spool-without-account"]["paths"] == ["/var/mail/redis"]
