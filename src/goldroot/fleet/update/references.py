"""What a server points at that is not as gold has it: kept from each plan and merge, so that a forecast opens no disk.

::

    SITE/records/web1/references.json     as they were last seen
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from goldroot.fleet.update import update_files
from goldroot.merge import Reference
from goldroot.site import Site
from goldroot.tree import path_bytes, path_text

#: Kinds whose subject is a path: what is kept of it is the place where it was found.
_BY_PLACE = ("link", "alternative", "shell", "mount", "named")


def save_references(site: Site, clone: str, found: Iterable[tuple[Reference, bytes]]) -> None:
    """Keep what was found that a server points at, in the place of what was seen before."""
    data = [
        {
            "kind": one.kind, "path": path_text(one.path), "text": path_text(one.text), "level": one.level,
            "subject": path_text(place if one.kind in _BY_PLACE else one.subject), "who": path_text(one.who),
        }
        for one, place in found
    ]  # fmt: skip
    update_files.write(_file(site, clone), json.dumps({"schema": 1, "references": data}).encode())


def load_references(site: Site, clone: str) -> list[Reference] | None:
    """What was last found of a server; ``None`` where nobody has looked yet."""
    return update_files.read_kept(_file(site, clone), lambda data: [_reference(one) for one in data["references"]])


def _reference(data: dict[str, str]) -> Reference:
    path, text, subject, who = (path_bytes(data[name]) for name in ("path", "text", "subject", "who"))
    return replace(Reference(data["kind"], path, text, subject), level=data["level"], who=who)


def _file(site: Site, clone: str) -> str:
    return site.path("records", clone, "references.json")
