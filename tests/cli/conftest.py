"""A site with two servers, for tests of commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.site import Site
from support.fleet import small_site


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site with web1 and web2 on gold 1."""
    made = small_site(tmp_path, servers=("web1", "web2"))
    monkeypatch.setenv("GOLDROOT_SITE", made.root)
    yield made
    made.close()
