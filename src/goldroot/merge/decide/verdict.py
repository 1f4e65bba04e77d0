"""How paths and state units were decided: what each shall be in the result, when that is the same, and how a conflict is answered.

When two values are the same although their bytes are not: each rule is a function of one side's value, never a test of two, as
"equal if they share a name" is not transitive, and a merge by it would break the laws.  And raw values go first: only where they
say *conflict*, or where it is asked whether a side changed a path at all, is it asked what they come to.  What is written are
always raw values.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from goldroot.accounts import NUMERIC_OWNERS, OwnerNames
from goldroot.conflicts import CLONE, CONTENT, GOLD, Conflict, Decision, Decisions, takes_content
from goldroot.errors import TreeChanged
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Comparison, Delta
from goldroot.merge.compare.parts import GOLD_SIDE, Names, Part, Usr, canonical_flags, canonical_xattrs, labels_said
from goldroot.merge.memory import NO_MEMORY, Kept, Memory
from goldroot.tree import DIRECTORY, FILE, INLINE, LINK, Entry, Note, parent

SAME, BOTH, MERGED, CONFLICT = "same", "both", "merged", "conflict"  # verdicts, beside GOLD and CLONE

NO_SIDE = INLINE  #: of a cover or a unit: nothing is there


@dataclass(frozen=True, slots=True)
class Want:
    """What a path shall be in the result, owners as tokens."""

    kind: str
    side: int  #: whose content: BASE_SIDE, GOLD_SIDE, CLONE_SIDE, or INLINE
    content: bytes  #: digest of a file (of the inline bytes too), target of a link, number of a device
    inline: bytes | None
    mode: int
    owner: bytes
    group: bytes
    xattrs: Mapping[bytes, bytes]
    flags: int
    project: int
    mtime: int


@dataclass(slots=True)
class Verdict:
    """How one path was decided."""

    want: Want | None  #: ``None``: not in the result
    outcome: str
    axes: dict[str, str] = field(default_factory=dict)  #: axis -> SAME, GOLD, CLONE, BOTH, MERGED, CONFLICT
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decided: dict[str, str] = field(default_factory=dict)  #: axis -> the answer that a person gave
    because: bytes = b""  #: the path above whose conflict this one shares


@dataclass(slots=True)
class UnitVerdict:
    """Whose a state unit is in the result."""

    side: int  #: GOLD_SIDE, CLONE_SIDE, or NO_SIDE
    outcome: str
    conflict: Conflict | None = None
    notes: list[str] = field(default_factory=list)
    because: bytes = b""  #: the path above whose conflict this one shares
    users: dict[bytes, bytes] = field(default_factory=dict)  #: owners of the clone's unit -> who gold made of them
    groups: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """How a derived file is made again."""

    command: str  #: run in the result; ``""``: nobody knows which, and a person has to see to it
    text: str


@dataclass
class Decided:
    """Every delta of a part with its verdict, every changed unit with its side."""

    comparison: Comparison
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)  #: in tree order
    units: dict[bytes, UnitVerdict] = field(default_factory=dict)
    within: set[bytes] = field(default_factory=set)  #: verdicts about a unit itself, or about what gold has in it
    conflicts: list[Conflict] = field(default_factory=list)  #: that are not about one verdict
    notes: list[Note] = field(default_factory=list)  #: what is not about one verdict; their paths are places
    rebuilds: dict[bytes, Rebuild] = field(default_factory=dict)  #: derived files that have to be made again


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
        from goldroot.merge.decide.text import canonical_text, is_text

        return canonical_text(data) if is_text(data) else want.content


#: A path whose content both sides changed -> merged bytes, or ``None`` where no merger answers.
ContentMerger = Callable[[Delta], bytes | None]


def nothing_kept(delta: Delta) -> Kept | None:
    """Of no file's entries anything stays away."""
    return None


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides besides the three rows."""

    names: Names
    decisions: Decisions
    prefer: str  #: whose version stands at a conflict: CLONE or GOLD
    merger: ContentMerger
    sameness: Sameness
    memory: Memory = NO_MEMORY  #: what the server had removed before
    going_back: bool = False  #: on the way back new questions are notes, and the clone's stands
    trouble: Callable[[Delta], str] = lambda delta: ""  #: what of a content both sides changed, for a person
    kept_lines: Callable[[Delta], Kept | None] = nothing_kept  #: what of a file's entries stays away


def want_of(entry: Entry, names: OwnerNames, side: int) -> Want:
    """One side's path as it is."""
    return Want(
        entry.kind, side, entry.content, None, entry.mode, names.users[entry.uid], names.groups[entry.gid],
        names.xattrs(entry), entry.flags, entry.project, entry.mtime,
    )  # fmt: skip


def as_is(delta: Delta, side: int, setting: Setting) -> Want | None:
    """What ``side`` (BASE_SIDE, GOLD_SIDE or CLONE_SIDE) has at this path."""
    entry = delta.rows[side]
    names = NUMERIC_OWNERS if delta.numeric else setting.names[side]
    return None if entry is None else want_of(entry, names, side)


def equal(one: Want | None, other: Want | None) -> bool:
    """Equal on every axis; times are not an axis."""
    if one is None or other is None:
        return one is other
    return (
        one.kind == other.kind
        and one.content == other.content
        and one.mode == other.mode
        and one.owner == other.owner
        and one.group == other.group
        and one.xattrs == other.xattrs
        and (one.flags, one.project) == (other.flags, other.project)
    )


def value_of(want: Want | None) -> bytes:
    """A whole path as canonical bytes, for the key of a conflict about its presence or type."""
    if want is None:
        return b""
    head = [want.kind.encode(), want.content, b"%o" % want.mode, want.owner, want.group]
    attributes = [part for pair in sorted(want.xattrs.items()) for part in pair]
    return b"".join(len(part).to_bytes(4, "big") + part for part in head + attributes)


def outcome_of(verdict: Verdict) -> str:
    """One word for a path from the words of its axes."""
    words = set(verdict.axes.values()) - {SAME}
    if CONFLICT in words:
        return CONFLICT
    if MERGED in words or {GOLD, CLONE} <= words:
        return MERGED
    if not words:
        return SAME
    words.discard(BOTH) if len(words) > 1 else None
    return words.pop()


def main_axis(verdict: Verdict) -> str:
    """The axis to name first: the conflicting one, else the first that changed."""
    for wanted in ((CONFLICT,), (MERGED,), (GOLD, CLONE, BOTH)):
        for axis, word in verdict.axes.items():
            if word in wanted:
                return axis
    return next(iter(verdict.axes), "")


def is_directory(row: Entry | None) -> bool:
    return row is not None and row.kind == DIRECTORY


def conflict_at(
    delta: Delta, setting: Setting, axis: str, kind: ConflictKind, values: tuple[bytes, bytes, bytes], detail: str
) -> Conflict:
    """The question about a path; the side that the policy prefers stands."""
    return Conflict(delta.place, axis, kind, values, stands=setting.prefer, detail=detail, secret=delta.rule.secret)


def settle_conflict(
    verdict: Verdict, conflict: Conflict, setting: Setting, *, own: bool = False
) -> tuple[str, bytes | None]:
    """Answer a conflict by a remembered decision, or let it stand.

    :param own: whether content of a person's own is an answer here, on an axis that has contents; the question then says so.
    :returns: the answer in force (CLONE, GOLD or CONTENT) and, for CONTENT, its bytes.
    """
    axis, conflict = conflict.axis, replace(conflict, own=own)
    decision = setting.decisions.get(conflict.key)
    trouble = _trouble(decision, conflict, takes_content(axis, own))
    if decision is None or trouble:
        verdict.conflicts.append(conflict.unanswered(trouble))
        verdict.axes[axis] = CONFLICT
        return conflict.stands, None
    verdict.axes[axis] = decision.take if decision.take in (CLONE, GOLD) else MERGED
    verdict.decided[axis] = decision.take
    return decision.take, decision.content


def _trouble(decision: Decision | None, conflict: Conflict, own: bool) -> str:
    """Why a remembered answer cannot be used; "" where it can, or there is none."""
    if decision is None or decision.take in conflict.answers:
        return ""
    if decision.take != CONTENT:
        return f"{decision.take!r} is none of its answers"
    return "" if own and decision.content is not None else "it takes no value of one's own"


# -- How a root leads into its ``/usr``, and the one spelling of a link's text that it leaves.

#: The directories of the root that a merged /usr makes links, and the one of /usr that Fedora did.
_MERGED_USR = (b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32", b"usr/sbin")

#: A text of more than this is compared by its bytes.
MAX_COMPARED = 1 << 20


#: Where links to units are, and what they lead to.
_UNIT_LINKS = b"/etc/systemd/"
_UNIT = re.compile(rb"/(?:usr/)?lib/systemd/(?P<unit>(?:system|user)/[^/]+)", re.DOTALL)

#: How nearly every root leads into its ``/usr``, for where nothing is known of the root.
USUAL: Usr = {name: b"usr/" + name for name in _MERGED_USR if b"/" not in name}


def usr_links(target_of: Callable[[bytes], bytes | None]) -> Usr:
    """Which directories of a root are links into its ``/usr``.

    :param target_of: the target of the link at a path of that root; ``None`` where there is no link.
    """
    found = {}
    for name in _MERGED_USR:
        target = (target_of(name) or b"").strip(b"/")
        if not target.startswith(b"usr/"):
            target = os.path.dirname(name) + b"/" + target if name.startswith(b"usr/") and target else b""
        if re.fullmatch(rb"usr/[^/.][^/]*", target) and target != name:
            found[name] = target
    return found


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
