"""The checklist's phases, each on its own operation; timings depend on the machine, so none is asserted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from optiflow.checklist import integration, memory, studio
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import PHASES, Context, check_phase
from optiflow.errors import ConfigurationError
from optiflow.settings import get_settings

SMALL = "workflow.input.packages=[idna,rich]"

Check = Callable[..., dict[str, Line]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Checks a phase with one repetition on a small input; returns its lines by their text."""

    def run(
        phase: str, *overrides: str, disable: frozenset[str] = frozenset(), log_level: str = "ERROR"
    ) -> dict[str, Line]:
        settings = get_settings().model_copy(update={"disable": disable})
        context = Context((SMALL, *overrides), settings, log_level, repetitions=1)
        return {line.text: line for line in check_phase(phase, context)}

    return run


@pytest.fixture
def slow_to_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few runs where the phase makes many."""
    monkeypatch.setattr(memory, "_RUNS", 3)
    monkeypatch.setattr(memory, "_WARM_UP", 1)


def test_async_counts_are_right_and_block_nothing(check: Check) -> None:
    """The counts of concurrent agents equal the synchronous ones."""
    lines = check("async_tokens")
    assert list(lines) == [
        "Async token operations working",
        "No blocking detected",
        "Performance improvement: >20%",
    ]
    assert lines["Async token operations working"] == Line(
        "Async token operations working", True, "16 counts equal the synchronous ones"
    )
    assert "blocking calls, the loop held for" in lines["No blocking detected"].measured


def test_one_tokenizer_and_remembered_counts(check: Check) -> None:
    """One instance on many threads, built once, and nearly every count a hit."""
    lines = check("tokenizer_cache")
    assert all(line.passed for text, line in lines.items() if text != "Repeated counts faster")
    assert lines["Initialization count: 1"].measured == "built 1 time(s) in this process"
    assert lines["Tokenizer cache singleton verified"].measured.startswith("1 instance in 1,000 look-ups")


def test_prompts_together_have_the_same_answers(check: Check) -> None:
    """On the virtual clock a batch takes as long as its longest prompt, so the gain is no matter of the machine."""
    lines = check("parallel_prompts")
    assert all(line.passed for line in lines.values())
    assert lines["Processing time reduced by >40%"].measured.endswith("virtual clock")


def test_logs_filtered_in_a_hot_path(check: Check) -> None:
    """Nothing is written at the level, and everything without it."""
    lines = check("quick_wins")
    assert lines["Minimal console output"].passed
    assert "0 lines at ERROR instead of 2,000" in lines["Minimal console output"].measured
    assert lines["Cache hit rate: >80%"].passed
    assert not check("quick_wins", "opt.cache.enabled=false", log_level="DEBUG")["Minimal console output"].passed


def test_durations_by_operation(check: Check) -> None:
    """Of a whole run; without the monitor there are none, and without parallel the limit is not judged."""
    lines = check("performance_report")
    assert list(lines) == [
        "⏱️ Token Operations: <0.1s avg",
        "⏱️ Prompt Processing: <0.5s avg",
        "⏱️ Total Runtime: <140s",
    ]
    assert lines["⏱️ Total Runtime: <140s"].passed
    without = check("performance_report", "opt.monitor.enabled=false", "opt.parallel.enabled=false")
    assert list(without) == ["Performance monitoring rolled back", "⏱️ Total Runtime measured"]


def test_the_criteria_of_one_run(check: Check) -> None:
    """What is judged, and the answer; a baseline has no other answer to equal."""
    lines = check("quick")
    assert lines["tokens over baseline <= 1"].passed
    assert lines["Same answer as the baseline"] == Line("Same answer as the baseline", True, "final states are equal")
    assert "Same answer as the baseline" not in check("quick", "+rollback=all")


def test_rolled_back_it_is_the_baseline_again(check: Check) -> None:
    """Everything off, and some toggles off, both with the baseline's answer."""
    lines = check("rollback", "opt.cache.enabled=false", "opt.async.enabled=false")
    assert list(lines) == [
        "Rollback of async, cache: original functionality maintained",
        "Rollback of async, cache: no errors or failures",
        "Rollback of every toggle: original functionality maintained",
        "Rollback of every toggle: no errors or failures",
        "Performance back to baseline",
    ]
    assert all(line.passed for text, line in lines.items() if text != "Performance back to baseline")
    assert next(iter(check("rollback"))).startswith("Rollback of every toggle")


@pytest.mark.usefixtures("slow_to_fast")
def test_memory_over_many_runs(check: Check) -> None:
    """Finished runs are collected; a baseline has no increase."""
    lines = check("memory")
    assert list(lines) == [
        "Memory usage stable",
        "No significant increase from caching",
        "Garbage collection working",
    ]
    assert lines["Garbage collection working"] == Line(
        "Garbage collection working", True, "0 of 3 finished runs still in memory"
    )
    assert check("memory", "+rollback=all")["No significant increase from caching"].passed


@pytest.mark.parametrize(
    ("phase", "toggle", "text"),
    [
        ("async_tokens", "async", "Async token operations rolled back"),
        ("tokenizer_cache", "cache", "Tokenizer cache rolled back"),
        ("parallel_prompts", "parallel", "Parallel processing rolled back"),
        ("quick_wins", "log_level", "Log level rolled back"),
    ],
)
def test_a_toggle_that_is_off_is_said(check: Check, phase: str, toggle: str, text: str) -> None:
    """By configuration or by the kill switch, and it fails nothing."""
    assert next(iter(check(phase, f"opt.{toggle}.enabled=false", "opt.cache.enabled=false").items()))[0] == text
    lines = check(phase, disable=frozenset({toggle, "cache"}))
    assert lines[text].passed


def test_the_context_makes_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many phases ask for the outcome, and it tells what it does."""
    said: list[str] = []
    context = Context((SMALL,), get_settings(), say=said.append)
    assert context.outcome is context.outcome
    assert said == ["no baseline of this workload on record: running it first"]
    assert context.texts == tuple(sorted(context.texts, key=len, reverse=True))
    assert len(context.texts[0]) > 1000
    assert context.is_on("cache")
    assert not context.is_on("frob")
    assert not replace(context, settings=get_settings().model_copy(update={"disable": {"cache"}})).is_on("cache")


def test_a_wrong_override_shows_at_once() -> None:
    """Before anything is measured."""
    with pytest.raises(ConfigurationError, match="seed: 'abc'"):
        Context(("seed=abc",), get_settings()).config  # noqa: B018


def test_every_phase_has_its_module() -> None:
    """A name in the list leads to a check."""
    for name in PHASES:
        assert callable(__import__(f"optiflow.checklist.{name}", fromlist=["check"]).check)


class TestIntegration:
    """Imports, and LangGraph Studio's server."""

    def test_every_module_imports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module that does not is named with the reason."""
        fine = Line("Studio", True, "")
        monkeypatch.setattr(integration, "studio_line", lambda: fine)
        imports, server = integration.check(Context((), get_settings()))
        assert imports.passed, imports.measured
        assert server is fine
        broken = [SimpleNamespace(name="optiflow.no_such_module"), SimpleNamespace(name="optiflow.__main__")]
        monkeypatch.setattr(integration.pkgutil, "walk_packages", lambda *_: broken)
        line = next(iter(integration.check(Context((), get_settings()))))
        assert not line.passed
        assert line.measured.startswith("optiflow.no_such_module: No module named")

    @pytest.mark.slow
    def test_the_server_runs_the_reference_graph(self) -> None:
        """Really, on a free port, and leaves no process behind."""
        pytest.importorskip("langgraph_api", reason="needs the extra 'studio'")
        line = studio.studio_line()
        assert line.passed, line.measured
        assert "one run through it wrote" in line.measured

    def test_without_the_extra_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The line fails; nothing is started."""
        monkeypatch.setattr(studio, "find_spec", lambda _: None)
        line = studio.studio_line()
        assert not line.passed
        assert line.measured == "the extra 'studio' is not installed: pip install 'optiflow[studio]'"

    @pytest.fixture
    def server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Puts a shell script in the place of the server."""

        def replace_by(script: str) -> None:
            path = tmp_path / "server"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            monkeypatch.setattr(studio, "sys", SimpleNamespace(executable=str(path)))

        return replace_by

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            ("echo one; echo 'it broke' >&2; echo; exit 7", "langgraph dev ended with 7: it broke"),
            ("exit 0", "langgraph dev ended with 0: it printed nothing"),
        ],
    )
    def test_a_server_that_ends(self, server: Callable[[str], None], script: str, message: str) -> None:
        """Its last line tells why."""
        server(script)
        line = studio.studio_line()
        assert (line.passed, line.measured) == (False, message)

    def test_a_server_that_does_not_answer(
        self, server: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is given up after a while, and stopped."""
        server("exec sleep 60")
        monkeypatch.setattr(studio, "_PATIENCE_S", 0.5)
        line = studio.studio_line()
        assert line.measured.startswith("langgraph dev did not answer within 0 s: it printed nothing")

    def test_a_server_that_will_not_end(self, server: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
        """It is killed."""
        server("trap '' TERM; echo 'not yet'; exec sleep 60")
        monkeypatch.setattr(studio, "_PATIENCE_S", 0.5)
        monkeypatch.setattr(studio, "_FAREWELL_S", 0.1)
        assert studio.studio_line().measured == "langgraph dev did not answer within 0 s: not yet"

    @pytest.mark.parametrize("answer", [{"error": "it failed"}, None])
    def test_a_run_without_a_brief(self, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
        """What came instead is shown."""

        @contextmanager
        def server() -> Iterator[str]:
            yield "http://127.0.0.1:9"

        class Runs:
            async def wait(self, *_: object, **__: object) -> object:
                return answer

        monkeypatch.setattr(studio, "_server", server)
        client = SimpleNamespace(runs=Runs())
        monkeypatch.setattr("langgraph_sdk.get_client", lambda url: nullcontext(client))
        line = studio.studio_line()
        assert not line.passed
        assert line.measured.startswith("the server's run ended without a brief: ")


def test_the_command_prints_the_lines(tmp_path: Path) -> None:
    """As a user sees them, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "optiflow", "phase", "parallel_prompts", SMALL],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:3] for line in done.stdout.splitlines()[1:]] == ["  ✅"] * 3
