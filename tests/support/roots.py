"""A small root file system that can really be entered: the host's shell with the libraries that it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from support.trees import Dir, File, Link, Table, make_tree

#: What every test root holds; dash's own commands (echo, test, redirection) are all that a test needs.
ROOT: Table = {
    "bin": Link("usr/bin"),
    "lib": Link("usr/lib"),
    "lib64": Link("usr/lib64"),
    "boot/vmlinuz": "kernel",
    "dev": Dir(),
    "proc": Dir(mode=0o555),
    "sys": Dir(mode=0o555),
    "run": Dir(),
    "tmp": Dir(mode=0o1777),
    "root": Dir(mode=0o700),
    "home/me/letter": "dear\n",
    "usr/local/bin/tool": File("#!/bin/sh\n", mode=0o755),
    "usr/lib/os-release": 'ID=small\nVERSION_ID="1"\nPRETTY_NAME="Small Linux 1"\n',
    "etc/os-release": Link("../usr/lib/os-release"),
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\nmail:x:101:101::/:/bin/sh\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\nmail:x:101:\n",
    "etc/shadow": File("root:*:19000:0:99999:7:::\n", mode=0o600),
    "etc/app.conf": "level = 1\n",
    "etc/resolv.conf": "nameserver 192.0.2.1\n",
    "var/lib/dpkg/status": (
        "Package: app\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 0.9\n"
    ),
    "var/log": Dir(),
}


def make_root(where: Path, extra: Table | None = None, *, shell: bool = True) -> Path:
    """Write the root, with ``extra`` over it; ``shell=False`` leaves out the programs."""
    root = make_tree(where, {**ROOT, **(extra or {})})
    if shell:
        add_program(root, "/bin/sh")
    return root


def add_program(root: Path, program: str) -> None:
    """Copy a program of the host and its shared libraries, as ldd names them."""
    _copy(root, Path(program).resolve(), f"usr/bin/{Path(program).name}")
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", said):
        inside = re.sub(r"^/(usr/)?", "usr/", library)
        _copy(root, Path(library).resolve(), inside)


def _copy(root: Path, source: Path, inside: str) -> None:
    target = root / inside
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
