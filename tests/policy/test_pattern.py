"""Patterns: what matches, compared with a slow and simple matcher as well."""

from __future__ import annotations

import fnmatch
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldroot.policy.pattern import ANY_DEPTH, MAX_BRANCHES, Branch, Matcher, as_text, parse
from support.examples import examples


def hits(pattern: str, path: bytes) -> bool:
    return bool(Matcher([parse(pattern)], lambda matched: matched)(path))


YES = [
    ("/etc/ssh/ssh_host_*", b"/etc/ssh/ssh_host_rsa_key"),
    ("/etc/ssh/ssh_host_*", b"/etc/ssh/ssh_host_"),
    ("*.key", b"/a.key"), ("*.key", b"/a/b/.key"), ("*.key", b"/a/dir.key/below"), ("key", b"/x/key"),
    ("/", b"/"), ("/", b"/a/b"), ("/etc", b"/etc"), ("/etc/", b"/etc"), ("/etc//a", b"/etc/a"), ("/etc", b"/etc/a/b"),
    ("/a/**/b", b"/a/b"), ("/a/**/b", b"/a/x/y/b"), ("**/b", b"/b"), ("**/b/c", b"/x/b/c"), ("/a/**", b"/a/x"),
    ("/a/**", b"/a/x/y"), ("/**", b"/a"), ("/a/**/**/b", b"/a/b"), ("/a/*/c", b"/a/.hidden/c"), ("/a/**/*/c", b"/a/b/c"),
    ("/etc/{a,b}", b"/etc/b"), ("/{a,b/{c,d}}x", b"/b/dx"), ("/a{,b}", b"/a"), ("/a{,b}", b"/ab"),
    ("/a[0-9]", b"/a7"), ("/a[!0-9]", b"/ax"), ("/a[^0-9]", b"/ax"), ("/a[]x]", b"/a]"), ("/a[-x]", b"/a-"),
    ("/a[\\]]", b"/a]"), ("/a[.^]", b"/a^"),
    ("/a?c", b"/abc"), ("/a?c", "/aäc".encode()), ("/a?c", b"/a\xe4c"), ("/a[äö]", "/aö".encode()),
    ("/a*b*c", b"/a--b--c"), ("/*a*", b"/xay"), ("/a\\*", b"/a*"), ("/a\\{b\\}", b"/a{b}"), ("/a,b", b"/a,b"), ("/a\nb", b"/a\nb"),
    ("/a*", b"/a\nb"), ("/a.b+(c)|$^", b"/a.b+(c)|$^"), ("/*.b+", b"/x.b+"),
    ("/\\xff", b"/\xff"), ("/\\xc3\\xa4", "/ä".encode()), ("/x*\\xff", b"/xy\xff"), ("/a[\\xf0-\\xff]", b"/a\xf3"), ("/\\x2a", b"/*"),
    ("/caf?", "/café".encode()), ("*.key", b"/\xff\xfe.key"), ("/a/b*/c?d", b"/a/bb/c.d"),
]  # fmt: skip
NO = [
    ("/etc/ssh/ssh_host_*", b"/etc/ssh/sub/ssh_host_x"), ("/etc/ssh/ssh_host_*", b"/x/etc/ssh/ssh_host_x"),
    ("*.key", b"/a.keys"), ("key", b"/keys"), ("/a/*", b"/a"), ("/a/**", b"/a"), ("/a/*/c", b"/a/c"), ("/a/*/c", b"/a/b/b/c"),
    ("/a/**/b", b"/a/x/c"), ("/a?c", b"/a/c"), ("/etc", b"/etcetera"), ("/etc", b"/"), ("/a[!0-9]", b"/a7"), ("/a\\*", b"/ab"),
    ("/\\x2a", b"/a"), ("/a?", b"/a"), ("/a?", b"/abc"), ("/A", b"/a"), ("/{a,b}", b"/{a,b}"), ("/a.b", b"/axb"), ("/*.b+", b"/x.bb"),
    ("/a*b", b"/acb/d/../x".replace(b"acb", b"acd")),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "path"), YES)
def test_matches(pattern: str, path: bytes) -> None:
    assert hits(pattern, path)


@pytest.mark.parametrize(("pattern", "path"), NO)
def test_does_not_match(pattern: str, path: bytes) -> None:
    assert not hits(pattern, path)


BAD = {
    "": "empty", "!/a": "negated", "~/x": "/home", "a/b": "begins with '/'", "/a/../b": "names", "/./a": "names", "/a[": "']'",
    "/a[b": "']'", "/a{b": "'}'", "/a}b": "'{'", "/a**": "whole component", "/**a/b": "whole component", "/a\\": "backslash",
    "/[[:alpha:]]": "named classes", "/[9-0]": "set of characters", "/a\0": "NUL", "/a\\x00": "NUL", "/{" + "a," * 300 + "}": "256",
    "/" + "{a,b}" * 12: str(MAX_BRANCHES), "/[]": "set of characters", "{,/a}": "empty",
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "said"), BAD.items())
def test_bad_patterns_say_why(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("]", "\\]").replace("[", "\\[").replace("{", "\\{")):
        parse(pattern)


def slow_match(branch: Branch, names: list[str]) -> bool:
    """Whether the branch takes the names or a beginning of them, tried in every way."""
    if not branch:
        return True
    if branch[0].kind == ANY_DEPTH:
        return any(slow_match(branch[1:], names[skip:]) for skip in range(len(names) + 1))
    return bool(names) and branch[0].matches(names[0]) and slow_match(branch[1:], names[1:])


PARTS = ["a", "b", "*", "**", "a*", "*b", "?", "[ab]", "a.b", "{a,b/a}"]
patterns = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
) | st.sampled_from(["a", "*b", "a*", "?", "**/a/b", "**/a/*"])
paths = st.lists(st.sampled_from(["a", "b", "ab", "ba", "c", "a.b"]), max_size=5).map(
    lambda names: "/" + "/".join(names)
)


@given(st.lists(patterns, min_size=1, max_size=6), st.lists(paths, min_size=1, max_size=8))
@settings(max_examples=examples(80), deadline=None)
def test_the_automaton_agrees_with_the_slow_way(wanted: list[str], tried: list[str]) -> None:
    rules = [parse(pattern) for pattern in wanted]
    matcher = Matcher(rules, lambda matched: matched)
    for path in itertools.chain(tried, reversed(tried)):
        names = [name for name in path.split("/") if name]
        slow = [n for n, branches in enumerate(rules) if any(slow_match(branch, names) for branch in branches)]
        assert [number for number, _ in matcher(path.encode())] == slow
        assert matcher.matched(path.encode()) == matcher(path.encode())
        for number, depth in matcher(path.encode()):
            assert any(slow_match(branch, names[:depth]) for branch in rules[number])


@given(st.binary(min_size=1).filter(lambda name: not set(name) & {0, 0x2F}))
def test_any_name_can_be_written(name: bytes) -> None:
    written = "/" + "".join(f"\\x{byte:02x}" for byte in name)
    if name in (b".", b".."):
        return
    assert hits(written, b"/" + name)
    assert not hits(written, b"/" + name + b"x")
    assert as_text(name).encode("utf-8", "surrogateescape") == name


GLOBS = st.lists(st.sampled_from(["a", "b", "ab", "*", "?", "[ab]", "[!a]"]), min_size=1, max_size=9).map("".join)


@given(GLOBS.filter(lambda text: "**" not in text), st.text("abc", min_size=1, max_size=9))
def test_a_name_with_wildcards_is_matched_as_a_shell_does(text: str, name: str) -> None:
    (branch,) = parse("/" + text)
    assert branch[0].matches(name) == fnmatch.fnmatchcase(name, text)


def test_many_stars_on_a_long_name_are_no_work() -> None:
    """Tried at every place of every star, this would take years."""
    (branch,) = parse("/" + "*a" * 30 + "b")
    assert not branch[0].matches("a" * 255)
    (branch,) = parse("/" + "*?a" * 30 + "*")
    assert branch[0].matches("a" * 255)
