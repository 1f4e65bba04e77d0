"""sshd's lists of keys: what was withdrawn stays withdrawn, and one key has one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.merge.decide.line_sets import merge_keys
from support.examples import examples
from support.merging import merge_tables

A = b"ssh-ed25519 AAAAC3a alice@desk\n"
B = b"ssh-rsa AAAAB3b bob@desk\n"
C = b"sk-ssh-ed25519@openssh.com AAAAGnNr carol\n"


@pytest.mark.parametrize(
    ("base", "gold", "clone", "result"),
    [
        pytest.param(A + B, B, A.replace(b"desk", b"home") + B, B, id="gold withdrew, the server changed the comment"),
        pytest.param(A + B, B, b"no-pty " + A + B, B, id="gold withdrew, the server changed the options"),
        pytest.param(A, b"", A + A.replace(b"alice@desk", b"again"), b"", id="gold withdrew: all lines of the key go"),
        pytest.param(A + B, A.replace(b"desk", b"new") + B, B, B, id="the server removed, gold changed the comment"),
        pytest.param(A + B, b"restrict " + A + B, B, B, id="the server removed, gold changed the options"),
        pytest.param(A + B, b"restrict " + A + B, b"#" + A + B, b"#" + A + B, id="the server put # before it"),
        pytest.param(A + B, b"restrict " + A + B, b"# " + A + B, b"# " + A + B, id="the server put # and a blank"),
        pytest.param(
            A, b'restrict,command="/bin/x \\"y z\\"" ' + A, A.replace(b"desk", b"mine"),
            b'restrict,command="/bin/x \\"y z\\"" ' + A.replace(b"desk", b"mine"),
            id="gold's options and the server's comment are one line",
        ),
        pytest.param(
            A, A.replace(b"desk", b"gold"), b'from="10.0.0.0/8" ' + A, b'from="10.0.0.0/8" ' + A.replace(b"desk", b"gold"),
            id="the server's options and gold's comment are one line",
        ),
        pytest.param(A, A.replace(b"desk", b"x"), A.replace(b"desk", b"y"), A.replace(b"desk", b"y"), id="comments only"),
        pytest.param(A, A + B, A + C, A + B + C, id="both added"),
        pytest.param(b"", A + b"from=\"h\" " + A, C, C + A + b"from=\"h\" " + A, id="a new key comes with all its lines"),
        pytest.param(A, b"restrict " + A, b"# mine\n" + A + C, b"# mine\nrestrict " + A + C, id="in the key's own place"),
        pytest.param(A + A, b"restrict " + A, A + A + B, b"restrict " + A + B, id="two lines of a key are one value"),
        pytest.param(
            A, b"restrict " + A, A.replace(b" alice@desk", b""), b"restrict ssh-ed25519 AAAAC3a\n", id="comment removed"
        ),
        pytest.param(A, b"cert-authority " + A, A[:-1] + b" \t\n" + B, b"cert-authority " + A + B, id="white space"),
        pytest.param(b"x 1\n", b"x 2\n", b"x 1\ny\n", b"y\nx 2\n", id="what is not a key goes by its text"),
    ],
)  # fmt: skip
def test_withdrawn_stays_withdrawn(base: bytes, gold: bytes, clone: bytes, result: bytes) -> None:
    assert merge_keys(base, gold, clone) == result


@pytest.mark.parametrize(
    ("base", "gold", "clone"),
    [
        (A, b"restrict " + A, b"no-pty " + A),
        (b"", b"restrict " + A, A + B),
        (A, b"restrict " + A, b"no-pty " + A + A),
    ],
)
def test_options_that_both_changed_are_asked_about(base: bytes, gold: bytes, clone: bytes) -> None:
    assert merge_keys(base, gold, clone) is None


LINES = st.sampled_from(
    [
        A,
        B,
        C,
        b"restrict " + A,
        b"no-pty " + A,
        A.replace(b"desk", b"2"),
        b"#" + A,
        b"# words\n",
        b"\n",
        b"ssh-rsa AAAAB3b\n",
    ]
)
FILES = st.lists(LINES, max_size=6).map(b"".join)


@settings(max_examples=examples(60), deadline=None)
@given(FILES, FILES)
def test_laws(one: bytes, other: bytes) -> None:
    assert merge_keys(one, one, other) == other
    assert merge_keys(one, other, one) == other
    assert merge_keys(one, other, other) == other


@settings(max_examples=examples(60), deadline=None)
@given(FILES, FILES, FILES)
def test_no_key_that_a_side_took_away_is_there(base: bytes, gold: bytes, clone: bytes) -> None:
    def blobs(content: bytes) -> set[bytes]:
        words = (line.split() for line in content.splitlines() if not line.startswith(b"#"))
        return {word for line in words for word in line if word.startswith(b"AAAA")}

    merged = merge_keys(base, gold, clone)
    if merged is None:
        return
    gone = (blobs(base) - blobs(gold)) | (blobs(base) - blobs(clone))
    assert blobs(merged) == (blobs(gold) | blobs(clone)) - gone
    again = merge_keys(gold, gold, merged)
    assert again == merged


@pytest.mark.parametrize(
    "path",
    [
        "root/.ssh/authorized_keys",
        "root/.ssh/authorized_keys2",
        "home/a/.ssh/authorized_keys_corp",
        "etc/ssh/authorized_keys/root",
        "etc/ssh/authorized_keys.d/bob",
        "etc/ssh/authorized-keys/a/b",
        "etc/ssh/keys/root",
        "etc/dropbear/authorized_keys",
    ],
)
def test_in_trees(tmp_path: Path, path: str) -> None:
    done = merge_tables(tmp_path, {path: (A + B).decode()}, {path: B.decode()}, {path: (b"no-pty " + A + B).decode()})
    assert (done.text(path), done.conflicts) == (B.decode(), [])


@pytest.mark.parametrize("path", ["etc/ssh/authorized_keys/root", "etc/ssh/authorized_keys.d/bob"])
def test_lists_of_one_user_each(tmp_path: Path, path: str) -> None:
    """sshd goes by the first line of a key: the server's unrestricted one must not stand beside gold's."""
    gold, clone = b"restrict " + A + B, A.replace(b"desk", b"home") + B
    done = merge_tables(tmp_path, {path: (A + B).decode()}, {path: gold.decode()}, {path: clone.decode()})
    assert (done.text(path), done.conflicts) == ((b"restrict " + A.replace(b"desk", b"home") + B).decode(), [])


def test_options_are_asked_about_in_trees(tmp_path: Path) -> None:
    path = "home/a/.ssh/authorized_keys"
    done = merge_tables(tmp_path, {path: A.decode()}, {path: "restrict " + A.decode()}, {path: "no-pty " + A.decode()})
    assert done.conflicts == [("/" + path, "content")]
    assert done.text(path) == "no-pty " + A.decode()


@pytest.mark.parametrize(
    "path", ["root/.ssh/authorized_keys2", "home/b/.ssh/authorized_keys", "etc/ssh/authorized_keys/root"]
)
def test_a_key_that_gold_withdrew_and_the_server_has_elsewhere_is_told(tmp_path: Path, path: str) -> None:
    first, a, b = "root/.ssh/authorized_keys", A.decode(), B.decode()
    done = merge_tables(tmp_path, {first: a + b}, {first: b}, {first: b, path: a})
    assert (done.text(path), done.notes("withdrawn-key-elsewhere")) == (a, [f"/{path}"])


def test_a_key_that_gold_moved_to_another_list_is_not_told(tmp_path: Path) -> None:
    first, second, a, b = "root/.ssh/authorized_keys", "home/b/.ssh/authorized_keys", A.decode(), B.decode()
    done = merge_tables(tmp_path, {first: a + b, second: ""}, {first: b, second: a}, {first: a + b, second: b})
    assert done.text(second) == b + a
    assert done.notes("withdrawn-key-elsewhere") == []


@pytest.mark.parametrize(
    "path", ["etc/ssh/keys/host", "root/.ssh/authorized_keys_old.pem", "home/a/.ssh/authorized_keys_x"]
)
def test_a_private_key_among_the_lists_is_never_merged_inside(tmp_path: Path, path: str) -> None:
    sides = [f"-----BEGIN OPENSSH PRIVATE KEY-----\n{word}\n-----END OPENSSH PRIVATE KEY-----\n" for word in "bgc"]
    done = merge_tables(tmp_path, *({path: side} for side in sides))
    assert (done.conflicts, done.text(path)) == ([(f"/{path}", "content")], sides[2])
