"""The fleet's commands, as a person gives them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from goldroot.cli import update as update_module
from goldroot.cli.main import cli
from goldroot.image import MAINTENANCE, System
from goldroot.site import Site
from goldroot.views import UpdatePlan, UpdateRow
from support.commands import data, said
from support.fleet import IMAGE, dump, next_gold, on_clone, text
from support.former import former, path_of


@pytest.mark.slow
def test_a_plan_counts_what_is_to_be_decided(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """The number that `update run` says next, also where one path asks twice."""
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    Path(former(fleet).at("WEB1", "1B5").path, "etc/plain.conf").chmod(0o600)
    system = System(fleet, IMAGE, MAINTENANCE)
    Path(path_of(system, "1B5"), "etc/plain.conf").chmod(0o640)
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert "2  to be decided" in said(capsys, "update", "plan", "web1")[1]
    assert "web1: 2 to decide" in said(capsys, "update", "run", "web1")[1]


@pytest.mark.slow
def test_plans_and_rows_are_what_the_published_schemas_say(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    for one in data(capsys, "update", "plan", "web1", "web2")["plans"]:
        assert UpdatePlan.model_validate(one).as_json() == one
    assert said(capsys, "update", "run", "web1", "web2")[0] == 1
    rows = data(capsys, "update", "list", "--all")
    assert [UpdateRow.model_validate(row).as_json() for row in rows] == rows and len(rows) == 2


@pytest.mark.slow
def test_a_review_on_the_way_back_says_what_its_words_mean(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    assert said(capsys, "update", "run", "web1")[0] == 0
    on_clone(fleet, "web1", {"etc/plain.conf": "since\n"})
    assert said(capsys, "rollback", "web1", "--carry")[0] == 1
    out = said(capsys, "review", "show", "web1")[1]
    assert "gold:  the fallback, web1 as it was on gold 1" in out
    code, out = said(capsys, "update", "cancel", "web1")
    assert code == 0 and "It stays on gold 2, as it is." in out


def test_the_whole_story_by_command(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n", "srv/site": "x\n"})
    code, out = said(capsys, "clone", "diff", "web1", "--exit-code", "--patch")
    assert code == 1
    assert "/etc/plain.conf" in out and "+mine" in out and "identity" in out
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    code, out = said(capsys, "update", "plan", "web1")
    assert code == 1 and "/etc/plain.conf  [content]" in out
    code, out = said(capsys, "update", "run", "web1")
    assert code == 1 and "goldroot review show web1" in out
    assert data(capsys, "update", "list")[0]["state"] == "needs-review"
    assert said(capsys, "review", "list")[0] == 1
    code, out = said(capsys, "review", "show", "web1")
    assert code == 1 and "+gold" in out and "+mine" in out
    code, out = said(capsys, "review", "resolve", "web1", "/etc/plain.conf", "--take", "gold", "--note", "right")
    assert code == 0 and "goldroot update run web1" in out
    code, out = said(capsys, "update", "run", "web1")
    assert code == 0 and "goldroot rollback web1" in out
    assert text(fleet, "web1", "etc/plain.conf") == "gold\n"
    assert [row["version"] for row in data(capsys, "linked") if row["current"]] == [2]
    code, out = said(capsys, "linked")
    assert re.search(r"SMALLGOLD +1 +web2 +web1 ", out) and re.search(r"SMALLGOLD2 +2 +web1 +- ", out), (
        "clones, fallbacks"
    )
    code, out = said(capsys, "rollback", "web1", "--plan")
    assert code == 0 and "from gold 2 to 1" in out
    assert said(capsys, "rollback", "web1")[0] == 0
    assert text(fleet, "web1", "etc/plain.conf") == "mine\n"
    assert data(capsys, "fallback", "list")[0]["state"] == "set-aside"
    assert said(capsys, "fallback", "prune", "web1", "--force")[0] == 0
    assert data(capsys, "fallback", "list") == []


@pytest.mark.slow
def test_of_a_long_text_the_review_shows_where_the_sides_meet(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    def lines(**changed: str) -> str:
        return "".join(f"{changed.get(f'n{number}', number)}\n" for number in range(300))

    next_gold(fleet, {"etc/long.conf": lines()})
    said(capsys, "clone", "create", "web3", "--image", IMAGE)
    on_clone(fleet, "web3", {"etc/long.conf": lines(n50="mine")})
    next_gold(fleet, {"etc/long.conf": lines(**{f"n{number}": f"gold-{number}" for number in range(10, 300, 20)})})
    said(capsys, "update", "run", "web3")
    out = said(capsys, "review", "show", "web3")[1]
    assert "+mine" in out and "+gold-50" in out and "+gold-10" not in out
    assert "(14 changes elsewhere in the file; shown with --whole)" in out
    assert "+gold-10\n" in said(capsys, "review", "show", "web3", "--whole")[1]
    assert "+gold-10" in data(capsys, "review", "show", "web3")["conflicts"][0]["diffs"]["base->gold"]


@pytest.mark.slow
def test_rule_7_a_plan_changes_nothing(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    fleet.catalog.close()
    machines = Path(fleet.path("store"), "entries")
    before, disks = dump(fleet, "web1"), former(fleet).disks()
    definitions = sorted(os.listdir(machines))
    for args in (
        ["clone", "create", "web3", "--image", IMAGE, "--plan"],
        ["clone", "delete", "web1", "--plan"],
        ["update", "run", "web1", "--plan"],
        ["update", "plan", "web1"],
        ["fallback", "prune", "--plan"],
    ):
        assert said(capsys, *args)[0] == 0, args
        assert json.loads(said(capsys, *args, "--json")[1]) is not None
    assert (dump(fleet, "web1"), former(fleet).disks()) == (before, disks)
    assert sorted(os.listdir(machines)) == definitions
    assert data(capsys, "update", "list", "--all") == []
    assert [row["name"] for row in data(capsys, "clone", "list")] == ["web1", "web2"]


@pytest.mark.slow
def test_one_failure_does_not_stop_the_others(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    with former(fleet).running("WEB1"):
        code, out = said(capsys, "update", "run", "web1", "nobody", "web2")
    assert code == 3
    assert "still-running" in out and "not-found" in out
    assert text(fleet, "web2", "etc/plain.conf") == "gold\n"
    assert text(fleet, "web1", "etc/plain.conf") == "plain\n"


def test_errors_say_what_to_do(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for args, words in (
        (["clone", "create", "web1", "--image", IMAGE], "already"),
        (["clone", "create", "Web_9", "--image", IMAGE], "cannot be a clone's name"),
        (["clone", "create", "web9", "--image", "none"], "no image"),
        (["clone", "create", "web9", "--image", IMAGE, "--gold", "7"], "no gold version 7"),
        (["clone", "create", "web9", "--image", IMAGE, "--address", "nonsense"], "address"),
        (["clone", "show", "nobody"], "no clone"),
        (["update", "run", "web1", "--to", "9"], "no gold version 9"),
        (["update", "cancel", "web1"], "in flight"),
        (["rollback", "web1"], "no fallback"),
        (["rollback", "web1", "--take-proposals"], "--carry"),
        (["review", "show", "web1"], "waits for a review"),
        (["fallback", "prune", "--force"], "names"),
    ):
        code, out = said(capsys, *args)
        assert code in (2, 3), (args, out)
        assert words in out, (args, out)
        assert "Traceback" not in out and "this is a bug" not in out


def commands(group: click.Group, context: click.Context) -> Iterator[click.Context]:
    """Every command that does something; groups only hold others."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands(command, inner)
        else:
            yield inner


def test_every_command_has_help_with_an_example_and_explains_its_options() -> None:
    for context in commands(cli, click.Context(cli, info_name="goldroot")):
        _, found, examples = context.get_help().partition("Example")
        assert found and re.search(rf"{context.command_path}\s", examples), context.command_path
        for option in context.command.params:
            record = option.get_help_record(context)
            assert isinstance(option, click.Argument) or (record and record[1]), (context.command_path, option.name)


def test_every_command_has_json() -> None:
    found = commands(cli, click.Context(cli, info_name="goldroot"))
    lacks = [one.command_path for one in found if all("--json" not in option.opts for option in one.command.params)]
    assert lacks == []


def test_every_group_lists_its_commands_in_whole_sentences() -> None:
    groups = {one.parent for one in commands(cli, click.Context(cli, info_name="goldroot", max_content_width=60))}
    for context in filter(None, groups):
        listed = context.get_help().partition("Commands:")[2]
        assert listed and "..." not in listed, context.command_path
        assert re.search(rf"\n +{context.command_path} [a-z]", context.get_help()), (
            f"no example: {context.command_path}"
        )


@pytest.mark.parametrize("kind", ["rebuild-due", "migrate-due"])
def test_a_command_that_is_due_for_many_paths_is_one_line(kind: str) -> None:
    def note(path: str, command: str) -> dict[str, Any]:
        return {"kind": kind, "path": path, "text": f"by {command}", "data": {"command": command}}

    notes = [note("/c", "one"), note("/c/x", "one"), {"kind": "path", "path": "/c/y", "text": ""}, note("/d", "two")]
    assert update_module.due(notes) == {"/c": "by one", "/d": "by two"}


def test_a_plan_names_what_is_due_once(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    Path(fleet.path("policy.toml")).write_text(
        '[[rule]]\npath = "/etc/made"\nclass = "generated"\nrebuild = "make-it"\n'
    )
    with open(fleet.path("goldroot.toml"), "a") as file:
        file.write(f'\n[images.{IMAGE}]\npolicy = "policy.toml"\n')
    next_gold(fleet, {"etc/made/a": "1\n", "etc/made/b": "1\n"})
    out = said(capsys, "update", "plan", "web1")[1]
    assert [line.split() for line in out.splitlines() if "due" in line] == [
        ["due", "/etc/made:", "to", "be", "made", "again", "with", "2", "more,", "by:", "make-it"]
    ]


@pytest.mark.slow
def test_a_plan_imports_neither_the_workflow_engine_nor_migrations(fleet: Site) -> None:
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    script = (
        "import sys; from goldroot.cli.failure import guarded; from goldroot.cli.main import cli;"
        "code = guarded(cli, ['update', 'plan', 'web1']);"
        "print(code, sorted({'dbos', 'alembic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "GOLDROOT_SITE": fleet.root},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"


def test_a_plan_refuses_what_the_command_would_refuse(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    on_clone(fleet, "web1", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    said(capsys, "update", "run", "web1")
    for plan in ([], ["--plan"]):
        code, out = said(capsys, "review", "resolve", "web1", "--all", "--take", "bogus", *plan)
        assert (code, "'bogus' is neither an answer nor a file" in out) == (2, True)
    assert said(capsys, "review", "resolve", "web1", "--all", "--take", "gold", "--plan")[0] == 0
    assert data(capsys, "review", "list")[0]["open"] == 1


@pytest.mark.parametrize("words", ["update list", "review list", "review show", "fallback list", "clone list --image"])
def test_lists_know_what_there_is(fleet: Site, capsys: pytest.CaptureFixture[str], words: str) -> None:
    """An empty list of a name that was mistyped would say that all is well."""
    code, out = said(capsys, *words.split(), "wbe1")
    assert code == 3 and "wbe1" in out


@pytest.mark.slow
def test_all_clones_are_updated_by_one_command(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "clone", "create", "web2", "--image", IMAGE)
    on_clone(fleet, "web2", {"etc/plain.conf": "mine\n"})
    next_gold(fleet, {"etc/plain.conf": "gold\n"})
    code, out = said(capsys, "update", "run", "--all", "--image", IMAGE)
    assert code == 2 and "which clones?" in out
    assert said(capsys, "update", "run", "web1", "--all")[0] == 2
    code, out = said(capsys, "update", "run", "--all", "--plan")
    assert code == 1 and "web1" in out and "web2" in out
    code, out = said(capsys, "update", "run", "--image", IMAGE, "--jobs", "2")
    assert code == 1
    assert [line.split() for line in out.splitlines()[-2:]] == [["web1", "done"], ["web2", "needs-review"]]
    found = data(capsys, "update", "run", "web2", "web1")
    assert [(one["clone"], one["outcome"]) for one in found["clones"]] == [
        ("web2", "needs-review"), ("web1", "nothing-to-do"),
    ]  # fmt: skip
    assert (found["failed"], found["unfinished"], found["not_begun"]) == ([], [], [])


def test_what_was_not_begun_is_said(fleet: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "update", "run", "no1", "no2", "web1", "--jobs", "1", "--stop-after", "2")
    assert code == 3
    assert "not begun after the failures of the kind not-found: web1" in out
    assert [line.split() for line in out.splitlines() if line.startswith("web1 ")] == [["web1", "not", "begun"]]


@pytest.mark.slow
def test_nothing_to_do_imports_no_workflow_engine(fleet: Site) -> None:
    script = (
        "import sys; from goldroot.cli.failure import guarded; from goldroot.cli.main import cli;"
        "code = guarded(cli, ['update', 'run', 'web1']);"
        "print(code, sorted({'dbos', 'alembic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "GOLDROOT_SITE": fleet.root},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"
