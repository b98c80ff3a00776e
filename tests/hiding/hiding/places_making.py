"""Places in how objects are made, and in mappings that texts are filled from."""

# ruff: noqa: D103, N806 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import enum
import string
from typing import Any

from hiding.scene import Shared, place
from hiding.ticks import ticker


@place
def exception_that_counts() -> Shared:
    class OddError(Exception):
        number = 0

        def __init__(self) -> None:
            OddError.number += 1
            super().__init__(OddError.number)

    def look(held: Any) -> str:
        try:
            raise OddError
        except OddError as error:
            return str(error)

    return Shared(look)


@place
def exception_with_a_text_that_counts() -> Shared:
    tick = ticker()

    class OddError(Exception):
        def __str__(self) -> str:
            return f"#{tick()}"

    def look(held: Any) -> str:
        try:
            raise OddError
        except OddError as error:
            return str(error)

    return Shared(look)


@place
def exception_made_by_new() -> Shared:
    tick = ticker()

    class OddError(Exception):
        def __new__(cls, *args: Any) -> Any:
            return super().__new__(cls, tick())

    return Shared(lambda held: OddError("a").args)


@place
def enum_missing() -> Shared:
    seen: list[Any] = []

    class Color(enum.Enum):
        RED = 0
        BLUE = 1

        @classmethod
        def _missing_(cls, value: object) -> Any:
            seen.append(value)
            return list(cls)[len(seen) % 2]

    return Shared(lambda held: Color("x").name)


@place
def enum_value_property() -> Shared:
    tick = ticker()

    class Color(enum.Enum):
        RED = 0

        @property
        def number(self) -> int:
            return int(tick())

    return Shared(lambda held: Color.RED.number)


@place
def class_that_is_subscripted() -> Shared:
    tick = ticker()

    class Typed:
        def __class_getitem__(cls, item: Any) -> Any:
            return tick()

    return Shared(lambda held: Typed["x"])


@place
def class_with_new() -> Shared:
    tick = ticker()

    class Item:
        def __new__(cls) -> Any:
            made = super().__new__(cls)
            made.number = tick()  # type: ignore[attr-defined]
            return made

    return Shared(lambda held: Item().number)  # type: ignore[attr-defined]


@place
def class_with_init() -> Shared:
    class Item:
        made = 0

        def __init__(self) -> None:
            Item.made += 1
            self.number = Item.made

    return Shared(lambda held: Item().number)


@place
def metaclass_call() -> Shared:
    tick = ticker()

    class Meta(type):
        def __call__(cls, *args: Any) -> Any:
            made = super().__call__(*args)
            made.number = tick()
            return made

    class Item(metaclass=Meta):
        pass

    return Shared(lambda held: Item().number)  # type: ignore[attr-defined]


@place
def named_tuple_with_new() -> Shared:
    from collections import namedtuple

    tick = ticker()

    class Item(namedtuple("Base", "name number")):
        def __new__(cls, name: str) -> Any:
            return super().__new__(cls, name, tick())

    return Shared(lambda held: Item("a").number)


@place
def dict_subclass_with_init() -> Shared:
    tick = ticker()

    class Item(dict[str, int]):
        def __init__(self, **given: Any) -> None:
            super().__init__(number=tick(), **given)

    return Shared(lambda held: Item()["number"])


@place
def template_of_texts() -> Shared:
    tick = ticker()

    class Values(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            return f"#{tick()}"

    VALUES = Values(a="1")
    return Shared(lambda held: string.Template("$a").substitute(VALUES))


@place
def format_map_of_a_mapping() -> Shared:
    tick = ticker()

    class Values(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return f"#{tick()}"

    VALUES = Values()
    return Shared(lambda held: "{a}".format_map(VALUES))


@place
def percent_of_a_mapping() -> Shared:
    tick = ticker()

    class Values(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            return f"#{tick()}"

    VALUES = Values()
    return Shared(lambda held: "%(a)s" % VALUES)  # noqa: UP031


@place
def unpacked_mapping() -> Shared:
    tick = ticker()

    class Values(dict[str, int]):
        def keys(self) -> Any:
            return ["number"]

        def __getitem__(self, key: str) -> int:
            return int(tick())

    VALUES = Values(number=0)

    def shown(number: int = 0) -> int:
        return number

    return Shared(lambda held: shown(**VALUES))
