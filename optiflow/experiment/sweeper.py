"""OptiFlow's own Hydra sweeper: plans an experiment or a grid, launches what is not done yet, and keeps everything.

It works with any launcher, and is the only sweeper that
``python -m optiflow -m`` uses: a plain grid is recorded, deduplicated and resumable like any experiment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper

from optiflow.config.compose import compose
from optiflow.config.experiment import ExperimentConfig, TaskConfig
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError
from optiflow.experiment.plan import ExperimentPlan
from optiflow.experiment.planning import Workload, arm_config, plan_design, plan_grid
from optiflow.experiment.store import ExperimentStore
from optiflow.experiment.worker import JobFailure
from optiflow.record.redact import Redactor
from optiflow.record.store import RecordStore
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from optiflow.record.schema import RunRecord

__all__ = ["ExperimentSweeper", "Session", "session"]

_BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


@dataclass
class Session:
    """What one command line asks of the sweeper, and what came of it: Hydra itself hands on neither."""

    arguments: tuple[str, ...] = ()
    """The command line, so that the experiment can be resumed by name."""
    resume: str | None = None
    """An experiment that is to be gone on with as it was planned."""
    progress: Callable[[ExperimentStore, ExperimentPlan], AbstractContextManager[object]] = lambda *_: nullcontext()
    """Shows how far the jobs are, while they run."""
    plan: ExperimentPlan | None = None
    """What was planned."""
    dry_run: bool = False
    """Whether the plan was only asked for."""
    failures: list[JobFailure] = field(default_factory=list)
    """Jobs of this command line that failed."""


_session: ContextVar[Session | None] = ContextVar("optiflow_sweep_session", default=None)


@contextmanager
def session(given: Session) -> Iterator[Session]:
    """Have sweeps of this context report to a session."""
    token = _session.set(given)
    try:
        yield given
    finally:
        _session.reset(token)


class ExperimentSweeper(Sweeper):
    """Runs experiments and grids."""

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over, and make the launcher that is configured."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Plan, keep the plan, and launch the jobs that have no run that ended.

        Args:
            arguments: The command line's overrides.

        Raises:
            ConfigurationError: The experiment can't be planned, or its jobs can't be launched this way.
            StoreError: The store can't be read or written.
        """
        current = _session.get() or Session()
        settings = get_settings()
        for shown, argument in zip(Redactor().arguments(arguments), arguments, strict=True):
            if shown != argument:
                raise ConfigurationError(
                    f"{shown}: a sweep keeps its overrides in the store, where no secret belongs; "
                    "name an environment variable instead, as in ${oc.env:NAME}"
                )
        with closing(RecordStore(settings.store_url)) as records:
            store = ExperimentStore(records)
            options = self._experiment(arguments)
            if options is not None and options.design == "search":
                self._search(options, arguments, current, store)
                return
            plan = self._plan(arguments, options, current, store)
            current.plan, current.dry_run = plan, options is not None and options.dry_run
            if not current.dry_run:
                self._run(plan, options, current, store)

    def _run(
        self, plan: ExperimentPlan, options: ExperimentConfig | None, current: Session, store: ExperimentStore
    ) -> None:
        """Keep a plan, and launch the jobs that have no run that ended."""
        self._refuse_contention(plan)
        current.plan = plan = store.add(plan)
        retry = current.resume is not None or (options is not None and options.retry_failed)
        pending = store.pending(plan, retry_failed=retry)
        tasks = _tasks(plan, pending, 1 if options is None else options.jobs_per_task)
        with current.progress(store, plan):
            self._launch(tasks, plan, retry, options is not None and options.fail_fast, current)

    def _search(
        self, options: ExperimentConfig, arguments: Sequence[str], current: Session, store: ExperimentStore
    ) -> None:
        from optiflow.experiment.search import search

        def launch(plan: ExperimentPlan) -> list[RunRecord]:
            current.plan = plan
            if not options.dry_run:
                self._run(plan, options, current, store)
            return store.runs(plan)

        own = _own(arguments)
        workload = self._workload(own)
        if current.resume is not None:
            _refuse_change(store.get(current.resume), workload)
        current.dry_run = options.dry_run
        search(options, own, self._composer, launch, workload=workload, arguments=current.arguments)

    def _experiment(self, arguments: Sequence[str]) -> ExperimentConfig | None:
        """The options of the experiment; None for a plain grid."""
        if not any(_key(argument).startswith("experiment") for argument in arguments):
            return None
        experiment = compose(arguments, search_path=self._search_path).experiment
        if experiment is None:
            raise ConfigurationError("experiment: none is chosen; add one with +experiment=ablate")
        return experiment

    def _plan(
        self, arguments: Sequence[str], options: ExperimentConfig | None, current: Session, store: ExperimentStore
    ) -> ExperimentPlan:
        if options is None:
            if current.resume is not None:
                # Each of its runs is held against a baseline of the same code and input: they may change.
                return store.get(current.resume)
            # A grid that is asked for again is run again.
            combinations, workload = _grid(arguments, self.hydra_context), Workload(uuid4().hex)
            return plan_grid(combinations, self._composer, workload=workload, arguments=current.arguments)
        own = _own(arguments)
        workload = self._workload(own)
        if current.resume is not None:
            plan = store.get(current.resume)
            _refuse_change(plan, workload)
            return plan
        return plan_design(options, own, self._composer, workload=workload, arguments=current.arguments)

    def _workload(self, own: Sequence[str]) -> Workload:
        """What the overrides that every arm shares are known by."""
        from optiflow.run import prepare

        job = prepare(self._composer(own).without_toggles())
        return Workload(job.comparison_key, job.code_sha256, job.workflow.input_digest)

    def _composer(self, overrides: Sequence[str]) -> RunConfig:
        from optiflow.experiment.worker import composed

        return composed(tuple(overrides), tuple(self._search_path))

    @property
    def _search_path(self) -> list[Path]:
        sources = self.config.hydra.runtime.config_sources
        return [Path(source.path) for source in sources if source.provider == "command-line"]

    def _refuse_contention(self, plan: ExperimentPlan) -> None:
        """Jobs that share a machine slow each other down, which the real clock would take for an effect."""
        if self.config.hydra.launcher._target_ == _BASIC_LAUNCHER:
            return
        real = [arm.name for arm in plan.arms if arm_config(arm, self._composer).clock.kind == "real"]
        if real:
            raise ConfigurationError(
                "clock=real: timing jobs are never run side by side, because they slow each other down; "
                "use hydra/launcher=basic, or clock=virtual"
            )

    def _launch(
        self, tasks: Sequence[TaskConfig], plan: ExperimentPlan, retry: bool, fail_fast: bool, current: Session
    ) -> None:
        # With fail_fast each task is waited for: what comes behind a failure is not launched at all.
        batches = [[task] for task in tasks] if fail_fast else [list(tasks)] if tasks else []
        launched = 0
        for batch in batches:
            overrides = [[_as_override(task, retry, fail_fast)] for task in batch]
            for returned in self.launcher.launch(overrides, initial_job_idx=launched):
                current.failures += _failures(returned)
            launched += len(batch)
            if fail_fast and current.failures:
                return


def _tasks(plan: ExperimentPlan, pending: Sequence[str], most: int) -> list[TaskConfig]:
    """Jobs of one block together, in the order of the plan."""
    todo = set(pending)
    tasks = []
    for block in range(plan.blocks):
        jobs = [job.job_id for job in plan.jobs if job.block == block and job.job_id in todo]
        for start in range(0, len(jobs), most):
            tasks.append(TaskConfig(experiment_id=plan.experiment_id, jobs=tuple(jobs[start : start + most])))
    return tasks


def _as_override(task: TaskConfig, retry: bool, fail_fast: bool) -> str:
    values = {**task.model_dump(mode="json"), "retry_failed": retry, "fail_fast": fail_fast}
    return f"+task={json.dumps(values, separators=(',', ':')).replace(chr(34), '')}"


def _failures(returned: JobReturn) -> list[JobFailure]:
    # The property would print Hydra's own message and raise; the value is the exception itself.
    value: Any = returned._return_value
    if returned.status is JobStatus.FAILED:
        raise value
    failures: list[JobFailure] = value
    return failures


def _grid(arguments: Sequence[str], context: HydraContext) -> list[list[str]]:
    """Every combination of the values of a command line, as Hydra's own sweeper expands them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    parsed = OverridesParser.create(config_loader=context.config_loader).parse_overrides(list(arguments))
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return batch


def _own(arguments: Sequence[str]) -> list[str]:
    """The overrides that are not of the experiment itself, which every arm shares."""
    return [argument for argument in arguments if not _key(argument).startswith("experiment")]


def _refuse_change(plan: ExperimentPlan, workload: Workload) -> None:
    """What ran before can't be compared with what would run now, were it of other code or other input."""
    if plan.workload_key == workload.key:
        return
    known = {"code": (plan.code_sha256, workload.code_sha256), "input": (plan.input_sha256, workload.input_sha256)}
    changed = [name for name, (before, now) in known.items() if before != now] or ["configuration"]
    if plan.code_sha256 is None:
        changed = ["code, input or configuration"]
    raise ConfigurationError(
        f"experiment {plan.name!r}: the {' and the '.join(changed)} changed since it was planned, so what has run "
        "can't be compared with what is missing; go back to what it was, or begin anew: "
        f"python -m optiflow {shlex.join(plan.arguments)}"
    )


def _key(argument: str) -> str:
    return argument.lstrip("+~").partition("=")[0]
