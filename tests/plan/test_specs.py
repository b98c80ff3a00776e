"""Copies of LangGraph's specs of nodes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pytest
from langgraph.graph import StateGraph
from langgraph.graph._node import StateNodeSpec

from optiflow.plan.specs import _slots, copied


def test_specs_are_copied_field_by_field() -> None:
    """All fields are the same objects, and the copy is another one; the quick way is taken."""
    builder = StateGraph(dict)
    builder.add_node("node", lambda state: state, metadata={"a": 1}, defer=True)
    spec = builder.nodes["node"]
    clone = copied(spec)
    assert type(clone) is type(spec)
    assert clone is not spec
    assert all(getattr(clone, each.name) is getattr(spec, each.name) for each in fields(spec))
    assert _slots(StateNodeSpec) is not None


@dataclass
class Open:
    """May hold more than its fields."""

    a: int


class Own:
    """Copies itself."""

    def __init__(self) -> None:
        self.copies = 0

    def __copy__(self) -> Own:
        self.copies += 1
        return self


@dataclass(slots=True)
class More(Open):
    """Has fields in slots, and a dictionary beside them."""

    b: int = 2


@pytest.mark.parametrize("spec", [Open(1), More(1, 3)])
def test_others_are_copied_as_python_does(spec: Any) -> None:
    """With everything that they hold."""
    spec.more = [1]
    clone = copied(spec)
    assert clone is not spec
    assert (clone, clone.more) == (spec, [1])


def test_what_copies_itself_is_asked() -> None:
    """It may have its reasons."""
    own = Own()
    assert copied(own) is own
    assert own.copies == 1
