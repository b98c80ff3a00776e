"""What a run ran on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from optiflow.record import environment
from optiflow.record.environment import capture, code_digest, same_checkout

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *command: str) -> str:
    """Run git as somebody, whatever this machine's configuration."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    """A git repository with one commit of one file."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_this_process(tmp_path, monkeypatch):
    """Process, Python, machine and versions are this one's."""
    monkeypatch.setattr(environment, "_PACKAGES", ("langgraph", "no-such-distribution"))
    monkeypatch.setattr(environment, "_versions", environment._versions.__wrapped__)
    here = capture(tmp_path)
    assert here.pid == os.getpid()
    assert here.process_started == psutil.Process().create_time()
    assert here.python.split()[1] == ".".join(map(str, sys.version_info[:3]))
    assert list(here.packages) == ["langgraph"]
    assert here.cpu
    assert here.cpu_count >= 1
    assert (here.git_commit, here.git_dirty, here.git_diff_sha256) == (None, None, None)
    assert here.lock_sha256 is None


def test_only_allowed_variables(tmp_path, monkeypatch):
    """Of the environment only an allow-list is taken."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("SOMETHING_PRIVATE", "x")
    monkeypatch.delenv("CI", raising=False)
    variables = capture(tmp_path).variables
    assert variables["PYTHONHASHSEED"] == "0"
    assert "SOMETHING_PRIVATE" not in variables
    assert "CI" not in variables


def test_the_lock_file(tmp_path):
    """The lock file's digest changes with the file."""
    (tmp_path / "requirements.lock").write_text("a==1\n")
    first = capture(tmp_path).lock_sha256
    (tmp_path / "requirements.lock").write_text("a==2\n")
    assert first is not None
    assert capture(tmp_path).lock_sha256 not in {first, None}


@needs_git
def test_a_clean_work_tree(repository):
    """A clean tree has its commit and no difference, from a folder below as well."""
    below = repository / "below"
    below.mkdir()
    found = capture(below)
    assert found.git_commit == git(repository, "rev-parse", "HEAD")
    assert (found.git_dirty, found.git_diff_sha256) == (False, None)


@needs_git
def test_a_changed_work_tree(repository):
    """A change of a tracked file is told by its digest; a new file makes the tree dirty only."""
    (repository / "new.txt").write_text("x")
    new = capture(repository)
    assert (new.git_dirty, new.git_diff_sha256) == (True, None)
    (repository / "a.txt").write_text("two\n")
    first = capture(repository).git_diff_sha256
    (repository / "a.txt").write_text("three\n")
    assert first is not None
    assert capture(repository).git_diff_sha256 not in {first, None}


@needs_git
def test_a_repository_without_a_commit(tmp_path):
    """Before the first commit there is none to name."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("x")
    found = capture(tmp_path)
    assert (found.git_commit, found.git_dirty, found.git_diff_sha256) == (None, True, None)


def test_without_git(tmp_path, monkeypatch):
    """Where git is not installed, or hangs, or refuses, its fields stay empty."""
    (tmp_path / ".git").mkdir()
    assert capture(tmp_path).git_commit is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture(tmp_path).git_commit is None
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(environment, "_GIT_PATIENCE_S", 0.05)
    start = time.monotonic()
    assert capture(tmp_path).git_commit is None
    assert time.monotonic() - start < 30


def test_a_processor_without_a_name(monkeypatch):
    """Where /proc names no processor the platform does."""

    class NoFile:
        def __init__(self, path: str) -> None:
            pass

        def open(self, **kwargs: object) -> None:
            raise FileNotFoundError

    monkeypatch.setattr(environment, "Path", NoFile)
    assert environment._cpu_name.__wrapped__()


def test_a_processor_description_without_a_model(tmp_path, monkeypatch):
    """A /proc that describes the processor otherwise falls back, too."""
    empty = tmp_path / "cpuinfo"
    empty.write_text("processor : 0\n")
    monkeypatch.setattr(environment, "Path", lambda path: empty)
    assert environment._cpu_name.__wrapped__()


def test_systems_without_affinity_or_load(tmp_path, monkeypatch):
    """Where the system has no affinity or load averages, all processors count and the load is not known."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    here = capture(tmp_path)
    assert here.cpu_count == os.cpu_count()
    assert here.load is None


def test_code_digest(tmp_path):
    """The digest changes with content and names of Python files, and with nothing else."""
    (tmp_path / "a.py").write_text("x = 1")
    own, first = code_digest(), code_digest(tmp_path)
    assert own != first
    (tmp_path / "notes.txt").write_text("x")
    assert code_digest(tmp_path) == first
    (tmp_path / "b.py").write_text("")
    second = code_digest(tmp_path)
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    assert len({first, second, code_digest(tmp_path)}) == 3
    assert code_digest(tmp_path / "a.py") != own
    with pytest.raises(OSError, match="missing"):
        code_digest(tmp_path / "missing.py")


@needs_git
def test_runs_that_follow_each_other_share_what_git_says(repository):
    """Within the block git is asked once about a folder, afterwards anew."""
    with same_checkout():
        before = capture(repository)
        (repository / "a.txt").write_text("two\n")
        assert capture(repository).git_dirty is before.git_dirty is False
    assert capture(repository).git_dirty is True
