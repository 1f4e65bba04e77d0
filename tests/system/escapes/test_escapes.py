"""Ways out of a system that goldroot runs: each is shown to be one where nothing is confined, and to be closed where something is.

The attempts are small C functions (``attempts/``), each of which says whether it got out; ``support/escapes/table.py`` says of each
what it is after, and why it is not closed where it is not.  They run on a host made of namespaces, with something to lose.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from support.escapes.running import ESCAPED, NOBODY, TOP, UNKNOWN, Programs, Results, Run, has_power, run_all
from support.escapes.table import ATTEMPTS
from support.escapes.ways import Way

ROOT_WAYS: tuple[Way, ...] = ("shift", "identity", "caps")
WITH_NETWORK = [name for name, one in ATTEMPTS.items() if not one.terminal and not one.among and name != "self_exe"]
#: Refused; cannot be shown; could not be executed; ended by SIGSYS, by the filter.
ENDS = (1, UNKNOWN, 126, 127, 128 + 31, -31)
PAGE = TOP / "docs" / "explanation" / "isolation-tests.md"


@pytest.fixture(scope="module")
def as_root(attempts: Programs, open_room: Path) -> Iterator[Results]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    yield run_all(attempts, room(open_room, "as-root"), ("loose", *ROOT_WAYS), uid=0)


@pytest.fixture(scope="module")
def as_user(attempts: Programs, open_room: Path) -> Iterator[Results]:
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    yield run_all(attempts, room(open_room, "as-user"), ("loose", "user"), uid=uid)


def room(above: Path, name: str) -> Path:
    place = above / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def shown(name: str, run: Run) -> None:
    """It got out: else it proves nothing where it is refused."""
    attempt = ATTEMPTS[name]
    if attempt.hidden:
        pytest.skip(f"not shown here: {name}: {attempt.hidden}")
    if attempt.power is not None and not has_power(attempt.power):
        pytest.skip(f"not shown here: {name}: this machine's root has no right to it")
    if run.status == UNKNOWN:
        pytest.skip(f"not shown here: {name}: {run.said}")
    assert run.status == ESCAPED, run.said


def unexplained(results: Results, way: Way, names: Iterable[str], *, network: bool = False) -> dict[str, Run]:
    """What got out, or did something to the host, and must not."""
    found = {}
    for name in names:
        run, attempt = results[name, way, network], ATTEMPTS[name]
        left = attempt.left.get(way, "")
        if network and attempt.network_left is not None:
            left = attempt.network_left
        if run.damage or not (left or run.status in ENDS):
            found[name] = run
    return found


@pytest.mark.parametrize("name", ATTEMPTS)
def test_root_gets_out_where_nothing_is_confined(as_root: Results, name: str) -> None:
    run = as_root[name, "loose", False]
    if name.endswith("_exe_of_others") and run.said.startswith("of no process"):
        pytest.skip("no other process with a program of the host was there just then")
    shown(name, as_root[name, "loose", False])


@pytest.mark.parametrize("name", [name for name, attempt in ATTEMPTS.items() if attempt.user])
def test_a_user_gets_out_where_nothing_is_confined(as_user: Results, name: str) -> None:
    if os.geteuid() != 0 and name == "disk_node_block":
        pytest.skip("needs root to put a node on a disk")
    shown(name, as_user[name, "loose", False])


@pytest.mark.parametrize("way", ROOT_WAYS)
def test_confined_root_stays_inside(as_root: Results, way: Way) -> None:
    assert unexplained(as_root, way, ATTEMPTS) == {}


def test_a_confined_user_stays_inside(as_user: Results) -> None:
    assert unexplained(as_user, "user", ATTEMPTS) == {}


@pytest.mark.parametrize("way", ROOT_WAYS)
def test_root_with_the_hosts_network_has_no_more_than_that(as_root: Results, way: Way) -> None:
    assert unexplained(as_root, way, WITH_NETWORK, network=True) == {}


def test_a_user_with_the_hosts_network_has_no_more_than_that(as_user: Results) -> None:
    assert unexplained(as_user, "user", WITH_NETWORK, network=True) == {}


def test_every_attempt_is_in_the_table(attempts: Programs) -> None:
    assert {*attempts.names(), "self_exe"} == set(ATTEMPTS)


def test_the_page_names_what_is_left_and_what_is_not_shown() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert named <= set(ATTEMPTS)
    assert {name for name, one in ATTEMPTS.items() if one.left or one.network_left or one.hidden or one.power} <= named
