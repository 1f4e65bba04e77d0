"""Files that one side moved and the other changed (letter H of the second edition)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, File, Node

KEEP: dict[str, Node] = {"etc/keep": "x", "etc/new": Dir()}


def text(name: str, lines: int = 20, **changed: str) -> str:
    """A text whose lines stand in no other text."""
    return "".join(f"{changed.get(f'l{number}', f'{name} {number}')}\n" for number in range(lines))


def asked(done: Outcome) -> list[tuple[str, str, list[str]]]:
    return [(one["path"], one["kind"], one["answers"]) for one in done.record["conflicts"]]


def moved(done: Outcome, room: Path, path: str) -> Outcome:
    """The same merge with the answer ``moved``."""
    taken = merge_tables(room, {}, {}, {}, out="moved", decisions=done.decide("moved"))
    assert taken.conflicts == []
    assert path in taken.tree
    return taken


@pytest.mark.parametrize(("old", "new"), [
    ("etc/app/app.conf", "etc/new/app.conf"),  # as it was
    ("etc/php/8.2/fpm/php.ini", "etc/php/8.4/fpm/php.ini"),  # by its version
    ("etc/app/app.conf", "etc/new/other.conf"),  # by likeness
])  # fmt: skip
@pytest.mark.parametrize("golds", [{}, {"l3": "gold's line"}])
def test_gold_moved_what_the_server_changed(tmp_path: Path, old: str, new: str, golds: dict[str, str]) -> None:
    base: Table = {**KEEP, old: text("a")}
    gold: Table = {**KEEP, new: text("a", **golds)}
    clone: Table = {**KEEP, old: File(text("a", l15="mine"), mode=0o600)}
    done = merge_tables(tmp_path, base, gold, clone)
    assert asked(done) == [(f"/{old}", "gold-moved-clone-changed", ["clone", "gold", "moved"])]
    assert f"/{new}" in done.record["conflicts"][0]["detail"]
    assert old in done.tree and done.text(new) == text("a", **golds)
    taken = moved(done, tmp_path, new)
    assert old not in taken.tree
    assert taken.text(new) == text("a", l15="mine", **golds)
    assert taken.tree[new].mode == 0o600
    kept = merge_tables(tmp_path, {}, {}, {}, out="kept", decisions=done.decide("clone"))
    assert kept.conflicts == [] and old in kept.tree and new in kept.tree
    dropped = merge_tables(tmp_path, {}, {}, {}, out="dropped", decisions=done.decide("gold"))
    assert dropped.conflicts == [] and old not in dropped.tree and dropped.text(new) == text("a", **golds)


@pytest.mark.parametrize("mine", [{}, {"l3": "mine"}])
def test_the_server_moved_what_gold_changed(tmp_path: Path, mine: dict[str, str]) -> None:
    base: Table = {**KEEP, "etc/app/a.conf": text("a")}
    gold: Table = {**KEEP, "etc/app/a.conf": text("a", l15="gold's")}
    clone: Table = {**KEEP, "etc/app": Dir(), "etc/new/b.conf": text("a", **mine)}
    done = merge_tables(tmp_path, base, gold, clone)
    assert asked(done) == [("/etc/app/a.conf", "clone-moved-gold-changed", ["clone", "gold", "moved"])]
    taken = moved(done, tmp_path, "etc/new/b.conf")
    assert taken.text("etc/new/b.conf") == text("a", l15="gold's", **mine)
    assert "etc/app/a.conf" not in taken.tree


def test_a_short_file_is_found_by_its_content_alone(tmp_path: Path) -> None:
    done = merge_tables(
        tmp_path, {**KEEP, "etc/a": "1\n2\n"}, {**KEEP, "etc/new/a": "1\n2\n"}, {**KEEP, "etc/a": "1\n2\n3\n"}
    )
    assert asked(done) == [("/etc/a", "gold-moved-clone-changed", ["clone", "gold", "moved"])]
    assert moved(done, tmp_path, "etc/new/a").text("etc/new/a") == "1\n2\n3\n"


def test_three_php_ini_go_each_to_its_own(tmp_path: Path) -> None:
    def php(version: str, **changed: str) -> Table:
        return {
            f"etc/php/{version}/{sapi}/php.ini": text("ini", l1=sapi, **changed) for sapi in ("cli", "fpm", "apache2")
        }

    done = merge_tables(tmp_path, {**KEEP, **php("8.2")}, {**KEEP, **php("8.4")}, {**KEEP, **php("8.2", l9="mine")})
    assert [(path, answers[-1]) for path, _, answers in asked(done)] == [
        (f"/etc/php/8.2/{sapi}/php.ini", "moved") for sapi in ("apache2", "cli", "fpm")
    ]
    taken = moved(done, tmp_path, "etc/php/8.4/cli/php.ini")
    for sapi in ("cli", "fpm", "apache2"):
        assert taken.text(f"etc/php/8.4/{sapi}/php.ini") == text("ini", l1=sapi, l9="mine")
    assert not [path for path in taken.tree if path.endswith("8.2/cli/php.ini")]


def equal(directory: str, **changed: str) -> dict[str, Node]:
    """Two files of one content, told apart by their directories."""
    return {f"etc/{directory}/{sapi}/php.ini": text("ini", **changed) for sapi in ("cli", "fpm")}


@pytest.mark.parametrize(("old", "new"), [("php/8.2", "php/8.4"), ("php/old", "php/new"), ("php", "php-stable")])
@pytest.mark.parametrize("golds", [{}, {"l3": "gold's line"}], ids=["moved", "moved and changed"])
def test_equal_files_are_told_apart_by_their_place(tmp_path: Path, old: str, new: str, golds: dict[str, str]) -> None:
    base, gold = {**KEEP, **equal(old)}, {**KEEP, **equal(new, **golds)}
    clone = {**base, f"etc/{old}/fpm/php.ini": text("ini", l15="fpm's")}
    done = merge_tables(tmp_path, base, gold, clone)
    assert asked(done) == [(f"/etc/{old}/fpm/php.ini", "gold-moved-clone-changed", ["clone", "gold", "moved"])]
    taken = moved(done, tmp_path, f"etc/{new}/fpm/php.ini")
    assert taken.text(f"etc/{new}/fpm/php.ini") == text("ini", l15="fpm's", **golds)
    assert taken.text(f"etc/{new}/cli/php.ini") == text("ini", **golds)


def test_equal_files_that_the_server_moved_are_told_apart_by_their_place(tmp_path: Path) -> None:
    base, clone = {**KEEP, **equal("app")}, {**KEEP, **equal("own")}
    gold = {**base, "etc/app/cli/php.ini": text("ini", l15="gold's")}
    done = merge_tables(tmp_path, base, gold, clone)
    assert asked(done) == [("/etc/app/cli/php.ini", "clone-moved-gold-changed", ["clone", "gold", "moved"])]
    assert moved(done, tmp_path, "etc/own/cli/php.ini").text("etc/own/cli/php.ini") == text("ini", l15="gold's")


@pytest.mark.parametrize("gold", [
    {"etc/8.4/x": text("a"), "etc/8.5/x": text("a")},  # two newer versions
    {"etc/new/y": text("a"), "etc/new/z": text("a")},  # neither is at its place
    {"etc/keep.d/x": text("a"), "etc/new/z": text("a")},  # a directory that was there before was not renamed
], ids=["two versions", "other names", "an old directory"])  # fmt: skip
def test_equal_files_at_other_places_are_not_named(tmp_path: Path, gold: dict[str, Node]) -> None:
    base: Table = {**KEEP, "etc/keep.d": Dir(), "etc/8.2/x": text("a")}
    done = merge_tables(
        tmp_path, base, {**KEEP, "etc/keep.d": Dir(), **gold}, {**base, "etc/8.2/x": text("a", l1="mine")}
    )
    assert asked(done) == [("/etc/8.2/x", "gold-deleted-clone-changed", ["clone", "gold"])]


def test_two_old_versions_do_not_both_go_to_the_new_one(tmp_path: Path) -> None:
    base = {**KEEP, "etc/8.1/x": text("a"), "etc/8.2/x": text("a")}
    done = merge_tables(
        tmp_path,
        base,
        {**KEEP, "etc/8.4/x": text("a")},
        {path: text("a", l1="m") if "x" in path else node for path, node in base.items()},
    )
    assert [(path, kind) for path, kind, _ in asked(done)] == [
        ("/etc/8.1/x", "gold-deleted-clone-changed"), ("/etc/8.2/x", "gold-deleted-clone-changed"),
    ]  # fmt: skip


@pytest.mark.parametrize(("gold", "clone"), [
    # two that are as like: nobody can say
    ({"etc/new/a": text("a", l1="x"), "etc/new/b": text("a", l2="y")}, text("a", l15="mine")),
    # not like enough
    ({"etc/new/a": text("b", **{f"l{n}": f"a {n}" for n in range(9)})}, text("a", l15="mine")),
    # no text
    ({"etc/new/a": text("a") + "\0"}, text("a", l15="mine")),
    # of another class
    ({"etc/new/a.crt": text("a", l1="x")}, text("a", l15="mine")),
])  # fmt: skip
def test_none_is_named(tmp_path: Path, gold: dict[str, Node], clone: str) -> None:
    base: Table = {**KEEP, "etc/app.conf": text("a")}
    done = merge_tables(tmp_path, base, {**KEEP, **gold}, {**KEEP, "etc/app.conf": clone})
    assert asked(done) == [("/etc/app.conf", "gold-deleted-clone-changed", ["clone", "gold"])]


def test_lines_that_stand_everywhere_do_not_count(tmp_path: Path) -> None:
    licence = "".join(f"# licence {number}\n" for number in range(40))
    others: dict[str, Node] = {f"etc/other{number}": licence + f"{number}\n" for number in range(3)}
    base: Table = {**KEEP, **others, "etc/app.conf": licence + "one = 1\n"}
    gold: Table = {**KEEP, **others, "etc/new/b.conf": licence + "else = 2\n"}
    done = merge_tables(tmp_path, base, gold, {**base, "etc/app.conf": licence + "one = mine\n"})
    assert asked(done) == [("/etc/app.conf", "gold-deleted-clone-changed", ["clone", "gold"])]


def test_the_same_name_wins_among_those_that_are_as_like(tmp_path: Path) -> None:
    base: Table = {**KEEP, "etc/app/a.conf": text("a")}
    gold: Table = {**KEEP, "etc/new/a.conf": text("a", l1="x"), "etc/new/b.conf": text("a", l2="y")}
    done = merge_tables(tmp_path, base, gold, {**KEEP, "etc/app/a.conf": text("a", l15="mine")})
    assert "/etc/new/a.conf" in done.record["conflicts"][0]["detail"]


def test_where_both_changed_the_same_line_it_is_named_and_not_offered(tmp_path: Path) -> None:
    base: Table = {**KEEP, "etc/app.conf": text("a")}
    gold: Table = {**KEEP, "etc/new/app.conf": text("a", l15="gold's")}
    done = merge_tables(tmp_path, base, gold, {**KEEP, "etc/app.conf": text("a", l15="mine")})
    assert asked(done) == [("/etc/app.conf", "gold-moved-clone-changed", ["clone", "gold"])]


@pytest.mark.parametrize(("was", "now", "offered"), [
    (0o700, 0o755, False), (0o755, 0o700, True), (0o750, 0o750, True), (0o750, 0o755, False),
])  # fmt: skip
def test_a_file_is_not_moved_to_where_more_people_come(tmp_path: Path, was: int, now: int, offered: bool) -> None:
    keep: Table = {"etc/keep": "x"}
    base: Table = {**keep, "etc/app": Dir(mode=was), "etc/app/a.conf": text("a")}
    gold: Table = {**keep, "etc/new": Dir(mode=now), "etc/new/a.conf": text("a")}
    clone: Table = {**keep, "etc/app": Dir(mode=was), "etc/app/a.conf": text("a", l15="mine")}
    done = merge_tables(tmp_path, base, gold, clone)
    assert ("moved" in done.record["conflicts"][0]["answers"]) is offered


def test_it_is_a_secret_if_either_place_is(tmp_path: Path) -> None:
    rule = '[[rule]]\npath = "/etc/new/a.conf"\nsecret = true\n'
    base: Table = {**KEEP, "etc/a.conf": text("a")}
    done = merge_tables(
        tmp_path, base, {**KEEP, "etc/new/a.conf": text("a")}, {**KEEP, "etc/a.conf": text("a", l15="m")}, policy=rule
    )
    assert done.record["conflicts"][0]["secret"] is True


def test_the_key_holds_both_places(tmp_path: Path) -> None:
    keys = set()
    for number in range(2):
        base: Table = {**KEEP, "etc/a.conf": text("a")}
        gold: Table = {**KEEP, f"etc/new/a{number}.conf": text("a")}
        done = merge_tables(tmp_path / str(number), base, gold, {**KEEP, "etc/a.conf": text("a", l15="m")})
        keys |= {one["key"] for one in done.record["conflicts"]}
    assert len(keys) == 2


def test_a_place_that_the_server_has_taken_is_not_one(tmp_path: Path) -> None:
    base: Table = {**KEEP, "etc/a.conf": text("a")}
    clone: Table = {**KEEP, "etc/a.conf": text("a", l15="m"), "etc/new/a.conf": "own\n"}
    done = merge_tables(tmp_path, base, {**KEEP, "etc/new/a.conf": text("a", l1="x")}, clone)
    assert ("/etc/a.conf", "gold-deleted-clone-changed", ["clone", "gold"]) in asked(done)


@pytest.mark.slow
def test_many_files_are_each_found(tmp_path: Path) -> None:
    """All of them are found: the pairs are those that share rare lines."""
    names = range(60)
    base: Table = {**KEEP, **{f"etc/old/f{n}": text(f"n{n}", 8) for n in names}}
    gold: Table = {**KEEP, **{f"etc/moved/g{n}": text(f"n{n}", 8, l0="x") for n in names}}
    clone: Table = {**KEEP, **{f"etc/old/f{n}": text(f"n{n}", 8, l6="mine") for n in names}}
    done = merge_tables(tmp_path, base, gold, clone)
    assert {kind for _, kind, _ in asked(done)} == {"gold-moved-clone-changed"}
    taken = moved(done, tmp_path, "etc/moved/g7")
    assert taken.text("etc/moved/g7") == text("n7", 8, l0="x", l6="mine")
