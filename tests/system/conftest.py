"""A small system that can be entered, and a way to run things in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from goldroot.system import Bound, Confined, How, run_in
from support.roots import add_program, make_root
from support.trees import Dir

PROGRAMS = ("cat", "chmod", "chown", "dd", "grep", "head", "id", "ls", "mkdir", "mount", "rm", "sleep", "stat", "tty")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: copying programs takes longer than running them."""
    root = make_root(tmp_path_factory.mktemp("programs") / "root", {"srv": Dir()})
    for name in PROGRAMS:
        add_program(root, next(path for path in (f"/bin/{name}", f"/usr/bin/{name}") if os.path.exists(path)))
    return root


class Machine:
    """A system whose root is one disk, and others that are added to it."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root, self._stack = root, stack
        self.binds: list[Bound] = []
        self.add(root, b"")

    def add(self, disk: Path, path: bytes, *, read_only: bool = False) -> None:
        handle = os.open(disk, os.O_RDONLY | os.O_DIRECTORY)
        self._stack.callback(os.close, handle)
        self.binds.append(Bound(handle, path, read_only))

    def run(self, command: Sequence[str], **options: Any) -> Confined:
        return run_in(self.binds, command, How(**options))

    def sh(self, script: str, **options: Any) -> str:
        """What a script says that must end well."""
        return self.run(["/bin/sh", "-ec", script], **options).out.decode()


@pytest.fixture
def make_machine(programs: Path, tmp_path: Path) -> Iterator[Callable[[Path], Machine]]:
    """A machine with a copy of the system in a directory that does not exist yet."""
    with ExitStack() as stack:

        def make(where: Path) -> Machine:
            import shutil

            shutil.copytree(programs, where, symlinks=True)
            return Machine(where, stack)

        yield make


@pytest.fixture
def machine(make_machine: Callable[[Path], Machine], tmp_path: Path) -> Machine:
    return make_machine(tmp_path / "disk")
