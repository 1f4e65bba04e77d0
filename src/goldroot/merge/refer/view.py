"""Looking a path up in a whole system, as the server before and after an update sees it: its trees, and the disks beside them.

By component; an absolute link starts again at the system's root; forty links are none (as the kernel has it, path_resolution(7)).
A path that any of the three trees has is the trees' matter alone: else a file that the server removed would be found
on the shared disk below.  What cannot be known from disks is *unknown*: what the kernel or a boot fills, what is mounted by
fstab or a mount unit, and the root of another system.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from goldroot import files
from goldroot.errors import NoPermission
from goldroot.merge.compare.parts import CLONE_SIDE
from goldroot.merge.decide.services import SCOPES, STARTING, VENDORS
from goldroot.merge.decide.verdict import NO_SIDE
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.tree import DIRECTORY, FILE, LINK, Manifest, parent


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at a place, itself, no link followed."""

    kind: str
    target: bytes = b""  #: of a link
    mode: int = 0


class SharedFiles(Protocol):
    """The files of a system that are not in the trees."""

    @property
    def mounted(self) -> frozenset[bytes]:
        """Places at which disks are mounted of which the trees or this know what is in them."""

    def is_own(self, place: bytes) -> bool:
        """Whether a place is on a disk of the server's own, which it can write."""

    def look(self, place: bytes) -> Node | None:
        """What stands at an absolute place; ``None`` where there is nothing."""

    def names(self, place: bytes) -> list[bytes]:
        """The names in the directory at an absolute place; none where there is no directory."""


def started_by_packages(shared: SharedFiles) -> set[bytes]:
    """The units that links of packages start (``system/cron.service``): systemd.unit(5), "static" in systemctl(1)."""
    found: set[bytes] = set()
    for top in VENDORS:
        for scope in SCOPES:
            for name in shared.names(top + b"/" + scope):
                if name.endswith(STARTING):
                    found |= {scope + b"/" + unit for unit in shared.names(b"/".join((top, scope, name)))}
    return found


#: So many looks into a manifest cost less than a table of all its paths.
FEW = 200


class Index:
    """A manifest by its paths: a few are searched for; for more, one look costs one look into a table."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._looks = 0
        self._places: dict[bytes, int] | None = None

    def names(self, path: bytes) -> list[bytes]:
        """The names in a directory of the tree."""
        start = len(path) + 1 if path else 0
        return [one.path[start:] for one in self._manifest.below(path) if parent(one.path) == path]

    def look(self, path: bytes) -> Node | None:
        """What stands at a path of the tree."""
        if self._places is None:
            self._looks += 1
            if self._looks <= FEW:
                entry = self._manifest.get(path)
                return entry and Node(entry.kind, entry.content if entry.kind == LINK else b"", entry.mode)
            self._places = {path: place for place, path in enumerate(self._manifest.paths())}
        place = self._places.get(path)
        if place is None:
            return None
        columns = self._manifest.columns
        kind = columns.kinds[place]
        target = self._manifest.entry(place).content if kind == LINK else b""
        return Node(kind, target, columns.modes[place])


@dataclass
class ManifestFiles:
    """Disks of which manifests are stored.

    :param load: the manifest of the disk that a path (no leading slash) stands on, by a name of that disk; ``None`` where
        that disk is the server's own.
    """

    disk_of: Callable[[bytes], str | None]
    load: Callable[[str], Manifest]
    mounted: frozenset[bytes] = frozenset()
    _known: dict[str, Index] = field(default_factory=dict)

    def is_own(self, place: bytes) -> bool:
        """Whether a place is on a disk of the server's own."""
        return self.disk_of(place.strip(b"/")) is None

    def look(self, place: bytes) -> Node | None:
        """What stands at a place."""
        path = place.strip(b"/")
        disk = self.disk_of(path)
        if disk is None:
            return None
        if disk not in self._known:
            self._known[disk] = Index(self.load(disk))
        return self._known[disk].look(path)

    def names(self, place: bytes) -> list[bytes]:
        """The names in a directory."""
        path = place.strip(b"/")
        disk = self.disk_of(path)
        if disk is None:
            return []
        if disk not in self._known:
            self._known[disk] = Index(self.load(disk))
        return self._known[disk].names(path)


@dataclass(frozen=True)
class DirectoryFiles:
    """A root directory, looked at path by path; no link is followed."""

    root: bytes
    at: bytes  #: where the trees stand, which are the server's own
    mounted: frozenset[bytes] = frozenset()

    def is_own(self, place: bytes) -> bool:
        """Whether a place is in the trees."""
        return place == self.at or place.startswith(self.at.rstrip(b"/") + b"/")

    def look(self, place: bytes) -> Node | None:
        """What stands at a place.

        :raises NoPermission: it may not be looked at.
        """
        try:
            with files.parent_of(self.root, place.strip(b"/")) as (directory, name):
                if not name:
                    return Node(DIRECTORY, mode=0o755)
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                mode = stat.S_IMODE(status.st_mode)
                if stat.S_ISLNK(status.st_mode):
                    return Node(LINK, os.readlink(name, dir_fd=directory), mode)
                return Node(_KINDS.get(stat.S_IFMT(status.st_mode), "c"), mode=mode)
        except PermissionError:
            raise self._forbidden(place) from None
        except OSError as error:
            if error.errno in files.NOT_THERE:
                return None
            raise

    def names(self, place: bytes) -> list[bytes]:
        """The names in a directory.

        :raises NoPermission: it may not be read.
        """
        try:
            with files.parent_of(self.root, place.strip(b"/") + b"/.") as (directory, _):
                return sorted(map(os.fsencode, os.listdir(directory)))
        except PermissionError:
            raise self._forbidden(place) from None
        except OSError as error:
            if error.errno in files.NOT_THERE:
                return []
            raise

    def _forbidden(self, place: bytes) -> NoPermission:
        return NoPermission(
            f"{os.fsdecode(self.root + place)} may not be looked at",
            meaning="What the server points at cannot be looked up there.",
            todo="Run the command as root, or leave --system out.",
        )


_KINDS: Mapping[int, str] = {stat.S_IFDIR: DIRECTORY, stat.S_IFREG: FILE}


THERE, GONE, UNKNOWN = "there", "gone", "unknown"

#: Filled by the kernel or at boot.
FILLED = frozenset((b"/run", b"/proc", b"/sys", b"/dev", b"/tmp"))

#: As many links as the kernel follows.
_MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Found:
    """``place``: where the way ended, every link followed; for what is unknown, as far as it is known, and the rest."""

    state: str
    place: bytes
    node: Node | None = None
    outside: bool = False  #: unknown, since nobody told what is outside of the trees


_ROOT = Found(THERE, b"/", Node(DIRECTORY, mode=0o755))


@dataclass
class View:
    """A system as it is looked at.

    :param look: what stands at a place; :data:`OUTSIDE` where nobody knows.
    :param mounts: places at which something is mounted.
    :param foreign: whether a place is the root of another system.
    """

    look: Callable[[bytes], Node | None]
    mounts: frozenset[bytes] = frozenset()
    foreign: Callable[[bytes], bool] = lambda place: False
    made_units: frozenset[bytes] = frozenset()  #: that systemd makes of an fstab
    _directories: dict[bytes, Found] = field(default_factory=dict)

    def find(self, place: bytes, *, beneath: bool = False, links: int = 0) -> Found:
        """Where an absolute path leads.

        :param links: how many links led here.
        :param beneath: of a place at which something is mounted, look at the directory below the mount.
        """
        names = [name for name in place.split(b"/") if name not in (b"", b".")]
        if not names:
            return _ROOT
        if b".." in names:
            return self._walk(b"", names, links, beneath)
        known = self._directories
        above = known.get(b"/".join(names[:-1]))  # many paths have the same
        if above is None:
            above = _ROOT
            for depth, name in enumerate(names[:-1], 1):
                path = b"/".join(names[:depth])
                if path not in known and above.state != THERE:
                    known[path] = Found(above.state, above.place + b"/" + name, None, above.outside)
                elif path not in known:
                    found = self._walk(above.place.rstrip(b"/"), [name], 0, beneath=False)
                    is_file = found.state == THERE and (found.node is None or found.node.kind != DIRECTORY)
                    known[path] = Found(GONE, found.place) if is_file else found
                above = known[path]
        if above.state != THERE:
            return Found(above.state, above.place + b"/" + names[-1], None, above.outside)
        return self._walk(above.place.rstrip(b"/"), names[-1:], links, beneath)

    def _walk(self, at: bytes, names: Sequence[bytes], links: int, beneath: bool) -> Found:
        todo = list(reversed(names))
        node: Node | None = Node(DIRECTORY, mode=0o755)
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                at = at.rpartition(b"/")[0]
                continue
            place = at + b"/" + name
            rest = b"".join(b"/" + one for one in reversed(todo))
            if self._is_unknown(place, beneath and not todo):
                return Found(UNKNOWN, place + rest)
            node = self.look(place)
            if node is None:
                return Found(GONE, place + rest)
            if node is OUTSIDE:
                return Found(UNKNOWN, place + rest, None, True)
            if node.kind == LINK:
                links += 1
                if links > _MOST_LINKS:
                    return Found(GONE, place + rest)
                at = b"" if node.target.startswith(b"/") else at
                todo += reversed(node.target.split(b"/"))
            elif todo and node.kind != DIRECTORY:
                return Found(GONE, place + rest)
            else:
                at = place
        return Found(THERE, at or b"/", node)

    def _is_unknown(self, place: bytes, beneath: bool) -> bool:
        return place in FILLED or (place in self.mounts and not beneath) or self.foreign(place)


#: Stands for whatever is at a place that nobody knows.
OUTSIDE = Node("?")


class Trees:
    """The trees of a merge, before and after, over what is shared."""

    def __init__(self, parts: Sequence[PartPlan]) -> None:
        self.parts = parts
        self.indexes = [[Index(tree.manifest) for tree in one.part.trees] for one in parts]

    def before(self, shared: SharedFiles | None) -> Callable[[bytes], Node | None]:
        """What the server has now."""
        return partial(self._look, shared, self._of_clone)

    def after(self, shared: SharedFiles | None) -> Callable[[bytes], Node | None]:
        """What it will have."""
        return partial(self._look, shared, self._of_result)

    def _look(self, shared: SharedFiles | None, own: Callable[[int, bytes], Node | None], place: bytes) -> Node | None:
        known = inside = False
        for number, one in enumerate(self.parts):
            path = one.part.inside(place)
            if path is None:
                continue
            inside = True
            found = own(number, path)
            if found is not None:
                return found
            known = known or path in one.decided.verdicts
            for index in () if known else self.indexes[number]:
                known = known or index.look(path) is not None
        if known:
            return None
        if shared is not None:
            return shared.look(place)
        if not inside and any(one.part.at.startswith(place + b"/") for one in self.parts):
            return Node(DIRECTORY, mode=0o755)  # on the way to the trees
        return None if inside else OUTSIDE

    def _of_clone(self, number: int, path: bytes) -> Node | None:
        return self.indexes[number][CLONE_SIDE].look(path)

    def _of_result(self, number: int, path: bytes) -> Node | None:
        one = self.parts[number]
        verdict = one.decided.verdicts.get(path)
        if verdict is not None:
            want = verdict.want
            return None if want is None else Node(want.kind, want.content if want.kind == LINK else b"", want.mode)
        side = one.side_over(path)
        return None if side == NO_SIDE else self.indexes[number][CLONE_SIDE if side is None else side].look(path)
