"""Functions of Python's library that call what they are given."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import bisect
import dataclasses
import datetime
import decimal
import fractions
import functools
import heapq
import itertools
import operator
import statistics
from typing import Any

from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def a_dataclass_that_is_replaced() -> Shared:
    tick = ticker()

    @dataclasses.dataclass
    class Item:
        name: str
        number: int = dataclasses.field(init=False, default=0)

        def __post_init__(self) -> None:
            self.number = tick()

    item = Item("a")
    return Shared(lambda held: dataclasses.replace(item, name="b").number)


@place
def a_dataclass_as_a_dict() -> Shared:
    tick = ticker()

    @dataclasses.dataclass
    class Item:
        name: str

    item = Item("a")
    return Shared(lambda held: dataclasses.asdict(item, dict_factory=lambda pairs: {"n": tick()}))


@place
def an_attribute_getter() -> Shared:
    tick = ticker()

    class Odd:
        @property
        def number(self) -> int:
            return int(tick())

    odd = Odd()
    getter = operator.attrgetter("number")
    return Shared(lambda held: getter(odd))


@place
def an_item_getter() -> Shared:
    tick = ticker()

    class Odd(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            return int(tick())

    ODD = Odd()
    getter = operator.itemgetter("a")
    return Shared(lambda held: getter(ODD))


@place
def a_method_caller() -> Shared:
    tick = ticker()

    class Odd:
        def number(self) -> Any:
            return tick()

    odd = Odd()
    caller = operator.methodcaller("number")
    return Shared(lambda held: caller(odd))


@place
def an_operator_as_a_function() -> Shared:
    tick = ticker()

    class Number(int):
        def __add__(self, other: Any) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: operator.add(number, 1))


@place
def a_key_of_a_bisection() -> Shared:
    tick = ticker()
    return Shared(lambda held: bisect.bisect([1, 2, 3], 2, key=lambda each: tick()))


@place
def a_key_of_the_largest() -> Shared:
    tick = ticker()
    return Shared(lambda held: [heapq.nlargest(1, [1, 2], key=lambda each: tick() * each % 3), tick()])


@place
def a_key_of_groups() -> Shared:
    tick = ticker()
    return Shared(lambda held: [key for key, _ in itertools.groupby("ab", key=lambda each: tick())])


@place
def an_accumulation() -> Shared:
    tick = ticker()
    return Shared(lambda held: list(itertools.accumulate([1, 2], lambda one, other: tick())))


@place
def a_mean_of_numbers() -> Shared:
    tick = ticker()

    class Number(fractions.Fraction):
        def __add__(self, other: Any) -> Any:
            return fractions.Fraction(tick())

        __radd__ = __add__

    number = Number(1)
    return Shared(lambda held: str(number + number))


@place
def a_mean_over_an_iterator() -> Shared:
    numbers = itertools.count(1)
    return Shared(lambda held: statistics.mean(itertools.islice(numbers, 2)))


@place
def a_compare_function() -> Shared:
    tick = ticker()
    return Shared(lambda held: [sorted([1, 2], key=functools.cmp_to_key(lambda one, other: tick() % 2)), tick()])


@place
def a_total_order() -> Shared:
    tick = ticker()

    @functools.total_ordering
    class Rank:
        def __eq__(self, other: object) -> bool:
            return False

        def __lt__(self, other: Any) -> bool:
            return bool(tick() % 2)

        __hash__ = None  # type: ignore[assignment]

    RANKS = (Rank(), Rank())
    return Shared(lambda held: RANKS[0] >= RANKS[1])


@place
def a_time_zone_with_code() -> Shared:
    tick = ticker()

    class Zone(datetime.tzinfo):
        def utcoffset(self, moment: Any) -> datetime.timedelta:
            return datetime.timedelta(minutes=int(tick()))

        def dst(self, moment: Any) -> None:
            return None

        def tzname(self, moment: Any) -> str:
            return "odd"

    zone = Zone()
    return Shared(lambda held: str(datetime.datetime(2024, 1, 1, tzinfo=zone).utcoffset()))


@place
def a_subclass_of_dates() -> Shared:
    tick = ticker()

    class Date(datetime.date):
        def isoformat(self) -> str:
            return f"#{tick()}"

    day = Date(2024, 1, 1)
    return Shared(lambda held: day.isoformat())


@place
def a_date_in_an_f_string() -> Shared:
    tick = ticker()

    class Date(datetime.date):
        def __format__(self, spec: str) -> str:
            return f"#{tick()}"

    day = Date(2024, 1, 1)
    return Shared(lambda held: f"{day:%Y}")


@place
def a_subclass_of_decimals() -> Shared:
    tick = ticker()

    class Money(decimal.Decimal):
        def quantize(self, *args: Any, **named: Any) -> Any:
            return tick()

    money = Money(1)
    return Shared(lambda held: money.quantize(decimal.Decimal("0.1")))


@place
def the_flags_of_decimals() -> Shared:
    def look(held: Any) -> bool:
        return bool(decimal.getcontext().flags[decimal.Inexact])

    def move() -> None:
        decimal.getcontext().divide(decimal.Decimal(1), decimal.Decimal(3))

    return Shared(look, move, during=lambda: decimal.localcontext(decimal.Context()))
