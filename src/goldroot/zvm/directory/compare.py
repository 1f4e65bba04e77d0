"""Comparison of entries by meaning: the directory manager rewrites case, padding, leading zeros and order.

Order counts only where it means something: CP commands, and NICDEF statements of one address.  Comments, the
directory manager's own (``*DVHOPT``, ``*PW=`` ...) included, mean nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from goldroot.zvm.directory import redact
from goldroot.zvm.directory.model import Entry
from goldroot.zvm.directory.secret import MASK, Secret
from goldroot.zvm.directory.shapes import kib
from goldroot.zvm.directory.statement import Statement, address_of, is_address
from goldroot.zvm.directory.views import (
    Command,
    Device,
    DiskOption,
    Ipl,
    Link,
    Mdisk,
    Nicdef,
    Option,
    Plain,
    User,
    View,
    view,
)

#: OPTION words that take an operand.
_OPTION_TAKES_ONE = frozenset({"MAXCONN", "CPUID", "MAXVCPUS", "LANGUAGE"})
#: Plain statements whose operands are a list: one statement of two names is two statements of one.
_LISTS = frozenset({"LOGONBY", "AUTOLOG", "XAUTOLOG"})


class Item(NamedTuple):
    """One thing that an entry says: ``key`` finds its counterpart, ``said`` is compared."""

    key: tuple[str, ...]
    said: View
    statements: tuple[Statement, ...]
    #: the end of a statement that was cut, as ``redact.is_rest`` says
    rest: bool = False

    def shown(self) -> str:
        """The statement as it may be shown, on one line."""
        said = [redact.lines(statement, rest=self.rest) for statement in self.statements]
        lines = [" ".join(line.split()) for one in said for line in one]
        return "; ".join(line for line in lines if line)

    @property
    def label(self) -> str:
        """The key as it may be shown."""
        return MASK if self.rest else redact.field(" ".join(self.key))


class Difference(NamedTuple):
    """One difference between two entries.  ``fields``: name, before and after, of what changed within a statement."""

    kind: str
    what: str
    before: str
    after: str
    fields: tuple[tuple[str, str, str], ...]

    def text(self) -> str:
        """One line for a person."""
        if self.kind == "changed":
            return f"~ {self.what}: " + ", ".join(f"{name} {a or '-'} -> {b or '-'}" for name, a, b in self.fields)
        return f"- {self.before}" if self.kind == "removed" else f"+ {self.after}"


def meaning(entry: Entry) -> dict[tuple[str, ...], list[View]]:
    """What an entry says, in a form that is equal for entries that mean the same."""
    found: dict[tuple[str, ...], list[View]] = {}
    for item in items(entry):
        found.setdefault(item.key, []).append(item.said)
    return {key: said if key[0] in ("COMMAND", "NICDEF") else sorted(said, key=_order) for key, said in found.items()}


def same_meaning(one: Entry, other: Entry) -> bool:
    """Whether two entries say the same, however they are written."""
    return meaning(one) == meaning(other)


def differences(before: Entry, after: Entry) -> list[Difference]:
    """What ``after`` says otherwise than ``before``, for a person: passwords are compared and never shown."""
    old, new = list(items(before)), list(items(after))
    _strike(old, new, lambda item: (item.key, item.said))
    found = [_changed(a, b) for a, b in _strike(old, new, lambda item: item.key)]
    found += [_changed(a, b) for a, b in _strike(old, new, _device)]
    found += [Difference("removed", item.label, item.shown(), "", ()) for item in old]
    found += [Difference("added", item.label, "", item.shown(), ()) for item in new]
    kept = [item.said for item in items(before) if item.key == ("COMMAND",)]
    if not found and kept != [item.said for item in items(after) if item.key == ("COMMAND",)]:
        found.append(Difference("changed", "COMMAND", "", "", (("order", "as before", "another"),)))
    return found


def _device(item: Item) -> tuple[str, ...]:
    """A second way to find the counterpart: the same kind of device at the same address."""
    where = getattr(item.said, "address", "")
    return (item.key[0], where) if where else ("", str(id(item)))


def _strike(old: list[Item], new: list[Item], key: Callable[[Item], object]) -> list[tuple[Item, Item]]:
    """Takes the pairs of equal ``key`` out of both lists and returns them."""
    waiting: dict[object, list[Item]] = {}
    for item in reversed(new):
        waiting.setdefault(key(item), []).append(item)
    pairs = [(item, match.pop()) for item in old if (match := waiting.get(key(item)))]
    struck = {id(item) for pair in pairs for item in pair}
    old[:] = [item for item in old if id(item) not in struck]
    new[:] = [item for item in new if id(item) not in struck]
    return pairs


def _changed(before: Item, after: Item) -> Difference:
    fields = []
    if type(before.said) is type(after.said) and not isinstance(before.said, Plain | Command):
        pairs = zip(before.said._asdict().items(), after.said._asdict().values(), strict=True)
        fields = [(name, *_both(a, b)) for (name, a), b in pairs if a != b]
    else:
        fields = [("operands", _rest(before), _rest(after))]
    return Difference("changed", after.label, before.shown(), after.shown(), tuple(fields))


def _rest(item: Item) -> str:
    return item.shown().partition(" ")[2]


def _both(before: object, after: object) -> tuple[str, str]:
    if isinstance(before, Secret) or isinstance(after, Secret):
        return ("(set)" if before else "", ("(another)" if before else "(set)") if after else "")
    return redact.field(_plain(before)), redact.field(_plain(after))


def _plain(value: object) -> str:
    if isinstance(value, DiskOption):
        return " ".join((value.kind, *value.options))
    if isinstance(value, tuple):
        return " ".join(_plain(part) for part in value)
    return str(value)


def items(entry: Entry) -> Iterator[Item]:
    """The things that an entry says, normalised."""
    before: Statement | None = None
    for statement, options in entry.with_options():
        rest = redact.is_rest(before, statement)
        before = before if rest else statement
        for said in _normal(statement, view(statement, options)):
            yield Item(_key(statement.keyword, said), said, (statement, *options), rest)


def _key(keyword: str, said: View) -> tuple[str, ...]:
    """What identifies a thing while it changes: the extent for a minidisk, so that it is found at another address."""
    if isinstance(said, Mdisk):
        extent = (said.volume, said.start, said.size)
        return (keyword, *extent) if said.disktype == "PERM" and said.start.isdigit() else (keyword, said.address)
    if isinstance(said, Link | Nicdef | Device):
        return (keyword, said.address)
    if isinstance(said, User | Ipl) or keyword in ("MACHINE", "INCLUDE", "COMMAND", "SUBCONFIG", "PROFILE"):
        return ("USER",) if isinstance(said, User) else (keyword,)
    if isinstance(said, Option):
        return (keyword, *said.options[:1])
    words = said.words if isinstance(said, Plain) else ()
    return (keyword, *(word for word in words[:1] if isinstance(word, str)))


def _normal(statement: Statement, said: View) -> list[View]:
    """A view with defaults filled in and numbers and case made one; OPTION and lists taken apart."""
    if isinstance(said, Option):
        return list(_single_options(said.options))
    if isinstance(said, Plain):
        words = _upper(statement.tail)
        if said.keyword in _LISTS:
            return [Plain(said.keyword, (word,)) for word in words]
        if said.keyword == "CPU" and words:
            words = (words[0].zfill(2), *words[1:])
        if said.keyword == "CLASS":
            words = tuple("".join(sorted(set(word))) for word in words)
        words = tuple(_kib(word) for word in words) if "STOR" in said.keyword else words
        hidden = any(isinstance(word, Secret) for word in said.words)
        return [Plain(said.keyword, tuple(Secret(word) for word in words) if hidden else words)]
    return [_one(said)]


def _one(said: View) -> View:
    if isinstance(said, Mdisk):
        options = tuple(sorted(said.options))
        start, size = _number(said.start), _number(said.size)
        return said._replace(vdev=said.address, start=start, size=size, mode=said.mode or "W", options=options)
    if isinstance(said, Link):
        return said._replace(vdev1=address_of(said.vdev1), vdev2=said.address)
    if isinstance(said, User):
        classes = "".join(sorted(set(said.classes)))
        return said._replace(storage=_kib(said.storage), maximum=_kib(said.maximum), classes=classes)
    if isinstance(said, Device):
        default = {"SPOOL": ("A",), "CONSOLE": ("T",)}.get(said.kind, ())
        device = address_of(said.devtype) if said.kind == "DEDICATE" else said.devtype
        return said._replace(vdev=said.address, devtype=device, rest=said.rest or default)
    if isinstance(said, Nicdef):
        return said._replace(vdev=said.address, operands=tuple(sorted(said.operands)))
    if isinstance(said, Ipl):
        is_device = is_address(said.system) and said.system[0].isdigit()
        system = address_of(said.system) if is_device else said.system
        return said._replace(system=system, parm=" ".join(_upper(said.parm)))
    return said._replace(text=Secret(" ".join(_upper(said.text.reveal())))) if isinstance(said, Command) else said


def _single_options(options: tuple[str, ...]) -> Iterator[Option]:
    words = iter(options)
    for word in words:
        yield Option((word, next(words, "")) if word in _OPTION_TAKES_ONE else (word,))


def _upper(text: str) -> tuple[str, ...]:
    """Words in capitals; what stands in quotes keeps its case and its blanks."""
    return tuple(word if "'" in word else word.upper() for word in re.findall(r"(?:'[^']*'|[^\s'])+|'", text))


def _number(word: str) -> str:
    return str(int(word)) if word.isascii() and word.isdigit() and len(word) < 20 else word


def _kib(word: str) -> str:
    """A storage size in KiB, so that 1024M equals 1G; other words as they are."""
    size = kib(word)
    return f"{size}K" if size is not None else word.upper()


def _order(said: View) -> str:
    """A stable order for what has none, without comparing passwords as text in a message."""
    return repr([part.reveal() if isinstance(part, Secret) else part for part in said])
