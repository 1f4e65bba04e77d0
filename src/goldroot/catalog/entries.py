"""The one namespace of machine names: every machine and every slot has a row here, and no two of a host have one name.

A name is chosen once, when the row is made, and read from here ever after: nothing derives a machine's name from what
a clone or an image is called.  The row is written *before* the host is asked to make the machine, so that a name that a
killed command took is known to be its own.  Names are compared as a host has them, in capitals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import sqlalchemy as sa

from goldroot.catalog.schema import entries, images
from goldroot.catalog.store import Tx
from goldroot.errors import Refused

Role = Literal["clone", "maintenance", "test", "slot"]

#: The machine of an image's system is called after the image, as in the paper: S10RWMNT, S10RWTST, S10GOLD.
SUFFIXES: dict[Role, str] = {"maintenance": "RWMNT", "test": "RWTST"}

#: What a name that is taken goes on with, where another one is chosen in its place.
SPARE = "BCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name.  ``clone`` is "" for an image's system or slot, ``image`` "" for a clone, ``slot`` 0 for all but slots."""

    host: str
    name: str
    role: Role
    clone: str
    image: str
    slot: int

    def __str__(self) -> str:
        """Whose name it is: ``the test system of image s10``."""
        if self.role == "clone":
            return f"the machine of clone {self.clone}"
        if self.role == "slot":
            return f"slot {self.slot} of image {self.image}"
        return f"the {self.role} system of image {self.image}"


def find(tx: Tx, name: str, host: str) -> Entry | None:
    """Whose name it is on a host; ``None``: nobody's."""
    return next(_entries(tx, entries.c.host == host, entries.c.name == name.upper()), None)


def every(tx: Tx, image: str | None = None, *, host: str | None = None) -> list[Entry]:
    """All names; those of one image's systems and slots, which may not be made yet; those of one host."""
    where = [] if image is None else [entries.c.image == image]
    return list(_entries(tx, *where, *([] if host is None else [entries.c.host == host])))


def of_clone(tx: Tx, clone: str) -> str:
    """The name of a clone's machine; "" where there is no such clone."""
    return tx.value(sa.select(entries.c.name).where(entries.c.clone == clone)) or ""


def of_system(tx: Tx, image: str, role: Role) -> Entry | None:
    """The name of an image's maintenance or test system, with its host; ``None`` where there is no such image."""
    return next(_entries(tx, entries.c.image == image, entries.c.role == role), None)


def take_for_clone(tx: Tx, clone: str, host: str) -> str:
    """The name of a new clone's machine, taken for it: WEB1 for web1.

    :raises Refused: it is another's; the error says whose.
    """
    return _take(tx, Entry(host, clone.upper(), "clone", clone, "", 0))


def take_as_found(tx: Tx, clone: str, name: str, host: str) -> str:
    """The name that a clone's machine has on its host, taken for it: this catalog does not know it.

    :raises Refused: it is another's; the error says whose.
    """
    return _take(tx, Entry(host, name, "clone", clone, "", 0))


def check_free_for_clone(tx: Tx, clone: str, host: str) -> str:
    """For a plan: the name that :func:`take_for_clone` would take; the same refusals."""
    return _check_free(tx, Entry(host, clone.upper(), "clone", clone, "", 0))


def take_for_image(tx: Tx, image: str, slot_count: int, host: str) -> None:
    """The names of an image's systems and first slots, taken for it on its home; those that it has already stay.

    :raises Refused: one of them is another's; the error says whose.
    """
    for wanted in _of_new_image(image, slot_count, host):
        if not _has(tx, wanted):
            _take(tx, wanted)


def check_free_for_image(tx: Tx, image: str, slot_count: int, host: str) -> dict[Role, str]:
    """For a plan: the names that the image's systems would have; the refusals of :func:`take_for_image`."""
    names = [(one.role, _check_free(tx, one)) for one in _of_new_image(image, slot_count, host)]
    return {role: name for role, name in names if role != "slot"}


def take_for_slot(tx: Tx, image: str, number: int, host: str) -> str:
    """The name of one slot more, taken for it; see :func:`free_for_slot`."""
    return _take(tx, Entry(host, free_for_slot(tx, image, number, host), "slot", "", image, number))


def free_for_slot(tx: Tx, image: str, number: int, host: str) -> str:
    """The name that a new slot on a host gets, of an image that exists: S10GOLD4, or S10GOLD4B where a clone is called so.

    An image cannot be given another name, and nobody who makes a clone knows which slots will come: so no slot waits
    for a name.
    """
    wanted = slot_name(image, number)
    return next(name for name in chain([wanted], spares(wanted)) if find(tx, name, host) is None)


def found(tx: Tx, image: str, names: Iterable[Entry]) -> None:
    """The names that an image's systems and slots have on the hosts, and that this catalog does not know; and for its
    systems that were not made yet the usual ones.

    :raises Refused: one of them is another's.
    """
    there = list(names)
    for wanted in there:
        if not _has(tx, wanted):
            _take(tx, wanted)
    homes = {one.host for one in there if one.role != "slot"}
    for role, suffix in SUFFIXES.items():
        for host in homes:
            usual = Entry(host, image.upper() + suffix, role, "", image, 0)
            if not _has(tx, usual):
                _take(tx, usual)


def release_image(tx: Tx, image: str) -> None:
    """Give the names of an image back whose import came to nothing."""
    if tx.first(sa.select(images.c.name).where(images.c.name == image)) is None:
        tx.write(entries.delete().where(entries.c.image == image))


def slot_name(image: str, number: int) -> str:
    """What a slot is called where nobody else is, as the paper had it: ``S10GOLD`` is the first, ``S10GOLD2`` the second."""
    return f"{image.upper()}GOLD{number if number > 1 else ''}"


def spares(name: str) -> Iterable[str]:
    """Other names for one that is taken: S10GOLD4B, S10GOLD4C ..., S10GOLD4BB ..."""
    return (name + letter * times for times in range(1, 100) for letter in SPARE)


def _of_new_image(image: str, slot_count: int, host: str) -> list[Entry]:
    systems = [Entry(host, image.upper() + suffix, role, "", image, 0) for role, suffix in SUFFIXES.items()]
    return systems + [Entry(host, slot_name(image, n), "slot", "", image, n) for n in range(1, slot_count + 1)]


def _has(tx: Tx, wanted: Entry) -> bool:
    return any((one.role, one.slot) == (wanted.role, wanted.slot) for one in every(tx, wanted.image, host=wanted.host))


def _check_free(tx: Tx, wanted: Entry) -> str:
    taken = find(tx, wanted.name, wanted.host)
    if taken is not None and taken != wanted:
        what = f"clone {wanted.clone}" if wanted.clone else f"image {wanted.image}"
        raise Refused(
            f"{what} would need the name {wanted.name}, and {wanted.name} is {taken}",
            meaning="A host has one machine of a name. Nothing was made.",
            todo=f"Take another name for the {what.split()[0]}" + _or_free(tx, taken),
        )
    return wanted.name


def _or_free(tx: Tx, taken: Entry) -> str:
    if taken.clone:
        return f", or delete that clone: goldroot clone delete {taken.clone}"
    if tx.first(sa.select(images.c.name).where(images.c.name == taken.image)) is None:
        return (
            f". The import of {taken.image} goes on, or was cut off: `goldroot image import {taken.image}` finishes it."
        )
    return "."


def _take(tx: Tx, wanted: Entry) -> str:
    _check_free(tx, wanted)
    tx.add(
        entries, host=wanted.host, name=wanted.name, role=wanted.role, clone=wanted.clone or None,
        image=wanted.image or None, slot=wanted.slot,
    )  # fmt: skip
    return wanted.name


def _entries(tx: Tx, *where: sa.ColumnElement[bool]) -> Iterator[Entry]:
    query = sa.select(entries).where(*where).order_by(entries.c.host, entries.c.name)
    for row in tx.rows(query):
        yield Entry(row.host, row.name, row.role, row.clone or "", row.image or "", row.slot)
