"""The servers of a fleet: made, compared and reviewed here, moved by ``update/``, taken back by ``rollback/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goldroot.faces import names_of

__all__ = [
    "EXPORTED",
    "AdoptForm",
    "Adopted",
    "Answer",
    "Case",
    "CloneForm",
    "CreatePlan",
    "Created",
    "Drift",
    "Finding",
    "Forecast",
    "MachineState",
    "Outcome",
    "Prefetch",
    "Report",
    "Restored",
    "RollbackPlan",
    "TakenOver",
    "UpdatePlan",
    "WaitingConflict",
    "adopt_server",
    "again_at_switch",
    "all_answers",
    "all_cases",
    "all_fallbacks",
    "answer_again",
    "cancel_update",
    "cancelled_update",
    "chosen_answers",
    "chosen_clones",
    "chosen_conflicts",
    "clone_list",
    "close_ended_runs",
    "conflict_at",
    "console_lines",
    "create_clone",
    "delete_clone",
    "desk_of",
    "diff_kept",
    "drift_patch",
    "edit_conflict",
    "engine_of",
    "enter_clone",
    "every_clone",
    "examine",
    "exported_plan",
    "fallback_data",
    "find_case",
    "find_drift",
    "find_kept",
    "finish_rollback",
    "fleet_status",
    "force_delete_clone",
    "forecast_gold",
    "forget_answers",
    "forget_plans",
    "forget_removed",
    "get_kept",
    "grouped_conflicts",
    "history",
    "identity_from",
    "is_editable",
    "join_machine",
    "machine_states",
    "made_clone",
    "many_names",
    "need_root_to_mount",
    "network_from",
    "of_past",
    "open_clone",
    "plan_adoption",
    "plan_cancel",
    "plan_clone",
    "plan_delete",
    "plan_join",
    "plan_prune",
    "plan_rollback",
    "plan_start",
    "plan_update",
    "plan_views",
    "powers_of",
    "prune_fallbacks",
    "read_kept",
    "read_written",
    "repair_site",
    "resolve_conflicts",
    "restore_backup",
    "roll_back",
    "run_beside_kept",
    "run_in_machine",
    "run_update",
    "run_updates",
    "show_clone",
    "show_conflict",
    "show_kept",
    "slot_links",
    "start_machine",
    "starting_text",
    "stop_machine",
    "take_over_clone",
    "take_over_site",
    "told_create",
    "told_delete",
    "told_power",
    "told_prune",
    "told_publish",
    "told_rollback",
    "told_update",
    "update_data",
    "update_rows",
    "usual_jobs",
]

if TYPE_CHECKING:
    from goldroot.fleet.adopt.adopt import adopt_server, plan_adoption
    from goldroot.fleet.adopt.form import Adopted, AdoptForm
    from goldroot.fleet.answers import Answer, all_answers, answer_again, chosen_answers, forget_answers
    from goldroot.fleet.clone_names import every_clone
    from goldroot.fleet.clones import (
        CloneForm,
        Created,
        CreatePlan,
        create_clone,
        delete_clone,
        enter_clone,
        force_delete_clone,
        identity_from,
        made_clone,
        plan_clone,
        plan_delete,
        show_clone,
    )
    from goldroot.fleet.doctor.doctor import Report, examine, repair_site
    from goldroot.fleet.doctor.findings import Finding
    from goldroot.fleet.drift import Drift, drift_patch, find_drift
    from goldroot.fleet.exported import (
        EXPORTED,
        clone_list,
        exported_plan,
        forget_plans,
        of_past,
        plan_views,
        update_rows,
    )
    from goldroot.fleet.forecast import Forecast, forecast_gold
    from goldroot.fleet.inputs import open_clone
    from goldroot.fleet.joined import join_machine, network_from, plan_join
    from goldroot.fleet.links import slot_links
    from goldroot.fleet.machines import (
        MachineState,
        console_lines,
        machine_states,
        plan_start,
        powers_of,
        run_in_machine,
        start_machine,
        stop_machine,
    )
    from goldroot.fleet.many import many_names
    from goldroot.fleet.parallel import chosen_clones, run_updates, usual_jobs
    from goldroot.fleet.past import history
    from goldroot.fleet.prefetch import Prefetch
    from goldroot.fleet.restoring import Restored, restore_backup
    from goldroot.fleet.review import (
        Case,
        WaitingConflict,
        all_cases,
        chosen_conflicts,
        conflict_at,
        desk_of,
        edit_conflict,
        find_case,
        is_editable,
        resolve_conflicts,
        show_conflict,
        starting_text,
    )
    from goldroot.fleet.rollback.fallback import all_fallbacks, fallback_data, plan_prune, prune_fallbacks
    from goldroot.fleet.rollback.look import diff_kept, find_kept, get_kept, read_kept, show_kept
    from goldroot.fleet.rollback.mount import need_root_to_mount, run_beside_kept
    from goldroot.fleet.rollback.rollback import RollbackPlan, finish_rollback, plan_rollback, read_written, roll_back
    from goldroot.fleet.status import fleet_status, update_data
    from goldroot.fleet.taken_over import TakenOver, take_over_clone
    from goldroot.fleet.update.cancel import cancel_update, cancelled_update, plan_cancel
    from goldroot.fleet.update.grouped import grouped_conflicts
    from goldroot.fleet.update.memory import forget_removed
    from goldroot.fleet.update.plan import UpdatePlan, plan_update
    from goldroot.fleet.update.reconcile import again_at_switch
    from goldroot.fleet.update.update import Outcome, close_ended_runs, engine_of, run_update
    from goldroot.fleet.zvm_taken_over import take_over_site
    from goldroot.fleet.zvm_told import (
        told_create,
        told_delete,
        told_power,
        told_prune,
        told_publish,
        told_rollback,
        told_update,
    )
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "adopt.adopt": "adopt_server plan_adoption",
            "adopt.form": "AdoptForm Adopted",
            "answers": "Answer all_answers answer_again chosen_answers forget_answers",
            "clone_names": "every_clone",
            "clones": "CloneForm CreatePlan Created create_clone delete_clone enter_clone "
            "force_delete_clone identity_from made_clone plan_clone plan_delete show_clone",
            "doctor.doctor": "Report examine repair_site",
            "doctor.findings": "Finding",
            "drift": "Drift drift_patch find_drift",
            "exported": "EXPORTED clone_list exported_plan forget_plans of_past plan_views update_rows",
            "forecast": "Forecast forecast_gold",
            "inputs": "open_clone",
            "joined": "join_machine network_from plan_join",
            "links": "slot_links",
            "machines": "MachineState console_lines machine_states plan_start "
            "powers_of run_in_machine start_machine stop_machine",
            "many": "many_names",
            "parallel": "chosen_clones run_updates usual_jobs",
            "past": "history",
            "prefetch": "Prefetch",
            "restoring": "Restored restore_backup",
            "review": "Case WaitingConflict all_cases chosen_conflicts conflict_at desk_of "
            "edit_conflict find_case is_editable resolve_conflicts show_conflict starting_text",
            "rollback.fallback": "all_fallbacks fallback_data plan_prune prune_fallbacks",
            "rollback.look": "diff_kept find_kept get_kept read_kept show_kept",
            "rollback.mount": "need_root_to_mount run_beside_kept",
            "rollback.rollback": "RollbackPlan finish_rollback plan_rollback read_written roll_back",
            "status": "fleet_status update_data",
            "taken_over": "TakenOver take_over_clone",
            "update.cancel": "cancel_update cancelled_update plan_cancel",
            "update.grouped": "grouped_conflicts",
            "update.memory": "forget_removed",
            "update.plan": "UpdatePlan plan_update",
            "update.reconcile": "again_at_switch",
            "update.update": "Outcome close_ended_runs engine_of run_update",
            "zvm_taken_over": "take_over_site",
            "zvm_told": "told_create told_delete told_power told_prune told_publish told_rollback told_update",
        },
    )
