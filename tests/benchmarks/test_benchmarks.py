"""Every benchmark runs and writes what it says it writes; no figure is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_SMALL = "workflow.input.packages=[idna]"
_FAST = ("model.latency.time_to_first_token_s=0.001", "model.latency.decode_tokens_per_s=1e6")


def _run(folder: Path, script: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> tuple[dict[str, Any], str]:
    """What a benchmark wrote, and what it printed."""
    file = folder / "result.json"
    done = subprocess.run(
        [sys.executable, str(_BENCHMARKS / script), "--json", str(file), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in codes, done.stderr
    result = json.loads(file.read_text(encoding="utf-8"))
    assert {"python", "system", "processor", "cpus", "load_1min", "packages"} <= result["machine"].keys()
    assert "host" not in result["machine"]
    return result, done.stdout


def _names(result: dict[str, Any]) -> list[str]:
    for figure in result["figures"]:
        assert (figure["met"] is None) == (figure["limit"] == ""), figure
    return [figure["name"] for figure in result["figures"]]


def test_micro(tmp_path: Path) -> None:
    """The small parts, once each."""
    result, printed = _run(tmp_path, "micro.py", "--repetitions", "1")
    names = _names(result)
    assert "filtered log call" in names
    assert all(name in printed for name in names)


def test_checkpoints(tmp_path: Path) -> None:
    """Every arm with both savers for SQLite, over a few steps."""
    result, printed = _run(tmp_path, "checkpoints.py", "--repetitions", "1", "--steps", "3")
    names = _names(result)
    for saver in ("SqliteSaver, invoke", "AsyncSqliteSaver, ainvoke"):
        assert f"long messages, {saver}, plain over same" in names
        assert f"short messages, {saver}, plain over exit" in names
    assert all(name in printed for name in names)
    assert result["steps"] == 3


def test_soak(tmp_path: Path) -> None:
    """Some runs of each way to go wrong, under a toggle that leaves nothing behind."""
    result, printed = _run(tmp_path, "soak.py", "--runs", "100", "--opt", "durability")
    names = _names(result)
    assert {"dropped: runs", "in_a_cycle: runs", "acancelled: runs"} <= set(names)
    assert sum(figure["value"] for figure in result["figures"] if figure["name"].startswith("process")) == 1
    assert result["problems"] == []
    assert all(name in printed for name in names)


def test_soak_tells_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads, files, what was replaced, and what failed in a finalizer or a thread."""
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    soak = import_module("soak")
    before, opened, replaced = soak.threads(), soak.files(), soak.attributes()
    assert soak.left(before, opened, replaced) == []
    may_end = threading.Event()
    thread = threading.Thread(target=may_end.wait, name="lost-1")
    thread.start()
    with (Path(__file__)).open():
        monkeypatch.setattr("builtins.print", lambda *_: None)
        found = soak.left(before, opened, replaced)
    may_end.set()
    thread.join()
    assert found == ["thread left: lost (1)", "file descriptors left: 1", "builtins.print stays replaced"]

    class Fails:
        def __del__(self) -> None:
            raise KeyError

    problems: list[str] = []
    with soak.unheard(problems):
        Fails()
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    assert [problem.rpartition(": ")[2] for problem in problems] == ["KeyError", "ZeroDivisionError"]


@pytest.mark.slow
def test_providers(tmp_path: Path) -> None:
    """Each case once, with few prompts that are answered soon."""
    pytest.importorskip("langchain_openai", reason="needs the extra 'providers'")
    options = ("--repetitions", "1", "--prompts", "25", "--calls", "40", "--mean-s", "0.02")
    result, printed = _run(tmp_path, "providers.py", *options)
    names = _names(result)
    assert all(name in printed for name in names)
    lost = [figure["value"] for figure in result["figures"] if "lost in all rounds" in figure["name"]]
    assert lost == [0.0] * 10


def test_node_cache(tmp_path: Path) -> None:
    """What keeping outcomes costs and gains, once each; that ten runs at once make one run's calls is no timing."""
    result, printed = _run(tmp_path, "node_cache.py", "--repetitions", "1")
    names = _names(result)
    assert all(name in printed for name in names)
    (calls,) = [figure["value"] for figure in result["figures"] if figure["name"].startswith("calls of 10 identical")]
    assert calls == 1


def test_model_calls(tmp_path: Path) -> None:
    """What merging calls costs, once each; that equal calls at once are one request is no timing."""
    result, printed = _run(tmp_path, "model_calls.py", "--repetitions", "1")
    names = _names(result)
    assert all(name in printed for name in names)
    requests = [figure["value"] for figure in result["figures"] if figure["name"].startswith("requests of")]
    assert requests == [1] * 8


@pytest.mark.slow
def test_main_job(tmp_path: Path) -> None:
    """Both arms, whole processes and memory over a few runs of a small input."""
    result, printed = _run(tmp_path, "main_job.py", "--repetitions", "1", "--runs", "2", _SMALL)
    names = _names(result)
    assert "+opt=all runtime / baseline" in names
    assert "process start to exit: --help" in names
    assert all(name in printed for name in names)
    assert result["runs"] == len(result["resident_mb"]) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "result.json"]


@pytest.mark.slow
def test_real_time(tmp_path: Path) -> None:
    """Both arms on both clocks with a provider that answers at once; whether they agree is not the point."""
    result, printed = _run(tmp_path, "real_time.py", _SMALL, *_FAST, codes=(0, 3))
    assert list(result["arms"]) == ["baseline", "+opt=all"]
    for arm in result["arms"].values():
        assert arm["virtual"]["report"]["clock"] == "virtual"
        assert arm["real"]["report"]["clock"] == "real"
        assert arm["same_answer"]
    assert (
        result["arms"]["+opt=all"]["real"]["report"]["baseline_id"]
        == (result["arms"]["baseline"]["real"]["report"]["record_id"])
    )
    assert "| `+opt=all` | real |" in printed


@pytest.mark.slow
def test_speculation(tmp_path: Path) -> None:
    """Right and wrong guesses in either kind of run, and what they waste."""
    result, printed = _run(tmp_path, "speculation.py", "--repetitions", "1", "--seconds", "0.05")
    wasted = {figure["name"]: figure["value"] for figure in result["figures"] if "wasted" in figure["name"]}
    for form in ("async", "sync"):
        assert wasted[f"the guess is right, {form}: tokens wasted"] == 0
        assert wasted[f"the guess is wrong, {form}: tokens wasted"] == sum(result["tokens"])
    assert all(name in printed for name in _names(result))


def test_a_run_that_fails_is_told(tmp_path: Path) -> None:
    """A wrong override ends the benchmark with what the run said."""
    done = subprocess.run(
        [sys.executable, str(_BENCHMARKS / "real_time.py"), "workflow.input.packages=[]"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ended with 2" in done.stderr


@pytest.mark.parametrize(("value", "limit", "met"), [(0.2, "< 0.3", True), (0.3, "< 0.3", False), (1.0, "", None)])
def test_limits_are_read(value: float, limit: str, met: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit's own text decides whether a figure meets it."""
    monkeypatch.syspath_prepend(str(_BENCHMARKS))
    from results import Figure

    assert Figure("name", "s", value, limit).met is met


def test_the_clients_benchmark_writes_its_figures(tmp_path: Path) -> None:
    """Calls through fresh clients, and a cold start from each beginning."""
    result, shown = _run(tmp_path, "clients.py", "--repetitions", "1")
    names = _names(result)
    assert sum("50 calls through 50 clients" in name for name in names) == 5
    assert sum("less time" in name for name in names) == 3
    assert "cold, the run's start" in shown


def test_framework(tmp_path: Path) -> None:
    """One shape, once in every way."""
    result, printed = _run(tmp_path, "framework.py", "--repetitions", "1", "--only", "10 sequential")
    names = _names(result)
    assert "geometric mean of CPU time, safe + dispatch" in names
    assert all(name in printed for name in names)


def test_hiding_places(tmp_path: Path) -> None:
    """A few graphs and controls in other processes; whether one is wrong is for the benchmark itself to say."""
    options = ("--graphs", "6", "--controls", "3", "--seed", "7", "--processes", "1")
    result, printed = _run(tmp_path, "hiding_places.py", *options)
    names = _names(result)
    assert {"safe: wrong of 6", "all: wrong of 6", "parallel: wrong of 6"} <= set(names)
    assert any(name.startswith("without hiding places") for name in names)
    assert all(name in printed for name in names)
    assert sum(counts["graphs"] for counts in result["places"].values()) == 6


@pytest.mark.slow
def test_fixed_cost(tmp_path: Path) -> None:
    """Every kind of shape once, with two arms that are equal."""
    arms = ("--repetitions", "2", "--arms", "plain again,all")
    for only in ("1 sync", "1 async", "at once", "compile, 1 node"):
        result, printed = _run(tmp_path, "fixed_cost.py", *arms, "--only", only)
        names = _names(result)
        assert len(names) == 5
        assert all(name in printed for name in names)
