"""What a person does next with a site that was just made or completed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection

from goldroot.catalog import gold, images
from goldroot.site.config import store_of
from goldroot.site.site import Site


def next_step(site: Site, directory: str, made: Collection[str]) -> str:
    """The commands that come next; "" where nothing follows from what was made.

    :param directory: of the site, as the person gave it.
    :param made: the paths that were made now; a host whose store is among them is new.
    """
    where = f"--site {shlex.quote(directory)}"
    with site.catalog.read() as tx:
        known = images.every(tx)
        published = [one.name for one in known if gold.current(tx, one.name) is not None]
    if not known:
        return f"goldroot image import NAME --from DIRECTORY-OR-TAR {where}"
    stores = {os.path.normpath(os.path.join(site.root, path)) for path in made}
    new = [name for name, table in site.config.hosts.items() if store_of(table, site.root) in stores]
    if not new:
        return ""
    if not published:
        image = known[0].name
        return f"goldroot maintain test {image} {where}, then goldroot gold publish {image} {where}"
    image = published[0] if len(published) == 1 else "IMAGE"
    copies = [f"goldroot gold replicate {image} --to {name} {where}" for name in new]
    return ", then ".join([*copies, f"goldroot clone create NAME --image {image} --host {new[0]} {where}"])
