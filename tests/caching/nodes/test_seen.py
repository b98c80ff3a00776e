"""What a node sees in one call."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.runnables.config import var_child_runnable_config

from optiflow.caching.encoding import UncacheableError
from optiflow.caching.nodes.seen import Visible, key_of, see


@dataclass
class State:
    """A state that is an object."""

    a: int = 1
    b: int = 2


def visible(reads: set[str] | None, schema: Any = None, settings: set[str] | None = frozenset()) -> Visible:
    """What a node of a test can see."""
    return Visible(reads and frozenset(reads), schema, None if settings is None else frozenset(settings))


@pytest.mark.parametrize(
    ("reads", "schema", "state", "seen"),
    [
        ({"a"}, None, {"a": 1, "b": 2}, {"a": 1}),
        ({"a", "c"}, None, {"a": 1, "b": 2}, {"a": 1}),
        ({"a"}, State, State(), {"a": 1}),
        (None, State, State(), State()),
        (None, None, {"a": 1}, {"a": 1}),
        ({"a"}, None, "sent", "sent"),
        ({"a"}, State, "sent", "sent"),
    ],
)
def test_the_state_is_what_is_read_of_it(reads: Any, schema: Any, state: Any, seen: Any) -> None:
    """Whole where that is not known, or where a ``Send`` brought something else."""
    assert see(visible(reads, schema), state).state == seen


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        (frozenset(), {"user": "ada"}),
        ({"thread_id"}, {"user": "ada", "thread_id": "1"}),
        (None, {"user": "ada", "thread_id": "1"}),
    ],
)
def test_langgraphs_own_entries_are_left_out(settings: Any, seen: dict[str, str]) -> None:
    """The thread counts only where it may be read."""
    configurable = {"user": "ada", "thread_id": "1", "checkpoint_ns": "", "__pregel_task_id": "x"}
    token = var_child_runnable_config.set({"configurable": configurable})
    try:
        assert see(visible({"a"}, settings=settings), {}).configurable == seen
    finally:
        var_child_runnable_config.reset(token)


def test_without_a_run_there_is_nothing_to_see() -> None:
    """As when a node's function is called by itself."""
    seen = see(visible({"a"}), {"a": 1})
    assert (seen.configurable, seen.context, seen.streams_tokens, seen.resumes) == ({}, None, False, False)


@dataclass
class Hostile:
    """An object that fails when it is looked at."""

    @property
    def field(self) -> int:
        """Fail."""
        raise ValueError("leave me alone")


Hostile.__dataclass_fields__["field"] = copy.copy(State.__dataclass_fields__["a"])
Hostile.__dataclass_fields__["field"].name = "field"


def test_a_state_that_fails_when_looked_at_is_not_compared() -> None:
    """Whatever it raises."""
    with pytest.raises(UncacheableError, match="ValueError: leave me alone"):
        key_of(see(visible(None), Hostile()))
