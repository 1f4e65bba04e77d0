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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: One backslash escape, one ``[...]``, or one character.
_CHARACTER = re.compile(r"\\x[0-9a-fA-F]{2}|\\.|\[[!^]?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_TOKEN = re.compile(rf"[^\\\[\]{{}}*?,/]+|{_CHARACTER.pattern}", re.DOTALL)  #: the same; what means nothing else, in one piece

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
