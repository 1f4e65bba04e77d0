"""Scanning clones' disks in a forked copy of this process while it loads what it needs to plan.

A plan needs three things that do not wait for each other: the catalog (whose libraries take their time to load), gold's
manifests, and a scan of the clone.  On two processors the scan costs nothing but itself this way.  Nothing here imports
the catalog.  What the copy cannot do, it leaves: the caller scans by itself then, and meets the error where it can be told.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from goldroot.errors import GoldrootError
from goldroot.hosts import find_entry, own_disks
from goldroot.run import signals_wait
from goldroot.site import Site

if TYPE_CHECKING:
    from goldroot.policy import Policy
    from goldroot.tree import Scan


class Prefetch:
    """The scans of some clones' live disks, made by another process in the order of the names.

    It is a context manager: the other process ends with the block at the latest.
    """

    def __init__(self, site: Site, names: Iterable[str]) -> None:
        self._scans: dict[str, Scan] = {}
        self._pid = 0
        if threading.active_count() == 1 and len(os.sched_getaffinity(0)) > 1:
            self._fork(site, list(names))

    def __enter__(self) -> Prefetch:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def take(self, disk: str, policy: Policy) -> Scan | None:
        """The scan of a disk; ``None`` where the caller has to make it."""
        from goldroot.policy import Policy

        if policy.hash != Policy.default().hash:
            return None
        while self._pid and disk not in self._scans:
            try:
                name, scanned = pickle.load(self._results)
            except (EOFError, OSError, pickle.UnpicklingError):
                self._end()
            else:
                self._scans[name] = scanned
        return self._scans.pop(disk, None)

    def _fork(self, site: Site, names: list[str]) -> None:
        reading, writing = os.pipe()
        with signals_wait():  # in the copy for good: who began it ends it
            self._pid = os.fork()
            if not self._pid:
                os.close(reading)
                _scan_all(site, names, writing)
        os.close(writing)
        self._results = open(reading, "rb", buffering=1 << 20)  # noqa: SIM115 - closed by _end

    def _end(self) -> None:
        if self._pid:
            pid, self._pid = self._pid, 0
            self._results.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _scan_all(site: Site, names: list[str], writing: int) -> NoReturn:
    """The work of the copy: it ends here, without running what was set up for the end of the process it comes from."""
    gc.disable()
    try:
        from goldroot.fleet import manifests
        from goldroot.policy import Policy

        policy, machines = Policy.default(), _machines(site)
        site.take_store_as_checked()  # it is checked where this copy comes from
        with open(writing, "wb") as results:
            for name in names:
                machine, where = machines[name]
                host = site.host_named(where)
                disks = own_disks(find_entry(host, machine))
                with host.open_disks(dict.fromkeys(disks.values(), "ro"), view="live") as opened:
                    for _, disk in sorted(disks.items()):
                        scanned = manifests.scan_disk(site, disk, opened[disk].path, policy, writers="live")
                        results.write(pickle.dumps((disk, scanned), protocol=5))
                        results.flush()
    except (GoldrootError, OSError, sqlite3.Error, KeyError):
        pass
    finally:
        os._exit(0)


def _machines(site: Site) -> dict[str, tuple[str, str]]:
    """What its host calls the machine of each clone, and which host that is.

    From a catalog that is a file, without the libraries that open it.
    """
    with closing(sqlite3.connect(f"file:{quote(site.catalog_file)}?mode=rw", uri=True)) as catalog:
        rows = catalog.execute("SELECT clone, name, host FROM entries WHERE clone IS NOT NULL")
        return {clone: (name, host) for clone, name, host in rows}
