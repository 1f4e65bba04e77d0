"""Sites and images for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.image.importing import import_image
from goldroot.image.site import Site, init_site
from support.roots import make_root


@pytest.fixture
def small(tmp_path: Path) -> Site:
    """A site with the image ``small``."""
    site = init_site(str(tmp_path / "site"))
    import_image(site, "small", str(make_root(tmp_path / "root")))
    return site
