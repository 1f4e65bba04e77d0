"""`goldroot merge resolve`, `show` and `edit`: what a merge of three directories left to be decided."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldroot.cli import keys
from goldroot.views import MergeResolved, MergeShown
from support.commands import data, said
from support.person import Person
from support.trees import File, Link, Node, make_tree

BASE: dict[str, Node] = {
    "etc/app.conf": "one\ntwo\nthree\nfour\n", "etc/plain": "plain\n", "etc/gone": "old\n", "etc/mode": File("x\n", mode=0o644),
    "etc/link": Link(target="/a"), "etc/quiet": "quiet\n",
}  # fmt: skip
GOLD = BASE | {
    "etc/app.conf": "ONE\ntwo\nthree\nFOUR\n", "etc/plain": "gold\n", "etc/mode": File("x\n", mode=0o640),
    "etc/link": Link(target="/b"), "etc/quiet": "QUIET\n",
}  # fmt: skip
CLONE = BASE | {
    "etc/app.conf": "1\ntwo\nthree\nfour\n", "etc/plain": "mine\n", "etc/gone": "old\nmine\n", "etc/mode": File("x\n", mode=0o600),
    "etc/link": Link(target="/c"),
}  # fmt: skip
del GOLD["etc/gone"]
PATHS = ["/etc/app.conf", "/etc/gone", "/etc/link", "/etc/mode", "/etc/plain"]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Three trees with five conflicts, merged into ``out``, which is named as a relative path."""
    for word, table in (("base", BASE), ("gold", GOLD), ("clone", CLONE)):
        make_tree(tmp_path / word, table)
    monkeypatch.chdir(tmp_path)
    assert said(capsys, *MERGE)[0] == 1
    return tmp_path


MERGE = ("merge", "--base", "base", "--gold", "gold", "--clone", "clone", "--into", "out")


def typed(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """These keys are pressed; then the input ends."""
    pressed: Iterator[str] = iter(words)
    monkeypatch.setattr(keys, "at_terminal", lambda: True)
    monkeypatch.setattr(keys.Keys, "_next", lambda self: next(pressed, "q"))


def opened(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [one["path"] for one in data(capsys, "merge", "show", "out")["conflicts"]]


def test_what_is_open_stands_beside_the_result_for_its_owner_alone(room: Path) -> None:
    assert {path.name for path in room.iterdir()} == {"base", "gold", "clone", "out", "out.review"}
    assert {path.name for path in (room / "out.review").iterdir()} == {"merge.json", "record.json", "decisions.json"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (room / "out.review", *(room / "out.review").iterdir()))
    assert not any(name.endswith(".review") for _, names, _ in os.walk(room / "out") for name in names)


def test_on_a_terminal_it_asks_by_keys_and_merges_again_at_the_end(room: Path) -> None:
    with Person("merge", "resolve", "out") as person:
        assert "/etc/app.conf" in person.answers("(1/5) Which one?", "g")
        shown = person.answers("(2/5) Which one?", "s")
        assert "gold deleted it (a file of 1 line)" in shown
        shown = person.answers("(3/5) Which one? [s,g,v,j,k,q,?]", "s")
        assert "gold made it lead to /b instead of /a" in shown
        shown = person.answers("(4/5) Which one? [s,g,v,j,k,q,?]", "g")
        assert "gold mode 0644 -> 0640" in shown and "the server mode 0644 -> 0600" in shown
        person.answers("(5/5) Which one?", "s")
        assert person.ends() == 0
        assert "Merged into out, with 5 answers." in person.screen
    out = room / "out/etc"
    assert (out / "app.conf").read_text() == "ONE\ntwo\nthree\nFOUR\n" and (out / "gone").read_text() == "old\nmine\n"
    assert os.readlink(out / "link") == "/c" and (out / "mode").stat().st_mode & 0o777 == 0o640
    assert (out / "plain").read_text() == "mine\n" and not (room / "out.before").exists()


def test_an_answer_is_kept_at_once_and_asked_no_more(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "gjsq")
    code, out = said(capsys, "merge", "resolve", "out")
    assert code == 1 and "3 to decide" in out
    assert opened(capsys) == ["/etc/gone", "/etc/mode", "/etc/plain"]
    assert (room / "out/etc/app.conf").read_text() == "1\ntwo\nthree\nfour\n", "nothing is merged yet"


def test_by_commands_and_the_same_answers_for_another_merge(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "merge", "resolve", "out", "/etc/plain", "--take", "gold", "--plan")
    assert code == 1 and "would decide /etc/plain [content]: gold" in out and opened(capsys) == PATHS
    (room / "own").write_text("own\n")
    assert said(capsys, "merge", "resolve", "out", "/etc/plain", "--take", "own")[0] == 1
    done = data(capsys, "merge", "resolve", "out", "/etc/mode", "--take", "server", "--all-like")
    assert MergeResolved.model_validate(done).as_json() == done and done["merged"] is False
    shown = data(capsys, "merge", "show", "out")
    assert MergeShown.model_validate(shown).as_json() == shown
    assert said(capsys, "merge", "resolve", "out", "--all", "--take", "server")[0] == 0
    assert (room / "out/etc/plain").read_text() == "own\n" and (room / "out/etc/quiet").read_text() == "QUIET\n"
    again = data(capsys, *MERGE[:-1], "second", "--decisions", "out.review/decisions.json")
    assert again["conflicts"] == [] and (room / "second/etc/plain").read_text() == "own\n"
    assert not (room / "second.review").exists(), "nothing is open there"


def test_a_result_that_was_changed_since_is_kept(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (room / "out/etc/plain").write_text("by hand\n")
    code, out = said(capsys, "merge", "resolve", "out", "--all", "--take", "gold")
    assert code == 0 and "out.before" in out
    assert (room / "out/etc/plain").read_text() == "gold\n"
    assert (room / "out.before/etc/plain").read_text() == "by hand\n"


def test_the_result_may_go_elsewhere(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "merge", "resolve", "out", "--all", "--take", "gold", "--into", "new")[0] == 0
    assert (room / "new/etc/plain").read_text() == "gold\n" and (room / "out/etc/plain").read_text() == "mine\n"


def test_answers_of_a_file_and_the_report_are_part_of_the_merge(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (key,) = (one["key"] for one in data(capsys, "merge", "show", "out", "/etc/plain")["conflicts"])
    (room / "given.json").write_text(json.dumps({"decisions": {key: "gold"}}))
    assert said(capsys, *MERGE[:-1], "o2", "--decisions", "given.json", "--report", "r.json")[0] == 1
    assert said(capsys, "merge", "resolve", "o2", "--all", "--take", "server")[0] == 0
    assert (room / "o2/etc/plain").read_text() == "gold\n"
    assert json.loads((room / "r.json").read_text())["conflicts"] == [], "the record is that of the result"


@pytest.mark.parametrize("point", ["no OUT", "left over"])
def test_what_a_kill_left_is_finished(room: Path, capsys: pytest.CaptureFixture[str], point: str) -> None:
    """Killed while the new result took the place of the old one, or before."""
    made = room / ".out.goldroot-again"
    made.mkdir()
    (made / "junk").touch()
    if point == "no OUT":
        (room / "out").rename(room / "out.before")
    assert said(capsys, "merge", "resolve", "out", "--all", "--take", "gold")[0] == 0
    assert (room / "out/etc/plain").read_text() == "gold\n" and not (room / "out/junk").exists() and not made.exists()


def test_another_command_that_answers_is_waited_for_by_its_name(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from goldroot.merge import resolving

    with resolving("out"):
        assert said(capsys, "merge", "resolve", "out", "--all", "--take", "gold")[0] == 5
        assert said(capsys, "merge", "show", "out")[0] == 1, "looking is free"


def test_an_answer_that_cannot_be_used_is_asked_for_again(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written by hand into the file, or given to the merge: what the merge did not take is open, and is said to be."""
    keys_of = {one["path"]: one["key"] for one in data(capsys, "merge", "show", "out")["conflicts"]}
    wrong = {"schema": 1, "decisions": {keys_of["/etc/link"]: {"take": "content", "text": "/d"}}}
    (room / "out.review/decisions.json").write_text(json.dumps(wrong))
    code, out = said(
        capsys, "merge", "resolve", "out", *(path for path in PATHS if path != "/etc/link"), "--take", "gold"
    )
    assert code == 1 and "1 to decide." in out and "All is decided" not in out
    assert "goldroot merge resolve out /etc/link --take server|gold\n" in out
    assert opened(capsys) == ["/etc/link"] and (room / "out/etc/plain").read_text() == "gold\n"
    (room / "wrong.json").write_text(json.dumps(wrong))
    code, out = said(capsys, *MERGE[:-1], "out2", "--decisions", "wrong.json")
    assert code == 1 and "5 to decide." in out
    assert said(capsys, "merge", "resolve", "out", "--all", "--take", "gold")[0] == 0
    assert os.readlink(room / "out/etc/link") == "/b"


def test_errors(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "merge", "resolve", "out")
    assert code == 2 and "goldroot merge show out" in out
    assert said(capsys, "merge", "resolve", "base")[0] == 3
    assert said(capsys, "merge", "resolve", "out", "/etc/nosuch", "--take", "gold")[0] == 3
    assert said(capsys, "merge", "resolve", "out", "/etc/plain", "--take", "nonsense")[0] == 2
    assert said(capsys, "merge", "resolve", "out", "--take", "gold")[0] == 2
    assert said(capsys, "merge", "resolve", "out", "/etc/plain")[0] == 2
    (room / "mine").write_text("/d\n")
    code, out = said(capsys, "merge", "resolve", "out", "/etc/link", "--take", "mine")
    assert code == 3 and "takes no content" in out and "Answers: server, gold." in out, "a link is not a file"
    shown = said(capsys, "merge", "show", "out", "/etc/link", "/etc/plain")[1]
    assert "answers: server, gold; key" in shown and "answers: server, gold, FILE; key" in shown
    assert opened(capsys) == PATHS
    (room / "out.review/merge.json").write_text("{")
    code, out = said(capsys, "merge", "show", "out")
    assert code == 2 and "is damaged" in out
    assert said(capsys, "merge", "--base", "base")[0] == 2, "the other trees are missing"


def test_every_hint_works_as_it_stands(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "sh -c 'echo edited > \"$1\"' sh")
    _, out = said(capsys, *MERGE[:-1], "hinted out")
    edited = 0
    while "to decide" in out:
        hints = [
            line.strip().removeprefix("goldroot ") for line in out.splitlines() if line.startswith("  goldroot merge ")
        ]
        words, _, takes = hints[0].partition(" --take ")
        path = words.split()[-1]
        for take in takes.split("|"):
            args = ("merge", "resolve", "hinted out", path, "--take", "given" if take == "FILE" else take)
            (room / "given").write_text("own\n")
            assert said(capsys, *args, "--plan")[0] == 1
        if len(hints) == 2:
            assert hints[1].startswith("merge edit 'hinted out' ")
            _, out = said(capsys, "merge", "edit", "hinted out", hints[1].split()[-1])
            edited += 1
        else:
            _, out = said(capsys, *args)
    assert edited == 3 and "Merged into hinted out" in out
    assert (room / "hinted out/etc/plain").read_text() == "edited\n"


def test_the_merge_lists_the_answers_that_its_hint_and_merge_show_name(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, *MERGE[:-1], "other")[1]
    listed = re.findall(r"answers: (.*); key ([0-9a-f]{12})", out)
    assert [words for words, _ in listed] == [
        "server, gold, FILE", "server, gold, FILE", "server, gold", "server, gold", "server, gold, FILE"
    ]  # fmt: skip
    assert f"--take {listed[0][0].replace(', ', '|')}\n" in out
    assert listed == re.findall(r"answers: (.*); key ([0-9a-f]{12})", said(capsys, "merge", "show", "other")[1])
    planned = said(capsys, *MERGE[:-2], "--plan")[1]
    assert listed == re.findall(r"answers: (.*); key ([0-9a-f]{12})", planned)


def test_a_plan_says_how_conflicts_will_be_decided(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, *MERGE[:-2], "--plan")[1]
    assert "goldroot merge resolve OUT" in out
