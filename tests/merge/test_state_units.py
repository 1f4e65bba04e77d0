"""State units in the second edition (letter E): what gold deleted, renamed, re-owned or added in what the server keeps."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from goldroot.accounts import ACL_ACCESS
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from support.going_back import plan_again, plan_back
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Link, Node

ROOT_ONLY = pytest.mark.root
KEEP: Table = {"etc/keep": "x", "var/lib": Dir(), "var/log": Dir(), "srv": Dir()}


def unit_notes(done: Outcome, path: str) -> str:
    return " | ".join(done.entry(path).get("notes", ()))


@pytest.mark.parametrize(("path", "asked"), [
    ("var/lib/app/x", True), ("var/lib/private/app/x", True), ("srv/site/x", True), ("var/www/site/x", True),
    ("var/opt/vendor/x", True), ("usr/local/lib/tool/x", True), ("var/named/zone", True),
    ("var/log/app/x", False), ("var/spool/app/x", False), ("var/mail/anna", False), ("var/backups/x", False),
    ("var/tmp/x", False), ("home/anna/x", False), ("root/x", False), ("var/lib/systemd/timers/x", False),
])  # fmt: skip
def test_gold_deleted_a_unit_that_the_server_changed(tmp_path: Path, path: str, asked: bool) -> None:
    top = str(Path(path).parent.parent)
    beside: Table = {**KEEP, **({top: Dir()} if top != "." else {})}
    done = merge_tables(tmp_path, {**beside, path: "1"}, beside, {**beside, path: "2"})
    assert done.text(path) == "2"
    if not asked:
        assert done.conflicts == []
        assert "gold deleted this state unit" in str(done.record["notes"])
        return
    [(where, axis)] = done.conflicts
    assert axis == "unit" and f"/{path}".startswith(where)
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.conflicts == [] and kept.text(path) == "2"
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert taken.conflicts == [] and path not in taken.tree


def test_the_question_about_a_live_database_has_one_key(tmp_path: Path) -> None:
    keys = set()
    for number in range(3):
        clone: Table = {**KEEP, "var/lib/db/data": f"written {number}", f"var/lib/db/wal{number}": "w"}
        done = merge_tables(tmp_path / str(number), {**KEEP, "var/lib/db/data": "1"}, KEEP, clone)
        keys |= {conflict["key"] for conflict in done.record["conflicts"]}
    assert len(keys) == 1


def test_what_gold_has_beside_it_and_the_port_that_both_name_are_said(tmp_path: Path) -> None:
    def cluster(version: str, data: str) -> Table:
        return {
            f"var/lib/postgresql/{version}/main/PG_VERSION": data,
            f"etc/postgresql/{version}/main/postgresql.conf": "#port = 1\nport = 5432\t# the port\n",
        }

    base, gold = {**KEEP, **cluster("15", "15")}, {**KEEP, **cluster("17", "17")}
    own = "etc/postgresql/15/main/postgresql.conf"
    clone: Table = {**base, "var/lib/postgresql/15/main/base": "mine", own: str(base[own]) + "# mine\n"}
    done = merge_tables(tmp_path, base, gold, clone)
    [detail] = [one["detail"] for one in done.record["conflicts"] if one["axis"] == "unit"]
    assert "/var/lib/postgresql/17" in detail and "5432" in detail
    assert "var/lib/postgresql/15/main/base" in done.tree and "var/lib/postgresql/17/main/PG_VERSION" in done.tree


def test_a_unit_that_gold_deleted_and_nobody_changed_goes(tmp_path: Path) -> None:
    base: Table = {**KEEP, "var/lib/app/x": "1"}
    done = merge_tables(tmp_path, base, KEEP, base)
    assert "var/lib/app" not in done.tree and done.conflicts == []


# -- the unit's own directory


@ROOT_ONLY
def test_golds_chown_of_a_log_directory_arrives(tmp_path: Path) -> None:
    def nginx(uid: int, mode: int, **files: str) -> Table:
        return {**KEEP, "var/log/nginx": Dir(uid=uid, gid=4, mode=mode),
                **{f"var/log/nginx/{name}": File(text, uid=33) for name, text in files.items()}}  # fmt: skip

    base, gold = nginx(0, 0o755, access="1"), nginx(33, 0o750, access="1")
    done = merge_tables(tmp_path, base, gold, nginx(0, 0o755, access="1\n2\n", error="e"))
    top = done.tree["var/log/nginx"]
    assert (top.uid, top.gid, top.mode) == (33, 4, 0o750)
    assert done.text("var/log/nginx/access") == "1\n2\n" and done.conflicts == []
    assert "mode, owner" in unit_notes(done, "/var/log/nginx")


def test_modes_that_both_changed_are_a_question_about_the_unit(tmp_path: Path) -> None:
    def unit(mode: int, text: str) -> Table:
        return {**KEEP, "var/lib/app": Dir(mode=mode), "var/lib/app/x": text}

    done = merge_tables(tmp_path, unit(0o755, "1"), unit(0o750, "1"), unit(0o700, "2"))
    assert done.conflicts == [("/var/lib/app", "mode")]
    assert done.tree["var/lib/app"].mode == 0o700
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert taken.tree["var/lib/app"].mode == 0o750 and taken.text("var/lib/app/x") == "2"


def test_a_unit_that_is_a_file_keeps_its_content_and_takes_golds_mode(tmp_path: Path) -> None:
    def log(mode: int, text: str) -> Table:
        return {**KEEP, "var/log/app.log": File(text, mode=mode)}

    done = merge_tables(tmp_path, log(0o644, ""), log(0o640, ""), log(0o644, "line\n"))
    assert done.tree["var/log/app.log"].mode == 0o640 and done.text("var/log/app.log") == "line\n"


def test_what_the_server_made_a_link_stays_one(tmp_path: Path) -> None:
    def db(mode: int) -> Table:
        return {**KEEP, "var/lib/mysql": Dir(mode=mode), "var/lib/mysql/ibdata": "1"}

    clone: Table = {**KEEP, "var/lib/mysql": Link("/data/mysql")}
    done = merge_tables(tmp_path, db(0o755), db(0o700), clone)
    assert done.tree["var/lib/mysql"].content == b"/data/mysql" and done.conflicts == []


def test_a_whole_unit_takes_nothing(tmp_path: Path) -> None:
    def named(mode: int, **files: str) -> Table:
        return {**KEEP, "var/named": Dir(mode=mode), **{f"var/named/{name}": text for name, text in files.items()}}

    done = merge_tables(tmp_path, named(0o755, hints="1"), named(0o750, hints="2"), named(0o755, hints="1", zone="z"))
    assert done.tree["var/named"].mode == 0o755 and done.text("var/named/hints") == "1"
    assert "/var/named/hints" in unit_notes(done, "/var/named")


# -- a renamed owner


def passwd(*names: str) -> Table:
    users = "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in map(split, names))
    groups = "".join(f"{name}:x:{number}:\n" for name, number in map(split, names))
    return {**KEEP, "etc/passwd": "root:x:0:0::/root:/bin/sh\n" + users, "etc/group": "root:x:0:\n" + groups}


def split(one: str) -> tuple[str, str]:
    name, _, number = one.partition("=")
    return name, number


def data(uid: int, text: str, **more: int) -> Table:
    owned = {f"var/lib/app/{name}": File("m", uid=number, gid=number) for name, number in more.items()}
    return {"var/lib/app": Dir(uid=uid, gid=uid), "var/lib/app/data": File(text, uid=uid, gid=uid), **owned}


@ROOT_ONLY
@pytest.mark.parametrize("number", [105, 106])
def test_a_renamed_account_takes_its_files_with_it(tmp_path: Path, number: int) -> None:
    base = {**passwd("lighttpd=105"), **data(105, "1")}
    gold = {**passwd(f"www={number}"), **data(number, "1")}
    clone = {**passwd("lighttpd=105"), **data(105, "2", own=105)}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == []
    assert {
        (done.tree[f"var/lib/app{path}"].uid, done.tree[f"var/lib/app{path}"].gid) for path in ("", "/data", "/own")
    } == {(number, number)}
    assert "lighttpd" not in done.text("etc/passwd") and "lighttpd" not in done.text("etc/group")
    assert "www in the place of lighttpd" in unit_notes(done, "/var/lib/app")


@ROOT_ONLY
def test_in_acls_too(tmp_path: Path) -> None:
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, 6, who)
        for tag, who in ((1, 2**32 - 1), (2, 105), (4, 2**32 - 1), (16, 2**32 - 1), (32, 2**32 - 1))
    )
    base = {**passwd("old=105"), **data(105, "1")}
    gold = {**passwd("new=106"), **data(106, "1")}
    clone = {
        **passwd("old=105"),
        **data(105, "2"),
        "var/lib/app/f": File("x", xattrs={ACL_ACCESS.decode(): acl}, mode=0o666),
    }
    done = merge_tables(tmp_path, base, gold, clone)
    assert struct.pack("<HHI", 2, 6, 106) in done.tree["var/lib/app/f"].xattrs[ACL_ACCESS.decode()]


@ROOT_ONLY
@pytest.mark.parametrize(("gold_names", "gold_data", "answers"), [
    (["a=106", "b=107"], {"data": 106, "more": 107}, ["clone"]),  # in two parts
    (["other=104"], {"data": 104, "more": 104}, ["clone", "gold"]),  # to an account that was there before
    ([], {"data": 0, "more": 0}, ["clone", "gold"]),  # to root
    ([], {"data": 999, "more": 999}, ["clone"]),  # to nobody
])  # fmt: skip
def test_any_exception_is_a_question(
    tmp_path: Path, gold_names: list[str], gold_data: dict[str, int], answers: list[str]
) -> None:
    base = {**passwd("old=105", "other=104"), **data(105, "1", more=105)}
    owned = {
        f"var/lib/app/{name}": File("1" if name == "data" else "m", uid=uid, gid=uid) for name, uid in gold_data.items()
    }
    gold = {**passwd(*gold_names), "var/lib/app": Dir(uid=gold_data["data"], gid=gold_data["data"]), **owned}
    clone = {**passwd("old=105", "other=104"), **data(105, "2", more=105)}
    done = merge_tables(tmp_path, base, gold, clone)
    asked = [one for one in done.record["conflicts"] if one["kind"] == "owner-renamed"]
    assert [(one["path"], one["axis"], one["answers"]) for one in asked] == [
        ("/var/lib/app", axis, answers) for axis in ("group", "owner")
    ]
    assert done.tree["var/lib/app/data"].uid == 105
    if "gold" in answers:
        taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
        assert taken.tree["var/lib/app/data"].uid == gold_data["data"]


@ROOT_ONLY
@pytest.mark.parametrize("names", [("old=105", "new=106"), ("old=105",)])
def test_never_for_a_name_that_gold_still_has(tmp_path: Path, names: tuple[str, ...]) -> None:
    to = 106 if len(names) > 1 else 0
    done = merge_tables(
        tmp_path, {**passwd("old=105"), **data(105, "1")}, {**passwd(*names), **data(to, "1")},
        {**passwd("old=105"), **data(105, "2")},
    )  # fmt: skip
    assert done.tree["var/lib/app/data"].uid == 105
    assert [one for one in done.record["conflicts"] if one["kind"] == "owner-renamed"] == []


# -- directories that gold added


def test_empty_directories_of_golds_arrive_beside_what_the_server_has(tmp_path: Path) -> None:
    base: Table = {**KEEP, "var/lib/app/a/x": "1"}
    gold: Table = {**base, "var/lib/app/new": Dir(mode=0o750), "var/lib/app/a/sub": Dir(), "var/lib/app/full/f": "f",
                   "var/lib/app/deep/er": Dir()}  # fmt: skip
    done = merge_tables(tmp_path, base, gold, {**KEEP, "var/lib/app/a/x": "2"})
    found = sorted(path for path in done.tree if path.startswith("var/lib/app/"))
    assert found == [f"var/lib/app/{name}" for name in ("a", "a/sub", "a/x", "deep", "new")]
    assert done.tree["var/lib/app/new"].mode == 0o750
    assert "/var/lib/app/full" in unit_notes(done, "/var/lib/app")


@pytest.mark.parametrize("top", ["var/lib/mysql", "var/lib/postgresql/15", "var/lib/ldap", "home/anna", "srv/site",
                                 "var/www/site", "var/lib/docker", "var/named"])  # fmt: skip
def test_where_an_empty_directory_means_something_none_arrives(tmp_path: Path, top: str) -> None:
    base: Table = {**KEEP, f"{top}/x": "1"}
    done = merge_tables(tmp_path, base, {**base, f"{top}/new": Dir()}, {**KEEP, f"{top}/x": "2"})
    assert f"{top}/new" not in done.tree
    assert f"/{top}/new" in str(done.record["entries"])


def test_a_policy_may_say_so_too(tmp_path: Path) -> None:
    base: Table = {**KEEP, "var/lib/app/x": "1"}
    gold: Table = {**base, **{f"var/lib/app/d{number:02}": Dir() for number in range(15)}}
    rule = '[[rule]]\npath = "/var/lib/app"\nmkdir = false\n'
    done = merge_tables(tmp_path, base, gold, {**KEEP, "var/lib/app/x": "2"}, policy=rule)
    assert [path for path in done.tree if "/d" in path] == []
    assert "/var/lib/app/d09 and 5 more" in unit_notes(done, "/var/lib/app")


# -- /usr/local and others by the policy


def test_an_own_script_keeps_none_of_golds_away(tmp_path: Path) -> None:
    base: Table = {"usr/local/bin/fixed": "1", "etc/keep": "x"}
    clone: Table = {**base, "usr/local/bin/own": "mine"}
    done = merge_tables(tmp_path, base, {**base, "usr/local/bin/fixed": "2"}, clone)
    assert done.text("usr/local/bin/fixed") == "2" and done.text("usr/local/bin/own") == "mine"


def test_a_package_in_usr_local_is_one_thing(tmp_path: Path) -> None:
    def package(text: str) -> dict[str, Node]:
        return {f"usr/local/lib/python3.11/{name}": text for name in ("a.py", "b.py")}

    base, gold = {**KEEP, **package("2")}, {**KEEP, **package("3")}
    clone: Table = {**base, "usr/local/lib/python3.11/a.py": "mine"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.text("usr/local/lib/python3.11/a.py") == "mine" and done.text("usr/local/lib/python3.11/b.py") == "2"


@pytest.mark.parametrize("top", ["var/named", "var/cache/bind"])
def test_no_halves_of_a_name_servers_data(tmp_path: Path, top: str) -> None:
    base: Table = {**KEEP, f"{top}/zone": "1", f"{top}/zone.jnl": "1"}
    gold: Table = {**KEEP, f"{top}/zone": "2", f"{top}/zone.jnl": "1"}
    done = merge_tables(tmp_path, base, gold, {**KEEP, f"{top}/zone": "1", f"{top}/zone.jnl": "own"})
    assert done.text(f"{top}/zone") == "1" and done.text(f"{top}/zone.jnl") == "own"
    assert f"/{top}/zone" in unit_notes(done, f"/{top}")


def test_a_file_in_the_place_of_a_unit_is_a_unit(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {**KEEP, "var/opt/a": "1"}, {**KEEP, "var/opt/a": "2"}, {**KEEP, "var/opt/a": "3"})
    assert done.text("var/opt/a") == "3" and done.conflicts == []
    assert done.entry("/var/opt/a")["axis"] == "unit"


# -- what does not arrive is named


@pytest.mark.parametrize("top", ["var/lib/app", "var/cache/bind", "srv/site"])
def test_what_gold_changed_without_another_size_or_time_is_named(tmp_path: Path, top: str) -> None:
    when = 1_700_000_000_000_000_000

    def unit(gold: str, own: str) -> Table:
        return {**KEEP, f"{top}/a": File(gold, mtime=when), f"{top}/b": File("same", mtime=when), f"{top}/own": own}

    done = merge_tables(tmp_path, unit("1", ""), unit("2", ""), unit("1", "mine"))
    assert done.text(f"{top}/a") == "1"
    assert unit_notes(done, f"/{top}").endswith(f"of gold's were not taken: /{top}/a")


def test_what_gold_removed_in_a_unit_that_is_kept_is_named_as_that(tmp_path: Path) -> None:
    base: Table = {**KEEP, "var/lib/app/x": "1", "var/lib/app/d/a": "1", "var/lib/app/d/b": "1", "var/lib/app/g": "1"}
    gold: Table = {**KEEP, "var/lib/app/x": "1", "var/lib/app/new": "n"}
    clone = {path: node for path, node in base.items() if path != "var/lib/app/g"} | {"var/lib/app/own": "mine"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.text("var/lib/app/d/a") == "1" and "var/lib/app/g" not in done.tree
    assert unit_notes(done, "/var/lib/app").endswith(
        "of gold's were not taken: /var/lib/app/new; gold removed, and the server's stay: /var/lib/app/d"
    )


def test_what_is_too_much_to_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldroot.merge.compare.compare.MOST_READ", 2)
    when = 1_700_000_000_000_000_000

    def unit(text: str, own: str) -> Table:
        files = {f"var/lib/app/{number}": File(text, mtime=when) for number in range(5)}
        return {**KEEP, **files, "var/lib/app/own": own}

    done = merge_tables(tmp_path, unit("1", ""), unit("2", ""), unit("1", "mine"))
    assert unit_notes(done, "/var/lib/app").endswith(
        "not taken: /var/lib/app/0, /var/lib/app/1; 3 more files, of equal size and time, were not compared"
    )


@pytest.mark.parametrize(("top", "files"), [
    ("var/kerberos/krb5kdc", ("principal", "principal.kadm5")),
    ("var/lib/kerberos/krb5kdc", ("principal", "principal.ok")),
    ("var/lib/krb5kdc", ("principal", "principal.kadm5")),
    ("var/yp/site.example", ("passwd.byname", "passwd.byuid")),
    ("var/db/app", ("a.db", "b.db")),
    ("var/imap/db", ("log.1", "skipstamp")),
    ("var/vmail/anna", ("index", "mailbox")),
    ("opt/app/data", ("ibdata1", "ib_logfile0")),
    ("opt/vendor/app/var", ("store", "index")),
    ("etc/ldap/slapd.d", ("cn=config.ldif", "cn=config/olc.ldif")),
    ("etc/openldap/slapd.d", ("cn=config.ldif", "cn=config/olc.ldif")),
    ("etc/pki/nssdb", ("cert9.db", "key4.db")),
    ("etc/ipsec.d", ("cert9.db", "key4.db")),
    ("etc/openldap/certs", ("cert8.db", "secmod.db")),
    ("etc/dirsrv/slapd-a", ("key4.db", "pkcs11.txt")),
    ("etc/pihole", ("gravity.db", "gravity.db-wal")),
])  # fmt: skip
def test_no_halves_of_databases(tmp_path: Path, top: str, files: tuple[str, str]) -> None:
    """Gold changed one file of it, the server the other."""
    one, other = (f"{top}/{name}" for name in files)
    keep: Table = {**KEEP, str(Path(top).parent) + "/keep": "k"}
    done = merge_tables(
        tmp_path, {**keep, one: "1", other: "1"}, {**keep, one: "2", other: "1"}, {**keep, one: "1", other: "3"}
    )
    assert (done.text(one), done.text(other)) == ("1", "3")
    assert done.conflicts == []
    untouched = merge_tables(tmp_path / "u", {**keep, one: "1"}, {**keep, one: "2"}, {**keep, one: "1"})
    assert untouched.text(one) == "2"


@pytest.mark.parametrize(
    "path", ["var/kerberos/krb5kdc/kdc.conf", "var/lib/kerberos/krb5kdc/kadm5.acl", "var/yp/securenets"]
)
def test_configuration_beside_a_database_is_merged(tmp_path: Path, path: str) -> None:
    beside: Table = {**KEEP, str(Path(path).parent / "db"): "mine"}
    lines = [f"{number}\n" for number in range(9)]
    golds, mine = ["gold's\n", *lines[1:]], [*lines[:-1], "mine\n"]
    done = merge_tables(tmp_path, *({**beside, path: "".join(text)} for text in (lines, golds, mine)))
    assert done.text(path) == "".join(["gold's\n", *lines[1:-1], "mine\n"]) and done.conflicts == []


@pytest.mark.parametrize(("take", "side"), [("clone", CLONE_SIDE), ("gold", GOLD_SIDE)])
def test_a_way_back_takes_the_unit_that_a_person_names_where_all_three_differ(
    tmp_path: Path, take: str, side: int
) -> None:
    asked = plan_back(tmp_path, *({**KEEP, "var/lib/app/x": content} for content in ("1", "22", "333")))
    assert [conflict.kind for conflict in asked.conflicts] == ["state-changed-since"]
    plan = plan_again(asked, take)
    unit = plan.parts[0].decided.units[b"var/lib/app"]
    assert (plan.conflicts, unit.side, unit.notes) == ([], side, [])
