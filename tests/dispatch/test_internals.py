"""Tests of what is known of LangGraph."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.pregel import Pregel, _algo

from optiflow.dispatch import internals
from optiflow.dispatch.internals import Originals, digest, known_digests, names_used, rebound, why_unknown

FACTOR = 2


def scaled(value: int, *, more: int = 1) -> int:
    """Multiply."""
    return value * FACTOR + more


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What is found out is remembered for the process."""
    why_unknown.cache_clear()
    yield
    why_unknown.cache_clear()


def test_a_rebound_function_finds_other_objects_under_the_same_names() -> None:
    """Its defaults, name and text stay, and so does the function itself."""
    other = rebound(scaled, FACTOR=10)
    assert (other(2), other(2, more=5), scaled(2)) == (21, 25, 5)
    assert (other.__name__, other.__qualname__, other.__doc__) == ("scaled", "scaled", "Multiply.")
    assert other.__annotations__ == scaled.__annotations__


def test_the_installed_langgraph_is_known() -> None:
    """Every part that is built upon is as it was."""
    assert why_unknown() is None
    assert all(digest(place) in known for place, known in known_digests().items())


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("langgraph.pregel._algo:apply_writes", "langgraph.pregel._algo.apply_writes differs"),
        ("langgraph.runtime:Runtime", "langgraph.runtime.Runtime differs"),
    ],
)
def test_another_langgraph_is_refused_with_the_part_that_differs(
    monkeypatch: pytest.MonkeyPatch, place: str, reason: str
) -> None:
    """The reason names the part."""
    monkeypatch.setattr(internals, "known_digests", lambda: {place: ["0" * 16]})
    assert reason in str(why_unknown())


def test_another_langchain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names LangChain."""
    monkeypatch.setattr("optiflow.dispatch.managers.is_known_langchain", lambda: False)
    assert "LangChain" in str(why_unknown())


def test_a_wrapped_function_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that replaced a function before is noticed, though its wrapper claims to be the function."""

    @functools.wraps(Pregel.stream)
    def traced(*args: Any, **kwargs: Any) -> Any:
        return None

    monkeypatch.setattr(Pregel, "stream", traced)
    assert "Pregel.stream differs" in str(why_unknown())


@pytest.mark.parametrize("place", ["no.such.module", "langgraph.pregel.main:Nothing", "langgraph.pregel:Pregel"])
def test_what_is_not_there_has_no_digest(place: str) -> None:
    """A part that was removed, or is of another kind, never equals a known one."""
    assert digest(place) == ""


def test_a_function_at_the_end_of_its_file_is_read_to_the_end() -> None:
    """There is no line after it that would end it."""
    assert digest(f"{__name__}:last")
    assert digest(f"{__name__}:last") != digest(f"{__name__}:scaled")


def test_originals_notice_a_replacement(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a class or a module, and its removal too."""
    owner = SimpleNamespace(work=len)
    originals = Originals((vars(_algo), ("apply_writes", "local_read")), (vars(owner), ("work",)))
    assert originals.intact()
    with monkeypatch.context() as patch:
        patch.setattr(_algo, "apply_writes", lambda *args: set())
        assert not originals.intact()
    assert originals.intact()
    del owner.work
    assert not originals.intact()


def test_the_names_that_a_function_uses_are_global_ones() -> None:
    """Those of functions within it too, and nothing that is no function or class of the module."""

    def outer(value: int) -> Any:
        return [lambda: scaled(value) for _ in range(value) if FACTOR]

    ((space, names),) = names_used(outer)
    assert space is globals()
    assert names == ["scaled"]


def last() -> None:
    """End the file."""
