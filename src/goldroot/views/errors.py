"""Errors, as every command prints them with --json."""

from __future__ import annotations

from pydantic import Field

from goldroot.views.base import View


class ErrorShown(View):
    """An error: what a command prints with --json instead of its result."""

    error: str = Field(description="the kind of error, a word for programs: usage, not-found, refused, damaged ...")
    what: str = Field(description="what is wrong, in a sentence")
    meaning: str = Field(description="what that means; may be empty")
    todo: str = Field(description="what a person can do; may be empty")
    lines: tuple[str, ...] = Field(description="what a program or a host said, or one line for each of several faults")
    exit_code: int
    api: str = Field("", description="of z/VM alone, as all below: the function that was called")
    target: str = ""
    return_code: int = 0
    reason_code: int = 0
    text: str = Field("", description="what the codes mean")


class CloneFailed(ErrorShown):
    """The error of one of many servers."""

    clone: str
