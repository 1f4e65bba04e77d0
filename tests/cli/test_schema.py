"""`goldroot schema`: the published shapes, and that commands print what they say."""

from __future__ import annotations

import click
import pytest

from goldroot.cli.main import cli
from goldroot.views import ERROR, PRINTED, VIEWS, printed_by, schema_of
from support.commands import data, said
from support.shapes import commands_below, fits, look, misfits


def test_it_lists_the_shapes_and_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["name"] for row in data(capsys, "schema")} == set(VIEWS)
    assert data(capsys, "schema", "update-plan") == schema_of("update-plan")
    code, out = said(capsys, "schema")
    assert code == 0 and "update-plan" in out and "What moving a server to a version would do" in out
    code, out = said(capsys, "schema", "update-plam")
    assert code == 3 and "Did you mean 'update-plan'?" in out


def test_every_command_that_takes_json_has_a_shape_that_is_published() -> None:
    assert {words for words, _ in commands_below(cli)} == set(PRINTED)
    named = {shape.removesuffix("[]") for shapes in PRINTED.values() for shape in shapes}
    assert named <= set(VIEWS)
    inside = set(VIEWS) - named - {ERROR}
    for name in inside:
        assert any(f"#/$defs/{VIEWS[name].__name__}" in str(schema_of(other)) for other in named), name


def test_the_list_says_which_commands_print_a_shape(capsys: pytest.CaptureFixture[str]) -> None:
    by = {row["name"]: row["printed_by"] for row in data(capsys, "schema")}
    assert by["clone-row"] == ["clone list"] and by["error"] == ["*"] and by["update-plan"] == []
    assert by["command-done"] == ["maintain enter", "maintain run", "clone enter", "machine run"]
    assert printed_by("update-plans") == ("update plan", "update run")


def test_a_command_that_prints_otherwise_is_found() -> None:
    """The look at every command of every test (support/shapes.py) sees what does not fit."""
    assert "made" in fits("site-made", '{"plan": true}')
    assert "extra" in fits("site-made", '{"made": [], "plan": true, "extra": 1}').lower()
    assert fits("site-made", '{"made": [], "plan": 1}') and not fits("site-made", '{"made": ["x"], "plan": true}')
    assert fits("clone-row[]", "{}") and not fits("clone-row[]", "[]")
    init = cli.get_command(click.Context(cli), "init")
    assert init is not None
    with click.Context(init):
        look({"made": [], "plan": False})
        assert misfits == []
        look({"made": []})
    assert [one.partition(":")[0] for one in misfits] == ["goldroot init"]
    misfits.clear()
