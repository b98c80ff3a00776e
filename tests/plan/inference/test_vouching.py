"""Names of functions and classes: believed only where the object really is what goes by that name."""

# ruff: noqa: D103 - most functions here are nodes to look at, not tests

from __future__ import annotations

import calendar
import collections
import datetime
import decimal
import functools
import itertools
import json
import math
import operator
import os
import random
import re
import struct
import time
import types
import uuid
import zlib
from typing import Any
from unittest import mock

import pytest
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph.message import add_messages
from pydantic import BaseModel

from optiflow.plan.inference.infer import is_pure_function
from optiflow.plan.inference.knowledge import (
    called_arguments,
    is_outside,
    is_print,
    is_pure,
    pure_methods,
    refused_keywords,
    varies,
)
from optiflow.plan.inference.vouching import home, is_users, is_users_file, name_of_class, own_code, vouched_name

seen: list[Any] = []


@functools.wraps(json.dumps)
def spy(*args: Any, **kwargs: Any) -> str:
    seen.append(args)
    return "spied"


@functools.wraps(uuid.uuid4)
def next_id() -> Any:
    return uuid.UUID(int=1)


def own(value: int) -> int:
    return value


class Impostor(dict):  # type: ignore[type-arg]
    """A class with somebody else's name."""

    __slots__ = ()


Impostor.__module__, Impostor.__qualname__ = "collections", "Counter"


@pytest.mark.parametrize(
    ("obj", "name"),
    [
        (json.dumps, "json.dumps"),
        (math.floor, "math.floor"),
        (operator.add, "_operator.add"),
        (os.path.join, "posixpath.join"),
        (datetime.datetime.now, "datetime.datetime.now"),
        (str.upper, "builtins.str.upper"),
        (str.maketrans, "builtins.str.maketrans"),
        (dict.fromkeys, "builtins.dict.fromkeys"),
        (re.compile("x").findall, "re.Pattern.findall"),
        (itertools.count(1).__next__, "itertools.count.__next__"),
        (ChatPromptTemplate.from_messages, "langchain_core.prompts.chat.ChatPromptTemplate.from_messages"),
        (collections.Counter, "collections.Counter"),
        (AIMessage, "langchain_core.messages.ai.AIMessage"),
        (open, "io.open"),
        (decimal.getcontext, "decimal.getcontext"),
        (spy, None),
        (next_id, None),
        (own, None),
        (Impostor, None),
        (mock.MagicMock(name="x"), None),
        (calendar.month, None),
        (3, None),
    ],
)
def test_names(obj: Any, name: str | None) -> None:
    """Walked to in the module that they name, and found there."""
    assert vouched_name(obj) == name


def test_a_module_that_holds_a_copy_does_not_vouch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name leads to the spy, but its globals are the application's."""
    monkeypatch.setattr(json, "dumps", spy)
    assert vouched_name(json.dumps) is None
    assert not is_pure(json.dumps)


def test_code_put_into_a_librarys_function_is_not_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of the code tells."""
    assert home(json.loads) == "json"
    monkeypatch.setattr(json.loads, "__code__", (lambda *args, **kwargs: None).__code__)
    assert home(json.loads) is None
    assert not is_pure(json.loads)


def test_a_librarys_class_with_a_replaced_method_is_not_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it was looked at before; once restored it is believed again."""
    assert is_pure(AIMessage)
    with monkeypatch.context() as patch:
        patch.setattr(AIMessage, "text", mock.MagicMock())
        assert list(own_code(AIMessage)) == ["text"]
        assert not is_pure(AIMessage)
    assert is_pure(AIMessage)


def test_a_module_of_the_same_name_does_not_vouch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in C is from the module that is its own, not from what stands in its place."""
    monkeypatch.setitem(__import__("sys").modules, "math", types.ModuleType("math"))
    assert vouched_name(math.floor) is None


def test_files_of_the_interpreter_are_no_users_files() -> None:
    """Modules that are frozen into Python have no path."""
    assert not is_users_file("<frozen posixpath>")
    assert is_users(own)
    assert not is_users(os.path.join)


PURE = [
    json.dumps, math.floor, re.sub, str.upper, uuid.uuid4, struct.pack, zlib.compress, functools.reduce,
    datetime.datetime.now, datetime.date.today, itertools.chain.from_iterable, collections.Counter, dict.fromkeys,
    "x".upper, re.compile("x").findall, ValueError, json.JSONDecodeError, AIMessage, add_messages, time.sleep,
    decimal.Decimal.from_float, ChatPromptTemplate.from_messages, str.maketrans, operator.itemgetter,
]  # fmt: skip
IMPURE = [
    spy, next_id, own, Impostor, struct.pack_into, zlib.compressobj, zlib.decompressobj, itertools.count(1).__next__,
    collections.deque([0]).__setitem__, collections.deque.append, [].append, list.sort, calendar.setfirstweekday,
    calendar.month, decimal.getcontext, decimal.setcontext, operator.setitem, operator.iadd, operator.methodcaller,
    json.dump, functools.lru_cache, collections.ChainMap, memoryview, next, setattr, re.compile("x").scanner,
    zlib.compressobj().compress, mock.MagicMock(), ChatPromptTemplate.invoke,
]  # fmt: skip


@pytest.mark.parametrize("obj", PURE, ids=lambda value: getattr(value, "__qualname__", type(value).__name__))
def test_what_only_computes(obj: Any) -> None:
    """Named one by one."""
    assert is_pure(obj)


@pytest.mark.parametrize("obj", IMPURE, ids=lambda obj: type(obj).__name__)
def test_what_keeps_or_changes_something(obj: Any) -> None:
    """Is on no list, whatever module it is in."""
    assert not is_pure(obj)


def test_methods_that_a_subclass_overrides_are_not_its_bases() -> None:
    """What it inherits still is."""

    class Loud(str):
        __slots__ = ()

        def upper(self) -> str:
            return "!"

    assert "upper" not in pure_methods(Loud)
    assert "lower" in pure_methods(Loud)
    assert "findall" in pure_methods(re.Pattern)
    assert "scanner" not in pure_methods(re.Pattern)
    assert not pure_methods(type(zlib.compressobj()))


def test_what_functions_call() -> None:
    """By place and by keyword; an encoder's class is not looked into."""
    assert called_arguments(map) == ({0}, frozenset())
    assert called_arguments(json.dumps) == (frozenset(), {"default"})
    assert called_arguments(spy) == (frozenset(), frozenset())
    assert refused_keywords(json.dumps) == {"cls"}


def test_what_touches_the_world() -> None:
    """By vouched names as well."""

    @functools.wraps(random.randint)
    def loaded(*args: Any) -> int:
        return 6

    assert is_outside(open)
    assert is_outside(os.getenv)
    assert is_outside(random.Random)
    assert is_print(print)
    assert not is_outside(loaded)
    assert not is_print(functools.wraps(print)(lambda *args: None))


def test_what_differs_each_time() -> None:
    """Clocks and identifiers, by what they are and not by what they are called."""
    assert varies(uuid.uuid4)
    assert varies(datetime.datetime.now)
    assert varies(time.time)
    assert not varies(time.sleep)
    assert not varies(next_id)


class Encoder(json.JSONEncoder):
    """Counts what it encodes."""

    def default(self, o: Any) -> Any:
        return own(o)


@pytest.mark.parametrize(
    ("function", "pure"),
    [
        (lambda x: json.dumps(x, default=str), True),
        (lambda x: json.dumps(x, sort_keys=True), True),
        (lambda x: json.dumps(x, cls=None), True),
        (lambda x: json.dumps(x, cls=Encoder), False),
        (lambda x: json.dumps(x, **{"cls": Encoder}), False),
        (lambda x: spy(x), False),
        (lambda x: max([1], default=x), True),
        (lambda x: sorted([1], key=x), False),
        (lambda x: re.sub("a", "b", x), True),
        (lambda x: re.sub("a", x, x), True),
        (lambda x: re.sub("a", spy, x), False),
        (lambda x: type(x), True),
        (lambda x: type("X", (Encoder,), {}), False),
        (lambda x: struct.pack_into("i", bytearray(4), 0, 7), False),
        (lambda x: calendar.monthrange(2024, 1), True),
        (lambda x: calendar.month(2024, 1), False),
    ],
)
def test_calls(function: Any, pure: bool) -> None:
    """What is handed over is looked at too."""
    assert is_pure_function(function, str) is pure


def test_a_model_of_the_application_has_no_vouched_name() -> None:
    """Its library's base has."""

    class Own(BaseModel):
        x: int = 0

    assert name_of_class(Own) is None
    assert name_of_class(BaseModel) == "pydantic.main.BaseModel"
    assert list(own_code(Own)) == []
