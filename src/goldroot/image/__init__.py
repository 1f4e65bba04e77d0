"""Images: what is imported, maintained and tested, and the gold versions that are published of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "AT_BOOT",
    "FORMS",
    "MAINTENANCE",
    "TEST",
    "BootCheck",
    "Change",
    "Checked",
    "Consent",
    "Conversion",
    "Difference",
    "Gold",
    "Look",
    "PublishPlan",
    "Renaming",
    "Retirement",
    "Role",
    "Source",
    "System",
    "Verified",
    "accept_copied",
    "adopt_image",
    "adopt_version",
    "changes_between",
    "check_boot",
    "check_genuine",
    "check_gold",
    "convert_image",
    "current_gold",
    "current_number",
    "delete_image",
    "diff_gold",
    "enter_system",
    "existing_system",
    "find_linked",
    "finish_publish",
    "give_up_import",
    "hosts_with",
    "image_names",
    "image_rows",
    "import_image",
    "is_halfway",
    "is_replaced",
    "local_accounts",
    "look_at_copy",
    "newest_gold",
    "note_gone",
    "open_source",
    "open_version",
    "papers_hold",
    "plan_conversion",
    "plan_image_removal",
    "plan_import",
    "plan_publish",
    "plan_renaming",
    "plan_replicate",
    "plan_retirement",
    "publish_gold",
    "publish_system",
    "read_contents",
    "read_gold_record",
    "read_hollow",
    "recorded_numbers",
    "refuse_unknown_machine",
    "removed_by",
    "rename",
    "replace_system",
    "replicate_gold",
    "restore_gold",
    "retire_gold",
    "said_once",
    "slot_names",
    "split",
    "system_changes",
    "take_back",
    "take_over_image",
    "take_over_version",
    "test_system",
    "verify_gold",
    "version_data",
    "version_held",
    "version_rows",
    "version_shown",
    "with_given_owners",
]

if TYPE_CHECKING:
    from goldroot.image.adopting import (
        adopt_image,
        adopt_version,
        finish_publish,
        give_up_import,
        note_gone,
        recorded_numbers,
    )
    from goldroot.image.changes import Change, changes_between
    from goldroot.image.check import Checked, check_gold
    from goldroot.image.convert import BootCheck, Conversion, check_boot, convert_image, plan_conversion
    from goldroot.image.copied import Look, accept_copied, is_replaced, look_at_copy
    from goldroot.image.found import find_linked
    from goldroot.image.gold import (
        Difference,
        Retirement,
        Verified,
        diff_gold,
        plan_retirement,
        removed_by,
        restore_gold,
        retire_gold,
        verify_gold,
    )
    from goldroot.image.gold_version import (
        Gold,
        check_genuine,
        current_gold,
        local_accounts,
        newest_gold,
        open_version,
        papers_hold,
        read_gold_record,
    )
    from goldroot.image.importing import import_image, plan_import, replace_system, split, with_given_owners
    from goldroot.image.maintain import FORMS, enter_system, existing_system, system_changes, test_system
    from goldroot.image.publish import Consent, PublishPlan, plan_publish, publish_gold, publish_system
    from goldroot.image.remote import read_contents, read_hollow
    from goldroot.image.removal import delete_image, plan_image_removal
    from goldroot.image.renaming import Renaming, is_halfway, plan_renaming, rename
    from goldroot.image.replicate import plan_replicate, replicate_gold
    from goldroot.image.shown import (
        current_number,
        hosts_with,
        image_names,
        image_rows,
        slot_names,
        version_data,
        version_held,
        version_rows,
        version_shown,
    )
    from goldroot.image.source import AT_BOOT, Source, open_source
    from goldroot.image.systems import MAINTENANCE, TEST, Role, System, refuse_unknown_machine, said_once
    from goldroot.image.takeback import take_back
    from goldroot.image.taken_over import take_over_image, take_over_version
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "adopting": "adopt_image adopt_version finish_publish give_up_import note_gone recorded_numbers",
            "changes": "Change changes_between",
            "check": "Checked check_gold",
            "convert": "BootCheck Conversion check_boot convert_image plan_conversion",
            "copied": "Look accept_copied is_replaced look_at_copy",
            "found": "find_linked",
            "gold": "Difference Retirement Verified diff_gold plan_retirement removed_by restore_gold retire_gold verify_gold",
            "gold_version": (
                "Gold check_genuine current_gold local_accounts newest_gold open_version papers_hold read_gold_record"
            ),
            "importing": "import_image plan_import replace_system split with_given_owners",
            "maintain": "FORMS enter_system existing_system system_changes test_system",
            "publish": "Consent PublishPlan plan_publish publish_gold publish_system",
            "remote": "read_contents read_hollow",
            "removal": "delete_image plan_image_removal",
            "renaming": "Renaming is_halfway plan_renaming rename",
            "replicate": "plan_replicate replicate_gold",
            "shown": "current_number hosts_with image_names image_rows "
            "slot_names version_data version_held version_rows version_shown",
            "source": "AT_BOOT Source open_source",
            "systems": "MAINTENANCE TEST Role System refuse_unknown_machine said_once",
            "takeback": "take_back",
            "taken_over": "take_over_image take_over_version",
        },
    )
