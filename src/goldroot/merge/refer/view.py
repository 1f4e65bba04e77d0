"""Looking up what something refers to in a whole system, as the server before and after an update sees it: its trees, and the
disks beside them.

By component; an absolute link starts again at the system's root; forty links are none (as the kernel has it, path_resolution(7)).
A path that any of the three trees has is the trees' matter alone: else a file that the server removed would be found
on the shared disk below.  What cannot be known from disks is *unknown*: what the kernel or a boot fills, what is mounted by
fstab or a mount unit, and the root of another system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from goldroot.merge.compare.parts import CLONE_SIDE
from goldroot.merge.decide.verdict import NO_SIDE
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.surroundings import Node, SharedFiles
from goldroot.policy import ASK
from goldroot.tree import DIRECTORY, FILE, LINK, Manifest, parent

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


# -- What refers to something else, and how each kind is looked up

LINK_TO, UNIT, ALTERNATIVE, SHELL, MOUNT, RESOLVER = "link", "unit", "alternative", "shell", "mount", "resolver"
#: A path in a line of a file: of a unit, a cron table, Postfix's settings.
NAMED = "named"
#: A unit that another one needs, or that a drop-in is for.
NAMED_UNIT = "named unit"
#: A module that is looked for in the directories of libraries.
LIBRARY = "library"

_MACHINES = (b"x86_64", b"s390x", b"aarch64", b"powerpc64le")
_LIBRARIES = (
    b"/lib",
    b"/lib64",
    b"/usr/lib",
    b"/usr/lib64",
    *(b"/usr/lib/%s-linux-gnu" % machine for machine in _MACHINES),
)

#: Where systemd looks for units: systemd.unit(5).  ``/lib`` is ``/usr/lib`` on a system with merged /usr.
_UNIT_DIRECTORIES = {
    b"system": (b"/etc/systemd/system", b"/usr/local/lib/systemd/system", b"/usr/lib/systemd/system", b"/lib/systemd/system"),
    b"user": (
        b"/etc/systemd/user", b"/usr/local/lib/systemd/user", b"/usr/local/share/systemd/user", b"/usr/lib/systemd/user",
        b"/usr/share/systemd/user",
    ),
}  # fmt: skip

#: The directory in /run that a resolv.conf points into -> who makes it: a unit, and programs.
_RESOLVERS: Mapping[bytes, tuple[bytes, tuple[bytes, ...]]] = {
    b"systemd": (
        b"systemd-resolved.service", (b"/usr/lib/systemd/systemd-resolved", b"/lib/systemd/systemd-resolved")
    ),
    b"NetworkManager": (b"NetworkManager.service", (b"/usr/sbin/NetworkManager", b"/usr/bin/NetworkManager")),
    b"resolvconf": (b"resolvconf.service", (b"/usr/sbin/resolvconf", b"/sbin/resolvconf", b"/usr/bin/resolvconf")),
    b"netconfig": (b"netconfig.service", (b"/usr/sbin/netconfig", b"/sbin/netconfig")),
    b"connman": (b"connman.service", (b"/usr/sbin/connmand",)),
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """What refers, and to what.

    :param path: place of the link, or of the file in which the reference stands.
    :param text: the reference as it stands there.
    :param subject: what must be there: an absolute path, a unit's name, a directory in /run.
    :param group: place of the question, where more than one reference has one cause.
    :param level: ``ask`` or ``note``.
    :param who: for a person: what refers, such as an account.
    :param line: for a person: the line in which it stands, without what may be a secret.
    """

    kind: str
    path: bytes
    text: bytes
    subject: bytes
    group: bytes = b""
    level: str = ASK
    who: bytes = b""
    line: bytes = b""


def look_up(view: View, reference: Reference) -> Found:
    """Whether what a reference needs is there."""
    return _LOOKS[reference.kind](view, reference.subject)


def _target(view: View, subject: bytes) -> Found:
    return view.find(subject, links=1)  # the link itself


def _beneath(view: View, subject: bytes) -> Found:
    return view.find(subject, beneath=True)


def _program(view: View, subject: bytes) -> Found:
    found = view.find(subject)
    node = found.node
    if found.state == THERE and (node is None or node.kind != FILE or not node.mode & 0o111):
        return Found(GONE, found.place)
    return found


def _unit(view: View, subject: bytes) -> Found:
    """A unit by ``system/NAME`` or ``user/NAME``."""
    scope, _, name = subject.partition(b"/")
    if scope == b"system" and name in view.made_units:
        return Found(THERE, b"/etc/fstab")
    places = [directory + b"/" + one for directory in _UNIT_DIRECTORIES[scope] for one in _unit_names(name)]
    if scope == b"system" and name.endswith(b".service"):
        places.append(b"/etc/init.d/" + name.removesuffix(b".service"))
    return _any(view, places)


def _unit_names(name: bytes) -> tuple[bytes, ...]:
    head, at, instance = name.partition(b"@")
    suffix = instance.rpartition(b".")[2]
    return (name, head + b"@." + suffix) if at and instance and not instance.startswith(b".") else (name,)


def _any(view: View, places: list[bytes]) -> Found:
    """The first of some places that is there, or may be: a mask (a link to /dev/null) is there, too."""
    found = [view.find(place) for place in places]
    for state in (THERE, UNKNOWN):
        for one in found:
            if one.state == state:
                return one
    return found[0]


def _library(view: View, subject: bytes) -> Found:
    return _any(view, [directory + b"/" + subject for directory in _LIBRARIES])


def _resolver(view: View, subject: bytes) -> Found:
    unit, programs = _RESOLVERS[subject]
    found = [_unit(view, b"system/" + unit), *(view.find(program) for program in programs)]
    for state in (THERE, UNKNOWN):
        for one in found:
            if one.state == state:
                return one
    return found[0]


def resolver_of(place: bytes) -> bytes | None:
    """Who makes a resolv.conf at a place in /run; ``None`` where nobody known does."""
    names = place.split(b"/")
    return names[2] if names[1:2] == [b"run"] and len(names) > 3 and names[2] in _RESOLVERS else None


_LOOKS: Mapping[str, Callable[[View, bytes], Found]] = {
    LINK_TO: _target,
    ALTERNATIVE: _target,
    UNIT: _unit,
    NAMED_UNIT: _unit,
    LIBRARY: _library,
    SHELL: _program,
    NAMED: lambda view, subject: view.find(subject),
    MOUNT: _beneath,
    RESOLVER: _resolver,
}
