"""A catalog that was lost: made again from the stores, the signed records, and the records of merges.

It is made beside, with everything in it, and gets its name at the end: a part of one would take the rest for leftovers.  A
damaged one is kept under another name.  A catalog of a database server is made where it is, and filled by the repairs that
follow: what is not in it yet is found by the next look.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress

from goldroot import crash
from goldroot.catalog import make_store_label, open_catalog
from goldroot.errors import Refused
from goldroot.fleet.doctor.papers import JOURNAL
from goldroot.fleet.doctor.repair import BESIDE_A_DATABASE, put_aside
from goldroot.site import Site

BESIDE = ".rebuilt"


def rebuild_catalog(site: Site, fill: Callable[[], None]) -> list[str]:
    """Make the catalog again.

    :param fill: adopts everything that the site's hosts have, with the new catalog as the site's.
    :returns: what was kept beside, under which names.
    :raises Refused: a host's store is not there: what stands in it would be forgotten.
    """
    _refuse_missing_stores(site)
    final = site.catalog_file
    new = final + BESIDE if final else site.config.catalog
    if final:
        _remove(new)
    _begin(site, new)
    fill()
    kept = [_put_in_place(site, new, final)] if final else []
    if os.path.exists(site.path(JOURNAL)):  # its runs are of works that have other numbers now
        kept.append(put_aside(site.path(JOURNAL)))
    return [name for name in kept if name]


def _refuse_missing_stores(site: Site) -> None:
    for name in site.config.hosts:
        host = site.look_at_host(name)
        if not host.is_made():
            raise Refused(
                f"the store of host {name}, {host.store!r}, is not there",
                meaning="A catalog without what stands in it would take that for another site's. Nothing was made.",
                todo="Mount it, put it back, or correct its place in goldroot.toml.",
            )


def _begin(site: Site, new: str) -> None:
    """An empty catalog, which is the site's from now on, for this process."""
    site.close()
    site.__dict__["catalog"] = catalog = open_catalog(new, create=True)
    with catalog.begin() as tx:
        for name in site.config.hosts:
            if label := site.look_at_host(name).label():
                make_store_label(tx, name, label)
        tx.event("catalog-rebuilt", "site")
    site.take_store_as_checked()


def _put_in_place(site: Site, new: str, final: str) -> str:
    """Give the new catalog its name; returns that of the one that was there, "" where there was none."""
    site.close()
    site.__dict__.pop("catalog")
    with closing(sqlite3.connect(new)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    crash.point("catalog.rebuilt")
    had = any(os.path.exists(final + beside) and os.path.getsize(final + beside) for beside in ("", "-wal"))
    aside = put_aside(final) if had else ""
    _remove(final)
    crash.point("catalog.aside")
    os.rename(new, final)
    crash.point("catalog.in-place")
    _remove(new)
    return aside


def _remove(database: str) -> None:
    for beside in BESIDE_A_DATABASE:
        with suppress(FileNotFoundError):
            os.unlink(database + beside)
