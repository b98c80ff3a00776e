"""Objects with code inside of plain containers, patterns and formats, which reach them on the way."""

# ruff: noqa: D103, N803, UP030, UP031, UP032 - the forms are to be seen through

from __future__ import annotations

import codecs
import copy
import json
import math
import re
from collections.abc import Callable
from typing import Any

from hiding.places_held_code import Account
from hiding.scene import Look, Shared, place
from hiding.ticks import ticker


class Number(int):
    """A number with code, where JSON and formats expect one."""

    calls = 0

    def tick(self) -> int:
        """One more."""
        Number.calls += 1
        return Number.calls

    def __float__(self) -> float:
        return float(self.tick())

    def __index__(self) -> int:
        return self.tick() % 2

    def __str__(self) -> str:
        return f"#{self.tick()}"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(1 + self.tick() % 9)

    def __floor__(self) -> int:
        return self.tick()

    def __radd__(self, other: Any) -> int:
        return self.tick()


def ways(ROW: Any, NUMBER: Any) -> dict[str, Look]:
    """Ways to an element that don't name it."""
    return {
        "text_of_a_list": lambda held: str([*ROW]),
        "text_of_a_tuple": lambda held: str(ROW),
        "format_of_a_tuple": lambda held: f"{ROW}",
        "membership": lambda held: 1 in ROW,
        "count": lambda held: ROW.count(1),
        "equality": lambda held: ROW == (1,),
        "sorting": lambda held: len(sorted([*ROW, *ROW])) and str(ROW[0]),
        "maximum": lambda held: str(max(ROW[0], 1)),
        "sum": lambda held: sum(ROW),
        "all": lambda held: all(ROW),
        "any": lambda held: any(ROW),
        "hash": lambda held: len({ROW}) and str(ROW),
        "set": lambda held: len(set(ROW)) and str(ROW),
        "join": lambda held: ",".join(map(str, ROW)),
        "percent": lambda held: "%s" % ROW,
        "attribute_in_a_format": lambda held: "{0.ticket}".format(ROW[0]),
        "item_in_a_format": lambda held: "{0[a]}".format(ROW[0]),
        "loop": lambda held: [str(each) for each in ROW],
        "unpacking": lambda held: (lambda first: str(first))(*ROW),
        "nested_iteration": lambda held: [inner for each in ROW for inner in each],
        "zip": lambda held: [str(one) for one, _ in zip(ROW, "a", strict=True)],
        "enumerate": lambda held: [str(one) for _, one in enumerate(ROW)],
        "copy": lambda held: str(copy.copy(ROW)),
        "number_in_json": lambda held: json.dumps([NUMBER]) + str(NUMBER),
        "key_in_json": lambda held: json.dumps({str(NUMBER): 1}),
        "floor": lambda held: math.floor(NUMBER),
        "root": lambda held: math.sqrt(NUMBER),
        "index": lambda held: ("a", "b")[NUMBER],
        "float": lambda held: float(NUMBER),
        "sum_of_numbers": lambda held: sum([NUMBER]),
        "format_of_a_format": lambda held: f"{'a':>{NUMBER}}",
    }


def _of_element(name: str) -> Callable[[], Shared]:
    def make() -> Shared:
        Number.calls = 0
        return Shared(ways((Account(),), Number(1))[name])

    make.__name__ = f"element_by_{name}"
    return make


for _way in ways((), 0):
    place(_of_element(_way))


@place
def a_class_pattern_with_fields() -> Shared:
    tick = ticker()

    class Point:
        __match_args__ = ("x",)

        @property
        def x(self) -> Any:
            return tick()

    point = Point()

    def look(held: Any) -> Any:
        match point:
            case Point(x):
                return x
            case _:
                return None

    return Shared(look)


@place
def a_pattern_of_a_sequence() -> Shared:
    tick = ticker()

    class Pair(list[int]):
        def __getitem__(self, at: Any) -> Any:
            return tick()

    PAIR = Pair([1])  # noqa: N806

    def look(held: Any) -> Any:
        match PAIR:
            case [first]:
                return first
            case _:
                return None

    return Shared(look)


@place
def a_pattern_of_a_mapping() -> Shared:
    tick = ticker()

    class Values(dict[str, int]):
        def get(self, key: str, default: Any = None) -> Any:
            return tick()

    VALUES = Values(a=1)  # noqa: N806

    def look(held: Any) -> Any:
        match VALUES:
            case {"a": first}:
                return first
            case _:
                return None

    return Shared(look)


@place
def a_pattern_of_a_value() -> Shared:
    tick = ticker()

    class Sly:
        def __eq__(self, other: object) -> bool:
            return bool(tick() % 2)

        __hash__ = None  # type: ignore[assignment]

    class Names:
        one = Sly()

    def look(held: Any) -> str:
        match 1:
            case Names.one:
                return "one"
            case _:
                return "other"

    return Shared(look)


@place
def a_codec_of_the_application() -> Shared:
    tick = ticker()

    def encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
        return f"#{tick()}".encode(), len(text)

    info = codecs.CodecInfo(encode, lambda data, errors="strict": ("", len(data)), name=f"hiding{id(tick)}")
    codecs.register(lambda name: info if name == info.name else None)
    NAME = info.name  # noqa: N806
    return Shared(lambda held: "a".encode(NAME))


@place
def an_error_handler_of_encoding() -> Shared:
    tick = ticker()
    codecs.register_error("hiding-encoding", lambda error: (f"#{tick()}", error.end))  # type: ignore[attr-defined]
    return Shared(lambda held: "aä".encode("ascii", "hiding-encoding"))


@place
def a_replacement_of_a_match() -> Shared:
    tick = ticker()
    return Shared(lambda held: re.sub("x", lambda found: str(tick()), "axb"))
