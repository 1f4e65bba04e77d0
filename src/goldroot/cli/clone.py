"""``goldroot clone`` and ``goldroot linked``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.adopt import adopt
from goldroot.cli.command import (
    VERSION,
    Command,
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
from goldroot.cli.known_names import clone_names, gold_versions, host_option, image_names
from goldroot.cli.progress import each, failures_data, stages, tell_failures
from goldroot.cli.terminal import put
from goldroot.cli.zvm_commands import commands_of
from goldroot.errors import Damaged, DatabaseDamaged, UsageError

if TYPE_CHECKING:
    from goldroot.fleet import Created, CreatePlan
    from goldroot.site import Site


@click.group(cls=Group)
def clone() -> None:
    """Create, list and inspect the servers made from gold.

    \b
    Examples:
      goldroot clone create web1 web2 --image debian
      goldroot clone diff web1
    """


clone.add_command(adopt)


@clone.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--image", required=True, shell_complete=image_names, help="The image that they are made from.")
@click.option(
    "--gold",
    "number",
    type=VERSION,
    metavar="N",
    shell_complete=gold_versions,
    help="The gold version (default: the current one).",
)
@host_option("Where it lives (default: the site's default host); gold has to have a copy there.")
@click.option("--read-write", is_flag=True, help="Copies of all disks; without it the shared ones are linked.")
@click.option("--hostname", help="The host name (default: goldroot.toml, else the clone's name).")
@click.option("--interface", help="The network interface that the address is for.")
@click.option("--address", metavar="ADDRESS/PREFIX", help="A fixed address, such as 192.0.2.10/24.")
@click.option("--gateway", help="The default gateway.")
@click.option("--nameserver", "nameservers", multiple=True, help="A name server; may be repeated.")
@click.option("--bridge", metavar="BRIDGE",
              help="Of this machine, to which its link leads (default: the host's, else none); `none`: private.")  # fmt: skip
@click.option("--port", "ports", multiple=True, metavar="[ADDRESS:]PORT:SERVER-PORT",
              help="A TCP port of this machine that leads into it; may be repeated.")  # fmt: skip
@commands_option
@site_option
@plan_option
@json_option
def create(
    names: tuple[str, ...], image: str, number: int | None, host: str, read_write: bool, site_dir: str | None,
    plan_only: bool, as_json: bool, **options: Any,
) -> int:  # fmt: skip
    """Make servers from a gold version: links to its shared disks, copies of the others, and an identity of their own.

    Host name, machine-id, ssh host keys and address settings (from the table [clones.NAME] in goldroot.toml, or the
    options) are written at creation.

    \b
    Examples:
      goldroot clone create web1 web2 --image debian
      goldroot clone create db1 --image debian --address 192.0.2.20/24 --interface eth0 --gateway 192.0.2.1
      goldroot clone create shop --image debian --bridge br0 --address 192.0.2.21/24 --port 8080:80
    """
    from goldroot.fleet import (
        CloneForm,
        create_clone,
        identity_from,
        made_clone,
        many_names,
        network_from,
        plan_clone,
        told_create,
    )

    tells_commands(plan_only=plan_only)
    if len(set(names)) > 1 and (options["hostname"] or options["address"] or options["ports"]):
        raise UsageError("several clones cannot share a host name, an address or a port", todo="Make them one by one.")
    site = open_site(site_dir)
    asked = {"image": image, "gold": number, "host": host, "read_write": read_write, **options}
    with (
        stages(as_json, len(names)) as stage,
        many_names(site, "clone create", names, asked, looking=plan_only) as again,
    ):

        def one(name: str) -> CreatePlan | Created:
            if again.is_done(name):
                return made_clone(site, name)
            identity = identity_from(site, name, options, host=host)
            network = network_from(site, name, options, identity=identity, host=host)
            form = CloneForm(host, read_write, number, network)
            if plan_only:
                return plan_clone(site, name, image, form=form, identity=identity)
            return create_clone(site, name, image, form=form, identity=identity, stage=stage)

        there = [name for name in names if again.is_done(name)]
        results = each(names, one, stage.done)
        if not plan_only:
            again.end(left=bool(results.failed))
    rows = [_created(done) for done in results.done.values()]
    commands = commands_of(
        lambda: [told_create(site, row["name"], row["host"], row["slot"], row["copied"]) for row in rows]
    )
    data = {"clones": rows, "failed": failures_data(results.failed), "plan": plan_only, **commands.data()}

    def say() -> None:
        for row in rows:
            made = "was made already: " if row["name"] in there else "would make " if plan_only else "made "
            put(made + _sentence(row))
            for note in row["notes"][:5]:
                put(f"  {note}")
        commands.say()
        tell_failures(results.failed)

    emit(as_json, data, say)
    return results.exit_code(lambda _: 0)


def _created(done: CreatePlan | Created) -> dict[str, Any]:
    from goldroot.fleet import Created

    if not isinstance(done, Created):
        return {
            "clone": done.name, "name": done.name,  # the older name
            "image": done.image, "version": done.version, "host": done.host, "kind": done.kind, "slot": done.slot,
            "copied": list(done.copied), "linked": list(done.linked), "identity": done.identity.as_dict(), "notes": [],
            "network": done.network.as_dict() if done.network else None,
        }  # fmt: skip
    clone, machine = done.clone, done.machine
    return {
        "clone": clone.name, "name": clone.name, "image": clone.image, "version": clone.version, "host": clone.host, "kind": clone.kind,
        "slot": next((link.owner for link in machine.links.values()), ""), "copied": sorted(machine.disks),
        "linked": sorted(machine.links), "identity": dict(clone.identity), "written": list(done.identity),
        "notes": [note.text for note in done.notes],
        "network": machine.network.as_dict() if machine.network else None,
    }  # fmt: skip


def _sentence(row: dict[str, Any]) -> str:
    links = f", {' '.join(row['linked'])} linked from {row['slot']}" if row["linked"] else ""
    who = row["identity"].get("hostname", row["name"])
    return (
        f"{row['name']} ({row['kind']}) from {row['image']} {row['version']}: host name {who}, "
        f"own disks {' '.join(row['copied'])}{links}{_joined(row['network'])}"
    )


def _joined(network: dict[str, Any] | None) -> str:
    """What joins it to others, for a sentence; "" where nothing does."""
    from goldroot.hosts import Network

    return "" if network is None else f", network: {Network.from_dict(network)}"


@clone.command("list")
@click.option("--image", shell_complete=image_names, help="Only clones of this image.")
@site_option
@json_option
def list_clones(image: str | None, site_dir: str | None, as_json: bool) -> None:
    """The clones of the site, the gold version that each is on, and what goes on with it.

    \b
    Example:
      goldroot clone list --image debian
    """
    from goldroot.fleet import clone_list

    found = shown(site_dir, "clones", lambda site: clone_list(site, image))
    data = [one for one in found["clones"] if image in (None, one["image"])]

    def say() -> None:
        # Where there is one host, there is no column for it.
        hosts, newest = found["several_hosts"], found["newest"]
        boots = any(d["power"] != "unknown" for d in data)
        rows = [
            [str(d["name"]), str(d["image"]), f"{d['version']}{_aged(d, newest)}",
             *([str(d["host"])] if hosts else []), str(d["kind"]),
             *([str(d["power"]) + (" from older disks" if d["runs"] == "older" else "")] if boots else []),
             str(d["update"] or d["state"])]
            for d in data
        ]  # fmt: skip
        table(
            ["clone", "image", "gold", *(["host"] if hosts else []), "kind", *(["power"] if boots else []), "state"],
            rows,
        )

    emit(as_json, data, say)


def _aged(row: dict[str, Any], newest: Mapping[str, int | None]) -> str:
    """Of a version that is not the current one: whether it is older, or was retired."""
    current = newest[str(row["image"])]
    if row["current"]:
        return ""
    return " (old)" if current is not None and row["version"] < current else " (retired)"


@clone.command()
@click.argument("name", shell_complete=clone_names)
@site_option
@json_option
def show(name: str, site_dir: str | None, as_json: bool) -> None:
    """Everything that is known of the clone NAME: disks, links, fallbacks, and what goes on.

    \b
    Example:
      goldroot clone show web1
    """
    from goldroot.fleet import show_clone

    data = show_clone(open_site(site_dir), name)
    emit(as_json, data, lambda: _say_clone(data))


def _say_clone(data: dict[str, Any]) -> None:
    put(f"{data['name']}: {data['kind']} clone of {data['image']} {data['version']}, {data['state']}")
    stands = {**data["disks"], **{address: f"link to {link}" for address, link in data["links"].items()}}
    older = ", from the disks that were live before" if data["runs"] == "older" else ""
    lines = [
        ("host", data["host"]),
        ("machine", data["machine"] + (f", running: {data['running']}{older}" if data["running"] else "")),
    ]
    lines += [
        (address, what + ("  (fallback or prepared)" if address.startswith("5") else ""))
        for address, what in sorted(stands.items())
    ]
    lines += [("lost disk", f"{id}  (the host has it, and the machine does not name it)") for id in data["lost"]]
    lines += [("host name" if key == "hostname" else key, str(value)) for key, value in data["identity"].items()]
    lines += [
        ("fallback" if one["state"] == "kept" else "set aside", f"gold {one['version']}, until {one['kept_until']}")
        for one in data["fallbacks"]
    ]
    lines += [("network", _joined(data["network"]).partition(": ")[2])] if data["network"] else []
    lines += [("removed", path) for path in data["removed"]]
    if going := data["update"]:
        lines.append((going["kind"], f"{going['id']}, to gold {going['to']}: {going['state']}"))
    for what, said in lines:
        put(f"  {what:<10} {said}")


@clone.command()
@click.argument("name", shell_complete=clone_names)
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@patch_option
@class_option
@exit_code_option
@site_option
@json_option
def diff(
    name: str, paths: tuple[str, ...], with_patch: bool, classes: tuple[str, ...], site_dir: str | None, as_json: bool
) -> int:
    """What the clone NAME has changed against its gold, by path and class (below PATHs only, where given).

    Owners are compared as names; a state unit (a database, a spool) is one line.  The third column says what the next update does
    with a difference: it stays, is merged, is made again, or will be overwritten.

    Exit code 1: something differs.

    \b
    Examples:
      goldroot clone diff web1
      goldroot clone diff web1 /etc/ssh --patch
      goldroot clone diff web1 --class config --class accounts
    """
    from goldroot.fleet import find_drift

    site = open_site(site_dir)
    with stages(as_json) as stage:
        found = find_drift(site, name, list(paths), stage=stage)
    return show_drift(site, found, paths=paths, with_patch=with_patch, classes=classes, as_json=as_json)


@clone.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=clone_names)
@click.option("--force", is_flag=True, help="Also where its entry is damaged or disks of it are missing.")
@commands_option
@site_option
@plan_option
@json_option
def delete(names: tuple[str, ...], force: bool, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Remove clones with all their disks, fallbacks among them.  A clone that may be running is not removed.

    With --force also one whose entry is damaged or whose disks are missing: what is left of it goes, with an update of it that
    is in flight.  A damaged entry's file is kept aside.

    \b
    Examples:
      goldroot clone delete web1 --plan
      goldroot clone delete web1 --force
    """
    from goldroot.fleet import (
        close_ended_runs,
        delete_clone,
        force_delete_clone,
        many_names,
        plan_delete,
        show_clone,
        told_delete,
    )

    tells_commands(plan_only=plan_only)
    site = open_site(site_dir)

    def one(name: str) -> list[str]:
        if again.is_done(name):
            return []
        try:
            disks = sorted(show_clone(site, name)["disks"].values())
            if plan_only:
                plan_delete(site, name)
            else:
                delete_clone(site, name)
        except DatabaseDamaged:
            raise  # force does not help
        except Damaged as error:
            if not force:
                error.todo = f"{error.todo} To remove what is left of it: goldroot clone delete {name} --force"
                raise
            return force_delete_clone(site, name, plan_only=plan_only)
        return disks

    with (
        room_for(site, plan_only),
        many_names(site, "clone delete", names, {"force": force}, looking=plan_only) as again,
    ):
        before = [name for name in names if again.is_done(name)]
        results = each(names, one)
        if not plan_only:
            close_ended_runs(site)
            again.end(left=bool(results.failed))
    commands = commands_of(lambda: [told_delete(site, name) for name in results.done if plan_only])
    data = {
        "removed": results.done, "failed": failures_data(results.failed), "plan": plan_only, **commands.data(),
    }  # fmt: skip

    def say() -> None:
        for name, disks in results.done.items():
            if name in before:
                put(f"{name} was removed already")
                continue
            put(f"{'would remove' if plan_only else 'removed'} {name} and its disks {' '.join(disks)}")
        commands.say()
        tell_failures(results.failed)

    emit(as_json, data, say)
    return results.exit_code(lambda _: 0)


@clone.command()
@click.argument("name", shell_complete=clone_names)
@click.argument("path")
@site_option
@plan_option
@json_option
def forget(name: str, path: str, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Forget that the server NAME had removed PATH: it arrives when a gold has it again.

    What a server removed stays removed, also where one gold version did not have it.  `goldroot clone show NAME` lists
    what is remembered so.

    \b
    Example:
      goldroot clone forget web1 /etc/cron.d/report
    """
    from goldroot.fleet import forget_removed

    forget_removed(open_site(site_dir), name, path, plan_only=plan_only)
    said = "would be" if plan_only else "is"
    emit(as_json, {"clone": name, "path": path, "plan": plan_only},
         lambda: put(f"{path} {said} forgotten: it arrives on {name} when a gold version has it."))  # fmt: skip


@clone.command(context_settings=AS_COMMAND)
@click.argument("name", shell_complete=clone_names)
@command_argument(required=False)
@site_option
@plan_option
@json_option
def enter(name: str, command: tuple[str, ...], site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Run COMMAND (a shell without one) in the system of the clone NAME, put together from its disks.

    Options of goldroot stand before NAME.  While it runs, the clone counts as running and is not switched.  It has no
    rights over this machine, whatever it is; what it has is said first, in one line.

    \b
    Examples:
      goldroot clone enter web1
      goldroot clone enter web1 passwd root
    """
    from goldroot.fleet import enter_clone, show_clone
    from goldroot.system import Mode, power_of

    site: Site = open_site(site_dir)
    if plan_only:
        machine = show_clone(site, name)["machine"]
        words = " ".join(command) or "a shell"
        data = {"clone": name, "machine": machine, "command": list(command), "plan": True}
        emit(as_json, data, lambda: put(f"would run {words} in {machine}"))
        return 0

    def told(mode: Mode, why: str) -> None:
        put(f"{name}: {power_of(mode, network=False, why=why)}", err=True, flush=True)

    done = enter_clone(site, name, command, capture=as_json, told=None if as_json else told)
    if as_json:
        emit(True, done.as_dict(), lambda: None)
    return done.status


@click.command(cls=Command)
@click.argument("image", required=False, shell_complete=image_names)
@click.option("--live", is_flag=True, help="What machines have linked at this moment, too (z/VM).")
@site_option
@json_option
def linked(image: str | None, live: bool, site_dir: str | None, as_json: bool) -> int:
    """Who is on which gold version, by slot, and whose way back leads there; the current gold is marked with a star.

    On z/VM an entry says what a guest gets at its next logon: with --live it is asked, too, what each has now, and where the
    two differ.

    \b
    Examples:
      goldroot linked debian
      goldroot linked --live
    """
    from goldroot.fleet import slot_links as find

    site = open_site(site_dir)
    damaged: list[Damaged] = []
    data = find(site, image, damaged=damaged, live=live)
    hosts = len(site.config.hosts) > 1

    def say() -> None:
        # Nobody is on the way between two versions most of the time: then there is no column for it.
        columns = ["clones", "fallbacks", *(["updates"] if any(row["updates"] for row in data) else []), "links"]
        if live:
            columns.append("live")
        rows = [
            ["*" if row["current"] else "", row["image"], *([row["host"]] if hosts else []), row["slot"],
             str(row["version"] or "-"),
             *("not known" if row[column] is None else ", ".join(row[column]) or "-" for column in columns)]
            for row in data
        ]  # fmt: skip
        heads = ["linked by" if column == "links" else column for column in columns]
        table(["", "image", *(["host"] if hosts else []), "slot", "gold", *heads], rows)
        for row in data if live else ():
            for line in row["differs"] or ():
                put(line)

    emit(as_json, data, say)
    for error in damaged:
        put(f"goldroot: not known: {error.brief}", err=True)
        put(f"  Whom it links is missing above. {error.todo}", err=True)
    return Damaged.exit_code if damaged else 0
