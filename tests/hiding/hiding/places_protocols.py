"""Places behind protocols and registers of Python's library."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import abc
import contextvars
import copy
import copyreg
import itertools
from typing import Any

from hiding.scene import Shared, place
from hiding.ticks import ticker

NAME: contextvars.ContextVar[int] = contextvars.ContextVar("NAME", default=0)


@place
def a_context_variable() -> Shared:
    NAME.set(0)
    return Shared(lambda held: NAME.get(), lambda: NAME.set(NAME.get() + 1))


@place
def an_abstract_class_that_is_registered_with() -> Shared:
    class Animal(abc.ABC):  # noqa: B024
        pass

    kinds = [type(f"Kind{number}", (), {}) for number in range(9)]
    left = iter(kinds)
    things = tuple(kind() for kind in kinds)
    return Shared(
        lambda held: sum(isinstance(thing, Animal) for thing in things), lambda: Animal.register(next(left, list))
    )


@place
def a_subclass_hook() -> Shared:
    tick = ticker()

    class Odd(abc.ABC):  # noqa: B024
        @classmethod
        def __subclasshook__(cls, other: Any) -> Any:
            return NotImplemented if tick() % 2 else True

    return Shared(lambda held: [isinstance(type(str(tick()), (), {})(), Odd)])


@place
def an_instance_check() -> Shared:
    tick = ticker()

    class Meta(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return bool(tick() % 2)

    class Odd(metaclass=Meta):
        pass

    return Shared(lambda held: isinstance(1, Odd))


@place
def a_pattern_that_is_matched() -> Shared:
    tick = ticker()

    class Meta(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return bool(tick() % 2)

    class Odd(metaclass=Meta):
        pass

    def look(held: Any) -> str:
        match 1:
            case Odd():
                return "odd"
            case _:
                return "even"

    return Shared(look)


@place
def a_reversed_sequence() -> Shared:
    tick = ticker()

    class Pair(tuple[int, ...]):
        def __reversed__(self) -> Any:
            return iter((tick(),))

    PAIR = Pair((1, 2))
    return Shared(lambda held: list(reversed(PAIR)))


@place
def a_rounded_number() -> Shared:
    tick = ticker()

    class Number(float):
        def __round__(self, digits: Any = None) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: round(number))


@place
def an_absolute_number() -> Shared:
    tick = ticker()

    class Number(int):
        def __abs__(self) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: abs(number))


@place
def a_division_with_rest() -> Shared:
    tick = ticker()

    class Number(int):
        def __divmod__(self, other: Any) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: divmod(number, 2))


@place
def a_directory_of_names() -> Shared:
    tick = ticker()

    class Odd:
        def __dir__(self) -> Any:
            return [f"name{tick()}"]

    odd = Odd()
    return Shared(lambda held: dir(odd))


@place
def a_copied_object() -> Shared:
    tick = ticker()

    class Odd:
        def __copy__(self) -> Any:
            return tick()

    odd = Odd()
    return Shared(lambda held: copy.copy(odd))


@place
def a_deeply_copied_object() -> Shared:
    tick = ticker()

    class Odd(dict[str, int]):
        def __deepcopy__(self, memo: Any) -> Any:
            return tick()

    ODD = Odd()
    return Shared(lambda held: copy.deepcopy(ODD))


@place
def an_object_that_reduces() -> Shared:
    tick = ticker()

    class Odd:
        def __reduce_ex__(self, protocol: Any) -> Any:
            return (int, (tick(),))

    odd = Odd()
    return Shared(lambda held: copy.deepcopy([odd]))


@place
def a_register_of_copies() -> Shared:
    class Odd:
        pass

    odd = Odd()
    numbers = itertools.count(1)

    def reduced(each: Odd) -> Any:
        return int, (next(numbers),)

    copyreg.pickle(Odd, reduced)
    return Shared(lambda held: copy.copy(odd))
