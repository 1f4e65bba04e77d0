"""What goldroot knows of a Linux system: running commands in one, without any right over the host.

The disks come as descriptors; nothing here knows where they are.  See docs/explanation/isolation.md.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the type checker knows better; typing alone takes longer to load than all of a command's start
if TYPE_CHECKING:
    from goldroot.system.confine import Bound, Confined, Mode, run_in, shell_of
    from goldroot.system.limits import MIB, Limits
    from goldroot.system.words import power_of

__all__ = ["MIB", "Bound", "Confined", "Limits", "Mode", "power_of", "run_in", "shell_of"]

_HOMES = {"MIB": "limits", "Limits": "limits", "power_of": "words"}


def __getattr__(name: str) -> object:
    # Looked up when it is asked for: what starts a command (goldroot.system.inside) is part of this package too, and must
    # not load all of this.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'confine')}"), name)
