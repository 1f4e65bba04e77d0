"""One reference of the server's to something else, and whether that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from goldroot.merge.refer.view import GONE, THERE, UNKNOWN, Found, View
from goldroot.policy import ASK
from goldroot.tree import FILE

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
    places = [directory + b"/" + one for directory in _UNIT_DIRECTORIES[scope] for one in _names(name)]
    if scope == b"system" and name.endswith(b".service"):
        places.append(b"/etc/init.d/" + name.removesuffix(b".service"))
    return _any(view, places)


def _names(name: bytes) -> tuple[bytes, ...]:
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
