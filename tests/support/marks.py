"""Marks for single cases of a test that has several."""

from __future__ import annotations

from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """A case that is left to the slow tests, where a lighter one of its kind is among the quick ones."""
    return pytest.param(*values, marks=pytest.mark.slow)
