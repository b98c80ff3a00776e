"""Captures what a run ran on: machine, process, versions, git; in some ten milliseconds."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from optiflow.record.schema import Environment

__all__ = ["capture", "code_digest", "same_checkout"]

_PACKAGES = (
    "anthropic",
    "hydra-core",
    "langchain",
    "langchain-anthropic",
    "langchain-core",
    "langchain-openai",
    "langgraph",
    "langgraph-checkpoint",
    "langgraph-prebuilt",
    "langsmith",
    "openai",
    "optiflow",
    "pydantic",
    "rouge-score",
    "sqlalchemy",
    "structlog",
    "tiktoken",
    "uvloop",
)
_VARIABLES = (
    "CI",
    "LANGSMITH_TRACING",
    "LANGCHAIN_TRACING_V2",
    "OPTIFLOW_DISABLE",
    "OPTIFLOW_HOME",
    "OPTIFLOW_STORE",
    "OMP_NUM_THREADS",
    "PYTHONASYNCIODEBUG",
    "PYTHONHASHSEED",
    "PYTHONMALLOC",
    "PYTHONOPTIMIZE",
)
_LOCKS = ("requirements.lock", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")
_UNBORN = "(initial)"
_GIT_PATIENCE_S = 2.0
_OWN_SOURCES = Path(__file__).resolve().parent.parent

_Checkout = tuple[str | None, bool | None, str | None]
"""Commit, whether the work tree differs from it, digest of the difference; None where there is none."""

_answered: ContextVar[dict[Path, _Checkout] | None] = ContextVar("optiflow_checkouts", default=None)


@contextmanager
def same_checkout() -> Iterator[None]:
    """Ask git only once about each folder in the block.

    For runs that follow each other closely: asking takes longer than everything else that is captured, and what they
    run was imported before the first of them.
    """
    token = _answered.set({})
    try:
        yield
    finally:
        _answered.reset(token)


def capture(folder: Path | None = None) -> Environment:
    """Capture the environment.

    Git is asked only inside a work tree; without git, or if it takes more than 2 s, its fields stay None.

    Args:
        folder: Where to look for git and the lock file; by default the working directory.
    """
    folder = (folder or Path.cwd()).resolve()
    process = psutil.Process()
    commit, dirty, difference = _checkout(folder)
    return Environment(
        host=platform.node(),
        pid=process.pid,
        process_started=process.create_time(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=_cpu_name(),
        cpu_count=_cpu_count(),
        load=os.getloadavg() if hasattr(os, "getloadavg") else None,
        packages=dict(_versions()),
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        lock_sha256=_lock_digest(folder),
        git_commit=commit,
        git_dirty=dirty,
        git_diff_sha256=difference,
    )


def code_digest(*paths: Path) -> str:
    """SHA-256 (hex) of OptiFlow's own sources and of the Python files given, or in the folders given.

    Raises:
        OSError: A path can't be read.
    """
    parts = [_own_digest(), *(_sources_digest(path) for path in paths)]
    return hashlib.sha256("".join(parts).encode("ascii")).hexdigest()


@functools.cache
def _own_digest() -> str:
    # What runs was imported from these files, so one reading per process is right.
    return _sources_digest(_OWN_SOURCES)


def _sources_digest(path: Path) -> str:
    total = hashlib.sha256()
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    for file in files:
        name = file.name if file == path else file.relative_to(path).as_posix()
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    # Packages stay what they were when the process imported them, whatever is installed meanwhile.
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@functools.cache
def _cpu_name() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the platform knows
    return platform.processor() or platform.machine()


def _cpu_count() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _lock_digest(folder: Path) -> str | None:
    for name in _LOCKS:
        try:
            return hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError:
            continue  # not there, or not ours to read
    return None


def _checkout(folder: Path) -> _Checkout:
    answered = _answered.get()
    if answered is None:
        return _git(folder)
    if folder not in answered:
        answered[folder] = _git(folder)
    return answered[folder]


def _git(folder: Path) -> _Checkout:
    # os.path: unlike Path.exists, it takes a folder that may not be looked into for one without git.
    if not any(os.path.exists(parent / ".git") for parent in (folder, *folder.parents)):  # noqa: PTH110
        return None, None, None
    status = _ask_git(folder, "status", "--porcelain=v2", "--branch")
    if status is None:
        return None, None, None
    lines = status.decode("utf-8", "replace").splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), _UNBORN)
    dirty = any(not line.startswith("#") for line in lines)
    if commit == _UNBORN:
        return None, dirty, None
    difference = _ask_git(folder, "diff", "HEAD") if dirty else None
    return commit, dirty, hashlib.sha256(difference).hexdigest() if difference else None


def _ask_git(folder: Path, *command: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *command],
            capture_output=True,
            check=True,
            timeout=_GIT_PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
