"""A catalog on SQLite and, with ``--slow``, on a private PostgreSQL cluster."""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRATCH = itertools.count(1)


def as_postgres(*args: str) -> None:
    """Run a program of PostgreSQL, which refuses to be root."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *args], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Callable[[], str]]:
    """A PostgreSQL cluster of our own, reached by a socket alone; gives the URL of a new, empty database."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    bin_dir = os.path.dirname(programs[-1])
    home = tempfile.mkdtemp(prefix="goldroot-pg-")
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data = f"{home}/data"
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    as_postgres(f"{bin_dir}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8")
    as_postgres(f"{bin_dir}/pg_ctl", "-D", data, "-w", "-l", f"{home}/log", "-o", options, "start")

    def database() -> str:
        name = f"scratch{next(SCRATCH)}"
        as_postgres(f"{bin_dir}/createdb", "-h", home, "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={home}"

    try:
        yield database
    finally:
        as_postgres(f"{bin_dir}/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(home)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a catalog can be made: a path, or a URL."""
    if request.param == "sqlite":
        return str(tmp_path / "catalog.sqlite")
    url: str = request.getfixturevalue("cluster")()
    return url
