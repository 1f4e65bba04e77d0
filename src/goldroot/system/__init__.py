"""What goldroot knows of a Linux system: running commands in one, without any right over the host.

The disks come as descriptors; nothing here knows where they are.  See docs/explanation/isolation.md.
"""

from __future__ import annotations

from goldroot.faces import names_of

# The type checker knows better; typing alone takes longer to load than all of a command's start.
TYPE_CHECKING = False

__all__ = [
    "COMMAND_LINES",
    "FINDINGS",
    "MIB",
    "NETWORK_VALUES",
    "NOT_SHOWN",
    "SHOW",
    "USUAL_HEALTH",
    "WAITS",
    "Bound",
    "Confined",
    "Finding",
    "FirstIdentity",
    "HealthCheck",
    "How",
    "Identity",
    "Inside",
    "LeftOut",
    "Limits",
    "Mode",
    "NetworkSettings",
    "OwnDisks",
    "Package",
    "PackageChange",
    "PackageFiles",
    "Packages",
    "Refusal",
    "Seen",
    "Tie",
    "Tried",
    "UpdateTrees",
    "architecture_of",
    "broken_references",
    "compare_packages",
    "doubtful",
    "examine_accounts",
    "fingerprints",
    "health_check",
    "host_ties",
    "is_leftover",
    "last_words",
    "left_out",
    "leftovers",
    "look_inside",
    "make_first",
    "moved_here",
    "names_in",
    "os_facts",
    "power_of",
    "put_together",
    "read_package_files",
    "read_packages",
    "read_path",
    "refusals",
    "remove_path",
    "run_in",
    "shell_of",
    "unit_lines",
    "until_healthy",
    "until_tried",
    "with_words",
    "write_identity",
]

if TYPE_CHECKING:
    from goldroot.system.confine import Bound, Confined, How, run_in, shell_of
    from goldroot.system.consoles import last_words
    from goldroot.system.fstab import WAITS, LeftOut, left_out, moved_here, put_together
    from goldroot.system.gold_checks import FINDINGS, Finding, examine_accounts, is_leftover, leftovers
    from goldroot.system.gold_references import broken_references
    from goldroot.system.health import (
        USUAL_HEALTH,
        HealthCheck,
        Inside,
        Seen,
        Tried,
        health_check,
        look_inside,
        until_healthy,
        until_tried,
    )
    from goldroot.system.identity import FirstIdentity, Identity, UpdateTrees, fingerprints, make_first, write_identity
    from goldroot.system.inside.show import NOT_SHOWN
    from goldroot.system.journal import Refusal, refusals, unit_lines
    from goldroot.system.kernel_words import COMMAND_LINES, with_words
    from goldroot.system.limits import MIB, Limits
    from goldroot.system.network import NETWORK_VALUES, NetworkSettings
    from goldroot.system.os_release import architecture_of, os_facts
    from goldroot.system.own_disks import OwnDisks, names_in, read_path, remove_path
    from goldroot.system.package_files import PackageFiles, read_package_files
    from goldroot.system.packages import Package, PackageChange, Packages, compare_packages, read_packages
    from goldroot.system.talk import SHOW
    from goldroot.system.ties import Tie, doubtful, host_ties
    from goldroot.system.words import Mode, power_of
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "inside.show": "NOT_SHOWN",
            "ties": "Tie doubtful host_ties",
            "talk": "SHOW",
            "confine": "Bound Confined How run_in shell_of",
            "consoles": "last_words",
            "own_disks": "names_in read_path remove_path OwnDisks",
            "gold_checks": "FINDINGS Finding examine_accounts is_leftover leftovers",
            "gold_references": "broken_references",
            "fstab": "WAITS LeftOut left_out moved_here put_together",
            "journal": "Refusal refusals unit_lines",
            "kernel_words": "COMMAND_LINES with_words",
            "health": "USUAL_HEALTH HealthCheck Inside Seen Tried health_check look_inside until_healthy until_tried",
            "identity": "Identity fingerprints write_identity FirstIdentity UpdateTrees make_first",
            "limits": "MIB Limits",
            "network": "NETWORK_VALUES NetworkSettings",
            "os_release": "architecture_of os_facts",
            "package_files": "PackageFiles read_package_files",
            "packages": "Package PackageChange Packages compare_packages read_packages",
            "words": "Mode power_of",
        },
    )
