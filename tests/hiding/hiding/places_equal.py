"""Values that become others that are equal to them, or that are too many to compare."""

# ruff: noqa: D103, N806 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import decimal
import itertools
from typing import Any

from hiding.scene import Shared, place


def turning(*values: Any) -> Any:
    """A function that gives the values in turn."""
    return itertools.cycle(values).__next__


@place
def a_number_that_becomes_true() -> Shared:
    number: Any = 1
    following = turning(True, 1.0, 1)

    def move() -> None:
        nonlocal number
        number = following()

    return Shared(lambda held: repr(number), move)


@place
def a_zero_that_changes_its_sign() -> Shared:
    number = 0.0
    following = turning(-0.0, 0.0)

    def move() -> None:
        nonlocal number
        number = following()

    return Shared(lambda held: str(number), move)


@place
def a_decimal_with_more_digits() -> Shared:
    price = decimal.Decimal("1")
    following = turning(decimal.Decimal("1.00"), decimal.Decimal("1.0"), decimal.Decimal("1"))

    def move() -> None:
        nonlocal price
        price = following()

    return Shared(lambda held: str(price), move)


@place
def a_tuple_of_equal_numbers() -> Shared:
    pair: tuple[Any, ...] = (1, 0)
    following = turning((1.0, 0), (True, False), (1, 0))

    def move() -> None:
        nonlocal pair
        pair = following()

    return Shared(lambda held: repr(pair), move)


@place
def a_dict_in_another_order() -> Shared:
    ORDER = {"a": 1, "b": 2, "c": 3}

    def move() -> None:
        first = next(iter(ORDER))
        ORDER[first] = ORDER.pop(first)

    return Shared(lambda held: list(ORDER), move)


@place
def a_dict_with_an_equal_key() -> Shared:
    KEYS: dict[Any, str] = {1: "a"}
    following = turning(True, 1.0, 1)

    def move() -> None:
        KEYS.clear()
        KEYS[following()] = "a"

    return Shared(lambda held: repr(KEYS), move)


@place
def a_list_of_equal_numbers() -> Shared:
    ROW: list[Any] = [1]
    following = turning(True, 1.0, 1)

    def move() -> None:
        ROW[0] = following()

    return Shared(lambda held: str(ROW[0]), move)


@place
def a_list_that_is_sorted() -> Shared:
    ROW = [3, 1, 2]
    return Shared(lambda held: ROW[0], lambda: ROW.append(ROW.pop(0)))


@place
def a_list_inside_of_many() -> Shared:
    """Deeper than anybody looks."""
    inner: list[Any] = [0]
    DEEP: Any = inner
    for _ in range(40):
        DEEP = [DEEP]

    def look(held: Any) -> str:
        return str(DEEP)

    def move() -> None:
        inner[0] += 1

    return Shared(look, move)


@place
def the_end_of_a_long_list() -> Shared:
    """Longer than anybody compares."""
    LONG = [0] * 20_000

    def move() -> None:
        LONG[-1] += 1

    return Shared(lambda held: LONG[-1], move)


@place
def the_middle_of_a_long_text() -> Shared:
    text = "x" * 5_000
    numbers = itertools.count()

    def move() -> None:
        nonlocal text
        text = f"{'x' * 2_500}{next(numbers) % 10}{'x' * 2_499}"

    return Shared(lambda held: text[2_500], move)


@place
def a_long_dict() -> Shared:
    LONG = dict.fromkeys(range(9_000), 0)

    def move() -> None:
        LONG[4_500] += 1

    return Shared(lambda held: LONG[4_500], move)


@place
def an_object_in_the_place_of_another() -> Shared:
    """The old one is gone, and the new one may have its address."""

    class Settings:
        def __init__(self, number: int) -> None:
            self.number = number

    settings = Settings(0)

    def move() -> None:
        nonlocal settings
        number = settings.number
        del settings
        settings = Settings(number + 1)  # noqa: F841 - the closure of the one who looks

    return Shared(lambda held: settings.number, move)


@place
def a_function_in_the_place_of_another() -> Shared:
    def made(number: int) -> Any:
        def helper() -> int:
            return number

        return helper

    helper = made(0)
    numbers = itertools.count(1)

    def move() -> None:
        nonlocal helper
        helper = made(next(numbers))

    return Shared(lambda held: helper(), move)


@place
def a_value_with_a_sly_comparison() -> Shared:
    class Sly:
        def __init__(self, number: int) -> None:
            self.number = number

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    BOX = {"sly": Sly(0)}

    def move() -> None:
        BOX["sly"] = Sly(BOX["sly"].number + 1)

    return Shared(lambda held: BOX["sly"].number, move)


@place
def a_text_with_a_sly_comparison() -> Shared:
    class Sly(str):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    name: Any = Sly("0")
    numbers = itertools.count(1)

    def move() -> None:
        nonlocal name
        name = Sly(str(next(numbers)))

    return Shared(lambda held: f"<{str(name)!s}>", move)


@place
def a_number_that_is_none() -> Shared:
    number = float("nan")
    following = turning(0.0, float("nan"))

    def move() -> None:
        nonlocal number
        number = following()

    return Shared(lambda held: str(number), move)
