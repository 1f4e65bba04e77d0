"""Adopting a server: the order of effects.

The source is read first, so that a bad one leaves nothing.  Then the clone is made as any other is: the catalog says
``creating``, the entry can be started when its disks are complete, the catalog says ``active`` last.  Killed at any point,
the same command begins again what was cut off.  A later look builds new disks in set 5, which come into the place of
the old ones in one step; whatever stands there of one that was killed goes with the next command.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from goldroot import crash
from goldroot.catalog import Clone
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import Refused, UsageError
from goldroot.fleet import manifests
from goldroot.fleet.adopt.again import Taken, take_new
from goldroot.fleet.adopt.fill import (
    fill_disks,
    load_report,
    load_seen,
    read_doubtful,
    save_report,
    save_seen,
    with_contents,
)
from goldroot.fleet.adopt.found import Found, look_at, shared_differ
from goldroot.fleet.adopt.nearest import (
    Distance,
    by_content,
    by_packages,
    nearest,
    published,
    refuse_architecture,
)
from goldroot.fleet.adopt.report import Report, needs_a_look, report_of
from goldroot.fleet.clone_names import check_clone_name
from goldroot.fleet.clones import CloneForm, begin_clone, define_clone, plan_clone, refuse_taken
from goldroot.fleet.inputs import Server, Stage, open_own, policy_of, silent
from goldroot.fleet.server_readings import live_disks, open_clone, read_server
from goldroot.fleet.update import update_files
from goldroot.fleet.update.merge import checked_rows
from goldroot.fleet.update.reconcile import clear_prepared, clone_lock, reconcile
from goldroot.hosts import LIVE, PREPARED, exchange, fenced, find_entry, new_disk_id, place_of, utc_now, with_mark
from goldroot.image import Gold, Source, check_genuine, open_source, open_version
from goldroot.policy import Policy
from goldroot.site import DiskRegister, Site, keep_reserve
from goldroot.system import Identity, Package, read_package_files, read_path
from goldroot.tree import BuildOptions, Note, build_tree, path_text


@dataclass(frozen=True)
class AdoptForm:
    """What a person asks for.

    :param source: a directory, an archive, or ``ssh:HOST``; ``sudo``: read that by sudo.
    :param number: the gold version; ``None``: the nearest.
    :param host: where the clone will live; "": on the site's default host.
    """

    source: str
    image: str
    number: int | None = None
    host: str = ""
    sudo: bool = False


@dataclass(frozen=True)
class Adopted:
    """What was made, or would be: ``report`` is the data of the view ``clone-adopted``."""

    report: Report
    waits: bool  #: something in it is for a person


def plan_adoption(site: Site, name: str, form: AdoptForm, *, stage: Stage = silent) -> Adopted:
    """What :func:`adopt_server` would do; the source is read, and nothing is changed."""
    with site.catalog.read() as tx:
        known = catalog_clones.find(tx, check_clone_name(name))
    if known is not None and known.state == "active":
        return _again(site, known, form, stage, plan_only=True)
    with _looked(site, name, form, stage) as (found, _, identity, _):
        report = report_of(found, name, identity.hostname, found.notes)
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
            return _again(site, known, form, stage, plan_only=False)
        return _first(site, name, form, stage)


# -- the first time


def _first(site: Site, name: str, form: AdoptForm, stage: Stage) -> Adopted:
    with _looked(site, name, form, stage) as (found, policy, identity, number):
        gold = found.gold
        clone_form = CloneForm(gold.host_name, number=number)
        plan = plan_clone(site, name, form.image, form=clone_form, identity=identity)
        clone = begin_clone(site, plan)
        define_clone(site, gold.host, clone, plan)
        with gold.host.hold(clone.machine):
            with site.catalog.read() as tx:
                clone = catalog_clones.get(tx, name)
            ids = {address: new_disk_id(clone.machine, address) for address in plan.copied}
            DiskRegister(site, gold.host, clone.machine, "clone").make(ids, clone.last)
            with open_own(gold.host, gold.layout, ids, "rw") as server:
                notes = fill_disks(site, clone, found, server, policy, stage)
                reading = read_server(gold, server.tree)
            report = report_of(found, name, identity.hostname, [*found.notes, *notes])
            save_report(site, clone, report)
            crash.point("adopt.reported")
            gold.host.apply(replace(find_entry(gold.host, clone.machine), startable=True))
        crash.point("adopt.defined")
        with site.catalog.begin() as tx:
            catalog_clones.activate(tx, name)
            reading.note(tx, name)
        return Adopted(report, needs_a_look(report))


@contextmanager
def _looked(site: Site, name: str, form: AdoptForm, stage: Stage) -> Iterator[tuple[Found, Policy, Identity, int]]:
    """The server as it is found, all open for the block; what can be refused is refused before it is read."""
    host = site.check_host(form.host or site.config.default_host)
    number = form.number
    with site.catalog.read() as tx:
        begun = catalog_clones.find(tx, check_clone_name(name))
    if begun is not None and begun.state == "creating":
        if begun.image != form.image or form.host not in ("", begun.host) or number not in (None, begun.version):
            raise Refused(
                f"the making of {name} from {begun.image} {begun.version} on host {begun.host} was cut off",
                todo=f"Finish it with the same options, or remove it with: goldroot clone delete {name}",
            )
        number, host = begun.version, begun.host
    refuse_taken(site, name, site.host_named(host))
    versions = [open_version(site, form.image, number, host)] if number else published(site, form.image, host)
    policy = policy_of(site, form.image)
    with ExitStack() as stack:
        reading = stage(f"reading {form.source}") if form.source.startswith("ssh:") else None
        source = stack.enter_context(open_source(site.host_named(host), form.source, sudo=form.sudo, progress=reading))
        installed = tuple(sorted(read_package_files(source.path, lambda path: path).packages.values()))
        distances = _distances(versions, source, installed, stage) if not number else []
        chosen = number or nearest(distances)
        gold = next(one for one in versions if one.number == chosen)
        refuse_architecture(gold, installed)
        check_genuine(gold)
        identity, told = _identity(source, name)
        plan_clone(site, name, form.image, form=CloneForm(host, number=chosen), identity=identity)
        opened = stack.enter_context(gold.open())
        given = update_files.remembered(site, form.image)
        found = look_at(gold, opened, source, policy, distances=distances, given=given, stage=stage)
        yield replace(found, notes=(*told, *found.notes)), policy, identity, chosen


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


# -- a later look


def _again(site: Site, clone: Clone, form: AdoptForm, stage: Stage, *, plan_only: bool) -> Adopted:
    before = _report_before(site, clone, form)
    gold = open_version(site, clone.image, clone.version, clone.host)
    policy = policy_of(site, clone.image)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(gold.host, form.source, sudo=form.sudo))
        opened = stack.enter_context(gold.open())
        given = update_files.remembered(site, clone.image)
        found = look_at(gold, opened, source, policy, given=given, stage=stage)
        hold = ExitStack() if plan_only else gold.host.hold(clone.machine)
        with hold:
            with open_clone(site, clone, view="live" if plan_only else "still") as server:
                taken = _taken(site, clone, found, server, policy, stage)
            report = _later_report(found, clone, before, taken, plan_only)
            if not plan_only and any(one.new for one in taken.values()):
                _replace(site, clone, found, taken, policy, stage)
            if not plan_only:
                save_report(site, clone, {**report, "first": True, "new": [], "kept": []})
    return Adopted(report, needs_a_look(report, before))


def _report_before(site: Site, clone: Clone, form: AdoptForm) -> Report:
    """:raises Refused: the clone was not adopted, was updated since, or is asked for otherwise."""
    before = load_report(site, clone)
    if before is None:
        raise Refused(
            f"there is a clone {clone.name} already, and it was not adopted, or was updated since",
            meaning="What is new on another server cannot be put over that. Nothing was changed.",
            todo="Take another name; or delete the clone, and adopt the server again.",
        )
    if form.image != clone.image or form.number not in (None, clone.version) or form.host not in ("", clone.host):
        raise Refused(
            f"{clone.name} was adopted onto {clone.image} {clone.version} on host {clone.host}",
            todo="Leave --gold and --host out to take what is new on the server; or delete the clone first.",
        )
    return before


def _taken(site: Site, clone: Clone, found: Found, server: Server, policy: Policy, stage: Stage) -> dict[str, Taken]:
    taken = {}
    for address, rows, _ in found.rows():
        id = server.ids[address]
        root, before = server.opened[address].path, load_seen(site, clone, id)
        now = manifests.scan_disk(site, id, root, policy, progress=stage(f"reading {id}")).manifest
        clones = read_doubtful(root, now, before)
        taken[address] = take_new(before, list(checked_rows(iter(rows))), clones, policy)
    return taken


def _later_report(
    found: Found, clone: Clone, before: Mapping[str, Any], taken: Mapping[str, Taken], plan_only: bool
) -> Report:
    hostname = str(dict(clone.identity).get("hostname", clone.name))
    new = {(path_text(b"/" + path), what) for one in taken.values() for path, what in one.new}
    kept = {path_text(path) for one in taken.values() for path in one.kept}
    report = report_of(found, clone.name, hostname, found.notes)
    return {
        **report, "plan": plan_only, "first": False, "versions": list(before["versions"]),
        "new": [{"path": path, "what": what} for path, what in sorted(new)], "kept": sorted(kept),
    }  # fmt: skip


def _replace(site: Site, clone: Clone, found: Found, taken: Mapping[str, Taken], policy: Policy, stage: Stage) -> None:
    """New disks with what is new, in set 5; then in the place of the old ones, in one step.  The clone is held."""
    gold, host = found.gold, found.gold.host
    with site.catalog.begin() as tx:
        generation = catalog_clones.fence(tx, clone.name)
    entry = find_entry(host, clone.machine)
    mark = replace(entry.marks[LIVE], state="preparing", since=utc_now())
    host.apply(fenced(with_mark(entry, PREPARED, mark), generation))
    crash.point("adopt.set-taken")
    ids = {address: new_disk_id(clone.machine, address) for address in taken}
    register = DiskRegister(site, host, clone.machine, "clone")
    register.make({PREPARED + place_of(address): id for address, id in ids.items()}, clone.last)
    sources = {address: trees for address, _, trees in found.rows()}
    live = (3,) if found.source.live else ()
    with (
        open_own(host, gold.layout, live_disks(host, clone, gold.layout)) as old,
        open_own(host, gold.layout, ids, "rw") as new,
    ):
        for address, one in taken.items():
            options = BuildOptions(progress=stage(f"writing {ids[address]}"), live=live)
            trees: list[str | bytes] = [old.opened[address].path, *sources[address]]
            out = new.opened[address].path
            built = build_tree(iter(one.rows), trees, out, options)
            made = manifests.save_made(site, ids[address], out, built.manifest, policy)
            save_seen(site, clone, ids[address], one.seen(with_contents(out, made)))
            crash.point("adopt.disk-renewed")
        reading = read_server(gold, new.tree)
    entry = find_entry(host, clone.machine)
    changed = exchange(entry, PREPARED, clone.last, "set-aside", since=utc_now())
    # What leaves is not kept for a way back: the mark says that it goes with the next command.
    host.apply(with_mark(changed, PREPARED, mark))
    crash.point("adopt.exchanged")
    with site.catalog.begin() as tx:
        reading.note(tx, clone.name)
    clear_prepared(site, clone.name)
