"""The catalog: what exists and what happened.

Open it with :func:`open_catalog`; the functions of the subjects (``images``, ``gold``, ``copies``, ``clones``, ``updates``,
``entries``, ``disks``, ``decisions``, ``events``) take a transaction first and return frozen data::

    from goldroot.catalog import clones, gold, open_catalog

    with open_catalog(path) as catalog, catalog.begin() as tx:
        newest = gold.current(tx, "s10")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "AccountKind",
    "Catalog",
    "Clone",
    "CloneKind",
    "Copy",
    "Decided",
    "DiskRow",
    "Event",
    "Fallback",
    "Form",
    "FoundConflict",
    "GoldVersion",
    "Holder",
    "LocalAccount",
    "LocalAccounts",
    "Question",
    "Tx",
    "Update",
    "WaitingConflict",
    "clones",
    "copies",
    "copy_catalog",
    "damage_of",
    "decisions",
    "disks",
    "entries",
    "events",
    "gold",
    "has_rows",
    "holders_of",
    "images",
    "is_there",
    "label_of_store",
    "make_store_label",
    "now",
    "open_catalog",
    "rename_image",
    "updates",
]

if TYPE_CHECKING:
    from goldroot.catalog import (
        clones,
        copies,
        decisions,
        disks,
        entries,
        events,
        gold,
        images,
        updates,
    )
    from goldroot.catalog.clones import AccountKind, Clone, CloneKind, LocalAccount, LocalAccounts
    from goldroot.catalog.copies import Copy
    from goldroot.catalog.copying import copy_catalog, has_rows
    from goldroot.catalog.damage import damage_of
    from goldroot.catalog.decisions import Decided, FoundConflict, Question, WaitingConflict
    from goldroot.catalog.disks import DiskRow, label_of_store, make_store_label
    from goldroot.catalog.events import Event
    from goldroot.catalog.gold import GoldVersion
    from goldroot.catalog.holders import Holder, holders_of
    from goldroot.catalog.images import Form
    from goldroot.catalog.renaming import rename_image
    from goldroot.catalog.store import Catalog, Tx, is_there, now, open_catalog
    from goldroot.catalog.updates import Fallback, Update
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "": "clones copies decisions disks entries events gold images updates",
            "clones": "AccountKind Clone CloneKind LocalAccount LocalAccounts",
            "copies": "Copy",
            "copying": "copy_catalog has_rows",
            "decisions": "Decided FoundConflict Question WaitingConflict",
            "damage": "damage_of",
            "disks": "DiskRow label_of_store make_store_label",
            "events": "Event",
            "gold": "GoldVersion",
            "holders": "Holder holders_of",
            "images": "Form",
            "renaming": "rename_image",
            "store": "Catalog Tx is_there now open_catalog",
            "updates": "Fallback Update",
        },
    )
