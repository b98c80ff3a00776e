"""Objects that something else changes."""

# ruff: noqa: D103 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import enum
import io
import queue
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel, PrivateAttr

from hiding.scene import Shared, place


@place
def an_attribute_of_an_enum_member() -> Shared:
    class Level(enum.Enum):
        LOW = "low"

    member: Any = Level.LOW
    member.calls = 0

    def move() -> None:
        member.calls += 1

    return Shared(lambda held: Level.LOW.calls, move)  # type: ignore[attr-defined]


@place
def a_list_in_a_named_tuple() -> Shared:
    class Record(NamedTuple):
        name: str
        calls: list[int]

    record = Record("r", [])
    return Shared(lambda held: len(record.calls), lambda: record.calls.append(1))


@place
def a_field_of_a_pydantic_model() -> Shared:
    class Settings(BaseModel):
        number: int = 0

    settings = Settings()

    def move() -> None:
        settings.number += 1

    return Shared(lambda held: settings.number, move)


@place
def a_private_field_of_a_pydantic_model() -> Shared:
    class Settings(BaseModel):
        _number: int = PrivateAttr(default=0)

        def shown(self) -> int:
            return self._number

    settings = Settings()

    def move() -> None:
        settings._number += 1

    return Shared(lambda held: settings.shown(), move)


@place
def an_extra_field_of_a_pydantic_model() -> Shared:
    class Settings(BaseModel, extra="allow"):
        pass

    settings: Any = Settings(number=0)  # type: ignore[call-arg]

    def move() -> None:
        settings.number += 1

    return Shared(lambda held: settings.number, move)


@place
def a_weak_reference() -> Shared:
    class Thing:
        pass

    things = [Thing()]
    reference = weakref.ref(things[0])

    def move() -> None:
        things.clear()

    return Shared(lambda held: reference() is None, move)


@place
def a_weak_dictionary() -> Shared:
    class Thing:
        pass

    things = [Thing(), Thing(), Thing()]
    known = weakref.WeakSet(things)

    def move() -> None:
        if things:
            things.pop()

    return Shared(lambda held: len(known), move)


@place
def an_event() -> Shared:
    stop = threading.Event()

    def move() -> None:
        stop.clear() if stop.is_set() else stop.set()

    return Shared(lambda held: stop.is_set(), move)


@place
def a_queue() -> Shared:
    jobs: queue.Queue[int] = queue.Queue()
    return Shared(lambda held: jobs.qsize(), lambda: jobs.put(1))


@place
def a_text_buffer() -> Shared:
    out = io.StringIO()
    return Shared(lambda held: out.getvalue(), lambda: out.write("x"))


@place
def a_random_generator() -> Shared:
    dice = random.Random(5)
    return Shared(lambda held: hash(dice.getstate()) % 1000, lambda: dice.random())


@place
def a_bound_method_of_a_changing_object() -> Shared:
    class Meter:
        def __init__(self) -> None:
            self.total = 0

        def read(self) -> int:
            return self.total

    meter = Meter()
    read: Callable[[], int] = meter.read

    def move() -> None:
        meter.total += 1

    return Shared(lambda held: read(), move)


@place
def a_property_of_a_changing_object() -> Shared:
    class Meter:
        total = 0

        @property
        def double(self) -> int:
            return self.total * 2

    meter = Meter()

    def move() -> None:
        Meter.total += 1

    return Shared(lambda held: meter.double, move)
