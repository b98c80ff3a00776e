"""Code that runs although nobody calls it: when an instance is made, copied, dumped or looked at."""

# ruff: noqa: D103, N818 - the classes here are looked at, as people write them

from __future__ import annotations

import abc
import datetime
import enum
import functools
import itertools
import textwrap
import uuid
from collections import Counter, UserDict
from dataclasses import InitVar, dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, TypedDict, TypeVar

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import StateGraph
from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PastDate,
    PrivateAttr,
    RootModel,
    Tag,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from optiflow.plan.graph_plan import GraphPlan
from optiflow.plan.inference.hidden import hidden_code
from optiflow.plan.inference.operations import computed_attributes, hidden_operations, inert
from optiflow.plan.schema import computed_fields, hidden_readers

counter = itertools.count()
seen: list[Any] = []
T = TypeVar("T")


def note(value: Any) -> Any:
    seen.append(value)
    return value


def clean(value: Any) -> Any:
    return value


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"

    @property
    def upper_value(self) -> str:
        return self.value.upper()


class Lenient(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        seen.append(value)
        return cls.RED


class Quiet(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return None


# Innocent: instances only store, or what runs can be followed.


class Point(NamedTuple):
    x: int
    y: int = 0


class Sub(BaseModel):
    price: Decimal = Decimal(1)
    day: datetime.date | None = None


class Wide(BaseModel):
    model_config = ConfigDict(extra="allow", alias_generator=AliasGenerator(validation_alias=str.upper))

    name: str = Field(default="x", min_length=1, pattern="x")
    tags: list[str] = Field(default_factory=list)
    color: Color = Color.RED
    sub: Sub = Sub()
    more: dict[str, Sub | int] = {}
    messages: list[AnyMessage] = []
    point: Point = Point(1)
    any: Any = None
    _hidden: dict[str, int] = PrivateAttr(default_factory=dict)


class Boxed(BaseModel, Generic[T]):
    value: T | None = None


class Names(RootModel[list[str]]):
    root: list[str] = []


class Cleaned(BaseModel):
    name: Annotated[str, AfterValidator(clean)] = ""

    @field_validator("name")
    @classmethod
    def strip(cls, value: str) -> str:
        return value.strip()


class Identified(BaseModel):
    id: str = Field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class Stored:
    name: str = ""
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Frozen:
    size: int = 0


@dataclass
class Finished:
    name: str = ""
    length: int = 0

    def __post_init__(self) -> None:
        self.length = len(self.name)


@pydantic_dataclass
class Checked:
    name: str = ""


class Failure(Exception):
    pass


class Coded(Exception):
    def __init__(self, code: int = 0) -> None:
        super().__init__(str(code))
        self.code = code


class Plain:
    def __init__(self, *args: Any) -> None:
        self.args = args


class Abstract(abc.ABC):
    def __init__(self, *args: Any) -> None:
        self.args = args

    @abc.abstractmethod
    def size(self) -> int: ...


class Concrete(Abstract):
    def size(self) -> int:
        return 1

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Words(list):  # type: ignore[type-arg]
    pass


class Caller:
    def __call__(self) -> int:
        return next(counter)


class Told(TypedDict, total=False):
    a: int


class Partly(BaseModel):
    name: str = Field(default_factory=functools.partial(str.upper, "x"))
    many: list[Any] = [(1, {"a": [2]}), Stored("x"), Point(3)]


class Tree(BaseModel):
    children: list[Tree] = []


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


class Based(Plain):
    def size(self) -> int:
        return len(self.args)


class Rebased(Based):
    def size(self) -> int:
        return super().size() + 1


INNOCENT = [
    Partly, Tree, Rebased,
    Point, Sub, Wide, Boxed[int], Names, Cleaned, Identified, Stored, Frozen, Finished, Checked, Failure, Coded, Plain,
    Concrete, Words, Told, AIMessage, Document, Counter,
]  # fmt: skip


# What runs is the application's, and more than can be followed.


class FactoryCounts(BaseModel):
    id: int = Field(default_factory=lambda: next(counter))


class FactoryIsAnIterators(BaseModel):
    id: int = Field(default_factory=counter.__next__)


class PrivateCounts(BaseModel):
    _id: int = PrivateAttr(default_factory=lambda: next(counter))


class After(BaseModel):
    name: Annotated[str, AfterValidator(note)] = ""


class Before(BaseModel):
    name: Annotated[list[Annotated[str, BeforeValidator(note)]], "x"] = []


class Noted(BaseModel):
    name: str = ""

    @field_validator("name", mode="wrap")
    @classmethod
    def check(cls, value: Any, handler: Any) -> Any:
        return handler(note(value))


class WholeNoted(BaseModel):
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def whole(cls, data: Any) -> Any:
        return note(data)


class NestedNoted(BaseModel):
    inner: dict[str, list[After]] = {}


class InheritsNoted(Noted):
    other: int = 0


class PostNoted(BaseModel):
    name: str = ""

    def model_post_init(self, context: Any) -> None:
        seen.append(self.name)


class PostAndPrivate(BaseModel):
    _x: int = 0

    def model_post_init(self, context: Any) -> None:
        seen.append(1)


class NestedPost(BaseModel):
    inner: PostNoted = Field(default_factory=PostNoted)


class OwnInit(BaseModel):
    name: str = ""

    def __init__(self, **data: Any) -> None:
        super().__init__(**note(data))


class OwnNew(BaseModel):
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        seen.append(cls)
        return super().__new__(cls)


class OwnSchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(note)


class HasOwnSchema(BaseModel):
    x: Annotated[Any, OwnSchema] = None


class Dumped(BaseModel):
    name: str = ""

    @field_serializer("name")
    def shown(self, value: str) -> str:
        return str(note(value))


class Computed(BaseModel):
    name: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ticket(self) -> int:
        return next(counter)


def kind_of(value: Any) -> str:
    seen.append(value)
    return "int"


class Picked(BaseModel):
    x: Annotated[Annotated[int, Tag("int")] | Annotated[str, Tag("str")], Discriminator(kind_of)] = 1


class InThePast(BaseModel):
    day: PastDate | None = None


class NotThere(BaseModel):
    later: Later | None = None  # type: ignore[name-defined]  # noqa: F821


class GenericNoted(BaseModel, Generic[T]):
    value: Annotated[T | None, AfterValidator(note)] = None


class RootNoted(RootModel[Annotated[list[str], AfterValidator(note)]]):
    root: Annotated[list[str], AfterValidator(note)] = []


@dataclass
class DataFactoryCounts:
    id: int = field(default_factory=counter.__next__)


@dataclass
class InheritsFactory(DataFactoryCounts):
    name: str = ""


@dataclass
class PostCounts:
    def __post_init__(self) -> None:
        seen.append(self)


@dataclass
class TakesInit:
    name: InitVar[str] = ""

    def __post_init__(self, name: str) -> None:
        seen.append(name)


class Watching:
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return 1

    def __set__(self, instance: Any, value: Any) -> None:
        seen.append(value)


@dataclass
class WatchedField:
    x: Any = Watching()


@dataclass
class Setting:
    x: int = 0

    def __setattr__(self, name: str, value: Any) -> None:
        seen.append(name)
        object.__setattr__(self, name, value)


class PointNew(Point):
    def __new__(cls, x: int = 0) -> Any:
        seen.append(x)
        return super().__new__(cls, x)


class Counting(Exception):
    def __init__(self) -> None:
        seen.append(1)
        super().__init__()


class NewCounting(Exception):
    def __new__(cls, *args: Any) -> Any:
        seen.append(1)
        return super().__new__(cls, *args)


class PlainNew:
    def __new__(cls) -> Any:
        seen.append(cls)
        return object.__new__(cls)


class Calling(type):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        seen.append(cls)
        return super().__call__(*args, **kwargs)


class MadeByMeta(metaclass=Calling):
    pass


class Dropped:
    def __del__(self) -> None:
        seen.append(1)


class Users(UserDict):  # type: ignore[type-arg]
    pass


class DictInit(dict):  # type: ignore[type-arg]
    def __init__(self, *args: Any) -> None:
        seen.append(args)


class FactoryOfALibrary(BaseModel):
    x: Any = Field(default_factory=textwrap.TextWrapper().fill)  # type: ignore[arg-type]


class FactoryIsCalled(BaseModel):
    x: Any = Field(default_factory=Caller())


class PartlyNoted(BaseModel):
    x: Any = Field(default_factory=functools.partial(note, Plain()))


class KeepsAnObject(BaseModel):
    x: Any = Plain()


class TooDeep(BaseModel):
    x: Any = [[[[[[[1]]]]]]]


class Setter:
    @property
    def x(self) -> int:
        return 1

    @x.setter
    def x(self, value: int) -> None:
        seen.append(value)


@dataclass
class SetsAProperty:
    x: int = 0


SetsAProperty.x = Setter.x  # type: ignore[assignment]


@dataclass
class PostIsNoFunction:
    __post_init__ = functools.partial(note, 1)


class IterNoted(BaseModel):
    def __iter__(self) -> Any:
        seen.append(1)
        return iter(())


class ComparesMembers(enum.Enum):
    ONE = 1

    def __eq__(self, other: object) -> bool:
        seen.append(other)
        return True

    __hash__ = None  # type: ignore[assignment]


class KeepsAMember(BaseModel):
    x: ComparesMembers = ComparesMembers.ONE


class CombinedNoted(enum.Flag):
    def __new__(cls, value: int) -> Any:
        seen.append(value)
        made = object.__new__(cls)
        made._value_ = value
        return made

    ONE = 1


class InitIsNoFunction:
    __init__ = functools.partial(note, 1)  # type: ignore[assignment]


class SuperElsewhere(Plain):
    def __init__(self) -> None:
        super().nothing()  # type: ignore[misc]


class SuperInside(Plain):
    def __init__(self) -> None:
        def inner() -> None:
            super(SuperInside, self).__init__()

        inner()


class SuperOfNothing(dict):  # type: ignore[type-arg]
    def __init__(self) -> None:
        super().__init__()


RUNNING = [
    FactoryOfALibrary, FactoryIsCalled, PartlyNoted, KeepsAnObject, TooDeep, SetsAProperty, PostIsNoFunction, IterNoted,
    KeepsAMember, CombinedNoted, InitIsNoFunction, SuperElsewhere, SuperInside, SuperOfNothing,
    FactoryCounts, FactoryIsAnIterators, PrivateCounts, After, Before, Noted, WholeNoted, NestedNoted, InheritsNoted,
    PostNoted, PostAndPrivate, NestedPost, OwnInit, OwnNew, HasOwnSchema, Dumped, Computed, Picked, InThePast, NotThere,
    GenericNoted[int], RootNoted, DataFactoryCounts, InheritsFactory, PostCounts, TakesInit, WatchedField, Setting,
    PointNew, Counting, NewCounting, PlainNew, MadeByMeta, Dropped, Users, DictInit,
]  # fmt: skip


def effects_of(node: Any, schema: Any = Told) -> Any:
    return GraphPlan.of(StateGraph(schema).add_node("node", node)).nodes["node"].effects


def maker(cls: Any, *args: Any) -> Any:
    def node(state: Told) -> Any:
        made = cls(*args)
        return {"a": 1 if made is None else 2}

    return node


@pytest.mark.parametrize("cls", INNOCENT, ids=lambda cls: cls.__name__)
def test_making_what_only_stores(cls: Any) -> None:
    """Or what the analysis can follow to its end."""
    found = effects_of(maker(cls, 1) if cls is Point else maker(cls))
    assert found.known, found.reason


@pytest.mark.parametrize("cls", RUNNING, ids=lambda cls: cls.__name__)
def test_making_what_runs_code(cls: Any) -> None:
    """The application's code runs, and is found however deep it hides."""
    found = effects_of(maker(cls, 1) if issubclass(cls, enum.Enum) else maker(cls))
    assert not found.known
    assert found.source == "unknown"


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (FactoryCounts, "'builtins.next', which is not known"),
        (After, "did not make"),
        (OwnInit, "OwnInit.__init__ runs before its fields are validated"),
        (OwnNew, "OwnNew.__new__ is the application's own"),
        (InThePast, "compared with the clock"),
        (NotThere, "not complete yet"),
        (TakesInit, "__post_init__ takes arguments"),
        (WatchedField, "WatchedField.x is stored by code of its own"),
        (Setting, "Setting.__setattr__ is the application's own"),
        (MadeByMeta, "the class of MadeByMeta has a say"),
        (Dropped, "Dropped.__del__ runs when an instance is dropped"),
        (Users, "Users.__init__ is a library's"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_reasons(cls: Any, reason: str) -> None:
    """In words that a person can look for."""
    assert reason in effects_of(maker(cls)).reason


def raises_a_class(state: Told) -> Any:
    raise Counting


def raises_an_innocent(state: Told) -> Any:
    raise Coded from Failure()


def catches(state: Told) -> Any:
    try:
        raise Coded(3)
    except Coded as error:
        return {"a": str(error)}


def dumps(state: Told) -> Any:
    return {"a": Sub().model_dump()}


def dumps_noted(state: Told) -> Any:
    return {"a": Dumped.model_construct(name="x").model_dump()}


def validates(state: Told) -> Any:
    return {"a": After.model_validate({})}


def replaces(state: Told) -> Any:
    return {"a": replace(Stored(), name="x")}


def replaces_counting(state: Told) -> Any:
    return {"a": replace(state["a"], name="x")}  # type: ignore[type-var]


def finds(state: Told) -> Any:
    return {"a": Color("red").value}


def misses(state: Told) -> Any:
    return {"a": Lenient("x").value}


def misses_quietly(state: Told) -> Any:
    return {"a": Quiet("red").value}


def formats(state: Told) -> Any:
    return {"a": f"{Computed.model_construct().ticket}"}


class Seller:
    @property
    def ticket(self) -> int:
        return next(counter)


def formats_an_attribute(state: Told) -> Any:
    return {"a": f"{Seller().ticket}"}


@pytest.mark.parametrize(
    ("node", "known"),
    [
        (raises_a_class, False),
        (raises_an_innocent, True),
        (catches, True),
        (dumps, True),
        (dumps_noted, False),
        (validates, False),
        (replaces, True),
        (replaces_counting, False),
        (finds, True),
        (misses, False),
        (misses_quietly, True),
        (formats, False),
        (formats_an_attribute, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_other_ways_to_the_same_code(node: Any, known: bool) -> None:
    """Raising a class, dumping, validating, replacing, looking up a member, formatting."""
    found = effects_of(node)
    assert found.known is known, found.reason


# Operations on instances.


class Sized(BaseModel):
    def __len__(self) -> int:
        return next(counter)


@dataclass
class Equal:
    def __eq__(self, other: object) -> bool:
        seen.append(other)
        return True


class Named(BaseModel):
    @property
    def title(self) -> str:
        return str(next(counter))


class Splitting(BaseModel):
    def split(self) -> int:
        return next(counter)


class Asked(BaseModel):
    def total(self) -> int:
        return 1


class Odd(enum.Enum):
    ONE = Watching()


class Text(str):
    __slots__ = ()


@dataclass
class InText(str):
    x: int = 0


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (AIMessage, True),
        (Document, True),
        (Sub, True),
        (Wide, True),
        (Stored, True),
        (Frozen, True),
        (Point, True),
        (Asked, True),
        (After, True),
        (Quiet, True),
        (Color, False),
        (Sized, False),
        (Equal, False),
        (Named, False),
        (Splitting, False),
        (Computed, False),
        (Setting, False),
        (WatchedField, False),
        (PointNew, False),
        (MadeByMeta, False),
        (Odd, False),
        (Text, False),
        (InText, False),
        (Plain, False),
        (Counter, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_inert(cls: Any, expected: bool) -> None:
    """Every operation on an instance runs only known code."""
    assert inert(cls) is expected


def test_what_is_computed() -> None:
    """Properties and whatever makes attributes up; not methods, which somebody calls."""

    class MadeUp:
        def __getattr__(self, name: str) -> Any:
            return next(counter)

    assert computed_attributes(Named) == {"title"}
    assert computed_attributes(MadeUp) == {"*"}
    assert computed_attributes(Asked) == frozenset()
    assert list(hidden_operations(Splitting)) == ["split"]


@pytest.mark.parametrize(
    ("schema", "hidden"),
    [
        (Told, None),
        (int, None),
        (Wide, None),
        (Stored, None),
        (Named, None),
        (Asked, None),
        (After, "note"),
        (NestedNoted, "note"),
        (FactoryCounts, "<lambda>"),
        (PostNoted, "model_post_init"),
        (Computed, "ticket"),
        (Sized, "__len__"),
        (Finished, "__post_init__"),
        (OwnNew, "OwnNew.__new__ is the application's own"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_hidden_readers(schema: Any, hidden: str | None) -> None:
    """What a state schema runs before a node sees its state."""
    assert hidden_readers(schema) == hidden


def test_a_property_of_the_state_is_no_field() -> None:
    """A node that reads it runs the schema's code; one that doesn't runs none."""

    def reads(state: Named) -> Any:
        return {"title": state.title}

    def reads_not(state: Named) -> Any:
        return {}

    assert computed_fields(Named) == {"title"}
    assert computed_fields(Told) == frozenset()
    assert "computed by code of its schema" in effects_of(reads, Named).reason
    assert effects_of(reads_not, Named).known


def test_hidden_code_of_a_library_is_none() -> None:
    """Messages have validators of LangChain's own."""
    assert hidden_code(AIMessage).first is None
    assert hidden_code(enum.Enum).first == "calling Enum makes a class"
