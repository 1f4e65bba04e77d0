"""`goldroot schema`: the published shapes, and that commands print what they say."""

from __future__ import annotations

import pytest

from goldroot.views import VIEWS, schema_of
from support.commands import data, said


def test_it_lists_the_shapes_and_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["name"] for row in data(capsys, "schema")} == set(VIEWS)
    assert data(capsys, "schema", "update-plan") == schema_of("update-plan")
    code, out = said(capsys, "schema")
    assert code == 0 and "update-plan" in out and "What moving a server to a version would do" in out
    code, out = said(capsys, "schema", "update-plam")
    assert code == 3 and "Did you mean 'update-plan'?" in out
