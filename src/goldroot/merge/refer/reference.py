"""What of the server's refers to something else: links, login shells, lines of fstab and of other files; and how each is looked up.

A link that gold has too, at the same path, is gold's matter, and so is what gold's file of that name says: where it leads to
nothing, gold is to be checked, and no server is to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from goldroot.accounts import AccountTables
from goldroot.merge.compare.parts import CLONE_SIDE, GOLD_SIDE
from goldroot.merge.compare.systems import is_inside
from goldroot.merge.decide.fstab import MOUNT_POINT, parse_fstab
from goldroot.merge.decide.line_sets import key_files_of
from goldroot.merge.decide.verdict import CONFLICT, Verdict
from goldroot.merge.fit.one_tree import PartPlan
from goldroot.merge.refer.texts import LARGEST, Named, finder_of, is_text_of_interest, named_in_text
from goldroot.merge.refer.view import GONE, THERE, UNKNOWN, Found, Index, View
from goldroot.merge.special import CRONTABS
from goldroot.policy import ASK, CLONE, CONFIG, IDENTITY, LINES, NOTE, OPAQUE, Rule
from goldroot.tree import FILE, LINK, Entry, upwards

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


# -- Links that the server has and gold has not as they are

_CLASSES = (CONFIG, OPAQUE, LINES, CLONE, IDENTITY)

_WANTED = re.compile(rb"/etc/systemd/(?P<scope>system|user)/[^/]+\.(?:wants|requires|upholds)/(?P<name>[^/]+)")
_ALTERNATIVES = b"/etc/alternatives/"
RESOLV_CONF = b"/etc/resolv.conf"

#: Links that a program makes of other files: they are looked at when it has made them again.
_MADE = (b"/etc/ssl/certs/", b"/var/lib/ca-certificates/", b"/etc/pki/ca-trust/extracted/")

#: A place that many links lead to on purpose: a mask.
_NOTHING = b"/dev/null"


def links_of(one: PartPlan, gold: Index, foreign: frozenset[bytes]) -> Iterator[tuple[bytes, Reference]]:
    """(path in the trees, reference) of each link of the clone's that stays and that gold does not have the same.

    :param gold: of gold's tree.
    """
    for path, verdict in one.decided.verdicts.items():
        if _stays(one, path, verdict):
            want, place = verdict.want, one.part.place(path)
            assert want is not None
            rule = one.decided.comparison.rules[path]
            if rule.cls in _CLASSES and not place.startswith(_MADE) and not is_inside(place, foreign):
                yield path, _of_configuration(place, want.content)
    for entry in one.part.trees[CLONE_SIDE].manifest.of_kind(LINK):
        if entry.path not in one.decided.verdicts:
            yield from _of_state(one, entry, gold, foreign)


def _stays(one: PartPlan, path: bytes, verdict: Verdict) -> bool:
    """Whether a path ends as a link of the clone's, unasked."""
    want, gold = verdict.want, one.decided.comparison.deltas[path][GOLD_SIDE]
    if want is None or want.kind != LINK or verdict.conflicts or (verdict.because and verdict.outcome == CONFLICT):
        return False
    return want.content != _NOTHING and (gold is None or gold.kind != LINK or gold.content != want.content)


def _of_configuration(place: bytes, text: bytes) -> Reference:
    if wanted := _WANTED.fullmatch(place):
        name = wanted["name"]
        return Reference(UNIT, place, name, wanted["scope"] + b"/" + name)
    target = absolute(place, text)
    if place.startswith(_ALTERNATIVES):
        return Reference(ALTERNATIVE, place, text, target)
    return Reference(RESOLVER if place == RESOLV_CONF else LINK_TO, place, text, target)


def _of_state(one: PartPlan, entry: Entry, gold: Index, foreign: frozenset[bytes]) -> Iterator[tuple[bytes, Reference]]:
    """A link in a state unit of the clone's whose target is outside of the unit."""
    top = next((path for path in upwards(entry.path) if path in one.decided.units), None)
    if top is None or one.decided.units[top].side != CLONE_SIDE or entry.content == _NOTHING:
        return
    if entry.path != top and stays_inside(entry.path[len(top) :], entry.content):
        return
    unit, place = one.part.place(top), one.part.place(entry.path)
    target = absolute(place, entry.content)
    inside = target.startswith(unit + b"/") and b"/../" not in target
    if inside or target == unit or is_inside(place, foreign):
        return
    golds = gold.look(entry.path)
    if golds is not None and golds.kind == LINK and golds.target == entry.content:
        return
    rule: Rule = one.decided.comparison.units[top].rule
    yield entry.path, Reference(LINK_TO, place, entry.content, target, unit, rule.references)


def absolute(place: bytes, text: bytes) -> bytes:
    """The absolute path that a link's text means; ``..`` is left to who goes the way."""
    return text if text.startswith(b"/") else place.rpartition(b"/")[0] + b"/" + text


def stays_inside(inside: bytes, text: bytes) -> bool:
    """Whether a relative text cannot leave its unit; told by counting names alone.

    :param inside: the link's path below the unit, with the slash before it.
    """
    if text.startswith(b"/"):
        return False
    depth = inside.count(b"/") - 1
    for name in text.split(b"/"):
        depth += -1 if name == b".." else 0 if name in (b"", b".") else 1
        if depth < 0:
            return False
    return True


# -- Login shells of passwd, paths of fstab

PASSWD, FSTAB = b"/etc/passwd", b"/etc/fstab"

#: passwd(5): an empty field is this.
_DEFAULT_SHELL = b"/bin/sh"


def shells_of(merged: AccountTables, gold: AccountTables, after: View) -> Iterator[Reference]:
    """The login shells of the merged accounts, but for those that gold's account of the same name has, too."""
    golds = _shells(gold)
    hashes = {key.text: fields[1] for key, fields in merged.table("shadow").records() if key.nth == 0}
    for name, (shell, home, password) in _shells(merged).items():
        if name in golds and golds[name][0] == shell:
            continue
        able = _usable(hashes.get(name, b"") if password == b"x" else password, name in hashes or password != b"x")
        able = able or any(after.find(one).state == THERE for one in key_files_of(name, home))
        yield Reference(SHELL, PASSWD, shell, shell or _DEFAULT_SHELL, PASSWD, ASK if able else NOTE, name)


def _shells(tables: AccountTables) -> Mapping[bytes, tuple[bytes, bytes, bytes]]:
    """Name -> shell, home directory, password field, of the first record of each name."""
    return {
        key.text: (fields[6], fields[5], fields[1])
        for key, fields in tables.table("passwd").records()
        if key.nth == 0 and len(fields) > 6
    }


def unlisted(merged: AccountTables, gold: AccountTables, gone: set[bytes]) -> Mapping[bytes, list[bytes]]:
    """Shells that /etc/shells listed and does not any more -> the accounts that have them and are not as gold's."""
    golds = _shells(gold)
    found: dict[bytes, list[bytes]] = {}
    for name, (shell, _, _) in _shells(merged).items():
        if shell in gone and (name not in golds or golds[name][0] != shell):
            found.setdefault(shell, []).append(name)
    return found


def _usable(hashed: bytes, known: bool) -> bool:
    """Whether a password can be given: shadow(5).  An empty one needs none."""
    return known and not hashed.startswith((b"!", b"*"))


def mounts_of(merged: bytes, gold: bytes) -> Iterator[Reference]:
    """The paths of the merged fstab that gold's own does not have in the same use."""
    golds = {(line.point, what, path) for line in parse_fstab(gold) for what, path in line.paths()}
    for line in parse_fstab(merged):
        for what, path in line.paths():
            if (line.point, what, path) not in golds:
                who = what if what == MOUNT_POINT else what + b" of " + line.point
                yield Reference(MOUNT, FSTAB, path, path, FSTAB, NOTE if line.lenient else ASK, who, line.said)


# -- Paths that units, cron tables, mail settings and other texts below /etc name

#: Nobody's unit is larger (bytes).
_LARGEST = 1 << 20


def files_of(one: PartPlan) -> Iterator[bytes]:
    """Paths in the trees of files that end as the server's, or merged, and may name others."""
    for path, verdict in one.decided.verdicts.items():
        want, gold = verdict.want, one.decided.comparison.deltas[path][GOLD_SIDE]
        if want is None or want.kind != FILE or (gold is not None and gold.content == want.content):
            continue
        if _is_looked_at(one, path, verdict) and not any(c.axis == "content" for c in verdict.conflicts):
            yield path
    spool = one.part.inside(CRONTABS[-1].rstrip(b"/"))
    for entry in one.part.trees[CLONE_SIDE].manifest.below(spool) if spool is not None else ():
        is_table = entry.kind == FILE and one.part.place(entry.path).rpartition(b"/")[0] + b"/" in CRONTABS
        is_own = entry.path not in one.decided.verdicts and one.side_over(entry.path) == CLONE_SIDE
        if is_table and is_own and entry.size <= _LARGEST:
            yield entry.path


def _is_looked_at(one: PartPlan, path: bytes, verdict: Verdict) -> bool:
    place = one.part.place(path)
    if finder_of(place) is not None:
        return True
    if verdict.conflicts or "presence" in verdict.decided:
        return False  # whether the text is there at all is asked, or was
    rows, rule = one.decided.comparison.deltas[path], one.decided.comparison.rules[path]
    small = all(row is None or row.size <= LARGEST for row in rows)
    return small and rule.cls in (CONFIG, OPAQUE) and not rule.secret and is_text_of_interest(place)


def _named(place: bytes, content: bytes, gold: bytes) -> Iterator[Named]:
    """What a file names and gold's does not; of Postfix's settings there are tables, and others as in any text."""
    find = finder_of(place)
    if find is not None:
        golds = {named.path for named in find(gold)} if gold else set()
        yield from (named for named in find(content) if named.path not in golds)
    if find is None or place.startswith(b"/etc/postfix/"):
        yield from named_in_text(place, content, gold)


def named_in(place: bytes, content: bytes, gold: bytes) -> Iterator[Reference]:
    """The paths that a file names and gold's file of that name does not."""
    is_noted = place.startswith(CRONTABS[-1])
    found: dict[bytes, Named] = {}
    for named in _named(place, content, gold):
        if named.path not in found or named.level == ASK:
            found[named.path] = named
    for named in found.values():
        kind = MOUNT if named.is_point else NAMED_UNIT if named.is_unit else LIBRARY if named.is_library else NAMED
        who = MOUNT_POINT if named.is_point else place
        yield Reference(kind, place, named.path, named.path, place, NOTE if is_noted else named.level, who, named.line)
