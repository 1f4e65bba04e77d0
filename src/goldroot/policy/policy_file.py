"""Reading a policy file: TOML in, rules as they were written out, every mistake with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from goldroot import toml
from goldroot.errors import BadPolicy, did_you_mean
from goldroot.policy import pattern
from goldroot.policy.pattern import Branch

CONFIG, OPAQUE, STATE, GOLD, CLONE = "config", "opaque", "state", "gold", "clone"
IDENTITY, CACHE, GENERATED, LINES, ACCOUNTS = "identity", "cache", "generated", "lines", "accounts"
#: Whose the numbers of owners are: of the server's accounts, or of another system.
NAMES, NUMERIC = "names", "numeric"

#: What is done with a finding about a state unit.
ASK, NOTE = "ask", "note"

#: Class -> what it does, in a line.
CLASSES = {
    CONFIG: "three-way merge; conflicts are reviewed",
    OPAQUE: "three-way, but never merged inside a file",
    STATE: "merged by unit, never file by file: the clone's unit if the clone changed it, else gold's",
    GOLD: "gold's, always; a differing file of the clone is noted",
    CLONE: "the clone's, always",
    IDENTITY: "the clone's, always, and unique in the fleet",
    CACHE: "gold's; the clone keeps its own directories, empty",
    GENERATED: "made again inside the merged system by the rule's rebuild command",
    LINES: "each line an element of a set; both sides' additions and removals",
    ACCOUNTS: "by record and field, as account tables",
}

#: The families of systems that rules tell apart.
FAMILIES = DEBIAN, UBUNTU, SUSE, REDHAT = ("debian", "ubuntu", "suse", "redhat")

TOP_KEYS = {"extends": str, "conflict": str, "rule": list}
RULE_KEYS: dict[str, type] = {
    "path": str, "paths": list, "class": str, "secret": bool, "pin": bool, "owner": str, "reason": str,
    "rebuild": str, "migrate": str, "always": str, "whole": bool, "owners": str, "gone": str, "references": str,
    "mkdir": bool, "family": str, "required": bool,
}  # fmt: skip
#: Keys that mean something for one class only.
ONLY_WITH = {
    "rebuild": GENERATED,
    "always": GENERATED,
    "required": GENERATED,
    "migrate": STATE,
    "whole": STATE,
    "gone": STATE,
    "references": STATE,
    "mkdir": STATE,
}
#: Of these, what a rule without a class may add to a state rule.
ADDED = ("migrate", "gone", "references", "mkdir")
CHOICES = {
    "extends": ("default", "none"), "conflict": ("clone", "gold"), "class": tuple(CLASSES), "always": ("gold",),
    "owners": (NUMERIC, NAMES), "gone": (ASK, NOTE), "references": (ASK, NOTE), "family": FAMILIES,
}  # fmt: skip

_TYPE_NAMES = {
    str: "a string", bool: "true or false", list: "a list", int: "a number", float: "a number", dict: "a table",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One path of one ``[[rule]]``, as written.  ``keys`` holds only what was said; a rule may leave the class open and
    only add to what earlier rules say."""

    pattern: str
    keys: Mapping[str, Any]
    where: str  #: for people: ``default policy, line 12``
    file: str
    line: int
    branches: tuple[Branch, ...] = field(compare=False, repr=False)

    @property
    def family(self) -> str:
        """The family of systems that the rule is for; "" for all."""
        return str(self.keys.get("family", ""))

    @property
    def cls(self) -> str | None:
        """The class, ``None`` where the rule leaves it as it is."""
        return self.keys.get("class")


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy file: what it builds on, which side stands at a conflict (``None``: not said), its rules in order."""

    extends: str
    conflict: str | None
    rules: tuple[WrittenRule, ...]


def parse(data: bytes, file: str) -> PolicyFile:
    """Read the bytes of a policy file; ``file`` is its name for messages.

    :raises BadPolicy: with the line, and what to write instead where that can be guessed.
    """
    text = _decode(data, file)
    todo = 'A rule is written:  [[rule]]  then, each on its line:  path = "/etc/x"  class = "config"'
    try:
        document, found = toml.load(text, file, brief="not TOML", todo=todo)
    except RecursionError:
        raise BadPolicy("this is nested too deeply to be a policy", file=file) from None
    return _Reader(file, found).read(document)


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPolicy(
            f"byte {data[error.start]:#04x} is not UTF-8",
            file=file,
            line=data.count(b"\n", 0, error.start) + 1,
            todo="Save the file as UTF-8; a byte of a file's name is written as '\\xNN' in single quotes.",
        ) from None


class _Reader:
    """Turns one parsed document into rules; knows where everything stands."""

    def __init__(self, file: str, found: Mapping[toml.Place, int]) -> None:
        self.file = file
        self.found = found

    def read(self, document: Mapping[str, Any]) -> PolicyFile:
        self._check_keys(document, TOP_KEYS, (), "a policy file")
        rules = document.get("rule", [])
        written = [rule for number, table in enumerate(rules) for rule in self._rule(table, ("rule", number))]
        return PolicyFile(document.get("extends", "default"), document.get("conflict"), tuple(written))

    def _bad(self, brief: str, place: toml.Place, todo: str = "") -> BadPolicy:
        while place and place not in self.found:
            place = place[:-1]
        return BadPolicy(brief, file=self.file, line=self.found.get(place, 1), todo=todo)

    def _check_keys(self, table: Mapping[str, Any], known: Mapping[str, type], place: toml.Place, what: str) -> None:
        for key, value in table.items():
            here = (*place, key)
            if key not in known:
                raise self._bad(f"{key!r} is not a key of {what}", here, suggestion(key, known))
            if type(value) is not known[key]:
                raise self._bad(
                    f"{key!r} must be {_TYPE_NAMES[known[key]]}, not {_TYPE_NAMES.get(type(value), 'a date or time')}",
                    here,
                    "Tables of rules are headed [[rule]], with two brackets." if key == "rule" else "",
                )
            if key in CHOICES and value not in CHOICES[key]:
                raise self._bad(f"{key!r} cannot be {value!r}", here, suggestion(str(value), CHOICES[key]))

    def _rule(self, table: Any, place: toml.Place) -> list[WrittenRule]:
        if not isinstance(table, dict):
            raise self._bad("a rule must be a table, headed [[rule]]", place)
        self._check_keys(table, RULE_KEYS, place, "a rule")
        self._check_sense(table, place)
        keys = {key: value for key, value in table.items() if key not in ("path", "paths")}
        return [self._written(path, keys, where) for path, where in self._paths(table, place)]

    def _check_sense(self, table: Mapping[str, Any], place: toml.Place) -> None:
        """What a rule cannot mean, although each of its keys is right."""
        cls = table.get("class")
        if "path" not in table and "paths" not in table:
            raise self._bad("a rule without a path", place, 'Add, for example: path = "/etc/example.conf"')
        for key, only in ONLY_WITH.items():
            if key in table and cls != only and not (key in ADDED and cls is None):
                raise self._bad(f"{key!r} has a meaning only with class = {only!r}", (*place, key))
        if cls == GENERATED and not table.get("rebuild", "").strip():
            raise self._bad("a generated file needs the command that makes it", place, 'Add: rebuild = "COMMAND"')
        if cls == STATE and "migrate" in table and "whole" not in table:
            raise self._bad(
                "a state rule with 'migrate' must say what it migrates",
                (*place, "migrate"),
                "Add whole = true (the path itself is one unit) or whole = false (each entry below it is one).",
            )
        if not set(table) - {"path", "paths", "owner", "reason", "family"}:
            raise self._bad("a rule that decides nothing", place, "Add class, secret, pin or owners.")

    def _paths(self, table: Mapping[str, Any], place: toml.Place) -> Iterable[tuple[str, toml.Place]]:
        if "path" in table:
            if "paths" in table:
                raise self._bad("a rule has 'path' or 'paths', not both", (*place, "paths"))
            return [(table["path"], (*place, "path"))]
        if not table["paths"]:
            raise self._bad("'paths' is empty", (*place, "paths"))
        return [(path, (*place, "paths", number)) for number, path in enumerate(table["paths"])]

    def _written(self, path: Any, keys: Mapping[str, Any], place: toml.Place) -> WrittenRule:
        if not isinstance(path, str):
            raise self._bad("each of 'paths' must be a string", place)
        try:
            branches = pattern.parse(path)
        except ValueError as error:
            raise self._bad(f"path {path!r}: {error}", place) from None
        line = self.found.get(place, 1)
        return WrittenRule(path, keys, f"{self.file}, line {line}", self.file, line, branches)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What was perhaps meant, and all that is known."""
    return f"{did_you_mean(word.lower(), known)} Known: {', '.join(known)}.".lstrip()
