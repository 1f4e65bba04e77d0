"""Dataclasses that cost little to import: their methods are made when they are first used.

The standard library's decorator compiles up to six functions for each class, one by one, a millisecond for each class: with some
200 classes it was a fifth of all that a command does before its work.  Most of the classes are not used in any one run.
This one leaves the fields to the standard library, writes the methods once for all classes, and compiles a class's
``__init__`` when its first object is made.  Type checkers see the standard one; ``fields``, ``replace`` and ``asdict``
are the standard library's and work as ever.  (attrs, the well-kept alternative, takes as long.)
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """As :func:`dataclasses.dataclass`, with those of its options that are used here."""
        return _made(cls, frozen, slots, eq) if cls is not None else lambda one: _made(one, frozen, slots, eq)


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"


_ABSENT = _Factory()  #: the default of a field that is made anew for each object


def _made(cls: type, frozen: bool, slots: bool, eq: bool) -> type:
    own = vars(cls)
    if not cls.__doc__:
        cls.__doc__ = cls.__name__  # the standard library would write the signature there, for which it is compiled
    has_hash = own.get("__hash__") is not None or ("__hash__" in own and "__eq__" not in own)
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    fields = dataclasses.fields(made)
    for name, method in _methods(made, fields, frozen, eq, has_hash).items():
        if name not in own or name == "__hash__":
            setattr(made, name, method)
    if frozen:
        _freeze(made, fields, slots)
    return made  # type: ignore[no-any-return]


def _methods(made: Any, fields: Any, frozen: bool, eq: bool, has_hash: bool) -> dict[str, Any]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        _with_init(made, fields, frozen).__init__(self, *args, **kwargs)

    shown = [field.name for field in fields if field.repr]

    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    __init__._of = made  # type: ignore[attr-defined]  # how it is known that it is not compiled yet
    methods: dict[str, Any] = {
        "__init__": __init__,
        "__repr__": __repr__,
        "__signature__": _Signature(made, fields, frozen),
    }
    if eq:
        values = _getter([field.name for field in fields if field.compare])
        hashed = _getter([field.name for field in fields if (field.compare if field.hash is None else field.hash)])

        def __eq__(self: Any, other: object) -> Any:
            return values(self) == values(other) if type(other) is type(self) else NotImplemented

        methods["__eq__"] = __eq__
        if not has_hash:
            methods["__hash__"] = (lambda self: hash(hashed(self))) if frozen else None
    return methods


def _getter(names: list[str]) -> Any:
    return attrgetter(*names) if names else lambda _: ()


def _with_init(made: Any, fields: Any, frozen: bool) -> Any:
    """The class, with its own ``__init__`` compiled."""
    if getattr(made.__init__, "_of", None) is made:
        setattr(made, "__init__", _compiled(made, fields, frozen))  # noqa: B010  what mypy says of an assignment is of instances
    return made


def _compiled(made: Any, fields: Any, frozen: bool) -> Any:
    names: dict[str, Any] = {"_absent": _ABSENT, "_set": object.__setattr__}
    params: dict[bool, list[str]] = {False: [], True: []}
    body = []
    for field in fields:
        name = value = field.name
        made_anew, default = field.default_factory is not dataclasses.MISSING, field.default is not dataclasses.MISSING
        if made_anew:
            names[f"_new_{name}"] = field.default_factory
            value = f"_new_{name}() if {name} is _absent else {name}" if field.init else f"_new_{name}()"
        elif default:
            names[f"_default_{name}"] = field.default
            value = name if field.init else f"_default_{name}"
        if field.init:
            given = "=_absent" if made_anew else f"=_default_{name}" if default else ""
            params[field.kw_only].append(name + given)
        if field.init or made_anew or default:
            body.append(f"_set(_self, {name!r}, {value})" if frozen else f"_self.{name} = {value}")
    if hasattr(made, "__post_init__"):
        body.append("_self.__post_init__()")
    words = ", ".join(["_self", *params[False], *(["*", *params[True]] if params[True] else [])])
    exec(f"def __init__({words}):\n " + "\n ".join(body or ["pass"]), names)
    init = names["__init__"]
    init.__annotations__["return"] = None
    init.__qualname__, init.__module__ = f"{made.__qualname__}.__init__", made.__module__
    return init


class _Signature:
    """What :func:`inspect.signature` finds at a class: that of the ``__init__`` which is not compiled yet."""

    def __init__(self, *of: Any) -> None:
        self._of = of

    def __get__(self, _: object, owner: Any) -> Any:
        import inspect

        found = inspect.signature(_with_init(*self._of).__init__)
        types = {field.name: field.type for field in self._of[1]}
        params = [one.replace(annotation=types[name]) for name, one in found.parameters.items() if name in types]
        return found.replace(parameters=params)


def _freeze(made: Any, fields: Any, slots: bool) -> None:
    names = {field.name for field in fields}

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        super(made, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is made or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        super(made, self).__delattr__(name)

    made.__setattr__, made.__delattr__ = __setattr__, __delattr__
    if slots:  # pickle would set the fields one by one
        made.__getstate__, made.__setstate__ = _state, _set_state


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
