"""What a gold points at and does not have is named where it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from goldroot.accounts import AccountTables
from goldroot.system.gold_references import GONE, THERE, UNKNOWN, broken_references, find
from goldroot.tree import Entry, Manifest, scan_tree
from support.trees import Dir, File, Link, Node, make_tree

UNIT = "usr/lib/systemd/system"
ROOT: Mapping[str, Node] = {
    "lib": Link("usr/lib"), "bin": Link("usr/bin"), "usr/bin/sh": File("", mode=0o755),
    f"{UNIT}/a.service": "", f"{UNIT}/t@.service": "",
    "etc/passwd": "root:x:0:0::/:/bin/sh\nold:x:5:5::/:\n", "etc/init.d/legacy": "", "srv": Dir(), "loop": Link("loop"),
    "out": Link("/run/x"), "up": Link("../../usr/bin/../lib"),
}  # fmt: skip


def manifest(room: Path, files: Mapping[str, Node]) -> Manifest:
    return scan_tree(make_tree(room / "root", {**ROOT, **files})).manifest


def broken(room: Path, files: Mapping[str, Node], fstab: str = "") -> list[str]:
    held = manifest(room, files)

    def below(path: bytes) -> Iterator[Entry]:
        return held.below(path)

    return broken_references(held.get, below, AccountTables.read(room / "root/etc"), fstab.encode())


WANTS = "etc/systemd/system/multi-user.target.wants"


@pytest.mark.parametrize(
    ("files", "fstab", "said"),
    [
        ({}, "", None),
        # systemd goes by the name of the link, whatever its text
        ({f"{WANTS}/a.service": Link("/nowhere")}, "", None),
        ({f"{WANTS}/t@x.service": Link("/lib/systemd/system/t@.service")}, "", None),
        ({f"{WANTS}/legacy.service": Link("/run/x")}, "", None),
        ({f"{WANTS}/gone.service": Link("/lib/systemd/system/gone.service")}, "", f"/{WANTS}/gone.service enables"),
        ({"etc/systemd/system/alias.service": Link("/lib/systemd/system/a.service")}, "", None),
        ({"etc/systemd/system/masked.service": Link("/dev/null")}, "", None),
        ({"etc/systemd/system/alias.service": Link("/lib/systemd/system/b.service")}, "", "alias.service leads to"),
        ({"etc/alternatives/ed": Link("/bin/ed"), "var/lib/dpkg/alternatives/ed": "x"}, "", "alternatives/ed leads to"),
        ({"etc/alternatives/ed.1.gz": Link("/man/ed"), "var/lib/dpkg/alternatives/ed": "x"}, "", None),
        ({"etc/passwd": "me:x:5:5::/:/bin/zsh\n"}, "", "the shell of me, /bin/zsh, is not a program"),
        ({"etc/passwd": "me:x:5:5::/:/bin/sh\n", "usr/bin/sh": File("", mode=0o644)}, "", "the shell of me"),
        ({}, "UUID=1 / ext4 defaults 0 1\ntmpfs /srv tmpfs x 0 0\nx none swap sw 0 0\n# x /none y\n", None),
        ({}, "tmpfs /none tmpfs x 0 0\n", "/etc/fstab mounts on /none"),
        ({}, "tmpfs /none tmpfs x,nofail 0 0\ntmpfs /run/x tmpfs x 0 0\n", None),
    ],
)
def test_what_leads_to_nothing(tmp_path: Path, files: Mapping[str, Node], fstab: str, said: str | None) -> None:
    found = broken(tmp_path, files, fstab)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


@pytest.mark.parametrize(
    ("place", "word"),
    [
        ("bin/sh", THERE),
        ("/lib/systemd", THERE),
        ("loop", GONE),
        ("out", UNKNOWN),
        ("up/systemd", THERE),
        ("none", GONE),
        ("/dev/x", UNKNOWN),
    ],
)
def test_where_a_path_leads(tmp_path: Path, place: str, word: str) -> None:
    assert find(manifest(tmp_path, {}).get, place.encode())[0] == word
