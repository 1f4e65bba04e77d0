"""Rights that a file has with whatever it holds: one side's never come to stand on the other's content without a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from support.merging import merge_tables
from support.trees import File

CAPABILITY = {"security.capability": bytes.fromhex("0100000200200000000000000000000000000000")}
PATH = "usr/local/bin/tool"


def file(content: str, mode: int = 0o755, **more: object) -> File:
    return File(content, mode=mode, **more)  # type: ignore[arg-type]


@pytest.mark.root
@pytest.mark.parametrize(
    ("base", "gold", "clone", "axis"),
    [
        pytest.param(file("1"), file("1", 0o4755), file("2"), "mode", id="gold's set-user-id, the server's content"),
        pytest.param(file("1"), file("1", 0o2755), file("2"), "mode", id="gold's set-group-id"),
        pytest.param(file("1"), file("3", 0o4755), file("2"), "mode", id="both changed the content"),
        pytest.param(file("1", uid=1), file("1", uid=0), file("1", 0o4755, uid=1), "mode", id="another owner's"),
        pytest.param(file("1", 0o4755, uid=1), file("1", 0o4755), file("2", 0o4755, uid=1), "owner", id="gold's owner"),
        pytest.param(
            file("1"), file("1", xattrs=CAPABILITY), file("2"), "xattr:security.capability", id="gold's capability"
        ),
        pytest.param(file("1"), file("2"), file("1", 0o4755), None, id="the server's choice, gold's content"),
        pytest.param(file("1"), file("2", 0o4755), file("1"), None, id="all gold's"),
        pytest.param(file("1", 0o4755), file("1", 0o4755), file("2", 0o4755), None, id="all the server's"),
        pytest.param(file("1", 0o4755), file("1"), file("2", 0o4755), None, id="gold took it away"),
        pytest.param(file("1", 0o4755), file("2", 0o4755), file("1"), None, id="the server took it away"),
        pytest.param(file("1"), file("1", 0o4755), file("1", 0o4755), None, id="both gave it"),
    ],
)
def test_set_id_and_capabilities(tmp_path: Path, base: File, gold: File, clone: File, axis: str | None) -> None:
    done = merge_tables(tmp_path, {PATH: base}, {PATH: gold}, {PATH: clone})
    mixed = [one for one in done.record["conflicts"] if one["kind"] == "rights-mixed"]
    assert [one["axis"] for one in mixed] == ([] if axis is None else [axis])
    if axis is None:
        return
    seen = done.tree[PATH]
    assert (seen.content, seen.mode, seen.uid) == (clone.content.encode(), clone.mode, clone.uid or 0)  # type: ignore[union-attr]
    assert "security.capability" not in seen.xattrs
    [one] = mixed
    taken = merge_tables(tmp_path, {}, {}, {}, out="taken", decisions={one["key"]: Decision("gold")})
    assert not [one for one in taken.record["conflicts"] if one["kind"] == "rights-mixed"]
    seen = taken.tree[PATH]
    assert bool(seen.mode & 0o6000 or seen.xattrs.get("security.capability"))
    assert seen.uid == (gold.uid or 0)
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions={one["key"]: Decision("clone")})
    assert kept.tree[PATH].mode == clone.mode
    assert not [one for one in kept.record["conflicts"] if one["kind"] == "rights-mixed"]


@pytest.mark.parametrize(
    ("base", "gold", "clone", "noted"),
    [
        (file("a\n", 0o600), file("a\n", 0o644), file("a\npassword\n", 0o600), True),
        (file("a\n", 0o600), file("a\n", 0o640), file("a\npassword\n", 0o600), True),
        (file("a\n", 0o644), file("a\n", 0o600), file("a\npassword\n", 0o644), False),
        (file("a\n", 0o600), file("a\nb\n", 0o644), file("a\n", 0o600), False),
        (file("a\n", 0o644), file("a\n", 0o755), file("a\npassword\n", 0o644), False),
    ],
)
def test_more_readers_of_what_the_server_wrote_are_noted(
    tmp_path: Path, base: File, gold: File, clone: File, noted: bool
) -> None:
    done = merge_tables(tmp_path, {"etc/app.conf": base}, {"etc/app.conf": gold}, {"etc/app.conf": clone})
    assert done.conflicts == [] and done.tree["etc/app.conf"].mode == gold.mode
    said = [note["text"] for note in done.record["notes"] if "what the server wrote is in it" in note["text"]]
    assert bool(said) is noted
