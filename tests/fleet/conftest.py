"""A small site for each test, in memory where the machine has room there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.site import Site
from goldroot.workflow import InProcess
from support.fleet import small_site

MEMORY = "/dev/shm"


@pytest.fixture
def room() -> Iterator[Path]:
    """An empty directory; each tree is brought to the disk, which takes long where there is one."""
    place = tempfile.mkdtemp(prefix="goldroot-fleet-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
    yield Path(place)
    shutil.rmtree(place)


@pytest.fixture
def site(room: Path) -> Iterator[Site]:
    """A site with the image ``small`` and one gold version of it."""
    made = small_site(room)
    yield made
    made.close()


@pytest.fixture
def engine() -> InProcess:
    """The engine that keeps its journal in memory."""
    return InProcess()
