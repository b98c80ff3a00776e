"""Places that change by being looked at: what hides behind operators, attributes and conversions."""

# ruff: noqa: D103, N806 - what a place is, its name says; capitals are what the application's constants look like

from __future__ import annotations

import dataclasses
import enum
import functools
import itertools
import string
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    WrapValidator,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from hiding.scene import Shared, place


def ticker() -> Any:
    """Counts its calls, out of sight."""
    return itertools.count(1).__next__


@place
def item_of_a_dict_subclass() -> Shared:
    tick = ticker()

    class Tickets(dict[str, int]):
        def __getitem__(self, key: str) -> int:
            return int(tick())

    TICKETS = Tickets()
    return Shared(lambda held: TICKETS["x"])


@place
def missing_item() -> Shared:
    class Ids(dict[int, int]):
        def __missing__(self, key: int) -> int:
            self[len(self)] = 1
            return len(self)

    IDS = Ids()
    return Shared(lambda held: IDS[-1])


@place
def missing_item_of_a_default_dict() -> Shared:
    import collections

    tick = ticker()
    IDS: collections.defaultdict[Any, int] = collections.defaultdict(tick)

    def look(held: Any) -> Any:
        return [IDS[len(IDS)], len(IDS)]

    return Shared(look)


@place
def get_of_a_dict_subclass() -> Shared:
    tick = ticker()

    class Tickets(dict[str, int]):
        def get(self, key: str, default: Any = None) -> Any:
            return tick()

    TICKETS = Tickets()
    return Shared(lambda held: TICKETS.get("x"))


@place
def length_of_a_list_subclass() -> Shared:
    class Longer(list[int]):
        calls = 0

        def __len__(self) -> int:
            Longer.calls += 1
            return Longer.calls

    LONGER = Longer([1])
    return Shared(lambda held: len(LONGER))


@place
def iteration_of_a_list_subclass() -> Shared:
    tick = ticker()

    class Longer(list[int]):
        def __iter__(self) -> Any:
            return iter((tick(),))

    LONGER = Longer([1])
    return Shared(lambda held: [each for each in LONGER])  # noqa: C416


@place
def iteration_of_a_tuple_subclass() -> Shared:
    tick = ticker()

    class Pair(tuple[int, ...]):
        def __iter__(self) -> Any:
            return iter((tick(),))

    PAIR = Pair((1, 2))
    return Shared(lambda held: sorted(PAIR))


@place
def membership_of_a_set_subclass() -> Shared:
    tick = ticker()

    class Odd(frozenset[int]):
        def __contains__(self, item: object) -> bool:
            return bool(tick() % 2)

    ODD = Odd()
    return Shared(lambda held: 1 in ODD)


@place
def format_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __format__(self, spec: str) -> str:
            return f"#{tick()}"

    text = Text("x")
    return Shared(lambda held: f"{text}")


@place
def text_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __str__(self) -> str:
            return f"#{tick()}"

    text = Text("x")
    return Shared(lambda held: str(text))


@place
def method_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def upper(self) -> str:
            return f"#{tick()}"

    text = Text("x")
    return Shared(lambda held: text.upper())


@place
def join_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def join(self, parts: Any) -> str:
            return f"#{tick()}"

    SEP = Text(",")
    return Shared(lambda held: SEP.join(["a", "b"]))


@place
def representation_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __repr__(self) -> str:
            return f"#{tick()}"

    number = Number(1)
    return Shared(lambda held: f"{number!r}")


@place
def sum_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __add__(self, other: Any) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: number + 1)


@place
def sum_from_the_right() -> Shared:
    tick = ticker()

    class Number(float):
        def __radd__(self, other: Any) -> Any:
            return tick()

    number = Number(1)
    return Shared(lambda held: sum([number]))


@place
def comparison_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __lt__(self, other: Any) -> bool:
            return bool(tick() % 2)

    number = Number(1)
    return Shared(lambda held: number < 1)


@place
def equality_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __eq__(self, other: object) -> bool:
            return bool(tick() % 2)

        def __hash__(self) -> int:
            return 1

    text = Text("x")
    return Shared(lambda held: text == "x")


@place
def truth_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number(int):
        def __bool__(self) -> bool:
            return bool(tick() % 2)

    number = Number(1)
    return Shared(lambda held: "yes" if number else "no")


@place
def hash_of_a_text_subclass() -> Shared:
    tick = ticker()

    class Text(str):
        def __hash__(self) -> int:
            return int(tick())

    text = Text("x")
    return Shared(lambda held: hash(text))


@place
def index_of_a_number_subclass() -> Shared:
    tick = ticker()

    class Number:
        def __index__(self) -> int:
            return int(tick())

    number = Number()
    return Shared(lambda held: hex(number))


@place
def conversion_to_a_number() -> Shared:
    tick = ticker()

    class Number(str):
        def __int__(self) -> int:
            return int(tick())

    number = Number("1")
    return Shared(lambda held: int(number))


@place
def path_of_an_object() -> Shared:
    import os.path

    tick = ticker()

    class Path:
        def __fspath__(self) -> str:
            return f"dir/{tick()}"

    path = Path()
    return Shared(lambda held: os.path.basename(path))  # noqa: PTH119


@place
def call_of_an_object() -> Shared:
    class Next:
        number = 0

        def __call__(self) -> int:
            Next.number += 1
            return Next.number

    following = Next()
    return Shared(lambda held: following())


@place
def descriptor() -> Shared:
    class Next:
        def __init__(self) -> None:
            self.number = 0

        def __get__(self, instance: Any, owner: Any = None) -> int:
            self.number += 1
            return self.number

    class Sequence:
        number = Next()

    sequence = Sequence()
    return Shared(lambda held: sequence.number)


@place
def descriptor_in_a_class() -> Shared:
    tick = ticker()

    class Next:
        def __get__(self, instance: Any, owner: Any = None) -> int:
            return int(tick())

    class Sequence:
        number = Next()

    return Shared(lambda held: Sequence.number)


@place
def property_of_a_partial() -> Shared:
    tick = ticker()

    class Sequence:
        number = property(lambda self: tick())

    sequence = Sequence()
    return Shared(lambda held: sequence.number)


@place
def property_of_a_c_function() -> Shared:
    following = itertools.count().__next__

    class Counted:
        value = property(lambda self: following())

    counted = Counted()
    return Shared(lambda held: counted.value)


@place
def cached_property() -> Shared:
    tick = ticker()

    class App:
        @functools.cached_property
        def client(self) -> str:
            return f"client {tick()}"

    apps = itertools.cycle((App(), App(), App()))
    return Shared(lambda held: next(apps).client)


@place
def a_client_made_when_first_needed() -> Shared:
    """Made by whichever node needs it first."""
    made: list[str] = []

    class App:
        @functools.cached_property
        def client(self) -> str:
            made.append("client")
            return f"client {len(made)}"

    app = App()
    return Shared(lambda held: app.client, made.clear)


@place
def attribute_made_up() -> Shared:
    tick = ticker()

    class Settings:
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return tick()

    settings = Settings()
    return Shared(lambda held: settings.anything)


@place
def every_attribute_made_up() -> Shared:
    tick = ticker()

    class Settings:
        name = "a"

        def __getattribute__(self, name: str) -> Any:
            return tick() if name == "name" else object.__getattribute__(self, name)

    settings = Settings()
    return Shared(lambda held: settings.name)


@place
def attribute_of_a_metaclass() -> Shared:
    tick = ticker()

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            return tick() if name == "number" else super().__getattribute__(name)

    class Settings(metaclass=Meta):
        number = 0

    return Shared(lambda held: Settings.number)


@place
def attribute_made_up_by_a_module() -> Shared:
    import types

    tick = ticker()
    module: Any = types.ModuleType("hidden_lazy")
    module.__getattr__ = lambda name: tick()
    return Shared(lambda held: module.number)


@place
def attribute_of_a_module_subclass() -> Shared:
    import types

    tick = ticker()

    class Lazy(types.ModuleType):
        number = 0

        def __getattribute__(self, name: str) -> Any:
            return tick() if name == "number" else super().__getattribute__(name)

    module = Lazy("hidden_lazier")
    module.__dict__["number"] = 0
    return Shared(lambda held: module.number)


@place
def slots_and_getattr() -> Shared:
    tick = ticker()

    class Slotted:
        __slots__ = ("number",)

        def __getattr__(self, name: str) -> Any:
            if name == "number":
                return tick()
            raise AttributeError(name)

    slotted = Slotted()
    return Shared(lambda held: getattr(slotted, "number", 0))


@place
def dataclass_default_factory() -> Shared:
    tick = ticker()

    @dataclasses.dataclass
    class Item:
        name: str
        number: int = dataclasses.field(default_factory=tick)

    return Shared(lambda held: Item("a").number)


@place
def dataclass_post_init() -> Shared:
    tick = ticker()

    @dataclasses.dataclass
    class Item:
        name: str
        number: int = 0

        def __post_init__(self) -> None:
            self.number = tick()

    return Shared(lambda held: Item("a").number)


@place
def dataclass_descriptor() -> Shared:
    tick = ticker()

    class Numbered:
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            return 0 if instance is None else tick()

        def __set__(self, instance: Any, value: Any) -> None:
            pass

    @dataclasses.dataclass
    class Item:
        number: Numbered = Numbered()  # noqa: RUF009

    return Shared(lambda held: Item().number)


@place
def pydantic_default_factory() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str
        number: int = Field(default_factory=lambda: tick())

    return Shared(lambda held: Item(name="a").number)


@place
def pydantic_private_factory() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str
        _number: int = PrivateAttr(default_factory=lambda: tick())

    return Shared(lambda held: Item(name="a")._number)


@place
def pydantic_field_validator() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def numbered(cls, value: str) -> str:
            return f"{value}{tick()}"

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_model_validator() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @model_validator(mode="before")
        @classmethod
        def numbered(cls, value: Any) -> Any:
            return {"name": f"{value['name']}{tick()}"}

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_after_validator() -> Shared:
    tick = ticker()

    def numbered(value: str) -> str:
        return f"{value}{tick()}"

    class Item(BaseModel):
        name: Annotated[str, AfterValidator(numbered)]

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_before_validator() -> Shared:
    tick = ticker()

    def numbered(value: str) -> str:
        return f"{value}{tick()}"

    class Item(BaseModel):
        name: Annotated[str, BeforeValidator(numbered)]

    return Shared(lambda held: Item.model_validate({"name": "a"}).name)


@place
def pydantic_wrap_validator() -> Shared:
    tick = ticker()

    def numbered(value: str, inner: Any) -> str:
        return f"{inner(value)}{tick()}"

    class Item(BaseModel):
        name: Annotated[str, WrapValidator(numbered)]

    return Shared(lambda held: Item(name="a").name)


@place
def pydantic_nested_factory() -> Shared:
    tick = ticker()

    class Inner(BaseModel):
        number: int = Field(default_factory=lambda: tick())

    class Outer(BaseModel):
        name: str
        inner: Inner = Field(default_factory=Inner)

    return Shared(lambda held: Outer(name="a").inner.number)


@place
def pydantic_post_init() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        number: int = 0

        def model_post_init(self, context: Any) -> None:
            self.number = tick()

    return Shared(lambda held: Item().number)


@place
def pydantic_computed_field() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @computed_field  # type: ignore[prop-decorator]
        @property
        def number(self) -> int:
            return int(tick())

    return Shared(lambda held: Item(name="a").model_dump())


@place
def pydantic_serializer() -> Shared:
    tick = ticker()

    class Item(BaseModel):
        name: str

        @field_serializer("name")
        def numbered(self, value: str) -> str:
            return f"{value}{tick()}"

    return Shared(lambda held: Item(name="a").model_dump_json())


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
