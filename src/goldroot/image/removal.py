"""Removing an image: its systems, its gold versions and slots on every host, and what the catalog has of it.

The catalog forgets the image when nothing of it stands on a host any more, and its directory goes last: the same command
finishes what was cut off at any point.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace

from goldroot import crash
from goldroot.catalog import clones, copies, entries, images
from goldroot.errors import Refused
from goldroot.hosts import LIVE, Entry, Host, applied, refuse_others_disks, refuse_running
from goldroot.image.systems import refuse_foreign_disks
from goldroot.site import DiskRegister, Site, check_image_name


@dataclass(frozen=True, slots=True)
class ImageRemoval:
    """What goes with an image: entries by host, versions by number, disks by id."""

    image: str
    machines: tuple[tuple[str, str], ...]  #: host and name of the systems and slots that were made
    versions: tuple[int, ...]  #: with disks
    disks: tuple[str, ...]


def plan_image_removal(site: Site, image: str) -> ImageRemoval:
    """What :func:`delete_image` would remove; the same refusals.

    :raises NotFound: there is no such image. :raises Refused: clones are made from it, or something links its slots.
    :raises StillRunning: somebody works on one of its systems.
    """
    check_image_name(image)
    with site.catalog.read() as tx:
        images.get(tx, image)
        made = clones.every(tx, image)
        named = entries.every(tx, image)
        versions = tuple(sorted({copy.version for copy in copies.every(tx, image)}))
    if made:
        names = ", ".join(one.name for one in made[:5]) + (f" and {len(made) - 5} more" if len(made) > 5 else "")
        raise Refused(
            f"clones are made from image {image}: {names}",
            meaning="Their disks are linked to its gold. Nothing was removed.",
            todo="Delete them first: goldroot clone delete NAME...",
        )
    machines, disks = [], []
    for one in named:
        host = site.host_named(one.host)
        entry = host.find(one.name)
        if entry is not None:
            _refuse_used(host, entry, one)
            machines.append((one.host, one.name))
            disks += [disk.id for disk in entry.disks.values()]
    return ImageRemoval(image, tuple(machines), versions, tuple(sorted(disks)))


def _refuse_used(host: Host, entry: Entry, one: entries.Entry) -> None:
    """:raises Refused: it is somebody else's, has disks that goldroot did not make, or somebody links it.

    :raises StillRunning: somebody works in it.
    """
    if LIVE in entry.marks:  # one without a mark was only begun
        refuse_foreign_disks(entry, one.image, str(one))
    refuse_others_disks(host, one.name)
    if one.role == "slot":
        links = sorted({f"{machine} {address}" for machine, address, _ in host.linked(one.name)})
        if links:
            raise Refused(f"{one.name} is linked by {', '.join(links)}", meaning="Nothing was removed.")
    else:
        refuse_running(host, one.name)


def delete_image(site: Site, image: str) -> ImageRemoval:
    """Remove an image with its systems, all gold versions and their signed records; no clone may be left.

    :raises NotFound, Refused, StillRunning: as of :func:`plan_image_removal`.
    """
    check_image_name(image)
    with site.lock(f"image-{image}", doing=f"removal of the image {image}"):
        if _is_only_a_directory(site, image):
            shutil.rmtree(site.image_path(image))
            return ImageRemoval(image, (), (), ())
        going = plan_image_removal(site, image)
        with site.catalog.read() as tx:
            named = entries.every(tx, image)
        for one in named:
            _remove_entry(site, one)
        crash.point("image-disks-removed")
        with site.catalog.begin() as tx:
            images.delete(tx, image)
        crash.point("image-forgotten")
        shutil.rmtree(site.image_path(image), ignore_errors=True)
        return going


def _is_only_a_directory(site: Site, image: str) -> bool:
    """Whether a removal was cut off right before its end: nothing is known of the image, and its directory is there.

    Of an import that was cut off, the names are taken.
    """
    with site.catalog.read() as tx:
        known = any(one.name == image for one in images.every(tx)) or entries.every(tx, image)
    return not known and os.path.isdir(site.image_path(image))


def _remove_entry(site: Site, one: entries.Entry) -> None:
    """An entry with all its disks, and their rows; a second time it finishes the first."""
    host = site.host_named(one.host)
    own = DiskRegister(site, host, one.name, "gold" if one.role == "slot" else "system")
    entry = host.find(one.name)
    mark = None if entry is None else entry.marks.get(LIVE)
    if entry is not None and mark is not None and mark.state != "removing":
        marks = {**entry.marks, LIVE: replace(mark, state="removing")}
        applied(host, replace(entry, marks=marks, startable=False))
        crash.point("image-marked")
    standing = () if entry is None else entry.disks.values()
    own.remove([*(disk.id for disk in standing), *own.lost()])
    own.tidy()
    if entry is not None:
        host.undefine(one.name)
        crash.point("image-undefined")
