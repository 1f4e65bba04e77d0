"""A site: its configuration, the open site, its locks, its layouts and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "CLONE_NAME",
    "SHIPPED_LAYOUTS",
    "TEMPLATE",
    "DiskRegister",
    "Layout",
    "Site",
    "TellForm",
    "check_image_name",
    "init_site",
    "keep_reserve",
    "load_layout",
    "making_room",
    "next_step",
    "open_system",
    "parse_layout",
    "plan_init",
    "run_on",
    "sweep_rooms",
    "weakness",
    "work_room",
]

if TYPE_CHECKING:
    from goldroot.site.comes_next import next_step
    from goldroot.site.commands import TellForm, open_system, run_on, weakness
    from goldroot.site.config import CLONE_NAME, TEMPLATE
    from goldroot.site.disks import DiskRegister
    from goldroot.site.layout import SHIPPED_LAYOUTS, Layout, load_layout, parse_layout
    from goldroot.site.reserve import keep_reserve, making_room
    from goldroot.site.site import Site, check_image_name, init_site, plan_init
    from goldroot.site.workroom import sweep_rooms, work_room
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "commands": "TellForm open_system run_on weakness",
            "config": "CLONE_NAME TEMPLATE",
            "disks": "DiskRegister",
            "layout": "Layout SHIPPED_LAYOUTS load_layout parse_layout",
            "reserve": "keep_reserve making_room",
            "comes_next": "next_step",
            "site": "Site check_image_name init_site plan_init",
            "workroom": "sweep_rooms work_room",
        },
    )
