"""From the text of a graph reference to the object that it names."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import StateGraph

from optiflow.errors import GraphReferenceError
from optiflow.workflow.references import Reference, import_object, parse_reference

GRAPH = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    text: str

builder = StateGraph(State)
builder.add_node("node", lambda state: {"text": "done"})
builder.add_edge(START, "node")
builder.add_edge("node", END)
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the files of a project: path and content by turns."""

    def write(files: dict[str, Any]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What a test imports and sets is gone after it."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("langgraph", "langchain", "optiflow", "dotenv")):
            del sys.modules[name]


def load(text: str) -> Any:
    """The object behind a reference."""
    return import_object(parse_reference(text))


def test_file_and_attribute(write: Write) -> None:
    """A file beside its helpers, which it imports as if it were run."""
    write({"app/graph.py": "from helper import builder", "app/helper.py": GRAPH})
    reference = parse_reference("app/graph.py:builder")
    assert (reference.name, reference.attribute) == ("builder", "builder")
    assert isinstance(import_object(reference), StateGraph)


def test_file_in_a_package_is_imported_by_its_own_name(write: Write) -> None:
    """Relative imports work, and the package is loaded once."""
    write(
        {
            "src/pkg/__init__.py": "",
            "src/pkg/sub/__init__.py": "",
            "src/pkg/parts.py": GRAPH,
            "src/pkg/sub/graph.py": "from ..parts import builder\nfrom pkg.parts import builder as same",
        }
    )
    builder = load("./src/pkg/sub/graph.py:builder")
    assert builder is load("src/pkg/sub/graph.py:same")
    assert sys.modules["pkg.parts"].builder is builder


def test_file_under_src_without_packages(write: Write) -> None:
    """A ``src`` folder is where imports start, packages or not."""
    write({"src/agent/graph.py": "from agent.state import builder", "src/agent/state.py": GRAPH})
    assert isinstance(load("src/agent/graph.py:builder"), StateGraph)
    assert "agent.graph" in sys.modules


def test_file_with_a_name_that_is_taken(write: Write) -> None:
    """A file called like a module of Python's own is loaded all the same."""
    write({"app/json.py": GRAPH, "app/my-graph.py": GRAPH, "pkg/__init__.py": GRAPH})
    assert isinstance(load("app/json.py:builder"), StateGraph)
    assert isinstance(load("app/my-graph.py:builder"), StateGraph)
    assert isinstance(load("pkg/__init__.py:builder"), StateGraph)
    assert sys.modules["json"] is json


def test_module_and_attribute(write: Write) -> None:
    """Modules are found in the working directory and in its ``src``."""
    write({"graphs_here.py": GRAPH, "src/pkg_there/__init__.py": "", "src/pkg_there/graphs.py": GRAPH})
    assert isinstance(load("graphs_here:builder"), StateGraph)
    assert isinstance(load("pkg_there.graphs:builder"), StateGraph)


def test_only_graph_needs_no_name(write: Write) -> None:
    """Without a name the target's only graph is meant."""
    write({"one.py": GRAPH, "langgraph.json": {"graphs": {"agent": "./one.py:builder"}}})
    assert isinstance(load("one.py"), StateGraph)
    assert parse_reference("one.py").name == "one"
    assert isinstance(load("langgraph.json"), StateGraph)
    assert parse_reference("langgraph.json").name == "agent"


def test_manifest_with_dependencies_and_environment_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dependencies go on the path, variables into the environment unless they are set already."""
    monkeypatch.setitem(os.environ, "FROM_SHELL", "shell")
    write(
        {
            "app/langgraph.json": {
                "dependencies": ["./lib", "langchain_openai", "."],
                "graphs": {"agent": {"path": "./graph.py:builder", "description": "an agent"}, "other": "m:n"},
                "env": "./.env",
            },
            "app/.env": "FROM_FILE='file value'\nFROM_SHELL=file\nEMPTY\n",
            "app/lib/src/helpers_of_agent.py": GRAPH,
            "app/graph.py": "import os\nfrom helpers_of_agent import builder\nseen = os.environ['FROM_FILE']",
        }
    )
    reference = parse_reference("app/langgraph.json:agent")
    assert reference.name == "agent"
    assert isinstance(import_object(reference), StateGraph)
    assert os.environ["FROM_FILE"] == "file value"
    assert os.environ["FROM_SHELL"] == "shell"


def test_manifest_with_environment_mapping_and_module(write: Write) -> None:
    """The environment may be a mapping, and a graph a module's attribute."""
    write(
        {
            "langgraph.json": {"dependencies": ["."], "graphs": {"agent": "pkg.graphs:builder"}, "env": {"A": 1}},
            "src/pkg/graphs.py": GRAPH,
        }
    )
    assert isinstance(load("./langgraph.json:agent"), StateGraph)
    assert os.environ["A"] == "1"


@pytest.mark.parametrize(
    ("files", "text", "problem"),
    [
        ({}, "nowhere.py:graph", "there is no file .*nowhere.py"),
        ({}, "no such thing:graph", "must be FILE.py:NAME, MODULE:NAME or langgraph.json:NAME"),
        ({}, "graph.ts:graph", "a JavaScript graph can't be run by Python"),
        ({}, "no_such_module_at_all:graph", "ModuleNotFoundError: No module named 'no_such_module_at_all'$"),
        ({"a.py": "import nothing_like_it"}, "a.py:graph", r"No module named 'nothing_like_it' \(.*a.py, line 1\)"),
        ({"b.py": "x = 1\n1 / 0"}, "b.py:graph", r"ZeroDivisionError: division by zero \(.*b.py, line 2\)"),
        ({"c.py": "x = = 1"}, "c.py:graph", r"SyntaxError: invalid syntax \(.*c.py, line 1\)"),
        ({"d.py": "import sys\nsys.exit(3)"}, "d.py:graph", r"SystemExit: 3 \(.*d.py, line 2\)"),
        ({"e.py": "raise ValueError"}, "e.py:graph", r"failed with ValueError \(.*e.py, line 1\)"),
        (
            {"p/__init__.py": "import nothing_like_it", "p/f.py": "from . import x"},
            "p/f.py:graph",
            "named 'nothing_like_it'",
        ),
        ({"q/graph": GRAPH}, "q/graph:builder", "graph is no Python file"),
        ({"g.py": GRAPH}, "g.py:bilder", "no attribute 'bilder' there; did you mean 'builder'?"),
        ({"h.py": "one = 1\ntwo = 2"}, "h.py:three", "no attribute 'three' there; known: one, two"),
        ({"i.py": "one = 1"}, "i.py", "say which graph with :NAME; known: none"),
        ({"j.py": GRAPH + "other = StateGraph(State)"}, "j.py", "with :NAME; known: builder, other"),
        ({}, "langgraph.json:agent", "langgraph.json: No such file or directory"),
        ({"langgraph.json": "{"}, "langgraph.json:agent", "langgraph.json is no JSON: Expecting"),
        ({"langgraph.json": []}, "langgraph.json:agent", "has no 'graphs', which must map names"),
        ({"langgraph.json": {"graphs": {"agent": 3}}}, "langgraph.json:agent", "graphs.agent must be a reference"),
        ({"langgraph.json": {"graphs": {"agent": "./a.py:b"}}}, "langgraph.json:agnt", "did you mean 'agent'?"),
        ({"langgraph.json": {"graphs": {"a": "m:x", "b": "m:y"}}}, "langgraph.json", r"say which with :NAME \(a, b\)"),
        (
            {"langgraph.json": {"graphs": {"a": "m:x"}, "dependencies": "."}},
            "langgraph.json:a",
            "dependencies must be a list of texts",
        ),
        (
            {"langgraph.json": {"graphs": {"a": "m:x"}, "dependencies": ["./lib"]}},
            "langgraph.json:a",
            "the dependency './lib' is no folder",
        ),
        ({"langgraph.json": {"graphs": {"a": "m:x"}, "env": [1]}}, "langgraph.json:a", "env must be a mapping or"),
        ({"langgraph.json": {"graphs": {"a": "m:x"}, "env": ".env"}}, "langgraph.json:a", "'.env' does not exist"),
    ],
)
def test_wrong_references(write: Write, files: dict[str, Any], text: str, problem: str) -> None:
    """Each failure is one line that says what is wrong and where."""
    write(files)
    with pytest.raises(GraphReferenceError, match=problem) as raised:
        load(text)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"workflow.ref={text!r}: ")


def test_failure_in_an_installed_library_names_the_callers_line(write: Write) -> None:
    """The line that somebody can change, not the library's."""
    write({"k.py": "import pydantic\n\npydantic.TypeAdapter(int).validate_python([])"})
    with pytest.raises(GraphReferenceError, match=r"k.py, line 3\)"):
        load("k.py:graph")


def test_windows_drive_is_no_name() -> None:
    """The colon of a drive does not separate a name."""
    with pytest.raises(GraphReferenceError, match="there is no file"):
        parse_reference(r"C:\apps\graph.py")


def test_reference_is_data(write: Write) -> None:
    """A reference holds what the import will need."""
    folder = write({"src/pkg/__init__.py": "", "src/pkg/graph.py": GRAPH})
    assert parse_reference("src/pkg/graph.py:builder") == Reference(
        text="src/pkg/graph.py:builder",
        target=folder / "src/pkg/graph.py",
        attribute="builder",
        name="builder",
        roots=(folder, folder / "src"),
        environment={},
    )
