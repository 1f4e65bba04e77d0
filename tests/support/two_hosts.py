"""A site with two directory hosts, ``local`` and ``west``; its images are at home on ``local``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from goldroot.fleet import clones
from goldroot.hosts import find_entry, own_disks
from goldroot.image import open_version
from goldroot.site import Site, init_site
from goldroot.system import OwnDisks

WEST = clones.CloneForm("west")
HOSTS = '[hosts.local]\nstore = "store"\n[hosts.west]\nstore = "west"\n'


def with_west(site: Site, more: str = "", *, kind: str = "") -> Site:
    """The same site with a second host, whose store is made.

    :param more: of the configuration, before the tables; ``kind``: of the second host's table.
    """
    site.close()
    Path(site.path("goldroot.toml")).write_text(more + HOSTS + kind)
    init_site(site.root).close()
    return Site.open(site.root)


def files_of(site: Site, name: str) -> OwnDisks:
    """The live disks of a clone, by path, whatever host it is on."""
    with site.catalog.read() as tx:
        clone = clones.catalog_clones.get(tx, name)
    host = site.host_named(clone.host)
    disks = own_disks(find_entry(host, clone.machine))
    where = {address: str(host.info([id])[id].where["path"]) for address, id in disks.items()}
    return OwnDisks(open_version(site, clone.image, clone.version, clone.host).layout, where)


def change(site: Site, name: str, files: Mapping[str, str]) -> None:
    """Change files of a clone's live disks."""
    tree = files_of(site, name)
    for path, content in files.items():
        root = tree.root(path.encode())
        assert root is not None, f"{path} stands on a shared disk"
        Path(root, path).write_text(content)


def read(site: Site, name: str, path: str) -> str | None:
    """A file of a clone's live system."""
    found = files_of(site, name).read(path.encode())
    return None if found is None else found.decode()
