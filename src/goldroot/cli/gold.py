"""``goldroot gold``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.command import (
    VERSION,
    Group,
    commands_option,
    emit,
    json_option,
    open_site,
    plan_option,
    site_option,
    table,
    tells_commands,
)
from goldroot.cli.gold_check import accept_option, check, checked_data, say_checked
from goldroot.cli.gold_replicate import replicate
from goldroot.cli.gold_retire import restore, retire
from goldroot.cli.image import notes_data, say_changes, say_notes
from goldroot.cli.known_names import gold_versions, host_option, image_names
from goldroot.cli.progress import stages
from goldroot.cli.terminal import put
from goldroot.cli.zvm_commands import commands_of
from goldroot.counted import counted
from goldroot.errors import EXIT_FINDINGS, BadSignature, UsageError

if TYPE_CHECKING:
    from goldroot.fleet import Forecast
    from goldroot.image import Consent, Difference, PublishPlan, Verified
    from goldroot.site import Site

#: How many changed paths a person is shown without asking for all.
SHOWN = 30


@click.group(cls=Group)
def gold() -> None:
    """Check, publish, list, compare and verify gold versions: immutable, numbered, signed.

    \b
    Examples:
      goldroot gold check debian --clean
      goldroot gold publish debian --note "security updates"
      goldroot gold diff debian 1 2
      goldroot gold list
    """


@gold.command()
@click.argument("image", shell_complete=image_names)
@click.option("--untested", is_flag=True, help="Publish what was not tested since its last change; the record says so.")
@click.option("--note", default="", metavar="TEXT", help="A word for those who read the list of versions.")
@click.option("--renumber-ok", is_flag=True, help="Publish although local accounts of clones would collide.")
@click.option(
    "--keep", is_flag=True, help="Publish with what ties it to one host (keytabs, registrations); the record says so."
)
@click.option("--unchanged", is_flag=True, help="Publish also what is nothing but the version before.")
@accept_option
@commands_option
@site_option
@plan_option
@json_option
def publish(
    image: str, untested: bool, note: str, renumber_ok: bool, keep: bool, unchanged: bool, accept: tuple[str, ...],
    site_dir: str | None, plan_only: bool, as_json: bool,
) -> None:  # fmt: skip
    """Publish IMAGE's maintenance system as the next gold version, in a free slot.

    It is refused where the system was not tested with read-only and with read-write root since its last change,
    where goldroot gold check finds what no server should have, and where something ties it to one host. Where nothing
    changed since the version before, there is nothing new, and no slot is taken. A publish that was killed is begun again
    by the same command.

    \b
    Examples:
      goldroot gold publish debian --note "nginx 1.26"
      goldroot gold publish debian --plan
    """
    from goldroot.fleet import told_publish
    from goldroot.image import Consent, plan_publish, publish_system, version_data

    tells_commands(plan_only=plan_only)
    site = open_site(site_dir)
    with stages(as_json) as stage:
        if plan_only:
            plan = plan_publish(site, image, accept=accept, progress=stage("reading the maintenance system"))
            commands = commands_of(lambda: [told_publish(site, image, plan.slot)] if plan.slot else [])
            data: dict[str, Any] = {"plan": True, **_plan_data(plan), **commands.data()}

            def say_plan() -> None:
                _say_plan(plan, Consent(untested, renumber_ok, keep=keep))
                commands.say()

            emit(as_json, data, say_plan)
            return
        consent = Consent(untested, renumber_ok, accept, only_new=not unchanged, keep=keep)
        done = publish_system(site, image, consent, note=note, progress=stage(f"publishing {image}"))

    def say() -> None:
        if not done.new:
            put(f"Nothing new: {image} is gold version {done.version.number} but for times, logs and caches.")
            return
        _say_findings(done.plan)
        say_notes(done.notes)
        put(f"Gold version {done.version.number} of {image} is published, in {done.version.slot_name}.")

    data = {**_plan_data(done.plan), **version_data(done.version), "notes": notes_data(done.notes), "new": done.new}
    emit(as_json, data, say)


def _plan_data(plan: PublishPlan) -> dict[str, Any]:
    return {
        "image": plan.image,
        "fingerprint": plan.fingerprint,
        "untested_forms": list(plan.untested),
        "slot": plan.slot,
        "leaves": plan.leaves,
        "full": plan.full,
        "renumbered": [str(each) for each in plan.renumbered],
        "collisions": [str(each) for each in plan.collisions],
        "packages": len(plan.packages.installed),
        "entries": {address: len(manifest) for address, manifest in plan.manifests.items()},
        "notes": notes_data(plan.notes),
        "equals": plan.equals,
        "check": checked_data(plan.checked),
        "ties": [str(tie) for tie in plan.ties],
    }


def _say_plan(plan: PublishPlan, consent: Consent) -> None:
    total = sum(map(len, plan.manifests.values()))
    disks, packages = counted(len(plan.manifests), "disk"), counted(len(plan.packages.installed), "package")
    put(f"would publish {total:,} entries on {disks}, {packages}")
    if plan.slot:
        leaves = f", which version {plan.leaves} leaves: nobody holds it" if plan.leaves else ""
        put(f"in the slot {plan.slot}{leaves}")
    else:
        put(f"warning: it would be refused: {plan.full}")
    say_notes(plan.notes)
    _say_findings(plan)
    if plan.equals is not None:
        put(f"nothing would be published without --unchanged: it is gold version {plan.equals}")
    if plan.checked.refused:
        put(f"warning: it would be refused: see goldroot gold check {plan.image}")
    if plan.ties and not consent.keep:
        put("warning: it would be refused: remove what ties it to one host, or give --keep")
    if plan.untested and not consent.untested:
        put(f"warning: it would be refused: run goldroot maintain test {plan.image} first, or give --untested")
    if plan.asking and not consent.renumber_ok:
        put("warning: it would be refused: give gold's accounts other numbers, or give --renumber-ok")


def _say_findings(plan: PublishPlan) -> None:
    for tie in plan.ties:
        put(f"warning: it ties gold to one host: {tie}")
    say_checked(plan.checked)
    if plan.untested:
        put(f"warning: not tested in {' and '.join(plan.untested)} form since its last change")
    if plan.renumbered:
        moved = f"{counted(len(plan.renumbered), 'account')} with another number"
        put(f"warning: {moved}; at an update, clones' files follow by name:")
        for each in plan.renumbered:
            put(f"  {each}")
    for met in plan.collisions:
        put(f"warning: {met}")


@gold.command()
@click.argument("image", shell_complete=image_names)
@click.option(
    "--to",
    type=VERSION,
    metavar="N",
    shell_complete=gold_versions,
    help="The gold version to look at (default: the current one).",
)
@click.option("--tested", is_flag=True, help="Look at the maintenance system as it was tested, before it is published.")
@site_option
@json_option
def forecast(image: str, to: int | None, tested: bool, site_dir: str | None, as_json: bool) -> int:
    """Say which servers a gold version of IMAGE would break: what they point at and it does not have.

    A server's links, login shells, enabled services and mounts are known from its last plan or merge; no disk is opened.
    What it changed since is not seen: `goldroot update plan` looks again.  Exit code 1: at least one server would lose something.

    \b
    Examples:
      goldroot gold forecast debian --tested
      goldroot gold forecast debian --to 3
    """
    from goldroot.fleet import forecast_gold

    if tested and to is not None:
        raise UsageError("--tested and --to are two things to look at", todo="Give one of them.")
    found = forecast_gold(open_site(site_dir), image, to, tested=tested)
    emit(as_json, found.as_dict(), lambda: _say_forecast(found))
    return EXIT_FINDINGS if any(found.broken.values()) else 0


def _say_forecast(found: Forecast) -> None:
    data = found.as_dict()
    what = f"gold {found.to} of {found.image}" if found.to else f"the tested maintenance system of {found.image}"
    hit = {name: lost for name, lost in data["servers"].items() if lost}
    for name, lost in hit.items():
        put(f"{name} would lose {counted(len(lost), 'thing')} that it points at:")
        for one in lost[:SHOWN]:
            who = f" ({one['who']})" if one["who"] else ""
            put(f"  {one['path']}{who}: {one['subject']}")
        if len(lost) > SHOWN:
            put(f"  ... and {len(lost) - SHOWN} more")
    put(f"{what} would break {len(hit)} of {counted(len(data['servers']), 'server')} that are known.")
    if found.unknown:
        put(f"Not known, as no plan or merge has seen them: {', '.join(found.unknown)}")


gold.add_command(check)
gold.add_command(replicate)
gold.add_command(retire)
gold.add_command(restore)


@gold.command("list")
@click.argument("image", required=False, shell_complete=image_names)
@site_option
@json_option
def list_versions(image: str | None, site_dir: str | None, as_json: bool) -> None:
    """The gold versions of IMAGE, or of every image; the current one is marked with a star.

    \b
    Example:
      goldroot gold list debian
    """
    from goldroot.image import version_rows

    site = open_site(site_dir)
    several = len(site.config.hosts) > 1
    data = version_rows(site, image)

    def row(version: dict[str, Any]) -> list[str]:
        star = "*" if version["current"] else ""
        words = [version["state"], *(["untested"] if version["untested"] else [])]
        slots = [_copy_said(one, several) for one in version["copies"]]
        return [
            f"{version['image']} {version['version']}{star}", ", ".join(words), ", ".join(slots) or "-",
            version["published_at"] or "", version["note"],
        ]  # fmt: skip

    emit(as_json, data, lambda: table(["version", "state", "slot", "published", "note"], [row(each) for each in data]))


def _copy_said(copy: dict[str, Any], several: bool) -> str:
    """Where a copy stands; hosts are named where there are several."""
    begun = " (not complete)" if several and copy["state"] == "filling" else ""
    return f"{copy['host']}: {copy['slot']}{begun}" if several else str(copy["slot"])


@gold.command()
@click.argument("image", shell_complete=image_names)
@click.argument("number", type=VERSION, required=False, shell_complete=gold_versions)
@site_option
@json_option
def show(image: str, number: int | None, site_dir: str | None, as_json: bool) -> None:
    """What a gold version is: its signed record, and who holds it. Without NUMBER, the current one.

    \b
    Example:
      goldroot gold show debian 2
    """
    from goldroot.image import version_shown

    site = open_site(site_dir)
    data = version_shown(site, image, _number(site, image, number))

    def say() -> None:
        for key in ("image", "version", "published_at", "note", "layout", "fingerprint"):
            put(f"{key:13} {data[key]}")
        gone = "" if data["copies"] else "; its disks are removed, this record is kept"
        several = len(site.config.hosts) > 1
        put(f"{'state':13} {data['state']}{gone}")
        put(f"{'slot':13} {', '.join(_copy_said(one, several) for one in data['copies']) or '-'}")
        put(f"{'system':13} {data['os'].get('pretty_name', '')} {data['os'].get('architecture', '')}")
        put(f"{'tested':13} {'not in ' + ' and '.join(data['untested']) + ' form' if data['untested'] else 'yes'}")
        put(f"{'packages':13} {data['packages']['count']} ({data['packages']['kind']})")
        for address, disk in data["disks"].items():
            shared = "shared" if disk["shared"] else "copied"
            put(f"{address:13} {disk['entries']:,} entries, {disk['bytes']:,} bytes, {shared}, {disk['digest'][:16]}")
        put(f"{'held by':13} {', '.join(data['held_by']) or 'nobody'}")
        put("The signature of this record holds.")

    emit(as_json, data, say)


@gold.command()
@click.argument("image", shell_complete=image_names)
@click.argument("old", type=VERSION, shell_complete=gold_versions)
@click.argument("new", type=VERSION, shell_complete=gold_versions)
@click.option("--paths", is_flag=True, help=f"List every changed path, not only the first {SHOWN}.")
@click.option(
    "--times", is_flag=True, help="List those, too, of which nothing but the time differs, instead of a count."
)
@site_option
@json_option
def diff(image: str, old: int, new: int, paths: bool, times: bool, site_dir: str | None, as_json: bool) -> int:
    """What differs between the versions OLD and NEW: packages, account numbers, paths.

    Exit code 1: something does.

    \b
    Examples:
      goldroot gold diff debian 1 2
      goldroot gold diff debian 1 2 --paths --times
    """
    from goldroot.image import diff_gold as compare

    found = compare(open_site(site_dir), image, old, new)
    data = {
        "image": image,
        "from": old,
        "to": new,
        "old": old,  # the older names
        "new": new,
        "packages": [{"name": each.name, "old": each.old, "new": each.new} for each in found.packages],
        "renumbered": [str(each) for each in found.renumbered],
        "changes": [change.as_dict() for change in found.changes],
    }
    emit(as_json, data, lambda: _say_difference(found, paths=paths, times=times))
    return EXIT_FINDINGS if found.changes or found.packages else 0


def _say_difference(found: Difference, *, paths: bool, times: bool) -> None:
    for each in found.packages:
        put(f"package {each.name}: {each.old or 'not there'} -> {each.new or 'not there'}")
    for moved in found.renumbered:
        put(moved)
    telling = [each for each in found.changes if times or not each.only_time]
    for change in telling if paths else telling[:SHOWN]:
        put(change)
    if len(telling) > SHOWN and not paths:
        counts = ", ".join(f"{count:,} {what}" for what, count in Counter(each.what for each in telling).items())
        put(f"... and {counted(len(telling) - SHOWN, 'path')} more ({counts} in all); every one with --paths")
    if touched := len(found.changes) - len(telling):
        put(f"({counted(touched, 'path')} with nothing but another time; named with --times)")
    if not found.changes and not found.packages:
        put("No difference.")


@gold.command()
@click.argument("image", shell_complete=image_names)
@click.argument("number", type=VERSION, required=False, shell_complete=gold_versions)
@click.option(
    "--quick", is_flag=True, help="Read only files whose inode, size or times differ from what was published."
)
@host_option("Only its copy on this host (default: every copy).")
@site_option
@json_option
def verify(image: str, number: int | None, quick: bool, host: str, site_dir: str | None, as_json: bool) -> int:
    """Compare a version's disks with its signed record, every byte, on each host that has a copy. Without NUMBER, the current one.

    On a host with `verity` every block of its images is compared with the signed root hash, too, but for --quick.
    Exit status 4 where something is not as it was published.

    \b
    Examples:
      goldroot gold verify debian 1
      goldroot gold verify debian --host west --quick
    """
    from goldroot.image import hosts_with
    from goldroot.image import verify_gold as compare

    site = open_site(site_dir)
    known = _number(site, image, number)
    hosts = [name for name in hosts_with(site, image, known) if host in ("", name)]
    with stages(as_json) as stage:
        found = [
            compare(site, image, known, host=name, quick=quick, progress=stage(f"verifying {name}"))
            for name in hosts or [host]  # where there is none, that is told
        ]
    whole = all(each.whole for each in found)
    several = len(site.config.hosts) > 1

    def say() -> None:
        for each in found:
            say_changes([change for changes in each.changes.values() for change in changes])
            words = "is what was published" if each.whole else "is NOT what was published"
            where = f" on host {each.host}" if several else ""
            put(f"Gold version {each.number} of {image}{where} {words} ({each.entries:,} entries).")

    rows = [_verified_data(each) for each in found]
    data = {
        "image": image,
        "version": known,
        "number": known,  # the older name
        "whole": whole,
        "entries": sum(each.entries for each in found),
        "changes": [change for row in rows for change in row["changes"]],
        "copies": rows,
    }
    emit(as_json, data, say)
    return 0 if whole else BadSignature.exit_code


def _verified_data(found: Verified) -> dict[str, Any]:
    changes = [change.as_dict() for each in found.changes.values() for change in each]
    return {"host": found.host, "whole": found.whole, "entries": found.entries, "changes": changes}


def _number(site: Site, image: str, number: int | None) -> int:
    """The number that was given, or the current version's."""
    from goldroot.image import open_version

    return number if number is not None else open_version(site, image).number
