"""The patterns of a policy: ``/etc/ssh/ssh_host_*``, ``*.key``, ``/var/**/tmp``, ``/etc/{a,b}``, ``[...]``.

A pattern matches a path or any directory above it: a rule for a directory covers everything below.  A name without a
slash matches at any depth.  Wildcards never match a slash; they do match a leading dot.  ``**`` as a whole component
stands for any number of directories.  A backslash takes the meaning from the next character; ``\\xNN`` is one byte,
so that a name that is not UTF-8 can be written down.

Names are bytes; they are matched as text in which each byte that is not UTF-8 is one character of its own, so ``?`` and
``[...]`` mean characters where there are characters and bytes where there are none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

#: One backslash escape, one ``[...]``, or one character.
_CHARACTER = re.compile(r"\\x[0-9a-fA-F]{2}|\\.|\[[!^]?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_TOKEN = re.compile(
    rf"[^\\\[\]{{}}*?,/]+|{_CHARACTER.pattern}", re.DOTALL
)  #: the same; what means nothing else, in one piece

#: More alternatives than this out of one pattern is a slip of the pen, not a rule.
MAX_BRANCHES = 256

LITERAL, PREFIX, SUFFIX, GLOB, ANY_NAME, ANY_DEPTH = "literal", "prefix", "suffix", "glob", "*", "**"


@dataclass(frozen=True, slots=True)
class Component:
    """What one name of a path must look like; ``text`` is a literal, a prefix, a suffix or a regular expression."""

    kind: str
    text: str = ""

    def matches(self, name: str) -> bool:
        """Whether a name (one component of a path, as :func:`as_text` gives it) fits."""
        if self.kind == LITERAL:
            return name == self.text
        if self.kind == PREFIX:
            return name.startswith(self.text)
        if self.kind == SUFFIX:
            return name.endswith(self.text)
        return self.kind != GLOB or re.fullmatch(self.text, name, re.DOTALL) is not None


Branch = tuple[Component, ...]  #: one alternative of a pattern, from the root


def as_text(name: bytes) -> str:
    """Bytes of a path as the text that patterns are matched against; reversible."""
    return name.decode("utf-8", "surrogateescape")


def parse(pattern: str) -> tuple[Branch, ...]:
    """The alternatives of a pattern, shorter ones first.

    :raises ValueError: the pattern means nothing; the text says why, in words for the user.
    """
    _refuse_odd(pattern)
    tokens = _TOKEN.findall(pattern)
    branches = {_branch(tokens_of_branch) for tokens_of_branch in _braces(tokens)}
    return tuple(sorted(branches, key=lambda branch: (len(branch), [(part.kind, part.text) for part in branch])))


def _refuse_odd(pattern: str) -> None:
    if not pattern:
        raise ValueError("the path is empty")
    if "\0" in pattern or "\\x00" in pattern:
        raise ValueError("no path holds a NUL byte")
    if pattern.startswith("!"):
        raise ValueError("a path cannot be negated with '!'; write a later rule for what is to be excepted")
    if pattern.startswith("~"):
        raise ValueError("'~' is not expanded; write /home/* or /root")


def _braces(tokens: Sequence[str]) -> list[list[str]]:
    """All sequences of tokens that ``{a,b}`` stands for."""
    results, at = _alternatives(tokens, 0, inside=False)
    if at != len(tokens):
        raise ValueError("a '}' without its '{' (write \\} for the character)")
    return results


def _alternatives(tokens: Sequence[str], at: int, *, inside: bool) -> tuple[list[list[str]], int]:
    """Expand from ``at`` to the end or to the ``}`` that closes this level; returns where it stopped."""
    done: list[list[str]] = []
    current: list[list[str]] = [[]]
    while at < len(tokens) and tokens[at] != "}":
        token = tokens[at]
        if token == "{":
            inner, at = _alternatives(tokens, at + 1, inside=True)
            current = [[*head, *tail] for head in current for tail in inner]
        elif token == "," and inside:
            done, current = [*done, *current], [[]]
        else:
            for sequence in current:
                sequence.append(token)
        if len(done) + len(current) > MAX_BRANCHES:
            raise ValueError(f"the braces stand for more than {MAX_BRANCHES} paths")
        at += 1
    if inside and at == len(tokens):
        raise ValueError("a '{' without its '}' (write \\{ for the character)")
    return [*done, *current], at


def _branch(tokens: Sequence[str]) -> Branch:
    anchored = tokens[:1] == ["/"]
    names = [name for name in _split(tokens) if name]
    if not anchored and len(names) > 1 and names[0] != ["*", "*"]:
        raise ValueError("a path begins with '/', or with '**/' for any depth; only a single name may stand bare")
    parts = [_component(name) for name in names]
    if not anchored and names and parts[0].kind != ANY_DEPTH:
        parts.insert(0, Component(ANY_DEPTH))
    if not anchored and not parts:
        raise ValueError("the path is empty")
    # "/a/**" is everything below /a but not /a itself: one name at least, and a match covers what is below it.
    while parts and parts[-1].kind == ANY_DEPTH:
        parts[-1:] = [] if len(parts) > 1 and parts[-2].kind == ANY_DEPTH else [Component(ANY_NAME)]
    return tuple(parts)


def _split(tokens: Sequence[str]) -> Iterator[list[str]]:
    name: list[str] = []
    for token in tokens:
        if token in ("/", "\\/"):
            yield name
            name = []
        else:
            name.append(token)
    yield name


def _component(tokens: Sequence[str]) -> Component:
    """One name of a pattern, in the cheapest form that matches it."""
    if list(tokens) == ["*", "*"]:
        return Component(ANY_DEPTH)
    pieces = list(_pieces(tokens))
    if pieces in (["."], [".."]):
        raise ValueError("'.' and '..' are not names; write the path itself")
    if any(a == b == ("*",) for a, b in itertools.pairwise(pieces)):
        raise ValueError("'**' must be a whole component, as in /var/**/tmp")
    match pieces:
        case [str(text)]:
            return Component(LITERAL, text)
        case [("*",)]:
            return Component(ANY_NAME)
        case [str(text), ("*",)]:
            return Component(PREFIX, text)
        case [("*",), str(text)]:
            return Component(SUFFIX, text)
    return Component(GLOB, _expression(pieces))


def _expression(pieces: Sequence[str | tuple[str]]) -> str:
    """The regular expression of a name with wildcards; it takes time in proportion to the name and the pattern.

    What stands between two ``*`` has one length, so the first place where it fits is as good as any later one: once found
    it is never given up (an atomic group).  Else every place of every ``*`` would be tried with every place of the others.
    """
    stretches = [""]
    for piece in pieces:
        if piece == ("*",):
            stretches.append("")
        else:
            stretches[-1] += re.escape(piece) if isinstance(piece, str) else _regex(*piece)
    if len(stretches) == 1:
        return stretches[0]
    first, *between, last = stretches
    return first + "".join(f"(?>.*?{stretch})" for stretch in between) + ".*" + last


def _pieces(tokens: Sequence[str]) -> Iterator[str | tuple[str]]:
    """Runs of literal text, and wildcards as one-tuples."""
    literal = ""
    for token in tokens:
        if token in ("*", "?") or (len(token) > 1 and token[0] == "["):
            if literal:
                yield _normal(literal)
            literal = ""
            yield (token,)
        else:
            literal += _character(token)
    if literal:
        yield _normal(literal)


def _character(token: str) -> str:
    if token == "[":
        raise ValueError("a '[' without its ']' (write \\[ for the character)")
    if token == "\\":
        raise ValueError("a backslash at the end takes the meaning from nothing")
    if token[:2] == "\\x" and len(token) == 4:
        byte = int(token[2:], 16)
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
    return token[1:] if token[0] == "\\" else token


def _normal(text: str) -> str:
    """Bytes that were written one by one may form a character: then they are that character."""
    try:
        return as_text(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise ValueError("the path holds characters that no name can have") from None


def _regex(wildcard: str) -> str:
    if wildcard == "?":
        return "."
    body = wildcard[1:-1]
    if "[:" in body or "[." in body or "[=" in body:
        raise ValueError(f"named classes as in {wildcard}] are not known; write the characters, as in [a-z]")
    negated = body[:1] in ("!", "^")
    characters = "".join(
        "-" if token == "-" else re.escape(_character(token)) for token in _CHARACTER.findall(body[negated:])
    )
    expression = f"[{'^' if negated else ''}{characters}]"
    try:
        re.compile(expression)
    except re.error:
        raise ValueError(f"{wildcard} is not a set of characters (a range goes upwards, as in [0-9])") from None
    return expression


# -- Which rules match a path: all patterns as one automaton over the components of a path.
#
# A state knows what matched so far and which patterns may still match below. There are few different states (they depend
# on the patterns, not on the tree), and they are made when a path first needs them; so a path costs a few lookups however
# many rules there are.

T = TypeVar("T")

Matched = tuple[tuple[int, int], ...]  #: (number of the rule, components that its pattern took), rules in order
_Active = frozenset[tuple[int, int]]  #: (number of the branch, its next component)

#: Directories whose state is remembered; far more than are open at once in a walk, and well under a megabyte.
_REMEMBERED = 4096


class _State(Generic[T]):
    __slots__ = (
        "active", "answer", "default", "depth", "expression",
        "following", "literals", "matched", "prefixes", "suffixes",
    )  # fmt: skip

    def __init__(self, depth: int, matched: Matched, active: _Active, answer: T) -> None:
        self.depth = depth
        self.matched = matched
        self.active = active
        self.answer = answer
        self.default: _State[T] | None = None
        self.following: dict[str, _State[T]] = {}
        self.literals: frozenset[str] = frozenset()
        self.prefixes: tuple[str, ...] = ()
        self.suffixes: tuple[str, ...] = ()
        self.expression: re.Pattern[str] | None = None


class Matcher(Generic[T]):
    """:param rules: for each rule the branches of its pattern.
    :param answer: what a set of matching rules means; asked once for each combination that occurs.
    """

    def __init__(self, rules: Sequence[Sequence[Branch]], answer: Callable[[Matched], T]) -> None:
        self._branches = [(number, branch) for number, branches in enumerate(rules) for branch in branches]
        self._answer = answer
        self._states: dict[tuple[int, Matched, _Active], _State[T]] = {}
        self._start = self._state(0, (), [(i, 0) for i in range(len(self._branches))])
        self._directories: dict[bytes, _State[T]] = {}

    def __call__(self, path: bytes) -> T:
        """The answer for an absolute path."""
        parent, _, name = path.rpartition(b"/")
        state = self._directories.get(parent)
        if state is None:
            state = self._directory(parent)
        return self._step(state, as_text(name)).answer if name else state.answer

    def matched(self, path: bytes) -> Matched:
        """All rules that match an absolute path or a directory above it."""
        return self._directory(path.rstrip(b"/")).matched

    def alive(self, path: bytes) -> set[int]:
        """The rules that do not match ``path`` but may match something below it."""
        state = self._directory(path.rstrip(b"/"))
        return {self._branches[i][0] for i, _ in state.active} - {number for number, _ in state.matched}

    def _directory(self, path: bytes) -> _State[T]:
        """The state of a directory; from the nearest one above that is remembered, as a tree may be very deep."""
        names = []
        above = path
        while above and above not in self._directories:
            above, _, name = above.rpartition(b"/")
            names.append(name)
        state = self._directories[above] if above else self._start
        for name in reversed(names):
            if name:
                state = self._step(state, as_text(name))
        if names:
            if len(self._directories) >= _REMEMBERED:
                self._directories.clear()
            self._directories[path] = state
        return state

    def _step(self, state: _State[T], name: str) -> _State[T]:
        if name in state.literals:
            following = state.following.get(name)
            if following is None:
                following = state.following[name] = self._advance(state, name)
            return following
        if (
            name.endswith(state.suffixes)
            or name.startswith(state.prefixes)
            or (state.expression is not None and state.expression.fullmatch(name) is not None)
        ):
            return self._advance(state, name)
        if state.default is None:
            state.default = self._advance(state, None)
        return state.default

    def _advance(self, state: _State[T], name: str | None) -> _State[T]:
        """The state below ``state`` for a name; ``None`` is any name that no component but ``*`` and ``**`` takes."""
        moved = []
        for i, at in state.active:
            component = self._branches[i][1][at]
            if component.kind == ANY_DEPTH:
                moved.append((i, at))
            elif component.kind == ANY_NAME or (name is not None and component.matches(name)):
                moved.append((i, at + 1))
        return self._state(state.depth + 1, state.matched, moved)

    def _state(self, depth: int, matched: Matched, positions: Iterable[tuple[int, int]]) -> _State[T]:
        """The one state for what matched above and where the branches stand; finished branches become matches."""
        taken = dict(matched)
        active: set[tuple[int, int]] = set()
        for i, at in positions:
            number, branch = self._branches[i]
            while at < len(branch) and branch[at].kind == ANY_DEPTH:
                active.add((i, at))
                at += 1
            if at < len(branch):
                active.add((i, at))
            else:
                # A pattern that matched above covers this path too, and keeps the place where it did: its own path.
                # Among the alternatives of one rule, the longer names the place more exactly.
                known = taken.get(number)
                taken[number] = depth if known is None or ANY_DEPTH not in _kinds(branch) else known
        key = (depth, tuple(sorted(taken.items())), frozenset(active))
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(*key, self._answer(key[1]))
            self._prepare(state)
        return state

    def _prepare(self, state: _State[T]) -> None:
        """Sort what may come next by how fast it can be looked up."""
        components = [self._branches[i][1][at] for i, at in state.active]
        state.literals = frozenset(part.text for part in components if part.kind == LITERAL)
        state.prefixes = tuple({part.text for part in components if part.kind == PREFIX})
        state.suffixes = tuple({part.text for part in components if part.kind == SUFFIX})
        expressions = sorted({part.text for part in components if part.kind == GLOB})
        if expressions:
            state.expression = re.compile("|".join(f"(?:{text})" for text in expressions), re.DOTALL)


def _kinds(branch: Branch) -> set[str]:
    return {component.kind for component in branch}
