"""Many clones at once: what is told of each, when no other is begun, what an end from outside leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from goldroot.errors import Busy, Refused
from goldroot.fleet import clones
from goldroot.fleet.parallel import Opener, chosen_clones, on_each, run_updates
from goldroot.site import Site
from support.fleet import IMAGE, next_gold, on_clone, text

NAMES = ["d", "a", "c", "b"]


def opening(work: Callable[[str], object]) -> Opener[object]:
    @contextmanager
    def opened() -> Iterator[Callable[[str], object]]:
        yield work

    return opened


def refusing(*names: str) -> Callable[[str], object]:
    def work(name: str) -> str:
        if name in names:
            raise Refused(f"not {name}")
        return name.upper()

    return work


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_each_is_told_in_the_order_of_the_command(jobs: int) -> None:
    told: list[tuple[str, str]] = []
    many = on_each(NAMES, opening(refusing("a")), jobs=jobs, tell=lambda name, kind: told.append((name, kind)))
    assert list(many.done.items()) == [("d", "D"), ("c", "C"), ("b", "B")]
    assert {name: error.brief for name, error in many.failed.items()} == {"a": "not a"}
    assert (many.unfinished, many.not_begun, many.interrupt) == ({}, [], None)
    assert sorted(told) == [("a", "refused"), ("b", ""), ("c", ""), ("d", "")]


def test_so_many_are_worked_on_at_once(tmp_path: Path) -> None:
    """Each waits until another one is under way."""

    def work(name: str) -> int:
        (tmp_path / name).touch()
        while len(os.listdir(tmp_path)) < 2:
            time.sleep(0.01)
        return os.getpid()

    many = on_each(["a", "b"], opening(work), jobs=2)
    assert len({os.getpid(), *many.done.values()}) == 3


def test_a_child_opens_what_it_needs_once_and_closes_it(tmp_path: Path) -> None:
    @contextmanager
    def opened() -> Iterator[Callable[[str], object]]:
        with open(tmp_path / f"{os.getpid()}", "a") as file:
            yield lambda name: file.write(name)
            file.write(".")

    on_each(NAMES, opened, jobs=2)
    assert sorted("".join(path.read_text() for path in tmp_path.iterdir())) == [".", ".", "a", "b", "c", "d"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_after_so_many_failures_of_one_kind_no_other_is_begun(jobs: int) -> None:
    names = [f"n{number}" for number in range(12)]

    def work(name: str) -> None:
        raise Busy("busy") if name in ("n0", "n2") else Refused("no")

    many = on_each(names, opening(work), jobs=jobs, stop_after=3)
    assert many.stopped_by == "refused"
    assert many.not_begun == names[-len(many.not_begun) :]
    # Those that were under way at the third one come to their own ends.
    assert 3 <= sum(error.kind == "refused" for error in many.failed.values()) < 3 + jobs
    assert [*many.failed, *many.not_begun] == names


def test_a_child_that_is_killed_is_the_failure_of_its_clone_alone() -> None:
    def work(name: str) -> str:
        if name == "a":
            os.kill(os.getpid(), signal.SIGKILL)
        return name

    many = on_each(NAMES, opening(work), jobs=2)
    assert list(many.done) == ["d", "c", "b"]
    assert "killed by signal 9" in many.failed["a"].brief


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("error", "kind"), [(OSError(28, "it is full"), OSError), (ValueError("a bug"), Exception)])
def test_what_is_no_error_for_a_person_ends_the_whole_and_arrives(jobs: int, error: Exception, kind: type) -> None:
    def work(name: str) -> None:
        raise error

    many = on_each(NAMES, opening(work), jobs=jobs)
    assert list(many.unfinished) == NAMES[: len(many.unfinished)] and 1 <= len(many.unfinished) <= jobs
    assert many.not_begun == NAMES[len(many.unfinished) :]
    for found in many.unfinished.values():
        assert isinstance(found, kind) and error.args[-1] in str(found)
    assert (many.done, many.failed, many.interrupt) == ({}, {}, None)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_ends_those_under_way_and_begins_no_other(tmp_path: Path, jobs: int) -> None:
    """The Ctrl-C key is told to the process that began it all; the children tidy up as any command does."""
    began = os.getpid()

    def work(name: str) -> None:
        (tmp_path / name).touch()
        try:
            while len(os.listdir(tmp_path)) < jobs:  # the end may be asked for while this one waits, too
                time.sleep(0.01)
            if name == NAMES[0]:
                os.kill(began, signal.SIGINT)
            while True:
                time.sleep(0.01)
        finally:
            (tmp_path / f"{name}.tidy").touch()

    many = on_each(NAMES, opening(work), jobs=jobs)
    assert isinstance(many.interrupt, KeyboardInterrupt)
    assert list(many.unfinished) == NAMES[:jobs]
    assert many.not_begun == NAMES[jobs:]
    assert sorted(path.name for path in tmp_path.glob("*.tidy")) == sorted(f"{name}.tidy" for name in NAMES[:jobs])


@pytest.mark.slow
def test_many_clones_are_moved_and_a_second_time_nothing_is_left(site: Site) -> None:
    names = ["web3", "web1", "web2"]
    for name in names:
        clones.create_clone(site, name, IMAGE)
    on_clone(site, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(site, {"etc/plain.conf": "gold 2\n"})
    assert chosen_clones(site) == chosen_clones(site, IMAGE) == sorted(names)
    site.close()
    many = run_updates(site.root, names, jobs=2)
    assert {name: done.outcome for name, done in many.done.items()} == {
        "web3": "done", "web1": "needs-review", "web2": "done",
    }  # fmt: skip
    assert text(site, "web3", "etc/plain.conf") == "gold 2\n"
    again = run_updates(site.root, ["web3", "web2"], jobs=2)
    assert [done.outcome for done in again.done.values()] == ["nothing-to-do", "nothing-to-do"]
