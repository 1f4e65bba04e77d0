"""Commands in a root file system, and a whole boot of it, by systemd-nspawn; without a network, and gone with the test."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from goldroot.hosts.nspawn.container import first_inside

_ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8", "SYSTEMD_NSPAWN_LOCK": "0",
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
}  # fmt: skip
#: What nspawn would leave in /run goes with its own view of files.
_OWN_VIEW = (
    'mkdir -p /run/systemd/nspawn && mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn && exec systemd-nspawn "$@"'
)
_ALWAYS = (
    "--quiet", "--register=no", "--keep-unit", "--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
    "--machine=server", "--drop-capability=CAP_MKNOD,CAP_AUDIT_CONTROL",
)  # fmt: skip
UNTIL_UP = 240  #: seconds


def _nspawn(root: Path, *more: str) -> list[str]:
    view = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", _OWN_VIEW, "nspawn"]
    return [*view, *_ALWAYS, f"--directory={root}", *more]


def in_root(root: Path, script: str, *, kept: bool = True) -> str:
    """What a shell script says in a root; it must end well.

    :param kept: what it changes stays.
    """
    words = ["--as-pid2", "--pipe", *(() if kept else ("--volatile=overlay",)), "/bin/sh", "-c", script]
    done = subprocess.run(
        _nspawn(root, *words), env=_ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


class Booted:
    """A root that was booted; what it writes is gone with it."""

    def __init__(self, root: Path) -> None:
        self.console = bytearray()
        self._lead, follow = pty.openpty()
        words = _nspawn(root, "--boot", "--volatile=overlay")
        self._process = subprocess.Popen(words, env=_ENV, stdin=follow, stdout=follow, stderr=follow)
        os.close(follow)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Booted:
        ends = time.monotonic() + UNTIL_UP
        while time.monotonic() < ends and self._process.poll() is None:
            if self._run(["systemctl", "is-system-running"]).strip() in ("running", "degraded"):
                return self
            time.sleep(0.5)
        jobs = self._run(["systemctl", "list-jobs"])
        self.__exit__(None, None, None)
        raise AssertionError(f"it did not come up: {jobs}\n{self.console[-3000:].decode(errors='replace')}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (pid := first_inside(self._process.pid)) is not None:
            os.kill(pid, signal.SIGRTMIN + 3)  # systemd(1): halt
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        os.close(self._lead)

    def shell(self, script: str) -> str:
        """What a shell script says, of both streams."""
        return self._run(["/bin/sh", "-c", f"exec 2>&1\n{script}"])

    def units(self, state: str) -> set[str]:
        """The services, sockets, timers and mounts in a state (``active``, ``failed``)."""
        words = [
            "systemctl",
            "list-units",
            "--type=service,socket,timer,mount",
            f"--state={state}",
            "--plain",
            "--no-legend",
        ]
        return {line.split()[0] for line in self._run(words).splitlines()}

    def _run(self, argv: Sequence[str]) -> str:
        if (pid := first_inside(self._process.pid)) is None:
            return ""
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/"]
        clean = ["env", "-i", f"PATH={_ENV['PATH']}", "LC_ALL=C.UTF-8", "HOME=/root", "USER=root"]
        words = ["nsenter", f"--target={pid}", *spaces, *clean, *argv]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._lead, 1 << 16)
            except OSError:
                return
            if not data:
                return
            self.console += data
