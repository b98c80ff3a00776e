"""What early work reads as a whole, or by way of a class or a library, is compared like everything else."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import decimal
import functools
import json
import operator
import os
import sys
import textwrap
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypedDict
from unittest import mock

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

import optiflow
from optiflow.plan.dataflow.node import ScheduledNode

WAIT = 0.02


class Shared(NamedTuple):
    """Something that a node reads, and how it is changed, and changed back."""

    read: Callable[[], Any]
    change: Callable[[], Any]
    undo: Callable[[], Any] = lambda: None


@dataclasses.dataclass
class Account:
    """A data class of the application's."""

    number: int = 1


class Profile(BaseModel):
    """A model of the application's."""

    number: int = 1


Pair = namedtuple("Pair", ["left"])
Point = namedtuple("Point", ["x"], defaults=[1])


@dataclasses.dataclass
class Holder:
    """Holds something that is replaced."""

    it: Any


def printed() -> Shared:
    """A data class in a text."""
    account = Account()
    return Shared(lambda: f"{account}", lambda: setattr(account, "number", 2))


def compared() -> Shared:
    """A data class that is compared."""
    account = Account()
    return Shared(lambda: account == Account(), lambda: setattr(account, "number", 2))


def as_a_dict() -> Shared:
    """A data class made a dict."""
    account = Account()
    return Shared(lambda: dataclasses.asdict(account), lambda: setattr(account, "number", 2))


def copied() -> Shared:
    """A data class that is copied."""
    account = Account()
    return Shared(lambda: copy.copy(account).number, lambda: setattr(account, "number", 2))


def matched() -> Shared:
    """A data class that is matched."""
    account = Account()

    def read() -> Any:
        match account:
            case Account(number=number):
                return number
        return None

    return Shared(read, lambda: setattr(account, "number", 2))


def a_model_in_a_text() -> Shared:
    """A pydantic model in a text."""
    profile = Profile()
    return Shared(lambda: f"{profile!r}", lambda: setattr(profile, "number", 2))


def a_message() -> Shared:
    """A message in a text."""
    message = HumanMessage("one", id="1")
    return Shared(lambda: str(message), lambda: setattr(message, "content", "two"))


def a_list_in_a_named_tuple() -> Shared:
    """A list that a named tuple holds."""
    pair = Pair([1])
    return Shared(lambda: list(pair.left), lambda: pair.left.append(2))


def an_argument_of_a_partial() -> Shared:
    """A list that a partial function hands over."""
    numbers = [1]
    total = functools.partial(sum, numbers)
    return Shared(lambda: total(), lambda: numbers.append(2))


def a_bound_method() -> Shared:
    """A method that was taken off its list."""
    numbers = [1]
    count = numbers.count
    return Shared(lambda: count(1), lambda: numbers.append(1))


def an_inherited_method() -> Shared:
    """A method that ``super()`` finds."""

    class Base:
        def rate(self) -> int:
            return 1

    class Derived(Base):
        def rate(self) -> int:
            return super().rate()

    one = Derived()
    return Shared(lambda: one.rate(), lambda: setattr(Base, "rate", lambda self: 2))


def an_inherited_method_that_comes() -> Shared:
    """A method that ``super()`` finds nearer than before."""

    class Base:
        def rate(self) -> int:
            return 1

    class Between(Base):
        pass

    class Derived(Between):
        def rate(self) -> int:
            return super().rate()

    one = Derived()
    return Shared(lambda: one.rate(), lambda: setattr(Between, "rate", lambda self: 2))


def a_class_attribute_of_a_new_instance() -> Shared:
    """An attribute of the class of what the node makes."""

    class Order:
        rate = 1

        def __init__(self, count: int) -> None:
            self.count = count

        def total(self) -> int:
            return self.count * self.rate

    return Shared(lambda: Order(2).total(), lambda: setattr(Order, "rate", 2))


def a_class_attribute_of_an_error() -> Shared:
    """An attribute of the class of an error that is caught."""

    class RefusedError(Exception):
        code = 1

    def read() -> Any:
        try:
            raise RefusedError("no")
        except RefusedError as error:
            return error.code

    return Shared(read, lambda: setattr(RefusedError, "code", 2))


def a_default_of_a_field() -> Shared:
    """A default in a method that ``dataclasses`` has made."""

    @dataclasses.dataclass
    class Made:
        number: int = 1

    init: Any = Made.__init__
    return Shared(lambda: Made().number, lambda: setattr(init, "__defaults__", (2,)))


def a_default_of_a_named_tuple() -> Shared:
    """A default in a method that ``namedtuple`` has made."""
    new: Any = Point.__new__
    return Shared(
        lambda: Point().x, lambda: setattr(new, "__defaults__", (2,)), lambda: setattr(new, "__defaults__", (1,))
    )


def an_empty_range() -> Shared:
    """Ranges are equal that print otherwise."""
    holder = Holder(range(0))
    return Shared(lambda: str(holder.it), lambda: setattr(holder, "it", range(5, 5)))


def the_traps_of_decimals() -> Shared:
    """What decimal arithmetic raises."""
    context = decimal.getcontext()

    def read() -> Any:
        try:
            return str(decimal.Decimal(1) / decimal.Decimal(0))
        except decimal.DivisionByZero:
            return "none"

    return Shared(
        read,
        lambda: operator.setitem(context.traps, decimal.DivisionByZero, False),
        lambda: operator.setitem(context.traps, decimal.DivisionByZero, True),
    )


def the_longest_number() -> Shared:
    """How long a number may be that is printed."""
    number = 10**5000

    def read() -> Any:
        try:
            return len(str(number))
        except ValueError:
            return "too long"

    before = sys.get_int_max_str_digits()
    return Shared(read, lambda: sys.set_int_max_str_digits(0), lambda: sys.set_int_max_str_digits(before))


def the_time_zone() -> Shared:
    """The time zone of the process."""
    moment, before = datetime(2024, 1, 1), os.environ.get("TZ")

    def move() -> None:
        os.environ["TZ"] = "Asia/Tokyo" if before != "Asia/Tokyo" else "UTC"
        time.tzset()

    def undo() -> None:
        os.environ.pop("TZ", None) if before is None else os.environ.update(TZ=before)
        time.tzset()

    return Shared(lambda: moment.timestamp(), move, undo)


def an_encoder_of_a_library() -> Shared:
    """What ``json.dumps`` uses for itself."""
    patch = mock.patch.object(json, "_default_encoder", json.JSONEncoder(indent=1))
    return Shared(lambda: json.dumps({"a": 1}), patch.start, patch.stop)


def a_class_of_a_library() -> Shared:
    """What ``textwrap.fill`` uses for itself."""
    patch = mock.patch.object(textwrap, "TextWrapper", return_value=mock.Mock(**{"fill.return_value": "patched"}))
    return Shared(lambda: textwrap.fill("some words", width=5), patch.start, patch.stop)


def a_method_of_a_parser() -> Shared:
    """The method by which a parser does its work."""
    parser = StrOutputParser()
    patch = mock.patch.object(StrOutputParser, "parse", return_value="patched")
    return Shared(lambda: parser.invoke("text"), patch.start, patch.stop)


SHARED = [
    printed, compared, as_a_dict, copied, matched, a_model_in_a_text, a_message, a_list_in_a_named_tuple,
    an_argument_of_a_partial, a_bound_method, an_inherited_method, an_inherited_method_that_comes,
    a_class_attribute_of_a_new_instance, a_class_attribute_of_an_error, a_default_of_a_field,
    a_default_of_a_named_tuple, an_empty_range, the_traps_of_decimals, the_longest_number, the_time_zone,
    an_encoder_of_a_library, a_class_of_a_library, a_method_of_a_parser,
]  # fmt: skip


@pytest.fixture(params=SHARED, ids=lambda make: make.__name__)
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    """One shared thing, put back afterwards."""
    made = request.param()
    yield made
    made.undo()


def graph(shared: Shared, *, change: bool) -> Any:
    """A node, and one behind it that reads what the reducer between them changes."""

    def reducer(left: Any, right: Any) -> Any:
        if right == "first" and change:
            shared.change()
        return right

    schema: Any = TypedDict("schema", {"a": Annotated[Any, reducer], "b": Any, "q": Any})
    read = shared.read

    def first(state: dict[str, Any]) -> dict[str, Any]:
        time.sleep(WAIT * 2)
        return {"a": "first"}

    def second(state: dict[str, Any]) -> dict[str, Any]:
        found = read()
        time.sleep(WAIT)
        return {"b": found}

    builder: Any = StateGraph(schema)
    builder.add_sequence([("first", first), ("second", second)])
    builder.add_edge(START, "first")
    builder.add_edge("second", END)
    return optiflow.compile(builder, "parallel")


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_a_change_before_the_turn_is_seen(shared: Shared, mode: str) -> None:
    """The node reads what is there in its turn."""
    before = shared.read()
    made = graph(shared, change=True)
    state = {"q": 1, "a": "before"}
    found = asyncio.run(made.ainvoke(state)) if mode == "ainvoke" else made.invoke(state)
    assert found["b"] == shared.read() != before


def test_what_stays_is_read_early(shared: Shared) -> None:
    """A guard that holds costs nothing: the early work is handed over."""
    made = graph(shared, change=False)
    assert made.invoke({"q": 1, "a": "before"})["b"] == shared.read()
    node = next(each.node for each in made.nodes.values() if isinstance(each.node, ScheduledNode))
    assert dict(node.schedule.tally.statistics())["handed_over"] == 1
