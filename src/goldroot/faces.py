"""The face of a room: the names that others may use, each imported when it is first asked for.

A face is a package's ``__init__`` with three lists that a test holds together::

    __all__ = ["Manifest", ...]

    if TYPE_CHECKING:
        from goldroot.tree.manifest import Manifest
    else:
        __getattr__, __dir__ = names_of(__name__, {"manifest": "Manifest Squashed", ...})

Who type-checks sees plain imports; a program pays only for what it uses, so that a command which prints a path does not
load what scans a tree.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # type checkers take it as true: this module is loaded by every import of goldroot
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def names_of(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` (PEP 562) for a package.

    :param places: module of the package (``scan.scan``) -> the names that are there, with spaces between them; "": modules
        that are shown as they are.
    """
    modules = {name: f"{package}.{module}" for module, names in places.items() for name in names.split()}
    shown = set(places.get("", "").split())

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # here: it loads modules that a program may never need

        if name in shown:
            return import_module(f"{package}.{name}")
        value: object = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *modules})
