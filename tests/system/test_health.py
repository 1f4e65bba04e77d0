"""How a system does is judged from what it says of itself: pure, with a system that is a table of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from goldroot.errors import ProgramFailed, UsageError
from goldroot.run import Done
from goldroot.system import HealthCheck, Seen, health_check, look_inside, until_healthy, until_tried

UNITS = (HealthCheck("units", "units"),)


@dataclass
class System:
    """Each look takes the next of these; the last one stays.  ``answers``: how a command of that last word ends."""

    looks: list[Seen]
    answers: dict[str, list[Done]] = field(default_factory=dict)
    ends_after: int = 1000
    now: float = 0.0
    asked: int = 0

    def command(self, argv: Sequence[str], timeout: float) -> Done:
        if argv[0] == "journalctl":
            return Done(0, b"why\n", b"")
        if "is-system-running" not in argv[-1]:
            known = self.answers[argv[-1]]
            return known.pop(0) if len(known) > 1 else known[0]
        self.asked += 1
        seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        failed = "".join(f"{unit} loaded failed failed words\n" for unit in sorted(seen.failed))
        ports = "".join(f"   0: 0100007F:{port:04X} 00000000:0000 0A 00000000\n" for port in sorted(seen.ports))
        return Done(0, f"{seen.state}\n==\n{failed}==\n  sl  local_address\n{ports}".encode(), b"")

    def gone(self) -> bool:
        return self.asked > self.ends_after

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


def seen(state: str, *failed: str, ports: Sequence[int] = ()) -> Seen:
    return Seen(state, frozenset(failed), frozenset(ports))


def wrong(
    system: System, checks: Sequence[HealthCheck] = UNITS, had: Sequence[str] = (), limit: float = 60
) -> list[str]:
    return until_healthy(system, checks, had, limit, wait=system.wait, clock=system.clock)


def test_what_a_system_says_is_read() -> None:
    assert look_inside(System([seen("degraded", "a.service", "b.timer", ports=[22, 443])])) == seen(
        "degraded", "a.service", "b.timer", ports=[22, 443]
    )


def test_what_a_system_says_is_kept_up_to_a_limit() -> None:
    """It is kept in the catalog, and shown."""
    names = [f"{number}{'x' * 1000}.service" for number in range(3000)]
    found = look_inside(System([seen("s" * 1000, *names)]))
    assert (len(found.state), len(found.failed), max(map(len, found.failed))) == (40, 1000, 255)


def test_a_port_that_is_used_and_not_listened_at_does_not_count() -> None:
    class Busy(System):
        def command(self, argv: Sequence[str], timeout: float) -> Done:
            line = b"   1: 0100007F:0016 0100007F:C350 01 00000000\n   2: 00000000000000000000000000000000:0050 "
            return Done(0, b"running\n==\n==\n" + line + b"00000000000000000000000000000000:0000 0A 0\n", b"")

    assert look_inside(Busy([])).ports == {80}


def test_a_system_that_cannot_be_asked_yet_says_nothing() -> None:
    class Deaf(System):
        def command(self, argv: Sequence[str], timeout: float) -> Done:
            raise ProgramFailed("nsenter ended with status 1")

    assert look_inside(Deaf([])) == Seen()


def test_a_boot_is_waited_for() -> None:
    system = System([seen(""), seen("initializing"), seen("starting"), seen("running")])
    assert wrong(system) == []
    assert 0 < system.now < 5


def test_a_system_without_systemd_is_well_when_its_answers_are() -> None:
    assert wrong(System([seen("none")])) == []


def test_a_unit_that_failed_for_a_moment_is_not_held_against_it() -> None:
    assert wrong(System([seen("degraded", "a.service"), seen("degraded", "a.service"), seen("running")])) == []


def test_a_unit_that_stays_failed_is_told_long_before_the_limit() -> None:
    system = System([seen("degraded", "a.service", "old.service")])
    assert wrong(system, had=["old.service"]) == ["the unit a.service has failed"]
    assert system.now < 10


def test_units_that_had_failed_before_do_not_count() -> None:
    assert wrong(System([seen("degraded", "old.service")]), had=["old.service", "gone.service"]) == []
    assert wrong(System([seen("degraded", "a.service")]), checks=()) == []


def test_a_boot_that_does_not_end_is_told_at_the_limit() -> None:
    system = System([seen("starting")])
    assert wrong(system, limit=30) == ["its boot is not over after 30 s (systemd says: starting)"]
    assert 30 <= system.now < 32


def test_a_system_that_ends_is_told_at_once() -> None:
    system = System([seen("starting")], ends_after=3)
    assert wrong(system) == ["it has ended"]
    assert system.now < 5


@pytest.mark.parametrize(
    ("text", "word", "bad", "why"),
    [
        ("port 22", "", Done(1, b"", b"refused"), "port 22: nobody answers"),
        ("http 80 /x", "/x", Done(0, b"HTTP/1.1 500 Oops", b""), "http 80 /x: the answer is 'HTTP/1.1 500 Oops'"),
        ("http 80", "/", Done(1, b"", b""), "http 80: no answer"),
        ("run test -e /x", "test -e /x", Done(3, b"", b"not there\n"), "run test -e /x: status 3: not there"),
    ],
)
def test_an_answer_gets_all_the_time_to_become_good(text: str, word: str, bad: Done, why: str) -> None:
    check = health_check(text)
    good = Done(0, b"HTTP/1.0 204 No Content\r", b"")
    assert wrong(System([seen("running")], {word: [bad, bad, good]}), [check]) == []
    system = System([seen("running")], {word: [bad]})
    assert wrong(system, [check], limit=20) == [why]
    assert system.now >= 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unit",
        "units now",
        "port",
        "port 0",
        "port 65536",
        "port 22 /x",
        "port +22",
        "http 80 x",
        "http x /",
        "run",
        "run ",
    ],
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a question about health"):
        health_check(text)


def test_questions_are_read() -> None:
    assert health_check("http 8080") == HealthCheck("http", "http 8080", 8080, "/")
    assert health_check("run systemctl is-active 'a b'").what == "systemctl is-active 'a b'"
    assert health_check(" port  22 ").port == 22


def test_a_trial_waits_a_little_for_ports_and_then_says_which_are_closed() -> None:
    before = seen("running", ports=[22, 80, 50000])
    slow = System([seen("running"), seen("running"), seen("running", ports=[22]), seen("running", ports=[22, 80])])
    tried = until_tried(slow, UNITS, before, 60, wait=slow.wait, clock=slow.clock)
    assert (tried.wrong, tried.different) == ([], [])
    never = System([seen("running", ports=[22])])
    tried = until_tried(never, UNITS, before, 60, wait=never.wait, clock=never.clock)
    assert tried.wrong == ["nothing listens at port 80 any more"]


def test_a_trial_without_anything_to_compare_with_only_tells() -> None:
    system = System([seen("degraded", "a.service", ports=[22])])
    tried = until_tried(system, UNITS, None, 60, wait=system.wait, clock=system.clock)
    assert (tried.wrong, tried.different, tried.journal) == ([], ["the unit a.service fails"], [])


def test_a_trial_that_is_worse_brings_its_journal() -> None:
    system = System([seen("degraded", "a.service")])
    tried = until_tried(system, UNITS, seen("running"), 60, wait=system.wait, clock=system.clock)
    assert (tried.wrong, tried.journal) == (["the unit a.service has failed"], ["a.service: why"])


def test_a_system_that_ended_while_it_answered_is_not_well() -> None:
    """Its end takes a moment: it counts as there still when it has answered, and cannot be asked any more."""
    last = [HealthCheck("run", "run last", what="last")]
    ending = System([seen("none"), seen("")], answers={"last": [Done(0, b"", b"")]}, ends_after=2)
    assert wrong(ending, last) == ["it has ended"]
    restarts = System([seen("none"), seen(""), seen("none")], answers={"last": [Done(0, b"", b"")]})
    assert wrong(restarts, last) == [], "it is there again"
