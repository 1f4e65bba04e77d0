"""One path, axis by axis: the heart of the merge, pure.

On every axis: equal on both sides -> that; only one side changed -> the change; both changed differently -> a conflict,
unless a content merger answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TypeVar

from goldroot.conflicts import CLONE, CONTENT, GOLD
from goldroot.kinds import ConflictKind
from goldroot.merge.compare.compare import Delta
from goldroot.merge.compare.parts import BASE_SIDE, CLONE_SIDE, GOLD_SIDE, LABELS, SIGNATURES, canonical_flags
from goldroot.merge.decide.verdict import (
    BOTH,
    CONFLICT,
    MERGED,
    SAME,
    Setting,
    Verdict,
    Want,
    as_is,
    conflict_at,
    outcome_of,
    settle_conflict,
)
from goldroot.tree import FILE, INLINE, LINK

T = TypeVar("T")


def which_side(base: T | None, gold: T | None, clone: T | None) -> str:
    """Which side an axis follows; ``None`` is an absent value."""
    if gold == clone:
        return SAME if base == gold else BOTH
    if base == gold:
        return CLONE
    return GOLD if base == clone else CONFLICT


def merge_axes(delta: Delta, setting: Setting) -> Verdict:
    """A path that gold and the clone both have, of one kind: every axis on its own."""
    base, gold = as_is(delta, BASE_SIDE, setting), as_is(delta, GOLD_SIDE, setting)
    clone = as_is(delta, CLONE_SIDE, setting)
    assert gold is not None and clone is not None
    if base is not None and base.kind != gold.kind:
        base = None  # what another type had says nothing about this one
    verdict = Verdict(None, SAME)
    side, content, inline = _content(delta, base, gold, clone, setting, verdict)
    plain: dict[str, int | bytes] = {}
    for axis in ("mode", "owner", "group", "project"):
        values = (None if base is None else getattr(base, axis), getattr(gold, axis), getattr(clone, axis))
        plain[axis] = _plain_axis(delta, axis, values, setting, verdict)
    plain["flags"] = _flags(delta, (None if base is None else base.flags, gold.flags, clone.flags), setting, verdict)
    xattrs = _xattrs(delta, (base, gold, clone), (side, content), setting, verdict)
    verdict.want = Want(
        kind=clone.kind, side=side, content=content, inline=inline, xattrs=xattrs,
        mtime=_mtime(verdict.axes.get("content", SAME), base, gold, clone, side),
        **plain,  # type: ignore[arg-type]
    )  # fmt: skip
    settle_rights(delta, base, gold, clone, setting, verdict)
    if delta.rows[BASE_SIDE] is None and set(verdict.axes.values()) <= {BOTH}:
        verdict.axes = {"presence": BOTH}
    verdict.outcome = outcome_of(verdict)
    return verdict


def _content(
    delta: Delta, base: Want | None, gold: Want, clone: Want, setting: Setting, verdict: Verdict
) -> tuple[int, bytes, bytes | None]:
    """(side, content, inline bytes) of the result."""
    was = None if base is None else base.content
    kept = setting.kept_lines(delta) if clone.kind == FILE and gold.content != clone.content else None
    if kept is not None:
        was = hashlib.sha256(kept.base).digest() if kept.base is not None else b"?"  # what neither side has
    word = which_side(was, gold.content, clone.content)
    if word != CONFLICT:
        if word != SAME:
            verdict.axes["content"] = word
        taken = gold if word == GOLD else clone
        return taken.side, taken.content, None
    if clone.kind == FILE:
        merged = setting.merger(delta)
        if merged is not None:
            return _merged(merged, gold, clone, verdict)
    if clone.kind == LINK and (word := _spelling(delta, base, gold, clone, setting)) != CONFLICT:
        verdict.axes["content"] = word
        taken = gold if word == GOLD else clone
        return taken.side, taken.content, None
    values = (was or b"", gold.content, clone.content)
    kind: ConflictKind = "both-added" if base is None else "both-changed"
    said, is_file = _say(kind, clone.kind), clone.kind == FILE
    if is_file and (trouble := setting.trouble(delta)):
        said += f": {trouble}"
    if kept is not None:
        said += "; gold has again what the server had removed from it"
    asked = conflict_at(delta, setting, "content", kind, values, said)
    answer, own = settle_conflict(verdict, asked, setting, own=is_file)
    if answer == CONTENT and own is not None:
        return INLINE, hashlib.sha256(own).digest(), own
    taken = gold if answer == GOLD else clone
    return taken.side, taken.content, None


def _merged(merged: bytes, gold: Want, clone: Want, verdict: Verdict) -> tuple[int, bytes, bytes | None]:
    """A merged content; one that came out as a side's is that side's."""
    digest = hashlib.sha256(merged).digest()
    for word, side in ((GOLD, gold), (CLONE, clone)):
        if side.content == digest:
            verdict.axes["content"] = word
            return side.side, digest, None
    verdict.axes["content"] = MERGED
    return INLINE, digest, merged


def _spelling(delta: Delta, base: Want | None, gold: Want, clone: Want, setting: Setting) -> str:
    """Which side a link follows whose text both sides changed: what only one of them leads elsewhere, else gold's spelling."""
    leads = [
        None if side is None else setting.sameness.link_text(delta.path, side.content) for side in (base, gold, clone)
    ]
    word = which_side(*leads)
    return GOLD if word in (SAME, BOTH) else word


def _say(kind: str, what: str) -> str:
    thing = "file" if what == FILE else "link or device"
    if kind == "both-added":
        return f"gold and the server each added this {thing}, with different contents"
    return f"gold and the server both changed this {thing}"


def _canonical(value: int | bytes | None) -> bytes:
    return b"" if value is None else value if isinstance(value, bytes) else b"%d" % value


def _plain_axis(
    delta: Delta, axis: str, values: tuple[int | bytes | None, int | bytes, int | bytes], setting: Setting,
    verdict: Verdict,
) -> int | bytes:  # fmt: skip
    word = which_side(*values)
    if word == CONFLICT:
        keyed = (_canonical(values[0]), _canonical(values[1]), _canonical(values[2]))
        detail = f"gold and the server set a different {axis}"
        asked = conflict_at(delta, setting, axis, "both-changed", keyed, detail)
        word, _ = settle_conflict(verdict, asked, setting)
    elif word != SAME:
        verdict.axes[axis] = word
    return values[1] if word == GOLD else values[2]


def _flags(delta: Delta, values: tuple[int | None, int, int], setting: Setting, verdict: Verdict) -> int:
    """Inode flags; of those that mean nothing to anybody the clone's stand where both sides changed some."""
    if which_side(*values) != CONFLICT:
        return int(_plain_axis(delta, "flags", values, setting, verdict))
    base, gold, clone = values
    meant = None if base is None else canonical_flags(base), canonical_flags(gold), canonical_flags(clone)
    return int(_plain_axis(delta, "flags", meant, setting, verdict)) | clone & ~canonical_flags(clone)


def _xattrs(
    delta: Delta, sides: tuple[Want | None, Want, Want], won: tuple[int, bytes], setting: Setting, verdict: Verdict
) -> dict[bytes, bytes]:
    """:param won: whose content the result has, and its digest."""
    held = [{} if want is None else want.xattrs for want in sides]
    result: dict[bytes, bytes] = {}
    for name in sorted({name for one in held for name in one}):
        values = (held[0].get(name), held[1].get(name), held[2].get(name))
        if name in SIGNATURES:
            side = _signer(values, won, sides)
            value = None if side == INLINE else values[side]
            if side == INLINE:
                verdict.notes.append(f"{name.decode()} was dropped: it signed a content that was merged")
            elif (word := which_side(*values)) != SAME:
                verdict.axes[_axis_of(name)] = BOTH if word == BOTH else GOLD if side == GOLD_SIDE else CLONE
        elif name in LABELS and which_side(*values) == CONFLICT and None in values:
            value = _label(values)
            verdict.axes[_axis_of(name)] = GOLD if value == values[GOLD_SIDE] else CLONE
        else:
            value = _xattr(delta, name, values, setting, verdict)
        if value is not None:
            result[name] = value
    return result


Values = tuple[bytes | None, bytes | None, bytes | None]  #: one attribute's in base, gold and clone


def _signer(values: Values, won: tuple[int, bytes], sides: tuple[Want | None, Want, Want]) -> int:
    """Whose signature goes with the content of the result: gold may have signed the same bytes again."""
    side, content = won
    _, gold, clone = sides
    if side == INLINE or content != gold.content:
        return side
    only_clones = values[BASE_SIDE] == values[GOLD_SIDE] and clone.content == gold.content
    return CLONE_SIDE if only_clones else GOLD_SIDE


def _label(values: Values) -> bytes | None:
    """A security label that one side has not, and the other two have differently: no label is not a statement."""
    _, gold, clone = values
    return gold if clone is None else clone


def _axis_of(name: bytes) -> str:
    return "xattr:" + name.decode("utf-8", "surrogateescape")


def _xattr(
    delta: Delta, name: bytes, values: Values, setting: Setting, verdict: Verdict,
) -> bytes | None:  # fmt: skip
    axis = _axis_of(name)
    word = which_side(*values)
    if word == CONFLICT:
        # A present, empty value must have another key than an absent one.
        keyed = tuple(b"" if value is None else b"=" + value for value in values)
        detail = "gold and the server set this extended attribute differently"
        asked = conflict_at(delta, setting, axis, "both-changed", (keyed[0], keyed[1], keyed[2]), detail)
        word, _ = settle_conflict(verdict, asked, setting)
    elif word != SAME:
        verdict.axes[axis] = word
    return values[1] if word == GOLD else values[2]


def _mtime(word: str, base: Want | None, gold: Want, clone: Want, side: int) -> int:
    """The time follows the side whose content won; a merged file gets the later of the two."""
    if word == GOLD or (word == CONFLICT and side == GOLD_SIDE):
        return gold.mtime
    if word in (CLONE, CONFLICT):
        return clone.mtime
    if word == SAME and base is not None:
        if base.mtime == gold.mtime:
            return clone.mtime
        if base.mtime == clone.mtime:
            return gold.mtime
    return max(gold.mtime, clone.mtime)


# -- Rights that a file has with whatever it holds: set-user-id, set-group-id, capabilities. Mode, owner and content are
# merged each on its own. So gold's set-user-id would come to stand on a program of the server's that gold never saw, or
# the server's on an owner that it never gave it to: that is less safe than either side, and a person is asked. Where gold
# lets more people read a file into which the server has written, a note says so.

_SET_USER, _SET_GROUP = 0o4000, 0o2000
_CAPABILITY = b"security.capability"

Rights = tuple[bytes, bytes, bytes]  #: whose rights one has who runs it: a user's, a group's, and capabilities

_NONE: Rights = (b"", b"", b"")


def rights_of(want: Want) -> Rights:
    """What running a file gives."""
    user = want.owner if want.mode & _SET_USER else b""
    group = want.group if want.mode & _SET_GROUP else b""
    return user, group, want.xattrs.get(_CAPABILITY, b"")


def settle_rights(delta: Delta, base: Want | None, gold: Want, clone: Want, setting: Setting, verdict: Verdict) -> None:
    """Ask where the rights of a planned file are neither the server's nor gold's with gold's content."""
    want = verdict.want
    if want is None or want.kind != FILE:
        return
    held = rights_of(want)
    if held in (_NONE, rights_of(clone)) or (want.content == gold.content and held == rights_of(gold)):
        _note_readers(base, gold, clone, verdict, want)
        return
    axis = _axis_of_rights(held, rights_of(clone), verdict)
    if axis in verdict.decided or any(conflict.axis == axis for conflict in verdict.conflicts):
        return
    had = _NONE if base is None else rights_of(base)
    values = _rights_said(had), _rights_said(held), _rights_said(rights_of(clone)) + want.content
    detail = "the server's content would be run with rights that gold gave to its own"
    if want.content == gold.content:
        detail = "it would be run with rights that neither gold nor the server gave it"
    asked = conflict_at(delta, setting, axis, "rights-mixed", values, detail)
    if setting.going_back:
        verdict.notes.append(detail)
        answer = CLONE
    else:
        answer, _ = settle_conflict(verdict, asked, setting)
    if answer == CLONE:
        xattrs = {name: value for name, value in want.xattrs.items() if name != _CAPABILITY}
        if _CAPABILITY in clone.xattrs:
            xattrs[_CAPABILITY] = clone.xattrs[_CAPABILITY]
        verdict.want = replace(want, mode=clone.mode, owner=clone.owner, group=clone.group, xattrs=xattrs)


def _axis_of_rights(held: Rights, own: Rights, verdict: Verdict) -> str:
    """Which of the merged axes brings the rights that the server's file has not."""
    if held[2] != own[2]:
        return "xattr:" + _CAPABILITY.decode()
    return next((axis for axis in ("mode", "owner", "group") if axis in verdict.axes), "mode")


def _rights_said(rights: Rights) -> bytes:
    return b"\0".join(rights) + b"\0"


def _note_readers(base: Want | None, gold: Want, clone: Want, verdict: Verdict, want: Want) -> None:
    """Gold lets more people read what the server wrote."""
    is_own = want.content != gold.content and (base is None or want.content != base.content)
    if not is_own or verdict.conflicts:
        return
    others = want.mode & 0o004 and not clone.mode & 0o004
    group = want.mode & 0o040 and not (clone.mode & 0o040 and clone.group == want.group)
    if others or group:
        who = "everybody" if others else f"the group {want.group.decode('utf-8', 'replace')}"
        verdict.notes.append(f"gold lets {who} read it, and what the server wrote is in it")
