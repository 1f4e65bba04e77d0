"""Dataclasses whose methods are made late are as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import field
from typing import Any, ClassVar

import pytest

from goldroot import values


@values.dataclass(frozen=True, slots=True)
class Kept:
    """For pickle, which looks a class up by its name."""

    one: int
    two: tuple[int, ...] = ()


def shapes(dataclass: Any) -> dict[str, Any]:
    """The same classes by one of the two decorators."""

    @dataclass(frozen=True, slots=True)
    class Frozen:
        """A class."""

        size: int
        name: str = "x"
        found: list[int] = field(default_factory=list, compare=False)

    @dataclass
    class Open:
        size: int
        whose: ClassVar[str] = "all"
        twice: int = field(init=False, repr=False)

        def __post_init__(self) -> None:
            self.twice = self.size * 2

    @dataclass(frozen=True)
    class Empty:
        pass

    @dataclass(slots=True)
    class Base:
        first: int
        rest: str = field(default="", kw_only=True)
        fixed: int = field(default=7, init=False)

    @dataclass(slots=True)
    class Derived(Base):
        second: int = 2

        def __repr__(self) -> str:
            return f"<{self.first}>"

    @dataclass(frozen=True, slots=True, eq=False)
    class ByPlace:
        size: int

    @dataclass(frozen=True)
    class Hashed:
        size: int
        text: str

        def __hash__(self) -> int:
            return 5

    @dataclass
    class Own:
        size: int

        def __init__(self) -> None:
            self.size = 9

        def __eq__(self, other: object) -> bool:
            return True

    return {name: one for name, one in locals().items() if name != "dataclass"}


OURS, STANDARD = shapes(values.dataclass), shapes(dataclasses.dataclass)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Frozen", (1,), {}),
    ("Frozen", (1, "n"), {"found": [3]}),
    ("Open", (4,), {}),
    ("Empty", (), {}),
    ("Base", (1,), {"rest": "r"}),
    ("Derived", (1, 5), {"rest": "r"}),
    ("Derived", (), {"first": 3}),
    ("ByPlace", (1,), {}),
    ("Hashed", (1, "t"), {}),
    ("Own", (), {}),
]


def what_is_seen(made: Any, args: Any, more: Any) -> dict[str, Any]:
    """What a class and an object of it show."""
    one, other = made(*args, **more), made(*args, **more)
    seen = {
        "fields": [(key.name, getattr(one, key.name)) for key in dataclasses.fields(one)],
        "equal": (one == other, one != other, one == 1, (one == copy.copy(one))),
        "repr": repr(one) if made.__name__ != "ByPlace" else repr(one).split("(")[1],
        "signature": str(inspect.signature(made)),
        "match": made.__match_args__,
        "dict": hasattr(one, "__dict__"),
        "again": dataclasses.replace(one) == one if made.__name__ != "Own" else None,
    }
    try:
        seen["hash"] = hash(one) == hash(other)
    except TypeError as error:
        seen["hash"] = str(error).split(":")[0]
    for name in ("size", "first", "other"):
        try:
            setattr(one, name, 3)
            seen[f"set {name}"] = getattr(one, name)
        except (AttributeError, TypeError):  # the standard one's answer to a name with slots is a bug's
            seen[f"set {name}"] = "refused"
    return seen


@pytest.mark.parametrize(("name", "args", "more"), CALLS, ids=lambda value: str(value))
def test_they_are_as_the_standard_ones(name: str, args: Any, more: Any) -> None:
    ours, theirs = what_is_seen(OURS[name], args, more), what_is_seen(STANDARD[name], args, more)
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "args"), [("Frozen", ()), ("Frozen", (1, 2, 3, 4)), ("Derived", (1, 2, 3)), ("Own", (1,))]
)
def test_wrong_arguments_are_refused(name: str, args: Any) -> None:
    for made in (OURS[name], STANDARD[name]):
        with pytest.raises(TypeError, match="__init__"):
            made(*args)


def test_each_object_gets_a_new_default() -> None:
    one, other = OURS["Frozen"](1), OURS["Frozen"](1)
    one.found.append(1)
    assert other.found == []


def test_a_frozen_one_survives_pickle_and_a_deep_copy() -> None:
    one = Kept(3, (1, 2))
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert hash(one) == hash(copy.deepcopy(one))


def test_nothing_is_compiled_before_it_is_used() -> None:
    made = shapes(values.dataclass)["Frozen"]
    before = made.__init__
    assert before.__code__.co_varnames[:1] == ("self",) and made(2).size == 2
    assert made.__init__ is not before
