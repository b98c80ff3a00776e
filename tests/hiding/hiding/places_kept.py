"""Values that something else changes: names and attributes."""

# ruff: noqa: D103 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import itertools
from typing import Any

from hiding.scene import Shared, place

NUMBER = 0
numbers: list[int] = []


@place
def a_global() -> Shared:
    global NUMBER
    NUMBER = 0

    def move() -> None:
        global NUMBER
        NUMBER += 1

    return Shared(lambda held: NUMBER, move)


@place
def a_global_list() -> Shared:
    numbers.clear()
    return Shared(lambda held: len(numbers), lambda: numbers.append(1))


@place
def a_closure() -> Shared:
    number = 0

    def move() -> None:
        nonlocal number
        number += 1

    return Shared(lambda held: number, move)


@place
def a_flag_in_a_closure() -> Shared:
    cancelled = False

    def move() -> None:
        nonlocal cancelled
        cancelled = not cancelled

    return Shared(lambda held: "cancelled" if cancelled else "going on", move)


@place
def a_function_in_a_closure() -> Shared:
    def one() -> str:
        return "one"

    def two() -> str:
        return "two"

    chosen = one

    def move() -> None:
        nonlocal chosen
        chosen = two if chosen is one else one

    return Shared(lambda held: chosen(), move)


@place
def a_tuple_in_a_closure() -> Shared:
    pair: tuple[int, ...] = (1, 2)

    def move() -> None:
        nonlocal pair
        pair = (*pair, len(pair))

    return Shared(lambda held: sum(pair), move)


@place
def a_default_argument() -> Shared:
    def look(held: Any, number: int = 0) -> int:
        return number

    def move() -> None:
        assert look.__defaults__ is not None
        look.__defaults__ = (look.__defaults__[0] + 1,)

    return Shared(look, move)


@place
def a_default_of_a_keyword() -> Shared:
    def look(held: Any, *, number: int = 0) -> int:
        return number

    def move() -> None:
        assert look.__kwdefaults__ is not None
        look.__kwdefaults__["number"] += 1

    return Shared(look, move)


@place
def a_list_as_a_default() -> Shared:
    def look(held: Any, seen: tuple[list[int], ...] = ([],)) -> int:
        return len(seen[0])

    def move() -> None:
        assert look.__defaults__ is not None
        look.__defaults__[0][0].append(1)

    return Shared(look, move)


@place
def the_code_of_a_function() -> Shared:
    def old() -> str:
        return "old"

    def new() -> str:
        return "new"

    codes = itertools.cycle((new.__code__, old.__code__))

    def current() -> str:
        return "old"

    def move() -> None:
        current.__code__ = next(codes)

    return Shared(lambda held: current(), move)


@place
def an_attribute_of_a_function() -> Shared:
    def helper() -> None:
        pass

    helper.calls = 0  # type: ignore[attr-defined]

    def move() -> None:
        helper.calls += 1  # type: ignore[attr-defined]

    return Shared(lambda held: helper.calls, move)  # type: ignore[attr-defined]


@place
def an_attribute() -> Shared:
    class Settings:
        def __init__(self) -> None:
            self.number = 0

    settings = Settings()

    def move() -> None:
        settings.number += 1

    return Shared(lambda held: settings.number, move)


@place
def an_attribute_of_an_attribute() -> Shared:
    class Inner:
        number = 0

    class Outer:
        inner = Inner()

    outer = Outer()

    def move() -> None:
        outer.inner.number += 1

    return Shared(lambda held: outer.inner.number, move)


@place
def an_attribute_that_is_set_by_its_name() -> Shared:
    class Settings:
        number = 0

    settings = Settings()

    def move() -> None:
        setattr(settings, "number", settings.number + 1)  # noqa: B010

    return Shared(lambda held: settings.number, move)


@place
def an_instance_whose_class_is_changed() -> Shared:
    class One:
        def name(self) -> str:
            return "one"

    class Two:
        def name(self) -> str:
            return "two"

    thing: Any = One()

    def move() -> None:
        thing.__class__ = Two if type(thing) is One else One

    return Shared(lambda held: thing.name(), move)


@place
def an_attribute_of_a_class() -> Shared:
    class Settings:
        number = 0

    def move() -> None:
        Settings.number += 1

    return Shared(lambda held: Settings.number, move)


@place
def an_attribute_of_a_base() -> Shared:
    class Base:
        number = 0

    class Settings(Base):
        pass

    settings = Settings()

    def move() -> None:
        Base.number += 1

    return Shared(lambda held: settings.number, move)


@place
def an_attribute_that_comes_to_hide_another() -> Shared:
    class Base:
        name = "base"

    class Settings(Base):
        pass

    settings = Settings()

    def move() -> None:
        settings.name = settings.name + "+"

    return Shared(lambda held: settings.name, move)


@place
def an_attribute_of_a_metaclass() -> Shared:
    class Meta(type):
        number = 0

    class Settings(metaclass=Meta):
        pass

    def move() -> None:
        Meta.number += 1

    return Shared(lambda held: Settings.number, move)
