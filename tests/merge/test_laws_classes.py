"""The laws that hold always, over generated trees in which every path class, and every type at every place, meet."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldroot.conflicts import Decision
from goldroot.policy import Policy
from goldroot.tree import SOCKET, path_text
from support.examples import examples
from support.merging import Outcome, merge_directories
from support.trees import Dir, Fifo, File, HardLink, Link, Node, Seen, Socket, dump_tree, make_tree

ROOT = os.geteuid() == 0
PATHS = (
    "etc/a", "etc/apache2/mods-enabled/php8.2.load", "etc/apache2/mods-enabled/php8.4.load", "etc/d/e/f", "etc/d/e/g",
    "etc/d/x.pem", "etc/alternatives/e", "etc/fstab",
    "etc/systemd/system/a.wants/x.service", "etc/systemd/system/b.service", "usr/lib/systemd/system/x.service", "srv/s/t/l",
    "etc/group", "etc/hostname", "etc/ld.so.cache", "etc/lvm/a/b", "etc/netplan/n",
    "etc/passwd",
    "etc/rc2.d/K01cron", "etc/rc2.d/S07cron", "etc/rc2.d/S08cron", "etc/shadow", "etc/shells",
    "etc/ssh/ssh_host_rsa_key", "etc/ssl/certs/ca-certificates.crt",
    "etc/ssl/private/ssl-cert-snakeoil.key", "etc/postfix/t", "etc/postfix/t.db", "etc/postfix/t.lmdb", "etc/hosts", "etc/fstab",
    "etc/alternatives/editor", "etc/os-release", "usr/local/share/ca-certificates/own", "var/lib/dpkg/alternatives/editor",
    "var/lib/dpkg/statoverride", "home/u/.ssh/authorized_keys", "home/u/f", "root/.ssh/authorized_keys",
    "root/.ssh/config", "run/x/y", "srv/j/etc/passwd", "srv/j/f", "srv/s/t/u",
    "usr/local/bin/tool", "var/cache/app/x", "var/cache/bind/zone",
    "var/lib/alternatives/editor", "var/lib/db/data", "var/lib/db/deep/x.key", "var/lib/docker/v/f",
    "var/lib/dpkg/info/x", "var/lib/dpkg/status",
    "var/lib/pam/seen", "var/lib/private/svc/y", "var/lib/systemd/catalog/database", "var/lib/systemd/deb-systemd-helper/x",
    "var/lib/systemd/random-seed", "var/lib/systemd/timers/t",
)  # fmt: skip
PLACES = sorted({"/".join(path.split("/")[:depth]) for path in PATHS for depth in range(1, len(path.split("/")) + 1)})
PASSWD = (
    "root:x:0:0::/:/x\n",
    "root:x:0:0::/:/x\nsvc:x:7:7::/:/x\n",
    "root:x:0:0::/:/x\nsvc:x:8:0::/:/x\nown:x:7:0::/:/x\n",
)
GROUP = ("root:x:0:\n", "root:x:0:\ngrp:x:7:\n", "root:x:0:\ngrp:x:8:own\nshop:x:7:\n")
#: Paths that are links.
LINKS = ("etc/alternatives/e", "etc/systemd/system/a.wants/x.service", "etc/systemd/system/b.service", "srv/s/t/l")
#: Where an example happens: anywhere, or in a place so small that changes meet.
NEAR = (
    "", "etc/ss", "etc/postfix", "etc/alternatives", "etc/rc", "etc/ap", "etc/sy", "home/", "root/", "var/lib/",
)  # fmt: skip
TEXTS = ("", "1\n", "1\n2\n3\n4\n", "9\n2\n3\n4\n", "1\n2\n3\n8\n", "\0")

RECORDS = ("auto\n/l\n\n/d\n1\n\n", "manual\n/l\n\n/d\n1\n/a\n2\n\n", "auto\n/l\n\n/a\n3\n\n", "odd\n")
#: What stands in files of which the content has a meaning.
CONTENTS = {
    "etc/group": GROUP, "etc/postfix/t.db": ("\0" * 12 + "\x61\x15\x06\0", "\0", "\0x"),
    "etc/hosts": ("1.1.1.1 a\n", "1.1.1.1 a b\n", "1.1.1.2 c\n1.1.1.1 d\n", "1.1.1.1 a\r\n"),
    "etc/fstab": ("a /a t\n", "b /a t\n/dev/b /b t\n", "c /a/b t", "c /a/b t\nc /a/b t\n"),
    "etc/os-release": ("ID=debian\n", "ID=sles\n", "ID=arch\n"),
    "var/lib/dpkg/alternatives/editor": RECORDS, "var/lib/alternatives/editor": RECORDS,
    "var/lib/dpkg/statoverride": ("svc grp 755 /x\n", "own grp 755 /y\n", "odd\n", ""),
}  # fmt: skip

Tree = dict[str, Node]

owners = st.sampled_from([0, 7, 8]) if ROOT else st.just(os.geteuid())
modes = st.sampled_from([0o644, 0o600, 0o4755])


def _near(near: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path.startswith(near)]


@st.composite
def nodes(draw: st.DrawFn, path: str) -> Node:
    kind = draw(st.sampled_from("fffffdlps"))
    if kind != "s" and path in LINKS:
        return Link(
            draw(st.sampled_from(["/usr/lib/systemd/system/x.service", "/usr/lib", "/srv/s", "/run/x", "b.service"]))
        )
    if kind == "f" and path == "etc/fstab":
        return File(
            draw(st.sampled_from(["", "/srv/s /var/lib/db none bind 0 0\n", "/usr/lib /srv none bind,nofail\n"]))
        )
    if kind != "s" and path.startswith(("etc/rc", "etc/ap")):
        return Link(draw(st.sampled_from(["../a", "../b1", "../b2"])))
    if kind == "d":
        return Dir(mode=draw(st.sampled_from([0o755, 0o700, 0o2775])), uid=draw(owners) if ROOT else None)
    if kind == "l":
        return Link(draw(st.sampled_from(["a", "/etc/d", "../.."])))
    if kind in "ps":
        return Fifo() if kind == "p" else Socket()
    content = PASSWD if path.endswith("etc/passwd") else CONTENTS.get(path, TEXTS)
    gid = draw(owners) if ROOT else None
    return File(draw(st.sampled_from(content)), mode=draw(modes), uid=draw(owners) if ROOT else None, gid=gid)


@st.composite
def trees(draw: st.DrawFn, near: str) -> Tree:
    table: Tree = {"": Dir()}
    for path in draw(st.lists(st.sampled_from(_near(near, PATHS)), max_size=8, unique=True)):
        table[path] = draw(nodes(path))
    return tidy(table)


@st.composite
def changed(draw: st.DrawFn, table: Tree, near: str) -> Tree:
    result = {path: node for path, node in table.items() if not isinstance(node, HardLink)}
    for path in draw(st.lists(st.sampled_from(_near(near, PLACES)), max_size=5, unique=True)):
        what = draw(st.integers(0, 3))
        if what == 0:
            result = {p: node for p, node in result.items() if p != path and not p.startswith(f"{path}/")}
        else:
            result[path] = draw(nodes(path))
    result = tidy(result)
    plain = [path for path, node in result.items() if isinstance(node, File)]
    if plain and draw(st.booleans()):
        for path in draw(st.lists(st.sampled_from(("etc/hard", "srv/hard", "var/lib/db/hard")), unique=True)):
            result[path] = HardLink(draw(st.sampled_from(plain)))
    return tidy(result)


def tidy(table: Tree) -> Tree:
    """With a directory above everything, parents first."""
    result: Tree = {"": Dir()}
    for path in sorted(table, key=lambda path: (isinstance(table[path], HardLink), path.split("/"))):
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if all(isinstance(result.get(one, Dir()), Dir) for one in above) and (path not in result or path == ""):
            for one in above:
                result.setdefault(one, table.get(one, Dir()) if isinstance(table.get(one), Dir) else Dir())
            result[path] = table[path]
    return result


quick = settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))


class Room:
    """Three trees on the disk, and merges of them."""

    def __init__(self, data: st.DataObject) -> None:
        near = data.draw(st.sampled_from(NEAR))
        base = data.draw(trees(near))
        tables = {"base": base, "gold": data.draw(changed(base, near)), "clone": data.draw(changed(base, near))}
        self.place = Path(
            tempfile.mkdtemp(prefix="goldroot-law-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        )
        self.tables: dict[str, Tree] = tables
        self.roots = {word: make_tree(self.place / word, table) for word, table in tables.items()}
        self.before = {word: dump_tree(path) for word, path in self.roots.items()}
        self._merges = 0

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.place)

    def merge(self, policy: str = "", decisions: Mapping[str, Decision] | None = None) -> Outcome:
        self._merges += 1
        done = merge_directories(self.place, self.roots, policy=policy, out=f"out{self._merges}", decisions=decisions)
        paths = [entry["path"] for entry in done.record["entries"]]
        assert len(paths) == len(set(paths)), "one entry for a path"
        assert {word: dump_tree(path) for word, path in self.roots.items()} == self.before
        return done


def named(done: Outcome, path: str) -> bool:
    """Whether the record speaks of a path: by itself, or by its state unit, or by its cache."""
    entries = {entry["path"]: entry for entry in done.record["entries"]}
    text = path_text(b"/" + os.fsencode(path))
    if text in entries:
        return True
    parts = path.split("/")
    above = ["/" + "/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return any(entries[one]["axis"] in ("unit", "cache") for one in above if one in entries)


def axes(seen: Seen | None) -> object:
    return seen and (seen.kind, seen.mode, seen.content, tuple(seen.xattrs.items()))


@quick
@given(st.data())
def test_nothing_is_lost_without_a_word(data: st.DataObject) -> None:
    with Room(data) as room:
        done = room.merge()
        for path in {path for tree in room.before.values() for path in tree}:
            versions = [axes(room.before[word].get(path)) for word in ("base", "gold", "clone")]
            if not named(done, path):
                assert path in done.tree, path
                assert versions.count(versions[0]) == 3, path
                assert axes(done.tree[path]) == versions[0], path
        assert set(done.tree) <= {path for tree in room.before.values() for path in tree}, "nothing comes from nowhere"


@quick
@given(st.data())
def test_a_unit_that_is_said_to_be_the_clones_is_as_the_clone_has_it(data: st.DataObject) -> None:
    """But for what goes by a later rule."""
    with Room(data) as room:
        done = room.merge()
        units = [e["path"] for e in done.record["entries"] if e["axis"] == "unit" and e["outcome"] == "clone"]
        for path, seen in room.before["clone"].items():
            place = os.fsencode("/" + path)
            unit = Policy.default().explain(place).unit
            if unit is not None and path_text(unit) in units and seen.kind != SOCKET:
                now = done.tree.get(path)
                assert now is not None and (now.kind, now.content) == (seen.kind, seen.content), path


@quick
@given(st.data())
def test_a_second_run_is_identical(data: st.DataObject) -> None:
    with Room(data) as room:
        one, two = room.merge(), room.merge()
        assert (json.dumps(one.record), one.tree) == (json.dumps(two.record), two.tree)


@quick
@given(st.data(), st.sampled_from(["clone", "gold"]), st.sampled_from(["clone", "gold", "moved"]))
def test_every_conflict_can_be_decided(data: st.DataObject, prefer: str, take: str) -> None:
    """By any of its answers; a decision may bring up another question, but that comes to an end."""
    with Room(data) as room:
        policy = f'conflict = "{prefer}"\n'
        decisions: dict[str, Decision] = {}
        done = room.merge(policy)
        for _ in range(4):
            if not done.conflicts:
                break
            for conflict in done.record["conflicts"]:
                assert conflict["key"] not in decisions, conflict
                answers = conflict["answers"]
                decisions[conflict["key"]] = Decision(take if take in answers else answers[0])
            done = room.merge(policy, decisions)
        assert done.conflicts == []


@quick
@given(st.data())
def test_a_state_unit_is_one_sides_as_a_whole(data: st.DataObject) -> None:
    """But for the paths in it that go by a later rule and the directories that these need, the mode and owner of its own
    directory, and the empty directories that gold added."""
    rules = Policy.default()
    with Room(data) as room:
        done = room.merge()
        for entry in done.record["entries"]:
            if entry["axis"] != "unit":
                continue
            top = entry["path"].lstrip("/")
            inside = {
                word: {p: axes(seen) for p, seen in tree.items() if p == top or p.startswith(f"{top}/")}
                for word, tree in {**room.before, "result": done.tree}.items()
            }
            of_unit = {
                word: {p: seen for p, seen in found.items() if of_state(rules, p) and seen and seen[0] != "s"}
                for word, found in inside.items()
            }
            held = {p for p in of_unit["result"] if any(o.startswith(f"{p}/") for o in done.tree)}
            came = {p for p, s in of_unit["result"].items() if s[0] == "d" and p not in of_unit["clone"]}
            held |= {top, *(p for p in came if p in of_unit["gold"] and p not in of_unit["base"])}
            sides = [{p: s for p, s in of_unit[word].items() if p not in held} for word in ("gold", "clone")]
            result = {p: s for p, s in of_unit["result"].items() if p not in held}
            assert result in [*sides, {}], (top, result, sides)
            tops = [s and (s[0], s[2]) for s in (of_unit[word].get(top) for word in ("gold", "clone", "result"))]  # type: ignore[index]
            assert tops[2] in (tops[0], tops[1], None), (top, tops)


def of_state(rules: Policy, path: str) -> bool:
    return rules.match(b"/" + path.encode()).cls == "state"


@quick
@given(st.data())
def test_over_three_versions_a_removed_path_stays_removed(data: st.DataObject) -> None:
    """Nothing that the server lacked beside an old gold that had it comes back unasked, however long gold lacked it."""
    with Room(data) as room:
        first = room.merge()
        golds = {"base": room.roots["gold"], "gold": room.roots["base"], "clone": first.out}
        back = merge_directories(room.place, golds, out="back", after=first)
        asked = [path for path, _ in back.conflicts]
        rules = Policy.default()
        for path, seen in room.before["base"].items():
            gone = path not in room.before["clone"] and path not in room.before["gold"] and path not in first.tree
            if gone and seen.kind != "d" and rules.match(b"/" + path.encode()).cls in ("config", "opaque", "lines"):
                assert path not in back.tree or asked, path


@quick
@given(st.data())
def test_a_live_server_that_is_asked_twice_gets_the_same_keys(data: st.DataObject) -> None:
    """Whatever its services wrote meanwhile into the state that it had changed already."""
    rules = Policy.default()
    with Room(data) as room:
        first = room.merge()
        changed = {e["path"] for e in first.record["entries"] if e["axis"] == "unit" and e["changed"]["clone"]}
        for path, seen in room.before["clone"].items():
            place = os.fsencode("/" + path)
            unit = rules.unit(place)
            alone = seen.kind == "f" and not seen.names  # else it would write another path, too
            if alone and unit is not None and path_text(unit) in changed:
                with open(room.roots["clone"] / path, "ab") as file:
                    file.write(b"written meanwhile\n")
        room.before["clone"] = dump_tree(room.roots["clone"])
        second = room.merge()
        assert [c["key"] for c in first.record["conflicts"]] == [c["key"] for c in second.record["conflicts"]]


@quick
@given(st.data())
def test_what_was_merged_asks_nothing_new_about_references_and_units(data: st.DataObject) -> None:
    """Once it is switched, "before" is gone."""
    with Room(data) as room:
        done = room.merge()
        same = make_tree(room.place / "same", room.tables["gold"])
        again = {"base": room.roots["gold"], "gold": same, "clone": done.out}
        settled = merge_directories(room.place, again, out="settled", after=done)
        assert [one for one in settled.conflicts if one[1] in ("reference", "unit")] == []
