"""What a person should know of a result as a whole: paths to be labelled, services not started, devices and packages nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from goldroot.conflicts import GOLD, Conflict, Decisions
from goldroot.counted import counted
from goldroot.merge.compare.parts import (
    AT_KIND,
    AT_XATTRS,
    BASE_SIDE,
    CLONE_SIDE,
    GOLD_SIDE,
    LABELS,
    Names,
    Part,
    Row,
    read_unless_torn,
)
from goldroot.merge.decide.likeness import without_versions
from goldroot.merge.decide.services import StaticUnits, enabled_services, service_at
from goldroot.merge.decide.tables import FSTAB
from goldroot.merge.decide.verdict import NO_SIDE, SAME
from goldroot.merge.fit.one_tree import PartPlan, ResultFiles
from goldroot.packagedb import DPKG_STATUS, ORDERS, RPM_PLACES, Unreadable, parse_dpkg, read_rpm
from goldroot.tree import FILE, LINK, SOCKET, Manifest, Note, path_text, some_names, some_paths

# -- Security labels that the result lacks: its paths have to be labelled before a labelled server runs it

LABELS_DUE: Final = "labels-due"
#: The label of a path itself; the others of SMACK only add to it.
MAIN = LABELS[:2]
#: How many paths are named.
SHOWN = 10


def labels_due(parts: Sequence[PartPlan]) -> list[Note]:
    """One remark for each kind of label that the trees have and paths of the result lack."""
    return [note for name in MAIN if (note := _due(parts, name)) is not None]


def _due(parts: Sequence[PartPlan], name: bytes) -> Note | None:
    if not any(_has(one.part.trees[side].manifest, name) for one in parts for side in (GOLD_SIDE, CLONE_SIDE)):
        return None
    due = [one.part.place(path) for one in parts for path in _without(one, name)]
    if not due:
        return None
    shown = [path_text(path) for path in due[:SHOWN]]
    paths = counted(len(due), "path has", "paths have")
    text = f"{paths} no label {name.decode()}: label them before the server runs (restorecon, fixfiles)"
    return Note(LABELS_DUE, b"", text, {"label": name.decode(), "count": len(due), "paths": shown})


def _has(manifest: Manifest, name: bytes) -> bool:
    return any(name == held for xattrs in manifest.columns.xattr_sets for held, _ in xattrs)


def _without(one: PartPlan, name: bytes) -> Iterator[bytes]:
    """The paths that were decided and come out without the label, but for those that the server has so, too."""
    manifest = one.part.trees[CLONE_SIDE].manifest
    labelled = _has(manifest, name)

    def so_before(path: bytes) -> bool:
        entry = manifest.get(path)
        return labelled and entry is not None and name not in dict(entry.xattrs)

    for path, verdict in one.decided.verdicts.items():
        if verdict.want is not None and name not in verdict.want.xattrs and not so_before(path):
            yield path
    for path, unit in one.decided.units.items():
        if unit.side == NO_SIDE or unit.outcome == SAME:
            continue
        for row in _rows_of(one.part.trees[unit.side].manifest, path):
            if name not in dict(row[AT_XATTRS]) and row[0] not in one.decided.verdicts and not so_before(row[0]):
                yield row[0]


def _rows_of(manifest: Manifest, path: bytes) -> Iterator[Row]:
    top = manifest.get(path)
    for row in (*([] if top is None else [top]), *manifest.below(path)):
        if row[AT_KIND] != SOCKET:
            yield row


# -- Services that the server starts at boot, and the result does not, since gold does not

#: Kind of the note.
NOT_STARTED: Final = "services-not-started"


def not_started(parts: Sequence[PartPlan], static: StaticUnits) -> list[Note]:
    """One note about all services that the server starts at boot, and the result does not, since gold does not.

    One that gold has under another version number is not one of them, nor one that its packages start.
    """
    gone: list[bytes] = []
    for one in parts:
        before = enabled_services(one.part, CLONE_SIDE)
        if not before:
            continue
        after = {name for name, paths in before.items() if any(_stays(one, path) for path in paths)}
        for path, verdict in one.decided.verdicts.items():
            if verdict.want is not None and verdict.want.kind == LINK and (name := service_at(one.part.place(path))):
                after.add(name)
        now = {without_versions(name) for name in {*after, *enabled_services(one.part, GOLD_SIDE)}}
        gone += [name for name in before if name not in after and without_versions(name) not in now]
    started = {without_versions(name) for name in static.of(GOLD_SIDE)} if gone else set()
    gone = [name for name in gone if without_versions(name) not in started]
    if not gone:
        return []
    names = some_paths(name.rpartition(b"/")[2] for name in gone)
    text = f"the server starts these at boot, and gold does not have or start them any more: {names}"
    data = {"services": [path_text(name) for name in gone]}
    return [Note(NOT_STARTED, b"/etc/systemd/system", text, data)]


def _stays(one: PartPlan, path: bytes) -> bool:
    """Whether a link of the server's is in the result, as a link."""
    verdict = one.decided.verdicts.get(path)
    return verdict is None or (verdict.want is not None and verdict.want.kind == LINK)


# -- Devices for which a server would wait at boot: lines of gold's fstab that arrive where the server's own table was
# unchanged. Where both changed the table its merger asks. Where only gold did, its table is the result to the byte; that
# the server knows none of a new line's devices is a finding about it, as a broken reference is.

PLACE = b"/etc/fstab"
AXIS = "boot"
DEVICE_UNKNOWN: Final = "device-unknown"


def unknown_devices(parts: Sequence[PartPlan], names: Names) -> Iterator[Conflict]:
    """Ask once about the lines of gold's that the server would wait for; it can be accepted, or fixed in a table."""
    for one in parts:
        path = one.part.inside(PLACE)
        verdict = one.decided.verdicts.get(path) if path is not None else None
        if path is None or verdict is None or verdict.axes.get("content") != GOLD or verdict.decided:
            continue
        row = one.decided.comparison.deltas[path][CLONE_SIDE]
        own = read_unless_torn(one.part.trees[CLONE_SIDE], path) if row is not None and row.kind == FILE else None
        merged = ResultFiles(parts, names).text(PLACE)
        trouble = FSTAB.trouble(merged, merged, own) if merged is not None and own is not None else ""
        if trouble:
            yield Conflict(PLACE, AXIS, DEVICE_UNKNOWN, (b"", trouble.encode(), b""), (GOLD,), GOLD, trouble)


# -- Packages that a server installed itself, where the result has gold's package database: it does not know them. Their
# files stay, as what the server added does. But nobody updates them, and a package of gold's may write over them.

#: A file of a database that is larger is not read (bytes).
LARGEST = 1 << 30

Versions = Mapping[str, str]  #: name of a package -> its version


@dataclass(frozen=True)
class OwnPackages:
    """What is asked and noted of a server's own packages."""

    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def own_packages(
    parts: Sequence[PartPlan], names: Names, decisions: Decisions,
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
                _ask_about_own(found, place, own, decisions, going_back=going_back)
            newer = sorted(_newer(kind, gold, clone))
            if newer:
                text = f"the server had newer versions than gold: {some_names(newer)}"
                found.notes.append(Note("newer-packages", place, text, {"packages": newer}))
    return found


def _ask_about_own(
    found: OwnPackages, place: bytes, own: Sequence[str], decisions: Decisions, *, going_back: bool
) -> None:
    which = counted(len(own), "package of the server's own is", "packages of the server's own are")
    text = f"{which} not in the package database of the result, though the files are there: "
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


def _databases(one: PartPlan, names: Names) -> Iterator[tuple[str, bytes]]:
    """Kind, and file or directory, of the databases that are another in the result than on the server, which changed them."""
    for kind, place in (("dpkg", DPKG_STATUS), *(("rpm", place) for place in RPM_PLACES)):
        top = one.part.inside(b"/" + place.encode())
        if top is None:
            continue
        files = [top] if kind == "dpkg" else _files(one.part, CLONE_SIDE, top)
        if any(_is_lost(one, path, names) for path in files):
            yield kind, top


def _is_lost(one: PartPlan, path: bytes, names: Names) -> bool:
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
