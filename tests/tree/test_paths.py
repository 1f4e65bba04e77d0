"""Paths as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from goldroot.tree.paths import in_tree_order, path_bytes, path_text, tree_key, upwards


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_text_of_a_path_is_reversible_and_printable(path: bytes) -> None:
    text = path_text(path)
    assert path_bytes(text) == path
    assert text.isprintable()


def test_plain_paths_stay_as_they_are() -> None:
    assert path_text(b"etc/passwd") == "etc/passwd"
    assert path_text("größe".encode()) == "größe"
    assert path_text(b"a\\b\n\xff") == "a\\\\b\\x0a\\xff"


def test_a_directory_stands_right_before_what_is_in_it() -> None:
    assert in_tree_order([b"a.c", b"a/b", b"a", b"a", b""]) == [b"", b"a", b"a/b", b"a.c"]
    assert tree_key(b"a/b") < tree_key(b"a.c")


def test_the_way_up_ends_at_the_tree() -> None:
    assert list(upwards(b"a/b/c")) == [b"a/b/c", b"a/b", b"a", b""]
    assert list(upwards(b"")) == [b""]
