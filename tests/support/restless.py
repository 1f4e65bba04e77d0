"""A program that writes to a server's disks all the time, as a busy spool, a database's log and a rotation do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from goldroot.system import OwnDisks

#: What it writes to, by path of the system.
SPOOL, WAL, LOG, CONF = "var/spool/q", "var/lib/mysql/ib-wal", "var/log/busy.log", "etc/busy.conf"

_PROGRAM = """
import os, shutil, sys
spool, wal, log, conf = sys.argv[1:]
os.makedirs(spool, exist_ok=True)
print("ready", flush=True)
n = 0
while True:
    n += 1
    with open(f"{spool}/m{n}", "w") as file:
        file.write(f"message {n}\\n" * (n % 50))
    if n > 60:
        os.unlink(f"{spool}/m{n - 60}")
    box = f"{spool}/box{n % 7}"
    if os.path.isdir(box):
        shutil.rmtree(box)
    elif os.path.lexists(box):
        os.unlink(box)
    elif n % 3:
        os.mkdir(box)
        for name in "abc":
            open(f"{box}/{name}", "w").write(str(n))
    elif n % 2:
        os.symlink("/etc/shadow", box)
    else:
        os.mkfifo(box)
    with open(wal, "ab") as file:
        file.write(b"%d" % n * 3000)
    if n % 40 == 0:
        os.truncate(wal, 100)
    with open(log, "a") as file:
        file.write(f"line {n}\\n")
    if n % 11 == 0:
        if os.path.lexists(log + ".1"):
            os.unlink(log + ".1")
        os.link(log, log + ".1")
        os.unlink(log)
    with open(conf + ".new", "w") as file:
        file.write(f"value = {n}\\n")
    os.rename(conf + ".new", conf)
"""


@contextmanager
def restless(tree: OwnDisks) -> Iterator[None]:
    """While inside, it writes to the disks of this tree; at the end it is killed in the middle of it."""
    paths = []
    for path in (SPOOL, WAL, LOG, CONF):
        root = tree.root(path.encode())
        assert root is not None
        paths.append(os.path.join(root, path))
    writer = subprocess.Popen([sys.executable, "-c", _PROGRAM, *paths], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
        yield
        assert writer.poll() is None, "it wrote to the end"
    finally:
        writer.kill()
        writer.communicate()
