"""``goldroot zvm adopt``: a site that follows the paper becomes goldroot's, without any change of z/VM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.command import Command, emit, json_option, open_site, plan_option, site_option, table
from goldroot.cli.terminal import put
from goldroot.cli.zvm_plan import zvm_host
from goldroot.errors import EXIT_FINDINGS, Refused, UsageError

if TYPE_CHECKING:
    from goldroot.hosts.zvm import Found, Survey, ZvmHost
    from goldroot.site import Layout, Site


@click.command(cls=Command)
@click.argument("image")
@click.option("--layout", "layout_name", default="readonly-root", show_default=True, metavar="NAME|FILE",
              help="Which disk of a server holds which paths.")  # fmt: skip
@click.option("--version", "versions", multiple=True, metavar="SLOT=N",
              help="The version of what stands in a slot (default: the slot's number).")  # fmt: skip
@click.option(
    "--form", default="", metavar="FORM", help="The file system on the disks, such as ext4 (the default) or xfs."
)
@click.option("--host", "host_name", metavar="NAME", default="", help="Which z/VM host of the site.")
@site_option
@plan_option
@json_option
def adopt(
    image: str, layout_name: str, versions: tuple[str, ...], form: str, host_name: str, site_dir: str | None,
    plan_only: bool, as_json: bool,
) -> int:  # fmt: skip
    """Take over a site that follows the paper: gold in S10GOLD, S10GOLD2, ..., and the servers that link it.

    The directory is read through SMAPI, and gold's disks through links that only read.  Nothing of z/VM is changed: image,
    gold versions and servers get rows in the catalog, and each version a signed record of what stands on its disks.  Marks go
    into an entry with goldroot's first change of it.

    What cannot be taken over is told, with the reason, and left alone (exit code 1).  Gold must not change meanwhile.

    \b
    Examples:
      goldroot zvm adopt s10 --plan
      goldroot zvm adopt s10 --layout paper.toml
      goldroot zvm adopt s10 --version S10GOLD=3 --version S10GOLD2=4
    """
    from goldroot.fleet import take_over_site
    from goldroot.site import load_layout

    site = open_site(site_dir)
    host, layout = zvm_host(site, host_name), load_layout(layout_name)
    found = _survey(site, host, image, layout)
    numbers = _numbers(found, image, versions)
    left_out = {one.name: list(one.why) for one in (*found.slots, *found.servers) if one.why}
    data: dict[str, Any] = {**found.as_dict(), "versions": numbers, "left_out": left_out, "adopted": []}
    if not any(not slot.why for slot in found.slots):
        raise Refused(
            f"no gold of {image} was found that could be taken over",
            meaning="; ".join(f"{name}: {', '.join(why)}" for name, why in left_out.items()) or _none(image),
            todo="Look at names and prefixes in the host's table, and at --layout.",
        )
    if not plan_only:
        data["adopted"] = list(take_over_site(site, host, (image, layout), found, numbers, form))

    def say() -> None:
        _say(found, numbers, data["adopted"], plan_only=plan_only)

    emit(as_json, data, say)
    return EXIT_FINDINGS if left_out else 0


def _none(image: str) -> str:
    return f"There is no entry {image.upper()}GOLD."


def _survey(site: Site, host: ZvmHost, image: str, layout: Layout) -> Survey:
    from goldroot.image import slot_names

    addresses = [disk.address for disk in layout.disks]
    shared = [disk.address for disk in layout.shared]
    return host.survey(slot_names(site, image), f"{image.upper()}RWMNT", addresses, shared)


def _numbers(found: Survey, image: str, given: Iterable[str]) -> dict[str, int]:
    """Slot -> version.

    :raises UsageError: one that was given is none, or two slots would have one number.
    """
    said = {}
    for text in given:
        slot, equals, number = text.upper().partition("=")
        if not equals or not number.isdecimal() or not int(number):
            raise UsageError(f"{text!r} is not SLOT=N", todo="Write it so: --version S10GOLD=3.")
        said[slot] = int(number)
    names = [slot.name for slot in found.slots if not slot.why]
    if unknown := sorted(said.keys() - set(names)):
        raise UsageError(f"{unknown[0]} is not a slot that can be taken over", todo=f"There are: {', '.join(names)}.")
    numbers = {name: said.get(name, int(name.removeprefix(f"{image.upper()}GOLD") or "1")) for name in names}
    if len(set(numbers.values())) < len(numbers):
        raise UsageError("two slots would have the same version", todo="Give each its own with --version SLOT=N.")
    return numbers


def _say(found: Survey, numbers: dict[str, int], adopted: list[str], *, plan_only: bool) -> None:
    rows = [
        [one.name, f"gold {numbers[one.name]}" if one.name in numbers else "left out", _disks(one), "; ".join(one.why)]
        for one in found.slots
    ]
    if (system := found.system) is not None:
        rows.append(
            [system.name, "maintenance" if not system.why else "left out", _disks(system), "; ".join(system.why)]
        )
    rows += [
        [one.name, f"server on {one.gold}" if not one.why else "left out", _disks(one), "; ".join(one.why)]
        for one in found.servers
    ]
    table(["entry", "is", "disks", "why not"], rows)
    for note in found.notes:
        put(f"note: {note}")
    for line in adopted:
        put(f"adopted: {line}")
    if plan_only:
        put("Nothing was changed, and nothing was written down.")
    else:
        put(
            "Nothing of z/VM was changed. See: goldroot linked, goldroot gold verify IMAGE, goldroot update plan SERVER"
        )


def _disks(found: Found) -> str:
    return " ".join(disk.address for disk in found.disks)
