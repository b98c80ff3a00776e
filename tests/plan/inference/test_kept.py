"""Effects are inferred once for all functions of one code that close over the same things."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from optiflow.plan.effects import Effects
from optiflow.plan.guards.reads import Cell, FunctionPart
from optiflow.plan.inference import kept
from optiflow.plan.inference.infer import infer_effects
from optiflow.plan.inference.kept import forget, kept_effects

LIMIT = 1


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    """Each test begins with nothing."""
    forget()
    yield
    forget()


class Thing:
    """Something that is closed over."""


def make(value: Any, default: Any = 1) -> Callable[..., Any]:
    """A function that closes over a value."""

    def node(state: Any, number: Any = default) -> Any:
        return {"a": state["b"], "c": value, "d": LIMIT, "e": number}

    return node


def effects_of(function: Callable[..., Any]) -> Effects:
    """Its effects, as of a node."""
    from langgraph._internal._runnable import RunnableCallable

    return infer_effects(RunnableCallable(function), dict, frozenset({"b"}))


class Counter:
    """Infers, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Effects:
        self.times += 1
        return Effects.unknown("counted")


def test_one_code_with_the_same_variables_is_looked_at_once() -> None:
    """Whoever makes the function anew."""
    infer = Counter()
    for _ in range(3):
        kept_effects(make("text"), "schema", infer)  # type: ignore[arg-type]
    assert infer.times == 1
    kept_effects(make("text"), "another schema", infer)  # type: ignore[arg-type]
    assert infer.times == 2


@pytest.mark.parametrize("other", [("other", 1), ("text", 2), ("text", True), (b"text", 1), (Thing(), 1), (len, 1)])
def test_other_variables_are_other_effects(other: tuple[Any, Any]) -> None:
    """By type and value, or identity."""
    infer = Counter()
    kept_effects(make("text"), "", infer)  # type: ignore[arg-type]
    kept_effects(make(*other), "", infer)  # type: ignore[arg-type]
    assert infer.times == 2


def test_reads_are_those_of_the_new_function() -> None:
    """Its own variables, code and defaults are guarded, not those of the function that was looked at first."""
    first, second = make("text"), make("text")
    assert effects_of(first).seen
    effects = effects_of(second)
    assert effects.reads == {"b"}
    cells = [read.place.cell for read in effects.seen if isinstance(read.place, Cell)]
    parts = [read.place.function for read in effects.seen if isinstance(read.place, FunctionPart)]
    assert cells == list(second.__closure__ or ())  # type: ignore[attr-defined]
    assert parts == [second, second]


def test_a_change_outside_is_looked_at_again() -> None:
    """A global that is another one than when the code was looked at."""
    assert effects_of(make("text")).seen
    with mock.patch(f"{__name__}.LIMIT", 2):
        assert any(read.seen == 2 for read in effects_of(make("text")).seen)


def test_what_is_closed_over_for_one_request_is_not_kept_alive() -> None:
    """An object that no second function closes over goes with its function."""
    thing = Thing()
    gone = weakref.ref(thing)
    effects_of(make(thing))
    del thing
    gc.collect()
    assert gone() is None


def test_what_is_closed_over_again_is_looked_at_once_more_only() -> None:
    """The second function with the same object shows that it lasts."""
    thing, infer = Thing(), Counter()
    for _ in range(4):
        kept_effects(make(thing), "", infer)  # type: ignore[arg-type]
    assert infer.times == 2


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used goes first."""
    monkeypatch.setattr(kept, "_MOST", 2)
    infer = Counter()
    for text in ("a", "b", "a", "c", "a"):
        kept_effects(make(text), "", infer)  # type: ignore[arg-type]
    assert infer.times == 3
    kept_effects(make("b"), "", infer)  # type: ignore[arg-type]
    assert infer.times == 4
