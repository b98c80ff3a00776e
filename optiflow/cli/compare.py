"""``optiflow compare [A [B]]``: two records side by side."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from optiflow.errors import ConfigurationError
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from optiflow.record.schema import RunRecord
    from optiflow.record.store import RecordStore

__all__ = ["USAGE", "main"]

USAGE = (
    "usage: python -m optiflow compare [--json] [RECORD [RECORD]]  (none: the two newest; one: against its baseline)"
)


def main(argv: Sequence[str]) -> int:
    """Compare two records by the criteria of the later one.

    Args:
        argv: ``--json``, and up to two record ids or unique beginnings of them: none for the two newest that went
            well, one for a run against its own baseline, two for the first as baseline of the second.

    Returns:
        The verdict's exit code.
    """
    ids = [each for each in argv if not each.startswith("-")]
    if len(ids) > 2 or any(each.startswith("-") and each != "--json" for each in argv):
        raise ConfigurationError(USAGE)

    from optiflow.analysis.outcome import Outcome
    from optiflow.analysis.verdict import judge
    from optiflow.cli.job import show
    from optiflow.config.compose import validate
    from optiflow.record.store import RecordStore

    with closing(RecordStore(get_settings().store_url)) as store:
        baseline, record = _pair(store, ids)
    if baseline.comparison_key != record.comparison_key:
        print(f"not the same workload: {_what_differs(baseline, record)} differs", file=sys.stderr)
    criteria = validate(record.config).criteria
    outcome = Outcome(record, baseline, judge(record, baseline, criteria))
    show(outcome, as_json="--json" in argv)
    return outcome.verdict.exit_code


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
