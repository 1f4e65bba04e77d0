"""The read-only conversion of an image: what its maintenance system needs so that servers boot from a root that none can write.

The paths were split among disks when the image was imported.  What is left is the image's own configuration: fstab lines
of the machine that it was made on, the words of its kernel, and what puts a root together in its initial file systems.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from goldroot.catalog import images
from goldroot.errors import HostError, ProgramFailed, Refused
from goldroot.guest.conversion import image_files, needed_for
from goldroot.guest.initramfs import PARAMETER
from goldroot.hosts import LIVE, Around, Opened, find_entry
from goldroot.image.maintain import existing_system
from goldroot.image.systems import MAINTENANCE, System
from goldroot.site import Site, open_system, run_on
from goldroot.system import (
    COMMAND_LINES,
    WAITS,
    How,
    OwnDisks,
    Refusal,
    architecture_of,
    last_words,
    left_out,
    look_inside,
    put_together,
    refusals,
    unit_lines,
    until_healthy,
    with_words,
)

#: What the kernel of a converted image is told.
_WORDS = f"{PARAMETER} ro"
#: Programs that make initial file systems, by where they stand, and their words for all that there are.
_MAKERS = {
    "usr/sbin/update-initramfs": ("-u", "-k", "all"),
    "usr/bin/dracut": ("--regenerate-all", "--force"),
    "usr/sbin/dracut": ("--regenerate-all", "--force"),
}


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that a conversion writes.

    :param path: absolute.
    :param why: for people.
    """

    path: str
    why: str
    content: bytes
    mode: int | None = None  #: ``None``: as it is


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is to be done, or was done.

    :param disks: one line for each disk of the layout.
    :param rebuild: the command that makes the initial file systems again; () where none does.
    :param notes: what is left to a person.
    :param plan: nothing is done yet.
    :param check: how it booted afterwards, where that was tried.
    """

    image: str
    disks: tuple[str, ...]
    changes: tuple[FileChange, ...]
    rebuild: tuple[str, ...]
    notes: tuple[str, ...]
    plan: bool = True
    check: BootCheck | None = None


@dataclass(frozen=True, slots=True)
class BootCheck:
    """How a converted image booted with a root that it cannot write.

    :param wrong: what is not well, one line each.
    :param said: of what is not well: lines of units, and the end of the console.
    """

    wrong: tuple[str, ...]
    refused: tuple[Refusal, ...]
    said: tuple[str, ...]


def plan_conversion(site: Site, image: str) -> Conversion:
    """What :func:`convert_image` would do; nothing is changed.

    :raises NotFound: there is no such image.
    """
    system = existing_system(site, image, MAINTENANCE)
    with system.open(view="live") as opened:
        return _planned(system, opened)


def pending(system: System, opened: Mapping[str, Opened]) -> list[str]:
    """What a conversion would still change in a system whose disks are open, one line each."""
    return [f"{one.path}: {one.why}" for one in _planned(system, opened).changes]


def convert_image(site: Site, image: str) -> Conversion:
    """Convert an image's maintenance system, which has to be tested again afterwards.  Again: what is done stays so.

    :raises StillRunning: somebody uses it.
    :raises ProgramFailed: its initial file systems could not be made; with what the program said.
    """
    system = existing_system(site, image, MAINTENANCE)
    with system.working(f"conversion of {system.machine}"):
        with site.catalog.begin() as tx:
            images.touched(tx, image, MAINTENANCE)
        with system.open("rw") as opened:
            done, tree = _planned(system, opened), _tree(system, opened)
            for change in done.changes:
                path = change.path.lstrip("/").encode()
                if change.mode is None:
                    tree.put_like(path, change.content, tree)
                else:
                    tree.put(path, change.content, change.mode)
        if done.rebuild:
            _rebuild(site, system, done.rebuild)
    return replace(done, plan=False)


def check_boot(site: Site, image: str) -> BootCheck:
    """Boot an image's maintenance system with a root that it cannot write, in isolation; nothing that it writes stays.

    :raises Refused: its host starts no trials.
    :raises StillRunning: somebody uses it.
    """
    system = existing_system(site, image, MAINTENANCE)
    if not system.host.abilities.trials:
        raise Refused(
            f"the host {system.host.name} starts nothing, so {image} cannot be booted there",
            todo="Import the image with --host, on a host of kind nspawn, qemu or libvirt.",
        )
    running = site.config.image(image).running
    fixed = [disk.address for disk in system.layout.shared]
    with site.lock(f"image-{image}", doing=f"check of {system.machine}"), system.host.hold(system.machine):
        with system.open() as opened:
            lacks = left_out(_tree(system, opened).read(b"etc/fstab") or b"", _own_paths(system))
        around = Around((), (*WAITS, *(unit for one in lacks for unit in one.units)))
        try:
            with system.host.trial(system.machine, LIVE, read_only=fixed, around=around) as trial:
                wrong = until_healthy(trial, running.health, (), running.trial_time)
                refused = refusals(trial)
                said = unit_lines(trial, sorted(look_inside(trial).failed)) if wrong else []
                said += [f"console: {line}" for line in last_words(trial.console)] if wrong else []
        except HostError as error:
            return BootCheck((error.brief,), (), tuple(error.lines))
    return BootCheck(tuple(wrong), tuple(refused), tuple(said))


# -- inside


def _planned(system: System, opened: Mapping[str, Opened]) -> Conversion:
    tree = _tree(system, opened)
    notes: list[str] = []
    changes = [*_fstab(system, tree, notes), *_command_lines(tree, notes), *_hooks(system, tree)]
    makers = ((f"/{path}", *words) for path, words in _MAKERS.items() if tree.kind(path.encode()) in ("file", "link"))
    rebuild: tuple[str, ...] = next(makers, ())
    usr = opened[system.layout.disk_of(b"usr").address].path
    if rebuild and architecture_of(usr) not in ("", platform.machine()):  # one of which nobody can say is tried
        rebuild = ()
        notes.append("its programs are for another architecture: its initial file systems are not made again here")
    elif not rebuild:
        notes.append(
            "it has no program that makes initial file systems: hosts that boot it put what is needed behind its own"
        )
    disks = (
        f"{disk.address} {'shared, read-only' if disk.shared else 'of each server'}: "
        + ", ".join(f"/{path.decode('utf-8', 'replace')}" for path in disk.paths)
        for disk in system.layout.disks
    )
    return Conversion(system.image, tuple(disks), tuple(changes), rebuild, tuple(notes))


def _fstab(system: System, tree: OwnDisks, notes: list[str]) -> Iterator[FileChange]:
    before = tree.read(b"etc/fstab") if tree.kind(b"etc/fstab") == "file" else None
    if before is None:
        return
    after, out, left = put_together(before, _own_paths(system))
    if out:
        yield FileChange("/etc/fstab", f"lines that the layout takes the place of: {', '.join(out)}", after)
    if left:
        notes.append(f"/etc/fstab mounts other disks, which each server needs to have: {', '.join(left)}")


def _command_lines(tree: OwnDisks, notes: list[str]) -> Iterator[FileChange]:
    for path in COMMAND_LINES:
        if tree.kind(path.encode()) != "file" or (before := tree.read(path.encode())) is None:
            continue
        after = with_words(path, before, _WORDS)
        if after != before:
            yield FileChange(f"/{path}", f"the kernel is told: {_WORDS}", after)
            if path != "etc/kernel/cmdline":
                notes.append(f"/{path} is read by a boot loader's program: run it where servers boot by that")


def _hooks(system: System, tree: OwnDisks) -> Iterator[FileChange]:
    """Nothing of them is written where no program would read it."""
    layout = system.layout
    paths = sorted((bind.path.decode(), bind.address) for bind in layout.binds())
    disks = [(disk.address, disk.shared) for disk in layout.disks]
    files = image_files(disks, [(address, f"/{path}") for path, address in paths])
    readers = {above for path in files if (above := needed_for(path)) and tree.kind(above.encode()) == "directory"}
    for path, (content, mode) in files.items():
        above = needed_for(path)
        if (above in readers or not above) and readers and tree.read(path.encode()) != content:
            yield FileChange(f"/{path}", "its initial file systems put a server's root together", content, mode)


def _rebuild(site: Site, system: System, words: tuple[str, ...]) -> None:
    with open_system(system.host, find_entry(system.host, system.machine), system.layout) as binds:
        done = run_on(site.config, system.image, binds, list(words), How(ok=None, capture=True, label=system.machine))
    if done.status:
        said = (done.out + done.err).decode("utf-8", "replace").splitlines()
        error = ProgramFailed(
            f"{words[0]} failed in {system.machine} with status {done.status}",
            meaning="Its files are converted, and its initial file systems are as they were.",
            todo="Fix what it says (goldroot maintain enter), then convert it again.",
        )
        error.lines = [line for line in said if line.strip()][-10:]
        raise error


def _tree(system: System, opened: Mapping[str, Opened]) -> OwnDisks:
    return OwnDisks(system.layout, {address: disk.path for address, disk in opened.items()})


def _own_paths(system: System) -> set[str]:
    return {f"/{path.decode('utf-8', 'replace')}" for disk in system.layout.disks for path in disk.paths}
