"""Images, the state of their maintenance and test systems, and what was tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from goldroot.catalog import entries
from goldroot.catalog.schema import (
    LOCAL,
    clones,
    decisions,
    gold_copies,
    gold_versions,
    images,
    maintenance,
    slots,
    tests,
)
from goldroot.catalog.schema import entries as entry_table
from goldroot.catalog.store import Tx, check_name, nearest, now
from goldroot.errors import NotFound, Refused, UsageError

Role = Literal["maintenance", "test"]
Form = Literal["read-write", "read-only"]
FORMS: tuple[Form, ...] = ("read-write", "read-only")

#: Two at least: one is linked while the other one is written.
FEWEST_SLOTS = 2


@dataclass(frozen=True, slots=True)
class Image:
    """A line of gold versions.  ``os`` is what ``os-release`` says, and the machine's architecture."""

    name: str
    layout: str
    os: Mapping[str, Any]
    created_at: str
    host: str  #: its home: where its maintenance and test systems are, and its versions are published


@dataclass(frozen=True, slots=True)
class System:
    """The maintenance or test system: ``changes`` counts what was done to it, ``fingerprint`` is of its trees."""

    image: str
    role: Role
    changes: int
    fingerprint: str  #: "" where it has changed since it was last taken
    changed_at: str


@dataclass(frozen=True, slots=True)
class Test:
    """One run of an image's test commands, in one form, on the system with that fingerprint."""

    id: int
    image: str
    form: Form
    fingerprint: str
    passed: bool
    log: str
    tested_at: str


def create(tx: Tx, name: str, layout: str, os: Mapping[str, Any], *, slot_count: int = 3, host: str = LOCAL) -> Image:
    """Add an image, with its slots: ``s10`` has ``S10GOLD``, ``S10GOLD2``, ``S10GOLD3``.

    The names of its systems and slots are taken here, if :func:`reserve` has not done it.

    :raises Refused: there is one of that name already, or one of these names is another's.
    :raises UsageError: fewer than two slots, or a name that cannot be one.
    """
    if slot_count < FEWEST_SLOTS:
        raise UsageError(f"an image needs two slots at least, not {slot_count}")
    check_name("image", name)
    refuse_existing(tx, name)
    entries.take_for_image(tx, name, slot_count, host)
    image = Image(name, layout, dict(os), now(), host)
    tx.add(images, name=name, layout=layout, os=image.os, created_at=image.created_at, host=host)
    for number in range(1, slot_count + 1):
        tx.add(slots, host=host, image=name, number=number)
    tx.event("image-created", f"image:{name}", layout=layout, slots=slot_count)
    return image


def found(tx: Tx, image: Image, names: Iterable[entries.Entry]) -> None:
    """The rows of an image that stands on the hosts, and that this catalog does not know: it is older, or new.

    :param names: of its systems and slots, as they are there; a slot whose number is skipped gets a name that is free.
    :raises Refused: one of the names is another's by this catalog.
    """
    check_name("image", image.name)
    refuse_existing(tx, image.name)
    entries.release_image(tx, image.name)
    tx.add(
        images, name=image.name, layout=image.layout, os=dict(image.os), created_at=image.created_at, host=image.host
    )
    entries.found(tx, image.name, names)
    known = entries.every(tx, image.name)
    for host in sorted({one.host for one in known}):
        has = {one.slot for one in known if one.host == host and one.role == "slot"}
        for number in range(1, max(has, default=0) + 1):
            if number not in has:
                entries.take_for_slot(tx, image.name, number, host)
            tx.add(slots, host=host, image=image.name, number=number)
    tx.event("image-found", f"image:{image.name}", layout=image.layout)


def refuse_existing(tx: Tx, name: str) -> None:
    """:raises Refused: there is an image of that name; `s10` and `S10` cannot both be, for machines are in capitals."""
    known = tx.value(sa.select(images.c.name).where(sa.func.upper(images.c.name) == name.upper()))
    if known is not None:
        raise Refused(f"there is an image {known!r} already", todo="Take another name, or work on that one.")


def reserve(tx: Tx, name: str, slot_count: int, host: str) -> bool:
    """Take the names that a new image's systems and slots will have on its home, before anything of it is made.

    :returns: whether an earlier import, which was cut off, had taken them: what has these names on the host is its.
    :raises Refused: there is such an image, or one of the names is another's; the error says whose.  Or an import to
        another host was cut off, which may have left something there.
    """
    refuse_existing(tx, name)
    begun = {one.host for one in entries.every(tx, name)}
    if elsewhere := begun - {host}:
        other = min(elsewhere)
        raise Refused(
            f"an import of {name} to host {other} was cut off",
            meaning=f"What it left there would be nobody's. Nothing was made on host {host}.",
            todo=f"Finish it: goldroot image import {name} --host {other}",
        )
    entries.release_image(tx, name)  # another number of slots may be configured since
    entries.take_for_image(tx, name, slot_count, host)
    return bool(begun)


_GET = sa.select(images).where(images.c.name == sa.bindparam("name"))


def get(tx: Tx, name: str) -> Image:
    """:raises NotFound: there is none of that name; the error names those that there are."""
    row = tx.first(_GET, name=name)
    if row is None:
        names = [image.name for image in every(tx)]
        known = ", ".join(names) or "none yet"
        todo = f"Images: {known}. `goldroot image import` makes one.{nearest(name, names)}"
        raise NotFound(f"there is no image {name!r}", todo=todo)
    return Image(*row)


def every(tx: Tx) -> list[Image]:
    """All images, by name."""
    return [Image(*row) for row in tx.rows(sa.select(images).order_by(images.c.name))]


def delete(tx: Tx, name: str) -> None:
    """Forget an image, with everything that is known of it; the events keep what happened.  Its disks are gone already.

    :raises Refused: clones are made from it.
    """
    get(tx, name)
    if tx.first(sa.select(clones.c.name).where(clones.c.image == name)) is not None:
        raise Refused(f"clones are made from image {name!r}", meaning="Nothing was changed.")
    for table in (gold_copies, gold_versions, slots, tests, maintenance, decisions, entry_table):
        tx.write(table.delete().where(table.c.image == name))
    tx.write(images.delete().where(images.c.name == name))
    tx.event("image-deleted", f"image:{name}")


def set_layout_and_os(tx: Tx, name: str, *, layout: str | None = None, os: Mapping[str, Any] | None = None) -> None:
    """Change what is known of an image; ``None`` leaves a part as it is."""
    values = {key: value for key, value in (("layout", layout), ("os", os)) if value is not None}
    if values:
        tx.write(images.update().where(images.c.name == name).values(**values))


def touched(tx: Tx, image: str, role: Role) -> System:
    """Count a change to a system *before* it is made: its fingerprint is unknown from now on."""
    return _set(tx, image, role, changes=_changes(tx, image, role) + 1, fingerprint="")


def fingerprinted(tx: Tx, image: str, role: Role, fingerprint: str) -> System:
    """Note the fingerprint of a system as it is now; without counting a change."""
    return _set(tx, image, role, changes=_changes(tx, image, role), fingerprint=fingerprint)


def system(tx: Tx, image: str, role: Role) -> System | None:
    """The state of a system, ``None`` where it was never made."""
    row = tx.first(sa.select(maintenance).where(maintenance.c.image == image, maintenance.c.role == role))
    return None if row is None else System(*row)


def _changes(tx: Tx, image: str, role: Role) -> int:
    known = system(tx, image, role)
    return 0 if known is None else known.changes


def _set(tx: Tx, image: str, role: Role, *, changes: int, fingerprint: str) -> System:
    done = System(image, role, changes, fingerprint, now())
    values = {"changes": changes, "fingerprint": fingerprint, "changed_at": done.changed_at}
    where = (maintenance.c.image == image, maintenance.c.role == role)
    if not tx.write(maintenance.update().where(*where).values(**values)):
        tx.write(maintenance.insert().values(image=image, role=role, **values))
    return done


def add_test(tx: Tx, image: str, form: Form, fingerprint: str, *, passed: bool, log: str) -> Test:
    """Note a test; ``fingerprint`` is of the maintenance system that the tested copy was made from."""
    at = now()
    number = tx.add(tests, image=image, form=form, fingerprint=fingerprint, passed=passed, log=log, tested_at=at)
    tx.event("tested", f"image:{image}", form=form, passed=passed, fingerprint=fingerprint)
    return Test(number, image, form, fingerprint, passed, log, at)


def latest_tests(tx: Tx, image: str, fingerprint: str | None = None) -> dict[Form, Test]:
    """The newest test of each form (of exactly that fingerprint); a form that was not tested is missing."""
    query = sa.select(tests).where(tests.c.image == image).order_by(tests.c.id)
    if fingerprint is not None:
        query = query.where(tests.c.fingerprint == fingerprint)
    return {test.form: test for test in (Test(*row) for row in tx.rows(query))}


def untested_forms(tx: Tx, image: str, fingerprint: str) -> tuple[Form, ...]:
    """The forms whose newest test of exactly this fingerprint is missing or failed: empty means "tested"."""
    known = latest_tests(tx, image, fingerprint)
    return tuple(form for form in FORMS if form not in known or not known[form].passed)
