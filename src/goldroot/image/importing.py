"""Importing: a root file system, from a directory or an archive, becomes an image's maintenance system."""

from __future__ import annotations

import dataclasses
import os
import platform
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from goldroot import crash, files
from goldroot.catalog import entries, images
from goldroot.errors import BadInput, GoldrootError, Refused
from goldroot.hosts import applied
from goldroot.image.maintain import existing_system
from goldroot.image.systems import MAINTENANCE, System, refuse_unknown_machine, said_once
from goldroot.image.tarball import unpack
from goldroot.site import Layout, Site, check_image_name, load_layout
from goldroot.system import architecture_of, os_facts
from goldroot.tree import (
    DIRECTORY,
    BuildOptions,
    Entry,
    Manifest,
    Note,
    Progress,
    Squashed,
    build_tree,
    path_text,
    rows_of,
    scan_tree,
    tree_key,
)

#: What every root file system has.
WANTED = (b"etc", b"usr")


@dataclass(frozen=True, slots=True)
class Imported:
    """What :func:`import_image` made: entries by address, and what a person should know."""

    image: str
    machine: str
    layout: str
    entries: Mapping[str, int]
    notes: tuple[Note, ...]


def plan_import(
    site: Site, image: str, source: str, layout: str = "readonly-root", *, replace: bool = False, host: str = ""
) -> list[str]:
    """What an import would do, in words; the same refusals, as far as they need no reading of the whole source."""
    host = host or site.config.default_host
    check_image_name(image)
    if not replace:
        _refuse_existing(site, image)
    chosen = existing_system(site, image, MAINTENANCE).layout if replace else load_layout(layout)
    if os.path.isdir(source):
        check_root(source)
    elif not os.path.isfile(source):
        raise BadInput(f"{source}: there is no such directory or archive")
    machine = System(site, image, MAINTENANCE).machine if replace else _new_machine(site, image, host)
    verb = "make new disks for" if replace else "make"
    steps = [f"read {source}", f"{verb} the machine {machine} with the layout {chosen.name}:"]
    for disk in chosen.disks:
        paths = " ".join("/" + os.fsdecode(path) for path in disk.paths)
        steps.append(f"  {disk.address} {disk.name}: {paths}" + (" (shared by all clones)" if disk.shared else ""))
    last = f"make the image {image} with {site.config.image(image).slots} slots"
    return [*steps, f"put them in place of those of {machine}, which go" if replace else last]


def import_image(
    site: Site,
    image: str,
    source: str,
    *,
    layout: str = "readonly-root",
    host: str = "",
    progress: Progress | None = None,
) -> Imported:
    """Make an image from a directory or a tar archive (plain, gz, xz, zst, bz2); the source is only read.

    An import that was killed leaves no image, and is made again by the same command.

    :param layout: a shipped layout's name, or a file.
    :param host: its home, where it is maintained and published; "": the site's default host.
    :raises BadInput: the source is not a root file system, or a hostile or damaged archive.
    :raises Refused: the image exists, or a machine has the name of one of its systems or slots.
    """
    check_image_name(image)
    chosen = load_layout(layout)
    with site.lock(f"image-{image}", doing=f"import of {image}"):
        _refuse_existing(site, image)
        with _named(site, image, host or site.config.default_host) as system:
            return _import(system, chosen, source, progress)


def _import(system: System, chosen: Layout, source: str, progress: Progress | None) -> Imported:
    site, image = system.site, system.image
    files.make_directory(site.image_path(image))
    files.write(site.image_path(image, "layout.toml"), chosen.source.encode())
    system.begin()
    with system.host.hold(system.machine):
        done = _read_into(system, source, progress)
    crash.point("import-before-catalog")
    with site.catalog.begin() as tx:
        images.create(
            tx,
            image,
            chosen.name,
            system_facts(system),
            slot_count=site.config.image(image).slots,
            host=system.host.name,
        )
        images.touched(tx, image, MAINTENANCE)
    return done


def give_up_import(site: Site, image: str) -> None:
    """Remove what an import left that was cut off, and give its names back.

    :raises Refused: there is such an image.
    """
    with site.lock(f"image-{image}", doing=f"end of the import of {image} that was cut off"):
        _refuse_existing(site, image)
        system = System(site, image, MAINTENANCE)
        if not system.exists():
            system.remove()
            with site.catalog.begin() as tx:
                entries.release_image(tx, image)


def replace_system(site: Site, image: str, source: str, *, progress: Progress | None = None) -> Imported:
    """Put a root file system in place of the maintenance system of an image that exists, in one step.

    This is the way of a release that is built again: what was on the maintenance system goes, gold versions and clones
    stay as they are, and it has to be tested again.  The layout stays.

    :raises NotFound: there is no such image. :raises StillRunning: somebody works on its maintenance system.
    """
    system = existing_system(site, image, MAINTENANCE)
    with site.lock(f"image-{image}", doing=f"import of {image}"), system.host.hold(system.machine):
        with site.catalog.begin() as tx:
            images.touched(tx, image, MAINTENANCE)
        done = _read_into(system, source, progress)
        with site.catalog.begin() as tx:
            images.set_layout_and_os(tx, image, os=system_facts(system))
        return done


def _read_into(system: System, source: str, progress: Progress | None) -> Imported:
    """Fill new disks from a directory or an archive; what was made goes at once where that fails."""
    system.host.tidy()  # a run that was killed may have left what it unpacked
    if not os.path.isdir(source):
        return _from_archive(system, source, progress)
    check_root(source)
    return _fill(system, source, None, [], progress)


def system_facts(system: System) -> dict[str, str]:
    """What ``os-release`` of a system says, and for which machines its programs are."""
    with system.open(view="live") as opened:
        return facts_of(system.layout, {address: disk.path for address, disk in opened.items()})


def facts_of(layout: Layout, paths: Mapping[str, str]) -> dict[str, str]:
    """As :func:`system_facts`.

    :param paths: of a system's open disks, by address.
    """
    etc, usr = (paths[layout.disk_of(path).address] for path in (b"etc", b"usr"))
    return {**os_facts(etc, usr), "architecture": architecture_of(usr) or platform.machine()}


def _from_archive(system: System, source: str, progress: Progress | None) -> Imported:
    """Unpack beside, then go on as with a directory."""
    with system.host.scratch(0) as where:
        done = unpack(source, where.path, progress=progress)
        check_root(where.path, shown=source)
        return _fill(system, where.path, done.owners, done.notes, progress)


def _fill(
    system: System,
    source: str,
    owners: Mapping[bytes, tuple[int, int]] | None,
    notes: list[Note],
    progress: Progress | None,
) -> Imported:
    """Share the source's rows among new disks, write them, and define the machine."""
    found = scan_tree(source, contents=False)
    notes = [*notes, *found.notes]
    manifest = as_root(found.manifest) if owners is None else with_given_owners(found.manifest, owners)
    entries = {}
    with system.replaced() as outs:
        for address, rows in split(manifest, system.layout, notes).items():
            made = build_tree(rows_of(rows), [source], outs[address].path, BuildOptions(progress=progress))
            system.remember({address: made.manifest})
            notes += made.notes
            entries[address] = len(made.manifest)
            crash.point("import-disk-filled")
    return Imported(system.image, system.machine, system.layout.name, entries, said_once(notes))


def split(manifest: Manifest, layout: Layout, notes: list[Note]) -> dict[str, Manifest]:
    """A system's rows by the disk that they stand on, mount points and directories on the way included.

    :param notes: gets a note for each hard-link group that does not stand on one disk.
    :raises BadInput: a path that the layout gives to a disk is not a directory.
    """
    parts: dict[str, list[Entry]] = {disk.address: [] for disk in layout.disks}
    groups: dict[int, tuple[str, bytes]] = {}
    seen: set[bytes] = set()
    listed = {bind.path for bind in layout.binds()}
    directories = {path for listed_path in listed for path in _above(listed_path)}
    for row in map(Entry._make, manifest.rows()):
        if row.kind != DIRECTORY and row.path in directories:
            raise BadInput(
                f"/{path_text(row.path)} is not a directory, and the layout {layout.name} gives it, or a path in it, to a disk",
                todo="Make it a directory in the source, or use a layout of your own that leaves it where it is.",
            )
        places = layout.places(row.path) if row.kind == DIRECTORY else [layout.disk_of(row.path).address]
        for address in places:
            parts[address].append(row)
        if row.kind == DIRECTORY:
            seen.add(row.path)
        elif row.group and groups.setdefault(row.group, (places[0], row.path))[0] != places[0]:
            text = (
                f"was one file with {path_text(groups[row.group][1])}, which stands on another disk; it is a copy now"
            )
            notes.append(Note("hard-link-separated", row.path, text))
    for row in _missing(listed, seen):
        for address in layout.places(row.path):
            parts[address].append(row)
    return {address: Manifest.from_rows(_ordered(rows), manifest.squashed) for address, rows in parts.items()}


def _missing(listed: Iterable[bytes], seen: set[bytes]) -> Iterator[Entry]:
    """Plain directories for the paths of the layout that the source does not have, and on the way to them."""
    for path in sorted(listed):
        for above in reversed(list(_above(path))):
            if above not in seen:
                seen.add(above)
                yield Entry(above, DIRECTORY, 0o755, 0, 0, 0, 0, b"", (), 0, 0, 0, 0, 0)


def _above(path: bytes) -> Iterator[bytes]:
    """The path and every directory above it, but the root."""
    while path:
        yield path
        path = path.rpartition(b"/")[0]


def _ordered(rows: list[Entry]) -> list[Entry]:
    return sorted(rows, key=lambda row: tree_key(row.path))


def as_root(manifest: Manifest) -> Manifest:
    """The rows of a directory; whoever made it without the right to give files away is root in it, as in a user namespace.

    Such a one owns the top of the tree, which in every system is root's.  His number says nothing of the system: on a
    server that the image comes to, any user may have it.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 or not len(manifest) or Entry._make(next(manifest.rows())).uid != uid:
        return manifest
    rows = (
        row._replace(uid=0 if row.uid == uid else row.uid, gid=0 if row.gid == gid else row.gid)
        for row in map(Entry._make, manifest.rows())
    )
    return Manifest.from_rows(rows, Squashed(uid, gid))


def with_given_owners(manifest: Manifest, owners: Mapping[bytes, tuple[int, int]]) -> Manifest:
    """The rows with the owners that the archive names, where they could not be set."""
    if not owners:
        return manifest
    rows = (
        row if (owner := owners.get(row.path)) is None else row._replace(uid=owner[0], gid=owner[1])
        for row in map(Entry._make, manifest.rows())
    )
    return Manifest.from_rows(rows, Squashed(os.geteuid(), os.getegid()))


def check_root(source: str, shown: str | None = None) -> None:
    """:raises BadInput: no root file system."""
    missing = [name for name in WANTED if not _is_directory(os.path.join(os.fsencode(source), name))]
    if missing:
        names = " and ".join(path_text(name) + "/" for name in missing)
        raise BadInput(
            f"{shown or source} is not a root file system: it has no {names}",
            meaning="Nothing was imported.",
            todo="Name the directory that becomes /, or a tar of it: tar -C ROOT --xattrs --numeric-owner -cf FILE .",
        )


def _is_directory(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _refuse_existing(site: Site, image: str) -> None:
    with site.catalog.read() as tx:
        if any(known.name == image for known in images.every(tx)):
            raise Refused(
                f"there is an image {image} already",
                todo=f"Change it with `goldroot maintain enter {image}`, put this in its place with --replace, or import it under "
                "another name.",
            )


def _new_machine(site: Site, image: str, host: str) -> str:
    """The name that the maintenance system of a new image would have; the refusals of :func:`_named`."""
    site.check_host(host)
    with site.catalog.read() as tx:
        return entries.check_free_for_image(tx, image, site.config.image(image).slots, host)["maintenance"]


@contextmanager
def _named(site: Site, image: str, host: str) -> Iterator[System]:
    """The maintenance system to be, its name and those of the image's other systems and slots taken.

    What an import that was killed left is removed: it had these names, a machine, perhaps, and no image.  Where the
    block fails, they are given back.
    """
    site.host_named(host)  # one that is not this site's is refused before a name is taken
    with site.catalog.begin() as tx:
        begun = images.reserve(tx, image, site.config.image(image).slots, host)
    crash.point("import-named")
    system = System(site, image, MAINTENANCE)
    try:
        if not begun:
            refuse_unknown_machine(system.host, system.machine)
        _forget(system)
        yield system
    except BaseException:
        with suppress(GoldrootError, OSError):
            if not begun or not system.exists():
                system.remove()
                with site.catalog.begin() as tx:
                    entries.release_image(tx, image)
        raise


def _forget(system: System) -> None:
    """What an import that was killed had made to its end, but for the catalog, is made again: another source may come."""
    host = system.host
    entry = host.find(system.machine)
    if entry is not None and entry.startable:
        with host.hold(system.machine):
            applied(host, dataclasses.replace(entry, startable=False))
    system.remove()
