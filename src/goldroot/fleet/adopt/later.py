"""A later look at an adopted server: what is new there comes onto new disks, which are exchanged for the old ones in one step.

The new ones stand in set 5 under the mark of the work that made the server, as no update's do: what a kill leaves there
goes with the next command (:func:`goldroot.fleet.update.reconcile.clear_prepared`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from goldroot import crash
from goldroot.catalog import Clone
from goldroot.catalog import clones as catalog_clones
from goldroot.errors import Refused
from goldroot.fleet import manifests
from goldroot.fleet.adopt.again import Taken, take_new
from goldroot.fleet.adopt.fill import (
    load_report,
    load_seen,
    read_doubtful,
    save_record,
    save_report,
    save_seen,
    with_contents,
)
from goldroot.fleet.adopt.form import Adopted, AdoptForm
from goldroot.fleet.adopt.found import Found, How, look_at
from goldroot.fleet.adopt.report import Report, needs_a_look, report_of
from goldroot.fleet.inputs import Server, Stage, live_disks, open_clone, open_own, policy_of, read_server
from goldroot.fleet.update import open_update
from goldroot.fleet.update.merge import checked_rows
from goldroot.fleet.update.reconcile import clear_prepared
from goldroot.hosts import (
    LIVE,
    PREPARED,
    applied,
    exchange,
    fenced,
    find_entry,
    new_disk_id,
    place_of,
    utc_now,
    with_mark,
)
from goldroot.image import open_source, open_version
from goldroot.policy import Policy
from goldroot.site import DiskRegister, Site
from goldroot.tree import BuildOptions, build_tree, path_text


def later_look(site: Site, clone: Clone, form: AdoptForm, stage: Stage, *, plan_only: bool) -> Adopted:
    """Take what is new on a server since it was adopted; with ``plan_only`` only say what that is.

    :raises Refused: the clone was not adopted, was updated since, or is asked for otherwise.
    :raises StillRunning: it is on.
    """
    before = _report_before(site, clone, form)
    gold = open_version(site, clone.image, clone.version, clone.host)
    policy = policy_of(site, clone.image)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(gold.host, form.source, sudo=form.sudo))
        opened = stack.enter_context(gold.open())
        given = open_update.remembered(site, clone.image)
        found = look_at(gold, opened, source, How(policy, stage, given))
        held: AbstractContextManager[object] = nullcontext() if plan_only else gold.host.hold(clone.machine)
        with held:
            with open_clone(site, clone, view="live" if plan_only else "still") as server:
                taken = _taken(site, clone, found, server, policy, stage)
            report = _later_report(found, clone, before, taken, plan_only)
            if not plan_only and any(one.new for one in taken.values()):
                _replace(site, clone, found, taken, policy, stage)
            if not plan_only:
                save_record(site, clone, found)
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
    other = form.host not in ("", clone.host) or (form.read_write and clone.kind != "read-write")
    if form.image != clone.image or form.number not in (None, clone.version) or other:
        raise Refused(
            f"{clone.name} was adopted onto {clone.image} {clone.version} on host {clone.host}, as a {clone.kind} clone",
            todo="Leave --gold, --host and --read-write out to take what is new on the server; or delete the clone first.",
        )
    return before


def _taken(site: Site, clone: Clone, found: Found, server: Server, policy: Policy, stage: Stage) -> dict[str, Taken]:
    taken = {}
    for address, rows, _ in found.rows():
        id = server.ids[address]
        root, before = server.opened[address].path, load_seen(site, clone, id)
        now = manifests.scan_disk(
            site, id, root, policy, progress=stage(f"reading {id}", partial(manifests.known_count, site, id))
        ).manifest
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
        **report, "kind": clone.kind, "plan": plan_only, "first": False, "versions": list(before["versions"]),
        "new": [{"path": path, "what": what} for path, what in sorted(new)], "kept": sorted(kept),
    }  # fmt: skip


def _replace(site: Site, clone: Clone, found: Found, taken: Mapping[str, Taken], policy: Policy, stage: Stage) -> None:
    """New disks with what is new, in set 5; then in the place of the old ones, in one step.  The clone is held."""
    gold, host = found.gold, found.gold.host
    with site.catalog.begin() as tx:
        generation = catalog_clones.fence(tx, clone.name)
    entry = find_entry(host, clone.machine)
    mark = replace(entry.marks[LIVE], state="preparing", since=utc_now())
    applied(host, fenced(with_mark(entry, PREPARED, mark), generation))
    crash.point("adopt.set-taken")
    ids = {address: new_disk_id(clone.machine, address) for address in taken}
    register = DiskRegister(site, host, clone.machine, "clone")
    register.make({PREPARED + place_of(address): id for address, id in ids.items()}, clone.last)
    sources = {one.part.name: [tree.root for tree in one.part.trees] for one in found.plan.parts}
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
    applied(host, with_mark(changed, PREPARED, mark))
    crash.point("adopt.exchanged")
    with site.catalog.begin() as tx:
        reading.note(tx, clone.name)
    clear_prepared(site, clone)
