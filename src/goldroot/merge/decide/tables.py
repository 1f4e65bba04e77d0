"""Tables that are merged by key: hosts(5), aliases(5), fstab(5); dpkg's overrides of owners and its diversions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from goldroot.merge.decide.fstab import parse_fstab, parse_line
from goldroot.merge.decide.keyed_lines import (
    COMMENT,
    Item,
    Items,
    Kind,
    NotKeyed,
    changed_twice,
    merge_keyed,
    text_of,
)
from goldroot.merge.decide.line_sets import split_lines
from goldroot.tree import path_text, some_names, some_paths

TextMerger = Callable[[bytes, bytes, bytes], bytes | None]


def merge_table(kind: Kind, by_lines: TextMerger, base: bytes, gold: bytes, clone: bytes) -> bytes | None:
    """Merge three tables by key; a text that is none of its kind is merged ``by_lines``.  ``None``: a person has to say."""
    try:
        items = merge_keyed(kind, base, gold, clone)
    except NotKeyed:
        merged = by_lines(base, gold, clone)
    else:
        merged = None if items is None else text_of(items, base, gold, clone)
    return merged if merged is not None and not kind.trouble(merged, gold, clone) else None


def trouble_of(kind: Kind, base: bytes, gold: bytes, clone: bytes) -> str:
    """What of three tables a person has to decide; "" where nobody can say it in a line."""
    try:
        keys = changed_twice(kind, base, gold, clone)
        items = merge_keyed(kind, base, gold, clone)
    except NotKeyed:
        return ""
    if keys:
        return f"both changed {', '.join(map(path_text, keys))}"
    return "" if items is None else kind.trouble(text_of(items, base, gold, clone), gold, clone)


def kind_of(place: bytes) -> Kind | None:
    """What table a path of the system is."""
    return _KINDS.get(place)


def _layout(line: bytes) -> Item | None:
    """A blank line or a comment."""
    said = line.strip()
    if not said:
        return Item(b"", (), line)
    return Item(COMMENT + said, (said,), line) if said.startswith(COMMENT) else None


# -- hosts

#: Where Debian has the host's own name (hosts(5) of Debian, `goldroot clone create`).
OWN_NAME = b"127.0.1.1"


def _hosts(content: bytes) -> list[Item] | None:
    try:
        return [_layout(line) or _host_item(line) for line in split_lines(content)]
    except ValueError:
        return None  # what stands first in a line is not an address


def _host_item(line: bytes) -> Item:
    words = line.partition(COMMENT)[0].split()
    names = [*dict.fromkeys(words[1:])]
    return Item(_address(words[0]), (b" ".join(names[:1]), b" ".join(sorted(names[1:])), _remark(line)), line)


def _address(word: bytes) -> bytes:
    """An address in its one spelling.

    :raises ValueError: it is not an address.
    """
    return str(ipaddress.ip_address(word.decode("ascii"))).encode()


def _remark(line: bytes) -> bytes:
    _, mark, remark = line.partition(COMMENT)
    return (mark + remark).strip()


def _names(line: bytes) -> list[bytes]:
    return [*dict.fromkeys(line.partition(COMMENT)[0].split()[1:])]


def _both_hosts(was: Items, golds: Items, clones: Items) -> Items | None:
    """One line: its first name as a value, its other names as a set.  Debian's line of the host's own name is the server's."""
    if clones[0].key == OWN_NAME:
        return clones
    if max(map(len, (was, golds, clones))) > 1:
        return None
    lines = [items[0].text if items else b"" for items in (was, golds, clones)]
    base, gold, clone = (_names(line) if line else [] for line in lines)
    firsts = [names[0] if names else b"" for names in (base, gold, clone)]
    if firsts[1] != firsts[2] and firsts[0] not in firsts[1:]:
        return None
    first = firsts[1] if firsts[2] == firsts[0] else firsts[2]
    kept = [name for name in clone if name in gold or name not in base]
    names = [first, *(name for name in [*kept, *(n for n in gold if n not in base)] if name != first)]
    remarks = [_remark(line) for line in lines]
    remark = remarks[1] if remarks[2] == remarks[0] else remarks[2]
    found = re.match(rb"\s*\S+\s+", lines[2])
    head = found[0] if found else lines[2].split()[0] + b"\t"
    text = head + b" ".join(dict.fromkeys(names)) + (b"  " + remark if remark else b"")
    return [_host_item(text)]


def _two_addresses(merged: bytes, gold: bytes, clone: bytes) -> str:
    """Which names have come to two addresses of one family that they had on neither side."""
    known = [_addresses(side) for side in (gold, clone)]
    names = [
        f"{path_text(key[1])} ({some_paths(sorted(found))})"
        for key, found in _addresses(merged).items()
        if len(found) > 1 and not any(found <= side.get(key, set()) for side in known)
    ]
    return f"a name would get two addresses of one family: {some_names(names)}" if names else ""


def _addresses(content: bytes) -> dict[tuple[int, bytes], set[bytes]]:
    found: dict[tuple[int, bytes], set[bytes]] = {}
    for item in _hosts(content) or ():
        if item.key and not item.is_comment:
            family = 6 if b":" in item.key else 4
            for name in _names(item.text):
                found.setdefault((family, name.lower()), set()).add(item.key)
    return found


# -- aliases


def _aliases(content: bytes) -> list[Item] | None:
    items: list[Item] = []
    for line in split_lines(content):
        layout = _layout(line)
        if layout is None and line[:1] in (b" ", b"\t"):
            if not items or not items[-1].key or items[-1].is_comment:
                return None  # it continues a line across a comment
            items[-1] = _alias_item(items[-1].text + b"\n" + line)
        else:
            items.append(layout or _alias_item(line))
    return items


def _alias_item(text: bytes) -> Item:
    found = re.match(rb'\s*("(?:[^"\\]|\\.)*"|[^:"]*?)\s*:(.*)', text, re.DOTALL)
    if found is None:
        return Item(text.strip(), (text.strip(),), text)
    return Item(found[1].strip(b'"').lower() or b":", (b" ".join(found[2].split()),), text)


# -- fstab


def _fstab(content: bytes) -> list[Item] | None:
    items = [_layout(line) or _mount_item(line) for line in split_lines(content)]
    keys = [item.key for item in items if item.key and not item.is_comment]
    return items if len(keys) == len(set(keys)) else None


def _mount_item(line: bytes) -> Item:
    words, mount = tuple(line.split()), parse_line(line)
    if mount is None or not mount.point.startswith(b"/"):
        return Item(b" ".join(words), words, line)
    return Item(mount.point, (mount.source, *words[2:]), line)


def _parents_first(items: list[Item], added: set[bytes]) -> list[Item]:
    """Gold's new lines behind those of the directories above, and before those below."""
    result = list(items)
    for item in items:
        if item.key in added and item.key.startswith(b"/"):
            result.remove(item)
            above = [place for place, one in enumerate(result) if _is_above(one.key, item.key)]
            below = [place for place, one in enumerate(result) if _is_above(item.key, one.key)]
            least, most = max(above, default=-1) + 1, min(below, default=len(result))
            result.insert(max(least, min(items.index(item), most)), item)
    return result


def _is_above(mount: bytes, other: bytes) -> bool:
    return mount.startswith(b"/") and other != mount and other.startswith(mount.rstrip(b"/") + b"/")


def _hindrances(merged: bytes, gold: bytes, clone: bytes) -> str:
    """The lines of gold's that make the server wait at boot for a device that its own table does not know."""
    own = parse_fstab(clone)
    devices = {line.device for line in own}
    lines = [
        path_text(b" ".join((line.source, line.point, line.kind)))
        for line in parse_fstab(merged)
        if line.device and line.device not in devices and not line.lenient
    ]
    shown = "; ".join(lines)
    return f"the server would wait at boot for a device that its table does not know: {shown}" if shown else ""


def _refuse(was: Items, golds: Items, clones: Items) -> None:
    """Values that are a whole: no answer."""


# -- dpkg


class Override(NamedTuple):
    """One line of dpkg-statoverride(1)."""

    user: bytes
    group: bytes
    mode: bytes
    path: bytes


def overrides(content: bytes) -> list[Override]:
    """The overrides of a file's bytes; other lines are left out."""
    words = (line.split(None, 3) for line in split_lines(content))
    return [Override(*each) for each in words if len(each) == 4]


def _statoverride(content: bytes) -> list[Item] | None:
    items = []
    for line in split_lines(content):
        words = line.split(None, 3)
        if len(words) != 4:
            return None
        items.append(Item(words[3], tuple(words), line))
    return items


def _diversions(content: bytes) -> list[Item] | None:
    """dpkg-divert(1): each is three lines, the path, where to, and the package."""
    lines = split_lines(content)
    if len(lines) % 3:
        return None
    triples = zip(lines[::3], lines[1::3], lines[2::3], strict=True)
    return [Item(path, (where, package), b"\n".join((path, where, package))) for path, where, package in triples]


STATOVERRIDE, DIVERSIONS = b"/var/lib/dpkg/statoverride", b"/var/lib/dpkg/diversions"

HOSTS = Kind(_hosts, _both_hosts, trouble=_two_addresses)
ALIASES = Kind(_aliases, _refuse)
FSTAB = Kind(_fstab, _refuse, place=_parents_first, trouble=_hindrances)
_KINDS = {
    b"/etc/hosts": HOSTS, b"/etc/fstab": FSTAB,
    b"/etc/aliases": ALIASES, b"/etc/mail/aliases": ALIASES, b"/etc/postfix/aliases": ALIASES,
    STATOVERRIDE: Kind(_statoverride, _refuse), DIVERSIONS: Kind(_diversions, _refuse),
}  # fmt: skip
