"""Every command that the documentation shows is one that works."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optiflow.cli import main
from optiflow.settings import get_settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

ELSEWHERE = {
    "scripts/run +opt=all": "test_scripts.py::test_run_is_the_main_job",
    "scripts/test": "test_scripts.py::test_a_script_is_sound",
    "python -m optiflow -m '+opt=none,async,cache,parallel,all'": "cli/test_job.py::test_a_line_for_each_value",
    "python -m optiflow -m +experiment=ablate": "cli/test_experiment.py::test_an_ablation",
    "python -m optiflow -m +experiment=ablate experiment.blocks=2": "cli/test_experiment.py::test_an_ablation",
    "python -m optiflow experiment resume ablate": "cli/test_experiment.py::test_killed_and_resumed",
    "python -m optiflow experiment report ablate --output report.html": "cli/test_experiment.py::test_a_file_s_ending",
    "python -m optiflow experiment export ablate experiments/2030-01-01-ablate": (
        "cli/test_experiment.py::test_an_experiment_is_kept_in_a_folder"
    ),
    "python -m optiflow compare": "cli/test_compare.py::test_the_two_newest",
    "python -m optiflow +opt=all +opt.quiet.enabled=true": "test_entry_point.py::test_an_installed_toggle_is_run",
    "./debug_local.sh --full-test": "test_scripts.py::test_flags_alone_and_combined",
    "./debug_local.sh --test-specific async_tokens": "test_scripts.py::test_flags_alone_and_combined",
    "./debug_local.sh --quick-test": "test_scripts.py::test_flags_alone_and_combined",
    "./debug_local.sh --log-level ERROR": "test_scripts.py::test_flags_alone_and_combined",
    "./debug_local.sh --disable-async --disable-cache --disable-parallel": "test_scripts.py::test_flags_alone",
    "./debug_local.sh --performance-report": "test_scripts.py::test_flags_alone_and_combined",
    "./debug_local.sh --profile-memory": "test_scripts.py::test_flags_alone_and_combined",
    "scripts/analyze_trace_production.sh --compare-performance": "test_scripts.py::test_it_compares",
    "python -m optiflow signoff": "cli/test_signoff.py::test_writes_into_the_working_folder",
    "python -m optiflow exec +opt=all -- python my_app.py": "cli/test_exec.py::test_",
    "python -m optiflow exec +opt=limits -- python my_app.py": "cli/test_exec.py::test_",
    "python -m optiflow +opt=all workflow.checkpointer=postgresql://user:password@host:5432/database": (
        "cli/test_checkpointers.py::test_the_declared_workflow"
    ),
    "python -m optiflow +opt=all workflow.checkpointer=redis://user:password@host:6379/0": (
        "cli/test_checkpointers.py::test_the_declared_workflow"
    ),
    "python -m optiflow \"workflow.checkpointer='redis://host:6379/0?ttl_s=86400&prefix=team:checkpoints'\"": (
        "config/test_checkpointer.py::test_workflows_of_both_kinds_have_one"
    ),
    "python -m optiflow 'workflow.checkpointer=${oc.env:CHECKPOINTS}'": (
        "cli/test_checkpointers.py::test_they_are_in_no_record_and_no_message"
    ),
}
"""Commands that another test runs, because they take minutes, replace the process or need a checkout of their own."""

_GRAPH = """
from typing import TypedDict

from langgraph.graph import StateGraph


class State(TypedDict, total=False):
    question: str
    answer: str


def answer(state):
    return {"answer": state.get("question", "") + "!"}


def build_graph():
    builder = StateGraph(State)
    builder.add_node("answer", answer)
    builder.set_entry_point("answer")
    return builder


agent = build_graph().compile()
"""


def _commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in re.findall(
            r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
        ):
            for line in block.splitlines():
                command = re.sub(r"\s+# .*$", "", line).strip()
                if command and not command.startswith("#"):
                    yield page.relative_to(ROOT).as_posix(), command


COMMANDS = [pytest.param(command, id=f"{page}: {command}") for page, command in _commands()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of all the commands, so that a baseline is run once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def prepared(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands speak of: reports, a graph, its input."""
    monkeypatch.setenv("OPTIFLOW_HOME", str(home))
    get_settings.cache_clear()
    (tmp_path / "reports").mkdir()
    for name in ("north", "south"):
        text = f"Employment in the {name} rose. Prices grew slowly. Firms expect little change. " * 10
        (tmp_path / "reports" / f"{name}.txt").write_text(text)
    (tmp_path / "my_pkg").mkdir()
    (tmp_path / "my_pkg" / "graphs.py").write_text(_GRAPH)
    (tmp_path / "langgraph.json").write_text('{"dependencies": ["."], "graphs": {"agent": "./my_pkg/graphs.py:agent"}}')
    (tmp_path / "input.json").write_text('{"question": "why"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_works(command: str, prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends well here, or another test is named that runs it."""
    if command in ELSEWHERE:
        file, _, test = ELSEWHERE[command].partition("::")
        assert f"def {test}" in (ROOT / "tests" / file).read_text(encoding="utf-8")
        return
    program, *arguments = shlex.split(command)
    assert [program, *arguments[:2]] == ["python", "-m", "optiflow"], f"no test runs {command!r}"
    if "+opt=all" in arguments:
        # How long the loop is held in real time is a matter of the machine's load, which a test must not judge.
        arguments.append("opt.async.blocking_threshold_ms=60000")
    modules = set(sys.modules)
    try:
        code = main(arguments[2:])
    finally:
        for name in set(sys.modules) - modules:
            if name.startswith("my_pkg"):
                del sys.modules[name]
    out, err = capsys.readouterr()
    assert code == 0, out + err
    assert out


def test_nothing_is_said_to_be_elsewhere_that_is_nowhere() -> None:
    """A command that left the documentation leaves the list above."""
    assert ELSEWHERE.keys() <= {command for _, command in _commands()}


def test_every_page_that_is_named_is_there() -> None:
    """A path of the repository in the documentation leads to a file or folder."""
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for path in re.findall(
            r"`((?:docs|conf|scripts|benchmarks|optiflow|experiments)/[\w./]*)`", page.read_text("utf-8")
        ):
            assert (ROOT / path).exists(), f"{page.name} names {path}"
