r"""The one place from which words reach a terminal, a pipe or a file.

A terminal is not the server's: what a command prints may hold a name, a note, a path, a file's content or the output of
a program that somebody else has chosen.  So every line is made harmless here (:mod:`goldroot.escape`), wherever it goes,
for what goes to a file is looked at later.  A line that is put is one line: a line break in it is written ``\x0a``.

No other module of ``cli/`` prints; a test reads their sources.  What leaves as it is, and why:

- :func:`put_exact`: goldroot's own text, such as a completion script;
- :func:`put_patch` and :func:`put_output` to a pipe or a file, byte for byte, so that it can be used; to a terminal it is
  escaped line by line;
- JSON, in which ``\u001b`` is ASCII: its own escaping does it, for DEL as well;
- what a person runs in a system by hand (``clone enter``, ``maintain enter``), which has the terminal meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from goldroot.escape import escape

#: Lines of content keep their tabs: no terminal acts upon one but by going on a few columns.
CONTENT = "\t"


def put(text: object = "", *, err: bool = False, flush: bool = False) -> None:
    """One line, on standard output or (``err``) standard error."""
    _print(escape(str(text)), sys.stderr if err else sys.stdout, flush)


def put_styled(text: str, style: Mapping[str, Any]) -> None:
    """One line in colours; see :func:`click.style`."""
    import click

    _print(click.style(escape(text), **style), sys.stdout, True)


def put_lines(lines: Iterable[object], *, indent: str = "") -> None:
    """One line each."""
    for line in lines:
        put(f"{indent}{line}")


def put_content(text: str, *, indent: str = "", err: bool = False) -> None:
    """A text of several lines, such as the output of a program: its lines, and tabs in them, stay."""
    for line in text.split("\n"):
        _print(escape(indent + line, CONTENT), sys.stderr if err else sys.stdout, False)


def put_output(output: bytes, *, err: bool = False) -> None:
    """What a program in a server said: on a terminal as content, to a pipe or a file byte for byte."""
    stream = sys.stderr if err else sys.stdout
    if stream.isatty():
        if output:
            put_content(output.decode("utf-8", "surrogateescape").removesuffix("\n"), err=err)
        return
    stream.flush()
    stream.buffer.write(output)
    stream.buffer.flush()


def put_patch(lines: Iterable[str], *, indent: str = "") -> None:
    """Lines of files: on a terminal as content; to a pipe or a file byte for byte (PEP 383)."""
    if sys.stdout.isatty():
        put_content("\n".join(lines), indent=indent)
        return
    sys.stdout.flush()
    for line in lines:
        sys.stdout.buffer.write(f"{indent}{line}\n".encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def in_colour(stream: TextIO | None = None) -> bool:
    """Whether colours are wanted on a stream (standard output): on a terminal, and nobody said otherwise (NO_COLOR)."""
    stream = stream or sys.stdout
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def coloured(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of content that are harmless, in their colours where these are wanted.

    :param lines: (text, name of a colour, or "" for none) each; see :func:`click.style`.
    """
    import click

    wanted = in_colour()
    return [
        click.style(escape(text, CONTENT), fg=colour) if wanted and colour else escape(text, CONTENT)
        for text, colour in lines
    ]


def put_coloured(lines: Iterable[tuple[str, str]]) -> None:
    """Lines of content in colours."""
    for line in coloured(lines):
        _print(line, sys.stdout, False)


def put_prompt(text: str) -> None:
    """A question; the cursor stays behind it."""
    _print(escape(text), sys.stdout, True, end=" ")


def put_exact(text: str) -> None:
    """goldroot's own text, as it is."""
    print(text, end="")


def put_bytes(content: bytes) -> None:
    """A file that a person asks to have on standard output; never to a terminal."""
    assert not sys.stdout.isatty()
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def put_json(data: object, *, lay_out: bool | None = None, flush: bool = False) -> None:
    """Data as JSON, in ASCII; laid out for a person on a terminal (or as ``lay_out`` says), in one line for a program."""
    for_person = sys.stdout.isatty() if lay_out is None else lay_out
    text = json.dumps(data, indent=2 if for_person else None, default=str)
    print(text.replace("\x7f", "\\u007f"), flush=flush)


def _print(text: str, stream: TextIO, flush: bool, end: str = "\n") -> None:
    # A stream may know fewer characters than there are (a locale of another century): that is not a reason to fail.
    encoding = stream.encoding or "utf-8"
    print(
        text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding),
        file=stream, flush=flush, end=end,
    )  # fmt: skip
