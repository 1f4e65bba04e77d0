"""Work on the maintenance system: enter it, run commands, see what changed, test it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from goldroot import crash
from goldroot.catalog import Form, images
from goldroot.errors import HostError, LimitReached, NotFound, ProgramFailed, Refused, StillRunning
from goldroot.hosts import LIVE, Around, Trial, find_entry
from goldroot.image.changes import Change, changes_between
from goldroot.image.systems import MAINTENANCE, TEST, Role, System, fingerprint, said_once, tests_cut_off
from goldroot.site import Site, TellForm, open_system, run_on, weakness
from goldroot.system import (
    WAITS,
    Bound,
    Confined,
    How,
    LeftOut,
    Mode,
    OwnDisks,
    last_words,
    left_out,
    look_inside,
    refusals,
    unit_lines,
    until_healthy,
)
from goldroot.tree import BuildOptions, Manifest, Note, Progress, build_tree, rows_of, tree_key

#: The order in which the forms are tested: the one that cannot change the root comes first.
FORMS: tuple[Form, ...] = ("read-only", "read-write")

#: How long one test command may take, in seconds.
PATIENCE = 1800.0

#: The status of a test that had to be ended, as timeout(1) has it.
ENDED = 124


@dataclass(frozen=True, slots=True)
class Ran:
    """One test command: its exit status; the command, what it said and how it ended in ``log``."""

    status: int
    log: str


@dataclass(frozen=True, slots=True)
class Tested:
    """One form's result: every command's status and output in ``log``."""

    form: Form
    passed: bool
    log: str
    commands: tuple[Ran, ...] = ()


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


def enter_system(
    site: Site,
    image: str,
    command: Sequence[str] = (),
    *,
    role: Role = MAINTENANCE,
    capture: bool = False,
    told: TellForm | None = None,
) -> Confined:
    """Run a command (a shell, where none is named) in the maintenance or test system, read-write, as its root.

    It has this machine's network, for package managers, and no other right over this machine.  The system counts as
    changed from then on: it has to be tested again.

    :param told: is given the form in which the command is confined, before it starts.
    :raises NotFound: no such image, or no test system yet.
    :raises Busy: another command works on the image.
    """
    system = existing_system(site, image, role)
    with system.working(f"work in {system.machine}"):
        with site.catalog.begin() as tx:
            images.touched(tx, image, role)
        with open_system(system.host, find_entry(system.host, system.machine), system.layout) as binds:
            return run_on(
                site.config, image, binds, command or None,
                How(ok=None, capture=capture, network=True, label=system.machine, told=told),
            )  # fmt: skip


def system_changes(
    site: Site, image: str, *, role: Role = MAINTENANCE, progress: Progress | None = None
) -> list[Change]:
    """What differs: of the maintenance system against the current gold, of the test system since its tests ended.

    Before the first gold version, everything is new, and the list is empty.

    :raises NotFound: the tests did not come to their end, so nobody can say what was changed since.
    """
    from goldroot.image import gold_version

    system = existing_system(site, image, role)
    with site.lock(f"image-{image}", doing=f"comparison of {system.machine}"):
        with system.open(view="live") as opened:
            now = system.scan(opened, progress=progress)
        if role == TEST:
            before = {address: system.known(address, of="tested") for address in now}
            if None in before.values():
                raise tests_cut_off(system)
        else:
            gold = gold_version.current_gold(site, image)
            before = {} if gold is None else {address: gold.manifest(address) for address in now}
    return merged(changes_between(old, now[address]) for address, old in before.items() if old is not None)


def merged(parts: Iterable[Iterable[Change]]) -> list[Change]:
    """Changes of several disks as those of one system: mount points and directories on the way stand once."""
    found = {change.path: change for part in parts for change in part}
    return sorted(found.values(), key=lambda change: tree_key(change.path))


def test_system(site: Site, image: str, *, progress: Progress | None = None) -> TestRun:
    """Copy the maintenance system to the test system and run the image's test commands there, in both forms.

    In each form the disks are first put together; where nothing is configured, that is the whole test.  Where the host
    starts trials, and the image does not want it otherwise, each form is booted, has to be well as a server has to be after
    its switch, and the commands are run in it while it runs.  What was on the test system before is gone.

    :raises StillRunning: the maintenance system is in use.
    """
    source, copy = existing_system(site, image, MAINTENANCE), System(site, image, TEST)
    with site.lock(f"image-{image}", doing=f"test of {image}"), ExitStack() as stack:
        stack.enter_context(source.host.hold(source.machine))
        _hold_copy(stack, copy)
        with source.open() as opened:
            manifests = source.scan(opened, progress=progress)
        tested = fingerprint(source.layout, manifests)
        with site.catalog.begin() as tx:
            images.fingerprinted(tx, image, MAINTENANCE, tested)
            images.touched(tx, image, TEST)
        # From here until the tests have ended nobody can say what on the test system is a fix.
        copy.forget(of="tested")
        notes = _copy(source, copy, manifests, progress)
        copy.remember(manifests, of="copied")
        forms = tuple(_test_form(site, copy, form) for form in FORMS)
        with copy.open() as opened:
            copy.remember(copy.scan(opened), of="tested")
        crash.point("test-before-catalog")
        with site.catalog.begin() as tx:
            for form in forms:
                images.add_test(tx, image, form.form, tested, passed=form.passed, log=form.log)
    return TestRun(image, tested, forms, notes)


def _copy(
    source: System, copy: System, manifests: Mapping[str, Manifest], progress: Progress | None
) -> tuple[Note, ...]:
    notes: list[Note] = []
    with source.open() as sources, copy.replaced() as outs:
        for address, manifest in manifests.items():
            made = build_tree(
                rows_of(manifest), [sources[address].path], outs[address].path, BuildOptions(progress=progress)
            )
            copy.remember({address: made.manifest})
            notes += made.notes
            crash.point("test-disk-copied")
    return said_once(notes)


def _hold_copy(stack: ExitStack, copy: System) -> None:
    """:raises Refused: somebody uses the test system, which would go."""
    copy.begin()
    try:
        stack.enter_context(copy.host.hold(copy.machine))
    except StillRunning as error:
        raise Refused(
            f"{copy.machine} is in use: {error.brief}", todo="End that use, then run the command again."
        ) from error


def _test_form(site: Site, system: System, form: Form) -> Tested:
    """Mount the system together, then run each command, in this form; all of them, whatever fails."""
    if system.host.abilities.trials and site.config.image(system.image).running.trial == "boot":
        return _boot_form(site, system, form)
    said: list[str] = []

    def told(mode: Mode, why: str) -> None:
        said.extend(filter(None, [weakness(mode, why)]))

    entry = find_entry(system.host, system.machine)
    with open_system(system.host, entry, system.layout, read_only_root=form == "read-only") as binds:
        run_on(site.config, system.image, binds, [], How(told=told))
        ran = [_test(site, system, binds, command) for command in site.config.image(system.image).tests]
    return Tested(form, all(one.status == 0 for one in ran), "\n".join(said + [one.log for one in ran]), tuple(ran))


def _boot_form(site: Site, system: System, form: Form) -> Tested:
    """Boot this form, and run each command in the running system; nothing that it writes stays."""
    running, commands = site.config.image(system.image).running, site.config.image(system.image).tests
    fixed = [disk.address for disk in system.layout.shared] if form == "read-only" else []
    lacks, unconverted = _lacks(system), _unconverted(system) if form == "read-only" else []
    around = Around((), (*WAITS, *(unit for one in lacks for unit in one.units)))
    try:
        with system.host.trial(system.machine, LIVE, read_only=fixed, around=around) as trial:
            wrong = until_healthy(trial, running.health, (), running.trial_time)
            refused = refusals(trial) if form == "read-only" else []
            said = unit_lines(trial, sorted(look_inside(trial).failed)) if wrong else []
            said += [f"console: {line}" for line in last_words(trial.console)] if wrong else []
            told = [*map(str, lacks), *unconverted]
            told += [line for one in refused for line in (f"refused by the read-only root: {one}", f"  {one.todo}")]
            ran = [_booted([*wrong, *said, *told], passed=not wrong)]
            ran += [] if trial.gone() else [_test_inside(trial, command) for command in commands]
    except HostError as error:
        said = [error.brief, *filter(None, [error.meaning]), *error.lines]
        ran = [_booted(said, passed=False)]
    return Tested(form, all(one.status == 0 for one in ran), "\n".join(one.log for one in ran), tuple(ran))


def _lacks(system: System) -> list[LeftOut]:
    """What of its fstab is not there in a trial."""
    own = {f"/{path.decode('utf-8', 'replace')}" for disk in system.layout.disks for path in disk.paths}
    with system.open() as opened:
        tree = OwnDisks(system.layout, {address: disk.path for address, disk in opened.items()})
        return left_out(tree.read(b"etc/fstab") or b"", own)


def _unconverted(system: System) -> list[str]:
    """What ``goldroot image convert`` would change in it, for the test's log."""
    from goldroot.image.convert import pending

    with system.open() as opened:
        return [f"not converted: {line} (goldroot image convert {system.image})" for line in pending(system, opened)]


def _booted(said: Sequence[str], *, passed: bool) -> Ran:
    """How the boot went, as the first of the commands."""
    return Ran(int(not passed), "\n".join(["$ (boot)", *said, f"[{'it is well' if passed else 'failed'}]"]))


def _test_inside(trial: Trial, command: str) -> Ran:
    try:
        done = trial.command(["/bin/sh", "-c", command], PATIENCE)
    except (ProgramFailed, Refused) as error:
        return Ran(ENDED, f"$ {command}\n[{error.brief}]")
    output = (done.out + done.err).decode("utf-8", "replace").rstrip()
    return Ran(done.status, f"$ {command}\n" + (f"{output}\n" if output else "") + f"[status {done.status}]")


def _test(site: Site, system: System, binds: Sequence[Bound], command: str) -> Ran:
    try:
        words, time = ["/bin/sh", "-c", command], site.config.image(system.image).test_time
        done = run_on(site.config, system.image, binds, words, How(ok=None, timeout=PATIENCE), time=time)
    except LimitReached as error:
        return Ran(ENDED, f"$ {command}\n[{error.brief}]")
    output = (done.out + done.err).decode("utf-8", "replace").rstrip()
    said = f"{output}\n" if output else ""
    limit = f", no more {done.limit} to be had" if done.limit else ""
    return Ran(done.status, f"$ {command}\n{said}[status {done.status}{limit}]")


def existing_system(site: Site, image: str, role: Role) -> System:
    """The system, if it is there; ``NotFound``."""
    with site.catalog.read() as tx:
        images.get(tx, image)
    system = System(site, image, role)
    if not system.exists():
        raise NotFound(
            f"{image} has no {role} system yet",
            todo=f"Make it with: goldroot maintain test {image}" if role == TEST else "",
        )
    return system
