"""Files of a site that were damaged by a bit or cut off: an error with advice, or right; never a bug, never a loss."""

from __future__ import annotations

import random
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from support.fleet import IMAGE, moved_site
from support.marks import slow
from support.trees import Seen, dump_tree

#: Commands that look, that repair, and that go on.
LOOKS = (
    ("status",), ("log",), ("clone", "list"), ("clone", "show", "web1"), ("clone", "diff", "web1"), ("linked",),
    ("gold", "list"), ("gold", "verify", IMAGE, "1"), ("gold", "diff", IMAGE, "1", "2"),
    ("fallback", "list"), ("update", "plan", "web2"),
    ("review", "list"), ("image", "list"), ("doctor",),
)  # fmt: skip
WORKS = (
    ("doctor", "--repair", "--yes"), ("update", "run", "web2"), ("rollback", "web1"), ("gold", "publish", IMAGE, "--untested"),
    ("clone", "create", "web3", "--image", IMAGE), ("doctor", "--repair", "--yes"),
)  # fmt: skip
#: Exit codes with a meaning: done, findings, wrong input, refused, failed, busy, of a newer goldroot.
TOLD = (0, 1, 2, 3, 4, 5, 6)


def files_of(site: Path) -> list[Path]:
    """What goldroot keeps of its own; what is on disks is the servers'."""
    found = [path for path in sorted(site.rglob("*")) if stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size]
    return [path for path in found if "disks" not in path.relative_to(site).parts and path.name != "reserve"]


def damage(file: Path, chance: random.Random) -> str:
    """Damage a file; how, for a message."""
    content = bytearray(file.read_bytes())
    how = chance.choice(("bit", "bits", "cut", "zeros", "empty"))
    if how in ("bit", "bits"):
        for _ in range(1 if how == "bit" else 20):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del content[chance.randrange(len(content)) :]
    elif how == "zeros":
        at = chance.randrange(len(content))
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    else:
        content.clear()
    file.write_bytes(content)
    return how


def disks_of(site: Path) -> dict[str, dict[str, Seen]]:
    return {disk.name: dump_tree(str(disk)) for disk in sorted((site / "store/disks").iterdir())}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    moved_site(tmp_path).close()
    yield tmp_path


def campaign(room: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    chance = random.Random(seed)
    site = room / "site"
    file = chance.choice(files_of(site))
    where = f"seed {seed}: {file.relative_to(site)}, {damage(file, chance)}"
    before = disks_of(site)
    servers = {name: disk for name, disk in before.items() if name.startswith("web")}
    for words in LOOKS:
        run(site, words, where, capsys)
    assert disks_of(site) == before, f"{where}: a command that looks changed a disk"
    run(site, WORKS[0], where, capsys)
    after = disks_of(site)
    assert {name: after.get(name) for name in servers} == servers, f"{where}: a repair took a server's disk"
    for words in WORKS[1:]:
        run(site, words, where, capsys)
    after = disks_of(site)
    # What was live or kept is still there: an update keeps the old disks, a rollback sets the others aside.
    assert {name: after.get(name) for name in servers} == servers, f"{where}: a command took a server's disk"


def run(site: Path, words: tuple[str, ...], where: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code = guarded(cli, [*words, "--site", str(site)])
    out, err = capsys.readouterr()
    assert code in TOLD, f"{where}: {words} ends with {code}: {out}{err}"
    if code > 1:
        assert len(err.splitlines()) > 1, f"{where}: {words} gives no advice: {err}"


@pytest.mark.parametrize("seed", [0, *map(slow, range(1, 300))])
def test_a_damaged_file_is_an_error_with_advice_and_no_loss(
    seed: int, room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign(room, capsys, seed)
    shutil.rmtree(room)
