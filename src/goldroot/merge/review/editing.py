"""Editing one text into an answer, in a person's editor or with git's merge tool.

What a person wrote is kept until it is an answer: a text that cannot be one yet is there when they come again, and an error
names the file.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass

from goldroot import files
from goldroot.errors import BadInput, GoldrootError, UsageError
from goldroot.merge.decide.text import merge_text
from goldroot.merge.review.answers import MARKERS
from goldroot.merge.review.question import EditWay
from goldroot.run import lend_terminal, persons_program, run

#: Variables that a program on a person's terminal may need.
_TERMINAL = (
    "HOME",
    "TERM",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "LANG",
    "LC_ALL",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "COLORTERM",
)

NOTHING = "Nothing was decided."

Versions = tuple[bytes | None, bytes | None, bytes | None]  #: base, gold, the server's


@dataclass(frozen=True)
class EditPlace:
    """Where a text is edited.

    :param room: a directory that is this command's own.
    :param name: the file's name in it, which tells an editor what it is.
    :param kept: where it is kept, until it is an answer.
    :param handle: a descriptor that the editor shall hold, too; -1: none.
    """

    room: str
    name: str
    kept: str
    handle: int = -1

    @property
    def file(self) -> str:
        """What the editor opens."""
        return os.path.join(self.room, self.name)


def edited_text(versions: Versions, place: EditPlace, way: EditWay) -> bytes:
    """Let a person edit three versions into one, and give their text; the caller forgets it (:func:`forget_edit`) when it is
    stored.

    It begins with what they wrote before, if that was kept; else with what could be merged, the rest between markers.

    :raises BadInput: it was left as it was, or holds markers and is not to be opened again; the error names the file.
    :raises ProgramFailed: the editor failed.
    """
    start = first_text(versions)
    before = way.begin if way.begin is not None else _read(place.kept)
    text = start if before is None else before
    while True:
        opened = text
        _keep(place, opened)
        try:
            text = _with_tool(versions, place, opened) if way.tool else _in_editor(place)
        except GoldrootError as error:
            raise _with_kept(place, start, error) from error
        files.write(place.kept, text)
        marked = bool(MARKERS.search(text))
        if text == start or (text == opened and marked):
            raise _with_kept(
                place, start, BadInput("the file was left as it was", meaning=NOTHING, todo="Edit and save it.")
            )
        if not marked:
            return text
        if not way.again("the file still holds conflict markers"):
            raise _with_kept(
                place, start, BadInput("the file still holds conflict markers", meaning=NOTHING, todo="Remove them.")
            )


def first_text(versions: Versions) -> bytes:
    """The text that a person begins with: merged as far as it goes, the rest between markers."""
    base, gold, clone = (side or b"" for side in versions)
    return merge_text(base, gold, clone).merged


def forget_edit(kept: str) -> None:
    """Remove what was kept of an edit, since it is an answer now, or is not wanted."""
    with suppress(FileNotFoundError):
        os.unlink(kept)
    with suppress(OSError):
        os.rmdir(os.path.dirname(kept))


def merge_tool() -> str:
    """The tool that git would merge with (``git config merge.tool``); "" where none is set."""
    return run(["git", "config", "--get", "merge.tool"], ok=None, env=_terminal()).text().strip()


def _keep(place: EditPlace, text: bytes) -> None:
    """The file for the editor leads to the kept one: where this command is killed, what is saved is not lost."""
    files.make_directory(os.path.dirname(place.kept))
    files.write(place.kept, text)
    if place.file != place.kept:
        with suppress(FileNotFoundError):
            os.unlink(place.file)
        os.symlink(place.kept, place.file)


def _in_editor(place: EditPlace) -> bytes:
    editor = persons_program(("VISUAL", "EDITOR"), "vi")
    try:
        lend_terminal([*editor, place.file], env=_terminal(), pass_fds=[place.handle] if place.handle >= 0 else [])
    except BaseException:
        # Some editors write a new file in place of the link; what they saved before they failed counts as well.
        if os.path.isfile(place.file) and not os.path.islink(place.file):
            files.write(place.kept, _read(place.file) or b"")
        raise
    with open(place.file, "rb") as file:
        return file.read()


def _with_tool(versions: Versions, place: EditPlace, text: bytes) -> bytes:
    """As ``git mergetool`` does it, in a repository made for this one file: so every tool that git knows will do.

    In git's words the server's version is LOCAL, and gold's is REMOTE.
    """
    name = merge_tool()
    if not name:
        raise UsageError(
            "git does not know which merge tool to use",
            meaning=NOTHING,
            todo="Say which: git config --global merge.tool NAME; or edit the text (e, or `edit`).",
        )
    held = [place.handle] if place.handle >= 0 else []
    with tempfile.TemporaryDirectory(prefix="tool-", dir=place.room) as room:
        git = ["git", "-C", room, "-c", "core.autocrlf=false", "-c", "mergetool.keepBackup=false"]
        run([*git, "init", "-q", "."])
        stages = []
        for stage, side in ((1, versions[0]), (2, versions[2]), (3, versions[1])):
            blob = run([*git, "hash-object", "-w", "--stdin"], stdin=side or b"").out.strip()
            stages.append(b"100644 %s %d\t%s\0" % (blob, stage, os.fsencode(place.name)))
        run([*git, "update-index", "-z", "--index-info"], stdin=b"".join(stages))
        file = os.path.join(room, place.name)
        files.write(file, text)
        try:
            lend_terminal(
                [*git, "mergetool", "--no-prompt", f"--tool={name}", "--", place.name], env=_terminal(), pass_fds=held
            )
        finally:
            text = _read(file) or b""
            files.write(place.kept, text)
    return text


def _with_kept(place: EditPlace, start: bytes, error: GoldrootError) -> GoldrootError:
    """The error, with where the text is that was saved before it; what is no more than the beginning is not kept."""
    text = _read(place.kept)
    if text is None or text == start:
        forget_edit(place.kept)
    else:
        error.meaning = f"{NOTHING} What you wrote is kept: {place.kept}"
        error.todo = "Edit it again: it goes on from there."
    return error


def _terminal() -> dict[str, str]:
    return {name: os.environ[name] for name in _TERMINAL if name in os.environ}


def _read(file: str) -> bytes | None:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
