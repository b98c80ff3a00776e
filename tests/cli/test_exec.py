"""``optiflow exec``: real programs, real child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optiflow.cli import exec as exec_command
from optiflow.errors import ConfigurationError
from optiflow.injection import SITE
from optiflow.injection.hook import CONFIGURATION, STRICT

GRAPH = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class State(TypedDict, total=False):
    text: str

def optimized(graph):
    return [toggle.name for toggle in getattr(graph, "run_toggles", ())]

def build(node=lambda state: {"text": "done"}, builder_class=StateGraph):
    builder = builder_class(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder
"""

PROGRAM = """
import json, multiprocessing, os, subprocess, sys
at_start = {
    "hooks": getattr(sys, "own_hooks", []),
    "early": sorted({"langgraph", "pydantic", "optiflow"} & set(sys.modules)),
    "path": [entry for entry in sys.path if "injection" in entry],
}

def child(queue):
    from graph import build, optimized
    queue.put(optimized(build().compile()))

def main():
    from graph import StateGraph, State, build, optimized
    from langgraph.func import entrypoint

    class Own(StateGraph):
        def compile(self, checkpointer=None, **options):
            return super().compile(checkpointer, name="own", **options)

    builder = build()
    inner = builder.compile()
    outer = build(inner).compile(None)
    own = build(builder_class=Own).compile()
    queue = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=child, args=(queue,))
    process.start()
    spawned = queue.get(timeout=60)
    process.join()
    program = "from graph import build, optimized; print(*optimized(build().compile()))"
    started = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    print(json.dumps({
        **at_start,
        "twice": [optimized(builder.compile()), optimized(inner)],
        "nested": [optimized(outer), outer.invoke({})],
        "own": [optimized(own), own.name],
        "functional": optimized(entrypoint()(lambda question: question)),
        "spawned": spawned,
        "started": [started.stdout.split(), started.stderr],
        "input": sys.stdin.read(),
        "arguments": sys.argv[1:],
    }))
    sys.exit(7)

if __name__ == "__main__":
    main()
"""

SITECUSTOMIZE = """
import sys
sys.own_hooks = [*getattr(sys, "own_hooks", []), "own sitecustomize"]
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A little application that knows nothing of OptiFlow."""
    folder = tmp_path / "project"
    (folder / "hooks").mkdir(parents=True)
    (folder / "graph.py").write_text(GRAPH)
    (folder / "program.py").write_text(PROGRAM)
    (folder / "hooks" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return folder


@pytest.fixture
def run(project: Path) -> Run:
    """Run a command line under ``optiflow exec``."""

    def run(*argv: str, environment: dict[str, str] | None = None, text: str = "") -> Any:
        variables = {**os.environ, **(environment or {})}
        if "COVERAGE_PROCESS_START" in variables:
            variables.pop("COVERAGE_PROCESS_CONFIG", None)  # that of the suite that this test is part of
        return subprocess.run(
            [sys.executable, "-m", "optiflow", "exec", *argv],
            cwd=project,
            env=variables,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.mark.slow
def test_program_and_its_children_are_optimized(run: Run, project: Path) -> None:
    """Every way to make a graph, in every process; streams, arguments, exit code and other hooks untouched."""
    (project / "coveragerc").write_text("[run]\nparallel = true\n")
    environment = {
        "PYTHONPATH": str(project / "hooks"),
        "COVERAGE_PROCESS_START": str(project / "coveragerc"),
        "COVERAGE_FILE": str(project / ".coverage"),
    }
    program = [sys.executable, "program.py", "--", "+opt=none", "--strict"]
    done = run("+opt=[cache,async]", "--", *program, environment=environment, text="typed")
    assert done.stderr == ""
    assert done.returncode == 7
    both = ["async", "cache"]
    assert json.loads(done.stdout) == {
        "hooks": ["own sitecustomize"],
        "early": [],
        "path": [],
        "twice": [both, both],
        "nested": [both, {"text": "done"}],
        "own": [both, "own"],
        "functional": both,
        "spawned": both,
        "started": [both, ""],
        "input": "typed",
        "arguments": ["--", "+opt=none", "--strict"],
    }
    # The program itself, the spawned and the started child; multiprocessing's resource tracker comes on top.
    assert len(list(project.glob(".coverage.*"))) >= 3


@pytest.mark.slow
def test_pytest_under_exec(run: Run, project: Path) -> None:
    """A test suite is a program like any other."""
    (project / "test_graph.py").write_text(
        "from graph import build, optimized\n\n"
        "def test_graph():\n"
        "    assert optimized(build().compile()) == ['cache']\n"
        "    assert build().compile().invoke({}) == {'text': 'done'}\n"
    )
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    done = run("+opt=cache", "--", *pytest_command, "-W", "error", "test_graph.py")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.slow
def test_failure_of_optiflow_under_strict(run: Run) -> None:
    """It is raised in the program."""
    program = [sys.executable, "-c", "from graph import build; build().compile()"]
    done = run("--strict", "+opt=cache", "--", *program, environment={"OPTIFLOW_DISABLE": "cachx"})
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("RuntimeError: optiflow: no graph is optimized: ConfigurationError: ")
    assert last.endswith("did you mean 'cache'?")


@pytest.mark.slow
def test_environment_without_optiflow_is_told_so(run: Run, project: Path, tmp_path: Path) -> None:
    """A program that imports LangGraph in another virtual environment says so in one line; others say nothing."""
    venv.create(tmp_path / "other", symlinks=True)
    python = str(tmp_path / "other" / "bin" / "python")
    package = project / "langgraph" / "graph"
    package.mkdir(parents=True)
    (package / "state.py").write_text("class StateGraph: pass\n")
    done = run("+opt=cache", "--", python, "-c", "import langgraph.graph.state; print('ran')")
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr.startswith(f"optiflow: not usable in {python}, so LangGraph runs as it is there: ")
    assert done.stderr.count("\n") == 1
    done = run("+opt=cache", "--", python, "-c", "print('ran')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


@pytest.mark.slow
def test_failing_start_up_hook_fails_as_without_us(run: Run, project: Path) -> None:
    """Python reports it, and the program runs, optimized but for what the kill switch holds off."""
    (project / "hooks" / "sitecustomize.py").write_text("import no_such_thing_anywhere\n")
    program = [sys.executable, "-c", "from graph import build, optimized; print(*optimized(build().compile()))"]
    environment = {"PYTHONPATH": str(project / "hooks"), "OPTIFLOW_DISABLE": "async"}
    done = run("+opt=[cache,async]", "--", *program, environment=environment)
    assert (done.returncode, done.stdout) == (0, "cache\n")
    assert "Error in sitecustomize" in done.stderr
    assert "No module named 'no_such_thing_anywhere'" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_signals_are_as_without_us(run: Run) -> None:
    """The command takes the process's place: a signal kills it, and SIGPIPE does what it does in a shell."""
    assert run("--", "sh", "-c", "kill -TERM $$").returncode == -15
    done = run("--", "sh", "-c", "trap '' TERM; yes | head -1; kill -TERM $$; exit 5")
    assert (done.returncode, done.stdout, done.stderr) == (5, "y\n", "")


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        ([], r"exec: no command; usage: python -m optiflow exec \[--strict\] \[OVERRIDE"),
        (["+opt=all", "--"], "exec: no command"),
        (["+opt=all", "python", "app.py"], "exec: no command"),
        (["--", "no-such-program"], "exec: 'no-such-program' is no program that can be started"),
        (["+opt=al", "--", "true"], "opt=al: no such option; did you mean 'all'"),
        (["+opt=cache", "opt.cache.size=3", "--", "true"], "opt.cache.size"),
    ],
)
def test_wrong_command_lines(argv: list[str], problem: str) -> None:
    """Each is one line, and nothing is started."""
    with pytest.raises(ConfigurationError, match=problem):
        exec_command.main(argv)


def test_command_is_started_with_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found as a shell finds it."""
    started: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *given: started.append(given))
    monkeypatch.setattr("signal.signal", lambda *given: None)
    exec_command.main(["--strict", "+opt=cache", "opt.cache.max_entries=5", "--", "sh", "-c", "exit 3"])
    ((program, command, environment),) = started
    assert Path(program).name == "sh"
    assert command == ["sh", "-c", "exit 3"]
    assert json.loads(environment[CONFIGURATION])["cache"]["max_entries"] == 5
    assert environment[STRICT] == "1"


def test_environment_adds_to_what_is_there() -> None:
    """The search path keeps its entries and their order; an outer exec is replaced, not repeated."""
    plain = exec_command.environment(["+opt=none"], False, {"A": "b"})
    assert plain == {"A": "b", CONFIGURATION: "{}", "PYTHONPATH": str(SITE)}
    path = os.pathsep.join(["", "lib", str(SITE), "more"])
    nested = exec_command.environment(["+opt=none"], False, {"PYTHONPATH": path, STRICT: "1"})
    assert nested == {CONFIGURATION: "{}", "PYTHONPATH": os.pathsep.join([str(SITE), "", "lib", "more"])}
