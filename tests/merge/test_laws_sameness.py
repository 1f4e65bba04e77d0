"""The laws, to the byte, over trees that are full of what is the same although its bytes are not."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.laws import Tree, merged, room, tidy
from support.trees import Dir, File, Link, Node, dump_tree

ROOT = os.geteuid() == 0
MERGED: dict[str, Node] = {
    "": Dir(), "bin": Link("usr/bin"), "sbin": Link("usr/sbin"), "lib": Link("usr/lib"), "usr": Dir(), "usr/sbin": Link("bin"),
}  # fmt: skip
SPLIT: dict[str, Node] = {"": Dir(), "bin": Dir(), "lib": Dir(), "usr": Dir()}
PATHS = (
    "etc/a",
    "etc/b",
    "etc/d/x",
    "etc/d/y",
    "etc/d/e/z",
    "etc/hosts",
    "etc/shells",
    "var/lib/svc/data",
    "etc/k.pem",
)
TARGETS = (
    "/lib/x",
    "/usr/lib/x",
    "../lib/x",
    "/sbin/x",
    "/usr/sbin/x",
    "/usr/bin/x",
    "../../usr/bin/x",
    "/usr/bin/../y",
)
TEXTS = ("", "1", "1\n", "1\r\n", "1\n2", "1\n2\n", "1\r\n2\r\n", "1\r\n2", "1\n2\r\n", "2\n", "\0")
LABELS = ("security.selinux", "security.SMACK64", "security.ima")

xattrs = (
    st.dictionaries(st.sampled_from(LABELS), st.sampled_from([b"1", b"2", b"3"]), max_size=2) if ROOT else st.just({})
)
files = st.builds(lambda content, held: File(content, xattrs=held), st.sampled_from(TEXTS), xattrs)
nodes = st.one_of(files, files, st.sampled_from(TARGETS).map(Link), st.builds(lambda held: Dir(xattrs=held), xattrs))
tables = st.dictionaries(st.sampled_from(PATHS), nodes, max_size=6)


@st.composite
def changed(draw: st.DrawFn, table: Tree) -> Tree:
    result = {**table, **draw(tables)}
    gone = draw(st.sets(st.sampled_from([*PATHS, "etc/d", "var/lib/svc"]), max_size=2))
    return whole(
        {path: node for path, node in result.items() if not any(f"{path}/".startswith(f"{one}/") for one in gone)}
    )


def whole(table: Tree) -> Tree:
    parents = {
        above for path in table for above in (path.rpartition("/")[0], path.rpartition("/")[0].rpartition("/")[0])
    }
    more = {above.rpartition("/")[0] for above in parents}
    return tidy({**{above: Dir() for above in parents | more | {""}}, **table})


@st.composite
def bases(draw: st.DrawFn) -> Tree:
    return whole({**draw(st.sampled_from([MERGED, SPLIT])), **draw(tables)})


quick = settings(max_examples=examples(8), deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(st.data())
def test_the_laws_hold_to_the_byte(data: st.DataObject) -> None:
    base = data.draw(bases())
    with room(base=base, gold=data.draw(changed(base)), clone=data.draw(changed(base))) as (place, roots):
        for base_word, gold_word, clone_word, wanted in (
            ("base", "base", "clone", "clone"), ("base", "gold", "base", "gold"), ("base", "clone", "clone", "clone"),
        ):  # fmt: skip
            done = merged(place, roots, base_word, gold_word, clone_word, out=f"{gold_word}-{clone_word}", at="/")
            assert done.tree == dump_tree(roots[wanted])
            assert done.conflicts == []
        done = merged(place, roots, "base", "gold", "clone", at="/")
        settled = merged(place, {**roots, "result": done.out}, "gold", "gold", "result", out="settled", at="/")
        assert (settled.tree, settled.conflicts) == (done.tree, [])
