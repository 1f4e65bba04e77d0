"""What is told of a console: its end, and the line that says why."""

from __future__ import annotations

import pytest

from goldroot.system import last_words

TRACE = [f"[ 10.{number}]  called_by_{number}+0x1/0x2" for number in range(30)]


@pytest.mark.parametrize(
    "cause",
    [
        "[ 10.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "goldroot: this server does not boot: no disk has the address 1B5",
        "ALERT!  UUID=0a does not exist.  Dropping to a shell!",
        "You are in emergency mode. After logging in, type ...",
    ],
)
def test_the_newest_cause_stands_before_the_end(cause: str) -> None:
    console = ["Kernel panic - not syncing: an older start", *TRACE, cause, *TRACE]
    assert last_words(lambda count: console[-count:]) == [cause, *TRACE[-10:]]


def test_a_cause_in_the_end_is_told_once_and_what_is_further_back_is_not_read() -> None:
    console = ["Kernel panic - not syncing: long ago", *TRACE * 5, "Kernel panic - not syncing: now", "", "bye"]
    assert last_words(lambda count: console[-count:]) == [*TRACE[-8:], "Kernel panic - not syncing: now", "bye"]


def test_a_console_that_says_nothing_has_no_words() -> None:
    assert last_words(lambda count: []) == last_words(lambda count: ["", "  "]) == []
