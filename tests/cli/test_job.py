"""The main job: composed, run, judged and shown; alone and in sweeps; with everything that can be wrong."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from optiflow.errors import RunInterruptedError
from optiflow.optimizations.registry import preset
from optiflow.record.database import STORE_VERSION
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

Run = Callable[..., Any]


class TestOneRun:
    def test_a_baseline_alone(self, optiflow: Run, tiny: list[str], store: RecordStore) -> None:
        """Without toggles there is one run, one record, one table."""
        code, out, err = optiflow(*tiny)
        assert (code, err) == (0, "")
        assert "tiny  ·  toggles: none (baseline)" in out
        (record,) = store.newest(9)
        assert f"PASS  record {record.record_id}" in out
        assert record.overrides == tuple(tiny[2:])

    def test_with_toggles_it_is_compared(self, optiflow: Run, tiny: list[str], store: RecordStore) -> None:
        """The missing baseline is run first, which is said beside the output, and used from then on."""
        first = optiflow(*tiny, "+opt=all")
        assert first.code == 0
        assert first.err == "no baseline of this workload on record: running it first\n"
        assert "answer equals the baseline's" in first.out
        second = optiflow(*tiny, "+opt=[cache,parallel]")
        assert (second.code, second.err) == (0, "")
        assert [len(record.toggles_on) for record in store.newest(9)] == [2, len(preset("all")), 0]

    def test_the_default_workflow_meets_the_checklist(self, optiflow: Run) -> None:
        """The main job on its own input: every criterion is judged and holds, in 100 columns."""
        # How long the loop is held in real time is a matter of the machine's load, which a test must not judge.
        code, out, err = optiflow("+opt=all", "opt.async.blocking_threshold_ms=60000")
        assert code == 0, out
        assert err == "no baseline of this workload on record: running it first\n"
        assert "PASS" in out
        assert "❌" not in out
        assert "not the reference baseline" not in out
        assert max(cell_len(line) for line in out.splitlines()) <= 100

    def test_a_criterion_that_fails_ends_with_3(self, optiflow: Run, tiny: list[str], tmp_path: Path) -> None:
        """The whole table is there, with the criterion marked."""
        criteria = Path(tiny[1]) / "criteria"
        criteria.mkdir()
        (criteria / "hard.yaml").write_text("criteria:\n  - {name: frugal, figure: tokens, at_most: 1}\n")
        code, out, err = optiflow(*tiny[:3], "criteria=hard", "+opt=cache")
        assert code == 3
        assert "❌" in out
        assert "REGRESSED" in out
        assert "Error" not in err

    def test_rolled_back_toggles_are_off(self, optiflow: Run, tiny: list[str], store: RecordStore) -> None:
        """By preset and by key."""
        optiflow(*tiny, "+opt=all", "+rollback=no_parallel", "opt.cache.enabled=false")
        assert store.newest()[0].toggles_on == tuple(sorted(preset("all").keys() - {"cache", "parallel"}))

    def test_a_full_rollback_is_the_baseline(self, optiflow: Run, tiny: list[str], store: RecordStore) -> None:
        """One run, which later comparisons use."""
        code, out, _ = optiflow(*tiny, "+opt=all", "+rollback=all")
        assert code == 0
        assert "none (baseline)" in out
        assert len(store.newest(9)) == 1

    def test_the_kill_switch(self, optiflow: Run, tiny: list[str], store: RecordStore, monkeypatch: Any) -> None:
        """One variable of the environment turns toggles off without touching the command line."""
        monkeypatch.setenv("OPTIFLOW_DISABLE", "cache, parallel")
        assert optiflow(*tiny, "+opt=all").code == 0
        assert store.newest()[0].toggles_on == tuple(sorted(preset("all").keys() - {"cache", "parallel"}))
        monkeypatch.setenv("OPTIFLOW_DISABLE", "cahce")
        code, _, err = optiflow(*tiny, "+opt=all")
        assert code == 2
        assert err == "optiflow: OPTIFLOW_DISABLE: 'cahce' is no toggle; did you mean 'cache'?\n"

    def test_one_json_object(self, optiflow: Run, tiny: list[str]) -> None:
        """Standard output is the object and nothing else; logs and notices are on standard error."""
        code, out, err = optiflow(*tiny, "+opt=[cache,async]", "report=json")
        assert code == 0
        shown = json.loads(out)
        assert shown["toggles"]["cache"] is True
        assert shown["toggles"]["parallel"] is False
        assert (shown["clock"], shown["outputs_equal"], shown["verdict"]) == ("virtual", True, "PASS")
        assert shown["baseline"]["model_calls"] == shown["run"]["model_calls"] == 2
        assert 'event="answer read"' in err

    def test_a_progress_bar_where_somebody_looks(self, optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
        """On a terminal nodes are counted while they run; standard output is as ever."""

        class Screen(io.StringIO):
            def isatty(self) -> bool:
                return True

        screen = Screen()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("TERM", "xterm")
        optiflow(*tiny)
        assert "2/2" in screen.getvalue()
        screen.truncate(0)
        optiflow(*tiny, "report.progress=false")
        assert screen.getvalue().strip("\0") == ""

    def test_no_standard_error_at_all(self, optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
        """A process may be started without one."""
        monkeypatch.setattr("sys.stderr", None)
        assert optiflow(*tiny).code == 0

    def test_nothing_is_left_in_the_working_folder(self, optiflow: Run, tiny: list[str], here: Path) -> None:
        """Records and logs go to the home folder, and Hydra leaves nothing."""
        optiflow(*tiny, "+opt=cache")
        assert list(here.iterdir()) == []
        home = get_settings().home
        assert sorted(path.name for path in home.iterdir()) == ["logs", "records.sqlite"]

    def test_names_beyond_ascii(self, optiflow: Run, here: Path) -> None:
        """Folders and files with spaces and other letters are found and shown."""
        folder = here / "Berichte für März"
        folder.mkdir()
        (folder / "größer.txt").write_text("Die Preise steigen. Employment rose in the north. " * 20, encoding="utf-8")
        code, out, err = optiflow("workflow=reports", f"workflow.input.folder='{folder}'")
        assert (code, err) == (0, "")
        assert "reports  ·  toggles: none" in out

    def test_a_document_of_5_mb(self, optiflow: Run, here: Path) -> None:
        """Its beginning is read, as much as the configuration allows."""
        code, out, err = optiflow(
            *_document(b"A sentence about prices. " * 200_000)(here), "workflow.input.max_chars=9000"
        )
        assert (code, err) == (0, "")
        assert "PASS" in out


class TestPrinting:
    def test_the_configuration(self, optiflow: Run, tiny: list[str], here: Path) -> None:
        """``--cfg job`` composes and runs nothing."""
        code, out, err = optiflow("--cfg", "job", *tiny, "+opt=cache")
        assert (code, err) == (0, "")
        assert "max_entries: 65536" in out
        assert not get_settings().home.exists()
        assert list(here.iterdir()) == []

    def test_local_configuration_is_merged(self, optiflow: Run, tmp_path: Path) -> None:
        """A machine's own ``local/default.yaml`` is laid over the root, and the command line over that."""
        local = tmp_path / "own" / "local"
        local.mkdir(parents=True)
        (local / "default.yaml").write_text("# @package _global_\nseed: 7\nmemory: traced\n")
        arguments = ["--config-dir", str(tmp_path / "own"), "--cfg", "job"]
        assert "seed: 7\nmemory: traced" in optiflow(*arguments).out
        assert "seed: 8\nmemory: traced" in optiflow(*arguments, "seed=8").out


class TestSweep:
    def test_a_line_for_each_value(self, optiflow: Run, tiny: list[str], store: RecordStore) -> None:
        """Every run belongs to the sweep; the baseline is found, not run again."""
        code, out, err = optiflow("-m", *tiny, "+opt=none,cache,all")
        assert (code, err) == (0, "")
        rows = [line.split() for line in out.splitlines() if "PASS" in line]
        assert [row[0].rstrip(",") for row in rows] == ["none", "cache", "async"]
        records = store.newest(9)
        assert len(records) == 3
        assert len({record.sweep_id for record in records} - {None}) == 1

    @pytest.mark.parametrize("wrong", ["seed=abc", "workflow.input.packages=[no-such-package]"])
    def test_a_job_that_fails_ends_nothing(self, optiflow: Run, tiny: list[str], wrong: str) -> None:
        """The others run, every failure is listed once, and the exit code is the worst."""
        key, _, value = wrong.partition("=")
        right = {"seed": "1", "workflow.input.packages": "[idna]"}[key]
        code, out, err = optiflow("-m", *tiny, f"{key}={value},{right},{value}")
        assert code == 2
        assert err == ""
        assert sum("PASS" in line for line in out.splitlines()) == 1
        assert " ".join(out.split()).count(f"{key}={value}: {key}: ") == 1

    def test_failures_in_json(self, optiflow: Run, tiny: list[str]) -> None:
        """One object with the runs and what failed."""
        code, out, err = optiflow("-m", *tiny, "report=json", "seed=1,2", "+opt.cache.max_entries=5,0")
        assert code == 2
        shown = json.loads(out)
        assert len(shown["runs"]) == len(shown["failed"]) == 2
        assert shown["failed"][0]["error"].startswith("opt.cache.max_entries: 0: ")
        assert "Error executing job" not in err

    def test_an_unexpected_error_is_listed_too(self, optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
        """A mistake of ours in one job does not lose the others."""
        import optiflow.experiment.compare as compare

        run, count = compare.run_with_baseline, iter(range(9))

        def sometimes(*arguments: Any, **options: Any) -> Any:
            if next(count) == 0:
                raise ZeroDivisionError
            return run(*arguments, **options)

        monkeypatch.setattr(compare, "run_with_baseline", sometimes)
        code, out, _ = optiflow("-m", *tiny, "seed=1,2")
        assert code == 1
        assert "ZeroDivisionError" in out
        assert "PASS" in out

    @pytest.mark.parametrize("pressed", [KeyboardInterrupt(), RunInterruptedError("interrupted; the record x says so")])
    def test_ctrl_c_ends_the_sweep(
        self, optiflow: Run, tiny: list[str], monkeypatch: Any, pressed: BaseException
    ) -> None:
        """What had been done is shown, the jobs behind are not started, and how to go on is said."""
        calls: list[int] = []

        def interrupted(config: Any, *_: Any, **__: Any) -> Any:
            calls.append(config.seed)
            raise pressed

        monkeypatch.setattr("optiflow.experiment.compare.run_with_baseline", interrupted)
        code, _, err = optiflow("-m", *tiny, "seed=1,2")
        assert code == 130
        assert err == "interrupted; go on with: python -m optiflow experiment resume grid\n"
        assert calls == [1]


def test_an_interrupted_run_is_told(optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
    """Its record is named in the command's own error."""

    def interrupted(*_: Any) -> Any:
        raise RunInterruptedError("interrupted; the record x says so")

    monkeypatch.setattr("optiflow.cli.job._run_and_judge", interrupted)
    code, out, err = optiflow(*tiny, "seed=1")
    assert (code, out, err) == (130, "", "optiflow: interrupted; the record x says so\n")


def test_hydra_s_variable_is_put_back(optiflow: Run, monkeypatch: Any) -> None:
    """Whoever embeds the command line keeps the environment as it was."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    optiflow("--cfg", "job")
    assert os.environ["HYDRA_FULL_ERROR"] == "0"


def _document(text: bytes) -> Callable[[Path], list[str]]:
    def write(folder: Path) -> list[str]:
        (folder / "reports").mkdir()
        (folder / "reports" / "one.txt").write_bytes(text)
        return ["workflow=reports", "workflow.input.folder=reports"]

    return write


def _own_file(name: str, text: str, *arguments: str) -> Callable[[Path], list[str]]:
    def write(folder: Path) -> list[str]:
        path = folder / "own" / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        return ["--config-dir", "own", *arguments]

    return write


def _arguments(*arguments: str) -> Callable[[Path], list[str]]:
    return lambda _: list(arguments)


WRONG = {
    "unknown toggle": (_arguments("+opt=cahce"), "opt=cahce: no such option; did you mean 'cache'?"),
    "unknown toggle by key": (_arguments("+opt.frob.enabled=true"), "opt.frob: no such toggle; known: async, "),
    "unknown key": (_arguments("workflow.input.packges=[a]"), "workflow.input.packges: no such key"),
    "wrong type": (_arguments("seed=abc"), "seed: 'abc': input should be a valid integer"),
    "negative concurrency": (
        _arguments("+opt=parallel", "opt.parallel.max_concurrency=-1"),
        "opt.parallel.max_concurrency: -1: input should be greater than",
    ),
    "unknown option": (_arguments("model=gpt"), "model=gpt: no such option; known: anthropic, offline, openai"),
    "unknown provider": (
        _arguments("clock=real", "model.provider=frob", "model.latency=null"),
        "model.provider='frob'",
    ),
    "real provider on the virtual clock": (_arguments("model=openai"), "model.provider='openai' answers in real time"),
    "no key": (_arguments("model=openai", "clock=real"), "model.provider='openai' needs its key"),
    "package not installed": (
        _arguments("workflow.input.packages=[richh]"),
        "workflow.input.packages: 'richh' is not installed; did you mean 'rich'?",
    ),
    "missing folder": (_arguments("workflow=reports", "workflow.input.folder=nowhere"), "workflow.input.folder: "),
    "missing value": (_arguments("workflow=reports"), "workflow.input.folder: missing; give it with "),
    "empty document": (_document(b"  \n"), "reports/one.txt"),
    "binary document": (_document(b"text\x00\xff\xfe\x01" * 50), "reports/one.txt"),
    "invalid YAML": (
        _own_file("workflow/broken.yaml", "kind: declared\nnodes: [\nname: x\n", "workflow=broken"),
        "",
    ),
    "YAML that is no mapping": (_own_file("workflow/text.yaml", "just text\n", "workflow=text"), ""),
    "local configuration with a wrong key": (
        _own_file("local/default.yaml", "# @package _global_\nsede: 7\n"),
        "sede: no such key; did you mean 'seed'?",
    ),
    "missing folder of configuration": (_arguments("--config-dir", "nowhere"), ""),
    "unknown flag": (_arguments("--frob"), "unrecognized arguments: --frob; --help lists the flags"),
    "flag without its value": (_arguments("--cfg"), "argument --cfg/-c: expected one argument; --help lists the flags"),
    "sweep over an unknown toggle": (_arguments("-m", "+opt=all,frob"), "opt=frob: no such option; known: all, "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(optiflow: Run, here: Path, store: RecordStore, monkeypatch: Any, name: str) -> None:
    """Exit code 2, nothing on standard output, no traceback, nothing half-written."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    make, message = WRONG[name]
    code, out, err = optiflow(*make(here))
    assert (code, out) == (2, ""), err
    assert err.startswith(f"optiflow: {message}" if "/" not in message else "optiflow: ")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert store.newest(1) == []


class TestStore:
    """A store that cannot be used is one line, and nothing runs for nothing."""

    def test_a_folder_that_is_a_file(self, optiflow: Run, tiny: list[str], here: Path, monkeypatch: Any) -> None:
        """The home folder can't be made."""
        (here / "file").touch()
        monkeypatch.setenv("OPTIFLOW_STORE", f"sqlite:///{here / 'file' / 'records.sqlite'}")
        code, out, err = optiflow(*tiny)
        assert (code, out) == (1, "")
        assert err.startswith("optiflow: store ")
        assert err.count("\n") == 1

    def test_a_store_that_is_a_folder(self, optiflow: Run, tiny: list[str], here: Path, monkeypatch: Any) -> None:
        """What is not a file can't be opened."""
        monkeypatch.setenv("OPTIFLOW_STORE", f"sqlite:///{here}")
        code, _, err = optiflow(*tiny)
        assert code == 1
        assert "unable to open database file: check that its folder exists and may be written" in err

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write to a read-only folder")
    def test_a_folder_that_may_not_be_written(self, optiflow: Run, tiny: list[str], here: Path) -> None:
        """Neither records nor logs can be kept there."""
        here.chmod(0o500)
        try:
            assert optiflow(*tiny).code in (1, 2)
        finally:
            here.chmod(0o700)

    def test_a_read_only_store(self, optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
        """SQLite refuses to write; the record that was there stays."""
        assert optiflow(*tiny).code == 0
        path = get_settings().home.absolute() / "records.sqlite"
        monkeypatch.setenv("OPTIFLOW_STORE", f"sqlite:///file:{path}?mode=ro&uri=true")
        code, _, err = optiflow(*tiny)
        assert code == 1
        assert "readonly database: allow writing to it and its folder" in err

    def test_a_locked_store(self, optiflow: Run, tiny: list[str], store: RecordStore, monkeypatch: Any) -> None:
        """Another process that writes and never ends is waited for, and then named."""
        assert optiflow(*tiny).code == 0
        patient = RecordStore.__init__
        monkeypatch.setattr(RecordStore, "__init__", lambda self, url: patient(self, url, patience_s=0.05))
        other = sqlite3.connect(get_settings().home / "records.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            code, out, err = optiflow(*tiny)
        finally:
            other.close()
        assert (code, out) == (1, "")
        assert "database is locked: another process has been writing" in err
        assert len(store.newest(9)) == 1

    def test_a_store_of_a_newer_version(self, optiflow: Run, tiny: list[str]) -> None:
        """It is left as it is."""
        assert optiflow(*tiny).code == 0
        with sqlite3.connect(get_settings().home / "records.sqlite") as connection:
            connection.execute("UPDATE optiflow_store SET version = version + 1")
        connection.close()
        code, out, err = optiflow(*tiny)
        assert (code, out) == (2, "")
        assert f"schema version {STORE_VERSION + 1}, this OptiFlow knows {STORE_VERSION}: update OptiFlow" in err

    def test_a_file_that_is_no_store(self, optiflow: Run, tiny: list[str], here: Path, monkeypatch: Any) -> None:
        """Somebody's own file is not overwritten."""
        (here / "notes.txt").write_text("my notes " * 200)
        monkeypatch.setenv("OPTIFLOW_STORE", f"sqlite:///{here / 'notes.txt'}")
        code, _, err = optiflow(*tiny)
        assert code == 1
        assert "it is no SQLite database" in err
        assert (here / "notes.txt").read_text() == "my notes " * 200

    def test_a_full_disk(self, optiflow: Run, tiny: list[str], store: RecordStore, monkeypatch: Any) -> None:
        """A database that may not grow any more says so, and the records before are intact."""
        assert optiflow(*tiny).code == 0
        create = RecordStore.__init__

        def small(self: RecordStore, url: str) -> None:
            import sqlalchemy as sa

            create(self, url)
            sa.event.listen(
                self.database._engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1")
            )

        monkeypatch.setattr(RecordStore, "__init__", small)
        code, out, err = optiflow(*tiny)
        assert (code, out) == (1, "")
        assert "database or disk is full: make room on the disk" in err
        monkeypatch.undo()
        assert len(store.newest(9)) == 1

    def test_an_address_that_makes_no_sense(self, optiflow: Run, tiny: list[str], monkeypatch: Any) -> None:
        """It is configuration, so the code is 2."""
        monkeypatch.setenv("OPTIFLOW_STORE", "frob://x")
        code, _, err = optiflow(*tiny)
        assert code == 2
        assert err.startswith("optiflow: store 'frob': ")
