"""A little room that is kept for the commands that make room: on a full disk these must work.

::

    SITE/reserve         1 MiB of nothing; one more in each store that is on another file system

A removal writes before it frees: the catalog's log, an entry without the disk that goes.  Where the file system is full, the
reserve is given up for the time of such a command, and made again when there is room.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from goldroot import private
from goldroot.files import writable_bytes
from goldroot.site.host_tables import store_of
from goldroot.site.site import Site

NAME = "reserve"
#: Bytes that are kept.
SIZE = 1 << 20
#: Below so many free bytes a removal may not come to its end.
LOW = 512 << 10


def keep_reserve(site: Site) -> None:
    """See that the reserve is there, wherever there is room for more than that."""
    for place in _places(site):
        file = os.path.join(place, NAME)
        with suppress(OSError):  # who cannot make it, or has no room, works on without
            if not os.path.lexists(file) and writable_bytes(place) > 2 * SIZE:
                _make(file)


@contextmanager
def making_room(site: Site) -> Iterator[None]:
    """For a command that frees room: where there is none, it has the reserve in the block."""
    for place in _places(site):
        with suppress(OSError):
            if writable_bytes(place) < LOW:
                os.unlink(os.path.join(place, NAME))
    try:
        yield
    finally:
        keep_reserve(site)


def _places(site: Site) -> list[str]:
    """The site, and stores on other file systems than it and each other: one directory of each."""
    found: dict[int, str] = {}
    stores = (store_of(table, site.root) for table in site.config.hosts.values())
    for place in (site.root, *stores):
        with suppress(OSError):
            found.setdefault(os.stat(place).st_dev, place)
    return list(found.values())


def _make(file: str) -> None:
    """Under another name first: a part of it would be of no use, and look like all."""
    new = f"{file}.{os.getpid()}.new"
    handle = private.open_new(new, exclusive=True)
    try:
        os.posix_fallocate(handle, 0, SIZE)
        os.rename(new, file)
    except OSError:
        os.unlink(new)
        raise
    finally:
        os.close(handle)
