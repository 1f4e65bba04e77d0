"""Commands of goldroot, given in this process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goldroot.cli.failure import guarded
from goldroot.cli.main import cli


def said(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    capsys.readouterr()
    code = guarded(cli, list(args))
    out, err = capsys.readouterr()
    return code, out + err


def data(capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    """What it says as JSON."""
    return json.loads(said(capsys, *args, "--json")[1])
