"""Adopting a server: the order of effects.

The source is read first, so that a bad one leaves nothing.  Then the clone is made as any other is: the catalog says
``creating``, the entry can be started when its disks are complete, the catalog says ``active`` last.  Killed at any point,
the same command begins again what was cut off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from goldroot import crash
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import Refused, UsageError
from goldroot.fleet.adopt.fill import copy_shared, fill_disks, save_record, save_report
from goldroot.fleet.adopt.form import Adopted, AdoptForm
from goldroot.fleet.adopt.found import Found, How, look_at, shared_differ
from goldroot.fleet.adopt.later import later_look
from goldroot.fleet.adopt.nearest import (
    Distance,
    by_content,
    by_packages,
    nearest,
    published,
    refuse_architecture,
    refuse_retired,
)
from goldroot.fleet.adopt.report import needs_a_look, report_of
from goldroot.fleet.clones import CloneForm, begin_clone, define_clone, plan_clone, refuse_taken
from goldroot.fleet.inputs import Stage, open_own, policy_of, read_server, silent
from goldroot.fleet.update import open_update
from goldroot.fleet.update.reconcile import clone_lock, reconcile
from goldroot.hosts import applied, find_entry, new_disk_id
from goldroot.image import Gold, Source, check_genuine, open_source, open_version, said_once
from goldroot.policy import Policy
from goldroot.site import DiskRegister, Site, check_clone_name, keep_reserve, make_bootable
from goldroot.system import Identity, Package, read_package_files, read_path
from goldroot.tree import Note


def plan_adoption(site: Site, name: str, form: AdoptForm, *, stage: Stage = silent) -> Adopted:
    """What :func:`adopt_server` would do; the source is read, and nothing is changed."""
    with site.catalog.read() as tx:
        known = catalog_clones.find(tx, check_clone_name(name))
    if known is not None and known.state == "active":
        return later_look(site, known, form, stage, plan_only=True)
    with _looked(site, name, form, stage) as (found, _, identity, _):
        report = report_of(found, name, identity.hostname, found.notes)
    report["kind"] = CloneForm(read_write=form.read_write).kind
    return Adopted({**report, "plan": True}, needs_a_look(report))


def adopt_server(site: Site, name: str, form: AdoptForm, *, stage: Stage = silent) -> Adopted:
    """Make a clone of a server that was not made from gold, or take what is new there since that was done.

    :raises NotFound: there is no version that it could be made from.
    :raises Refused: the name is taken; or the clone was updated since.
    :raises BadInput: the source is not a root file system, or a hostile or damaged archive.
    """
    keep_reserve(site)
    with clone_lock(site, name, f"adoption of {name}"):
        reconcile(site, name, starts=False)
        with site.catalog.read() as tx:
            known = catalog_clones.find(tx, name)
        if known is not None and known.state == "active":
            return later_look(site, known, form, stage, plan_only=False)
        return _first(site, name, form, stage)


# -- the first time


def _first(site: Site, name: str, form: AdoptForm, stage: Stage) -> Adopted:
    with _looked(site, name, form, stage) as (found, policy, identity, number):
        gold = found.gold
        clone_form = CloneForm(gold.host_name, form.read_write, number)
        plan = plan_clone(site, name, form.image, form=clone_form, identity=identity, adopted=True)
        clone = begin_clone(site, plan)
        define_clone(site, gold.host, clone, plan)
        with gold.host.hold(clone.machine):
            with site.catalog.read() as tx:
                clone = catalog_clones.get(tx, name)
            ids = {address: new_disk_id(clone.machine, address) for address in plan.copied}
            DiskRegister(site, gold.host, clone.machine, "clone").make(ids, clone.last)
            with open_own(gold.host, gold.layout, ids, "rw") as server:
                notes = copy_shared(site, gold, server, policy, stage)
                notes += fill_disks(site, clone, found, server, policy, stage)
                linked = [disk.address for disk in gold.layout.disks if disk.address not in ids]
                notes += make_bootable(gold.host, clone.machine, gold.layout, server.opened, linked)
                reading = read_server(gold, server.tree)
            report = report_of(found, name, identity.hostname, said_once([*found.notes, *notes]))
            report["kind"] = clone.kind
            save_record(site, clone, found)
            save_report(site, clone, report)
            crash.point("adopt.reported")
            applied(gold.host, replace(find_entry(gold.host, clone.machine), startable=True))
        crash.point("adopt.defined")
        with site.catalog.begin() as tx:
            catalog_clones.activate(tx, name)
            reading.note(tx, name)
        return Adopted(report, needs_a_look(report))


@contextmanager
def _looked(site: Site, name: str, form: AdoptForm, stage: Stage) -> Iterator[tuple[Found, Policy, Identity, int]]:
    """The server as it is found, all open for the block; what can be refused is refused before it is read."""
    _refuse_own_site(site, form.source)
    host = site.check_host(form.host or site.config.default_host)
    number = form.number
    with site.catalog.read() as tx:
        begun = catalog_clones.find(tx, check_clone_name(name))
    if begun is not None and begun.state == "creating":
        other = begun.kind != CloneForm(read_write=form.read_write).kind or form.host not in ("", begun.host)
        if begun.image != form.image or other or number not in (None, begun.version):
            raise Refused(
                f"the making of {name}, {begun.kind}, from {begun.image} {begun.version} on host {begun.host} was cut off",
                todo=f"Finish it with the same options, or remove it with: goldroot clone delete {name}",
            )
        number, host = begun.version, begun.host
    refuse_taken(site, name, site.host_named(host))
    versions = published(site, form.image, host) if number is None else [open_version(site, form.image, number, host)]
    if begun is None and number is not None:
        refuse_retired(site, form.image, number)
    policy = policy_of(site, form.image)
    with ExitStack() as stack:
        reading = stage(f"reading {form.source}") if form.source.startswith("ssh:") else None
        source = stack.enter_context(open_source(site.host_named(host), form.source, sudo=form.sudo, progress=reading))
        installed = tuple(sorted(read_package_files(source.path, lambda path: path).packages.values()))
        distances = _distances(versions, source, installed, stage) if number is None else []
        chosen = nearest(distances) if number is None else number
        gold = next(one for one in versions if one.number == chosen)
        refuse_architecture(gold, installed)
        check_genuine(gold)
        identity, told = _identity(source, name)
        clone_form = CloneForm(host, form.read_write, chosen)
        plan_clone(site, name, form.image, form=clone_form, identity=identity, adopted=True)
        opened = stack.enter_context(gold.open())
        given = open_update.remembered(site, form.image)
        found = look_at(gold, opened, source, How(policy, stage, given, tuple(distances)))
        yield replace(found, notes=(*told, *found.notes)), policy, identity, chosen


def _refuse_own_site(site: Site, source: str) -> None:
    """:raises Refused: a directory holds this very site: its copy in the clone would hold the clone."""
    top = os.path.realpath(source)
    if os.path.isdir(source) and os.path.commonpath([top, os.path.realpath(site.root)]) == top:
        raise Refused(
            f"the site {site.root} lies in {source}",
            meaning="The clone would hold a copy of the site that it is in. Nothing was made.",
            todo="Make a tar without it (tar --exclude), or use a site on another machine.",
        )


def _distances(versions: list[Gold], source: Source, installed: tuple[Package, ...], stage: Stage) -> list[Distance]:
    def differ(gold: Gold) -> int:
        with gold.open() as opened:
            return shared_differ(gold, opened, source, stage)

    found = by_packages(versions, installed)
    return found or by_content(versions, differ)


def _identity(source: Source, name: str) -> tuple[Identity, list[Note]]:
    """It is the same server: its own host name; that of the clone where it has none."""
    for path in (b"etc/hostname", b"etc/HOSTNAME"):
        lines = [line.strip() for line in (read_path(source.path, path) or b"").splitlines()]
        said = next((line for line in lines if line and not line.startswith((b"#", b"->"))), b"")
        try:
            if said:
                return Identity(said.decode("ascii", "replace")), []
        except UsageError:
            break
    return Identity(name), [
        Note("no-host-name", b"/etc/hostname", "it says no host name; the catalog has the clone's name")
    ]
