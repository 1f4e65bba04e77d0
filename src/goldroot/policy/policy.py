"""Which rule decides about a path: ordered rules, the last match wins, as in ``.gitignore``."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from goldroot.errors import BadPolicy
from goldroot.files import read_given
from goldroot.policy import policy_file
from goldroot.policy.pattern import LITERAL, Matched, Matcher
from goldroot.policy.policy_file import (
    ACCOUNTS,
    ASK,
    CACHE,
    CLONE,
    CONFIG,
    DEBIAN,
    GENERATED,
    GOLD,
    IDENTITY,
    LINES,
    NAMES,
    NUMERIC,
    OPAQUE,
    REDHAT,
    STATE,
    SUSE,
    UBUNTU,
    WrittenRule,
)

#: ID or a word of ID_LIKE -> family.
_FAMILIES = {
    "ubuntu": UBUNTU, "debian": DEBIAN,
    "suse": SUSE, "opensuse": SUSE, "sles": SUSE, "sled": SUSE, "sle": SUSE, "sle-micro": SUSE, "sl-micro": SUSE,
    "rhel": REDHAT, "fedora": REDHAT, "centos": REDHAT, "rocky": REDHAT, "almalinux": REDHAT, "ol": REDHAT, "amzn": REDHAT,
}  # fmt: skip


def family_of(os_release: bytes | str) -> str:
    """``debian``, ``ubuntu``, ``suse`` or ``redhat``; "" for another system.

    :param os_release: what the file says; ID counts before ID_LIKE, whose words stand in the order of likeness.
    """
    text = os_release if isinstance(os_release, str) else os_release.decode("utf-8", "replace")
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition("=")
        try:
            said[name] = " ".join(shlex.split(value)).lower().split()
        except ValueError:
            continue
    words = [*said.get("ID", []), *said.get("ID_LIKE", [])]
    found = (_FAMILIES.get(word) or (SUSE if word.startswith("opensuse") else "") for word in words)
    return next((family for family in found if family), "")


__all__ = [
    "ACCOUNTS", "CACHE", "CLONE", "CONFIG", "GENERATED", "GOLD", "IDENTITY", "LINES", "NAMES", "NUMERIC", "OPAQUE", "STATE",
    "Explanation", "Policy", "Rule", "default_text",
]  # fmt: skip

DEFAULT_NAME = "default policy"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """The rule that decides about a path, with what other rules add to it.

    Two are equal when the same written rule decides, even where another rule adds, say, ``secret`` to one of them.
    """

    index: int  #: place among the policy's rules, from 0; -1 where no rule matches
    pattern: str
    cls: str  #: one of the ten classes
    where: str  #: for people: ``default policy, line 12``
    secret: bool = False  #: merged, but never shown
    pin: bool = False  #: the clone keeps it even where it equals base
    whole: bool = False  #: state: the rule's path itself is the unit, not each entry below it
    owner: str = ""  #: the person or team that answers for it
    reason: str = ""
    rebuild: str = ""  #: generated: the command that makes it again, run in the merged system
    required: bool = False  #: generated: without it nothing is switched; else what stands there is told to be old
    migrate: str = ""  #: state: a command, run in the merged system
    family: str = ""  #: the family of systems that it is for; empty for all
    owners: str = ""  #: ``numeric``: the numbers of owners are another system's; ``names`` or empty: the server's
    always: str = ""  #: generated: ``gold``, or empty: the clone's where it differs from base
    gone: str = ASK  #: state: a unit that gold deleted and the clone changed is asked about (``ask``), or noted
    references: str = ASK  #: state: a link out of a unit that leads to nothing any more is asked about, or noted
    mkdir: bool = True  #: state: whether directories that gold added arrive in a unit that the clone changed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and (self.index, self.where) == (other.index, other.where)

    def __hash__(self) -> int:
        return hash((self.index, self.where))


#: A family whose rules hold for another one, too.
_LIKE = {UBUNTU: DEBIAN}

NO_RULE = Rule(-1, "", CONFIG, "built in", reason="no rule matches, so it is merged as configuration")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a path goes the way it goes."""

    path: bytes
    rule: Rule
    unit: bytes | None  #: the state unit that the path belongs to
    adds: tuple[WrittenRule, ...]  #: rules that add to the winning one (one with a class adds only its ``secret``)
    overridden: tuple[WrittenRule, ...]  #: rules that match too, and lose; the nearest loser last


@dataclass(frozen=True, slots=True)
class _Answer:
    rule: Rule
    depth: int  #: how many components the winning pattern took
    adds: tuple[int, ...]  #: numbers of the rules that add to it


class Policy:
    """Ordered rules.

    :param conflict: whose version stands at a conflict, ``clone`` or ``gold``.
    """

    def __init__(self, rules: Sequence[WrittenRule], conflict: str = CLONE) -> None:
        self.rules = tuple(rules)
        self.conflict = conflict
        self._matcher = Matcher([rule.branches for rule in self.rules], self._resolve)

    @classmethod
    def default(cls) -> Policy:
        """The policy that goldroot ships."""
        return _default()

    @classmethod
    def load(cls, file: str) -> Policy:
        """A policy from a TOML file; it extends the default unless it says ``extends = "none"``.

        :raises BadPolicy: the file cannot be read or says something that has no meaning.
        """
        try:
            data = read_given(file)
        except OSError as error:
            raise BadPolicy(f"the policy cannot be read: {error.strerror}", file=file) from error
        return cls.parse(data, file)

    @classmethod
    def parse(cls, data: bytes, file: str) -> Policy:
        """A policy from the bytes of a file named ``file``."""
        written = policy_file.parse(data, file)
        below = cls.default() if written.extends == "default" else cls(())
        return cls((*below.rules, *written.rules), written.conflict or below.conflict)

    def for_family(self, family: str) -> Policy:
        """The rules that hold for a family of systems; all of them where it is not known ("")."""
        if not family or not any(rule.family for rule in self.rules):
            return self
        return Policy([rule for rule in self.rules if rule.family in ("", family, _LIKE.get(family))], self.conflict)

    @property
    def hash(self) -> str:
        """Hex SHA-256 of what the rules say; comments, layout and places in files do not count."""
        said = {
            "conflict": self.conflict,
            "rules": [{**dict(rule.keys), "path": rule.pattern} for rule in self.rules],
        }
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def match(self, path: bytes) -> Rule:
        """The rule for a path, absolute in the system, without a slash at its end (but for ``/`` itself)."""
        return self._matcher(path).rule

    def unit(self, path: bytes, rule: Rule | None = None) -> bytes | None:
        """The state unit that a path belongs to, absolute; it may be the path itself.

        ``None`` where the path is in no unit: its class is not state, or it is the directory of a state rule itself
        (``/var/lib``), whose own mode and owner are merged as configuration.

        :param rule: what :meth:`match` said, to save asking again whether the class is state.
        """
        if rule is not None and rule.cls != STATE:
            return None
        answer = self._matcher(path)
        if answer.rule.cls != STATE:
            return None
        names = path.split(b"/")
        length = answer.depth + (1 if answer.rule.whole else 2)
        return b"/".join(names[:length]) if length <= len(names) else None

    def later_rules_inside(self, path: bytes) -> tuple[WrittenRule, ...]:
        """The rules by which something below ``path`` may go, although ``path`` itself goes by an earlier one."""
        index = self.match(path).index
        return tuple(
            self.rules[number]
            for number in sorted(self._matcher.alive(path))
            if number > index and self.rules[number].cls is not None
        )

    def starts_of(self, key: str) -> Iterator[tuple[str, bool]]:
        """Where the patterns of rules that say something by a key begin: the names, absolute, before the first wildcard,
        and whether that is all of the pattern."""
        for rule in self.rules:
            for branch in rule.branches if key in rule.keys else ():
                names = list(takewhile(lambda component: component.kind == LITERAL, branch))
                yield "/" + "/".join(component.text for component in names), len(names) == len(branch)

    def explain(self, path: bytes) -> Explanation:
        """Which rule wins for a path, what is added to it, and what it overrides."""
        answer = self._matcher(path)
        matching = [(number, self.rules[number]) for number, _ in self._matcher.matched(path)]
        adds = tuple(self.rules[number] for number in answer.adds)
        overridden = tuple(
            rule
            for number, rule in matching
            if number != answer.rule.index and (rule.cls is not None or number not in answer.adds)
        )
        return Explanation(path, answer.rule, self.unit(path, answer.rule), adds, overridden)

    def _resolve(self, matched: Matched) -> _Answer:
        """Later rules replace earlier ones, except that a secret stays one until a rule says ``secret = false``, and
        numbers of another system stay that until one says ``owners = "names"``."""
        rule, depth = NO_RULE, 0
        adds: list[int] = []
        kept_by: dict[str, int] = {}
        for number, taken in matched:
            written = self.rules[number]
            if written.cls is None:
                rule = _with(rule, written)
                adds.append(number)
            else:
                rule, depth = _rule(number, written, rule), taken
                adds = sorted({by for key, by in kept_by.items() if key not in written.keys})
            kept_by |= {key: number for key in ("secret", "owners") if key in written.keys}
        return _Answer(rule, depth, tuple(adds))


def worth_reading(policy: Policy, at: bytes) -> Callable[[bytes], bool]:
    """Which files of a tree that stands at ``at`` a scan shall read: units are read only as far as they must be."""
    prefix, answer = at.rstrip(b"/") + b"/", policy._matcher

    # Trees that are read together are asked about each path in turn.
    @functools.lru_cache(maxsize=1)
    def worth(path: bytes) -> bool:
        return answer(prefix + path).rule.cls not in (STATE, CACHE)

    return worth


def _with(rule: Rule, written: WrittenRule) -> Rule:
    """A rule with what one without a class adds; its reason is for what it adds, not for the class."""
    said = {key: value for key, value in written.keys.items() if key not in ("reason", "family")}
    return replace(rule, **said)


def _rule(index: int, written: WrittenRule, earlier: Rule) -> Rule:
    """The rule of a class; of an earlier one it keeps what would be wrong to forget."""
    keys = dict(written.keys)
    cls = keys.pop("class")
    kept = {"secret": earlier.secret, "owners": earlier.owners}
    return Rule(index, written.pattern, cls, written.where, **{**kept, **keys})


def default_text() -> str:
    """The default policy's file, comments and all."""
    return _default_file().decode()


def _default_file() -> bytes:
    return importlib.resources.files("goldroot.policy").joinpath("default-policy.toml").read_bytes()


@functools.cache
def _default() -> Policy:
    written = policy_file.parse(_default_file(), DEFAULT_NAME)
    return Policy(written.rules, written.conflict or CLONE)
