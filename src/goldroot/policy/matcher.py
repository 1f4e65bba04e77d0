"""Which rules match a path: all patterns as one automaton over the components of a path.

A state knows what matched so far and which patterns may still match below.  There are few different states (they
depend on the patterns, not on the tree), and they are made when a path first needs them; so a path costs a few lookups
however many rules there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from goldroot.policy.pattern import ANY_DEPTH, ANY_NAME, GLOB, LITERAL, PREFIX, SUFFIX, Branch, as_text

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
