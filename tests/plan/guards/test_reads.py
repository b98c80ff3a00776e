"""Places outside the state: read without running code, taken down, compared."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import wraps
from typing import Any
from unittest import mock

import pytest

from optiflow.plan.guards.reads import (
    MISSING,
    Attribute,
    Cell,
    ClassAttribute,
    ClassOf,
    Computed,
    FunctionPart,
    Item,
    Kind,
    Methods,
    Place,
    Read,
    Slot,
    Taken,
)


class Base:
    """Holds something for those that inherit."""

    inherited: Any = 1


class Settings(Base):
    """An object with attributes of every kind."""

    __slots__ = ("slot",)
    own: Any = 2

    def __init__(self) -> None:
        self.stored: Any = 3
        self.slot: Any = 4


def function(a: int = 1, *, b: int = 2) -> int:
    """A function with defaults."""
    return a + b


def other(a: int = 5, *, b: int = 6) -> int:
    """Another one."""
    return a - b


def cell_of(value: Any) -> types.CellType:
    """A variable of an enclosing function."""
    return types.CellType(value)


def place_and_change(kind: str) -> tuple[Place, Callable[[], object]]:
    """A place of a kind, and what puts something else there."""
    settings, cls = Settings(), type("Cls", (Base,), {"own": 2})
    variables: dict[str, Any] = {"x": 1}
    cell = cell_of(1)
    copied = types.FunctionType(function.__code__, {}, "f", function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    match kind:
        case "item":
            return Item(variables, "x"), lambda: variables.update(x=2)
        case "no more item":
            return Item(variables, "x"), lambda: variables.pop("x")
        case "new item":
            return Item(variables, "y"), lambda: variables.update(y=2)
        case "cell":
            return Cell(cell), lambda: setattr(cell, "cell_contents", 2)
        case "attribute":
            return Attribute(settings, "stored"), lambda: setattr(settings, "stored", 4)
        case "slot":
            return Slot(settings, vars(Settings)["slot"]), lambda: setattr(settings, "slot", 5)
        case "empty slot":
            return Slot(settings, vars(Settings)["slot"]), lambda: delattr(settings, "slot")
        case "class":
            return ClassAttribute(cls, "own"), lambda: setattr(cls, "own", 3)
        case "class of an object":
            return ClassOf(settings), lambda: setattr(
                settings, "__class__", type("Other", (Settings,), {"__slots__": ()})
            )
        case "inherited":
            return ClassAttribute(cls, "inherited"), lambda: setattr(cls, "inherited", 3)
        case "code":
            return FunctionPart(copied, "__code__"), lambda: setattr(copied, "__code__", other.__code__)
        case "defaults":
            return FunctionPart(copied, "__defaults__"), lambda: setattr(copied, "__defaults__", (7,))
        case "keyword defaults":
            return FunctionPart(copied, "__kwdefaults__"), lambda: setattr(copied, "__kwdefaults__", {"b": 3})
    raise AssertionError(kind)


KINDS = [
    "class of an object", "item", "no more item", "new item", "cell", "attribute", "slot", "empty slot", "class",
    "inherited", "code",
    "defaults", "keyword defaults",
]  # fmt: skip


def read_of(place: Place, kind: Kind = "global") -> Read:
    """A read that finds what is there now."""
    read = Read.of(place, kind, "it", place.value())
    assert read is not None
    return read


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_any_place_is_noticed(kind: str) -> None:
    """Before it nothing has changed; after it the kind of read is told, and the place is no good for a new start."""
    place, change = place_and_change(kind)
    read = read_of(place)
    taken = Taken.of([read])
    assert isinstance(taken, Taken)
    assert taken.changed() is None
    change()
    told = "content" if "defaults" in kind else "global"
    assert taken.changed() == told
    assert Taken.of([read]) == told


def test_a_cell_without_a_value_is_a_place_with_nothing_in_it() -> None:
    """Of a variable that is assigned later, say."""
    assert Cell(types.CellType()).value() is MISSING
    assert repr(MISSING) == "nothing"


def test_equal_scalars_are_the_same_and_other_objects_only_if_they_are_one() -> None:
    """A list is the same by identity and content."""
    variables: dict[str, Any] = {"scalar": "".join(["a", "b"]), "object": object(), "list": [1]}
    scalar, obj, items = (Taken.of([read_of(Item(variables, name))]) for name in ("scalar", "object", "list"))
    assert isinstance(scalar, Taken)
    assert isinstance(obj, Taken)
    assert isinstance(items, Taken)
    variables.update(scalar="".join(["a", "b"]), object=object())
    assert scalar.changed() is None
    assert obj.changed() == "global"
    variables["list"].append(2)
    assert items.changed() == "content"


def test_a_container_has_to_hold_what_it_held_when_the_code_was_followed() -> None:
    """Whether it was changed or another one was put in its place; an equal one is as good."""
    variables: dict[str, Any] = {"list": [1]}
    read = read_of(Item(variables, "list"))
    variables["list"] = [1]
    assert isinstance(Taken.of([read]), Taken)
    variables["list"].append(2)
    assert Taken.of([read]) == "content"
    variables["list"] = (1,)
    assert Taken.of([read]) == "global"


def test_what_can_not_be_taken_down_is_no_read() -> None:
    """A set of objects, which are hashed and compared by code of their own."""
    assert Read.of(Item({"x": {object()}}, "x"), "global", "x", {object()}) is None


def test_a_table_of_functions_is_compared_by_what_it_holds() -> None:
    """Functions are no plain data, but a table of them may have been followed."""
    table: dict[str, Any] = {"f": function}
    taken = Taken.of([read_of(Item({"T": table}, "T"))])
    assert isinstance(taken, Taken)
    assert taken.changed() is None
    table["f"] = other
    assert taken.changed() == "content"


def test_a_clock_is_compared_by_what_it_says() -> None:
    """It may say something else when work starts, but not between then and the node's turn."""
    now = [1]
    read = read_of(Computed(lambda: now[0]), "clock")
    now[0] = 2
    taken = Taken.of([read])
    assert isinstance(taken, Taken)
    assert taken.changed() is None
    now[0] = 3
    assert taken.changed() == "clock"


def test_patches_of_optiflow_are_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it puts over a method while a graph runs is looked through; anybody else's patch is a change."""
    monkeypatch.setattr(Base, "method", lambda self: 1, raising=False)
    read = read_of(Methods(Base, ("method", "nothing")), "code")
    spy = lambda self: 2  # noqa: E731
    with mock.patch.object(Base, "method", spy):
        assert read.change() == "code"
    patch = wraps(vars(Base)["method"])(types.FunctionType(spy.__code__, {"__name__": "optiflow.patches"}))
    with mock.patch.object(Base, "method", patch):
        assert read.change() is None
    unnamed = mock.Mock(wraps=patch, __wrapped__=vars(Base)["method"])
    with mock.patch.object(Base, "method", unnamed):
        assert read.change() == "code"


def test_places_are_told_apart() -> None:
    """By their kind, by what they are part of, and by name."""
    variables: dict[str, Any] = {}
    keys = {Item(variables, "a").key, Item(variables, "b").key, Item({}, "a").key, Attribute(variables, "a").key}
    assert len(keys) == 4
    assert Item(variables, "a").key in keys
