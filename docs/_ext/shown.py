"""What the documentation shows a reader to type, and what he sees then: one reader of pages for the tests and the walk.

A page shows commands in fenced blocks (``console``: ``#`` root's, ``$`` anybody's, the other lines are what is printed;
``sh``: a script) and, where nothing is fenced, in blocks that are indented by four spaces.  A comment before a block, which no
reader sees, tells the walk (``tools/walk-docs``) what the page cannot know::

    <!-- walk
    before: mkdir -p /srv/backup             shell lines that make what the page supposes
    reader: root                             who types what has no prompt, from here on: root, user, or both
    types `goldroot review next`: hs         at a terminal, with these keys
    ends 1: `goldroot clone diff`            how a command ends, where it is not 0: the first that begins so (a second line: the second)
    differs: 8,475 3f9a0c21b7de              what is shown and differs each time: a number, a key, a date, a word
    appended to: goldroot.toml               the block is a file, or a part of one (written to: FILE)
    left out `make test`: REASON             the commands that begin so are not run; without a command: the whole block
    -->

One line is written ``<!-- walk: left out: REASON -->``.  In what is printed, ``...`` stands for any lines where it is a line
of its own, and for any text within one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

PROMPTS = {"#": "root", "$": "user"}
READERS = {"root": ("root",), "user": ("user",), "both": ("user", "root")}
#: Blocks that are typed; the others show files or what is printed.
TYPED = ("console", "sh", "indented")
#: Blocks that are only looked at; and what is typed, and so stands in a block of another kind by mistake.
LOOKED_AT = re.compile(r"|toml|json|\{\w+\}.*")
LIKE_TYPED = re.compile(r"[$#] \S|goldroot \S")
#: Commands that give a shell, where nothing stands behind their names; what follows up to ``exit`` is typed there.
SHELLS = re.compile(r"goldroot (clone enter|maintain enter( --test)?|fallback mount) \S+")
WORDS = re.compile(
    r"(?P<word>before|reader|types|ends|differs|appended to|written to|left out)"
    r"(?: (?P<status>\d+))?(?: `(?P<command>[^`]+)`)?: (?P<value>.+)"
)


class WrongPage(Exception):
    """A page says something to the walk that is not a word of it; or shows what cannot be told apart."""


@dataclass
class Command:
    """What is typed at one prompt, and what the page shows after it.

    ``inner`` are the lines typed in the shell that it gives; ``shown`` is empty where the page shows nothing.
    """

    readers: Sequence[str]
    text: str
    line: int
    inner: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    status: int = 0
    keys: str = ""
    left_out: str = ""


@dataclass
class Block:
    """A block of a page; ``lines`` as they stand, without fences and indentation."""

    kind: str
    line: int
    lines: list[str]
    readers: Sequence[str] = ("user",)
    before: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    file: str = ""
    appended: bool = False
    left_out: str = ""


def blocks(text: str) -> list[Block]:
    """The blocks of a page in their order.

    Raises:
        WrongPage: a comment for the walk is wrong, or nothing that it speaks of follows it.
    """
    found: list[Block] = []
    told: list[tuple[int, str]] = []
    readers: Sequence[str] = ("user",)
    for line, kind, lines in _parts(text.splitlines()):
        if kind == "walk":
            told += [(line, one) for one in lines]
            continue
        block = Block(kind, line, lines)
        readers = _tell(block, told, readers)
        told = []
        found.append(block)
    if told:
        raise WrongPage(f"line {told[0][0]}: no block follows")
    return found


def _parts(lines: list[str]) -> Iterator[tuple[int, str, list[str]]]:
    """Comments for the walk, fenced blocks and indented ones: number of the line, kind, lines."""
    at = 0
    while at < len(lines):
        start, line = at + 1, lines[at]
        at += 1
        if comment := re.fullmatch(r"\s*<!-- walk(:.*)?", line):
            one = comment[1] or ""
            inside = [one[1:].removesuffix("-->").strip()] if one else []
            while not lines[at - 1].rstrip().endswith("-->"):
                at += 1
                if at > len(lines):
                    raise WrongPage(f"line {start}: the comment does not end")
                inside.append(lines[at - 1].strip().removesuffix("-->").strip())
            yield start, "walk", [word for word in inside if word]
        elif fence := re.match(r"( *)```(.*)", line):
            indent, kind = fence[1], fence[2].strip()
            end = next((n for n in range(at, len(lines)) if lines[n].strip() == "```"), None)
            if end is None:
                raise WrongPage(f"line {start}: the block does not end")
            yield start, kind, [one.removeprefix(indent) for one in lines[at:end]]
            at = end + 1
        elif line.startswith("    ") and (start == 1 or not lines[start - 2].strip()):
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            yield start, "indented", [one[4:] for one in lines[start - 1 : at]]


def _tell(block: Block, told: list[tuple[int, str]], readers: Sequence[str]) -> Sequence[str]:
    """Give a block what the comment before it says; who reads from here on."""
    known: list[tuple[int, re.Match[str]]] = []
    for line, one in told:
        match = WORDS.fullmatch(one)
        if match is None:
            raise WrongPage(f"line {line}: not a word for the walk: {one}")
        if match["word"] == "reader":
            if match["value"] not in READERS:
                raise WrongPage(f"line {line}: a reader is one of {', '.join(READERS)}")
            readers = READERS[match["value"]]
        else:
            known.append((line, match))
    block.readers = readers
    if block.kind in TYPED:
        block.commands = list(_commands(block))
    elif not LOOKED_AT.fullmatch(block.kind):
        raise WrongPage(f"line {block.line}: a block of a kind that nobody runs: {block.kind}")
    elif block.kind != "toml" and any(LIKE_TYPED.match(line) for line in block.lines):
        raise WrongPage(f"line {block.line}: what is typed stands in a block of kind console or sh")
    for line, match in known:
        if match["command"] is None and match["word"] not in ("ends", "types"):
            _tell_block(block, match["word"], match["value"])
        elif not _tell_command(block, match):
            raise WrongPage(f"line {line}: no command of the block that follows begins so: {match[0]}")
    return readers


def _tell_block(block: Block, word: str, value: str) -> None:
    if word == "before":
        block.before.append(value)
    elif word == "differs":
        block.differs += value.split()
    elif word == "left out":
        block.left_out = value
    else:
        block.file, block.appended = value, word == "appended to"


def _tell_command(block: Block, match: re.Match[str]) -> bool:
    """Whether there is such a command."""
    begins = match["value"].strip("`") if match["word"] == "ends" else match["command"] or ""
    meant = [each for each in block.commands if each.text.startswith(begins)]
    if match["word"] == "ends":
        meant = [each for each in meant if not each.status][:1]
    for each in meant:
        if match["word"] == "ends":
            each.status = int(match["status"] or 0)
        elif match["word"] == "types":
            each.keys = match["value"]
        else:
            each.left_out = match["value"]
    return bool(meant)


def _commands(block: Block) -> Iterator[Command]:
    """The commands of a block, each with its continuation lines, its shell's lines and what is shown."""
    now: Command | None = None
    lines = iter(enumerate(block.lines, block.line + (block.kind != "indented")))
    for number, line in lines:
        typed, readers = line, block.readers
        if block.kind == "console":
            prompt, _, rest = line.partition(" ")
            if prompt not in PROMPTS or not rest:
                if now is None:
                    raise WrongPage(f"line {number}: nothing was typed yet")
                now.shown.append(line)
                continue
            typed, readers = rest, (PROMPTS[prompt],)
        elif not line.strip():
            continue
        while typed.endswith("\\"):
            typed += "\n" + next(lines, (0, ""))[1]
        if now and SHELLS.fullmatch(now.text) and (not now.inner or now.inner[-1] != "exit"):
            if now.shown:
                raise WrongPage(f"line {number}: typed in the shell of line {now.line}, or not?")
            now.inner.append(typed)
            continue
        if now:
            yield now
        now = Command(readers, typed, number)
    if now:
        yield now


def differences(command: Command, printed: str, differs: Sequence[str]) -> str:
    """How what was printed differs from what the page shows; empty where it does not."""
    shown = [line.rstrip() for line in command.shown]
    while shown and not shown[-1]:
        shown.pop()
    got = [" ".join(line.split()) for line in printed.strip("\n").splitlines()]
    pattern = "".join(
        r"(?:[^\n]*\n)*" if line.strip() == "..." else _pattern(" ".join(line.split()), differs) + r"\n"
        for line in shown
    )
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in got)):
        return ""
    return "\n".join(["shown:", *[f"  {line}" for line in shown], "printed:", *[f"  {line}" for line in got]])


def _pattern(line: str, differs: Sequence[str]) -> str:
    """The pattern of a line that is shown."""
    words = [re.escape(word) for word in sorted(differs, key=len, reverse=True)]
    parts = re.split("(" + "|".join([*(rf"(?<![\w.,]){word}(?!\w)" for word in words), r"\.\.\."]) + ")", line)
    return "".join(re.escape(part) if n % 2 == 0 else _any(part) for n, part in enumerate(parts))


def _any(word: str) -> str:
    """A pattern of what may stand in the place of a word: another one of its kind."""
    if word == "...":
        return "[^\n]*"
    for kind in (r"\d[\d,.]*", r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?", r"[0-9a-f]{6,}(?:\.\.\.)?"):
        if re.fullmatch(kind, word):
            return kind
    return r"\S+"


def examples(cli: click.Group) -> Iterator[tuple[str, str]]:
    """The examples of every command's help, which are its manual's, too: the command, and a line that is typed."""
    for command, context in every_command(cli, click.Context(cli, info_name="goldroot")):
        for paragraph in inspect.cleandoc(f"{command.help or ''}\n\n{command.epilog or ''}").split("\n\n"):
            if not paragraph.startswith("\b\n"):
                continue
            lines = iter(paragraph.splitlines()[1:])
            for line in lines:
                if not line.startswith("  "):
                    continue
                typed = re.split(r"(?<=\S) {2,}", line.strip())[0]
                while typed.endswith("\\"):
                    typed += "\n" + next(lines, "")
                if re.search(r"(^|[=;&] ?|\w )goldroot ", typed + " "):
                    yield context.command_path, typed


def every_command(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all below it that are not hidden."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from every_command(inner, click.Context(inner, info_name=name, parent=context))


def pages(project: Path) -> list[Path]:
    """The pages that are walked, in the order of a reader: the later ones suppose what the tutorial made."""
    guides = sorted((project / "docs/howto").glob("*.md"))
    return [project / "README.md", project / "docs/tutorial.md", *guides]
