"""A site by its commands, as a person has it, with servers that run."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = "import sys; from goldroot.cli.main import main; main(sys.argv[1:])"


def put(path: str, content: str) -> str:
    """The words of a shell that write a file."""
    return f"echo {base64.b64encode(content.encode()).decode()} | base64 -d > {path}"


class WholeSite:
    """A site that is used by its commands alone, each a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *args: str, ok: int = 0) -> str:
        """A command; its output, errors among it."""
        done = self.run(*args)
        assert done.returncode == ok, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """A command, however it ends."""
        env = {**os.environ, "GOLDROOT_SITE": str(self.root)}
        return subprocess.run(
            [sys.executable, "-c", COMMAND, *args], env=env, capture_output=True, text=True, check=False
        )

    def inside(self, name: str, script: str, ok: int = 0) -> str:
        """A script inside a running server."""
        return self("machine", "run", "--time", "60", name, "sh", "-c", script, ok=ok).strip()

    def runs(self) -> dict[str, str]:
        """The servers, and from what they run."""
        data = json.loads(self("machine", "list", "--json"))["machines"]
        return {one["name"]: one["runs"] for one in data}

    def up(self, name: str) -> str:
        """Wait until a server has come up, however slow this machine is; what its systemd says."""
        for _ in range(120):
            if self.run("machine", "run", "--time", "60", name, "true").returncode == 0:
                return self.inside(name, "systemctl is-system-running --wait || true")
            assert self.runs()[name] == "current", self("machine", "console", name)
            time.sleep(5)
        raise AssertionError(self("machine", "console", name))

    def disk(self, name: str, address: str) -> Path:
        """The files of a disk of a clone."""
        return self.root / "store/disks" / json.loads(self("clone", "show", name, "--json"))["disks"][address]

    def configure(self, words: str) -> None:
        """What the site's file says of the image."""
        file = self.root / "goldroot.toml"
        before = file.read_text().partition("\n[images.debian]\n")[0]
        file.write_text(f"{before}\n[images.debian]\n{words}\n")

    def stop(self, names: Iterable[str]) -> None:
        """Whatever runs at the end of a test is killed."""
        for name in names:
            self.run("machine", "stop", name, "--patience", "0")


@contextmanager
def in_memory(servers: Iterable[str], table: str = "", *options: str) -> Iterator[WholeSite]:
    """A new site for the block, in memory where this machine lets us; at its end its servers are killed.

    :param servers: their names.
    :param table: what its file says before it is made.
    :param options: of ``goldroot init``.
    """
    memory = "/dev/shm"
    room = Path(tempfile.mkdtemp(prefix="goldroot-site-", dir=memory if os.access(memory, os.W_OK) else None))
    site = WholeSite(room / "site")
    if table:
        site.root.mkdir()
        (site.root / "goldroot.toml").write_text(table)
    site("init", str(site.root), *options)
    try:
        yield site
    finally:
        site.stop(servers)
        shutil.rmtree(room)
