"""What a server points at that is not as gold has it: kept beside the record of each merge (``references.json``), so that a
forecast opens no disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from goldroot.catalog import updates
from goldroot.fleet.update import update_files
from goldroot.merge import Reference
from goldroot.site import Site
from goldroot.tree import path_bytes, path_text

#: Kinds whose subject is a path: what is kept of it is the place where it was found.
_BY_PLACE = ("link", "alternative", "shell", "mount")


@dataclass(frozen=True, slots=True)
class References:
    """What is known of one server; ``update``: of which update it was found."""

    update: int
    found: Sequence[Reference]


def save_references(site: Site, clone: str, work: str, found: Iterable[tuple[Reference, bytes]]) -> None:
    """Keep what a merge found that its server points at."""
    data = [
        {
            "kind": one.kind, "path": path_text(one.path), "text": path_text(one.text), "level": one.level,
            "subject": path_text(place if one.kind in _BY_PLACE else one.subject), "who": path_text(one.who),
        }
        for one, place in found
    ]  # fmt: skip
    update_files.write(_file(site, clone, work), json.dumps({"schema": 1, "references": data}).encode())


def load_references(site: Site, clone: str) -> References | None:
    """What the newest merge found of a server; ``None`` where there was none."""
    with site.catalog.read() as tx:
        newest = sorted(updates.every(tx, clone), key=lambda one: -one.id)
    for update in newest:
        try:
            with open(_file(site, clone, update.work), "rb") as file:
                data = json.load(file)["references"]
        except FileNotFoundError:
            continue
        return References(update.id, [_reference(one) for one in data])
    return None


def _reference(data: dict[str, str]) -> Reference:
    path, text, subject, who = (path_bytes(data[name]) for name in ("path", "text", "subject", "who"))
    return replace(Reference(data["kind"], path, text, subject), level=data["level"], who=who)


def _file(site: Site, clone: str, work: str) -> str:
    return os.path.join(update_files.directory(site, clone, work), "references.json")
