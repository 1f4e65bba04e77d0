"""What a piece of work asks for, counted: SQL statements, calls of the host, processes, files opened, directories listed.

Counts, unlike seconds, are the same on every machine.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from goldroot.site import Site
from goldroot.site.signing import SiteKey

_counts: list[Counter[str]] = []  #: of the work that is being counted, if any

KINDS = {
    "subprocess.Popen": "process",
    "os.fork": "process",
    "open": "open",
    "os.listdir": "list",
    "os.scandir": "list",
}


def _hear(name: str, args: tuple[Any, ...]) -> None:
    """An audit hook, which cannot be taken away again: it counts where somebody wants it."""
    if not _counts or name not in KINDS or threading.current_thread() is not threading.main_thread():
        return
    place = os.fsdecode(args[0]) if name != "os.fork" and args and isinstance(args[0], str | bytes) else ""
    # Not who else lives on this machine, and not what was compiled.
    if not place.startswith(("/proc", "/sys")) and "__pycache__" not in place:
        _counts[-1][KINDS[name]] += 1


sys.addaudithook(_hear)


class CountedHost:
    """A host whose calls are counted."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._host, name)
        if _counts and callable(found):
            _counts[-1][f"host.{name}"] += 1
        return found


@contextmanager
def counted(site: Site) -> Iterator[Counter[str]]:
    """Counts of what is done in the block, in the main thread."""
    hosts: dict[str, Any] = {name: site.host_named(name) for name in site.config.hosts}
    site._hosts.update({name: CountedHost(host) for name, host in hosts.items()})
    counts: Counter[str] = Counter()

    def hear(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if threading.current_thread() is threading.main_thread():
            counts["sql"] += 1

    verify = SiteKey.verify

    def verified(key: SiteKey, *args: Any) -> None:
        counts["signature"] += 1
        verify(key, *args)

    event.listen(Engine, "before_cursor_execute", hear)
    SiteKey.verify = verified  # type: ignore[method-assign]
    _counts.append(counts)
    try:
        yield counts
    finally:
        _counts.pop()
        SiteKey.verify = verify  # type: ignore[method-assign]
        event.remove(Engine, "before_cursor_execute", hear)
        site._hosts.update(hosts)
