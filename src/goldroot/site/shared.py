"""What the members of a group may look at: exported views, never the databases.

::

    SITE/              0710, of the group: its members can go through it, and list nothing
    └── views/         2750, of the group
        └── status.json    0640: what `goldroot status --json` printed when the last command of the owner ended

Everything else in the site stays its owner's alone.
"""

from __future__ import annotations

import grp
import json
import os
import stat
from collections.abc import Callable
from typing import Any

from goldroot.catalog import now
from goldroot.errors import Refused
from goldroot.files import json_of, write_whole
from goldroot.site.site import Site

VIEWS = "views"
_ROOT, _VIEWS, _FILE = 0o710, 0o2750, 0o640


def export_views(site: Site, views: dict[str, Callable[[Site], Any]]) -> None:
    """Write views for the group that goldroot.toml names, where it names one.

    :raises Refused: there is no such group. :raises OSError: the caller is not the owner, or there is no room.
    """
    if not site.config.group:
        return
    try:
        gid = grp.getgrnam(site.config.group).gr_gid
    except KeyError:
        raise Refused(
            f"there is no group {site.config.group!r} on this machine",
            meaning="Nobody but the owner can look at the site.",
            todo=f"Make it, or name another one in {site.config.file}: group = ...",
        ) from None
    place = site.path(VIEWS)
    if not os.path.isdir(place):
        os.mkdir(place, 0o700)
    for path, mode in ((place, _VIEWS), (site.root, _ROOT)):
        found = os.stat(path)
        if found.st_gid != gid:
            os.chown(path, -1, gid)
        if stat.S_IMODE(found.st_mode) != mode or found.st_gid != gid:
            os.chmod(path, mode)
    for name, make in views.items():
        content = json.dumps({"at": now(), "data": make(site)}).encode()
        # The directory gives its files its group.
        write_whole(os.path.join(place, f"{name}.json"), [content], mode=_FILE, sync=False)


def is_members(root: str) -> bool:
    """Whether the caller is neither the owner of a site nor root, and can read its views."""
    try:
        return os.geteuid() not in (0, os.stat(root).st_uid) and os.access(os.path.join(root, VIEWS), os.R_OK | os.X_OK)
    except OSError:
        return False


def read_view(root: str, name: str) -> tuple[str, Any] | None:
    """A view that was exported: when, and its data; ``None`` where there is none."""
    try:
        with open(os.path.join(root, VIEWS, f"{name}.json"), "rb") as file:
            found = json_of(file.read())
        return str(found["at"]), found["data"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
