"""Tables that are merged by key: hosts(5), aliases(5), fstab(5); dpkg's overrides of owners and its diversions.

The clone's lines, with what gold changed of single keys.  By lines, an address that both sides added at different places
would stand twice, and two that stand beside each other would be a conflict.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from goldroot.merge.decide.fstab import parse_fstab, parse_line
from goldroot.merge.decide.line_sets import final_newline, insert_lines, join_lines, split_lines
from goldroot.merge.decide.text import TextMerger
from goldroot.merge.special import OVERRIDES
from goldroot.tree import path_text, some_names, some_paths

COMMENT = b"#"


class Item(NamedTuple):
    """One line, or several that continue each other."""

    key: bytes  #: ``b""`` for layout; begins with ``#`` for a comment, which is told apart by its text
    value: tuple[bytes, ...]  #: what is merged
    text: bytes  #: as it stands in the file, without the newline at its end

    @property
    def is_comment(self) -> bool:
        return self.key.startswith(COMMENT)


Items = Sequence[Item]
#: (key, base's, gold's, the clone's items of it) -> the items of the result; ``None``: a person has to say.
Both = Callable[[Items, Items, Items], Items | None]


class Kind(NamedTuple):
    """One kind of table."""

    parse: Callable[[bytes], list[Item] | None]  #: ``None``: it cannot be told what is a key
    both: Both  #: what becomes of a key that both sides changed
    place: Callable[[list[Item], set[bytes]], list[Item]] = lambda items, added: items  #: moves what gold added
    #: (merged, gold's, the clone's bytes) -> why the result may not stand without a person; "" where it may
    trouble: Callable[[bytes, bytes, bytes], str] = lambda merged, gold, clone: ""


def merge_keyed(kind: Kind, base: bytes, gold: bytes, clone: bytes) -> list[Item] | None:
    """The items of the merged table; ``None`` where a key was changed in two ways.

    :raises NotKeyed: a side is no such table.
    """
    sides = [kind.parse(side) for side in (base, gold, clone)]
    decided: dict[bytes, Items] = {}
    for key, items in _decided(kind, sides):
        if items is None:
            return None
        decided[key] = items
    return kind.place(*_in_order(sides[1] or [], sides[2] or [], decided))


def changed_twice(kind: Kind, base: bytes, gold: bytes, clone: bytes) -> list[bytes]:
    """The keys that both sides changed, differently.

    :raises NotKeyed: a side is no such table.
    """
    sides = [kind.parse(side) for side in (base, gold, clone)]
    return [key for key, items in _decided(kind, sides) if items is None]


def _decided(kind: Kind, sides: Sequence[list[Item] | None]) -> Iterator[tuple[bytes, Items | None]]:
    tables = [_by_key(side) for side in sides if side is not None]
    if len(tables) < 3:
        raise NotKeyed
    for key in {**tables[2], **tables[1]}:
        was, golds, clones = (table.get(key, ()) for table in tables)
        yield key, _comments(was, golds, clones) if key.startswith(COMMENT) else _decide(kind, was, golds, clones)


class NotKeyed(Exception):
    """A text is not a table of its kind: it is merged as any other text."""


def text_of(items: Iterable[Item], base: bytes, gold: bytes, clone: bytes) -> bytes:
    """A table's bytes; whether its last line is ended is merged from the three sides."""
    return join_lines([item.text for item in items], final_newline(base, gold, clone))


def _by_key(items: Items) -> dict[bytes, Items]:
    table: dict[bytes, list[Item]] = {}
    for item in items:
        if item.key:
            table.setdefault(item.key, []).append(item)
    return {**table}


def _decide(kind: Kind, was: Items, golds: Items, clones: Items) -> Items | None:
    if [item.text for item in clones] == [item.text for item in was]:
        return golds  # raw first: another spelling of the same is gold's to choose, where the clone has none of its own
    base, gold, clone = ([item.value for item in items] for items in (was, golds, clones))
    if gold in (base, clone):
        return clones
    if clone == base:
        return golds
    if not golds or not clones:
        return None
    return kind.both(was, golds, clones)


def _comments(was: Items, golds: Items, clones: Items) -> Items:
    """A comment that gold removed goes, one that it added comes; how often it stands is nobody's concern."""
    if was and not golds:
        return ()
    return golds[:1] if golds and not was and not clones else clones


def _in_order(gold: Items, clone: Items, decided: Mapping[bytes, Items]) -> tuple[list[Item], set[bytes]]:
    """The clone's order; what it lacks behind the line that it follows in gold.  And the keys that it lacked."""
    own = _by_key(clone)
    written: set[bytes] = set()
    kept: list[Item] = []
    for item in clone:
        if not item.key or decided[item.key] == own[item.key]:
            kept.append(item)
        elif item.key not in written:
            kept += decided[item.key]
        written.add(item.key)
    missing = {key for key, items in decided.items() if items and key not in written}
    once = [_joined(decided, gold, key) for key in dict.fromkeys(item.key for item in gold) if key]
    return insert_lines(kept, once, missing, lambda item: item.key), missing


def _joined(decided: Mapping[bytes, Items], gold: Items, key: bytes) -> Item:
    """All items of a key as one: a key that is new arrives with all of its lines."""
    items = decided[key] or [item for item in gold if item.key == key]
    return Item(key, items[0].value, b"\n".join(item.text for item in items))


# -- Which tables there are, and what is a key and what a value in each


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


DIVERSIONS = b"/var/lib/dpkg/diversions"

HOSTS = Kind(_hosts, _both_hosts, trouble=_two_addresses)
ALIASES = Kind(_aliases, _refuse)
FSTAB = Kind(_fstab, _refuse, place=_parents_first, trouble=_hindrances)
_KINDS = {
    b"/etc/hosts": HOSTS, b"/etc/fstab": FSTAB,
    b"/etc/aliases": ALIASES, b"/etc/mail/aliases": ALIASES, b"/etc/postfix/aliases": ALIASES,
    OVERRIDES: Kind(_statoverride, _refuse), DIVERSIONS: Kind(_diversions, _refuse),
}  # fmt: skip
