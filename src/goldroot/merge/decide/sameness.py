"""When two values are the same although their bytes are not.

Each rule is a function of one side's value, never a test of two: "equal if they share a name" is not transitive, and a
merge by it would break the laws.  And raw values go first: only where they say *conflict*, or where it is asked whether
a side changed a path at all, is it asked what they come to.  What is written are always raw values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from goldroot.errors import TreeChanged
from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import GOLD_SIDE, Part, Usr, canonical_flags, canonical_xattrs, labels_said
from goldroot.merge.decide.text import canonical_text, is_text
from goldroot.merge.decide.verdict import Want, equal
from goldroot.tree import FILE, LINK, parent

#: The directories of the root that a merged /usr makes links, and the one of /usr that Fedora did.
MERGED = (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"usr/sbin")

#: A text of more than this is compared by its bytes.
MAX_COMPARED = 1 << 20


#: Where links to units are, and what they lead to.
_UNIT_LINKS = b"/etc/systemd/"
_UNIT = re.compile(rb"/(?:usr/)?lib/systemd/(?P<unit>(?:system|user)/[^/]+)", re.DOTALL)

#: How nearly every root leads into its ``/usr``, for where nothing is known of the root.
USUAL: Usr = {name: b"usr/" + name for name in MERGED if b"/" not in name}


def usr_links(target_of: Callable[[bytes], bytes | None]) -> Usr:
    """Which directories of a root are links into its ``/usr``.

    :param target_of: the target of the link at a path of that root; ``None`` where there is no link.
    """
    found = {}
    for name in MERGED:
        target = (target_of(name) or b"").strip(b"/")
        if not target.startswith(b"usr/"):
            target = os.path.dirname(name) + b"/" + target if name.startswith(b"usr/") and target else b""
        if re.fullmatch(rb"usr/[^/.][^/]*", target) and target != name:
            found[name] = target
    return found


@dataclass(frozen=True, slots=True)
class Sameness:
    """What is the same in one part.

    :param usr: how the root in which the result will run leads into ``/usr``; empty where nothing is known of it.
    :param read: a side's bytes of a path that it has as a file.
    """

    part: Part
    usr: Usr
    read: Callable[[Delta, int], bytes]

    def link_text(self, path: bytes, text: bytes) -> bytes:
        """Where a link at ``path`` of the part leads, in the one spelling that a merged /usr leaves of it.

        A link to a unit of systemd's, such as one that ``Alias=`` makes, has one spelling on every system: systemd goes by the
        unit's name, and looks for it in both directories (systemd.unit(5)).
        """
        place = self.part.place(path)
        is_units = place.startswith(_UNIT_LINKS)
        if not (self.usr or is_units) or self._foreign(path):
            return text
        leads = one_spelling(os.path.dirname(place), text, self.usr)
        unit = _UNIT.fullmatch(leads) if is_units else None
        return leads if unit is None and self.usr else text if unit is None else b"/usr/lib/systemd/" + unit["unit"]

    def _foreign(self, path: bytes) -> bool:
        """Whether a path lies in the root of another system (a container's, a jail's): a directory with accounts of its own."""
        while path := parent(path):
            if any(tree.manifest.get(path + b"/etc/passwd") is not None for tree in self.part.trees):
                return True
        return False

    def unchanged(self, delta: Delta, base: Want, other: Want) -> bool:
        """Whether ``other``, gold's or the clone's, is not a change of base's that anybody means."""
        if equal(base, other):
            return True
        if (base.kind, base.mode, base.owner, base.group, base.project) != (
            other.kind, other.mode, other.owner, other.group, other.project,
        ):  # fmt: skip
            return False
        if canonical_flags(base.flags) != canonical_flags(other.flags):
            return False
        said = labels_said((name for name, _ in row.xattrs) for row in delta.rows if row is not None)
        if canonical_xattrs(base.xattrs, said) != canonical_xattrs(other.xattrs, said):
            return False
        return base.content == other.content or self._content(delta, base) == self._content(delta, other)

    def _content(self, delta: Delta, want: Want) -> bytes:
        if want.kind == LINK:
            return self.link_text(delta.path, want.content)
        row = delta.rows[want.side]
        if want.kind != FILE or delta.rule.cls not in ("config", "lines") or row is None or row.size > MAX_COMPARED:
            return want.content
        try:
            data = self.read(delta, want.side)
        except TreeChanged:
            return want.content
        return canonical_text(data) if is_text(data) else want.content


def one_spelling(directory: bytes, text: bytes, usr: Usr) -> bytes:
    """Where a link in an absolute directory leads, from the root and by its names in ``/usr``; as it is where that is not known."""
    place = _place_of(directory, text)
    return text if place is None else b"/" + _through_usr(place, usr)


def _through_usr(place: bytes, usr: Usr) -> bytes:
    """A path below the root with its first directories as the root has them."""
    for _ in range(2):  # /sbin is /usr/sbin, and that may be /usr/bin
        for name, target in usr.items():
            if place == name or place.startswith(name + b"/"):
                place = target + place[len(name) :]
                break
    return place


def _place_of(directory: bytes, text: bytes) -> bytes | None:
    """Where a link in an absolute directory leads, without a leading slash.

    ``None`` where only the system itself can tell: a ``..`` behind a name goes up from wherever that name leads.
    """
    names = [] if text.startswith(b"/") else [name for name in directory.split(b"/") if name]
    entered = False
    for name in text.split(b"/"):
        if name == b"..":
            if entered:
                return None
            names = names[:-1]
        elif name not in (b"", b"."):
            names.append(name)
            entered = True
    return b"/".join(names)


def usr_of(part: Part) -> Usr:
    """How the root in which the result of a part will run leads into ``/usr``: as the part or its tree says."""
    gold = part.trees[GOLD_SIDE]
    if gold.usr or part.at != b"/":
        return gold.usr

    def target_of(path: bytes) -> bytes | None:
        entry = gold.manifest.get(path)
        return entry.content if entry is not None and entry.kind == LINK else None

    return usr_links(target_of)
