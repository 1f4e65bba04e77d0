"""Three-way merge of tables in which each line has a key: the clone's lines, with what gold changed of single keys.

``/etc/hosts``, ``/etc/aliases`` and ``/etc/fstab`` are such; what is a key and what a value :mod:`goldroot.merge.decide.tables` says.
By lines, an address that both sides added at different places would stand twice, and two that stand beside each other
would be a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from goldroot.merge.decide.line_sets import final_newline, insert_lines, join_lines

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
