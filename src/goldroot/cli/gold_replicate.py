"""``goldroot gold replicate``."""

from __future__ import annotations

import click

from goldroot.cli.command import VERSION, Command, emit, json_option, open_site, plan_option, site_option
from goldroot.cli.image import notes_data, say_notes
from goldroot.cli.known_names import gold_versions, host_names, image_names
from goldroot.cli.progress import stages
from goldroot.cli.terminal import put


@click.command(cls=Command)
@click.argument("image", shell_complete=image_names)
@click.argument("number", type=VERSION, required=False, shell_complete=gold_versions)
@click.option("--to", required=True, metavar="HOST", shell_complete=host_names, help="The host that gets a copy.")
@site_option
@plan_option
@json_option
def replicate(image: str, number: int | None, to: str, site_dir: str | None, plan_only: bool, as_json: bool) -> None:
    """Copy a published version of IMAGE (the current one without NUMBER) to another host, for the servers there.

    It takes a free slot of that host, is compared with the signed record, and nobody sees a part of it. A copy that is
    there stays as it is; one that was cut off is begun again.

    \b
    Examples:
      goldroot gold replicate debian --to west
      goldroot gold replicate debian 3 --to west --plan
    """
    from goldroot.image import plan_replicate, replicate_gold

    site = open_site(site_dir)
    if plan_only:
        plan = plan_replicate(site, image, number, to)
        data = {"image": image, "version": plan.number, "number": plan.number, "from": plan.source, "to": to, "slot": plan.slot,
                "leaves": plan.leaves, "new": not plan.there, "plan": True}  # fmt: skip

        def say_plan() -> None:
            if plan.there:
                put(f"Gold version {plan.number} of {image} has a copy on host {to}; nothing to do.")
                return
            leaves = f", which version {plan.leaves} leaves: nobody there holds it" if plan.leaves else ""
            put(f"would copy gold version {plan.number} of {image} from host {plan.source}")
            put(f"to the slot {plan.slot} on host {to}{leaves}")

        emit(as_json, data, say_plan)
        return
    with stages(as_json) as stage:
        done = replicate_gold(site, image, number, to, progress=stage(f"copying {image} to {to}"))
    copy = done.copy
    data = {"image": image, "version": copy.version, "number": copy.version, "from": done.source, "to": to, "slot": copy.slot_name,
            "new": done.new, "notes": notes_data(done.notes), "plan": False}  # fmt: skip

    def say() -> None:
        say_notes(done.notes)
        if done.new:
            put(f"Gold version {copy.version} of {image} has a copy on host {to}, in {copy.slot_name}.")
        else:
            put(f"Gold version {copy.version} of {image} had a copy on host {to} already, in {copy.slot_name}.")

    emit(as_json, data, say)
