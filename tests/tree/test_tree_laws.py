"""The law of the tree room: whatever tree there is, a scan sees it all, and building from the scan makes it again."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from goldroot.tree.build.build import BuildOptions, build_tree
from goldroot.tree.build.copy import copy_tree, rows_of
from goldroot.tree.manifest import Manifest
from goldroot.tree.scan.scan import scan_tree
from support.examples import examples
from support.trees import Device, Dir, Fifo, File, HardLink, Link, Node, Socket, dump_tree, make_tree

IS_ROOT = os.geteuid() == 0

names = st.one_of(
    st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b"..")),
    st.sampled_from([b"-rf", b"a", b"a.b", b"a-b", b"new\nline", b"\xff\xfe", b"x" * 255, b" "]),
)
times = st.integers(-(2**31) * 10**9, 2**33 * 10**9)
attributes = st.dictionaries(
    st.sampled_from(["user.a", "user.b"]) if not IS_ROOT else st.sampled_from(["user.a", "trusted.b", "trusted.c"]),
    st.binary(max_size=20), max_size=2,
)  # fmt: skip
hidden = st.dictionaries(st.just("trusted.l"), st.binary(max_size=5), max_size=1) if IS_ROOT else st.just({})
owners = st.integers(0, 70000) if IS_ROOT else st.just(None)


@st.composite
def nodes(draw: st.DrawFn, files: list[bytes]) -> Node:
    """Any node; the modes leave directories usable where we are not root."""
    own = {"uid": draw(owners), "gid": draw(owners), "mtime": draw(times)}
    mode = draw(st.integers(0, 0o7777))
    kinds = ["file", "file", "dir", "dir", "link", "fifo", "socket", "hole", *(["again"] if files else [])]
    match draw(st.sampled_from([*kinds, "device"] if IS_ROOT else kinds)):
        case "file":
            content = draw(st.binary(max_size=50))
            return File(content, mode=mode if IS_ROOT else mode | 0o400, xattrs=draw(attributes), **own)
        case "dir":
            return Dir(mode=mode if IS_ROOT else mode & 0o1777 | 0o700, xattrs=draw(attributes), **own)
        case "link":
            target = draw(st.binary(min_size=1, max_size=20).filter(lambda target: 0 not in target))
            return Link(target, xattrs=draw(hidden), **own)
        case "fifo":
            return Fifo(mode=mode, **own)
        case "socket":
            return Socket(mode=mode, **own)
        case "hole":
            return File(draw(st.binary(max_size=3)), size=draw(st.integers(4, 200_000)), **own)
        case "again":
            return HardLink(draw(st.sampled_from(files)))
    major, minor = draw(st.integers(1, 4095)), draw(st.integers(0, 2**20 - 1))
    return Device(mode=mode, kind=draw(st.sampled_from("cb")), major=major, minor=minor, xattrs=draw(hidden), **own)


@st.composite
def tables(draw: st.DrawFn) -> dict[bytes, Node]:
    table: dict[bytes, Node] = {b"": Dir(mode=0o755, mtime=draw(times))}
    directories, files = [b""], []
    for name in draw(st.lists(names, max_size=14)):
        above = draw(st.sampled_from(directories))
        path = above + b"/" + name if above else name
        if path in table or path == b"lost+found":
            continue
        table[path] = draw(nodes(files))
        if isinstance(table[path], Dir):
            directories.append(path)
        elif not isinstance(table[path], HardLink):
            files.append(path)
    return table


@given(tables())
@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_what_is_built_from_a_scan_scans_the_same(table: dict[bytes, Node]) -> None:
    where = Path(tempfile.mkdtemp())
    try:
        try:
            root = make_tree(where / "t", table)
        except OSError:  # the file system at hand does not take it: a time, an attribute, a device
            reject()
        source = scan_tree(root)
        made = build_tree(rows_of(source.manifest), [root], where / "built", BuildOptions(sync=False))
        assert made.notes == source.notes == ()
        again = scan_tree(where / "built").manifest
        assert again.digest() == source.manifest.digest() == made.manifest.digest()
        assert dump_tree(where / "built") == dump_tree(root)
        assert scan_tree(where / "built", known=made.manifest).manifest.digest() == again.digest()
        copied = copy_tree(root, where / "copied", sync=False)
        assert dump_tree(where / "copied") == dump_tree(root)
        assert copied.manifest.digest() == scan_tree(where / "copied", contents=False).manifest.digest()
        made.manifest.save(where / "manifest")
        assert Manifest.load(where / "manifest") == made.manifest
    finally:
        shutil.rmtree(where)
