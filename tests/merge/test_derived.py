"""A map that a program made from another file follows its source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, dump_tree

HASH, BTREE = b"\0" * 12 + b"\x61\x15\x06\0", b"\0" * 12 + b"\x62\x31\x05\0"
X, DB, LMDB = "etc/postfix/transport", "etc/postfix/transport.db", "etc/postfix/transport.lmdb"


def db(of: str, head: bytes = HASH) -> bytes:
    """A map made of some text."""
    return head + of.encode()


def side(text: str | None, **maps: bytes) -> Table:
    """A source and its maps by suffix."""
    found: dict[str, bytes | str | Dir] = {
        "etc/postfix": Dir(),
        **{f"{X}.{suffix}": data for suffix, data in maps.items()},
    }
    return {**found, **({} if text is None else {X: text})}


def due(done: Outcome) -> list[tuple[str, str, bool]]:
    return [
        (note["path"], note["data"]["command"], note["data"].get("required", False))
        for note in done.record["notes"]
        if note["kind"] == "rebuild-due"
    ]


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("etc/selinux/targeted/policy/policy.33", "/usr/sbin/semodule -N -B"),
        ("etc/udev/hwdb.bin", "/usr/bin/systemd-hwdb update"),
    ],
)
def test_what_is_compiled_of_both_sides_is_made_again_before_the_switch(
    tmp_path: Path, path: str, command: str
) -> None:
    done = merge_tables(tmp_path, {path: "1"}, {path: "2"}, {path: "3"})
    assert (done.conflicts, due(done)) == ([], [(f"/{path}", command, True)])


A, B, C = "a\n1\n2\n3\n4\n", "b\n1\n2\n3\n4\n", "a\n1\n2\n3\nc\n"
MERGED = "b\n1\n2\n3\nc\n"


@pytest.mark.parametrize(
    ("gold", "clone", "result"),
    [
        (side(B, db=db(B)), side(A, db=db("own bytes")), db(B)),  # the source is gold's, and so is its map
        (side(A, db=db("built again")), side(C, db=db(C)), db(C)),
        (side(A, db=db("built again")), side(C, db=db(A)), db(A)),  # the server has not run postmap: that is as it was
        (side(B, db=db("one")), side(B, db=db("other")), db("other")),  # one source, and each has made its own
        (side(A, db=db("one")), side(A, db=db("other")), db("other")),
        (side(B, db=db(B)), side(C), None),  # the server has no map of a source that was merged ... and wants none
    ],
)
def test_a_map_is_that_of_the_side_whose_source_it_is(
    tmp_path: Path, gold: Table, clone: Table, result: bytes | None
) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), gold, clone)
    assert done.conflicts == []
    assert (DB in done.tree and done.tree[DB].content) == (result or False)


@pytest.mark.parametrize(
    ("gold", "clone", "result"),
    [
        (side(None), side(A, db=db("own bytes")), None),  # gold dropped both, and the server had run postmap again
        (side(None), side(A, db=db(A)), None),
        (side(None, db=db("left behind")), side(A, db=db("own bytes")), db("left behind")),
        (side(B, db=db(B)), side(None, db=db(A)), db(A)),  # the server removed the text, and goes by its map
        (side(A, db=db("again")), side(None), None),
    ],
)
def test_a_map_whose_source_is_gone_is_as_the_side_has_it_that_removed_the_source(
    tmp_path: Path, gold: Table, clone: Table, result: bytes | None
) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), gold, clone)
    assert X not in done.tree
    assert (DB in done.tree and done.tree[DB].content) == (result or False)
    assert [path for path, _ in done.conflicts if path == f"/{DB}"] == []
    assert due(done) == []


def test_a_map_that_the_server_alone_made_is_stale_without_its_source(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side(A), side(None), side(A, db=db(A)))
    assert X not in done.tree and done.tree[DB].content == db(A)
    assert (done.conflicts, done.notes("stale-map")) == ([], [f"/{DB}"])


def test_the_answer_about_a_source_holds_for_its_map(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), side(None), side(C, db=db(C)))
    assert done.conflicts == [(f"/{X}", "presence")]
    assert (done.text(X), done.tree[DB].content) == (C, db(C))
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions=done.decide("gold"))
    assert not {X, DB} & set(taken.tree) and taken.conflicts == []


def test_a_merged_source_has_its_map_made_again(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), side(B, db=db(B)), side(C, db=db(C)))
    assert (done.text(X), done.tree[DB].content, done.conflicts) == (MERGED, db(C), [])
    assert due(done) == [(f"/{DB}", f"/usr/sbin/postmap hash:/{X}", True)]


def test_a_map_that_no_side_changed_is_made_again_where_its_source_was_merged(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), side(B, db=db(A)), side(C, db=db(A)))
    assert due(done) == [(f"/{DB}", f"/usr/sbin/postmap hash:/{X}", True)]


def test_a_map_of_another_format_is_made_of_the_servers_source(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), side(A, lmdb=b"\0lmdb"), side(C, db=db(C)))
    assert (LMDB in done.tree, done.tree[DB].content, done.conflicts) == (False, db(C), [])
    assert due(done) == [(f"/{LMDB}", f"/usr/sbin/postmap lmdb:/{X}", True)]


def test_the_servers_own_format_is_made_of_golds_source(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side(A, db=db(A)), side(B, db=db(B)), side(A, db=db(A), cdb=b"\0cdb"))
    assert done.tree[DB].content == db(B)
    assert due(done) == [(f"/{X}.cdb", f"/usr/sbin/postmap cdb:/{X}", True)]


def test_a_conflict_of_the_source_takes_its_map_along(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, side("a\n", db=db("a")), side("b\n", db=db("b")), side("c\n", db=db("c")))
    assert done.conflicts == [(f"/{X}", "content")]
    assert done.tree[DB].content == db("c")
    key = done.record["conflicts"][0]["key"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={key: Decision("gold")})
    assert (again.tree[DB].content, again.conflicts, due(again)) == (db("b"), [], [])
    own = merge_tables(tmp_path, {}, {}, {}, out="own", decisions={key: Decision("content", b"d\n")})
    assert due(own) == [(f"/{DB}", f"/usr/sbin/postmap hash:/{X}", True)]


@pytest.mark.parametrize(
    ("path", "head", "command"),
    [
        ("etc/postfix/t.db", BTREE, "/usr/sbin/postmap btree:/etc/postfix/t"),
        ("etc/postfix/sub/t.db", BTREE[:12] + BTREE[15:11:-1], "/usr/sbin/postmap btree:/etc/postfix/sub/t"),
        ("etc/postfix/t.pag", b"\0", "/usr/sbin/postmap sdbm:/etc/postfix/t"),
        ("etc/postfix/aliases.db", HASH, "/usr/sbin/postalias hash:/etc/postfix/aliases"),
        ("etc/aliases.db", HASH, "/usr/bin/newaliases"),
        ("etc/aliases.lmdb", b"\0", "/usr/bin/newaliases"),
        ("etc/mail/aliases.db", HASH, "/usr/bin/newaliases"),
        ("etc/mail/access.db", HASH, "/usr/sbin/makemap hash /etc/mail/access < /etc/mail/access"),
        (
            "etc/postfix/t.db",
            b"\0unknown",
            "/usr/sbin/postmap hash:/etc/postfix/t",
        ),  # postconf(5): default_database_type
        ("etc/mail/access.lmdb", b"\0", None),
        ("etc/postfix/a b;rm.db", HASH, None),
    ],
)
def test_what_makes_a_map(tmp_path: Path, path: str, head: bytes, command: str | None) -> None:
    source = path.rpartition(".")[0]
    sides = [{source: text.replace("a", "a: a", 1), path: head + text.encode()} for text in (A, B, C)]
    done = merge_tables(tmp_path, *sides)
    assert [each[1] for each in due(done)] == ([] if command is None else [command])
    assert [note["path"] for note in done.record["notes"] if note["kind"] == "stale-map"] == (
        [] if command else [f"/{path}"]
    )


@pytest.mark.parametrize("path", ["etc/app/app.db", "opt/app.db", "etc/postfix/notes.txt.db"])
def test_elsewhere_and_beside_what_is_no_text_such_a_file_is_data(tmp_path: Path, path: str) -> None:
    source = path.rpartition(".")[0]
    texts = ["\0" + text for text in (A, A, C)] if "postfix" in path else [A, A, C]
    sides = [{source: text, path: db(word)} for text, word in zip(texts, "123", strict=True)]
    assert merge_tables(tmp_path, *sides).conflicts == [(f"/{path}", "content")]


def test_a_map_is_as_secret_as_its_source(tmp_path: Path) -> None:
    policy = f'[[rule]]\npath = "/{X}"\nsecret = true\n'
    done = merge_tables(tmp_path, side(A, db=db(A)), side(B, db=db(B)), side(C, db=db(C)), policy=policy)
    assert "secret-" in json.dumps(done.entry(f"/{DB}")["result"])


def test_mode_and_content_of_a_map_are_merged_each_by_itself(tmp_path: Path) -> None:
    gold = {**side(A, db=b""), DB: File(db("g"), mode=0o600)}
    done = merge_tables(tmp_path, side(A, db=db(A)), gold, side(C, db=db(C)))
    assert (done.tree[DB].content, done.tree[DB].mode) == (db(C), 0o600)


def test_the_laws_hold_with_maps(tmp_path: Path) -> None:
    states = [
        side(A, db=db(A)),
        side(B, db=db(B)),
        side(C),
        side(A, lmdb=b"\0"),
        side(None, db=db(A)),
        side(B, db=db("stale")),
    ]
    for number, base in enumerate(states):
        for other, changed in enumerate(states):
            if number == other:
                continue
            room = tmp_path / f"{number}-{other}"
            room.mkdir()
            for word, gold, clone in (("clone", base, changed), ("gold", changed, base), ("both", changed, changed)):
                (room / word).mkdir()
                done = merge_tables(room / word, base, gold, clone)
                assert done.tree == dump_tree(room / word / ("gold" if word == "gold" else "clone"))
                assert (done.conflicts, due(done)) == ([], [])
