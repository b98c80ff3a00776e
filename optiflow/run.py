"""One run: configuration in, record out."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.runnables import RunnableConfig

from optiflow.activation import AnyPregel
from optiflow.api import build, own_graph, plan_of, unplanned
from optiflow.clock import Clock, RealClock, VirtualClock, use_clock
from optiflow.config.models import RunConfig
from optiflow.errors import OptiflowError, RunFailedError, RunInterruptedError
from optiflow.models.load import load_chat_model
from optiflow.monitor.memory import MemoryProbe
from optiflow.monitor.observation import provider_seconds, provider_total_seconds
from optiflow.monitor.run_observer import RunObserver
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.held import Held
from optiflow.optimizations.registry import available, resolve
from optiflow.plan.observation.evidence import Recorded, informed
from optiflow.plan.observation.outside import ModelCallWatch
from optiflow.plan.observation.watching import Watcher, watched
from optiflow.record.environment import capture, code_digest
from optiflow.record.findings import cost_of, effects_of, failed_node, quality_of, tokens_of
from optiflow.record.normalise import digest, normalise
from optiflow.record.schema import (
    DecisionRecord,
    ErrorRecord,
    Memory,
    Output,
    RunRecord,
    Timings,
    comparison_key,
    config_digest,
    new_record_id,
)
from optiflow.settings import get_settings
from optiflow.workflow.graph_sources import graph_sources
from optiflow.workflow.graph_workflow import GraphWorkflow, run_to_end
from optiflow.workflow.load import load_workflow

if TYPE_CHECKING:
    from langgraph.types import Checkpointer

    from optiflow.workflow.base import Workflow

__all__ = ["Job", "KeepsRecords", "execute", "prepare"]


_SAMPLING_S = {"virtual": 0.02, "real": 0.25}
"""Real seconds between readings of memory: minutes of virtual time pass in a moment, minutes of real time do not, and
sampling them as often would cost more CPU time than the run."""


class KeepsRecords(Protocol):
    """Where the records of a run go: a store, or a job of an experiment in one."""

    def save(self, record: RunRecord) -> None:
        """Insert the record, or replace the one of the same id."""


@dataclass(frozen=True)
class Job:
    """A run that is ready to start: input read, graph built, toggles made."""

    config: RunConfig
    clock: Clock
    workflow: Workflow
    toggles: tuple[Optimization[Any], ...]
    overrides: tuple[str, ...]
    sweep_id: str | None
    code_sha256: str
    block: int | None = None
    position: int | None = None
    recorded: tuple[Recorded, ...] = ()
    """What records of earlier runs say about the nodes; what contradicts their effects makes them unknown."""

    @property
    def comparison_key(self) -> str:
        """The same for every run of this workload, whatever its toggles."""
        workload = json.dumps(self.config.workload(), sort_keys=True)
        return comparison_key(workload=workload, input=self.workflow.input_digest, code=self.code_sha256)


def prepare(
    config: RunConfig,
    *,
    disabled: Collection[str] = frozenset(),
    overrides: Sequence[str] = (),
    sweep_id: str | None = None,
) -> Job:
    """Read the input, build the graph and make the toggles; nothing runs yet.

    Args:
        config: What to run.
        disabled: Toggles that the kill switch holds off.
        overrides: The command-line overrides, for the record.
        sweep_id: The sweep that the run belongs to.

    Raises:
        ConfigurationError: A toggle, the model or the declaration is wrong.
        InputError: The input is missing, empty or unreadable.
    """
    clock: Clock = VirtualClock() if config.clock.kind == "virtual" else RealClock()
    toggles = resolve(config.opt, disabled, strict=get_settings().strict)
    model = load_chat_model(config.model, clock)
    workflow = load_workflow(config.workflow, model, config.model)
    code_sha256 = code_digest(*graph_sources(workflow.builder))
    return Job(config, clock, workflow, toggles, tuple(overrides), sweep_id, code_sha256)


def optimized_graph(
    job: Job, watcher: Watcher | None = None, checkpointer: Checkpointer = None
) -> tuple[AnyPregel, tuple[Decision, ...]]:
    """The job's graph, compiled under its toggles, and what each toggle decided.

    Args:
        job: Whose graph.
        watcher: Told what the nodes do; it costs some microseconds a node.
        checkpointer: What the workflow opened for this run; None: it opens none.
    """
    plan = plan_of(job.workflow, checkpointer)
    if plan is not None:
        if watcher is not None:
            plan = watched(plan, watcher)
        return build(informed(plan, job.recorded), job.toggles)
    assert isinstance(job.workflow, GraphWorkflow), "a declared workflow always has a plan"
    return own_graph(job.workflow, checkpointer), tuple(map(unplanned, job.toggles))


def execute(job: Job, store: KeepsRecords, *, on_node_end: Callable[[str], None] | None = None) -> RunRecord:
    """Run a job and keep its record, whatever becomes of it.

    The record is saved before the run starts and again when it has ended, so that a run killed in between leaves
    a record that says so.

    Args:
        job: What to run.
        store: Where the record goes.
        on_node_end: Called with a node's name whenever one has ended.

    Returns:
        The record of a run that went well.

    Raises:
        RunFailedError: A node raised; the record is marked failed.
        RunInterruptedError: Ctrl-C or SIGTERM; the record is marked interrupted.
        ConfigurationError: The workflow's checkpointer can't be opened; nothing has run, and there is no record.
        OptiflowError: What OptiFlow itself raised in the run; the record is marked failed.
    """
    opening = job.workflow.checkpointer
    with opening() if opening else nullcontext() as checkpointer:
        return _executed(job, store, on_node_end, checkpointer)


def _executed(
    job: Job, store: KeepsRecords, on_node_end: Callable[[str], None] | None, checkpointer: Checkpointer
) -> RunRecord:
    record = _started(job)
    attempt = _Attempt(job, on_node_end, checkpointer, record.record_id)
    store.save(record)
    try:
        attempt.run()
    except KeyboardInterrupt:
        store.save(attempt.ended(record, status="interrupted"))
        raise RunInterruptedError(f"interrupted; the record {record.record_id} says so") from None
    except Exception as error:
        where = failed_node(attempt.observed.nodes, error)
        failure = ErrorRecord(type=type(error).__name__, message=str(error), where=where)
        store.save(attempt.ended(record, status="failed", error=failure, traceback=traceback.format_exc()))
        if isinstance(error, OptiflowError):
            raise
        place = f"node {where!r}" if where else "the graph"
        raise RunFailedError(f"{place} failed: {type(error).__name__}: {error} (record {record.record_id})") from error
    record = attempt.ended(record, status="ok")
    store.save(record)
    return record


class _Attempt:
    """The measured part: one graph, run once, with what was seen of it."""

    def __init__(
        self, job: Job, on_node_end: Callable[[str], None] | None, checkpointer: Checkpointer, thread_id: str
    ) -> None:
        self._job = job
        self._thread_id = thread_id
        # The offline model costs nothing, and a library of prices takes its time to load.
        self._offline = job.config.model.provider == "offline" and not isinstance(job.workflow, GraphWorkflow)
        # Only the baseline is watched: no toggle has to bear the cost.
        self._watcher = None if job.toggles else Watcher()
        self._graph, self._decisions = optimized_graph(job, self._watcher, checkpointer)
        self._statistics: dict[str, dict[str, float | int | str]] = {}
        self._memory = MemoryProbe(traced=job.config.memory == "traced", interval_s=_SAMPLING_S[job.clock.kind])
        self._final: Any = None
        self._cpu_s = self._runtime_s = 0.0
        self._listener = None if on_node_end is None else _ends_only(on_node_end)
        self.observed = RunObserver(job.clock.time)

    def run(self) -> None:
        job = self._job
        with ExitStack() as stack:
            stack.enter_context(use_clock(job.clock))
            job.clock.run(self._measured())

    async def _measured(self) -> None:
        """Run the graph under its toggles, which find the event loop running as around any run of a graph."""
        job = self._job
        with ExitStack() as stack:
            # What a toggle loads and keeps counts as the run's.
            stack.enter_context(self._memory)
            held = stack.enter_context(Held(job.toggles, self._decisions, strict=get_settings().strict))
            # Whoever watches the loop's callbacks sees only those that begin afterwards.
            await asyncio.sleep(0)
            # Times of nodes and calls begin where the runtime does.
            self.observed = RunObserver(job.clock.time, self._listener)
            watches = [] if self._watcher is None else [ModelCallWatch()]
            config = RunnableConfig(callbacks=[self.observed, *watches])
            cpu, start = time.process_time(), job.clock.time()
            try:
                self._final = await run_to_end(self._graph, job.workflow, config, thread_id=self._thread_id)
            finally:
                self._runtime_s = job.clock.time() - start
                self._cpu_s = time.process_time() - cpu
                self._statistics, self._decisions = held.statistics(), held.decisions

    def ended(self, record: RunRecord, **changes: Any) -> RunRecord:
        """The record of how the attempt ended."""
        self.observed.finish()
        calls = self.observed.model_calls
        results: dict[str, Any] = {
            "ended_at": datetime.now(UTC),
            "timings": Timings.of(
                runtime_s=self._runtime_s,
                provider_s=provider_seconds(calls),
                provider_total_s=provider_total_seconds(calls),
                cpu_s=self._cpu_s,
            ),
            "tokens": tokens_of(calls, wasted=self._wasted(), free=self._offline),
            "cost_usd": None if self._offline else cost_of(calls),
            "model_calls": calls,
            "nodes": self.observed.nodes,
            "memory": Memory(
                peak_rss_mb=self._memory.peak_rss_mb,
                start_rss_mb=self._memory.start_rss_mb,
                peak_traced_mb=self._memory.peak_traced_mb,
            ),
            "observed": None if self._watcher is None else self._watcher.observed or None,
            "statistics": self._statistics,
            "decisions": tuple(
                DecisionRecord(toggle=each.toggle, node=each.node, action=each.action, reason=each.reason)
                for each in self._decisions
            ),
        }
        if self._final is not None:
            results |= self._outcome(self._final)
        return record.evolve(**results, **changes)

    def _wasted(self) -> int:
        return sum(int(of_toggle.get("tokens_wasted", 0)) for of_toggle in self._statistics.values())

    def _outcome(self, final: Any) -> dict[str, Any]:
        workflow = self._job.workflow
        whole = normalise(final if isinstance(final, Mapping) else {"result": final})
        given = normalise(workflow.input) if isinstance(workflow.input, Mapping) else {}
        # Input that came back as it was is no output; whole documents would swell every record.
        state = {key: value for key, value in whole.items() if key not in given or value != given[key]}
        text = whole.get(workflow.output_key)
        shown = text if isinstance(text, str) else None
        return {
            "output": Output(state=state, sha256=digest(state), text=shown),
            "quality": None if shown is None else quality_of(shown, workflow),
        }


def _started(job: Job) -> RunRecord:
    resolved = job.config.model_dump(mode="json")
    return RunRecord(
        record_id=new_record_id(),
        sweep_id=job.sweep_id,
        status="running",
        workflow=job.workflow.name,
        config=resolved,
        config_sha256=config_digest(resolved),
        overrides=job.overrides,
        toggles={name: any(toggle.name == name for toggle in job.toggles) for name in available()},
        argv=tuple(sys.argv),
        environment=capture(),
        model=job.config.model.name,
        seed=job.config.seed,
        block=job.block,
        position=job.position,
        clock=job.clock.kind,
        started_at=datetime.now(UTC),
        code_sha256=job.code_sha256,
        input_sha256=job.workflow.input_digest,
        comparison_key=job.comparison_key,
        effects=effects_of(job.workflow),
        deciding=() if job.workflow.builder is None else tuple(job.workflow.builder.branches),
    )


def _ends_only(on_node_end: Callable[[str], None]) -> Callable[[str, str], None]:
    return lambda event, node: on_node_end(node) if event == "end" else None
