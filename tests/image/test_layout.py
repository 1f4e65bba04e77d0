"""Layouts: which path stands where, and what a person wrote wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldroot.errors import BadInput, BadPolicy
from goldroot.site import layout

ROOT = '[[disk]]\naddress = "1B1"\npaths = ["/"]\n'


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (b"", "1B1"),
        (b"boot/vmlinuz", "1B1"),
        (b"opt", "1B1"),
        (b"etc", "1B5"),
        (b"etcetera", "1B1"),
        (b"usr/bin/ls", "1B1"),
        (b"usr/local", "1B5"),
        (b"usr/local/bin/x", "1B5"),
        (b"usr/localx", "1B1"),
        (b"home/me", "1B5"),
        (b"var/lib/dpkg/status", "1B6"),
    ],
)
def test_the_papers_layout(path: bytes, address: str) -> None:
    assert layout.load_layout("readonly-root").disk_of(path).address == address


def test_what_is_shared() -> None:
    assert [disk.address for disk in layout.load_layout("readonly-root").shared] == ["1B1"]
    paper = layout.load_layout("shared-usr")
    assert [path for disk in paper.shared for path in disk.paths] == [b"usr"]
    assert paper.disk_of(b"usr/local/bin").shared is False


def test_a_disk_is_found_by_its_live_address() -> None:
    paper = layout.load_layout("readonly-root")
    assert [disk.address for disk in paper.disks] == ["1B1", "1B5", "1B6"]
    assert paper.disk("1B5") is paper.disks[1]
    for address in ("5B5", "1C0"):
        with pytest.raises(BadInput, match=f"no disk at {address}"):
            paper.disk(address)


def test_directories_on_the_way_stand_on_every_disk_that_they_lead_to() -> None:
    paper = layout.load_layout("readonly-root")
    assert paper.places(b"") == ["1B1", "1B5", "1B6"]
    assert paper.places(b"usr") == ["1B1", "1B5"]
    assert paper.places(b"etc") == ["1B1", "1B5"], "a mount point and the directory itself"
    assert paper.places(b"etc/ssh") == ["1B5"]


@given(st.lists(st.sampled_from([b"usr", b"local", b"etc", b"var", b"x"]), max_size=5).map(b"/".join))
def test_each_path_stands_on_one_disk_and_parents_are_mounted_first(path: bytes) -> None:
    for name in layout.SHIPPED_LAYOUTS:
        known = layout.load_layout(name)
        mounted: dict[bytes, str] = {}
        for bind in known.binds():
            assert bind.path == b"" or any(bind.path.startswith(above) for above in mounted), "parents first"
            mounted[bind.path] = bind.address
        above = max((at for at in mounted if at in (b"", path) or path.startswith(at + b"/")), key=len)
        assert known.disk_of(path).address == mounted[above]
        assert known.disk_of(path).address in known.places(path)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name = ", 1, "not valid TOML"),
        ('nam = "x"\n', None, "'name' is missing"),
        ('name = "X!"\n', 1, "small letters"),
        ('name = "x"\n\ndisk = 3\n', 3, "array of tables"),
        ('name = "x"\nother = 1\n' + ROOT, 2, "unknown key 'other'"),
        ('name = "x"\n' + ROOT + "shard = true\n", 5, "unknown key 'shard'"),
        ('name = "x"\n' + ROOT + 'shared = "yes"\n', 5, "true or false"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "1B1"\npaths = ["/etc"]\n', 6, "stands twice"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "5B5"\npaths = ["/etc"]\n', 6, "not a live address"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "1B5"\npaths = ["/"]\n', 7, "stands on two disks"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "1B5"\npaths = ["/etc", "/etc"]\n', 7, "each once"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "1B5"\npaths = ["etc"]\n', 7, "absolute"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "1B5"\npaths = ["/etc/../var"]\n', 7, "shortest"),
        ('name = "x"\n' + ROOT + '[[disk]]\naddress = "1B5"\npaths = ["/dev/shm"]\n', 7, "filled at boot"),
        ('name = "x"\n[[disk]]\naddress = "1B5"\npaths = ["/etc"]\n', None, "no disk holds"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, line: int | None, said: str) -> None:
    with pytest.raises(BadPolicy, match=said) as caught:
        layout.parse_layout(text, "mine.toml")
    assert (caught.value.file, caught.value.line) == ("mine.toml", line)


def test_a_layout_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n' + ROOT)
    own = layout.load_layout(str(tmp_path / "mine.toml"))
    assert (own.name, own.root.address, own.shared) == ("mine", "1B1", ())
    with pytest.raises(BadPolicy, match="no such file"):
        layout.load_layout(str(tmp_path / "none.toml"))
    with pytest.raises(BadInput, match="no layout 'unknown'") as caught:
        layout.load_layout("unknown")
    assert "readonly-root or shared-usr" in caught.value.todo


def test_the_hash_says_what_the_layout_says() -> None:
    one = layout.parse_layout('name = "a"\n' + ROOT, "f")
    assert one.hash == layout.parse_layout('# words\nname = "b"\n' + ROOT, "f").hash
    assert one.hash != layout.parse_layout('name = "a"\n' + ROOT + "shared = true\n", "f").hash
