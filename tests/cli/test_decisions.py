"""Remembered answers, by command: listed, named by plans and runs, changed and forgotten."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from goldroot.catalog import decisions
from goldroot.conflicts import Decision as Given
from goldroot.site import Site
from goldroot.views import Decision, DecisionsChanged, DecisionsForgotten, UpdateOutcome, UpdatePlan
from support.commands import data, said
from support.fleet import IMAGE, next_gold, on_clone, text
from support.marks import slow


@pytest.fixture
def decided(fleet: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """web1 and web2 meet the same question, which was answered with gold's for web1; web1 was switched with it."""
    for name in ("web1", "web2"):
        on_clone(fleet, name, {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 1
    answer = ("review", "resolve", "web1", "/etc/plain.conf", "--take", "gold", "--note", "the new default")
    assert said(capsys, *answer)[0] == 0
    assert said(capsys, "update", "run", "web1")[0] == 0
    assert text(fleet, "web1", "etc/plain.conf") == "gold\n"
    return fleet


def row(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The only remembered answer."""
    (found,) = data(capsys, "review", "decisions", *words)
    return dict(found)


@pytest.mark.slow
def test_an_answer_is_listed_with_who_gave_it_and_who_used_it(
    decided: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    one = row(capsys)
    assert Decision.model_validate(one).as_json() == one
    assert (one["path"], one["axis"], one["take"], one["image"]) == ("/etc/plain.conf", "content", "gold", IMAGE)
    assert (one["note"], one["used_by"], bool(one["who"])) == ("the new default", ["web1"], True)
    assert row(capsys, "web1") == one and data(capsys, "review", "decisions", "web2") == []
    out = said(capsys, "review", "decisions")[1]
    assert "/etc/plain.conf  [content]  gold, by " in out and ": the new default" in out and "used by web1" in out
    assert said(capsys, "review", "decisions", "web9")[0] == 3


@pytest.mark.slow
def test_a_plan_and_a_run_say_which_answers_they_use(decided: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (plan,) = data(capsys, "update", "plan", "web2")["plans"]
    assert UpdatePlan.model_validate(plan).as_json() == plan
    assert [(one["path"], one["take"]) for one in plan["answers"]] == [("/etc/plain.conf", "gold")]
    words = "1 remembered answer is used (goldroot review decisions web2)"
    for command in (("update", "plan", "web2"), ("update", "run", "web2")):
        out = said(capsys, *command)[1]
        assert words in out and "the new default" not in out
    assert row(capsys)["used_by"] == ["web1", "web2"]


@pytest.mark.slow
def test_the_outcome_of_a_run_names_them(decided: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (done,) = data(capsys, "update", "run", "web2")["clones"]
    (answer,) = done["answers"]
    assert UpdateOutcome.model_fields["answers"] and (answer["path"], answer["take"]) == ("/etc/plain.conf", "gold")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("-v", "update", "run", "web2"), slow(("update", "run", "web2", "-v"))])
def test_with_v_a_run_names_them(decided: Site, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert "/etc/plain.conf  [content]  gold, by " in said(capsys, *words)[1]


@pytest.mark.slow
def test_after_a_rollback_the_plan_names_what_would_take_the_servers_line_again(
    decided: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "rollback", "web1")[0] == 0
    assert text(decided, "web1", "etc/plain.conf") == "mine\n"
    code, out = said(capsys, "update", "plan", "web1")
    assert code == 0 and "/etc/plain.conf  [content]  gold, by " in out


@pytest.mark.slow
def test_a_forgotten_answer_is_asked_for_again_and_servers_stay(
    decided: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    key = row(capsys)["key"]
    code, out = said(capsys, "review", "forget", key[:12], "--plan")
    assert code == 0 and "would forget" in out and "asks it again. web1 stays as now." in out
    assert row(capsys)["key"] == key
    assert said(capsys, "review", "forget", key[:12])[0] == 0
    assert data(capsys, "review", "decisions") == []
    assert said(capsys, "update", "run", "web2")[0] == 1
    assert text(decided, "web1", "etc/plain.conf") == "gold\n"
    code, out = said(capsys, "review", "forget", key)
    assert code == 3 and "no remembered answer" in out


def test_the_beginning_of_a_key_that_two_answers_have_forgets_none(
    fleet: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with fleet.catalog.begin() as tx:
        for end in "01":
            decisions.decide(tx, IMAGE, "a" * 63 + end, Given("gold"), who="me")
    code, out = said(capsys, "review", "forget", "aaaaaaaa")
    assert code == 2 and "names 2 answers" in out
    assert len(data(capsys, "review", "decisions")) == 2


@pytest.mark.slow
def test_an_answer_is_changed_by_answering_again(
    decided: Site, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key = row(capsys)["key"]
    code, out = said(capsys, "review", "resolve", "web1", "/etc/plain.conf", "--take", "server", "--plan")
    assert code == 0 and "would change /etc/plain.conf" in out and row(capsys)["take"] == "gold"
    assert said(capsys, "review", "resolve", "web1", key[:12], "--take", "server", "--note", "no")[0] == 0
    assert (row(capsys)["take"], row(capsys)["note"]) == ("server", "no")
    assert said(capsys, "update", "run", "web2")[0] == 0
    assert text(decided, "web2", "etc/plain.conf") == "mine\n"
    own = tmp_path / "own"
    own.write_text("my own\n")
    assert said(capsys, "review", "resolve", "web1", "/etc/plain.conf", "--take", str(own))[0] == 0
    assert (row(capsys)["take"], row(capsys)["size"]) == ("content", 7)
    assert said(capsys, "rollback", "web2")[0] == 0 and said(capsys, "update", "run", "web2")[0] == 0
    assert text(decided, "web2", "etc/plain.conf") == "my own\n"


@pytest.mark.slow
def test_what_is_no_answer_changes_none(decided: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "review", "resolve", "web1", "/etc/plain.conf", "--take", "moved")
    assert code == 2 and "neither an answer nor a file" in out
    assert row(capsys)["take"] == "gold"
    assert said(capsys, "review", "resolve", "web2", "/etc/plain.conf", "--take", "server")[0] == 3, "it used none"


def test_a_key_of_nobodys_question_is_listed_by_its_key(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """An older goldroot wrote no question down."""
    with fleet.catalog.begin() as tx:
        decisions.decide(tx, IMAGE, "b" * 64, Given("gold"), who="me")
    assert f"key {'b' * 12}  gold, by me on " in said(capsys, "review", "decisions")[1]


@pytest.mark.slow
def test_proposals_that_a_rollback_took_are_named(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    on_clone(fleet, "web1", {"etc/plain.conf": "since\n"})
    code, out = said(capsys, "rollback", "web1", "--carry", "--take-proposals", "-v")
    assert code == 0 and "/etc/plain.conf  [" in out and "the proposal of a rollback" in out


@pytest.mark.slow
def test_what_is_forgotten_and_changed_is_what_the_schemas_say(
    decided: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    one = data(capsys, "review", "resolve", "web1", "/etc/plain.conf", "--take", "server")
    assert DecisionsChanged.model_validate(one).as_json() == one and one["changed"][0]["take"] == "server"
    for plan in (("--plan",), ()):
        one = data(capsys, "review", "forget", "/etc/plain.conf", *plan)
        assert DecisionsForgotten.model_validate(one).as_json() == one and len(one["forgotten"]) == 1
    assert data(capsys, "review", "decisions") == []


class Terminal(io.StringIO):
    """A person who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "left"), [slow("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_on_a_terminal_a_person_is_asked_first(
    typed: str, left: int, decided: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, out = said(capsys, "review", "forget", "/etc/plain.conf")
    assert code == (3 if left else 0)
    assert "asks it again. web1 stays as now." in out and "Forget 1 answer?" in out
    assert len(data(capsys, "review", "decisions")) == left
