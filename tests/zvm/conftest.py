"""How many of how many: what the tests counted stands at the end of the run, for a person to find."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_COUNTED = "counted "


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """``counted("SMAPI frames", "173 of 173")``: a line of the summary, and a property in JUnit's XML."""
    return lambda what, said: record_property(_COUNTED + what, said)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for status in ("passed", "failed") for one in terminalreporter.stats.get(status, [])]
    lines = [
        f"{name.removeprefix(_COUNTED)}: {said}"
        for one in reports
        for name, said in getattr(one, "user_properties", [])
        if name.startswith(_COUNTED)
    ]
    if lines:
        terminalreporter.section("z/VM: how many of how many", sep="-")
    for line in lines:
        terminalreporter.line(line)
