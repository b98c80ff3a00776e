"""A record against its baseline and its criteria: the verdict, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optiflow.analysis.differences.difference import Difference
from optiflow.analysis.differences.places import Places
from optiflow.analysis.figures import Figure, compared_by_price, figures
from optiflow.config.criteria import CriteriaConfig, Criterion
from optiflow.quality.grade import grade_position
from optiflow.record.normalise import first_difference
from optiflow.record.schema import RunRecord

__all__ = ["CriterionResult", "Verdict", "judge", "state_differences"]

Outcome = Literal["PASS", "REGRESSED", "INCONCLUSIVE"]


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One criterion, judged or not."""

    name: str
    figure: str
    limit: str
    value: Figure | None
    """The measured figure; None where there is none."""
    passed: bool | None
    """None: not judged, for the reason in ``note``."""
    note: str = ""
    """Why it is not judged, or what the figure is of."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to."""

    outcome: Outcome
    """``PASS``; ``REGRESSED``: an answer differs or a criterion failed; ``INCONCLUSIVE``: one of the two runs did not
    go well."""
    outputs_equal: bool | None
    """Whether the final state equals the baseline's; None where there is no baseline."""
    difference: str | None
    """The first difference from the baseline's final state, one that the baseline does not have with itself before any
    other."""
    criteria: tuple[CriterionResult, ...]
    figures: Mapping[str, Figure]
    """Every figure by name, the comparisons with the baseline included."""
    baseline_figures: Mapping[str, Figure]
    """The baseline's own figures by name; of a run that is its own baseline, the run's."""
    differences: tuple[str, ...] = ()
    """Every difference from the baseline's final state that no two runs of the baseline have."""
    varying: tuple[str, ...] = ()
    """Every place of the final state where runs of the baseline were seen to differ."""

    @property
    def exit_code(self) -> int:
        """0 pass, 3 criteria or equivalence failed, 125 inconclusive."""
        return {"PASS": 0, "REGRESSED": 3, "INCONCLUSIVE": 125}[self.outcome]


def judge(
    record: RunRecord,
    baseline: RunRecord | None,
    criteria: CriteriaConfig,
    *,
    before: Mapping[str, Figure] | None = None,
    again: Sequence[RunRecord] = (),
) -> Verdict:
    """Hold a run against its baseline and its criteria. Equality of answers is the first gate.

    Args:
        record: The run with toggles, or a baseline on its own.
        baseline: The baseline of the same workload; None where ``record`` is one itself.
        criteria: The bounds.
        before: The baseline's figures, where they are known already: many runs may share one baseline.
        again: Further runs of the baseline: what differs between them is not counted among the ``differences``.
    """
    if baseline is not None and before is None:
        before = figures(baseline)
    measured = figures(record, before)
    before = before or measured
    found = Places() if baseline is None else state_differences([baseline, *again], record)
    first = next(iter((*found.differences, *found.own)), None)
    outputs_equal = None if baseline is None else first is None
    results = tuple(_judge_one(each, record, measured, before, criteria) for each in criteria.criteria)
    outcome: Outcome = "PASS"
    if record.status != "ok" or (baseline is not None and baseline.status != "ok"):
        outcome = "INCONCLUSIVE"
    elif outputs_equal is False or any(result.passed is False for result in results):
        outcome = "REGRESSED"
    return Verdict(
        outcome,
        outputs_equal,
        None if first is None else _in_words(first),
        results,
        measured,
        before,
        differences=tuple(map(_in_words, found.differences)),
        varying=found.varying,
    )


def state_differences(baselines: Sequence[RunRecord], record: RunRecord) -> Places:
    """Compare a run's final state with the baseline's.

    Args:
        baselines: Runs of the baseline, the one that is held against first.
        record: The run.
    """
    places = Places()
    states = [_sorted(None if each.output is None else each.output.state) for each in (*baselines, record)]
    places.value("$", states[:-1], states[-1])
    return places


def _sorted(value: Any) -> Any:
    """A state whose keys have no order, as the digests of records have none."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return list(map(_sorted, value)) if isinstance(value, list) else value


def _in_words(found: Difference) -> str:
    told = first_difference(found.baseline, found.optimized, found.path)
    assert told is not None, "a difference is one in a record's terms too"
    return told


def _judge_one(
    criterion: Criterion,
    record: RunRecord,
    measured: Mapping[str, Figure],
    baseline: Mapping[str, Figure],
    criteria: CriteriaConfig,
) -> CriterionResult:
    value = measured.get(criterion.figure)
    note = _not_judged(criterion, record, baseline, criteria, value)
    passed = None if note or value is None else _holds(criterion, value)
    if passed is not None and criterion.figure == "tokens_ratio" and _cached(measured, baseline):
        note = "cached tokens at their price" if compared_by_price(measured, baseline) else "cached tokens in full"
    return CriterionResult(criterion.name, criterion.figure, criterion.limit, value, passed, note)


def _not_judged(
    criterion: Criterion,
    record: RunRecord,
    baseline: Mapping[str, Figure],
    criteria: CriteriaConfig,
    value: Figure | None,
) -> str:
    """Why a criterion is not judged; empty where it is."""
    missing = [name for name in criterion.needs if not record.toggles.get(name)]
    if missing:
        return f"needs {', '.join(missing)}"
    reference = criteria.reference
    if criterion.absolute and (
        reference is None or not reference.matches(float(baseline["runtime_s"]), int(baseline["tokens"]))
    ):
        return "not the reference baseline"
    return "no such figure in this run" if value is None else ""


def _cached(*runs: Mapping[str, Figure]) -> bool:
    """Whether a provider's prompt cache had or took tokens of one of some runs."""
    return any(run.get(f"cache_{kind}_tokens") for run in runs for kind in ("read", "write"))


def _holds(criterion: Criterion, value: Figure) -> bool:
    if isinstance(criterion.at_least, str) or isinstance(value, str):
        return grade_position(str(value)) <= grade_position(str(criterion.at_least))
    if criterion.at_most is not None:
        return value <= criterion.at_most
    if criterion.at_least is not None:
        return value >= criterion.at_least
    return value == criterion.equals
