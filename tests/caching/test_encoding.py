"""Values as bytes, canonically and faithfully."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import os
import subprocess
import sys
from collections import OrderedDict
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, PrivateAttr

from optiflow.caching.encoding import Codec, CorruptError, UncacheableError, canonical


class Colour(enum.Enum):
    """An enum of the application."""

    RED = 1
    BLUE = 2


class Point(NamedTuple):
    """A named tuple of the application."""

    x: int
    y: int


class Note(BaseModel):
    """A model of the application."""

    text: str
    tags: list[str] = []
    at: dt.datetime | None = None


class Open(BaseModel, extra="allow"):
    """A model that takes more than its fields."""

    a: int = 0


@dataclasses.dataclass
class Record:
    """A dataclass of the application."""

    name: str
    notes: list[Note] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    """A dataclass without a dict."""

    value: int


CLASSES = (Colour, Point, Note, Open, Record, Frozen)
CODEC = Codec(CLASSES)

MOMENT = dt.datetime(2024, 10, 27, 2, 30, 15, 123)
PLAIN = [
    None, True, 0, -1, 2**63, 2**64, -(2**70), 1.5, float("inf"), "ü\n", b"\x00\xff", bytearray(b"x"), 1 + 2j,
    [1, [2]], (1, (2,)), {"a": {"b": [1]}}, {1: "int", "1": "text", (1, 2): "tuple", None: 0}, {1, "a", (2, 3)},
    frozenset({1.5}), Decimal("1.10"), UUID(int=7), dt.date(2024, 2, 29), dt.time(1, 2, 3),
    dt.timedelta(days=-1, microseconds=5), Record("r", [Note(text="x")]), Frozen(3), Open(a=1, b=[2]),
    MOMENT, MOMENT.replace(fold=1, tzinfo=ZoneInfo("Europe/Berlin")), MOMENT.replace(tzinfo=dt.UTC),
    MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30), "NST")), dt.time(1, tzinfo=dt.UTC),
    Colour.BLUE, Point(1, 2), Note(text="n", tags=["t"], at=MOMENT),
]  # fmt: skip
MESSAGES = [
    HumanMessage("hi", name="ada", id="own"),
    SystemMessage([{"type": "text", "text": "parts"}]),
    AIMessage("yes", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "call_1"}], additional_kwargs={"k": [1]},
              usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
              response_metadata={"model": "m"}),
    AIMessageChunk("part"),
    AIMessage("its text").text,
    ToolMessage("done", tool_call_id="call_1", artifact={"a": 1}),
    RemoveMessage(id="gone"),
    Document("text", metadata={"source": "s"}),
]  # fmt: skip


@pytest.mark.parametrize("value", [*PLAIN, *MESSAGES], ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    """Of the same class, equal, and printed the same."""
    back = CODEC.decode(CODEC.encode(value))
    assert type(back) is type(value)
    assert back == value
    assert isinstance(value, set) or repr(back) == repr(value)
    if isinstance(value, BaseModel):
        assert back.model_fields_set == value.model_fields_set
        assert back.model_dump() == value.model_dump()


def test_what_comes_back_is_a_copy() -> None:
    """Whoever changes an outcome changes nobody else's."""
    value = {"list": [1], "note": Note(text="n")}
    stored = CODEC.encode(value)
    CODEC.decode(stored)["list"].append(2)
    assert CODEC.decode(stored) == value
    changed = CODEC.decode(stored)["note"]
    changed.text = "other"
    assert changed.model_fields_set == {"text"}


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(codec="utf-8")) | st.integers(), inner)
        | st.tuples(inner, inner)
        | st.sets(st.integers() | st.text(st.characters(codec="utf-8")))
    ),
    max_leaves=15,
)


def kinds(value: Any) -> Any:
    """A value with the types of all its parts, which ``==`` does not tell apart."""
    if isinstance(value, dict):
        return [(kinds(key), kinds(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [kinds(each) for each in value]
    if isinstance(value, set):
        return {(type(each), each) for each in value}
    return type(value), repr(value)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(json_like)
def test_any_plain_value_comes_back(value: Any) -> None:
    """With all types, and dicts in their order."""
    assert kinds(CODEC.decode(CODEC.encode(value))) == kinds(value)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(json_like, json_like)
def test_equal_means_the_same_bytes(one: Any, other: Any) -> None:
    """A copy has the same bytes; what differs in value or type has others."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return dict, sorted(((plain(key), plain(each)) for key, each in value.items()), key=repr)
        if isinstance(value, list | tuple):
            return type(value), [plain(each) for each in value]
        if isinstance(value, set):
            return set, sorted(map(plain, value), key=repr)
        return type(value), repr(value)

    assert canonical(one) == canonical(CODEC.decode(CODEC.encode(one)))
    assert (canonical(one) == canonical(other)) == (plain(one) == plain(other))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")) | st.integers(), json_like), st.randoms(use_true_random=False)
)
def test_the_order_of_a_dict_does_not_count(value: dict[Any, Any], random: Any) -> None:
    """However it was filled."""
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(value)


SEEDED = """
from langchain_core.messages import HumanMessage
from optiflow.caching.encoding import canonical
words = {"a", "b", "c", "deed", "e", "feed"}
value = {"set": words, "frozen": frozenset(words), "dict": dict.fromkeys(words, 1),
         "nested": [{("x", w) for w in words}],
         "message": HumanMessage("hi", additional_kwargs=dict.fromkeys(words))}
print(canonical(value).hex())
"""


def test_hash_seeds_do_not_count() -> None:
    """Sets and dicts in any order across processes have the same bytes."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", SEEDED],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


def test_different_values_have_different_bytes() -> None:
    """Also those that Python calls equal, and the same fields in another class."""
    values = [
        1, 1.0, True, "1", b"1", [1], (1,), {1}, frozenset({1}), {1: 1}, Point(1, 2), (1, 2), Frozen(1), Note(text="1"),
        HumanMessage("1"), SystemMessage("1"), [[1], 2], [1, [2]], ["list", 1], "list", None, [], (), {}, set(),
    ]  # fmt: skip
    assert len({canonical(value) for value in values}) == len(values)


class Secretive(BaseModel):
    """A model with something that no field shows."""

    _hidden: int = PrivateAttr(default=1)


@dataclasses.dataclass
class Grown:
    """A dataclass that gets an attribute."""

    a: int = 1


def looped() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def grown() -> Grown:
    """A dataclass with more than its fields."""
    value = Grown()
    value.more = 2  # type: ignore[attr-defined]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 1, OrderedDict(a=1), type("Text", (str,), {})("x"), "\ud800", Secretive(), grown(), looped(),
     MOMENT.replace(tzinfo=type("Zone", (dt.tzinfo,), {})()), range(3), {"deep": [object()]}],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_has_no_form_is_refused(value: Any) -> None:
    """Never guessed, and never anything but this one error."""
    with pytest.raises(UncacheableError):
        canonical(value)
    with pytest.raises(UncacheableError):
        Codec([Secretive, Grown]).encode(value)


def test_a_class_that_was_not_named_is_not_kept() -> None:
    """But it can be compared."""
    assert canonical(Note(text="n")) == canonical(Note(text="n", tags=[]))
    with pytest.raises(UncacheableError, match="Note, which the state's schema does not name"):
        Codec().encode(Note(text="n"))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xc1",
        ormsgpack.packb(["unknown kind", 1]),
        ormsgpack.packb([]),
        ormsgpack.packb(["list", ["model", "os:system", [], [], []]]),
        ormsgpack.packb(["enum", "test_encoding:Note", "RED"]),
        ormsgpack.packb(["dataclass", "subprocess:Popen", []]),
        ormsgpack.packb(["given id", 3]),
        ormsgpack.packb(["int", "no number"]),
        CODEC.encode({"a": [1, 2, 3]})[:-2],
    ],
    ids=str,
)
def test_foreign_bytes_are_corrupt(stored: bytes) -> None:
    """They make nothing, import nothing, and raise one error."""
    with pytest.raises(CorruptError):
        CODEC.decode(stored)
