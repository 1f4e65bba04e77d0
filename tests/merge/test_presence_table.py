"""Every row of the presence table in docs/explanation/merging.md, each by a test with the row's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldroot.conflicts import Decision
from support.merging import Outcome, Table, merge_tables
from support.trees import Dir, Fifo, File, HardLink, Link, Socket, dump_tree


def test_gold_deleted_clone_unchanged_is_deleted(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1", "etc/b": "x"}, {"etc/b": "x"}, {"etc/a": "1", "etc/b": "x"})
    assert "etc/a" not in done.tree
    assert done.entry("/etc/a")["outcome"] == "gold"
    assert done.entry("/etc/a")["result"] is None
    assert done.conflicts == []


def test_gold_deleted_clone_changed_only_its_mode_is_a_conflict_and_the_clones_stays(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1"}, {"etc": Dir()}, {"etc/a": File("1", mode=0o600)})
    assert done.conflicts == [("/etc/a", "presence")]
    assert done.tree["etc/a"].mode == 0o600


def test_clone_deleted_gold_unchanged_stays_deleted(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1"}, {"etc/a": "1"}, {"etc": Dir()})
    assert "etc/a" not in done.tree
    assert done.entry("/etc/a")["outcome"] == "clone"
    assert done.conflicts == []


def test_clone_deleted_gold_changed_is_a_conflict_and_stays_deleted(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1"}, {"etc/a": "2"}, {"etc": Dir()})
    assert "etc/a" not in done.tree
    assert done.conflicts == [("/etc/a", "presence")]


def test_gold_added_below_a_directory_that_the_clone_deleted(tmp_path: Path) -> None:
    base = {"etc/d/a": "1", "etc/x": "x"}
    gold = {"etc/d/a": "1", "etc/d/new/deep": "n", "etc/x": "x"}
    done = merge_tables(tmp_path, base, gold, {"etc/x": "x"})
    assert "etc/d" not in done.tree
    assert done.conflicts == [("/etc/d", "presence")]
    assert done.entry("/etc/d/new/deep")["because"] == "/etc/d"
    key = done.record["conflicts"][0]["key"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={key: Decision("gold")})
    assert again.text("etc/d/new/deep") == "n"
    assert "etc/d/a" not in again.tree
    assert again.conflicts == []


def test_both_added_equal(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc": Dir()}, {"etc/a": "1"}, {"etc/a": "1"})
    assert done.text("etc/a") == "1"
    assert done.entry("/etc/a")["axes"] == {"presence": "both"}


def test_both_added_different_is_a_conflict_and_the_clones_stays(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc": Dir()}, {"etc/a": "1"}, {"etc/a": "2"})
    assert done.text("etc/a") == "2"
    assert done.conflicts == [("/etc/a", "content")]


def test_both_added_of_different_types(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc": Dir()}, {"etc/a/deep": "1"}, {"etc/a": Link("b")})
    assert done.tree["etc/a"].content == b"b"
    assert done.conflicts == [("/etc/a", "type")]
    assert done.entry("/etc/a/deep")["because"] == "/etc/a"


def test_gold_added_below_a_directory_of_a_state_unit_that_the_clone_deleted(tmp_path: Path) -> None:
    """The keys of an account that is gone from the server would have come back with its next update."""
    base: Table = {"home/u/f": "1", "home/v": Dir()}
    gold: Table = {**base, "home/u/.ssh/authorized_keys": "key\n"}
    done = merge_tables(tmp_path, base, gold, {"home/v": Dir()})
    assert done.conflicts == [("/home/u/.ssh/authorized_keys", "presence")]
    assert sorted(done.tree) == ["", "home", "home/v"]
    key = done.record["conflicts"][0]["key"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={key: Decision("gold")})
    assert again.text("home/u/.ssh/authorized_keys") == "key\n"


@pytest.mark.parametrize(
    ("place", "own"),
    [("home/u", Link("v")), ("home/u", File("mine")), ("home/u/.ssh", Link("../v")), ("home/u/.ssh", File("mine"))],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_in_a_state_unit_what_the_clone_made_of_a_directory_gives_way_to_nothing(
    tmp_path: Path, place: str, own: Link | File
) -> None:
    base: Table = {"home/u/f": "1", "home/v": Dir()}
    gold: Table = {**base, "home/u/.ssh/of/authorized_keys": "key\n"}
    done = merge_tables(tmp_path, base, gold, {"home/v": Dir(), place: own})
    assert done.tree[place] == dump_tree(tmp_path / "clone")[place]
    assert done.conflicts == [("/home/u/.ssh/of/authorized_keys", "presence")]
    assert done.entry("/home/u")["outcome"] == "clone"


def test_gold_deleted_a_directory_and_the_clone_added_below_it(tmp_path: Path) -> None:
    base = {"etc/d/a": "1", "etc/d/b": "2", "etc/x": "x"}
    clone = {"etc/d/a": "1", "etc/d/b": "changed", "etc/d/own": "mine", "etc/x": "x"}
    done = merge_tables(tmp_path, base, {"etc/x": "x"}, clone)
    assert sorted(path for path in done.tree if path.startswith("etc/d/")) == ["etc/d/b", "etc/d/own"]
    assert done.conflicts == [("/etc/d/b", "presence")]
    assert done.entry("/etc/d")["outcome"] == "clone"


def test_one_side_changed_the_type_the_other_left_it(tmp_path: Path) -> None:
    base = {"etc/a": "1", "etc/d/x": "x", "etc/l": Link("a")}
    gold = {"etc/a": Link("b"), "etc/d/x": "x", "etc/l": Link("a")}
    clone = {"etc/a": "1", "etc/d": Link("elsewhere"), "etc/l": Fifo()}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.tree["etc/a"].kind == "l"
    assert done.tree["etc/d"].kind == "l"
    assert done.tree["etc/l"].kind == "p"
    assert "etc/d/x" not in done.tree
    assert done.conflicts == []


def test_the_entry_of_a_directory_that_stays_says_so_on_its_axis(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/d/a": "1"}, {"etc": Dir()}, {"etc/d/a": "1", "etc/d/own": "2"})
    assert done.entry("/etc/d")["outcome"] == done.entry("/etc/d")["axes"]["presence"] == "clone"


def test_type_changed_on_one_side_content_on_the_other(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "1"}, {"etc/a/b": "2"}, {"etc/a": "mine"})
    assert done.text("etc/a") == "mine"
    assert done.conflicts == [("/etc/a", "type")]
    assert done.entry("/etc/a/b")["outcome"] == "conflict"
    key = done.record["conflicts"][0]["key"]
    again = merge_tables(tmp_path, {}, {}, {}, out="again", decisions={key: Decision("gold")})
    assert again.text("etc/a/b") == "2"
    assert again.conflicts == []


@pytest.mark.parametrize(("of_gold", "stands"), [(False, "clone"), (True, "gold")])
def test_one_side_made_a_file_a_directory_and_the_other_deleted_it(tmp_path: Path, of_gold: bool, stands: str) -> None:
    base, made, deleted = {"etc/a": "1"}, {"etc/a/b/c": "2", "etc/a/d": "3"}, {"etc": Dir()}
    gold, clone = (made, deleted) if of_gold else (deleted, made)
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == [("/etc/a", "presence")], "one question for all that is in it"
    assert ("etc/a/b/c" in done.tree) is not of_gold
    key = done.record["conflicts"][0]["key"]
    for take in ("clone", "gold"):
        again = merge_tables(tmp_path, {}, {}, {}, out=f"take-{take}", decisions={key: Decision(take)})
        assert again.conflicts == []
        assert ("etc/a/b/c" in again.tree) is ("etc/a" in again.tree) is (take == stands)
    turned = merge_tables(tmp_path, {}, {}, {}, out="turned", policy='conflict = "gold"\n')
    assert ("etc/a/b/c" in turned.tree) is ("etc/a" in turned.tree) is of_gold
    (tmp_path / ("gold" if of_gold else "clone") / "etc/a/d").write_text("another")
    other = merge_tables(tmp_path, {}, {}, {}, out="other", decisions={key: Decision("gold")})
    assert other.conflicts == [("/etc/a", "presence")], "what is in it is part of the question"


def test_directory_became_a_link_and_the_clone_changed_something_below(tmp_path: Path) -> None:
    base = {"etc/d/a": "1", "etc/d/b": "2", "etc/other": "o"}
    gold = {"etc/d": Link("/tmp"), "etc/other": "new"}
    clone = {"etc/d/a": "mine", "etc/d/b": "2", "etc/other": "o"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.tree["etc/d"].kind == "d"
    assert (done.text("etc/d/a"), done.text("etc/d/b")) == ("mine", "2")
    assert done.text("etc/other") == "new", "the rest goes on"
    assert done.conflicts == [("/etc/d", "type")]


def test_clone_made_a_directory_a_link_and_gold_changed_below(tmp_path: Path) -> None:
    base = {"etc/d/a": "1", "etc/x": "x"}
    done = merge_tables(tmp_path, base, {"etc/d/a": "2", "etc/x": "x"}, {"etc/d": Link("/srv"), "etc/x": "x"})
    assert done.tree["etc/d"].content == b"/srv"
    assert done.conflicts == [("/etc/d", "type")]
    assert done.entry("/etc/d/a")["because"] == "/etc/d"


def test_gold_moved_a_file_that_the_clone_changed(tmp_path: Path) -> None:
    base = {"etc/old.conf": "a long enough content\n"}
    gold = {"etc/new/place.conf": "a long enough content\n"}
    done = merge_tables(tmp_path, base, gold, {"etc/old.conf": "a long enough content\nmine\n"})
    assert done.conflicts == [("/etc/old.conf", "presence")]
    assert "/etc/new/place.conf" in done.record["conflicts"][0]["detail"]
    assert done.text("etc/old.conf").endswith("mine\n")
    assert done.text("etc/new/place.conf") == "a long enough content\n"


def test_gold_moved_a_file_over_another(tmp_path: Path) -> None:
    base = {"etc/old.conf": "a long enough content\n", "etc/new.conf": "of before\n"}
    gold = {"etc/new.conf": "a long enough content\n"}
    done = merge_tables(tmp_path, base, gold, {**base, "etc/old.conf": "mine\n"})
    assert [conflict["kind"] for conflict in done.record["conflicts"]] == ["gold-moved-clone-changed"]
    assert "/etc/new.conf" in done.record["conflicts"][0]["detail"]
    assert done.text("etc/new.conf") == "a long enough content\n"


def test_same_size_and_time_but_other_bytes_is_found(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc/a": "aaaa"}, {"etc/a": "aaaa"}, {"etc/a": "bbbb"})
    assert done.text("etc/a") == "bbbb"
    assert done.entry("/etc/a")["outcome"] == "clone"


def test_same_size_and_time_is_found_in_a_state_unit_too(tmp_path: Path) -> None:
    base = {"var/lib/db/x": "aaaa"}
    done = merge_tables(tmp_path, base, {"var/lib/db/x": "cccc"}, {"var/lib/db/x": "bbbb"})
    assert done.text("var/lib/db/x") == "bbbb"
    assert done.entry("/var/lib/db")["changed"] == {"gold": True, "clone": True}


def test_a_fifo_stays_and_a_socket_is_dropped_with_a_note(tmp_path: Path) -> None:
    done = merge_tables(tmp_path, {"etc": Dir()}, {"etc": Dir()}, {"etc/pipe": Fifo(), "etc/sock": Socket()})
    assert done.tree["etc/pipe"].kind == "p"
    assert "etc/sock" not in done.tree
    assert done.entry("/etc/sock")["outcome"] == "dropped"
    assert [note["path"] for note in done.record["notes"] if note["kind"] == "socket-dropped"] == ["/etc/sock"]


def test_every_trees_sockets_are_dropped_with_a_word_and_only_one(tmp_path: Path) -> None:
    base = {"etc/was": Socket(), "etc/file": "f", "srv/unit": "u", "etc/x": "x"}
    gold = {"etc/golds": Socket(), "etc/file": "f", "srv/unit": "u", "etc/x": "x"}
    clone = {"etc/file": Socket(), "srv/unit": Socket(), "etc/x": "x"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert sorted(path for path in done.tree if path) == ["etc", "etc/x", "srv"]
    assert done.conflicts == []
    for path in ("/etc/was", "/etc/golds", "/etc/file", "/srv/unit"):
        assert done.entry(path)["result" if path != "/srv/unit" else "outcome"] in (None, "clone")
    assert done.entry("/etc/file")["notes"] == done.entry("/etc/golds")["notes"]
    assert done.entry("/etc/file")["clone"] == done.entry("/etc/golds")["gold"] == {"kind": "socket"}


def test_hard_links_stay_together_where_all_end_equal(tmp_path: Path) -> None:
    base = {"etc/a": "1", "etc/b": HardLink("etc/a")}
    clone = {"etc/a": "1", "etc/b": HardLink("etc/a"), "etc/c": "own", "etc/d": HardLink("etc/c")}
    gold = {"etc/a": "2", "etc/b": HardLink("etc/a")}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.tree["etc/c"].names == ("etc/c", "etc/d")
    assert done.tree["etc/a"].names == ("etc/a", "etc/b")
    assert done.text("etc/b") == "2"


def test_hard_links_are_separated_and_noted_where_members_end_different(tmp_path: Path) -> None:
    base = {"etc/a": "1", "etc/b": "1"}
    clone = {"etc/a": "1", "etc/b": HardLink("etc/a")}
    done = merge_tables(tmp_path, base, {"etc/a": "2", "etc/b": "1"}, clone)
    assert (done.text("etc/a"), done.text("etc/b")) == ("2", "1")
    assert {note["path"] for note in done.record["notes"] if note["kind"] == "hard-link-separated"} == {
        "/etc/a",
        "/etc/b",
    }


def test_hard_links_that_gold_deleted_and_the_clone_changed_stay_together(tmp_path: Path) -> None:
    base = {"etc/a": "1", "etc/b": HardLink("etc/a"), "etc/c": "c"}
    clone = {"etc/a": "mine", "etc/b": HardLink("etc/a"), "etc/c": "c"}
    done = merge_tables(tmp_path, base, {"etc/c": "c"}, clone)
    assert done.tree["etc/a"].names == ("etc/a", "etc/b")
    assert separated(done) == []
    swapped = merge_tables(tmp_path / "swapped", base, clone, {"etc/c": "c"}, policy='conflict = "gold"\n')
    assert swapped.tree["etc/a"].names == ("etc/a", "etc/b")


def test_hard_links_that_gold_took_apart_are_noted(tmp_path: Path) -> None:
    base = {"etc/a": "1", "etc/b": HardLink("etc/a"), "etc/c": "c"}
    done = merge_tables(tmp_path, base, {"etc/a": "2", "etc/b": "1", "etc/c": "c"}, base)
    assert (done.text("etc/a"), done.text("etc/b")) == ("2", "1")
    assert separated(done) == ["/etc/a", "/etc/b"]
    gone = merge_tables(tmp_path / "gone", base, {"etc/b": "1", "etc/c": "c"}, base)
    assert separated(gone) == [], "one name is left"


def test_four_hard_links_that_end_as_two_and_two_are_noted(tmp_path: Path) -> None:
    clone = {"etc/a": "1", **{f"etc/{name}": HardLink("etc/a") for name in "bcd"}}
    base = dict.fromkeys(clone, "1")
    done = merge_tables(tmp_path, base, {**base, "etc/c": "2", "etc/d": "2"}, clone)
    assert done.tree["etc/a"].names == ("etc/a", "etc/b")
    assert done.tree["etc/c"].names == ("etc/c", "etc/d")
    assert separated(done) == ["/etc/a", "/etc/b", "/etc/c", "/etc/d"]


def separated(done: Outcome) -> list[str]:
    return [note["path"] for note in done.record["notes"] if note["kind"] == "hard-link-separated"]


def test_names_are_any_bytes(tmp_path: Path) -> None:
    odd = "etc/" + b"\xff\xfe\n -x".decode("utf-8", "surrogateescape")
    done = merge_tables(tmp_path, {odd: "1"}, {odd: "1"}, {odd: "2"})
    assert done.text(odd) == "2"
    assert any("\\xff\\xfe" in entry["path"] for entry in done.record["entries"])


def test_conflict_gold_in_the_policy_turns_it_round(tmp_path: Path) -> None:
    policy = 'conflict = "gold"\n'
    done = merge_tables(
        tmp_path, {"etc/a": "1", "etc/b": "1"}, {"etc/a": "2"}, {"etc/a": "3", "etc/b": "9"}, policy=policy
    )
    assert done.text("etc/a") == "2"
    assert "etc/b" not in done.tree
    assert sorted(done.conflicts) == [("/etc/a", "content"), ("/etc/b", "presence")]


def test_what_cannot_be_placed_is_a_question_with_one_answer(tmp_path: Path) -> None:
    """Gold's package database below what the clone made a file: it can only be left out, and that can be accepted."""
    base = {"var/lib/dpkg/status": "1", "var/x": "x"}
    done = merge_tables(tmp_path, base, {**base, "var/lib/dpkg/status": "2"}, {"var/lib": "a file", "var/x": "x"})
    asked = done.record["conflicts"]
    assert done.text("var/lib") == "a file"
    again = merge_tables(
        tmp_path, {}, {}, {}, out="again", decisions={c["key"]: Decision(c["answers"][0]) for c in asked}
    )
    assert again.conflicts == []
    assert again.text("var/lib") == "a file"
    assert done.entry("/var/lib/dpkg/status")["outcome"] == "conflict"


def test_a_cache_asks_nothing(tmp_path: Path) -> None:
    base = {"var/cache/a": "1", "var/cache/d/x": "1"}
    gold = {"var/cache/a": Dir(), "var/cache/d": Link("a")}
    clone = {"var/cache/a": Link("/etc"), "var/cache/d/x": "2", "var/cache/d/own/y": "2"}
    done = merge_tables(tmp_path, base, gold, clone)
    assert done.conflicts == []
    assert (done.tree["var/cache/a"].kind, done.tree["var/cache/d"].kind) == ("d", "l")


def test_a_directory_of_a_unit_made_again_has_one_entry(tmp_path: Path) -> None:
    base = {"var/lib/db/f": "1", "var/lib/db/deep/authorized_keys": "a\n"}
    clone = {"var/lib/db/f": "1", "var/lib/db/deep/authorized_keys": "a\nb\n"}
    done = merge_tables(tmp_path, base, {"var/lib/db": Link("/srv/db")}, clone)
    assert done.text("var/lib/db/deep/authorized_keys") == "a\nb\n"
    assert done.conflicts == [("/var/lib/db/deep/authorized_keys", "presence")]
    assert done.entry("/var/lib/db")["notes"] == ["the directory stays, with only what stays in it"]


def test_gold_without_account_files(tmp_path: Path) -> None:
    users = {"etc/passwd": "root:x:0:0::/:/x\na:x:101:0::/:/x\n", "etc/group": "root:x:0:\n"}
    base = {**users, "etc/f": "1"}
    assert "etc/f" in merge_tables(tmp_path, base, {"etc/f": "1"}, base).tree
    gone = merge_tables(tmp_path / "gone", base, {"var": Dir()}, {**base, "var": Dir()})
    assert "etc" not in gone.tree


@pytest.mark.parametrize("more", ["etc/d/mine", "var/mail/alice"])
def test_an_answer_for_a_directory_is_none_for_what_was_not_in_it(tmp_path: Path, more: str) -> None:
    """The answer "gold" drops what the clone has below, so it holds only where that is the same."""
    base: Table = {"etc/d/f": "1", "var/mail/u": "1"}
    gold: Table = {"etc/d": Link("e"), "etc/e/f": "1", "var/mail": Link("spool/mail")}
    for number, clone in enumerate(({**base, "etc/d/g": "1", "var/mail/bob": "1"},) * 2):
        (tmp_path / str(number)).mkdir()
        asked = merge_tables(tmp_path / str(number), base, gold, clone)
        assert asked.conflicts == [("/etc/d", "type"), ("/var/mail", "type")]
    answers = {conflict["key"]: Decision("gold") for conflict in asked.record["conflicts"]}
    (tmp_path / "same").mkdir()
    done = merge_tables(tmp_path / "same", base, gold, clone, decisions=answers)
    assert done.conflicts == []
    assert done.tree["etc/d"].kind == done.tree["var/mail"].kind == "l"
    assert done.entry("/var/mail/bob")["because"] == "/var/mail"
    (tmp_path / "more").mkdir()
    again = merge_tables(tmp_path / "more", base, gold, {**clone, more: "mine"}, decisions=answers)
    assert again.conflicts == [("/" + more.rpartition("/")[0], "type")]
    assert again.text(more) == "mine"
