"""Import, test, publish and take-back are killed at every named point, and at random moments; a second run finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from goldroot import crash
from goldroot.image.gold import all_versions, verify_gold
from goldroot.image.gold_version import open_version
from goldroot.image.maintain import test_system as run_tests
from goldroot.image.publish import publish_gold
from goldroot.image.systems import MAINTENANCE, TEST, System, fingerprint
from goldroot.site import Site
from support.former import former, path_of, scan_of
from support.points import hit, named_points
from support.roots import make_root
from support.trees import dump_tree

# A case kills at every point: minutes, and more on a machine that has other work.
pytestmark = [pytest.mark.crash, pytest.mark.timeout(1800)]

#: The points at which the tests of this file killed a command.
KILLED_AT: set[str] = set()


def command(site: Site, *words: str) -> list[str]:
    return [sys.executable, "-c", f"from goldroot.cli.main import main; main({[*words, '--site', site.root]!r})"]


def killed_at(site: Site, point: str, *words: str) -> None:
    KILLED_AT.add(point.rpartition(":")[0])
    done = subprocess.run(command(site, *words), env={**os.environ, crash.AT: point}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, f"{point}: {done.stderr.decode()}"


def finished(site: Site, *words: str) -> None:
    done = subprocess.run(command(site, *words), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def points(site: Site, log: Path, *words: str) -> list[str]:
    """Every point that a whole run passes, as ``name:nth``."""
    subprocess.run(command(site, *words), env={**os.environ, crash.LOG: str(log)}, capture_output=True, check=True)
    names = log.read_text().split()
    return [f"{name}:{names[: place + 1].count(name)}" for place, name in enumerate(names)]


def whole(site: Site, versions: dict[int, str]) -> None:
    """Each published version is what it was, and no disk stands about that nothing names."""
    for number, state in versions.items():
        assert verify_gold(site, "small", number).whole
        assert open_version(site, "small", number).record["fingerprint"] == state
    named = {disk.disk for machine in former(site).machines() for disk in machine.disks.values()}
    assert set(former(site).disks()) == named


def state_of(site: Site) -> str:
    system = System(site, "small", MAINTENANCE)
    return fingerprint(system.layout, scan_of(system))


def test_publish_at_every_point(copied: Callable[[str], Site], tmp_path: Path) -> None:
    site = copied("bare")
    for _ in range(3):
        publish_gold(site, "small", untested=True)
    words = ("gold", "publish", "small", "--untested", "--unchanged")
    passed = points(site, tmp_path / "log", *words)
    assert {"publish-begun", "publish-disk-built", "publish-recorded", "publish-before-visible"} <= {
        point.rpartition(":")[0] for point in passed
    }
    versions = {number: state_of(site) for number in (2, 3, 4)}
    for number, point in enumerate(passed, 5):
        killed_at(site, point, *words)
        visible = {version.number for version in all_versions(site, "small") if version.state == "published"}
        assert visible >= set(versions) - {min(versions)}
        whole_ones = {n: versions[n] for n in visible}
        for known in whole_ones:
            assert verify_gold(site, "small", known).whole, point
        finished(site, *words)
        versions = {**{n: s for n, s in versions.items() if n > number - 3}, number: state_of(site)}
        whole(site, versions)


def test_publish_at_random_moments(copied: Callable[[str], Site]) -> None:
    site, chance = copied("bare"), random.Random(11)
    publish_gold(site, "small", untested=True)
    words = ("gold", "publish", "small", "--untested", "--unchanged")
    for _ in range(15):
        with subprocess.Popen(command(site, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0.6, 2.0))
            process.kill()
        known = [version.number for version in all_versions(site, "small") if version.state == "published"]
        for number in known:
            assert verify_gold(site, "small", number).whole
        finished(site, *words)
        assert all_versions(site, "small")[-1].state == "published"
        whole(site, {all_versions(site, "small")[-1].number: state_of(site)})


def test_import_at_every_point(copied: Callable[[str], Site], tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", shell=False)
    subprocess.run(["tar", "-C", root, "-cf", tmp_path / "a.tar", "."], check=True)
    site = copied("empty")
    words = ("image", "import", "small", "--from", str(tmp_path / "a.tar"))
    passed = points(site, tmp_path / "log", *words)
    for point in passed:
        subprocess.run(["rm", "-rf", site.root], check=True)
        site = copied("empty")
        killed_at(site, point, *words)
        finished(site, *words)
        whole(site, {})
        system = System(site, "small", MAINTENANCE)
        assert dump_tree(os.path.join(path_of(system, "1B5"), "etc")) == dump_tree(root / "etc")


@pytest.mark.root
def test_tests_at_every_point(copied: Callable[[str], Site], tmp_path: Path) -> None:
    site = copied("small")
    passed = points(site, tmp_path / "log1", "maintain", "test", "small")
    for point in passed:  # each from the beginning: a test system is defined once
        subprocess.run(["rm", "-rf", site.root], check=True)
        site = copied("small")
        killed_at(site, point, "maintain", "test", "small")
        finished(site, "maintain", "test", "small")
        whole(site, {})


@pytest.mark.root
@pytest.mark.parametrize(
    "point",
    [
        "take-back-disk-built:1",
        "take-back-disk-built:2",  # the last: only the disks that it concerns are made again
        "system-in-place:1",
        "disk.removed:1",
    ],
)
def test_take_back_is_done_wholly_or_not_at_all(copied: Callable[[str], Site], point: str) -> None:
    site = copied("small")
    run_tests(site, "small")
    Path(path_of(System(site, "small", TEST), "1B5"), "etc/app.conf").write_text("level = 2\n")
    Path(path_of(System(site, "small", TEST), "1B6"), "var/fix").write_text("x")
    killed_at(site, point, "maintain", "take-back", "small")
    system = System(site, "small", MAINTENANCE)
    conf, fix = Path(path_of(system, "1B5"), "etc/app.conf"), Path(path_of(system, "1B6"), "var/fix")
    assert (conf.read_text(), fix.exists()) in (("level = 1\n", False), ("level = 2\n", True)), "both disks or none"
    finished(site, "maintain", "take-back", "small")
    assert Path(path_of(system, "1B5"), "etc/app.conf").read_text() == "level = 2\n"
    assert Path(path_of(system, "1B6"), "var/fix").exists()
    whole(site, {})


def test_no_point_of_these_was_forgotten() -> None:
    """Comes last in this file."""
    own = ("import-", "system-", "take-back-", "test-", "publish-")
    named = [name for name in named_points() if name.startswith(own) and name != "publish-abandoned"]
    assert [name for name in named if not hit(name, KILLED_AT)] == []
