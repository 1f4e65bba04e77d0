"""A machine's console: it cannot fill the store, and what it says has no power over who looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.hosts.machines import console
from goldroot.hosts.machines.console import ConsoleLog, last_lines


def test_the_last_lines_are_shown_without_their_power(tmp_path: Path) -> None:
    assert last_lines(str(tmp_path), 5) == []
    log = ConsoleLog(str(tmp_path))
    log.write(
        b"first\r\n\x1b[32m  OK  \x1b[0m Reached\r\r\n\x1b]0;title\x07\x1bcdone\xff\r\n50%\r100%\r\n\x9b31m\x00\n\n"
    )
    lines = last_lines(str(tmp_path), 5)
    assert lines == ["first", "  OK   Reached", "done\\xff", "100%", "\\x9b31m\\x00"]
    assert last_lines(str(tmp_path), 1) == lines[-1:]
    assert last_lines(str(tmp_path), 0) == []


def test_a_talkative_machine_keeps_what_it_said_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LARGEST", 1000)
    log = ConsoleLog(str(tmp_path))
    for number in range(1000):
        log.write(b"line %d\n" % number)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    assert last_lines(str(tmp_path), 100) == [f"line {number}" for number in range(900, 1000)]
