"""Hard links, pure."""

from __future__ import annotations

from collections import Counter

from goldroot.merge.fit.hard_links import merge_links


def test_each_name_of_a_large_group_is_looked_at_once() -> None:
    """Not once for each other name: a group may have tens of thousands."""
    asked: Counter[bytes] = Counter()

    def final(path: bytes) -> str:
        asked[path] += 1
        return "the same"

    group = {b"%d" % number: 1 for number in range(100)}
    linked = merge_links((group, dict(group), dict(group)), final, lambda side, path: True)
    assert linked.groups == group
    assert linked.separated == []
    assert asked == Counter(group.keys())


def test_a_name_that_is_alone_in_its_tree_belongs_to_nobody() -> None:
    """Its other names may lie outside of the tree."""
    both = {b"a": 1, b"b": 1}
    linked = merge_links(({b"a": 1}, both, {b"a": 5}), lambda path: "x", lambda side, path: side == 1 or path == b"a")
    assert linked.groups == both
