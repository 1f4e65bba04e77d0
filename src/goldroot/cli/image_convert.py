"""``goldroot image convert``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from goldroot.cli.command import Command, emit, json_option, open_site, plan_option, site_option
from goldroot.cli.known_names import image_names
from goldroot.cli.progress import stages
from goldroot.cli.terminal import put, put_lines
from goldroot.errors import EXIT_FINDINGS, UsageError

if TYPE_CHECKING:
    from goldroot.image import BootCheck, Conversion


@click.command(cls=Command)
@click.argument("name", metavar="IMAGE", shell_complete=image_names)
@click.option("--check", is_flag=True, help="Boot it then with a root that it cannot write, and say what that refused.")
@site_option
@plan_option
@json_option
def convert(name: str, check: bool, site_dir: str | None, plan_only: bool, as_json: bool) -> int:
    """Make IMAGE's maintenance system ready for servers that boot from a root that none can write.

    Its fstab loses the lines of disks that the layout takes the place of, the kernel's command line gets what a server is
    told, and the programs that make initial file systems get what puts a root together; then they make them again.
    With --check it is booted afterwards, in isolation: exit status 1 where it is not well, or where a write was refused.

    \b
    Examples:
      goldroot image convert debian --plan
      goldroot image convert debian --check
    """
    from goldroot.image import check_boot, convert_image, plan_conversion

    if plan_only and check:
        raise UsageError("--plan changes nothing, and --check boots what was changed", todo="Leave one of them out.")
    site = open_site(site_dir)
    with stages(as_json) as stage:
        if plan_only:
            done = plan_conversion(site, name)
        else:
            stage("converting")
            done = convert_image(site, name)
        if check:
            stage("booting it with a read-only root")
            done = replace(done, check=check_boot(site, name))

    def say() -> None:
        put_lines(_words(done))
        if done.check is not None:
            put_lines(_booted(name, done.check))
        elif not plan_only:
            put(f"Next: goldroot maintain test {name}")

    emit(as_json, _data(done) if as_json else None, say)
    return EXIT_FINDINGS if done.check is not None and (done.check.wrong or done.check.refused) else 0


def _words(done: Conversion) -> list[str]:
    would = "would be " if done.plan else ""
    lines = [f"disk {line}" for line in done.disks]
    lines += [f"{would}written: {one.path} ({one.why})" for one in done.changes]
    if done.rebuild:
        lines.append(f"{would}run: {' '.join(done.rebuild)}")
    lines += [f"note: {note}" for note in done.notes]
    if not done.changes:
        lines.append(f"The files of {done.image} are converted already.")
    return lines


def _booted(name: str, booted: BootCheck) -> list[str]:
    lines = [f"not well: {line}" for line in booted.wrong]
    lines += [f"  {line}" for line in booted.said]
    for one in booted.refused:
        lines += [f"refused by the read-only root: {one}", f"  {one.todo}"]
    if not lines:
        return [f"{name} boots with a read-only root, is well, and nothing was refused."]
    return lines


def _data(done: Conversion) -> dict[str, object]:
    from goldroot.views import ImageConverted

    return ImageConverted.of(done).as_json()
