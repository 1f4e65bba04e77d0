"""Publishing the maintenance system as the next gold version.

The order is what makes it safe to be killed: the catalog takes number and slot (nobody sees them yet), disks are built,
the record is signed and put in place by one rename, the slot's machine gets the disks, and last the catalog says
"published".  A second run gives up what was begun and takes the same number and slot.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from goldroot import crash, files
from goldroot.accounts import AccountTables
from goldroot.catalog import GoldVersion, copies, images, now
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NoFreeSlot, NotTested, Refused
from goldroot.hosts import Host, Opened, refuse_running
from goldroot.image.check import Checked, equals_last, examine, refuse, refuse_unknown, remember
from goldroot.image.filling import Filled, fill_slot, mark_gold
from goldroot.image.gold_version import RECORD, SCHEMA, SIGNATURE, canonical, current_gold, directory_of
from goldroot.image.hashes import NO_HASHES, hash_files
from goldroot.image.maintain import existing_system
from goldroot.image.renumber import Collision, Renumbered, clone_collisions, renumbered
from goldroot.image.slots import begin, next_slot, tidy, version_copy
from goldroot.image.systems import MAINTENANCE, System, fingerprint, said_once
from goldroot.site import DiskRegister, Site
from goldroot.system import Packages, Tie, read_packages
from goldroot.tree import Manifest, Note, Progress
from goldroot.version import __version__


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """What a publish will do, and what a person should know before."""

    image: str
    fingerprint: str
    untested: tuple[str, ...]  #: the forms in which this state was not tested, or failed
    renumbered: tuple[Renumbered, ...]
    collisions: tuple[Collision, ...]
    packages: Packages
    manifests: Mapping[str, Manifest]
    notes: tuple[Note, ...]
    etc: str  #: the address of the disk of ``/etc``
    slot: str = ""  #: where it would stand; empty where every slot is held
    leaves: int | None = None  #: the version that would leave that slot; nobody holds it
    full: str = ""  #: who holds every slot
    checked: Checked = field(default_factory=Checked)
    equals: int | None = None  #: the version before, where this is nothing but that

    @property
    def ties(self) -> tuple[Tie, ...]:
        """What ties the system to one host."""
        return self.checked.ties

    @property
    def asking(self) -> list[Collision]:
        """The collisions that an update of the clone would ask about."""
        return [met for met in self.collisions if met.asks]


@dataclass(frozen=True, slots=True)
class Published:
    """A version that was published, and what was told about it."""

    version: GoldVersion
    plan: PublishPlan
    notes: tuple[Note, ...] = ()
    new: bool = True  #: ``False``: it is the version before, and nothing was published


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person says beforehand about a publish."""

    untested: bool = False  #: publish what was not tested in both forms since its last change; the record says so
    renumber_ok: bool = False  #: publish although a clone's local account would collide with one of the new gold
    accept: tuple[str, ...] = ()  #: findings of the check; the record says so
    only_new: bool = False  #: publish nothing where nothing changed since the version before
    keep: bool = False  #: publish what ties the system to one host, on all servers then; the record says so


def plan_publish(
    site: Site, image: str, *, accept: Collection[str] = (), progress: Progress | None = None
) -> PublishPlan:
    """Read the maintenance system as it is, and say what publishing it means.

    :param accept: findings of the check, as :func:`goldroot.image.check_gold` takes them.
    """
    refuse_unknown(accept)
    system = existing_system(site, image, MAINTENANCE)
    site.refuse_held(f"image-{image}")
    refuse_running(system.host, system.machine)
    site.key.ready()
    with system.open() as opened:
        plan = _plan(system, opened, progress, accept, keep=False)
    try:
        slot, leaves = next_slot(site, image, system.host)
    except NoFreeSlot as error:
        return replace(plan, full=error.brief)
    return replace(plan, slot=slot, leaves=leaves)


def _plan(
    system: System, opened: Mapping[str, Opened], progress: Progress | None, accept: Collection[str], *, keep: bool
) -> PublishPlan:
    site, image = system.site, system.image
    manifests = system.scan(opened, progress=progress, keep=keep)
    state = fingerprint(system.layout, manifests)
    with site.catalog.read() as tx:
        untested = images.untested_forms(tx, image, state)
    tables = AccountTables.read(opened[system.layout.disk_of(b"etc").address].path, b"etc")
    last = current_gold(site, image)
    moved = renumbered(last.numbers, tables) if last else []
    met, notes = clone_collisions(site, image, tables, keep=keep)
    packages = read_packages(system.layout, {address: opened[address].path for address in manifests})
    equals = None
    if last is not None and equals_last(manifests, last, system.layout.hash):
        equals = last.number
        notes.append(Note("unchanged", b"", f"nothing changed since gold version {last.number}"))
    checked = examine(system, opened, manifests, last, accept)
    return PublishPlan(
        image, state, untested, tuple(moved), tuple(met), packages, manifests, (*notes, *packages.notes, *checked.doubtful),
        system.layout.disk_of(b"etc").address, checked=checked, equals=equals,
    )  # fmt: skip


def publish_gold(
    site: Site,
    image: str,
    *,
    untested: bool = False,
    note: str = "",
    renumber_ok: bool = False,
    progress: Progress | None = None,
) -> Published:
    """Publish the maintenance system as the next gold version.

    It is built in a free slot, recorded and signed, and becomes visible in one step.  Killed anywhere, nothing is
    visible, and the same command begins the version again in the same slot.

    Parameters and errors of :func:`publish_system`; it is published also where nothing changed.
    """
    return publish_system(site, image, Consent(untested, renumber_ok), note=note, progress=progress)


def publish_system(
    site: Site, image: str, consent: Consent, *, note: str = "", progress: Progress | None = None
) -> Published:
    """Publish the maintenance system as the next gold version, as far as a person agrees.

    :param note: a word for those who read the list of versions.
    :raises BadInput: ``consent`` accepts what could not be found.
    :raises NotTested: it was not tested in both forms since its last change.
    :raises NoFreeSlot: every slot is held; the error names by whom.
    :raises Refused: the check found something, it is tied to one host, or local accounts of clones would collide.
    """
    refuse_unknown(consent.accept)
    system = existing_system(site, image, MAINTENANCE)
    with ExitStack() as stack:
        stack.enter_context(site.lock(f"image-{image}", doing=f"publish of {image}"))
        stack.enter_context(system.host.hold(system.machine))
        opened = stack.enter_context(system.open())
        plan = _plan(system, opened, progress, consent.accept, keep=True)
        with site.catalog.begin() as tx:
            images.fingerprinted(tx, image, MAINTENANCE, plan.fingerprint)
        if consent.only_new and plan.equals is not None:
            with site.catalog.read() as tx:
                return Published(catalog_gold.get(tx, image, plan.equals), plan, new=False)
        refuse(image, plan.checked)
        _refuse(plan, consent)
        remember(system, plan.checked)
        site.key.ready()
        version = begin(site, image, note, fingerprint=plan.fingerprint, untested=bool(plan.untested))
        assert version.slot_name is not None
        crash.point("publish-begun")
        with tidy(site, version_copy(version)):
            filled = fill_slot(
                DiskRegister(site, system.host, version.slot_name, "gold"),
                opened,
                plan.manifests,
                system.layout,
                progress,
            )
            tables = _accounts(system.host, filled, plan.etc)
            hashes = hash_files(site, version_copy(version), filled.ids)
            record, signature = write_record(system, plan, version, tables, filled.manifests, hashes)
        crash.point("publish-recorded")
        mark_gold(system.host, version.slot_name)
        digests = {address: str(disk["digest"]) for address, disk in record["disks"].items()}
        with site.catalog.begin() as tx:
            done = catalog_gold.finish_publish(
                tx, image, version.number, digests=digests, signature={"ssh": signature}, record=record
            )
            copies.note_evidence(tx, image, version.number, version.host, filled.evidence)
        notes = said_once([*plan.notes, *filled.notes])
        return Published(done, replace(plan, manifests=filled.manifests), notes)


def _refuse(plan: PublishPlan, consent: Consent) -> None:
    if plan.ties and not consent.keep:
        more = f"; and {len(plan.ties) - 5} more" if len(plan.ties) > 5 else ""
        raise Refused(
            f"{plan.image} has what ties it to one host: {'; '.join(map(str, plan.ties[:5]))}{more}",
            meaning="All servers made from it would have the same, and be taken for one. Nothing was published.",
            todo="Remove it from the maintenance system, or publish with --keep: the record says so.",
        )
    if plan.untested and not consent.untested:
        raise NotTested(
            f"the maintenance system of {plan.image} was not tested in {' and '.join(plan.untested)} form since its last change",
            meaning="Nothing was published.",
            todo=f"Test it with `goldroot maintain test {plan.image}`, or publish with --untested: the record says so.",
        )
    if plan.asking and not consent.renumber_ok:
        shown = "; ".join(map(str, plan.asking[:5]))
        raise Refused(
            f"accounts of clones would collide with the new gold: {shown}",
            meaning="Updating these clones would ask for a decision about each. Nothing was published.",
            todo="Give gold's accounts other numbers, or publish with --renumber-ok and decide at each update.",
        )


def _accounts(host: Host, filled: Filled, etc: str) -> AccountTables:
    """The account tables of gold's own disks."""
    id = filled.ids[etc]
    with host.open_disks({id: "ro"}) as opened:
        return AccountTables.read(opened[id].path, b"etc")


class Numbered(Protocol):
    """What a record says of the version that it is of."""

    @property
    def image(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def note(self) -> str: ...


def write_record(
    system: System,
    plan: PublishPlan,
    version: Numbered,
    tables: AccountTables,
    manifests: Mapping[str, Manifest],
    hashes: Mapping[str, bytes] = NO_HASHES,
) -> tuple[dict[str, Any], str]:
    """A version's signed record with what stands beside it, put in place by one rename; record and signature.

    :param hashes: files of its home's, by name: see :func:`goldroot.image.hashes.hash_files`.
    """
    beside = _beside(tables, plan)
    record = _record(system, plan, version, manifests, beside)
    named = {f"{name}.json": content for name, content in beside.items()}
    return record, _write_beside(system.site, version, manifests, {**named, **hashes}, record)


def _record(
    system: System,
    plan: PublishPlan,
    version: Numbered,
    manifests: Mapping[str, Manifest],
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    """What is signed."""
    with system.site.catalog.read() as tx:
        image = images.get(tx, plan.image)
        tests = images.latest_tests(tx, plan.image, plan.fingerprint)
    layout = system.layout
    beside = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {
        "schema": SCHEMA,
        "goldroot": __version__,
        "image": plan.image,
        "version": version.number,
        "published_at": now(),
        "note": version.note,
        "os": dict(image.os),
        "fingerprint": plan.fingerprint,
        "untested": list(plan.untested),
        "tests": {form: {"passed": test.passed, "tested_at": test.tested_at} for form, test in tests.items()},
        "layout": {"name": layout.name, "hash": layout.hash, "text": layout.source},
        "disks": {
            address: {
                "shared": layout.disk(address).shared,
                "entries": len(manifest),
                "bytes": sum(row[5] for row in manifest.rows()),
                "digest": manifest.digest(),
            }
            for address, manifest in manifests.items()
        },
        "accounts": {"digest": beside["accounts"]},
        "packages": {"kind": plan.packages.kind, "count": len(plan.packages.installed), "digest": beside["packages"]},
        "renumbered": [str(each) for each in plan.renumbered],
        "collisions": [str(each) for each in plan.collisions],
        "accepted": [finding.text for finding in plan.checked.accepted],
        "kept": [str(tie) for tie in plan.ties],
    }


def _beside(tables: AccountTables, plan: PublishPlan) -> dict[str, bytes]:
    """The files that stand beside the record."""
    numbers = {
        key: {name.decode("utf-8", "surrogateescape"): number for name, number in table.items()}
        for key, table in (("users", tables.users), ("groups", tables.groups))
    }
    packages = [[each.name, each.version, each.architecture] for each in plan.packages.installed]
    return {"accounts": canonical(numbers), "packages": canonical(packages)}


def _write_beside(
    site: Site,
    version: Numbered,
    manifests: Mapping[str, Manifest],
    beside: Mapping[str, bytes],
    record: Mapping[str, Any],
) -> str:
    """Everything into the new directory, then one rename; returns the signature."""
    new, final = (
        directory_of(site, version.image, version.number, new=True),
        directory_of(site, version.image, version.number),
    )
    shutil.rmtree(final, ignore_errors=True)
    files.make_directory(new)
    for address, manifest in manifests.items():
        manifest.save(os.path.join(new, f"{address}.manifest"))
    document = canonical(record)
    signature = site.key.sign(document)
    contents = {**beside, RECORD: document, SIGNATURE: signature.encode()}
    for name, content in contents.items():
        files.write(os.path.join(new, name), content)
    os.rename(new, final)
    return signature
