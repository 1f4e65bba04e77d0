"""A site: its configuration, the open site, its locks, its layouts and its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "CONFIG",
    "FORMER_NAMES",
    "RESTORE",
    "SHIPPED_LAYOUTS",
    "TEMPLATE",
    "VIEWS",
    "Backup",
    "BackupHead",
    "Config",
    "DiskRegister",
    "Layout",
    "Reach",
    "Site",
    "TellForm",
    "begin_renaming",
    "begun_renaming",
    "boots_by_record",
    "check_clone_name",
    "check_image_name",
    "end_renaming",
    "export_views",
    "former_names",
    "init_site",
    "is_host",
    "is_members",
    "keep_reserve",
    "keys_work",
    "load_config",
    "load_layout",
    "make_bootable",
    "making_room",
    "next_step",
    "note_former_name",
    "open_system",
    "parse_layout",
    "plan_init",
    "read_backup",
    "read_view",
    "refuse_renaming",
    "run_on",
    "sweep_rooms",
    "table_renamed",
    "verify_gold_document",
    "weakness",
    "without_boot_map",
    "work_room",
    "write_backup",
]

if TYPE_CHECKING:
    from goldroot.site.backup import Backup, write_backup
    from goldroot.site.backup_file import BackupHead, read_backup
    from goldroot.site.comes_next import next_step
    from goldroot.site.commands import TellForm, open_system, run_on, weakness
    from goldroot.site.config import TEMPLATE, Config, check_clone_name, load_config
    from goldroot.site.disks import DiskRegister
    from goldroot.site.layout import (
        SHIPPED_LAYOUTS,
        Layout,
        boots_by_record,
        load_layout,
        make_bootable,
        parse_layout,
        without_boot_map,
    )
    from goldroot.site.reach import Reach, is_host
    from goldroot.site.renamed import (
        FORMER_NAMES,
        begin_renaming,
        begun_renaming,
        end_renaming,
        former_names,
        note_former_name,
        refuse_renaming,
        table_renamed,
    )
    from goldroot.site.shared import VIEWS, export_views, is_members, read_view
    from goldroot.site.signing import keys_work, verify_gold_document
    from goldroot.site.site import CONFIG, RESTORE, Site, check_image_name, init_site, plan_init
    from goldroot.site.space import keep_reserve, making_room, sweep_rooms, work_room
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "backup": "Backup write_backup",
            "backup_file": "BackupHead read_backup",
            "comes_next": "next_step",
            "commands": "TellForm open_system run_on weakness",
            "config": "TEMPLATE Config check_clone_name load_config",
            "disks": "DiskRegister",
            "layout": "Layout SHIPPED_LAYOUTS boots_by_record load_layout make_bootable parse_layout without_boot_map",
            "reach": "Reach is_host",
            "renamed": "FORMER_NAMES begin_renaming begun_renaming end_renaming "
            "former_names note_former_name refuse_renaming table_renamed",
            "shared": "VIEWS export_views is_members read_view",
            "signing": "keys_work verify_gold_document",
            "site": "CONFIG RESTORE Site check_image_name init_site plan_init",
            "space": "keep_reserve making_room sweep_rooms work_room",
        },
    )
