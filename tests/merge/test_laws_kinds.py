"""The laws over what the second edition knows: references, renumbered units, moved and renamed files, entries of files over three
versions, labels, and roots and volumes of other systems.

Each kind is a list of ways in which it may stand on one side; each side takes one of them, so that what has something to do with
each other meets in most examples.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldroot.conflicts import Decision
from support.examples import examples
from support.laws import Tree, merged, room, tidy
from support.merging import Outcome, merge_directories
from support.trees import Dir, File, Link, Node, dump_tree

ROOT = os.geteuid() == 0
WHEN = 1_700_000_000_000_000_000
Ways = list[dict[str, Node]]


def text(*changed: int) -> str:
    return "".join(f"line {number}{' changed' if number in changed else ''}\n" for number in range(12))


def php(version: str, **files: str) -> dict[str, Node]:
    return {f"etc/php/{version}/{name}": content for name, content in files.items()}


def wants(*names: str) -> dict[str, Node]:
    top = "etc/systemd/system/multi-user.target.wants"
    return {f"{top}/{name}": Link(f"/usr/lib/systemd/system/{name}") for name in names}


def editor(name: str, mode: str = "auto", *others: str) -> dict[str, Node]:
    choices = "".join(f"/usr/bin/{one}\n{len(one)}0\n/usr/man/{one}.gz\n" for one in (name, *others))
    return {
        "etc/alternatives/editor": Link(f"/usr/bin/{name}"), "etc/alternatives/editor.1.gz": Link(f"/usr/man/{name}.gz"),
        "var/lib/dpkg/alternatives/editor": f"{mode}\n/usr/bin/editor\neditor.1.gz\n/usr/m/editor.gz\n\n{choices}\n",
        f"usr/bin/{name}": File("#!", mode=0o755),
    }  # fmt: skip


def accounts(number: int, **more: Node) -> dict[str, Node]:
    users = f"redis:x:{number}:{number}::/:/bin/false\n" if number else ""
    groups = f"redis:x:{number}:\n" if number else ""
    return {"etc/passwd": "root:x:0:0::/:/bin/sh\n" + users, "etc/group": "root:x:0:\n" + groups, **more}


def owned(path: str, *numbers: int) -> dict[str, Node]:
    return {f"{path}/{number}": File("d", uid=number, gid=number) for number in numbers} if ROOT else {}


def static(*names: str) -> dict[str, Node]:
    """Links by which packages start units."""
    links = {f"usr/lib/systemd/system/multi-user.target.wants/{name}": Link(f"../{name}") for name in names}
    return {**links, "etc/systemd/system": Dir()}


def nss(*files: str) -> dict[str, Node]:
    return {
        f"etc/ipsec.d/{name}": content for name, content in zip(("cert9.db", "key4.db", "x.conf"), files, strict=False)
    }


def members(**groups: str) -> dict[str, Node]:
    """Users of which the first letter is in a group's members, and such groups."""
    lines = {name: ",".join(users) for name, users in groups.items()}
    users = sorted(set("".join(groups.values())))
    return {
        "etc/passwd": "root:x:0:0::/:/bin/sh\n" + "".join(f"{u}:x:{100 + ord(u)}:100::/:/bin/sh\n" for u in users),
        "etc/group": "root:x:0:\n" + "".join(f"{n}:x:{4 + len(n)}:{held}\n" for n, held in lines.items()) + "users:x:100:\n",
        "etc/gshadow": "root:*::\n" + "".join(f"{n}:!:{held[:1]}:{held}\n" for n, held in lines.items()),
    }  # fmt: skip


def labelled(label: bytes) -> dict[str, Node]:
    return {"etc/labelled": File("1", xattrs={"security.selinux": label} if ROOT else {})}


OLD: dict[str, Node] = {"opt/old/run": File("#!", mode=0o755)}
MASK: dict[str, Node] = {"etc/systemd/system/php8.2-fpm.service": Link("/dev/null")}
OWN = "etc/systemd/system/own.service"
HOSTS = ("1.1.1.1 a\n", "1.1.1.1 a b\n", "2.2.2.2 c\n", "3.3.3.3 d\n")

KINDS: dict[str, Ways] = {
    "pools": [{}, php("8.2", www=text()), php("8.4", www=text(3)), php("8.2", shop=text(5)), php("8.2", www=text(5)),
              php("8.2", www=text(), own=text(7)), php("8.4", www=text(), own="o\n")],
    "twins": [{}, php("8.2", cli=text(), fpm=text()), php("8.4", cli=text(), fpm=text()), php("8.2", cli=text(1), fpm=text()),
              {**php("8.2", fpm=text(2)), **php("8.4", cli=text())}],
    "units": [{}, wants("php8.2-fpm.service"), wants("php8.4-fpm.service"), MASK, {**wants("php8.2-fpm.service"), **MASK},
              {"etc/rc3.d/S01php": Link("../init.d/php")}],
    "packages' units": [{}, wants("php8.2-fpm.service"), static("php8.4-fpm.service"), {**static("php8.2-fpm.service"), **MASK},
                        static("php8.2-fpm.service"), {**static("php8.4-fpm.service"), **wants("php8.4-fpm.service")}],
    "databases": [{}, nss("1", "1", text()), nss("2", "1", text(1)), nss("1", "2", text(9)), nss("2", "2"), nss("1"),
                  {"etc/a.db": "1", "etc/a.db-wal": "1"}, {"etc/a.db": "2"}, {"etc/a.db": "1", "etc/a.db-wal": "2"}],
    "members": [members(), members(adm="ab"), members(adm="b"),
                members(adm="", wheel="ab"), members(wheel="a"), members(adm="a", wheel="b")],
    "sites": [{}, {"etc/n/s-enabled/a": Link("../s/x")}, {"etc/n/s-enabled/b": Link("../s/x")},
              {"etc/m/s-enabled/a": Link("../s/x"), "etc/n/s/x": text()}, {"etc/n/s/y": text(4)}],
    "names": [{}, OLD, {OWN: "ExecStart=/opt/old/run x\n"}, {OWN: "ExecStart=/opt/old/run x\n", **OLD},
              {"etc/cron.d/own": "@daily root /opt/old/run\n", **OLD}, {"etc/fstab": "/opt/old /mnt none bind\n", **OLD}],
    "entries": [{}, *({"etc/hosts": "".join(HOSTS[place] for place in places), "etc/shells": "".join(
        f"/{place}\n" for place in places)} for places in ((0,), (1, 2), (0, 2, 3), (2, 3), (0, 3)))],
    "editors": [{}, editor("ed"), editor("ed", "manual", "vim"), editor("vim"), editor("vim", "manual"), editor("nano")],
    "maps": [{}, *({"etc/postfix/t": source, "etc/postfix/t.db": "\0" + source + more} for source, more in
                   (("a\n", ""), ("a\n", "own"), ("b\n", ""))), {"etc/postfix/t.db": "\0a\n"}, {"etc/postfix/t": "a\n"}],
    "units of state": [{}, *({"var/lib/app/a": File(one, mtime=WHEN), "var/lib/app/own": two, "var/kerberos/k/p": one}
                             for one, two in (("1", ""), ("2", ""), ("1", "mine"), ("2", "mine")))],
    "labels": [{}, *(labelled(label) for label in (b"1", b"2", b"3")), {"etc/labelled": "1"}],
    "numbers": [accounts(number, **more) for number in (999, 101, 0) for more in (
        {}, owned("opt/app", 70, 472, 999), {"opt/r/etc/passwd": "x:x:999:9::/:/x\n", **owned("opt/r/d", 999)},
        owned("srv/redis", 999))],
}  # fmt: skip


@st.composite
def sides(draw: st.DrawFn, count: int = 3) -> list[Tree]:
    """Tables of base, gold and clone, of one to three kinds."""
    tables: list[Tree] = [{"etc/keep": "x", "var/lib/dpkg/alternatives": Dir()} for _ in range(count)]
    for kind in draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3, unique=True)):
        for table in tables:
            table.update(draw(st.sampled_from(KINDS[kind])))
    return [whole(table) for table in tables]


def whole(table: Tree) -> Tree:
    parts = [path.split("/") for path in table]
    above = {"/".join(names[:depth]) for names in parts for depth in range(len(names))}
    return tidy({**{path: Dir(mode=0o755) for path in above}, **table})


quick = settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def three(tables: list[Tree]) -> Iterator[tuple[Path, dict[str, Path]]]:
    with room(base=tables[0], gold=tables[1], clone=tables[2]) as found:
        yield found


@quick
@given(sides())
def test_what_only_one_side_changed_and_what_both_did_alike(tables: list[Tree]) -> None:
    with three(tables) as (place, roots):
        for gold, clone, wanted in (("base", "clone", "clone"), ("gold", "base", "gold"), ("clone", "clone", "clone")):
            done = merged(place, roots, "base", gold, clone, out=f"{gold}-{clone}", at="/")
            assert done.tree == dump_tree(roots[wanted])
            assert done.conflicts == []


@quick
@given(sides())
def test_merging_again_changes_nothing_and_asks_nothing_new(tables: list[Tree]) -> None:
    with three(tables) as (place, roots):
        done = merged(place, roots, "base", "gold", "clone", at="/")
        settled = merged(place, {**roots, "result": done.out}, "gold", "gold", "result", out="settled", at="/")
        assert (settled.tree, settled.conflicts) == (done.tree, [])
        recorded = {entry["path"] for entry in done.record["entries"]}
        units = [entry["path"] for entry in done.record["entries"] if entry["axis"] == "unit"]
        for path in {path for word in roots for path in dump_tree(roots[word])} - set(done.tree):
            assert f"/{path}" in recorded or any(f"/{path}".startswith(f"{unit}/") for unit in units), path


@quick
@given(sides(), st.integers(0, 2))
def test_every_question_can_be_answered_and_the_answer_holds(tables: list[Tree], which: int) -> None:
    """Whichever of its answers; what comes of it asks nothing any more, also not when gold stays as it is."""
    with three(tables) as (place, roots):
        decisions: dict[str, Decision] = {}
        done = merge_directories(place, roots, out="first")
        for number in range(5):
            if not done.conflicts:
                break
            for conflict in done.record["conflicts"]:
                assert conflict["key"] not in decisions, conflict
                answers = conflict["answers"]
                decisions[conflict["key"]] = Decision(answers[which % len(answers)])
            done = merge_directories(place, roots, out=f"answered-{number}", decisions=decisions)
        assert done.conflicts == []
        settled = merged(place, {**roots, "result": done.out}, "gold", "gold", "result", out="settled", at="/")
        assert (settled.tree, settled.conflicts) == (done.tree, [])


def removed(one: Tree, server: Tree, file: str) -> set[str]:
    """Lines of entries that the server does not have; one that it only changed is not removed."""
    if file not in one or file not in server:
        return set()
    there = {line.split()[0] for line in str(server[file]).splitlines()}
    return {line for line in str(one[file]).splitlines() if line.split()[0] not in there}


@quick
@given(sides(count=4))
def test_what_the_server_removed_is_not_back_after_three_versions(tables: list[Tree]) -> None:
    """By way of a version without it: files, links, and lines of files."""
    one, two, three_, server = tables
    with room(one=one, two=two, three=three_, server=server) as (place, roots):
        first = merge_directories(
            place, {"base": roots["one"], "gold": roots["two"], "clone": roots["server"]}, out="first"
        )
        if first.conflicts:
            return
        golds = {"base": roots["two"], "gold": roots["three"], "clone": first.out}
        second = merge_directories(place, golds, out="second", after=first)
        asked = {path for path, _ in second.conflicts}
        away = belongs(one) - belongs(two) - belongs(server)
        away = {(user, group) for user, group in away if has(server, "passwd", user) and has(server, "group", group)}
        if not asked & {"/etc/passwd", "/etc/group"} and "etc/group" in second.tree:
            assert not away & belongs({"etc/group": second.text("etc/group")})
        for file in ("etc/hosts", "etc/shells"):
            away = removed(one, server, file) - set(str(two.get(file, "")).splitlines())
            if file in second.tree and file in two and f"/{file}" not in asked:
                assert not away & set(second.text(file).splitlines())
        for path, node in one.items():
            if not isinstance(node, Dir) and path not in {*two, *server} and not of_accounts(path):
                assert path not in second.tree or any(f"/{path}".startswith(place) for place in asked), path


def belongs(table: Mapping[str, object]) -> set[tuple[str, str]]:
    """(user, group) of every membership of group(5)."""
    lines = [line.split(":") for line in str(table.get("etc/group", "")).splitlines()]
    return {(user, line[0]) for line in lines for user in line[3].split(",") if user}


def has(table: Tree, file: str, name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in str(table.get(f"etc/{file}", "")).splitlines())


def of_accounts(path: str) -> bool:
    return path in ("etc/passwd", "etc/group", "etc/gshadow")


#: Labels are root's to write (xattr(7)): a user's trees have none.
ROOTS = ("labels",)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.root) if kind in ROOTS else kind for kind in sorted(KINDS)]
)
def test_every_kind_has_ways_that_ask_or_merge_something(kind: str, tmp_path: Path) -> None:
    """No test that cannot fail: the ways of a kind have to do with each other."""
    ways = [whole({"etc/keep": "x", **way}) for way in KINDS[kind]]
    outcomes: set[object] = set()
    for number, clone in enumerate(ways[2:4]):
        for other, gold in enumerate(ways[:3]):
            found: Outcome
            with three([ways[1], gold, clone]) as (place, roots):
                found = merge_directories(place, roots, out=f"out-{number}-{other}")
            outcomes |= {entry["outcome"] for entry in found.record["entries"]} | {axis for _, axis in found.conflicts}
    assert len(outcomes) > 2, outcomes
