"""A site on a simulated z/VM, by its commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.zvmfleet import ZvmFleet, password


@pytest.fixture
def fleet(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ZvmFleet]:
    """Nothing is there yet; afterwards no command has left a link, a lock or a note."""
    fleet = ZvmFleet(tmp_path / "zvm", capsys)
    password(monkeypatch, fleet)
    try:
        yield fleet
        assert fleet.left() == []
        assert fleet.sim.bugs == []
    finally:
        fleet.sim.stop()
