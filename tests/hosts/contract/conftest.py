"""Every contract test runs against every kind of host; a new kind is one line in ``support.hosts.LABS``."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.hosts import LABS, Lab


@pytest.fixture(params=sorted(LABS))
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    return LABS[request.param](tmp_path)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who has a lock in these tests gives it back while another waits."""
    monkeypatch.setattr("goldroot.hosts.inuse.TRIES", (0.0, 0.02, 0.05))
