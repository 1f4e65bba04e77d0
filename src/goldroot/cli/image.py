"""``goldroot image`` and ``goldroot maintain``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from goldroot.cli.command import Group, emit, json_option, open_site, plan_option, site_option, table
from goldroot.cli.image_convert import convert
from goldroot.cli.inner_command import AS_COMMAND, command_argument
from goldroot.cli.known_names import host_option, image_names, layout_names
from goldroot.cli.progress import stages
from goldroot.cli.terminal import put, put_content, put_lines
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, UsageError

if TYPE_CHECKING:
    from goldroot.image import Change, Role
    from goldroot.tree import Note


@click.group(cls=Group)
def image() -> None:
    """Import and list images: lines of gold versions, each with a maintenance system.

    \b
    Examples:
      goldroot image import debian --from bookworm.tar
      goldroot image list
    """


@image.command("import")
@click.argument("name", shell_complete=image_names)
@click.option(
    "--from",
    "source",
    required=True,
    metavar="DIR|TAR",
    type=click.Path(),
    help="A root file system: a directory, or a tar.",
)
@click.option(
    "--layout",
    default="readonly-root",
    show_default=True,
    metavar="NAME|FILE",
    type=click.Path(),
    shell_complete=layout_names,
    help="readonly-root, shared-usr, or a file.",
)
@host_option("Its home, where it is maintained and published (default: the site's default host).")
@click.option(
    "--replace", is_flag=True, help="In place of the maintenance system of an image that exists; its layout stays."
)
@site_option
@plan_option
@json_option
def import_(
    name: str, source: str, layout: str, host: str, replace: bool, site_dir: str | None, plan_only: bool, as_json: bool
) -> None:
    """Make the image NAME and its maintenance system from a root file system, which is only read.

    A tar may be plain, gz, xz, zst or bz2, made by mmdebstrap or any other tool.

    \b
    Examples:
      mmdebstrap bookworm bookworm.tar && goldroot image import debian --from bookworm.tar
      goldroot image import s10 --from /mnt/s10 --layout shared-usr
      mmdebstrap trixie trixie.tar && goldroot image import debian --replace --from trixie.tar
    """
    from goldroot.image import import_image, plan_import, replace_system

    if replace and host:
        raise UsageError("an image that exists stays on its host", todo="Leave --host out.")
    site = open_site(site_dir)
    if plan_only:
        steps = plan_import(site, name, source, layout, replace=replace, host=host)
        emit(as_json, {"image": name, "steps": steps, "plan": True}, lambda: put_lines(steps))
        return
    with stages(as_json) as stage:
        progress = stage(f"importing {source}")
        if replace:
            done = replace_system(site, name, source, progress=progress)
        else:
            done = import_image(site, name, source, layout=layout, host=host, progress=progress)
    data = {"image": name, "machine": done.machine, "layout": done.layout, "entries": done.entries}

    def say() -> None:
        total = sum(done.entries.values())
        disks = counted(len(done.entries), "disk")
        put(f"{name}: the maintenance system {done.machine} stands, {total:,} entries on {disks}.")
        say_notes(done.notes)
        put(f"Next: goldroot maintain test {name}, then goldroot gold publish {name}")

    emit(as_json, {**data, "notes": notes_data(done.notes)}, say)


image.add_command(convert)


@image.command("list")
@site_option
@json_option
def list_images(site_dir: str | None, as_json: bool) -> None:
    """The images of the site, with their newest gold version.

    \b
    Example:
      goldroot image list
    """
    from goldroot.image import image_rows

    data = image_rows(open_site(site_dir))

    def say() -> None:
        rows = [
            [d["name"], str(d["os"].get("pretty_name", "")), d["layout"], str(d["current"] or "-"), used(d["slots"])]
            for d in data
        ]
        table(["image", "system", "layout", "current gold", "slots used"], rows)

    def used(slots: dict[str, int | None]) -> str:
        return f"{sum(version is not None for version in slots.values())} of {len(slots)}"

    emit(as_json, data, say)


@image.command()
@click.argument("name", shell_complete=image_names)
@site_option
@plan_option
@json_option
def delete(name: str, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Remove the image NAME for good: its systems, all its gold versions with their records, and its slots on every host.

    Refused while a clone is made from it.  The same command again finishes what was cut off.

    \b
    Example:
      goldroot image delete debian --plan
    """
    from goldroot.image import delete_image, plan_image_removal

    site = open_site(site_dir)
    going = (plan_image_removal if plan_only else delete_image)(site, name)
    data = {
        "image": name, "machines": [machine for _, machine in going.machines], "versions": list(going.versions),
        "disks": list(going.disks), "plan": plan_only,
    }  # fmt: skip

    def say() -> None:
        versions = ", ".join(map(str, going.versions)) or "none"
        put(f"{'would remove' if plan_only else 'removed'} the image {name}")
        put(f"  gold versions: {versions}")
        put(
            f"  machines: {', '.join(machine for _, machine in going.machines) or 'none'}, with {counted(len(going.disks), 'disk')}"
        )

    emit(as_json, data, say)


@image.command("rename")
@click.argument("old", metavar="NAME", shell_complete=image_names)
@click.argument("new", metavar="NEW-NAME")
@site_option
@plan_option
@json_option
def rename_command(old: str, new: str, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Give the image NAME another name: in the catalog, in goldroot.toml, and in the entries on its hosts.

    Its servers go on as they are; none may be worked on meanwhile, and none may have an update in flight.  Its machines and
    slots keep their names, and the signed records of its gold versions name it as it was called when they were signed. The same
    command again finishes what was cut off; the reverse one takes it back.

    \b
    Examples:
      goldroot image rename debian bookworm --plan
      goldroot image rename debian bookworm
    """
    from goldroot.image import plan_renaming, rename

    site = open_site(site_dir)
    done = plan_renaming(site, old, new) if plan_only else rename(site, old, new)

    def say() -> None:
        if done.done:
            put(f"The image {old} is called {new} already.")
            return
        put(f"The image {old} {'would be' if plan_only else 'is'} called {new}.")
        if done.clones:
            go = (
                "1 server goes on as it is"
                if len(done.clones) == 1
                else f"{len(done.clones):,} servers go on as they are"
            )
            put(f"  {go}.")
        if done.machines:
            put(f"  Its machines and slots keep their names: {', '.join(done.machines)}")
        if done.versions:
            numbers = ", ".join(map(str, done.versions))
            put(f"  The signed records of gold {numbers} name it as it was called then: history stays as signed.")

    emit(as_json, done.as_dict(plan=plan_only), say)


@click.group(cls=Group)
def maintain() -> None:
    """Work on an image's maintenance system, test it, and take fixes back from the test system.

    \b
    The usual way of a change:
      goldroot maintain run debian apt-get -y upgrade
      goldroot maintain diff debian
      goldroot maintain test debian
      goldroot gold publish debian --note "security updates"
    """


test_option = click.option(
    "--test", "on_test", is_flag=True, help="On the test system instead of the maintenance system."
)


@maintain.command()
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@test_option
@site_option
@plan_option
@json_option
def enter(name: str, on_test: bool, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Open a shell in IMAGE's maintenance system (with --test: in its test system).

    \b
    Example:
      goldroot maintain enter debian
    """
    return _work(name, (), on_test, site_dir, plan_only, as_json)


@maintain.command("run", context_settings=AS_COMMAND)
@test_option
@site_option
@plan_option
@json_option
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@command_argument()
def run_command(
    name: str, command: tuple[str, ...], on_test: bool, site_dir: str | None, plan_only: bool, as_json: bool
) -> int:
    """Run COMMAND in IMAGE's maintenance system; its exit status is that of COMMAND.

    Options of goldroot stand before IMAGE.

    \b
    Examples:
      goldroot maintain run debian apt-get -y install nginx
      goldroot maintain run --test debian nginx -t
    """
    return _work(name, command, on_test, site_dir, plan_only, as_json)


def _work(
    name: str, command: Sequence[str], on_test: bool, site_dir: str | None, plan_only: bool, as_json: bool
) -> int:
    from goldroot.image import enter_system, existing_system
    from goldroot.system import Mode, power_of

    site, role = open_site(site_dir), _role(on_test)
    if plan_only:
        system = existing_system(site, name, role)
        where = {address: system.host.info([id])[id].where["path"] for address, id in system.disks.items()}
        binds = system.layout.binds()
        mounts = [{"path": "/" + os.fsdecode(bind.path), "disk": str(where[bind.address])} for bind in binds]
        steps = [f"mount {mount['disk']} at {mount['path']}" for mount in mounts]
        words = " ".join(command) or "a shell"
        emit(
            as_json,
            {"image": name, "machine": system.machine, "mounts": mounts, "command": list(command), "plan": True},
            lambda: put_lines([*steps, f"run {words} in {system.machine}, read-write"]),
        )
        return 0

    def told(mode: Mode, why: str) -> None:
        # A person who opens a shell is told; one who runs a command, where it has more rights than most.
        if not command or mode == "caps":
            put(f"{name}: {power_of(mode, network=True, why=why)}", err=True, flush=True)

    done = enter_system(site, name, command, role=role, capture=as_json, told=None if as_json else told)
    if as_json:
        emit(True, done.as_dict(), lambda: None)
    return done.status


@maintain.command()
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@test_option
@site_option
@json_option
def diff(name: str, on_test: bool, site_dir: str | None, as_json: bool) -> int:
    """What changed in the maintenance system since the current gold (with --test: on the test system since its tests).

    Exit status 1 where something did.

    \b
    Example:
      goldroot maintain diff debian
    """
    from goldroot.image import current_gold, system_changes

    site = open_site(site_dir)
    with stages(as_json) as stage:
        found = system_changes(site, name, role=_role(on_test), progress=stage("comparing"))
        new = not on_test and current_gold(site, name) is None

    def say() -> None:
        put(f"{name} has no gold version yet: everything is new.") if new else say_changes(found)

    emit(as_json, [change.as_dict() for change in found], say)
    return EXIT_FINDINGS if found else 0


@maintain.command("test")
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@site_option
@plan_option
@json_option
def run_tests(name: str, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Copy IMAGE's maintenance system to the test system and run its test commands, with read-only and read-write root.

    The commands stand in goldroot.toml ([images.IMAGE] tests = [...]). Exit status 1 where one failed.

    \b
    Example:
      goldroot maintain test debian
    """
    from goldroot.image import FORMS, MAINTENANCE, TEST, System, existing_system, test_system

    site = open_site(site_dir)
    if plan_only:
        source, copy = existing_system(site, name, MAINTENANCE), System(site, name, TEST)
        steps = [f"copy the disks of {source.machine} to {copy.machine}, what is there now goes"]
        for form in FORMS:
            steps += [f"mount {copy.machine} together, {form}"]
            steps += [f"  run {command}" for command in site.config.image(name).tests]
        emit(as_json, {"image": name, "steps": steps, "plan": True}, lambda: put_lines(steps))
        return 0
    with stages(as_json) as stage:
        done = test_system(site, name, progress=stage("copying to the test system"))
    data = [{"form": form.form, "passed": form.passed, "log": form.log} for form in done.forms]

    def say() -> None:
        for form in done.forms:
            of = f" ({counted(len(form.commands), 'command')})" if form.commands else ""
            put(f"{form.form}: {'passed' + of if form.passed else 'FAILED'}")
            for command in form.commands:
                if command.status != 0:
                    put_content(command.log, indent="  ")
        if not any(form.commands for form in done.forms):
            put(f"No test commands are configured: it was only put together.  [images.{name}] tests in goldroot.toml")
        if done.passed:
            put(f"Next: goldroot gold publish {name}")
        else:
            put(f"Fix it in the test system (goldroot maintain enter {name} --test), then: maintain take-back {name}")

    emit(as_json, {"image": name, "passed": done.passed, "fingerprint": done.fingerprint, "forms": data}, say)
    return 0 if done.passed else EXIT_FINDINGS


@maintain.command("take-back")
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@click.argument("paths", nargs=-1)
@site_option
@plan_option
@json_option
def take_back(name: str, paths: tuple[str, ...], site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Copy what a person changed on the test system, after its tests, back to the maintenance system.

    With PATHS only those, and what is below them. It has to be tested again afterwards.

    \b
    Examples:
      goldroot maintain take-back debian --plan
      goldroot maintain take-back debian /etc/nginx
    """
    from goldroot.image import take_back as take

    chosen = [os.fsencode(path.strip("/")) for path in paths]
    with stages(as_json) as stage:
        done = take(open_site(site_dir), name, chosen, plan_only=plan_only, progress=stage("taking back"))

    def say() -> None:
        say_changes(done.changes)
        say_notes(done.notes)
        if done.changes and plan_only:
            put(f"{counted(len(done.changes), 'path')} would be taken back.")
        elif done.changes:
            put(f"{counted(len(done.changes), 'path')} taken back. Test again: goldroot maintain test {name}")

    changes = [change.as_dict() for change in done.changes]
    emit(as_json, {"image": name, "plan": plan_only, "changes": changes, "notes": notes_data(done.notes)}, say)


def _role(on_test: bool) -> Role:
    return "test" if on_test else "maintenance"


def say_changes(found: Sequence[Change], of: Sequence[Change] | None = None) -> None:
    """One line for each path; where only the time differs, they are counted, as people hardly want to know."""
    for change in found:
        if not change.only_time:
            put(change)
    if touched := sum(change.only_time for change in (found if of is None else of)):
        put(f"({counted(touched, 'path')} with nothing but another time)")
    if not found and not touched:
        put("No difference.")


def say_notes(notes: Iterable[Note]) -> None:
    """The first few notes of each kind; all of them stand in ``--json``."""
    from goldroot.tree import path_text

    by_kind: dict[str, list[Note]] = {}
    for note in notes:
        by_kind.setdefault(note.kind, []).append(note)
    for kind, found in by_kind.items():
        for note in found[:5]:
            put(f"note: {'/' + path_text(note.path).lstrip('/') + ': ' if note.path else ''}{note.text}")
        if len(found) > 5:
            put(f"note: and {len(found) - 5} more of this kind ({kind})")


def notes_data(notes: Iterable[Note]) -> list[dict[str, object]]:
    """Notes for ``--json``."""
    from goldroot.tree import path_text

    return [{"kind": note.kind, "path": path_text(note.path), "text": note.text} for note in notes]
