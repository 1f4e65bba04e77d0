"""``goldroot fallback``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import click

from goldroot.cli.command import (
    VERSION,
    Group,
    commands_option,
    emit,
    json_option,
    open_site,
    plan_option,
    room_for,
    shown,
    site_option,
    table,
    tells_commands,
)
from goldroot.cli.differences import class_option, exit_code_option, patch_option, show_drift
from goldroot.cli.inner_command import AS_COMMAND, command_argument
from goldroot.cli.known_names import clone_names
from goldroot.cli.progress import failures_data, stages, tell_failures
from goldroot.cli.rollback import say_written
from goldroot.cli.terminal import put, put_output
from goldroot.cli.zvm_commands import commands_of
from goldroot.counted import counted
from goldroot.errors import UsageError
from goldroot.tree import path_text

name_argument = click.argument("name", metavar="NAME", shell_complete=clone_names)
number_option = click.option(
    "--number", type=VERSION, metavar="N", help="Which of several, by its number in `goldroot fallback list`."
)


@click.group(cls=Group)
def fallback() -> None:
    """What is kept for the way back: the old disks of updates, and the disks that rollbacks set aside.

    \b
    Examples:
      goldroot fallback list
      goldroot fallback diff web1 /etc
      goldroot fallback get web1 /etc/nginx --to /tmp
      goldroot fallback prune
    """


@fallback.command("list")
@click.argument("name", metavar="[CLONE]", required=False, shell_complete=clone_names)
@site_option
@json_option
def list_fallbacks(name: str | None, site_dir: str | None, as_json: bool) -> None:
    """The fallbacks and the disks set aside, with the date until which they are kept.

    \b
    Example:
      goldroot fallback list web1
    """
    from goldroot.fleet import all_fallbacks, fallback_data

    data = shown(
        site_dir, "fallbacks", lambda site: [fallback_data(one) for one in all_fallbacks(site, name)],
        lambda rows: [one for one in rows if name in (None, one["clone"])],
    )  # fmt: skip

    def say() -> None:
        rows = [
            [str(d["id"]), d["clone"], str(d["version"]), d["state"], d["kept_until"] + (" (past)" if d["due"] else ""),
             " ".join(map(str, d["disks"].values()))]
            for d in data
        ]  # fmt: skip
        table(["number", "clone", "gold", "state", "until", "disks"], rows)

    emit(as_json, data, say)


@fallback.command("prune")
@click.argument("names", metavar="[CLONE]...", nargs=-1, shell_complete=clone_names)
@click.option("--force", is_flag=True, help="Before their date, too; the clones must be named.")
@commands_option
@site_option
@plan_option
@json_option
def prune(names: tuple[str, ...], force: bool, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Remove for good what is kept past its date.  There is no way back after it.

    \b
    Examples:
      goldroot fallback prune --plan
      goldroot fallback prune web1 --plan --commands
      goldroot fallback prune web1 --force
    """
    from goldroot.fleet import fallback_data, many_names, plan_prune, prune_fallbacks, told_prune

    site = open_site(site_dir)
    asked = {"force": force}
    with room_for(site, plan_only), many_names(site, "fallback prune", names, asked, looking=plan_only) as again:
        before = [name for name in names if again.is_done(name)]
        wanted = plan_prune(site, names, force=force, done=before)
        aside = {one.id for one in wanted if one.state == "set-aside"}
        if plan_only:
            commands = commands_of(lambda: [told_prune(site, one) for one in wanted])
            rows = [fallback_data(one) for one in wanted]
            data = {"pruned": rows, "failed": [], "plan": True, **commands.data()}

            def say_plan() -> None:
                _say_pruned(wanted, "would remove", aside)
                commands.say()

            emit(as_json, data, say_plan)
            return 0
        tells_commands(plan_only=False)
        done = prune_fallbacks(site, wanted)
        again.end(left=any(one.error is not None for one in done))
    failed = {one.fallback.clone: one.error for one in done if one.error is not None}
    gone = [one.fallback for one in done if one.error is None]

    def say() -> None:
        for name in dict.fromkeys(before):
            put(f"what was kept of {name} was removed already")
        if gone or not (before or failed):
            _say_pruned(gone, "removed", aside)
        tell_failures(failed)

    data = {"pruned": [fallback_data(one) for one in gone], "failed": failures_data(failed), "plan": False}
    emit(as_json, data, say)
    return max([0, *(error.exit_code for error in failed.values())])


def _say_pruned(wanted: list[Any], word: str, aside: Collection[int]) -> None:
    for one in wanted:
        what = "the disks set aside" if one.id in aside else "the way back"
        put(f"{word} {what} of {one.clone}, gold {one.from_version}: {' '.join(map(str, one.disks.values()))}")
    if not wanted:
        put("Nothing is past its date.")


@fallback.command()
@name_argument
@number_option
@site_option
@json_option
def show(name: str, number: int | None, site_dir: str | None, as_json: bool) -> None:
    """What is kept of the clone NAME: the newest fallback, where there is none the newest disks that were set aside.

    \b
    Examples:
      goldroot fallback show web1
      goldroot fallback show web1 --number 3 --json
    """
    from goldroot.fleet import find_kept, show_kept

    site = open_site(site_dir)
    data = show_kept(site, find_kept(site, name, number))

    def say() -> None:
        what = "fallback" if data["state"] == "kept" else "disks set aside"
        put(f"{name}: {what} {data['id']}, gold {data['version']} of {data['image']} (live: gold {data['live']})")
        past = " (past)" if data["due"] else ""
        rows = [
            ("left by", f"{data['left_by']} {data['update']}, {data['created_at']}"),
            ("until", data["kept_until"] + past),
        ]
        for word, said in [*rows, *data["disks"].items()]:
            put(f"  {word:<10} {said}")
        say_written(data["written_since"], "on these disks")
        put(f"  Compare:   goldroot fallback diff {name}{_numbered(number)}")
        put(f"  Take out:  goldroot fallback get {name} PATH{_numbered(number)}")
        if data["state"] == "kept":
            put(f"  Go back:   goldroot rollback {name}")

    emit(as_json, data, say)


def _numbered(number: int | None) -> str:
    return "" if number is None else f" --number {number}"


@fallback.command()
@name_argument
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@number_option
@patch_option
@class_option
@exit_code_option
@site_option
@json_option
def diff(
    name: str, paths: tuple[str, ...], number: int | None, with_patch: bool, classes: tuple[str, ...], site_dir: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """What the clone NAME has otherwise now than on the disks that are kept (below PATHs only, where given).

    It is printed as `goldroot clone diff` prints: what stands in the fallback is the old side, what is live the new one.

    Exit code 1: something differs.

    \b
    Examples:
      goldroot fallback diff web1
      goldroot fallback diff web1 /etc/ssh --patch
    """
    from goldroot.fleet import diff_kept, find_kept

    site = open_site(site_dir)
    with stages(as_json) as stage:
        found = diff_kept(site, find_kept(site, name, number), list(paths), stage=stage)
    return show_drift(site, found, paths=paths, with_patch=with_patch, classes=classes, as_json=as_json)


@fallback.command(context_settings=AS_COMMAND)
@name_argument
@command_argument(required=False)
@number_option
@site_option
@plan_option
@json_option
def mount(
    name: str, command: tuple[str, ...], number: int | None, site_dir: str | None, plan_only: bool, as_json: bool
) -> int:
    """Run COMMAND (your shell without one) where the disks that are kept of the clone NAME are mounted, read-only.

    Options of goldroot stand before NAME.  Each disk stands by its address in the working directory ($GOLDROOT_FALLBACK).  Nothing
    there can be written or run.  Only this command sees the mounts; they end with it, however it ends.  It needs root.
    The exit status is that of COMMAND.

    \b
    Examples:
      goldroot fallback mount web1
      goldroot fallback mount web1 grep -r relayhost 1B5/etc/postfix
    """
    from goldroot.fleet import find_kept, need_root_to_mount, run_beside_kept

    site = open_site(site_dir)
    kept = find_kept(site, name, number)
    need_root_to_mount(kept)
    own = [disk for disk in kept.gold.layout.disks if disk.address in kept.ids]
    places = {disk.address: sorted(f"/{path_text(path)}" for path in disk.paths) for disk in own}
    data = {"clone": name, "fallback": kept.fallback.id, "disks": kept.ids, "plan": plan_only}
    if plan_only:
        emit(
            as_json,
            data,
            lambda: put(f"would mount {', '.join(sorted(kept.ids))} for {' '.join(command) or 'a shell'}"),
        )
        return 0
    if not as_json:
        for address, paths in sorted(places.items()):
            put(f"{address}  {kept.ids[address]}  {' '.join(paths)}", err=True)
    status = run_beside_kept(site, kept, command)
    if as_json:
        emit(True, {**data, "status": status}, lambda: None)
    return status


@fallback.command()
@name_argument
@click.argument("path")
@click.option("--to", default=".", type=click.Path(), show_default=True, metavar="DIR|-",
              help="Where to: a directory, a new name, or - for standard output (a file's content).")  # fmt: skip
@number_option
@site_option
@plan_option
@json_option
def get(
    name: str, path: str, to: str, number: int | None, site_dir: str | None, plan_only: bool, as_json: bool
) -> None:
    """Take PATH, with all below it, out of the disks that are kept of the clone NAME.

    Owners are kept where that is allowed (as root).  Links are taken as links and never followed; nothing is written over. What
    would have power over this machine is not taken: setuid and setgid bits, capabilities, devices.

    \b
    Examples:
      goldroot fallback get web1 /etc/nginx --to /tmp
      goldroot fallback get web1 /etc/hosts --to -
    """
    from goldroot.fleet import find_kept, get_kept, read_kept

    site = open_site(site_dir)
    kept = find_kept(site, name, number)
    if to == "-":
        if as_json:
            raise UsageError("--json and --to - both want standard output", todo="Give one of them.")
        put_output(read_kept(kept, path))
        return
    taken = get_kept(site, kept, path, to, plan_only=plan_only)
    data = {
        "clone": name, "fallback": kept.fallback.id, "path": path, "to": taken.place, "paths": taken.paths,
        "notes": list(taken.notes), "plan": plan_only,
    }  # fmt: skip

    def say() -> None:
        put(f"{'would take' if plan_only else 'took'} {path} ({counted(taken.paths, 'path')}) to {taken.place}")
        for note in taken.notes:
            put(f"  {note}")

    emit(as_json, data, say)
