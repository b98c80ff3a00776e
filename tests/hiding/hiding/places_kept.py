"""Places where a value is kept that something else changes: looking at them changes nothing."""

# ruff: noqa: D103, N806 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import array
import collections
import contextvars
import enum
import io
import itertools
import queue
import random
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from pydantic import BaseModel, PrivateAttr

from hiding.scene import Shared, place

NUMBER = 0
numbers: list[int] = []
VARIABLE: contextvars.ContextVar[list[int]] = contextvars.ContextVar("VARIABLE")
LOCAL = threading.local()


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


@place
def a_method_that_is_replaced() -> Shared:
    class Service:
        def name(self) -> str:
            return "old"

    service = Service()
    names = itertools.count()

    def move() -> None:
        number = next(names)
        Service.name = lambda self: f"new {number}"  # type: ignore[method-assign]

    return Shared(lambda held: service.name(), move)


@place
def a_method_that_an_instance_comes_to_have() -> Shared:
    class Service:
        def name(self) -> str:
            return "old"

    service = Service()
    names = itertools.count()

    def move() -> None:
        number = next(names)
        service.name = lambda: f"new {number}"  # type: ignore[method-assign]

    return Shared(lambda held: service.name(), move)


@place
def a_base_class_that_is_replaced() -> Shared:
    class One:
        kind = "one"

    class Two:
        kind = "two"

    class Service(One):
        pass

    def move() -> None:
        Service.__bases__ = (Two,) if Service.__bases__ == (One,) else (One,)

    return Shared(lambda held: Service.kind, move)


@place
def a_slot() -> Shared:
    class Slotted:
        __slots__ = ("number",)

        def __init__(self) -> None:
            self.number = 0

    slotted = Slotted()

    def move() -> None:
        slotted.number += 1

    return Shared(lambda held: slotted.number, move)


@place
def an_attribute_of_a_module() -> Shared:
    module: Any = types.ModuleType("hidden_settings")
    module.number = 0
    sys.modules["hidden_settings"] = module

    def look(held: Any) -> int:
        import hidden_settings  # type: ignore[import-not-found]

        return int(hidden_settings.number)

    def move() -> None:
        module.number += 1

    return Shared(look, move)


@place
def a_module_that_is_closed_over() -> Shared:
    module: Any = types.ModuleType("hidden_flags")
    module.NAME = "a"

    def move() -> None:
        module.NAME += "a"

    return Shared(lambda held: module.NAME, move)


@place
def a_module_that_is_replaced() -> Shared:
    def made(number: int) -> Any:
        module: Any = types.ModuleType("hidden_other")
        module.number = number
        return module

    sys.modules["hidden_other"] = made(0)

    def look(held: Any) -> int:
        from hidden_other import number  # type: ignore[import-not-found]

        return int(number)

    def move() -> None:
        sys.modules["hidden_other"] = made(sys.modules["hidden_other"].number + 1)

    return Shared(look, move)


@place
def a_namespace() -> Shared:
    space = types.SimpleNamespace(number=0)

    def move() -> None:
        space.number += 1

    return Shared(lambda held: space.number, move)


@place
def a_list_in_a_context_variable() -> Shared:
    VARIABLE.set([])
    kept = VARIABLE.get()
    return Shared(lambda held: len(VARIABLE.get()), lambda: kept.append(1))


@place
def a_value_of_a_thread() -> Shared:
    LOCAL.number = 0

    def move() -> None:
        LOCAL.number = getattr(LOCAL, "number", 0) + 1

    return Shared(lambda held: getattr(LOCAL, "number", "none"), move)


@place
def an_item_of_a_dict() -> Shared:
    BOX = {"n": 0}

    def move() -> None:
        BOX["n"] += 1

    return Shared(lambda held: BOX["n"], move)


@place
def an_item_of_a_dict_by_get() -> Shared:
    BOX = {"n": 0}

    def move() -> None:
        BOX["n"] += 1

    return Shared(lambda held: BOX.get("n"), move)


@place
def the_size_of_a_dict() -> Shared:
    BOX: dict[int, int] = {}
    return Shared(lambda held: len(BOX), lambda: BOX.setdefault(len(BOX), 1))


@place
def a_nested_item() -> Shared:
    BOX = {"limits": {"calls": [0]}}

    def move() -> None:
        BOX["limits"]["calls"][0] += 1

    return Shared(lambda held: BOX["limits"]["calls"][0], move)


@place
def an_item_of_a_list() -> Shared:
    BOX = [0]

    def move() -> None:
        BOX[0] += 1

    return Shared(lambda held: BOX[0], move)


@place
def a_membership() -> Shared:
    SEEN: set[int] = set()

    def move() -> None:
        SEEN.discard(1) if 1 in SEEN else SEEN.add(1)

    return Shared(lambda held: 1 in SEEN, move)


@place
def a_sum_of_a_list() -> Shared:
    COSTS = [1.5]
    return Shared(lambda held: sum(COSTS), lambda: COSTS.append(0.5))


@place
def a_joined_list() -> Shared:
    WORDS = ["a"]
    return Shared(lambda held: "-".join(WORDS), lambda: WORDS.append("b"))


@place
def a_list_in_a_tuple() -> Shared:
    pair = ("calls", [0])

    def move() -> None:
        pair[1][0] += 1

    return Shared(lambda held: pair[1][0], move)


@place
def a_default_dict() -> Shared:
    COUNTS: collections.defaultdict[str, int] = collections.defaultdict(int)

    def move() -> None:
        COUNTS["n"] += 1

    return Shared(lambda held: COUNTS.get("n", 0), move)


@place
def a_counter() -> Shared:
    COUNTS: collections.Counter[str] = collections.Counter()
    return Shared(lambda held: COUNTS["n"], lambda: COUNTS.update("n"))


@place
def a_deque() -> Shared:
    RECENT: collections.deque[int] = collections.deque(maxlen=9)
    return Shared(lambda held: len(RECENT), lambda: RECENT.append(1))


@place
def an_ordered_dict() -> Shared:
    ORDER = collections.OrderedDict(a=1, b=2)
    return Shared(lambda held: list(ORDER), lambda: ORDER.move_to_end(next(iter(ORDER))))


@place
def a_chain_of_maps() -> Shared:
    USER: dict[str, str] = {}
    MERGED = collections.ChainMap(USER, {"name": "default"})

    def move() -> None:
        USER["name"] = USER.get("name", "") + "x"

    return Shared(lambda held: MERGED["name"], move)


@place
def a_view_of_a_dict() -> Shared:
    INNER = {"n": 0}
    VIEW = types.MappingProxyType(INNER)

    def move() -> None:
        INNER["n"] += 1

    return Shared(lambda held: VIEW["n"], move)


@place
def the_keys_of_a_dict() -> Shared:
    inner: dict[int, int] = {}
    keys = inner.keys()
    return Shared(lambda held: len(keys), lambda: inner.setdefault(len(inner), 1))


@place
def an_array() -> Shared:
    CELLS = array.array("i", [0])

    def move() -> None:
        CELLS[0] += 1

    return Shared(lambda held: CELLS[0], move)


@place
def a_bytearray() -> Shared:
    BUFFER = bytearray(1)

    def move() -> None:
        BUFFER[0] += 1

    return Shared(lambda held: BUFFER.hex(), move)


@place
def a_memoryview() -> Shared:
    buffer = bytearray(2)
    view = memoryview(buffer)

    def move() -> None:
        buffer[0] += 1

    return Shared(lambda held: view[0], move)


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
