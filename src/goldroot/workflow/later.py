"""Libraries that another library imports and this process hardly ever uses: loaded when they are first used.

DBOS imports the driver of PostgreSQL, YAML, cron schedules and the object-relational half of SQLAlchemy, half of all that it
loads, whatever database it is given.  An update on SQLite uses none of them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: What DBOS imports beside what it needs.  (YAML: its own configuration file.  Cron: workflows that are begun by a clock.)
NOT_ON_SQLITE = ("psycopg", "sqlalchemy.orm", "sqlalchemy.ext.asyncio", "yaml", "croniter", "dateutil.parser")


class Later:
    """A module, or what it has by a dotted name.  It is loaded when it is called or derived from."""

    def __init__(self, module: str, *names: str) -> None:
        self._module = module
        self._names = names

    @property
    def _loaded(self) -> bool:
        return not isinstance(sys.modules.get(self._module), Later | None)

    def _now(self) -> Any:
        if not self._loaded:
            sys.modules.pop(self._module, None)  # the stand-in, within the block
        found: Any = importlib.import_module(self._module)
        for name in self._names:
            found = getattr(found, name)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the marks by which Python itself looks for abilities: nothing is loaded for these
            raise AttributeError(name)
        return getattr(self._now(), name) if self._loaded else Later(self._module, *self._names, name)

    def __getitem__(self, _: Any) -> Later:
        """What a class is subscripted with, in an annotation."""
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._now()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[Any, ...]:
        """Who derives a class from it needs it now."""
        return (self._now(),)

    def __instancecheck__(self, one: object) -> bool:
        """Nothing has a class of a module that nobody has loaded."""
        return self._loaded and isinstance(one, self._now())


@contextmanager
def loaded_later(*modules: str) -> Iterator[None]:
    """What the block imports gets a :class:`Later` for each of these modules that is not loaded yet; nobody else does."""
    stand_ins: dict[str, Any] = {name: Later(name) for name in modules if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, one in stand_ins.items():
            if sys.modules.get(name) is one:
                del sys.modules[name]


def import_lean(name: str, later: Sequence[str]) -> None:
    """Import a package with :class:`Later` for these modules; plainly, where one of its versions cannot do with them."""
    if name in sys.modules:
        return
    try:
        with loaded_later(*later):
            importlib.import_module(name)
    except Exception:  # noqa: BLE001  whatever it is that a stand-in cannot do
        for half in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[half]
        importlib.import_module(name)
