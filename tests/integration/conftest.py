"""Merges of real Debian servers, each made once for all tests that look at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from support.administrator import administer
from support.debian import copy_of, debian_root
from support.server import Server
from support.servers import Merged, merge

PAIRS = [("bookworm", "trixie"), ("bullseye", "bookworm"), ("trixie", "bookworm"), ("bullseye", "trixie")]


@pytest.fixture(scope="session", params=PAIRS, ids="-".join)
def merged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Merged]:
    """A server of the old release with all its administrator's changes, merged with the new release."""
    old, new = request.param
    base, gold = debian_root(old), debian_root(new)
    room = tmp_path_factory.mktemp(f"{old}-{new}")
    clone = copy_of(base, room / "clone")
    administer(Server(clone))
    yield merge(base, gold, clone, room / "result")
    shutil.rmtree(room)
