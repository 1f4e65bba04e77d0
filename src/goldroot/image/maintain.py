"""Work on the maintenance system: enter it, run commands, see what changed, test it, take a fix back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from goldroot import crash
from goldroot.catalog import images
from goldroot.catalog.images import Form
from goldroot.errors import NotFound, Refused
from goldroot.image.below import open_below
from goldroot.image.chroot import binds_of, run_in
from goldroot.image.compare import REMOVED, Change, compare
from goldroot.image.site import Site
from goldroot.image.systems import MAINTENANCE, TEST, Role, System, fingerprint, image_layout, said_once
from goldroot.run import Done
from goldroot.tree import BuildRow, Manifest, Note, Progress, build, path_text, rows_of, tree_key
from goldroot.tree.entry import DIRECTORY

#: The order in which the forms are tested: the one that cannot change the root comes first.
ORDER: tuple[Form, ...] = ("read-only", "read-write")

#: How long one test command may take, in seconds.
PATIENCE = 1800.0


@dataclass(frozen=True, slots=True)
class Tested:
    """One form's result: every command's status and output in ``log``."""

    form: Form
    passed: bool
    log: str


@dataclass(frozen=True, slots=True)
class TestRun:
    """What :func:`test` did; ``fingerprint`` is of the maintenance system that was copied."""

    image: str
    fingerprint: str
    forms: tuple[Tested, ...]
    notes: tuple[Note, ...] = ()

    @property
    def passed(self) -> bool:
        return all(form.passed for form in self.forms)


def enter(
    site: Site, image: str, command: Sequence[str] = (), *, role: Role = MAINTENANCE, capture: bool = False
) -> Done:
    """Run a command (a shell, where none is named) in the maintenance or test system, read-write, as its root.

    The system counts as changed from then on: it has to be tested again.

    :raises NotFound: no such image, or no test system yet.
    :raises Busy: another command works on the image.
    """
    system = existing(site, image, role)
    with system.working(f"work in {system.machine}"):
        with site.catalog.begin() as tx:
            images.touched(tx, image, role)
        binds = binds_of(site.host, system.machine, system.layout)
        return run_in(binds, command or [_shell(system)], ok=None, capture=capture)


def changes(site: Site, image: str, *, role: Role = MAINTENANCE, progress: Progress | None = None) -> list[Change]:
    """What differs: of the maintenance system against the current gold, of the test system since its tests ended.

    Before the first gold version, everything is new, and the list is empty.
    """
    from goldroot.image import version

    system = existing(site, image, role)
    with site.lock(f"image-{image}", doing=f"comparison of {system.machine}"):
        now = system.scan(progress=progress)
        if role == TEST:
            before = {address: system.known(address, of="tested") for address in now}
        else:
            gold = version.current(site, image)
            before = {} if gold is None else {address: gold.manifest(address) for address in now}
    return _merged(compare(old, now[address]) for address, old in before.items() if old is not None)


def _merged(parts: Iterable[Iterable[Change]]) -> list[Change]:
    """Changes of several disks as those of one system: mount points and directories on the way stand once."""
    found = {change.path: change for part in parts for change in part}
    return sorted(found.values(), key=lambda change: tree_key(change.path))


def test(site: Site, image: str, *, progress: Progress | None = None) -> TestRun:
    """Copy the maintenance system to the test system and run the image's test commands there, in both forms.

    In each form the disks are first put together; where nothing is configured, that is the whole test.  What was on the
    test system before is gone.

    :raises StillRunning: the maintenance system is in use.
    """
    source, copy = existing(site, image, MAINTENANCE), System(site, image, TEST)
    with site.lock(f"image-{image}", doing=f"test of {image}"), site.host.stopped(source.machine):
        if copy.exists() and (reason := site.host.is_running(copy.machine)):
            raise Refused(f"{copy.machine} is in use: {reason}", todo="End that use, then run the command again.")
        manifests = source.scan(progress=progress)
        tested = fingerprint(source.layout, manifests)
        with site.catalog.begin() as tx:
            images.fingerprinted(tx, image, MAINTENANCE, tested)
            images.touched(tx, image, TEST)
        # From here until the tests have ended nobody can say what on the test system is a fix.
        copy.forget(of="tested")
        with copy.tidy():
            notes = _copy(source, copy, manifests, progress)
        copy.remember(manifests, of="copied")
        forms = tuple(_test_form(site, copy, form) for form in ORDER)
        copy.remember(copy.scan(), of="tested")
        crash.point("test-before-catalog")
        with site.catalog.begin() as tx:
            for form in forms:
                images.add_test(tx, image, form.form, tested, passed=form.passed, log=form.log)
    return TestRun(image, tested, forms, notes)


def _copy(
    source: System, copy: System, manifests: Mapping[str, Manifest], progress: Progress | None
) -> tuple[Note, ...]:
    disks = copy.new_disks()
    notes: list[Note] = []
    for address, manifest in manifests.items():
        out = copy.site.host.disk_path(disks[address])
        made = build(rows_of(manifest), [source.path(address)], out, progress=progress)
        copy.remember({address: made.manifest})
        notes += made.notes
        crash.point("test-disk-copied")
    copy.put_in_place(disks)
    return said_once(notes)


def _test_form(site: Site, system: System, form: Form) -> Tested:
    """Mount the system together, then run each command, in this form; all of them, whatever fails."""
    binds = binds_of(site.host, system.machine, system.layout, read_only_root=form == "read-only")
    run_in(binds, [], network=False)
    log, passed = [], True
    for command in site.config.image(system.image).tests:
        done = run_in(binds, ["/bin/sh", "-c", command], ok=None, network=False, timeout=PATIENCE)
        passed = passed and done.status == 0
        output = (done.out + done.err).decode("utf-8", "replace").rstrip()
        log.append(
            f"$ {command}\n{output}\n[status {done.status}]" if output else f"$ {command}\n[status {done.status}]"
        )
    return Tested(form, passed, "\n".join(log))


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What :func:`take_back` copied (or, planned, would copy)."""

    image: str
    changes: tuple[Change, ...]
    notes: tuple[Note, ...] = ()


def take_back(
    site: Site, image: str, paths: Sequence[bytes] = (), *, plan_only: bool = False, progress: Progress | None = None
) -> TakenBack:
    """Copy a fix that was made on the test system, after its tests, to the maintenance system.

    What the tests themselves left behind is no fix and stays.  The maintenance system's disks are made new and put in
    place in one step.

    :param paths: take only these, and what is below them (no leading slash).
    :raises Refused: the maintenance system changed the same path since it was copied.
    """
    source, target = existing(site, image, TEST), existing(site, image, MAINTENANCE)
    with site.lock(f"image-{image}", doing=f"take-back for {image}"), site.host.stopped(target.machine):
        now = target.scan(progress=progress)
        taken = _taken(source, now, paths, progress)
        _refuse_changed(source, now, taken)
        found = tuple(_merged(taken.values()))
        if plan_only:
            return TakenBack(image, found)
        if not found:
            target.sweep()
            return TakenBack(image, found)
        with site.catalog.begin() as tx:
            images.touched(tx, image, MAINTENANCE)
        with target.tidy():
            return TakenBack(image, found, _rebuild(source, target, now, taken, progress))


def _taken(
    source: System, now: Mapping[str, Manifest], paths: Sequence[bytes], progress: Progress | None
) -> dict[str, list[Change]]:
    """What differs since the tests, and is not on the maintenance system already: a second run takes nothing twice."""
    taken = {}
    for address, manifest in source.scan(progress=progress).items():
        before = source.known(address, of="tested")
        if before is None:
            raise NotFound(
                f"the tests of {source.machine} were cut off, so it is not known what is a fix",
                todo=f"Run the tests again: goldroot maintain test {source.image}",
            )
        new = {change.path for change in compare(now[address], manifest)}
        fixes = (change for change in compare(before, manifest) if change.path in new)
        taken[address] = [change for change in fixes if _chosen(change.path, paths)]
    return taken


def _chosen(path: bytes, paths: Sequence[bytes]) -> bool:
    return not paths or any(path == chosen or path.startswith(chosen + b"/") for chosen in paths)


def _refuse_changed(source: System, now: Mapping[str, Manifest], taken: Mapping[str, list[Change]]) -> None:
    """A path that both systems changed since the copy is for a person to decide."""
    for address, changed in taken.items():
        copied = source.known(address, of="copied")
        ours = {change.path for change in compare(copied, now[address])} if copied else set()
        both = [change.path for change in changed if change.path in ours]
        if both:
            shown = ", ".join("/" + path_text(path) for path in both[:5])
            raise Refused(
                f"the maintenance system changed the same since it was copied: {shown}",
                meaning="Nothing was taken back.",
                todo="Make this change there by hand, or name only the other paths.",
            )


def _rebuild(
    source: System,
    target: System,
    now: Mapping[str, Manifest],
    taken: Mapping[str, list[Change]],
    progress: Progress | None,
) -> tuple[Note, ...]:
    disks = target.new_disks()
    notes: list[Note] = []
    for address, changed in taken.items():
        fixed = source.known(address)
        assert fixed is not None
        rows = mixed(now[address], fixed, changed)
        sources = [target.path(address), source.path(address)]
        made = build(rows, sources, target.site.host.disk_path(disks[address]), progress=progress)
        target.remember({address: made.manifest})
        notes += made.notes
        crash.point("take-back-disk-built")
    target.put_in_place(disks)
    return said_once(notes)


def mixed(ours: Manifest, theirs: Manifest, changed: Sequence[Change]) -> list[BuildRow]:
    """Rows of ``ours`` (source 0), with the changed paths as ``theirs`` (source 1) has them; pure."""
    gone = {change.path for change in changed if change.what == REMOVED}
    wanted = {change.path for change in changed} - gone
    new = {row.path: row for row in rows_of(theirs, 1) if row.path in wanted}
    groups = max((row.group for row in rows_of(ours)), default=0)
    rows = {row.path: row for row in rows_of(ours) if row.path not in gone}
    for path, row in new.items():
        rows[path] = row._replace(group=row.group + groups if row.group else 0)
    kinds = {path: row.kind for path, row in rows.items()}
    kept = (row for path, row in rows.items() if _stands(path, kinds))
    return sorted(kept, key=lambda row: tree_key(row.path))


def _stands(path: bytes, kinds: Mapping[bytes, str]) -> bool:
    """Whether everything above a path is a directory: a removed directory takes what is below along."""
    while path:
        path = path.rpartition(b"/")[0]
        if kinds.get(path) != DIRECTORY:
            return False
    return True


def existing(site: Site, image: str, role: Role) -> System:
    """The system, if it is there; ``NotFound``."""
    image_layout(site, image)
    with site.catalog.read() as tx:
        images.get(tx, image)
    system = System(site, image, role)
    if not system.exists():
        raise NotFound(
            f"{image} has no {role} system yet",
            todo=f"Make it with: goldroot maintain test {image}" if role == TEST else "",
        )
    return system


def _shell(system: System) -> str:
    for path in ("bin/bash", "usr/bin/bash"):
        handle = open_below(system.path(system.layout.disk_of(path.encode()).address), path)
        if handle is not None:
            os.close(handle)
            return "/bin/bash"
    return "/bin/sh"
