"""The attempts, compiled once; a room that an ordinary user reaches."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.escapes.running import Programs, programs


@pytest.fixture(scope="session")
def open_room() -> Iterator[Path]:
    """A directory that everybody may look into."""
    place = Path(tempfile.mkdtemp(prefix="goldroot-escapes-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def attempts(open_room: Path) -> Programs:
    """The program of all attempts."""
    return programs(open_room)
