"""The files of a site: databases, keys, signed records with what stands beside them, records of merges."""

from __future__ import annotations

import os
from collections.abc import Iterator

from goldroot.catalog import damage_of, is_there, open_catalog
from goldroot.errors import Busy, Damaged, GoldrootError, NotFound
from goldroot.files import json_of
from goldroot.fleet.doctor.findings import Finding
from goldroot.fleet.doctor.seen import Seen
from goldroot.fleet.update import open_update
from goldroot.image import Gold, look_at_copy, open_version, read_gold_record
from goldroot.site import Site

JOURNAL = "workflow.sqlite"


def look_at_databases(site: Site) -> Iterator[Finding]:
    """Whether the catalog and the journal can be read; nothing else can be compared without the catalog."""
    where = site.config.catalog or site.path("catalog.sqlite")
    name = "catalog.sqlite" if not site.config.catalog else "the catalog"
    rebuild = "make it again from the stores, the signed records and the records of merges"
    try:
        if not is_there(where):
            yield Finding("catalog-missing", name, f"{name} is missing or empty", repair=rebuild)
        elif why := damage_of(site.catalog_file):
            raise Damaged(f"the catalog at {site.catalog_file!r} is damaged: {why}")
        else:
            with open_catalog(where) as catalog, catalog.read() as tx:
                from goldroot.fleet.doctor.seen import see_catalog

                see_catalog(tx)
    except (Damaged, NotFound) as error:
        yield Finding("catalog-damaged", name, error.brief, repair=rebuild if site.catalog_file else "")
    except GoldrootError as error:
        if error.kind != "bad-input" or not site.catalog_file:
            raise
        yield Finding("catalog-damaged", name, error.brief, repair=rebuild)
    journal = site.path(JOURNAL)
    if os.path.exists(journal) and (why := damage_of(journal)):
        yield Finding("journal-damaged", JOURNAL, f"{JOURNAL} is damaged: {why}", repair="put it aside")


def look_at_keys(site: Site) -> Iterator[Finding]:
    """Whether gold can be signed and verified."""
    again = "put the site's keys back from a backup (goldroot restore), or goldroot init (in the site's directory)"
    if not os.path.exists(site.key.private):
        yield Finding("key-missing", "keys/site", "the site's key keys/site is missing", command=again)
    if not os.path.exists(site.key.allowed):
        yield Finding("signers-missing", "keys/allowed_signers", "keys/allowed_signers is missing", command=again)


def look_at_papers(seen: Seen) -> Iterator[Finding]:
    """Signed records and manifests of the gold versions that have disks, and the last records of servers."""
    site = seen.site
    for copy in seen.known.copies:
        known = seen.known.versions[copy.image, copy.version]
        host = seen.hosts.get(copy.host)
        if known.state == "publishing" or copy.state != "whole" or f"image-{copy.image}" in seen.busy:
            continue
        mark = None if host is None else host.mark(copy.slot_name)
        if mark is None or (mark.state, mark.image, mark.version) != ("gold", copy.image, copy.version):
            continue  # told already
        what = f"gold {copy.version} of {copy.image}"
        try:
            read_gold_record(site, copy.image, copy.version)
            gold = open_version(site, copy.image, copy.version, copy.host)
            look = look_at_copy(gold)
        except GoldrootError as error:
            # Whose disks somebody has open cannot be looked at now: no backup would help.
            restore = "put images/ back from a backup (goldroot restore)"
            command = error.todo if isinstance(error, Busy) else restore
            yield Finding("gold-unsigned", copy.image, f"{what}: {error.brief}", copy.host, command=command)
            continue
        yield from _beside(gold)
        if look == "copied":
            yield Finding(
                "gold-copied", copy.image, f"the disks of {what} on host {copy.host} were copied or put back since they were "
                "published", copy.host, repair="read them, and take them where they have what was published",
                image=copy.image, version=copy.version,
            )  # fmt: skip
        elif look == "changed":
            yield Finding(
                "gold-changed", copy.image, f"the disks of {what} on host {copy.host} are not what was published", copy.host,
                command=f"goldroot gold verify {copy.image} {copy.version}",
            )  # fmt: skip
    yield from _records(seen)


def _beside(gold: Gold) -> Iterator[Finding]:
    try:
        gold.check_beside()
    except GoldrootError as error:
        yield Finding(
            "gold-papers", gold.image, f"gold {gold.number} of {gold.image}: {error.brief}", gold.host_name,
            command="put images/ back from a backup (goldroot restore)", image=gold.image, version=gold.number,
        )  # fmt: skip


def _records(seen: Seen) -> Iterator[Finding]:
    for clone, rows in seen.known.updates.items():
        if f"clone-{clone}" in seen.busy:
            continue
        for one in rows:
            file = open_update.record_file(seen.site, clone, one.work)
            try:
                with open(file, "rb") as stream:
                    good = isinstance(json_of(stream.read()), dict)
            except FileNotFoundError:
                continue
            except (ValueError, OSError):
                good = False
            if not good:
                yield Finding(
                    "record-damaged", clone, f"the record of {one.kind} {one.id} of {clone}, {file}, cannot be read",
                    command="put records/ back from a backup (goldroot restore)",
                )  # fmt: skip
