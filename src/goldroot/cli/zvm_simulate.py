"""``goldroot zvm simulate``: a z/VM that is not there, to try things on."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click

from goldroot.cli.command import Command, json_option
from goldroot.cli.terminal import put, put_json
from goldroot.errors import BadInput, UsageError
from goldroot.files import read_given
from goldroot.zvm.directory import files
from goldroot.zvm.simulator import KINDS, Fault, Listening, Options, Simulator, Storage
from goldroot.zvm.simulator.site import GROUPS, VOLUMES

#: Largest directory that is read: many times that of the largest known.
LARGEST_DIRECTORY = 64 << 20

#: Seconds between looks at the file of faults.
LOOK = 0.5


def read_limited(path: str, largest: int) -> bytes:
    """The bytes of a file; :class:`BadInput` for one that cannot be read, or is too large."""
    try:
        data = read_given(path, largest + 1)
    except OSError as error:
        raise BadInput(f"{path!r} cannot be read: {error.strerror}", todo="Give the file that was meant.") from error
    if len(data) > largest:
        raise BadInput(f"{path!r} is larger than {largest} bytes", todo="Give the file that was meant.")
    return data


def directory_from(path: str) -> bytes:
    """A user directory as it stands in its file; of an index file, the files that it names, one behind the other.

    :raises BadInput: too large, no directory, or a file of the index is not there.
    """
    data = read_limited(path, LARGEST_DIRECTORY)
    source = files.load_source(path)
    if source.missing:
        names = ", ".join(" ".join(statement.operands[:2]) for statement in source.missing)
        raise BadInput(f"{path!r} names files that do not stand beside it: {names}", todo="Put them there.")
    if len(source.parts) == 1:
        return data
    return b"".join(record.raw + b"\n" for part in source.parts[1:] for record in part.directory.records())


def password_from(path: str) -> str:
    """The first line of a file; never shown."""
    line = read_limited(path, 4096).decode("iso8859-1").partition("\n")[0].rstrip("\r")
    if not line:
        raise BadInput(f"the password file {path!r} is empty", todo="Put the password on its first line.")
    return line


def groups_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """``NAME=VOLSER,VOLSER``"""
    found = {}
    for text in texts:
        name, _, volsers = text.partition("=")
        if not name or not volsers:
            raise UsageError(f"{text!r} is not a group", todo="Write NAME=VOLSER[,VOLSER...].")
        found[name] = volsers.split(",")
    return found


def faults_in(path: str) -> list[Fault]:
    """The faults in a file, one a line; ``#`` at the beginning of a line is a comment."""
    lines = read_limited(path, 1 << 20).decode("utf-8", "replace").splitlines()
    return [Fault.parse(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def tell(simulator: Simulator, as_json: bool) -> None:
    """Where it listens."""
    data = {
        "host": simulator.host,
        "port": simulator.port,
        "tls": bool(simulator.certificate),
        "certificate": simulator.certificate or None,
        "entries": len(simulator.system.directory.entries),
        "active": simulator.system.active(),
        "faults": [str(fault) for fault in simulator.faults],
        "vmcp": simulator.endpoint.program if simulator.endpoint else None,
    }
    if as_json:
        put_json(data, lay_out=False, flush=True)
        return
    put(f"A simulated z/VM listens at {simulator.host} port {simulator.port}{' (TLS)' if data['tls'] else ''}.")
    if simulator.certificate:
        put(f"Its certificate, for clients to check: {simulator.certificate}")
    put(f"{data['entries']} directory entries; logged on: {', '.join(simulator.system.active()) or 'nobody'}.")
    if simulator.endpoint:
        put(f"CP commands, as {simulator.endpoint.user}: {simulator.endpoint.program}")
    for fault in simulator.faults:
        put(f"Fault: {fault}")
    put("Press Ctrl-C to end it.", flush=True)


def wait(simulator: Simulator, faults_file: str | None) -> None:
    """Until somebody ends it; a file of faults is read again whenever it changes."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    seen = stamp(faults_file)
    while not ended.wait(LOOK):
        now = stamp(faults_file)
        if faults_file and now != seen:
            seen = now
            try:
                simulator.faults.set(faults_in(faults_file))
                put(f"Faults now: {', '.join(map(str, simulator.faults)) or 'none'}", err=True)
            except (UsageError, OSError) as error:
                put(f"The faults stay as they are: {error}", err=True)


def stamp(path: str | None) -> tuple[int, int, int] | None:
    """What changes when a file changes; nothing for one that is not there."""
    try:
        found = os.stat(path) if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found else None


def faults_help() -> str:
    """Every kind of fault with what it does, one below the other, no kind cut in two."""
    lines = []
    for kind, text in KINDS.items():
        lines.append(f"  {kind}")
        lines += textwrap.wrap(text, 70, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False)
    return "\b\nFaults:\n" + "\n".join(lines)


_FILE = click.Path(exists=True, dir_okay=False)


@click.command(cls=Command, epilog=faults_help())
@click.option(
    "--directory",
    "directory",
    type=_FILE,
    help="A user directory, or the index file of one; else a small site is built in.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--tls", is_flag=True, help="Speak TLS, with a certificate made now unless one is given.")
@click.option("--certificate", type=_FILE, help="A certificate (PEM) for --tls.")
@click.option("--key", type=_FILE, help="Its key (PEM).")
@click.option("--disks", type=click.Path(file_okay=False), help="Keep minidisks in this directory.")
@click.option(
    "--disk-form",
    type=click.Choice(["image", "tree"]),
    default="image",
    show_default=True,
    help="With --disks: files of the disk's size, or directories in their place.",
)
@click.option("--cp", type=click.Path(file_okay=False), help="Make a program vmcp, and its socket, in this directory.")
@click.option("--cp-user", default="GOLDMGMT", show_default=True, help="The guest that types at vmcp.")
@click.option("--user", help="The one user who may call; else anybody may.")
@click.option("--password-file", type=_FILE, help="The password of --user, on the first line.")
@click.option("--active", multiple=True, help="Who is logged on at the beginning; * for everybody.")
@click.option("--group", "groups", multiple=True, help="A group for AUTOG: NAME=VOLSER[,VOLSER...].")
@click.option(
    "--async-form",
    type=click.Choice(["auto", "reason", "output"]),
    default="auto",
    show_default=True,
    help="Where the number of an asynchronous operation stands.",
)
@click.option(
    "--async-delay", type=click.FloatRange(0, 3600), default=0.0, help="Seconds that such an operation takes."
)
@click.option(
    "--fault", "faults", multiple=True, help="What goes wrong, as KIND[=VALUE][@API][#COUNT]; any number; see below."
)
@click.option("--faults-file", type=_FILE, help="Faults, one a line; read again whenever the file changes.")
@json_option
def simulate(
    directory: str | None,
    host: str,
    port: int,
    tls: bool,
    certificate: str | None,
    key: str | None,
    disks: str | None,
    disk_form: str,
    cp: str | None,
    cp_user: str,
    user: str | None,
    password_file: str | None,
    active: tuple[str, ...],
    groups: tuple[str, ...],
    async_form: str,
    async_delay: float,
    faults: tuple[str, ...],
    faults_file: str | None,
    as_json: bool,
) -> None:
    """Run a z/VM that is not there: SMAPI, a directory manager, volumes, guests and links.

    It was built from captured calls and books, never compared with a live system.

    \b
    Examples:
      goldroot zvm simulate --port 40123
      goldroot zvm simulate --directory USER.DIRECT --tls --fault lost-reply@Image_Replace_DM#1
    """
    if bool(user) != bool(password_file):
        raise UsageError("--user and --password-file belong together", todo="Give both, or neither.")
    if bool(certificate) != bool(key):
        raise UsageError("--certificate and --key belong together", todo="Give both, or neither.")
    storage = Storage(
        {} if directory else VOLUMES, groups_of(groups) or ({} if directory else GROUPS), disks or "", disk_form
    )
    settings: dict[str, Any] = {"storage": storage, "cp": cp or "", "cp_user": cp_user}
    settings |= {"options": Options(form=async_form, delay=async_delay)}
    settings |= {"active": active} if active or directory else {}
    simulator = Simulator(
        directory_from(directory) if directory else None,
        listening=Listening(
            host,
            port,
            tls=tls or bool(certificate),
            certificate=(certificate, key) if certificate and key else None,
            users={user: password_from(password_file)} if user and password_file else None,
        ),
        faults=[*map(Fault.parse, faults), *(faults_in(faults_file) if faults_file else [])],
        **settings,
    )
    with simulator:
        tell(simulator, as_json)
        wait(simulator, faults_file)
    if not as_json:
        put("Ended.")
