"""The laws of docs/explanation/merging.md, over generated trees."""

from __future__ import annotations

import json
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.laws import Tree, merged, room, tidy
from support.trees import Dir, Fifo, File, HardLink, Link, Seen, Socket, dump_tree

ROOT = os.geteuid() == 0
NAMES = ["a", "b", "a.c", "é", b"\xff\n".decode("utf-8", "surrogateescape"), "-x"]
TIMES = [1_600_000_000_000_000_000, 1_600_000_000_000_000_001, 1_700_000_000_123_456_789]

metas = st.fixed_dictionaries(
    {"mtime": st.sampled_from(TIMES)},
    optional={
        "uid": st.sampled_from([0, 7, 1000]) if ROOT else st.just(os.geteuid()),
        "xattrs": st.dictionaries(st.sampled_from(["user.one", "user.two"]), st.binary(max_size=3), max_size=2),
    },
)
modes = st.sampled_from([0o644, 0o600, 0o755, 0o4755])
texts = st.lists(st.sampled_from(["1\n", "2\n", "3\n", "x", "\0"]), max_size=4).map("".join)
files = st.builds(lambda content, mode, meta: File(content, mode=mode, **meta), texts, modes, metas)
directories = st.builds(lambda mode, meta: Dir(mode=mode, **meta), st.sampled_from([0o755, 0o700, 0o2775]), metas)
links = st.builds(
    lambda target, when: Link(target, mtime=when), st.sampled_from(["a", "/etc/b", "../.."]), st.sampled_from(TIMES)
)
fifos = st.builds(lambda mode: Fifo(mode=mode), modes)
nodes = st.one_of(files, files, files, directories, links, fifos)


@st.composite
def trees(draw: st.DrawFn, odd: bool = False) -> Tree:
    """A table in which no path lies below what is not a directory."""
    table: Tree = {"": Dir(mtime=draw(st.sampled_from(TIMES)))}
    for path in draw(st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=8)):
        for depth in range(1, len(path)):
            table.setdefault("/".join(path[:depth]), Dir(mode=0o755))
        table.setdefault("/".join(path), draw(nodes))
    table = tidy(table)
    plain = [path for path, node in table.items() if isinstance(node, File)]
    if plain and draw(st.booleans()):
        table["hard"] = HardLink(draw(st.sampled_from(plain)))
    if odd and draw(st.booleans()):
        table["sock"] = Socket()
    return table


@st.composite
def changed(draw: st.DrawFn, table: Tree, odd: bool = False) -> Tree:
    """The same tree after some changes, so that most paths stay equal."""
    other = draw(trees(odd))
    result: Tree = {}
    for path, node in table.items():
        if not isinstance(node, HardLink):
            result[path] = draw(nodes) if path and draw(st.integers(0, 4)) == 0 else node
    for path, node in other.items():
        if draw(st.integers(0, 2)) == 0 and not isinstance(node, HardLink):
            result[path] = node
    gone = draw(st.sets(st.sampled_from(sorted(result)), max_size=2)) - {""}
    return tidy({path: node for path, node in result.items() if path not in gone})


def without_sockets(tree: dict[str, Seen]) -> dict[str, Seen]:
    return {path: seen for path, seen in tree.items() if seen.kind != "s"}


quick = settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(st.data())
def test_only_the_clone_changed_gives_the_clone(data: st.DataObject) -> None:
    base = data.draw(trees())
    clone = data.draw(changed(base, odd=True))
    with room(base=base, clone=clone) as (place, roots):
        done = merged(place, roots, "base", "base", "clone")
        assert done.tree == without_sockets(dump_tree(roots["clone"]))
        assert done.conflicts == []


@quick
@given(st.data())
def test_only_gold_changed_gives_gold(data: st.DataObject) -> None:
    base = data.draw(trees())
    gold = data.draw(changed(base))
    with room(base=base, gold=gold) as (place, roots):
        done = merged(place, roots, "base", "gold", "base")
        assert done.tree == dump_tree(roots["gold"])
        assert done.conflicts == []


@quick
@given(st.data())
def test_the_same_change_on_both_sides_gives_that(data: st.DataObject) -> None:
    base = data.draw(trees())
    both = data.draw(changed(base))
    with room(base=base, both=both) as (place, roots):
        done = merged(place, roots, "base", "both", "both")
        assert done.tree == dump_tree(roots["both"])
        assert done.conflicts == []


@quick
@given(st.data())
def test_any_three_trees(data: st.DataObject) -> None:
    """Nothing is lost without a word, the inputs stay, a second run is identical, and merging again changes nothing."""
    base = data.draw(trees())
    gold, clone = data.draw(changed(base, odd=True)), data.draw(changed(base, odd=True))
    with room(base=base, gold=gold, clone=clone) as (place, roots):
        before = {word: dump_tree(path) for word, path in roots.items()}
        done = merged(place, roots, "base", "gold", "clone")
        assert {word: dump_tree(path) for word, path in roots.items()} == before
        recorded = {entry["path"] for entry in done.record["entries"]}
        for path in {path for tree in before.values() for path, seen in tree.items() if seen.kind != "s"}:
            assert path in done.tree or shown(path) in recorded, path
        for path, seen in before["clone"].items():
            if seen.kind != "s" and path not in done.tree:
                assert shown(path) in recorded
        twice = merged(place, roots, "base", "gold", "clone", out="twice")
        assert (json.dumps(twice.record), twice.tree) == (json.dumps(done.record), done.tree)
        settled = merged(place, {**roots, "result": done.out}, "gold", "gold", "result", out="settled")
        assert settled.tree == done.tree


def shown(path: str) -> str:
    from goldroot.tree import path_text

    return path_text(b"/opt/site" + (b"/" + os.fsencode(path) if path else b""))


@quick
@given(st.data())
def test_every_difference_stands_in_the_record(data: st.DataObject) -> None:
    """A path that differs between any two trees on an axis has an entry (times are not an axis)."""
    base = data.draw(trees())
    gold, clone = data.draw(changed(base)), data.draw(changed(base))
    with room(base=base, gold=gold, clone=clone) as (place, roots):
        done = merged(place, roots, "base", "gold", "clone")
        recorded = {entry["path"] for entry in done.record["entries"]}
        seen = [dump_tree(roots[word], mtime=False) for word in ("base", "gold", "clone")]
        for path in set().union(*seen):
            versions = [side.get(path) for side in seen]
            bare = {v and (v.kind, v.mode, v.uid, v.gid, v.content, tuple(sorted(v.xattrs.items()))) for v in versions}
            assert (len(bare) > 1) == (shown(path) in recorded), path
