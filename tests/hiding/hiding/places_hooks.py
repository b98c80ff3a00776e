"""Places behind hooks of Python's library: registers, protocols, and functions that call what they are given."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import abc
import bisect
import calendar
import codecs
import collections
import contextlib
import contextvars
import copy
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import heapq
import io
import itertools
import logging
import mimetypes
import operator
import os
import signal
import socket
import statistics
import string
import sys
import textwrap
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from hiding.scene import Shared, place

NAME: contextvars.ContextVar[int] = contextvars.ContextVar("NAME", default=0)


def ticker() -> Any:
    """Counts its calls, out of sight."""
    return itertools.count(1).__next__


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


@place
def a_formatter() -> Shared:
    tick = ticker()

    class Formatter(string.Formatter):
        def get_value(self, key: Any, args: Any, kwargs: Any) -> Any:
            return tick()

    formatter = Formatter()
    return Shared(lambda held: formatter.format("{a}"))


@place
def a_template_with_another_pattern() -> Shared:
    class Odd(string.Template):
        delimiter = "%"

    template = Odd("%a")
    numbers = itertools.count(1)

    def move() -> None:
        template.template = f"{next(numbers)} %a"

    return Shared(lambda held: template.substitute(a="x"), move)


@place
def a_wrapper_of_texts() -> Shared:
    wrapper = textwrap.TextWrapper(width=10)

    def move() -> None:
        wrapper.width += 5

    return Shared(lambda held: wrapper.wrap("a few words to be wrapped here"), move)


@place
def a_calendar() -> Shared:
    days = itertools.cycle((6, 0))
    months = calendar.TextCalendar()
    return Shared(lambda held: months.formatweekheader(2), lambda: months.setfirstweekday(next(days)))


@place
def a_user_dict() -> Shared:
    tick = ticker()

    class Odd(collections.UserDict[str, int]):
        def __getitem__(self, key: str) -> int:
            return int(tick())

    ODD = Odd(a=1)
    return Shared(lambda held: ODD["a"])


@place
def a_mapping_of_the_application() -> Shared:
    tick = ticker()

    class Odd(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            return int(tick())

        def __iter__(self) -> Iterator[str]:
            return iter("a")

        def __len__(self) -> int:
            return 1

    ODD = Odd()
    return Shared(lambda held: [ODD.get("a"), dict(ODD)])


@place
def a_counter_with_code() -> Shared:
    tick = ticker()

    class Odd(collections.Counter[str]):
        def __missing__(self, key: str) -> int:
            return int(tick())

    ODD = Odd()
    return Shared(lambda held: ODD["a"])


@place
def a_flag() -> Shared:
    tick = ticker()

    class Access(enum.Flag):
        READ = 1
        WRITE = 2

        def __contains__(self, other: Any) -> bool:
            return bool(tick() % 2)

    access = Access.READ
    return Shared(lambda held: Access.WRITE in access)


@place
def a_text_enum() -> Shared:
    tick = ticker()

    class Level(enum.StrEnum):
        LOW = "low"

        def __format__(self, spec: str) -> str:
            return f"#{tick()}"

        def __str__(self) -> str:
            return f"#{tick()}"

    return Shared(lambda held: f"{Level.LOW}")


@place
def an_enum_by_its_name() -> Shared:
    tick = ticker()

    class Meta(enum.EnumMeta):
        def __getitem__(cls, name: str) -> Any:
            return tick()

    class Level(enum.Enum, metaclass=Meta):
        LOW = "low"

    return Shared(lambda held: Level["LOW"])


@place
def an_iteration_over_a_class() -> Shared:
    tick = ticker()

    class Meta(type):
        def __iter__(cls) -> Any:
            return iter((tick(),))

        def __len__(cls) -> int:
            return int(tick())

    class Odd(metaclass=Meta):
        pass

    return Shared(lambda held: [list(Odd), len(Odd)])  # type: ignore[call-overload]


@place
def a_lazily_filled_class() -> Shared:
    class Lazy:
        cache: dict[str, int] = {}  # noqa: RUF012

        @classmethod
        def get(cls) -> int:
            cls.cache["n"] = cls.cache.get("n", 0) + 1
            return cls.cache["n"]

    return Shared(lambda held: Lazy.get())


@place
def a_subclass_that_is_made() -> Shared:
    class Base:
        pass

    made: list[Any] = []
    return Shared(lambda held: len(Base.__subclasses__()), lambda: made.append(type("Odd", (Base,), {})))


@place
def a_closed_file() -> Shared:
    out = io.StringIO()
    return Shared(lambda held: out.closed, out.close)


@place
def a_position_in_a_file() -> Shared:
    file = io.BytesIO(bytes(99))
    return Shared(lambda held: file.tell(), lambda: file.read(1))


@place
def a_tee_of_an_iterator() -> Shared:
    one, other = itertools.tee(itertools.count())
    return Shared(lambda held: [next(one), next(other)])


@place
def an_iterator_until_a_value() -> Shared:
    tick = ticker()
    numbers = iter(tick, 999)
    return Shared(lambda held: next(numbers))


@place
def an_enumeration() -> Shared:
    pairs = enumerate(itertools.repeat("a"))
    return Shared(lambda held: next(pairs))


@place
def a_codec_error_handler() -> Shared:
    tick = ticker()
    codecs.register_error("hiding", lambda error: (f"#{tick()}", error.end))  # type: ignore[attr-defined]
    return Shared(lambda held: b"a\xff".decode("ascii", errors="hiding"))


@place
def an_incremental_decoder() -> Shared:
    decoder = codecs.getincrementaldecoder("utf-8")()
    parts = itertools.cycle((b"\xc3", b"\xa4"))
    return Shared(lambda held: decoder.decode(next(parts)))


@place
def the_working_directory() -> Shared:
    home = os.getcwd()  # noqa: PTH109
    places = itertools.cycle(("/", home))

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        os.chdir(home)

    return Shared(lambda held: os.getcwd() == home, lambda: os.chdir(next(places)), during=during)  # noqa: PTH109


@place
def the_usual_timeout_of_sockets() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        socket.setdefaulttimeout(None)

    def move() -> None:
        socket.setdefaulttimeout((socket.getdefaulttimeout() or 100) + 1)

    return Shared(lambda held: socket.getdefaulttimeout(), move, during=during)


@place
def the_types_of_files() -> Shared:
    numbers = itertools.count()
    mimetypes.add_type("text/start", ".hiding")
    return Shared(
        lambda held: mimetypes.guess_type("a.hiding")[0], lambda: mimetypes.add_type(f"text/{next(numbers)}", ".hiding")
    )


@place
def the_schemes_of_addresses() -> Shared:
    kept = list(urllib.parse.uses_relative)

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        urllib.parse.uses_relative[:] = kept

    return Shared(
        lambda held: urllib.parse.urljoin("odd://host/a", "b"),
        lambda: urllib.parse.uses_relative.append("odd"),
        during=during,
    )


@place
def the_collector_of_garbage() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        gc.enable()

    return Shared(lambda held: gc.isenabled(), lambda: gc.disable() if gc.isenabled() else gc.enable(), during=during)


@place
def the_handler_of_a_signal() -> Shared:
    """Only a main thread can change it, which all changes are not made in."""
    return Shared(lambda held: signal.getsignal(signal.SIGUSR1) is not None)


@place
def the_switch_of_all_logging() -> Shared:
    logger = logging.getLogger("hiding.switch")

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        yield
        logging.disable(logging.NOTSET)

    def move() -> None:
        logging.disable(logging.CRITICAL if logging.root.manager.disable == 0 else logging.NOTSET)

    return Shared(lambda held: logger.isEnabledFor(logging.ERROR), move, during=during)


@place
def the_names_of_levels() -> Shared:
    numbers = itertools.count()
    logging.addLevelName(35, "START")
    return Shared(lambda held: logging.getLevelName(35), lambda: logging.addLevelName(35, f"L{next(numbers)}"))


@place
def the_loaded_modules() -> Shared:
    sys.modules.pop("hidden_presence", None)
    return Shared(
        lambda held: "hidden_presence" in sys.modules,
        lambda: sys.modules.setdefault("hidden_presence", sys),
        during=lambda: contextlib.closing(_Gone()),
    )


class _Gone:
    def close(self) -> None:
        sys.modules.pop("hidden_presence", None)
