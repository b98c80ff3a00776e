"""Runs jobs of an experiment, in whatever process a launcher chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from optiflow.config.compose import compose
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError, OptiflowError, RunInterruptedError
from optiflow.experiment.plan import ExperimentPlan, PlannedJob
from optiflow.experiment.planning import arm_config, run_digest
from optiflow.experiment.store import ExperimentStore
from optiflow.record.environment import same_checkout
from optiflow.record.store import RecordStore
from optiflow.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from optiflow.plan.observation.evidence import Recorded

__all__ = ["JobFailure", "composed", "run_jobs"]


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job did not go well; without the exception itself, which may not travel between processes."""

    job_id: str
    arm: str
    block: int
    error: str
    exit_code: int


def run_jobs(
    experiment_id: str,
    jobs: Sequence[str],
    settings: Settings,
    *,
    search_path: Sequence[Path] = (),
    fail_fast: bool = False,
    retry_failed: bool = False,
    around: Callable[[RunConfig], AbstractContextManager[object]] = lambda _config: nullcontext(),
) -> list[JobFailure]:
    """Run jobs one after another; what is done already, or being done by somebody else, is left alone.

    Args:
        experiment_id: The experiment in the store.
        jobs: Ids of its jobs, in order.
        settings: Where the store is, and which toggles the kill switch holds off.
        search_path: Folders with configuration files of the user's own.
        fail_fast: Whether the first failure ends it.
        retry_failed: Whether jobs that failed before are run again.
        around: Holds around each run, such as its log.

    Returns:
        The jobs that failed.

    Raises:
        RunInterruptedError: Ctrl-C or SIGTERM.
        StoreError: The store can't be read or written.
    """
    failures = []
    with closing(RecordStore(settings.store_url)) as records, same_checkout():
        store = ExperimentStore(records)
        plan = store.get(experiment_id)
        planned = {job.job_id: job for job in plan.jobs}
        for job_id in jobs:
            job = planned[job_id]
            failure = _run(plan, job, store, settings, tuple(search_path), retry_failed, around)
            if failure is not None:
                failures.append(failure)
                if fail_fast:
                    break
    return failures


def _run(
    plan: ExperimentPlan,
    job: PlannedJob,
    store: ExperimentStore,
    settings: Settings,
    search_path: tuple[Path, ...],
    retry_failed: bool,
    around: Callable[[RunConfig], AbstractContextManager[object]],
) -> JobFailure | None:
    # LangGraph is imported only where something runs.
    from optiflow.experiment.compare import run_with_baseline
    from optiflow.experiment.recorded import recorded_runs
    from optiflow.run import execute, prepare

    with store.claimed(job.job_id, retry_failed=retry_failed) as claimed:
        if claimed is None:
            return None
        arm = plan.arm(job.arm)
        try:
            config = arm_config(arm, lambda overrides: composed(tuple(overrides), search_path))
            if run_digest(config) != arm.config_sha256:
                raise ConfigurationError(
                    f"arm {arm.name!r} is configured otherwise than when the experiment was planned: "
                    "a configuration file has changed; plan it anew under another experiment.name"
                )
            with around(config):
                if plan.design == "grid":
                    run_with_baseline(
                        config, settings, overrides=arm.command, sweep_id=plan.experiment_id, keep=claimed
                    )
                    return None
                ready = prepare(config, disabled=settings.disable, overrides=arm.command, sweep_id=plan.experiment_id)
                seen: tuple[Recorded, ...] = ()
                if ready.toggles:
                    seen = recorded_runs(store.records, ready.workflow.name, config, ready.code_sha256)
                execute(replace(ready, block=job.block, position=job.position, recorded=seen), claimed)
        except Exception as error:
            if isinstance(error, RunInterruptedError):
                raise
            text = str(error) if isinstance(error, OptiflowError) else f"{type(error).__name__}: {error}"
            code = getattr(error, "exit_code", OptiflowError.exit_code)
            return JobFailure(job.job_id, job.arm, job.block, text, code)
    return None


@lru_cache(maxsize=256)
def composed(overrides: tuple[str, ...], search_path: tuple[Path, ...]) -> RunConfig:
    """The configuration of some overrides, composed once a process."""
    return compose(overrides, search_path=search_path)
