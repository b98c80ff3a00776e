"""The shell scripts, in a checkout of their own whose Python is this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "debug_local.sh", *(ROOT / "scripts").iterdir()])

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash on this machine")

_REAL = '#!/usr/bin/env bash\nexec "{python}" "$@"\n'
_ECHO = '#!/usr/bin/env bash\nprintf "%s|" "$@"; printf "logs=%s" "$OPTIFLOW_LOG_DIR"\n'


def _checkout(folder: Path, python: str) -> Path:
    """The scripts with an environment that is already installed."""
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in ("debug_local.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    interpreter = folder / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(python)
    interpreter.chmod(0o755)
    mark = 'cd "$1" && cat requirements.lock pyproject.toml | cksum > .venv/.installed'
    subprocess.run(["bash", "-c", mark, "bash", str(folder)], check=True)
    return folder


@pytest.fixture
def dry(tmp_path: Path) -> Path:
    """A checkout whose Python only says what it is asked to do."""
    return _checkout(tmp_path / "a checkout", _ECHO)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A checkout that runs this Python, with the packages that the tests run with."""
    return _checkout(tmp_path / "a checkout", _REAL.format(python=sys.executable))


def _run(checkout: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *command],
        cwd=checkout,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_sound(script: str) -> None:
    """It parses, may be executed, stops at the first error and says what it is for."""
    path = ROOT / script
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    assert os.access(path, os.X_OK)
    first, comment, *rest = path.read_text().splitlines()
    assert first == "#!/usr/bin/env bash"
    assert comment.startswith("# ")
    assert "set -euo pipefail" in rest


class TestDebugLocal:
    """Flags become a command of ``optiflow phase``."""

    @pytest.mark.parametrize(
        ("flags", "becomes"),
        [
            ("--full-test", "all"),
            ("--quick-test", "quick"),
            ("--profile-memory", "memory"),
            ("--performance-report", "performance_report"),
            ("--test-specific async_tokens", "async_tokens"),
            ("--log-level ERROR", "quick_wins|--log-level|ERROR"),
            ("--disable-async", "rollback|opt.async.enabled=false"),
            ("--disable-cache", "rollback|opt.cache.enabled=false"),
            ("--disable-parallel", "rollback|opt.parallel.enabled=false"),
            (
                "--disable-async --disable-cache --disable-parallel",
                "rollback|opt.async.enabled=false|opt.cache.enabled=false|opt.parallel.enabled=false",
            ),
            ("--quick-test --profile-memory", "quick|memory"),
            ("--test-specific async_tokens --test-specific memory", "async_tokens|memory"),
            ("--full-test --log-level INFO --disable-cache", "all|--log-level|INFO|opt.cache.enabled=false"),
            ("--disable-parallel --performance-report", "performance_report|opt.parallel.enabled=false"),
            ("--disable-cache --log-level DEBUG", "quick_wins|rollback|--log-level|DEBUG|opt.cache.enabled=false"),
            ("--quick-test workflow.input.packages=[idna]", "quick|workflow.input.packages=[idna]"),
            (
                "--test-specific quick --performance-report --log-level WARNING --full-test --quick-test "
                "--profile-memory --disable-async --disable-cache --disable-parallel",
                "quick|performance_report|all|quick|memory|--log-level|WARNING|"
                "opt.async.enabled=false|opt.cache.enabled=false|opt.parallel.enabled=false",
            ),
        ],
    )
    def test_flags_alone_and_combined(self, dry: Path, flags: str, becomes: str) -> None:
        """Every flag reaches the command, in order, and logs go to debug_logs."""
        done = _run(dry, "debug_local.sh", *flags.split())
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"-m|optiflow|phase|{becomes}|logs=debug_logs"

    def test_arguments_keep_their_spaces(self, dry: Path) -> None:
        """An override with a space is one argument."""
        done = _run(dry, "debug_local.sh", "--quick-test", "workflow.input.folder='my reports'", OPTIFLOW_LOG_DIR="x y")
        assert done.stdout == "-m|optiflow|phase|quick|workflow.input.folder='my reports'|logs=x y"

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (("--frob",), "debug_local.sh: unknown flag '--frob'; --help lists them"),
            (("quick",), "debug_local.sh: unknown flag 'quick'; --help lists them"),
            (("--test-specific",), "debug_local.sh: --test-specific needs the name of a phase"),
            (("--quick-test", "--log-level"), "debug_local.sh: --log-level needs a level"),
            ((), "usage: ./debug_local.sh"),
        ],
    )
    def test_a_wrong_flag_is_told(self, dry: Path, flags: tuple[str, ...], message: str) -> None:
        """On standard error, with exit code 2, and nothing runs."""
        done = _run(dry, "debug_local.sh", *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(message)

    def test_its_help_names_every_flag(self, dry: Path) -> None:
        """As the script reads them."""
        done = _run(dry, "debug_local.sh", "--help")
        assert done.returncode == 0
        for flag in ("test-specific", "performance-report", "log-level", "profile-memory", "quick-test", "full-test"):
            assert f"--{flag}" in done.stdout
        assert "--disable-async --disable-cache --disable-parallel" in done.stdout

    def test_measured_lines_and_the_exit_code(self, real: Path, tmp_path: Path) -> None:
        """Each line has its mark and figure; logs go to debug_logs of the working folder."""
        done = _run(real, "debug_local.sh", "--quick-test", "--disable-async")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        assert lines[0].startswith("quick: ")
        assert all(line.startswith("  ✅ ") and line.endswith(")") for line in lines[1:])
        assert any("Same answer as the baseline" in line for line in lines)
        assert (real / "debug_logs" / "optiflow.log").exists()

    def test_a_line_that_fails_fails_the_script(self, real: Path) -> None:
        """A criterion that no run meets is a ❌ and exit code 3."""
        done = _run(
            real, "debug_local.sh", "--quick-test", "criteria.criteria=[{name: frugal, figure: tokens, at_most: 1}]"
        )
        assert done.returncode == 3, done.stdout + done.stderr
        assert "❌ frugal <= 1" in done.stdout

    def test_an_unknown_phase_is_told(self, real: Path) -> None:
        """By the command, with the nearest name."""
        done = _run(real, "debug_local.sh", "--test-specific", "asinc_tokens")
        assert done.returncode == 2
        assert "did you mean 'async_tokens'?" in done.stderr


class TestAnalyzeTraceProduction:
    """Thin over ``optiflow compare``."""

    @pytest.mark.parametrize("records", [(), ("abc", "def")])
    def test_it_compares(self, dry: Path, records: tuple[str, ...]) -> None:
        """The two newest, or the two named."""
        done = _run(dry, "scripts/analyze_trace_production.sh", "--compare-performance", *records)
        assert done.stdout.startswith("|".join(["-m", "optiflow", "compare", *records]))

    @pytest.mark.parametrize("flags", [(), ("--frob",)])
    def test_a_wrong_flag_is_told(self, dry: Path, flags: tuple[str, ...]) -> None:
        """With the usage and exit code 2."""
        done = _run(dry, "scripts/analyze_trace_production.sh", *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("usage: scripts/analyze_trace_production.sh --compare-performance")

    def test_without_records_it_says_what_to_do(self, real: Path) -> None:
        """One line, exit code 2."""
        done = _run(real, "scripts/analyze_trace_production.sh", "--compare-performance")
        assert done.returncode == 2
        assert done.stderr.startswith("optiflow: fewer than two finished runs on record")


class TestSetup:
    """``scripts/setup`` makes the environment, once."""

    def test_what_is_up_to_date_is_left_alone(self, dry: Path) -> None:
        """Nothing is asked of any Python."""
        done = _run(dry, "scripts/setup", PYTHON="/nowhere/python")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_a_changed_lock_file_is_installed_anew(self, dry: Path, tmp_path: Path) -> None:
        """By the Python that PYTHON names, with hashes required, and marked only when all went well."""
        log = tmp_path / "log"
        python = tmp_path / "python"
        python.write_text(f'#!/usr/bin/env bash\necho "$@" >> "{log}"\n')
        python.chmod(0o755)
        shutil.copy2(python, dry / ".venv" / "bin" / "python")
        (dry / "requirements.lock").write_text("# another\n")
        done = _run(dry, "scripts/setup", PYTHON=str(python))
        assert done.returncode == 0, done.stderr
        steps = log.read_text()
        assert "-m venv .venv" in steps
        assert "--require-hashes --requirement requirements.lock" in steps
        assert "--no-deps --no-build-isolation --editable ." in steps
        log.unlink()
        assert _run(dry, "scripts/setup", PYTHON=str(python)).returncode == 0
        assert not log.exists()

    def test_an_old_python_is_refused(self, dry: Path, tmp_path: Path) -> None:
        """With what is needed, before anything is changed."""
        (dry / ".venv" / ".installed").unlink()
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("bash", "cat", "cksum", "dirname", "env"):
            (folder / name).symlink_to(shutil.which(name) or name)
        done = _run(dry, "scripts/setup", PATH=str(folder), PYTHON="")
        assert done.returncode == 2
        assert done.stderr == "scripts/setup: Python 3.11 or newer is needed; set PYTHON to one\n"


def test_run_is_the_main_job(dry: Path) -> None:
    """With its own set-up, in whatever folder it is called."""
    elsewhere = dry.parent / "elsewhere"
    elsewhere.mkdir()
    done = _run(elsewhere, str(dry / "scripts" / "run"), "+opt=all")
    assert done.stdout.startswith("-m|optiflow|+opt=all|")
