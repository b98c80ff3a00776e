"""The input of a user's graph."""

from __future__ import annotations

import io
import operator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Required, TypedDict

import pytest
from langgraph.func import entrypoint
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel

from optiflow.errors import InputError
from optiflow.workflow.graph_input import check_input, read_input


class Typed(TypedDict, total=False):
    text: Required[str]
    count: int
    share: float
    items: list[str]
    table: dict[str, int]
    either: int | None
    log: Annotated[list[str], operator.add]


class Modelled(BaseModel):
    text: str
    count: int = 0


@dataclass
class Data:
    text: str
    items: list[str] = field(default_factory=list)
    derived: str = field(init=False, default="")


def compiled(schema: Any) -> Any:
    """A graph over a state."""
    builder = StateGraph(schema)
    builder.add_node("node", lambda state: {})
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile()


def test_input_is_read_from_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value, JSON text, a file, standard input, or nothing."""
    (tmp_path / "input.json").write_text('{"text": "from a file"}', encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO('{"text": "from standard input"}'))
    assert read_input({"text": "a value"}) == {"text": "a value"}
    assert read_input('{"text": "JSON"}') == {"text": "JSON"}
    assert read_input(f"@{tmp_path / 'input.json'}") == {"text": "from a file"}
    assert read_input("-") == {"text": "from standard input"}
    assert read_input(None) == {}


def test_unreadable_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failure is one line that says where."""
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "wrong.json").write_text('{"text": ', encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for source, problem in (
        ("@nowhere.json", "workflow.input='@nowhere.json': No such file or directory"),
        (f"@{tmp_path}", "Is a directory"),
        (f"@{tmp_path / 'binary.json'}", "binary.json is no UTF-8 text"),
        (f"@{tmp_path / 'wrong.json'}", "wrong.json is no JSON"),
        ("{text: 1}", "workflow.input='{text: 1}' is no JSON"),
        ("-", "standard input is no JSON"),
    ):
        with pytest.raises(InputError, match=problem):
            read_input(source)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (Typed, {"text": "a", "count": 1, "share": 1, "items": ["b"], "table": {}, "either": None, "log": ["any"]}),
        (Typed, {"either": "LangGraph leaves it to the nodes"}),
        (Typed, {}),
        (Modelled, {"text": "a", "count": "3"}),
        (Data, {"text": "a"}),
        (MessagesState, {"messages": [["user", "hello"]]}),
        (MessagesState, {"messages": "hello"}),
        (dict, "anything at all"),
    ],
)
def test_input_that_fits(schema: Any, value: Any) -> None:
    """Whatever LangGraph takes is taken."""
    graph = compiled(schema)
    check_input(graph, value)
    graph.invoke(value)


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        (Typed, ["a"], r"workflow.input: \['a'\] is no mapping; the graph's keys are count, either, items, log,"),
        (Typed, {"txt": "a"}, "workflow.input.txt: the graph's input has no such key; did you mean 'text'?"),
        (Typed, {"text": 1}, "workflow.input.text: 1 is not text"),
        (Typed, {"count": "a"}, "workflow.input.count: 'a' is not a whole number"),
        (Typed, {"share": "a"}, "workflow.input.share: 'a' is not a number"),
        (Typed, {"items": "a"}, "workflow.input.items: 'a' is not a list"),
        (Typed, {"table": []}, r"workflow.input.table: \[\] is not a mapping"),
        (Modelled, {}, "workflow.input.text: missing"),
        (Modelled, {"text": "a", "count": "b"}, "workflow.input.count: 'b'"),
        (Modelled, {"texts": "a"}, "workflow.input.texts: the graph's input has no such key"),
        (Data, {"items": []}, "workflow.input.text: missing"),
    ],
)
def test_input_that_does_not_fit(schema: Any, value: Any, problem: str) -> None:
    """One line names the key and what would be right."""
    with pytest.raises(InputError, match=problem):
        check_input(compiled(schema), value)


def test_entrypoint_takes_anything() -> None:
    """The functional API has no keys to check."""

    @entrypoint()
    def answer(question: str) -> str:
        return question

    check_input(answer, 3)
