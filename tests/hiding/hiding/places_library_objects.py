"""Objects of Python's library that keep something, and their subclasses."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import calendar
import codecs
import collections
import enum
import io
import itertools
import string
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from hiding.scene import Shared, place
from hiding.ticks import ticker


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
