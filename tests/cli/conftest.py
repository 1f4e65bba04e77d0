"""A site with two servers, for tests of commands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli
from goldroot.site import Site
from support.fleet import IMAGE, small_site


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with web1 and web2 on gold 1."""
    made = small_site(tmp_path)
    monkeypatch.setenv("GOLDROOT_SITE", made.root)
    assert guarded(cli, ["clone", "create", "web1", "web2", "--image", IMAGE]) == 0
    yield made
    made.close()
    # The engine's library keeps the standard error of the test that loaded it.
    logging.getLogger("dbos").handlers.clear()
