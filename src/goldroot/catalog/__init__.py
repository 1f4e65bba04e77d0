"""The catalog: what exists and what happened.

Open it with :func:`open_catalog`; the functions of the subjects (``images``, ``gold``, ``clones``, ``updates``,
``entries``, ``decisions``, ``fallbacks``, ``readings``, ``events``) take a transaction first and return frozen data::

    from goldroot.catalog import clones, gold, open_catalog

    with open_catalog(path) as catalog, catalog.begin() as tx:
        newest = gold.current(tx, "s10")
"""

from goldroot.catalog import clones, decisions, entries, events, fallbacks, gold, images, readings, updates
from goldroot.catalog.holders import Holder, holders_of
from goldroot.catalog.store import Catalog, Tx, now, open_catalog

__all__ = [
    "Catalog",
    "Holder",
    "Tx",
    "clones",
    "decisions",
    "entries",
    "events",
    "fallbacks",
    "gold",
    "holders_of",
    "images",
    "now",
    "open_catalog",
    "readings",
    "updates",
]
