"""Rights that a file has with whatever it holds: set-user-id, set-group-id, capabilities.

Mode, owner and content are merged each on its own.  So gold's set-user-id would come to stand on a program of the server's that
gold never saw, or the server's on an owner that it never gave it to: that is less safe than either side, and a person is asked.
Where gold lets more people read a file into which the server has written, a note says so.
"""

from __future__ import annotations

from dataclasses import replace

from goldroot.conflicts import CLONE
from goldroot.merge.compare.compare import Delta
from goldroot.merge.decide.answers import conflict_at, settle_conflict
from goldroot.merge.decide.verdict import Setting, Verdict, Want
from goldroot.tree import FILE

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
    axis = _axis(held, rights_of(clone), verdict)
    if axis in verdict.decided or any(conflict.axis == axis for conflict in verdict.conflicts):
        return
    had = _NONE if base is None else rights_of(base)
    values = _said(had), _said(held), _said(rights_of(clone)) + want.content
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


def _axis(held: Rights, own: Rights, verdict: Verdict) -> str:
    """Which of the merged axes brings the rights that the server's file has not."""
    if held[2] != own[2]:
        return "xattr:" + _CAPABILITY.decode()
    return next((axis for axis in ("mode", "owner", "group") if axis in verdict.axes), "mode")


def _said(rights: Rights) -> bytes:
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
