"""``optiflow compare [A [B]]``: two records, experiments or git revisions side by side."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optiflow.errors import ConfigurationError
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from optiflow.experiment.plan import ExperimentPlan
    from optiflow.record.schema import RunRecord
    from optiflow.record.store import RecordStore

__all__ = ["USAGE", "main"]

_BLOCKS = 5

USAGE = """usage: python -m optiflow compare [--json] [RECORD [RECORD]]
         (none: the two newest; one: against its baseline)
       python -m optiflow compare EXPERIMENT EXPERIMENT
       python -m optiflow compare REVISION REVISION [--blocks N] [OVERRIDE ...]   (in a git repository)"""


def main(argv: Sequence[str]) -> int:
    """Compare two records by the criteria of the later one, two experiments arm by arm, or two revisions.

    Args:
        argv: ``--json``, and names: none for the two newest records that went well, one for a run against its own
            baseline, two for the first as baseline of the second.

    Returns:
        The verdict's exit code; for experiments 0, for revisions 3 where an answer differs.
    """
    arguments = _arguments(argv)

    from optiflow.experiment.compare import other_runs
    from optiflow.record.store import RecordStore

    with closing(RecordStore(get_settings().store_url)) as store:
        if len(arguments.names) == 2:
            plans = _experiments(store, arguments.names)
            if plans is not None:
                return _compare_experiments(store, *plans)
            if _are_revisions(store, arguments.names):
                return _compare_revisions(arguments)
        if arguments.overrides or arguments.blocks != _BLOCKS:
            raise ConfigurationError(f"compare: --blocks and overrides belong to two git revisions; {USAGE}")
        baseline, record = _pair(store, arguments.names)
        again = [each for each in other_runs(store, baseline) if each.record_id != record.record_id]
    return _compare_records(baseline, record, again, as_json=arguments.as_json)


@dataclass(frozen=True)
class _Arguments:
    names: list[str]
    overrides: list[str]
    blocks: int
    as_json: bool


def _arguments(argv: Sequence[str]) -> _Arguments:
    names, overrides, blocks, as_json, rest = [], [], str(_BLOCKS), False, list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            as_json = True
        elif word == "--blocks" and rest:
            blocks = rest.pop(0)
        elif "=" in word and not word.startswith("--"):
            overrides.append(word)
        elif word.startswith("-"):
            raise ConfigurationError(USAGE)
        else:
            names.append(word)
    if len(names) > 2:
        raise ConfigurationError(USAGE)
    if not blocks.isdecimal() or int(blocks) < 1:
        raise ConfigurationError(f"compare: --blocks {blocks}: expected a whole number from 1")
    return _Arguments(names, overrides, int(blocks), as_json)


def _compare_records(baseline: RunRecord, record: RunRecord, again: Sequence[RunRecord], *, as_json: bool) -> int:
    from optiflow.analysis.outcome import Outcome
    from optiflow.analysis.verdict import judge
    from optiflow.cli.job import show
    from optiflow.config.compose import validate

    if baseline.comparison_key != record.comparison_key:
        print(f"not the same workload: {_what_differs(baseline, record)} differs", file=sys.stderr)
    outcome = Outcome(record, baseline, judge(record, baseline, validate(record.config).criteria, again=again))
    show(outcome, as_json=as_json)
    return outcome.verdict.exit_code


def _experiments(store: RecordStore, names: Sequence[str]) -> tuple[ExperimentPlan, ExperimentPlan] | None:
    """The two experiments of these names, if they are any's."""
    from optiflow.experiment.store import ExperimentStore

    experiments = ExperimentStore(store)
    try:
        first, second = (experiments.get(name) for name in names)
    except ConfigurationError:
        return None
    return first, second


def _are_revisions(store: RecordStore, names: Sequence[str]) -> bool:
    """Whether git knows both; a beginning of a record's id means the record."""
    from optiflow.experiment.revisions import is_revision

    def is_record(name: str) -> bool:
        try:
            store.get(name)
        except ConfigurationError:
            return False
        return True

    return not any(map(is_record, names)) and all(is_revision(name, Path.cwd()) for name in names)


def _compare_experiments(store: RecordStore, first: ExperimentPlan, second: ExperimentPlan) -> int:
    from optiflow.experiment.analysis import compare_experiments
    from optiflow.experiment.store import ExperimentStore
    from optiflow.report.experiment_terminal import comparison_view
    from optiflow.report.terminal import console

    experiments = ExperimentStore(store)
    metrics = compare_experiments((first, experiments.runs(first)), (second, experiments.runs(second)))
    names = (f"{first.name} {first.experiment_id[:8]}", f"{second.name} {second.experiment_id[:8]}")
    console().print(comparison_view(*names, metrics))
    return 0


def _compare_revisions(arguments: _Arguments) -> int:
    from optiflow.experiment.analysis import compare_runs
    from optiflow.experiment.revisions import run_revisions
    from optiflow.record.normalise import first_difference
    from optiflow.report.experiment_terminal import comparison_view
    from optiflow.report.terminal import console

    first, second = arguments.names
    before, after = run_revisions(
        first,
        second,
        arguments.overrides,
        get_settings(),
        folder=Path.cwd(),
        blocks=arguments.blocks,
        say=lambda text: print(text, file=sys.stderr),
    )
    console().print(comparison_view(first, second, compare_runs(first, before, second, after)))
    old, new = (record.output.state if record.output else None for record in (before[0], after[0]))
    difference = first_difference(old, new)
    print("answers are equal" if difference is None else f"answers differ: {difference}")
    return 0 if difference is None else 3


def _what_differs(baseline: RunRecord, record: RunRecord) -> str:
    pairs = {
        "workflow": (baseline.workflow, record.workflow),
        "input": (baseline.input_sha256, record.input_sha256),
        "code": (baseline.code_sha256, record.code_sha256),
    }
    return ", ".join(name for name, (before, after) in pairs.items() if before != after) or "configuration"


def _pair(store: RecordStore, ids: Sequence[str]) -> tuple[RunRecord, RunRecord]:
    """What is compared: the baseline, and the run."""
    if len(ids) == 2:
        first, second = store.get(ids[0]), store.get(ids[1])
        if first.record_id == second.record_id:
            raise ConfigurationError(f"both names lead to record {first.record_id}; a comparison needs two")
        return first, second
    if len(ids) == 1:
        record = store.get(ids[0])
        baseline = store.baseline_for(record.comparison_key)
        if baseline is None or baseline.record_id == record.record_id:
            raise ConfigurationError(f"record {record.record_id} has no baseline to compare with; name two records")
        return baseline, record
    finished = [record for record in store.newest(50) if record.status == "ok"]
    if len(finished) < 2:
        raise ConfigurationError("fewer than two finished runs on record; run python -m optiflow +opt=all first")
    record, other = finished[0], finished[1]
    # The one without toggles is the baseline, in whichever order they were made.
    return (record, other) if other.toggles_on and not record.toggles_on else (other, record)
