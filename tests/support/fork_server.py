"""Runs goldroot commands in forked copies of a process that has imported everything, and kills them where it is told.

As a program it reads requests from standard input, one JSON object a line, and answers each with one line.  A command
costs a fork instead of an interpreter's start, and dies as a real one does: SIGKILL, with all its processes.
"""

from __future__ import annotations

import codecs
import gc
import importlib
import itertools
import json
import os
import pkgutil
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What is imported before the first command: what a command needs in the end, so that it costs no kill, and so that
#: another user need not be able to read it.
ROOMS = ("catalog", "cli", "demo", "fleet", "hosts", "image", "merge", "site", "tree", "workflow")
NEVER = re.compile(r"goldroot\.(catalog\.migrations|cli\.zvm|zvm)")

#: Audit events of operations that change a file system; ``open`` counts where it may write.
CHANGES = frozenset(
    f"os.{name}" for name in ("mkdir", "rename", "remove", "rmdir", "link", "symlink", "chmod", "chown", "utime",
                              "truncate", "setxattr", "mkfifo", "mknod")
) | {"open", "fcntl.flock", "sqlite3.connect"}  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

#: A command that takes longer hangs.
TIMEOUT = 120.0


@dataclass(frozen=True)
class Ran:
    """What became of a command: its status (negative: the signal), its words, and how long it took in seconds."""

    status: int
    said: str
    seconds: float
    changes: int  #: how many operations that change a file system it did; 0 for one that was killed

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


@dataclass(frozen=True)
class Kill:
    """Where to kill: at a named point (``update.begun:2``), before the nth change of a file system, or at a moment."""

    point: str = ""
    change: int = 0
    moment: float = 0.0  #: in seconds

    def __str__(self) -> str:
        return self.point or (f"change {self.change}" if self.change else f"{self.moment:.3f} s")


@dataclass
class ForkServer:
    """A server process and the way to it; not for two threads at once.

    :param warm: it has made a site itself: its commands find loaded and compiled what they need, and another user needs
        to be able to read nothing that Python is made of.
    """

    warm: bool = False
    _process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        source = str(Path(importlib.import_module("goldroot").__path__[0]).parent)
        environment = {**os.environ, "PYTHONPATH": f"{source}:{Path(__file__).parent.parent}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.fork_server", *(["warm"] if self.warm else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def run(self, *args: str, kill: Kill | None = None, log: str = "", user: int = 0) -> Ran:
        """Run ``goldroot ARGS``.

        :param log: the file for the names of the crash points that it passes.
        :param user: the number of the user and group who it runs as, where that is another one.
        """
        kill = kill or Kill()
        env = {"GOLDROOT_CRASH_AT": kill.point, "GOLDROOT_CRASH_LOG": log}
        return Ran(**self._ask({"args": args, "env": env, "change": kill.change, "moment": kill.moment, "user": user}))

    def call(self, function: str, *args: str) -> Any:
        """What ``module:function`` returns, as JSON data."""
        answer = self._ask({"call": function, "args": args})
        assert answer["status"] == 0, answer["said"]
        return json.loads(answer["said"])

    def close(self) -> None:
        with suppress(BrokenPipeError):  # it died, and said why
            self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the server has died; what it said stands in the standard error of this test or of an earlier one"
        answer: dict[str, Any] = json.loads(line)
        return answer


# -- in the server


def serve() -> None:
    """Answer requests until standard input ends."""
    for codec in ("ascii", "latin-1", "unicode_escape", "idna"):
        codecs.lookup(codec)
    importlib.import_module("goldroot.policy.policy").Policy.default()  # read by means that another user may not see
    for room in ROOMS:
        place = importlib.import_module(f"goldroot.{room}")
        for module in pkgutil.walk_packages(place.__path__, f"goldroot.{room}."):
            if not NEVER.match(module.name):
                importlib.import_module(module.name)
    if "warm" in sys.argv:
        _make_a_site()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _make_a_site() -> None:
    """What a command loads late, and the SQL that it compiles, are there for all copies of this process."""
    from goldroot.fleet import clones
    from goldroot.fleet.update.update import run_update
    from goldroot.workflow import InProcess
    from support.compiled import share_compiled
    from support.fleet import IMAGE, next_gold, small_site
    from support.whole import look

    share_compiled()

    for module in ("_strptime", "tarfile", "encodings.idna", "uuid", "sqlite3.dump"):
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as room:
        site = small_site(Path(room))
        clones.create_clone(site, "web1", IMAGE)
        next_gold(site, {"etc/plain.conf": "gold 2\n"})
        run_update(site, InProcess(), "web1")
        site.close()
        look(site.root, "web1")


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as counted:
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _be_command(request, said.fileno(), counted.fileno())
        status = _end(pid, request.get("moment") or TIMEOUT)
        seconds = time.monotonic() - begun
        said.seek(0)
        counted.seek(0)
        text, count = said.read().decode("utf-8", "replace"), counted.read()
    return {"status": status, "said": text, "seconds": seconds, "changes": int(count or 0)}


def _end(pid: int, after: float) -> int:
    """Wait for a command, so long, then kill it; in both cases with every process that it left."""
    handle = os.pidfd_open(pid)
    select.select([handle], [], [], after)
    os.close(handle)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _be_command(request: dict[str, Any], said: int, counted: int) -> None:
    status = 70
    try:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.environ.update({name: value for name, value in request.get("env", {}).items() if value})
        status = _work(request, counted)
    except BaseException:  # noqa: BLE001  whatever it is, the test is told
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _work(request: dict[str, Any], counted: int) -> int:
    if name := request.get("call"):
        module, _, function = name.partition(":")
        print(json.dumps(getattr(importlib.import_module(module), function)(*request["args"])))
        return 0
    from goldroot.cli.failure import guarded
    from goldroot.cli.main import cli

    if user := request["user"]:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    changes = _count_changes(request["change"])
    sys.argv = ["goldroot", *request["args"]]
    status = guarded(cli, request["args"])
    os.pwrite(counted, b"%d" % next(changes), 0)
    return status


def _count_changes(kill_at: int) -> itertools.count[int]:
    """Count the changes of file systems from now on, workers' own among them; kill the whole command before that one."""
    counter = itertools.count()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in CHANGES or (event == "open" and not (isinstance(args[2], int) and args[2] & WRITES)):
            return
        if next(counter) + 1 == kill_at:
            os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)
    return counter


if __name__ == "__main__":
    serve()
