"""Sites and images for the tests of this room: made once, and copied for each test."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from goldroot.image.importing import import_image
from goldroot.site import Site, init_site
from support.roots import make_root

Make = Callable[[str], Site]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An empty site, and two with the image ``small``: with a shell in it, and without a program."""
    place = tmp_path_factory.mktemp("sites")
    init_site(str(place / "empty")).close()
    for name, shell in (("small", True), ("bare", False)):
        site = init_site(str(place / name))
        import_image(site, "small", str(make_root(place / f"root-{name}", shell=shell)))
        site.close()
    return {name: place / name for name in ("empty", "small", "bare")}


@pytest.fixture
def copied(templates: dict[str, Path], tmp_path: Path) -> Make:
    def copy(name: str) -> Site:
        subprocess.run(["cp", "-a", templates[name], tmp_path / "site"], check=True)
        return Site.open(str(tmp_path / "site"))

    return copy


@pytest.fixture
def empty(copied: Make) -> Site:
    """A site without an image."""
    return copied("empty")


@pytest.fixture
def small(copied: Make) -> Site:
    """A site with the image ``small``, which has a shell."""
    return copied("small")


@pytest.fixture
def bare(copied: Make) -> Site:
    """A site with the image ``small``, whose root has no programs."""
    return copied("bare")
