"""Packages that a server installed itself, where the result has gold's package database: it does not know them.

Their files stay, as what the server added does.  But nobody updates them, and a package of gold's may write over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from goldroot.accounts import OwnerNames
from goldroot.conflicts import GOLD, Conflict, Decisions
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, Part
from goldroot.merge.compare.reading import read_unless_torn
from goldroot.merge.fit.part_plan import PartPlan
from goldroot.packagedb import DPKG_STATUS, ORDERS, RPM_PLACES, Unreadable, parse_dpkg, read_rpm
from goldroot.tree import FILE, Note, path_text, some_names

#: A file of a database that is larger is not read (bytes).
LARGEST = 1 << 30

Versions = Mapping[str, str]  #: name of a package -> its version


@dataclass(frozen=True)
class OwnPackages:
    """What is asked and noted of a server's own packages."""

    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def own_packages(
    parts: Sequence[PartPlan], names: tuple[OwnerNames, OwnerNames, OwnerNames], decisions: Decisions,
    *, going_back: bool = False,
) -> OwnPackages:  # fmt: skip
    """Compare the package databases of each part.

    :param going_back: a rollback that carries changes is not held up: what would be asked is noted.
    """
    found = OwnPackages()
    for one in parts:
        for kind, top in _databases(one, names):
            place = one.part.place(top)
            try:
                sides = [_versions(one.part, side, kind, top) for side in (BASE_SIDE, GOLD_SIDE, CLONE_SIDE)]
            except Unreadable as error:
                text = f"the package database cannot be read: {error}"
                found.notes.append(Note("packages-unknown", place, text))
                continue
            base, gold, clone = sides
            own = sorted(clone.keys() - base.keys() - gold.keys())
            if own:
                _ask(found, place, own, decisions, going_back=going_back)
            newer = sorted(_newer(kind, gold, clone))
            if newer:
                text = f"the server had newer versions than gold: {some_names(newer)}"
                found.notes.append(Note("newer-packages", place, text, {"packages": newer}))
    return found


def _ask(found: OwnPackages, place: bytes, own: Sequence[str], decisions: Decisions, *, going_back: bool) -> None:
    text = f"{len(own)} packages of the server's own are not in the package database of the result, their files are: "
    data: dict[str, object] = {"packages": list(own)}
    conflict = Conflict(
        place, "packages", "own-packages", (b"", b"", "\n".join(own).encode("utf-8", "surrogateescape")), (GOLD,), GOLD,
        text + some_names(own),
    )  # fmt: skip
    decision = decisions.get(conflict.key)
    if going_back:
        found.notes.append(Note("own-packages", place, text + some_names(own), data))
    elif decision is None:
        found.conflicts.append(conflict)
    elif decision.take == GOLD:
        decided = {"key": conflict.key, "take": GOLD, "axis": "packages", **data}
        found.notes.append(Note("decided", place, "packages: decided", decided))
    else:
        found.conflicts.append(conflict.unanswered(f"its only answer is {GOLD!r}"))


def _newer(kind: str, gold: Versions, clone: Versions) -> Iterator[str]:
    order = ORDERS[kind]
    return (
        f"{name} {version} (gold: {gold[name]})"
        for name, version in clone.items()
        if name in gold and version != gold[name] and order(version) > order(gold[name])
    )


def _databases(one: PartPlan, names: tuple[OwnerNames, OwnerNames, OwnerNames]) -> Iterator[tuple[str, bytes]]:
    """Kind, and file or directory, of the databases that are another in the result than on the server, which changed them."""
    for kind, place in (("dpkg", DPKG_STATUS), *(("rpm", place) for place in RPM_PLACES)):
        top = one.part.inside(b"/" + place.encode())
        if top is None:
            continue
        files = [top] if kind == "dpkg" else _files(one.part, CLONE_SIDE, top)
        if any(_is_lost(one, path, names) for path in files):
            yield kind, top


def _is_lost(one: PartPlan, path: bytes, names: tuple[OwnerNames, OwnerNames, OwnerNames]) -> bool:
    base, _, clone = one.part.rows(path)
    if clone is None or clone.kind != FILE or (base is not None and base.content == clone.content):
        return False
    final = one.final(path, names)
    return final is None or final.content != clone.content


def _files(part: Part, side: int, top: bytes) -> list[bytes]:
    """The files of a database's directory."""
    manifest = part.trees[side].manifest
    rows = (manifest.get(path) for path in manifest.children(top))
    return [row.path for row in rows if row is not None and row.kind == FILE and row.size <= LARGEST]


def _versions(part: Part, side: int, kind: str, top: bytes) -> Versions:
    """The packages of one side.

    :raises Unreadable: its database cannot be read.
    """
    if kind == "dpkg":
        text = _read(part, side, top) or b""
        return {one.name: one.version for one in parse_dpkg(text.decode("utf-8", "replace"))}
    files = _files(part, side, top)
    if not files:
        return {}
    contents = ((path_text(path[len(top) + 1 :]), _read(part, side, path)) for path in files)
    return {one.name: one.version for one in read_rpm((name, data) for name, data in contents if data is not None)}


def _read(part: Part, side: int, path: bytes) -> bytes | None:
    tree = part.trees[part.source(side, path)]
    row = part.trees[side].manifest.get(path)
    if row is None or row.kind != FILE:
        return None
    return read_unless_torn(tree, path)
