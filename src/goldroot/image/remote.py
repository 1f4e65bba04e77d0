"""Reading a server that runs somewhere else, by ssh(1): its file systems come as one tar.

Nothing has to be installed there but sh and GNU tar, or python3; what is run is ``reader.sh`` beside this.  It reads a
server that is adopted as a whole, and of a server of the fleet first what there is, and then those files that are asked for.
  Of what comes
nothing is believed: it is unpacked as any archive is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from goldroot.errors import ProgramFailed, UsageError
from goldroot.image.tarball import unpack_stream
from goldroot.image.unpack import Unpacked
from goldroot.run import stream
from goldroot.site import Reach, is_host
from goldroot.tree import Note, Progress

PREFIX = "ssh:"

#: What ssh may be told to go to: nothing that it would read as an option.
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@%\[\]-]*")
#: tar(1): some files were written while they were read.
_CHANGED = 1
_LEFT_OUT = re.compile(rb"goldroot-left-out (\S+) /(.+)")


def remote_host(source: str) -> str | None:
    """Whom ``ssh:HOST`` names; ``None`` for a source that is here.

    :raises UsageError: what stands behind ``ssh:`` is not a host.
    """
    if not source.startswith(PREFIX):
        return None
    host = source.removeprefix(PREFIX)
    if not is_host(host):
        raise UsageError(
            f"{host!r} is not a host that ssh could go to",
            todo="Write ssh:HOST or ssh:USER@HOST; all else (a port, a key) goes into ~/.ssh/config.",
        )
    return host


def unpack_remote(host: str, out: str, *, sudo: bool = False, progress: Progress | None = None) -> Unpacked:
    """Read a server's file systems into the empty directory ``out``.

    :param sudo: see :class:`goldroot.site.Reach`.
    :raises ProgramFailed: ssh, or the reader there, ended with an error; the error says what it said.
    :raises BadInput: what came is not a whole archive, or has something in it that no root file system has.
    """
    try:
        return _read(Reach(host, sudo=sudo), "whole", (), out, progress)
    except ProgramFailed as error:
        error.meaning = "The server was not read to its end. Nothing was made."
        raise


def read_hollow(
    reach: Reach, tops: Sequence[bytes], skip: Sequence[bytes], out: str, *, progress: Progress | None = None
) -> Unpacked:
    """What is below some paths of a server, into the empty directory ``out``: all but what is in files, which are holes.

    :param tops: paths without a slash at the beginning; the directories on the way to them come along.
    :param skip: directories below these that are made empty: what is in them is another disk's.
    :raises ProgramFailed: as for :func:`unpack_remote`.
    """
    lines = [("top", path) for path in tops] + [("skip", path) for path in skip]
    return _read(reach, "hollow", lines, out, progress)


def read_contents(reach: Reach, files: Iterable[bytes], out: str, *, progress: Progress | None = None) -> Unpacked:
    """Files of a server, whole, into the empty directory ``out``; those that are not there any more are left out.

    :raises ProgramFailed: as for :func:`unpack_remote`.
    """
    return _read(reach, "contents", [("file", path) for path in files], out, progress)


def _read(reach: Reach, mode: str, lines: Sequence[tuple[str, bytes]], out: str, progress: Progress | None) -> Unpacked:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "reader.sh"), "rb") as file:
        script = file.read()
    listed = "\n".join(f"{word} {path.hex()}" for word, path in lines)
    script = f"goldroot_mode={mode}\n".encode() + script.replace(b"@LIST@", listed.encode())
    options = ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", reach.key] if reach.key else []
    asked = ["ssh", "-T", *options, "--", reach.host, *(["sudo", "-n"] if reach.sudo else []), "sh", "-s"]
    try:
        with stream(asked, stdin=script, ok=(0, _CHANGED)) as (coming, said):
            sent = f"what {reach.host} sent"
            done = unpack_stream(coming, out, shown=sent, whole=mode == "whole", progress=progress)
    except ProgramFailed as error:
        error.meaning = "The server was not read to its end. Nothing was changed."
        error.todo = (
            f"Try `ssh {reach.host} true`; who reads there has to be root (sudo), and there has to be python3, or GNU tar for "
            "an adoption."
        )
        raise
    return Unpacked(done.entries, [*done.notes, *_notes(said)], done.owners)


def _notes(said: Sequence[bytes]) -> list[Note]:
    """What the reader told of: mounts that it left out, and what tar warned of."""
    notes = []
    for line in said:
        if words := _LEFT_OUT.fullmatch(line):
            text = (
                f"another file system ({words[1].decode('ascii', 'replace')}) is mounted on it there; it was left out"
            )
            notes.append(Note("mount-left-out", words[2], text))
        elif line.startswith(b"tar: "):
            text = line.decode("utf-8", "replace").removeprefix("tar: ")
            notes.append(Note("said-by-tar", b"", text))
    return notes
