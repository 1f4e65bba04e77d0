"""For which machines a system's programs are."""

from __future__ import annotations

import platform
import struct
import sys
from pathlib import Path

import pytest

from goldroot.system import architecture_of
from support.trees import Link, make_tree


def head(kind: int, order: str, machine: int) -> bytes:
    """The beginning of a program (elf(5))."""
    return b"\x7fELF" + bytes([kind, 1 if order == "<" else 2]) + bytes(12) + struct.pack(f"{order}H", machine)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (head(2, "<", 62), "x86_64"),
        (head(2, ">", 22), "s390x"),
        (head(1, "<", 3), "i686"),
        (head(2, "<", 21), "ppc64le"),
        (head(2, ">", 21), "elf-21"),
        (head(2, "<", 62)[:19], ""),
        (b"#!/bin/sh\n", ""),
    ],
)
def test_its_first_program_says_it(tmp_path: Path, program: bytes, found: str) -> None:
    (tmp_path / "other").mkdir()
    root = make_tree(tmp_path / "root", {"usr/bin/dash": Link("bash"), "usr/bin/busybox": program})
    assert architecture_of(str(tmp_path / "other"), str(root)) == found


def test_it_is_called_as_this_machine_is(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/bash").write_bytes(Path(sys.executable).resolve().read_bytes()[:64])
    assert architecture_of(str(tmp_path)) == platform.machine()
