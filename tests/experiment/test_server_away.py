"""A sweep whose PostgreSQL goes away while it runs: a server of the test's own, stopped and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from optiflow.errors import StoreError
from optiflow.experiment.store import ExperimentStore
from optiflow.record.store import RecordStore

_SWEEP = [
    "-m",
    "criteria=none",
    "workflow.input.packages=[idna]",
    "+experiment=full",
    "experiment.toggles=[cache,parallel]",
    "experiment.blocks=4",
]


class Server:
    """A PostgreSQL cluster in a folder of its own, run by a user that may run one."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._as = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(folder, **self._as)
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Wait until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options={options}")

    def stop(self) -> None:
        """Cut every connection."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), f"--pgdata={self._folder / 'data'}", *arguments]
        # What it leaves behind must not hold our pipes open.
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL, **self._as)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that the test may stop."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [Path(shutil.which("pg_ctl") or "")]
    if not found[-1].is_file():
        reason = "needs PostgreSQL's own programs: install the package postgresql"
        if os.environ.get("OPTIFLOW_REQUIRE_SERVICES"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Pytest's own folders are closed to any other user, such as the one that may run a server.
    # What a server that was cut off leaves to its children may still change while the folder is removed.
    with tempfile.TemporaryDirectory(prefix="optiflow-postgres-", ignore_cleanup_errors=True) as folder:
        running = Server(Path(folder), found[-1].parent)
        try:
            yield running
        finally:
            running.stop()


def _sweep(server: Server, folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OPTIFLOW_STORE": server.url, "OPTIFLOW_HOME": str(folder)}
    command = [sys.executable, "-m", "optiflow", *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _held_after(server: Server, process: subprocess.Popen[str], jobs: int) -> None:
    """Hold the sweep still once some of its jobs are done."""
    with closing(RecordStore(server.url)) as records:
        store = ExperimentStore(records)
        while True:
            assert process.poll() is None, process.communicate()[1]
            plans = store.newest()
            if plans and store.count(plans[0].experiment_id).get("done", 0) >= jobs:
                break
    os.kill(process.pid, signal.SIGSTOP)


def _assert_each_job_once(server: Server) -> None:
    with closing(RecordStore(server.url)) as records:
        store = ExperimentStore(records)
        plan = store.get("full")
        assert store.count(plan.experiment_id) == {"done": len(plan.jobs)}
        ended = Counter((run.block, run.position) for run in records.of_sweep(plan.experiment_id) if run.status == "ok")
        assert ended == Counter((job.block, job.position) for job in plan.jobs)


@pytest.mark.slow
def test_a_server_that_comes_back_costs_nothing(server: Server, tmp_path: Path) -> None:
    """The sweep tries again, and ends as if nothing had been."""
    with _sweep(server, tmp_path, *_SWEEP) as process:
        _held_after(server, process, 2)
        # The sweep stands still: whenever it goes on, its connection is gone.
        server.stop()
        server.start()
        os.kill(process.pid, signal.SIGCONT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "16 jobs" in out
    _assert_each_job_once(server)


@pytest.mark.slow
def test_a_server_that_stays_away_ends_the_sweep_which_goes_on_later(server: Server, tmp_path: Path) -> None:
    """One line that says what is away and how to go on; resumed, each job ends exactly once."""
    with _sweep(server, tmp_path, *_SWEEP) as process:
        _held_after(server, process, 2)
        server.stop()
        os.kill(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == StoreError.exit_code
    assert "start the server" in err
    assert "go on with: python -m optiflow experiment resume full" in err
    assert "Traceback" not in err
    server.start()
    with _sweep(server, tmp_path, "experiment", "resume", "full") as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    _assert_each_job_once(server)
