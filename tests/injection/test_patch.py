"""Patching LangGraph's own ways to make a graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph

from optiflow import api
from optiflow.injection import patch
from optiflow.injection.hook import CONFIGURATION, STRICT, TARGETS


class State(TypedDict, total=False):
    text: str


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[type[StateGraph[State]], type[entrypoint[Any]]]]:
    """Subclasses of LangGraph's own, patched as those would be in a program with this configuration."""

    def patched(opt: object) -> tuple[type[StateGraph[State]], type[entrypoint[Any]]]:
        monkeypatch.setenv(CONFIGURATION, json.dumps(opt))
        patch._write_once.cache_clear()
        state, func = (ModuleType(name) for name in TARGETS)

        class Builder(StateGraph[State]):
            def compile(self, *args: Any, **kwargs: Any) -> Any:
                return super().compile(*args, **kwargs)

        class Decorator(entrypoint[Any]):
            def __call__(self, func: Any) -> Any:
                return super().__call__(func)

        state.StateGraph, func.entrypoint = Builder, Decorator  # type: ignore[attr-defined]
        for module in (state, func, state):
            patch.apply(module)
        return Builder, Decorator

    return patched


def filled(builder: Any) -> Any:
    """A graph of one node."""
    builder.add_node("node", lambda state: {"text": "done"})
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder


def test_every_graph_comes_out_optimized(patched: Any) -> None:
    """Of the builder, however compile is called, and of the functional API."""
    builder_class, decorator = patched({"cache": {}})
    builder = filled(builder_class(State))
    for graph in (builder.compile(), builder.compile(None, name="mine"), builder.compile(checkpointer=False)):
        assert [toggle.name for toggle in graph.run_toggles] == ["cache"]
        assert graph.invoke({}) == {"text": "done"}
    graph = decorator()(lambda question: question)
    assert [toggle.name for toggle in graph.run_toggles] == ["cache"]


def test_patch_looks_like_what_it_patches(patched: Any) -> None:
    """Name and documentation are the original's, and patching twice changes nothing."""
    builder_class, _ = patched({})
    assert builder_class.compile.__name__ == "compile"
    assert not hasattr(builder_class.compile.__wrapped__, "__wrapped__")


def test_errors_of_the_program_stay_its_own(patched: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A graph that does not compile raises what LangGraph raises, and nothing is said."""
    builder_class, _ = patched({"cache": {}})
    with pytest.raises(ValueError, match="Graph must have an entrypoint"):
        builder_class(State).compile()
    assert capsys.readouterr().err == ""


def test_failure_costs_one_line(patched: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The program gets its own graph; each distinct line is written once."""
    builder_class, _ = patched({"cachx": {}})
    builder = filled(builder_class(State))
    for _ in range(2):
        assert builder.compile().invoke({}) == {"text": "done"}
    error = capsys.readouterr().err
    assert error == (
        "optiflow: no graph is optimized: ConfigurationError: opt.cachx: no such toggle; did you mean 'cache'?\n"
    )


def test_failure_on_one_graph_names_it(
    patched: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A toggle that fails on a graph leaves that graph as it is."""

    def fail(*args: Any) -> Any:
        raise LookupError("over\nlines")

    monkeypatch.setattr(api, "optimize_fresh", fail)
    builder_class, _ = patched({"cache": {}})
    filled(builder_class(State)).compile(name="mine")
    assert capsys.readouterr().err == "optiflow: graph 'mine' runs as it is: LookupError: over lines\n"


def test_strict_raises_in_the_program(patched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests, where a silent fallback would prove nothing."""
    monkeypatch.setenv(STRICT, "1")
    builder_class, _ = patched({"cachx": {}})
    with pytest.raises(RuntimeError, match=r"optiflow: no graph is optimized: .*no such toggle"):
        filled(builder_class(State)).compile()


def test_what_optiflow_builds_is_left_alone(patched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own compile inside a rewrite is not rewritten again, nor is anything once the variable is gone."""
    builder_class, _ = patched({"cache": {}})
    monkeypatch.setattr(api, "building", lambda: True)
    assert not hasattr(filled(builder_class(State)).compile(), "run_toggles")
    monkeypatch.undo()
    monkeypatch.delenv(CONFIGURATION, raising=False)
    assert not hasattr(filled(builder_class(State)).compile(), "run_toggles")


def test_unknown_langgraph_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A version without what is patched runs as it is."""
    patch._write_once.cache_clear()
    patch.apply(ModuleType(TARGETS[0]))
    assert "optiflow: this LangGraph has no langgraph.graph.state to patch" in capsys.readouterr().err
