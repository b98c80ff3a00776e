"""A value as it was when something was told of it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from pydantic import BaseModel, PrivateAttr

from optiflow.plan.dataflow.snapshot import snapshot


class Model(BaseModel):
    """A model with private data."""

    parts: list[int]
    _private: int = PrivateAttr(default=1)


@pytest.mark.parametrize(
    "value", [1, "x", [1, [2]], {"a": (1, [2])}, Model(parts=[1]), AIMessage("x"), object(), {1, 2}]
)
def test_what_is_unchanged_is_the_same_object(value: Any) -> None:
    """A handler that keeps or changes it has the node's own."""
    assert snapshot([value]).restored()[0] is value
    whole = [value]
    assert snapshot(whole).restored() is whole


def test_what_has_changed_is_given_back_as_it_was() -> None:
    """At any depth; what has not changed in it stays the same object."""
    inner, kept = [1], [2]
    value = {"list": inner, "kept": kept, "tuple": (inner,)}
    taken = snapshot(value)
    inner.append(2)
    value["new"] = inner
    restored = taken.restored()
    assert restored == {"list": [1], "kept": [2], "tuple": ([1],)}
    assert restored["kept"] is kept
    assert value["list"] == [1, 2]


def test_an_entry_that_was_replaced() -> None:
    """By one that is equal or not."""
    value = [[1], "x"]
    taken, first = snapshot(value), value[0]
    value[0] = [1]
    assert taken.restored()[0] is first


def test_messages_and_models() -> None:
    """What a node writes into an answer afterwards was not there."""
    answer = AIMessage("x", additional_kwargs={"a": 1})
    result = LLMResult(generations=[[ChatGeneration(message=answer)]])
    model = Model(parts=[1])
    taken = snapshot([result, model, HumanMessage("y")])
    answer.name = "agent"
    answer.additional_kwargs["b"] = 2
    model.parts.append(2)
    model._private = 3
    restored, made, _ = taken.restored()
    was = restored.generations[0][0].message
    assert (was.name, was.additional_kwargs, was.content) == (None, {"a": 1}, "x")
    assert type(was) is AIMessage
    assert isinstance(made, Model)
    assert made.parts == [1]
    assert answer.name == "agent"


def test_what_is_apart_and_what_is_large() -> None:
    """They are taken as they are."""
    apart, large, endless = [1], list(range(5000)), list[Any]()
    endless.append(endless)
    taken = snapshot([apart, large, endless], apart)
    apart.append(2)
    large.append(1)
    one, two, _ = taken.restored()
    assert one is apart
    assert two is large
    many = [[number] for number in range(1500)]
    taken = snapshot([many, many])
    many[0].append(1)
    first, second = taken.restored()
    assert len(first) == len(second) == 1500
