"""``goldroot demo``: the whole story in a temporary site."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from goldroot.cli.command import Command, emit, json_option
from goldroot.errors import BadInput, Failed, UsageError
from goldroot.run import find

if TYPE_CHECKING:
    from goldroot.demo.narrator import Narrator
    from goldroot.demo.roots import Roots
    from goldroot.demo.story import Story
    from goldroot.demo.table import Row

#: A file system in memory, where there is one.
MEMORY = "/dev/shm"
#: What the site of each form takes at most, in bytes.
SMALL_ROOM, REAL_ROOM = 64 << 20, 2 << 30


@click.command(cls=Command)
@click.option(
    "--real", "form", flag_value="real", help="Debian 12 and 13, made with mmdebstrap (root and a mirror needed)."
)
@click.option(
    "--small", "form", flag_value="small", help="Two small systems that the demo makes itself: no network, no root."
)
@click.option(
    "--auto",
    "form",
    flag_value="auto",
    default=True,
    help="Small where servers can run, else real where it can be had in time (the default).",
)
@click.option(
    "--keep", metavar="DIR", type=click.Path(), help="Tell the story in DIR (new or empty) and leave the site there."
)
@click.option(
    "--host", "kind", type=click.Choice(["auto", "directory", "nspawn"]), default="auto", show_default=True,
    help="nspawn: servers are containers that run; directory: nothing runs.",
)  # fmt: skip
@click.option("--zvm", is_flag=True, help="The paper's story on a simulated z/VM, with each SMAPI call and CP command.")
@click.option("--pause/--no-pause", default=False, help="Wait for Enter before each chapter.")
@click.option("-q", "--quiet", is_flag=True, help="Only the table at the end.")
@json_option
def demo(form: str, kind: str, zvm: bool, keep: str | None, pause: bool, quiet: bool, as_json: bool) -> None:
    """See it all: gold, servers, an update with a review, the switch, and the way back, in a temporary site.

    Where root, systemd-container and the kernel allow it, the servers really run, as containers without a network.

    Every command is shown as you would type it, and really run. The table at the end says what was kept, merged,
    reviewed and rolled back; each of its lines is looked up in the records and the files, and the demo fails if one is
    not true.

    \b
    Examples:
      goldroot demo
      goldroot demo --small --keep /tmp/site     leaves the site to play with
      goldroot demo --zvm                        S10RWMNT, S10GOLD and their clones, on a simulated z/VM
    """
    _look_for_needs()
    from goldroot.demo.moves import move
    from goldroot.demo.narrator import Narrator
    from goldroot.demo.real_roots import real_roots
    from goldroot.demo.roots import small_roots
    from goldroot.demo.story import Story, begin

    started = time.monotonic()
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    stage = Narrator(quiet=quiet or as_json, colour=colour, pause=pause)
    if zvm:
        if form != "auto" or kind != "auto":
            raise UsageError("--zvm goes with none of --real, --small and --host")
        _on_zvm(stage, started, keep, as_json)
        return
    if form == "auto" and kind != "directory" and _can_run(keep):
        form = "small"
        stage.say("Two small systems play the releases; with --real, Debian 12 and 13 do, which takes some minutes.")
    real = None if form == "small" else real_roots(_base(keep), stage, must=form == "real")
    with _room(keep, REAL_ROOM if real else SMALL_ROOM, kind) as room, _environment(os.path.join(room, "site")):
        stage.room = room
        roots = real or small_roots(os.path.join(room, "roots"))
        with _servers(stage, roots, room, kind) as runs:
            story = Story(stage, roots, room, runs)
            begin(story)
            move(story)
        took = time.monotonic() - started
        wrong = [row for row in story.rows if not row.true]
        data = {
            "form": roots.form, "host": "nspawn" if runs else "directory", "seconds": round(took, 1), "true": not wrong,
            "rows": [row.as_dict() for row in story.rows],
        }  # fmt: skip
        emit(as_json, data, lambda: _say(stage, story, took, keep))
    _refuse_untrue(story.rows)


def _on_zvm(stage: Narrator, started: float, keep: str | None, as_json: bool) -> None:
    from goldroot.demo.table import show
    from goldroot.demo.zvm_story import ZvmStory, simulated, tell

    with _room(keep, SMALL_ROOM) as room, _environment(os.path.join(room, "site")), simulated(room) as sim:
        stage.room = room
        story = ZvmStory(stage, room, sim)
        tell(story)
        took = time.monotonic() - started
        data = {
            "form": "small", "host": "zvm", "seconds": round(took, 1), "true": all(row.true for row in story.rows),
            "rows": [row.as_dict() for row in story.rows], "calls": dict(story.total),
        }  # fmt: skip

        def say() -> None:
            stage.quiet = False
            stage.say("What became of everything (ok: looked up in the directory and on the minidisks, just now):")
            show(story.rows, stage.line, stage.width)
            stage.say(f"{sum(row.true for row in story.rows)} of {len(story.rows)} claims are true. {took:.0f} s.")

        emit(as_json, data, say)
    _refuse_untrue(story.rows)


def _refuse_untrue(rows: list[Row]) -> None:
    """:raises Failed: a claim is not true."""
    if wrong := [row for row in rows if not row.true]:
        raise Failed(
            f"{len(wrong)} of the demo's {len(rows)} claims {'is' if len(wrong) == 1 else 'are'} not true",
            meaning="; ".join(f"{row.server}: {row.what}: {row.seen}" for row in wrong),
            todo="This is a bug in goldroot or in its demo; `goldroot demo --keep DIR` leaves the site for a look.",
        )


def _look_for_needs() -> None:
    """What the story needs in its middle is missed before it begins; making real releases takes minutes.

    :raises MissingPackage, MissingProgram: it is not installed.
    """
    from goldroot import sshkeys
    from goldroot.cli.failure import FLEET, without_extra

    for package in sorted(FLEET):
        if find_spec(package) is None:
            raise without_extra(package)
    sshkeys.ready()
    for program in ("git", "sh", "sed"):  # lines are merged by git; the others play the administrator
        find(program)


def _say(stage: Narrator, story: Story, took: float, keep: str | None) -> None:
    from goldroot.demo.table import show

    rows, roots, runs = story.rows, story.roots, story.runs
    stage.quiet = False
    stage.say("What became of everything (ok: looked up in the records and the files, just now):")
    show(rows, stage.line, stage.width)
    true = sum(row.true for row in rows)
    stage.say(f"{true} of {len(rows)} claims are true. {_words(roots)} {took:.0f} s.")
    if not keep:
        stage.say("The temporary site is removed now; with --keep DIR it stays, to be played with.")
    else:
        stage.line(f"The site is yours: export GOLDROOT_SITE={os.path.join(os.path.abspath(keep), 'site')}")
        if runs:
            stage.line("Its servers were stopped; start one with: goldroot machine start web1")


def _words(roots: Roots) -> str:
    missing = []
    if not roots.enterable:
        missing.append(
            "tests and checks inside the systems, as namespaces are not allowed here (what was typed in them, the host's "
            "shell did on their disks)"
        )
    if not roots.owners:
        missing.append("the renumbering of accounts, as that needs root and namespaces")
    return f"Not shown: {'; '.join(missing)}." if missing else ""


@contextmanager
def _servers(stage: Narrator, roots: Roots, room: str, kind: str) -> Iterator[bool]:
    """Whether servers run in this story; none of them does after the block.

    :raises Failed: they have to, and cannot.
    """
    why = "" if kind == "directory" else _why_none_runs(roots, room)
    if kind == "nspawn" and why:
        raise Failed(
            f"servers cannot run here: {why}", todo="Change that, or see it without: goldroot demo --host directory"
        )
    if kind == "auto" and why:
        stage.say(f"No server runs in this story, they are only their disks: {why}.")
    runs = kind != "directory" and not why
    try:
        yield runs
    finally:
        if runs:
            _stop_all(os.path.join(room, "site"))


def _why_none_runs(roots: Roots, room: str) -> str:
    from goldroot.hosts.nspawn import why_no_containers

    return why_no_containers(room) or ("" if roots.enterable else "namespaces are not allowed here")


def _stop_all(site_dir: str) -> None:
    from goldroot.errors import GoldrootError
    from goldroot.site import Site

    with suppress(GoldrootError, OSError):  # a story that was cut off at its beginning has no site
        site = Site.open(site_dir)
        for entry in site.host.entries():
            if entry.role == "machine":
                site.host.stop(entry.name, 0)
        site.close()


@contextmanager
def _room(keep: str | None, needed: int, kind: str = "directory") -> Iterator[str]:
    """The directory of the demo: a temporary one, or the one to keep."""
    if keep is not None:
        yield _base(keep)
        return
    memory = _fits_in_memory(needed) and (kind == "directory" or not _only_on_a_drive())
    room = tempfile.mkdtemp(prefix="goldroot-demo-", dir=MEMORY if memory else None)
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _can_run(keep: str | None) -> bool:
    """Whether nothing is known to keep servers from running where the demo will stand."""
    from goldroot.hosts.nspawn import why_no_containers

    places = [MEMORY, tempfile.gettempdir()] if keep is None else [_base(keep)]
    return any(not why_no_containers(place) for place in places)


def _only_on_a_drive() -> bool:
    """Whether servers can run, but not from memory: tmpfs has had mapped mounts since Linux 6.3 only."""
    from goldroot.hosts.nspawn import why_no_containers

    return bool(why_no_containers(MEMORY)) and not why_no_containers(tempfile.gettempdir())


def _base(keep: str | None) -> str:
    """Where the demo will stand: the directory to keep, made now, or that of temporary files."""
    if keep is None:
        return tempfile.gettempdir()
    room = os.path.abspath(keep)
    if os.path.lexists(room) and (not os.path.isdir(room) or os.listdir(room)):
        raise BadInput(f"{keep} is not an empty directory", todo="Name a new one: goldroot demo --keep DIR")
    os.makedirs(room, exist_ok=True)
    return room


def _fits_in_memory(needed: int) -> bool:
    """Whether a file system in memory has the room, leaves as much again to others, and lets programs be run from it.

    Every disk that is made is waited for until it has reached the drive; with the rest of a busy drive's work, that can
    take a minute each.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            available = next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable:"))
        there = os.statvfs(MEMORY)
    except (OSError, StopIteration, ValueError):
        return False
    free = min(available, there.f_bavail * there.f_frsize)
    return os.access(MEMORY, os.W_OK) and not there.f_flag & os.ST_NOEXEC and free > 2 * needed


@contextmanager
def _environment(site: str) -> Iterator[None]:
    """Commands find the demo's site, as after the ``export`` that the demo shows."""
    before = os.environ.get("GOLDROOT_SITE")
    os.environ["GOLDROOT_SITE"] = site
    try:
        yield
    finally:
        if before is None:
            del os.environ["GOLDROOT_SITE"]
        else:
            os.environ["GOLDROOT_SITE"] = before
