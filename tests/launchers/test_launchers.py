"""Sweeps in other processes: joblib on this machine, and a real Ray cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from optiflow.experiment.store import ExperimentStore
from optiflow.record.store import RecordStore

_ABLATE = ["-m", "criteria=none", "workflow.input.packages=[idna,certifi]", "+experiment=ablate", "experiment.blocks=2"]


def _sweep(here: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optiflow", *_ABLATE, *arguments]
    return subprocess.run(
        command, cwd=here, env=os.environ | environment, capture_output=True, text=True, timeout=280, check=False
    )


def _runs(url: str, name: str = "ablate") -> tuple[Any, list[Any], list[Any]]:
    with closing(RecordStore(url)) as records:
        store = ExperimentStore(records)
        plan = store.get(name)
        return plan, store.runs(plan), records.of_sweep(plan.experiment_id)


def test_joblib(tmp_path: Path) -> None:
    """Two processes share the jobs of two blocks, and virtual time is not disturbed by their contention."""
    store = f"sqlite:///{tmp_path / 'r.sqlite'}"
    done = _sweep(tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", OPTIFLOW_STORE=store)
    assert done.returncode == 0, done.stderr
    plan, runs, _ = _runs(store)
    assert len(runs) == len(plan.jobs)
    assert len({run.environment.pid for run in runs}) == 2
    slowest = [run.timings.runtime_s for run in runs if not run.toggles_on]
    assert max(slowest) / min(slowest) < 1.1


@pytest.mark.slow
def test_a_ray_cluster_whose_worker_is_killed(tmp_path: Path, postgres_url: str) -> None:
    """Results are in PostgreSQL; the task of a worker that was killed is run again; each job ends exactly once."""
    command = [sys.executable, "-m", "optiflow", *_ABLATE, "hydra/launcher=ray", "hydra.launcher.num_cpus=2"]
    command += ["experiment.jobs_per_task=6"]
    environment = os.environ | {"OPTIFLOW_STORE": postgres_url, "OPTIFLOW_HOME": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        victim = None
        deadline = time.monotonic() + 200
        with closing(RecordStore(postgres_url)) as records:
            while victim is None and process.poll() is None and time.monotonic() < deadline:
                victim = next((run.environment.pid for run in records.newest(1) if run.status == "running"), None)
                # Looking all the time would take a processor from the cluster that starts.
                time.sleep(0.02)
        assert victim is not None, "no job was seen running"
        os.kill(victim, signal.SIGKILL)
        _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    plan, runs, recorded = _runs(postgres_url)
    assert len(runs) == len(plan.jobs)
    ended = Counter((run.block, run.position) for run in recorded if run.status == "ok")
    assert set(ended.values()) == {1}
    assert len({run.environment.pid for run in runs}) >= 2


def test_timing_jobs_are_never_run_side_by_side(tmp_path: Path) -> None:
    """With the real clock only one after another, and the reason is told."""
    done = _sweep(tmp_path, "clock=real", "hydra/launcher=joblib", OPTIFLOW_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("optiflow: clock=real: timing jobs are never run side by side")
    assert not (tmp_path / "records.sqlite").exists()


def test_a_cluster_elsewhere_needs_a_shared_store(tmp_path: Path) -> None:
    """A file of this machine is no place for its results."""
    done = _sweep(
        tmp_path, "hydra/launcher=ray", "hydra.launcher.address=ray://elsewhere:1", OPTIFLOW_HOME=str(tmp_path)
    )
    assert done.returncode == 2
    assert "set OPTIFLOW_STORE to a postgresql:// URL" in done.stderr
