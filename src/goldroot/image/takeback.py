"""Taking a fix from the test system back to the maintenance system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goldroot import crash
from goldroot.catalog import images
from goldroot.errors import Refused
from goldroot.hosts import Opened, refuse_running
from goldroot.image.changes import REMOVED, Change, changes_between
from goldroot.image.maintain import existing_system, merged
from goldroot.image.systems import MAINTENANCE, TEST, System, said_once, tests_cut_off
from goldroot.site import Site
from goldroot.tree import (
    DIRECTORY,
    BuildOptions,
    BuildRow,
    Manifest,
    Note,
    Progress,
    build_tree,
    path_text,
    rows_of,
    tree_key,
)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What :func:`take_back` copied (or, planned, would copy)."""

    image: str
    changes: tuple[Change, ...]
    notes: tuple[Note, ...] = ()


def take_back(
    site: Site, image: str, paths: Sequence[bytes] = (), *, plan_only: bool = False, progress: Progress | None = None
) -> TakenBack:
    """Copy a fix that was made on the test system, after its tests, to the maintenance system.

    What the tests themselves left behind is not a fix and stays.  Those of the maintenance system's disks that a fix
    concerns are made new and put in place in one step.

    :param paths: take only these, and what is below them (no leading slash).
    :raises Refused: the maintenance system changed the same path since it was copied.
    """
    source, target = existing_system(site, image, TEST), existing_system(site, image, MAINTENANCE)
    if plan_only:
        site.refuse_held(f"image-{image}")
        refuse_running(target.host, target.machine)
        with source.open(view="live") as theirs, target.open() as ours:
            fixes = _fixes((source, theirs), (target, ours), paths, progress, keep=False)
        return TakenBack(image, tuple(merged(fixes[1].values())))
    with site.lock(f"image-{image}", doing=f"take-back for {image}"), target.host.hold(target.machine):
        with source.open(view="live") as theirs, target.open() as ours:
            now, taken = _fixes((source, theirs), (target, ours), paths, progress, keep=True)
        found = tuple(merged(taken.values()))
        if not found:
            target.sweep()
            return TakenBack(image, found)
        with site.catalog.begin() as tx:
            images.touched(tx, image, MAINTENANCE)
        return TakenBack(image, found, _rebuild(source, target, now, taken, progress))


#: A system and its disks, which are open.
Open = tuple[System, Mapping[str, Opened]]


def _fixes(
    source: Open, target: Open, paths: Sequence[bytes], progress: Progress | None, *, keep: bool
) -> tuple[dict[str, Manifest], dict[str, list[Change]]]:
    """The maintenance system as it is, and what is to be taken back to it, by address.

    :raises Refused: it changed the same.
    """
    (theirs, their_disks), (ours, our_disks) = source, target
    now = ours.scan(our_disks, progress=progress, keep=keep)
    taken = _taken(theirs, theirs.scan(their_disks, progress=progress, keep=keep), now, paths)
    _refuse_changed(theirs, now, taken)
    return now, taken


def _taken(
    source: System, tested: Mapping[str, Manifest], now: Mapping[str, Manifest], paths: Sequence[bytes]
) -> dict[str, list[Change]]:
    """What differs since the tests, and is not on the maintenance system already: a second run takes nothing twice."""
    taken = {}
    for address, manifest in tested.items():
        before = source.known(address, of="tested")
        if before is None:
            raise tests_cut_off(source)
        new = {change.path for change in changes_between(now[address], manifest)}
        fixes = (change for change in changes_between(before, manifest) if change.path in new)
        taken[address] = [change for change in fixes if _chosen(change.path, paths)]
    return taken


def _chosen(path: bytes, paths: Sequence[bytes]) -> bool:
    return not paths or any(path == chosen or path.startswith(chosen + b"/") for chosen in paths)


def _refuse_changed(source: System, now: Mapping[str, Manifest], taken: Mapping[str, list[Change]]) -> None:
    """A path that both systems changed since the copy is for a person to decide."""
    for address, changed in taken.items():
        copied = source.known(address, of="copied")
        ours = {change.path for change in changes_between(copied, now[address])} if copied else set()
        both = [change.path for change in changed if change.path in ours]
        if both:
            shown = ", ".join("/" + path_text(path) for path in both[:5])
            raise Refused(
                f"the maintenance system changed the same since it was copied: {shown}",
                meaning="Nothing was taken back.",
                todo="Make this change there by hand, or name only the other paths.",
            )


def _rebuild(
    source: System,
    target: System,
    now: Mapping[str, Manifest],
    taken: Mapping[str, list[Change]],
    progress: Progress | None,
) -> tuple[Note, ...]:
    concerned = {address: changed for address, changed in taken.items() if changed}
    notes: list[Note] = []
    with target.replaced(concerned) as outs, source.open(view="live") as theirs, target.open() as ours:
        for address, changed in concerned.items():
            fixed = source.known(address)
            assert fixed is not None
            rows = mixed(now[address], fixed, changed)
            sources = [ours[address].path, theirs[address].path]
            made = build_tree(rows, sources, outs[address].path, BuildOptions(progress=progress))
            target.remember({address: made.manifest})
            notes += made.notes
            crash.point("take-back-disk-built")
    return said_once(notes)


def mixed(ours: Manifest, theirs: Manifest, changed: Sequence[Change]) -> list[BuildRow]:
    """Rows of ``ours`` (source 0), with the changed paths as ``theirs`` (source 1) has them; pure."""
    gone = {change.path for change in changed if change.what == REMOVED}
    wanted = {change.path for change in changed} - gone
    new = {row.path: row for row in rows_of(theirs, 1) if row.path in wanted}
    groups = max((row.group for row in rows_of(ours)), default=0)
    rows = {row.path: row for row in rows_of(ours) if row.path not in gone}
    for path, row in new.items():
        rows[path] = row._replace(group=row.group + groups if row.group else 0)
    kinds = {path: row.kind for path, row in rows.items()}
    kept = (row for path, row in rows.items() if _stands(path, kinds))
    return sorted(kept, key=lambda row: tree_key(row.path))


def _stands(path: bytes, kinds: Mapping[bytes, str]) -> bool:
    """Whether everything above a path is a directory: a removed directory takes what is below along."""
    while path:
        path = path.rpartition(b"/")[0]
        if kinds.get(path) != DIRECTORY:
            return False
    return True
