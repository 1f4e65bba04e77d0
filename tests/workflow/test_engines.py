"""What every engine promises, asked of both."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from goldroot.errors import NewerVersion, NoSpace
from goldroot.workflow import Cancelled, Engine, InProcess, Moment, State, Step, Workflow, open_engine

Opener = Callable[[], AbstractContextManager[Engine]]


@pytest.fixture(params=["in-process", "durable"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens an engine; each time as another process would find it."""
    journal: dict[str, object] = {}

    @contextmanager
    def in_process() -> Iterator[Engine]:
        yield InProcess(journal)  # type: ignore[arg-type]

    if request.param == "in-process":
        return in_process
    return lambda: open_engine(tmp_path / "workflow.sqlite", tmp_path / "locks")


class Steps:
    """A workflow that notes what was done, in which thread, and fails where it is told to."""

    def __init__(self, *names: str) -> None:
        self.did: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.fails: set[str] = set()
        self.within: dict[str, Callable[[], None]] = {}
        self.workflow = Workflow("test", tuple(self._step(name) for name in names))

    def _step(self, name: str) -> Step:
        def do(state: State) -> State:
            self.did.append(name)
            self.threads.add(threading.current_thread())
            self.within.get(name, lambda: None)()
            if name in self.fails:
                raise NoSpace(f"no space in {name}")
            return {name: sorted(state)}

        return Step(name, do)


def test_steps_run_in_order_in_the_calling_thread_over_a_growing_state(opened: Opener) -> None:
    steps = Steps("a", "b")
    with opened() as engine:
        assert engine.run(steps.workflow, "k:1", {"x": 1}) == {"x": 1, "a": ["x"], "b": ["a", "x"]}
    assert steps.did == ["a", "b"]
    assert steps.threads == {threading.main_thread()}


def test_a_finished_key_gives_its_result_and_does_nothing(opened: Opener) -> None:
    steps = Steps("a")
    for other in ({"x": 1}, {"x": 2}):
        with opened() as engine:
            assert engine.run(steps.workflow, "k:1", other)["x"] == 1
    assert steps.did == ["a"]


def test_keys_are_apart_even_where_one_begins_like_the_other(opened: Opener) -> None:
    steps = Steps("a")
    with opened() as engine:
        for key in ("k:1", "k:11", "k:1#1", "k%"):
            assert engine.run(steps.workflow, key, {"key": key})["key"] == key
    assert len(steps.did) == 4


def test_a_failure_leaves_as_it_is_and_the_run_goes_on_at_that_step(opened: Opener) -> None:
    steps = Steps("a", "b", "c")
    steps.fails = {"b"}
    with opened() as engine:
        for _ in range(3):
            with pytest.raises(NoSpace, match="no space in b"):
                engine.run(steps.workflow, "k:1", {"x": 1})
        (pending,) = engine.pending()
        assert (pending.key, pending.workflow, pending.done) == ("k:1", "test", ("a",))
        assert pending.error == "no space in b"
        assert pending.state == {"x": 1, "a": ["x"]}
    steps.fails = set()
    with opened() as engine:
        assert engine.run(steps.workflow, "k:1", {"other": 1}) == {
            "x": 1,
            "a": ["x"],
            "b": ["a", "x"],
            "c": ["a", "b", "x"],
        }
        assert engine.pending() == []
    assert steps.did == ["a", "b", "b", "b", "b", "c"]


def test_a_cancel_is_seen_between_two_steps_and_is_for_good(opened: Opener) -> None:
    steps = Steps("a", "b")
    with opened() as engine:
        steps.within["a"] = lambda: engine.cancel("k:1") or None
        for _ in range(2):
            with pytest.raises(Cancelled):
                engine.run(steps.workflow, "k:1", {})
        assert steps.did == ["a"]
        assert engine.pending() == []
        assert not engine.cancel("k:1")


def test_what_failed_can_be_cancelled_and_what_is_not_there_or_finished_can_not(opened: Opener) -> None:
    steps = Steps("a")
    steps.fails = {"a"}
    with opened() as engine:
        with pytest.raises(NoSpace):
            engine.run(steps.workflow, "k:1", {})
        assert engine.cancel("k:1")
        with pytest.raises(Cancelled):
            engine.run(steps.workflow, "k:1", {})
        steps.fails = set()
        engine.run(steps.workflow, "k:2", {})
        assert not engine.cancel("k:2")
        assert not engine.cancel("k:3")
    assert steps.did == ["a", "a"]


def test_an_interrupt_by_the_user_leaves_a_run_that_goes_on(opened: Opener) -> None:
    steps = Steps("a", "b")

    def interrupt() -> None:
        raise KeyboardInterrupt

    steps.within["b"] = interrupt
    with opened() as engine, pytest.raises(KeyboardInterrupt):
        engine.run(steps.workflow, "k:1", {})
    steps.within = {}
    with opened() as engine:
        assert [pending.done for pending in engine.pending()] == [("a",)]
        engine.run(steps.workflow, "k:1", {})
    assert steps.did == ["a", "b", "b"]


def test_a_crashed_run_can_be_cancelled_by_another_command(opened: Opener) -> None:
    steps = Steps("a")

    def interrupt() -> None:
        raise KeyboardInterrupt

    steps.within["a"] = interrupt
    with opened() as engine, pytest.raises(KeyboardInterrupt):
        engine.run(steps.workflow, "k:1", {})
    with opened() as engine:
        assert engine.cancel("k:1")
        assert [pending.cancel_asked for pending in engine.pending()] == [True]
        for _ in range(2):
            with pytest.raises(Cancelled):
                engine.run(steps.workflow, "k:1", {})
        assert engine.pending() == []


def test_a_run_that_nobody_goes_on_with_can_be_forgotten(opened: Opener) -> None:
    steps = Steps("a", "b")
    with opened() as engine:
        assert engine.unfinished() == []
        engine.run(steps.workflow, "k:1", {})
    steps.fails = {"b"}
    with opened() as engine:
        for key in ("k:2", "k:3"):
            with pytest.raises(NoSpace):
                engine.run(steps.workflow, key, {})
    with opened() as engine:
        assert engine.unfinished() == ["k:2", "k:3"]
        for _ in range(2):
            engine.forget("k:2")
        assert engine.unfinished() == [pending.key for pending in engine.pending()] == ["k:3"]
        assert engine.find("k:2") is None
        steps.fails = set()
        steps.did.clear()
        engine.run(steps.workflow, "k:2", {})
    assert steps.did == ["a", "b"], "nothing of it was known any more"


def test_an_attempt_stands_alone_before_its_first_step(tmp_path: Path) -> None:
    """A command that is killed when its run has just ended would leave the earlier ones: of a finished key nobody looks for them."""
    steps, there = Steps("a", "b"), []

    def interrupt() -> None:
        raise KeyboardInterrupt

    def look() -> None:
        with closing(sqlite3.connect(tmp_path / "workflow.sqlite")) as database:
            there.append([name for (name,) in database.execute("SELECT workflow_uuid FROM workflow_status")])

    steps.within["b"] = interrupt
    for _ in range(2):
        with open_engine(tmp_path / "workflow.sqlite", tmp_path / "locks") as engine, pytest.raises(KeyboardInterrupt):
            engine.run(steps.workflow, "k:1", {})
    steps.within["b"] = look
    with open_engine(tmp_path / "workflow.sqlite", tmp_path / "locks") as engine:
        engine.run(steps.workflow, "k:1", {})
    assert there == [["k:1#3"]]
    assert steps.did == ["a", "b", "b", "b"]


def test_a_step_may_run_another_workflow(opened: Opener) -> None:
    inner, outer = Steps("i", "j"), Steps("a", "b")
    with opened() as engine:
        outer.within["b"] = lambda: engine.run(inner.workflow, "inner:1", {}) and None
        engine.run(outer.workflow, "outer:1", {})
        engine.run(inner.workflow, "inner:1", {})
    assert (outer.did, inner.did) == (["a", "b"], ["i", "j"])


def test_progress_is_told_of_the_steps_that_run_now(opened: Opener) -> None:
    steps = Steps("a", "b")
    steps.fails = {"b"}
    with opened() as engine:
        with pytest.raises(NoSpace):
            engine.run(steps.workflow, "k:1", {})
        steps.fails = set()
        told: list[Moment] = []
        engine.run(steps.workflow, "k:1", {}, told.append)
    assert told == [Moment("b", 2, 2, "begins"), Moment("b", 2, 2, "done")]


def test_other_steps_than_those_that_were_done_are_refused(opened: Opener) -> None:
    steps = Steps("a", "b")
    steps.fails = {"b"}
    with opened() as engine:
        with pytest.raises(NoSpace):
            engine.run(steps.workflow, "k:1", {})
        other = Steps("new", "b")
        with pytest.raises(NewerVersion, match="another version"):
            engine.run(other.workflow, "k:1", {})
    assert other.did == []


def test_a_result_that_is_not_json_is_a_mistake_of_the_step(opened: Opener) -> None:
    workflow = Workflow("test", (Step("a", lambda state: {"path": b"/etc"}),))
    with opened() as engine, pytest.raises(TypeError):
        engine.run(workflow, "k:1", {})


def test_a_step_name_is_used_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Steps("a", "a")


def test_one_run_is_found_by_its_key(opened: Opener) -> None:
    steps = Steps("a", "b")
    steps.fails = {"b"}
    with opened() as engine:
        assert engine.find("k:1") is None
        for key in ("k:1", "k:1#1", "k:11"):
            with pytest.raises(NoSpace):
                engine.run(steps.workflow, key, {"key": key})
    with opened() as engine:  # as another command finds it
        found = engine.find("k:1")
        assert found is not None
        assert (found.key, found.done, found.error, found.state["key"]) == ("k:1", ("a",), "no space in b", "k:1")
        assert engine.find("k:1#1#1") is None and engine.find("k") is None
        steps.fails = set()
        engine.run(steps.workflow, "k:1", {})
        assert engine.find("k:1") is None
    with opened() as engine:
        assert engine.find("k:1") is None
        assert engine.find("k:11") is not None
