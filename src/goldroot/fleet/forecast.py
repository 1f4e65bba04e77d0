"""Which servers a gold version would break: what they point at and it does not have.  No disk is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from goldroot.catalog import Clone, clones, images
from goldroot.catalog import gold as catalog_gold
from goldroot.errors import NotFound
from goldroot.fleet.inputs import shared_files
from goldroot.fleet.update.memory import load_references
from goldroot.image import MAINTENANCE, System, newest_gold, open_version
from goldroot.merge import ManifestFiles, Reference, SharedFiles, View, look_up
from goldroot.site import Site
from goldroot.tree import Manifest, path_text


@dataclass(frozen=True)
class Forecast:
    """What one gold version would take from the servers that are not on it.

    :param to: the version; ``None`` for the maintenance system as it was tested.
    :param broken: server -> what it points at and would lose; empty where nothing.
    :param unknown: servers of which no plan or merge has seen what they point at.
    """

    image: str
    to: int | None
    broken: Mapping[str, list[Reference]]
    unknown: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        shown = {
            name: [
                {"kind": one.kind, "path": path_text(one.path), "text": path_text(one.text), "level": one.level,
                 "subject": path_text(one.subject), "who": path_text(one.who)}
                for one in found
            ]
            for name, found in self.broken.items()
        }  # fmt: skip
        return {
            "image": self.image, "to": self.to, "clones": shown, "servers": shown,  # the older name
            "unknown": list(self.unknown),
        }  # fmt: skip


def forecast_gold(site: Site, image: str, to: int | None = None, *, tested: bool = False) -> Forecast:
    """Look the references of an image's servers up in a gold version (the current one without a number).

    :param tested: in the maintenance system as it was when its tests ended.
    :raises NotFound: no such image or version; nothing was tested.
    """
    with site.catalog.read() as tx:
        images.get(tx, image)
        servers = [clone for clone in clones.every(tx, image) if clone.state == "active"]
        if not tested:
            to = (newest_gold(tx, image) if to is None else catalog_gold.get(tx, image, to)).number
    after = View(_tested(site, image).look if tested else shared_files(open_version(site, image, to)).look)

    @cache
    def before(version: int) -> View:
        return View(shared_files(open_version(site, image, version)).look)

    broken: dict[str, list[Reference]] = {}
    unknown = []
    for clone in servers:
        if not tested and clone.version == to:
            continue
        found = _broken(site, clone, before, after)
        if found is None:
            unknown.append(clone.name)
        else:
            broken[clone.name] = found
    return Forecast(image, None if tested else to, broken, tuple(unknown))


def _broken(site: Site, clone: Clone, before: Callable[[int], View], after: View) -> list[Reference] | None:
    """What its gold has, and the new one has not; what is on the server's own disks is the server's."""
    known = load_references(site, clone.name)
    if known is None:
        return None
    return [
        one
        for one in known
        if look_up(after, one).state == "gone" and look_up(before(clone.version), one).state == "there"
    ]


def _tested(site: Site, image: str) -> SharedFiles:
    system = System(site, image, MAINTENANCE)
    manifests: dict[str, Manifest] = {}
    for disk in system.layout.disks:
        manifest = system.known(disk.address, of="tested")
        if manifest is None:
            raise NotFound(
                f"the maintenance system of {image} was not tested since it was published",
                todo=f"Test it with: goldroot maintain test {image}",
            )
        manifests[disk.address] = manifest
    return ManifestFiles(lambda path: system.layout.disk_of(path).address, manifests.__getitem__)
