"""A run compared with the baseline of the same workload, which is run first where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace

from optiflow.analysis.outcome import Outcome
from optiflow.analysis.verdict import judge, state_differences
from optiflow.config.models import RunConfig
from optiflow.errors import BaselineFailedError, RunFailedError
from optiflow.experiment.recorded import recorded_runs
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.run import Job, KeepsRecords, execute, prepare
from optiflow.settings import Settings

__all__ = ["Progress", "Say", "other_runs", "run_with_baseline"]

_MOST_RUNS = 5
"""How many runs of a baseline are looked at for what differs between them."""

Say = Callable[[str], None]
"""Tells the user one line."""

Progress = Callable[[int], AbstractContextManager[Callable[[str], None]]]
"""Given the number of nodes, a context manager that yields what to call when one of them has ended."""


def run_with_baseline(
    config: RunConfig,
    settings: Settings,
    *,
    say: Say = lambda _text: None,
    progress: Progress = lambda _nodes: nullcontext(lambda _name: None),
    overrides: Sequence[str] = (),
    sweep_id: str | None = None,
    keep: KeepsRecords | None = None,
) -> Outcome:
    """Run a configuration, find or make its baseline, and judge the one against the other.

    Args:
        config: What to run.
        settings: Where records go, and which toggles the kill switch holds off.
        say: Tells the user what is being done beside what was asked for.
        progress: Shows how far a run is.
        overrides: The command-line overrides, for the record.
        sweep_id: The sweep that the run belongs to.
        keep: Where the run's own record goes; None: the store of the settings, where the baseline is as well.

    Raises:
        OptiflowError: The input, the run or the store failed.
    """
    with closing(RecordStore(settings.store_url)) as store:
        job = prepare(config, disabled=settings.disable, overrides=overrides, sweep_id=sweep_id)

        def run(this: Job, keep: KeepsRecords) -> RunRecord:
            # A graph of the functional API has no nodes that could be counted beforehand.
            nodes = 0 if this.workflow.builder is None else len(this.workflow.builder.nodes)
            with progress(nodes) as node_ended:
                return execute(this, keep, on_node_end=node_ended)

        if not job.toggles:
            record = run(job, keep or store)
            return Outcome(record, record, judge(record, None, config.criteria))
        baseline = store.baseline_for(job.comparison_key)
        if baseline is None:
            say("no baseline of this workload on record: running it first")
            try:
                baseline = run(prepare(config.without_toggles(), sweep_id=sweep_id), store)
            except RunFailedError as error:
                raise BaselineFailedError(f"the baseline can't be run: {error}") from error
        seen = recorded_runs(store, job.workflow.name, config, job.code_sha256)
        record = run(replace(job, recorded=seen), keep or store)
        again: list[RunRecord] = []
        if state_differences([baseline], record).differences:
            again = other_runs(store, baseline)
            if not again:
                say("the answer differs: running the baseline once more, to see where it differs from itself")
                try:
                    again = [run(prepare(config.without_toggles(), sweep_id=sweep_id), store)]
                except RunFailedError as error:
                    say(f"the baseline can't be run once more: {error}")
        return Outcome(record, baseline, judge(record, baseline, config.criteria, again=again))


def other_runs(store: RecordStore, baseline: RunRecord) -> list[RunRecord]:
    """Runs that are as good a baseline as one on record: under the same key and with the same toggles, newest first.

    Raises:
        StoreError: The store can't be read.
    """
    found = store.runs_under(baseline.comparison_key, _MOST_RUNS, toggles=baseline.toggles_on)
    return [each for each in found[::-1] if each.record_id != baseline.record_id]
