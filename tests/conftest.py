"""What every test can count on: ``--slow``, ``--budget``, the marks that they and the user's rights decide about."""

from __future__ import annotations

import os
import time
from collections import Counter

import hypothesis
import pytest

SLOW_MARKS = ("slow", "integration", "crash")
STARTED = time.monotonic()

# A deadline per example measures the machine, not the code; the blob lets a failure of CI be run again at home.
hypothesis.settings.register_profile("goldroot", deadline=None, print_blob=True)
hypothesis.settings.load_profile("goldroot")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow, integration and crash")
    parser.addoption("--budget", type=float, metavar="SECONDS", help="start no test after so many seconds; skip it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = config.getoption("--slow")
    for item in items:
        if not slow and any(item.get_closest_marker(mark) for mark in SLOW_MARKS):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))
        if os.geteuid() != 0 and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    budget = item.config.getoption("--budget")
    if budget is not None and time.monotonic() - STARTED > budget:
        pytest.skip(f"the budget of {budget:.0f} s was used up")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for each reason that tests were skipped for, in place of one for each test."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("skipped, and why", sep="-")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5} {reason}")
