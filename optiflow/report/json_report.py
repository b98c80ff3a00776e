"""The outcome as one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from optiflow.analysis.experiment.results import ExperimentAnalysis
from optiflow.analysis.figures import Figure
from optiflow.analysis.outcome import Outcome
from optiflow.experiment.plan import ExperimentPlan

__all__ = ["as_object", "as_text", "experiment_as_text", "sweep_as_text"]

_ARM = (
    "runtime_s",
    "provider_s",
    "cpu_s",
    "waiting_s",
    "tokens",
    "prompt_tokens",
    "completion_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "tokens_priced",
    "tokens_wasted",
    "cost_usd",
    "unpriced_models",
    "model_calls",
    "grade",
    "peak_rss_mb",
    "peak_traced_mb",
)
"""The figures shown of each of the two runs."""

_MOST = 1000
"""Most differences, and most places, that are listed."""


def as_text(outcome: Outcome) -> str:
    """The outcome as JSON text, indented."""
    return json.dumps(as_object(outcome), indent=2, ensure_ascii=False)


def sweep_as_text(sweep_id: str | None, outcomes: Sequence[Outcome], failed: Sequence[tuple[str, str]]) -> str:
    """A sweep as one JSON object: every outcome, and for each job that failed its overrides and the error."""
    whole = {
        "sweep_id": sweep_id,
        "runs": [as_object(outcome) for outcome in outcomes],
        "failed": [{"overrides": overrides, "error": error} for overrides, error in failed],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def experiment_as_text(plan: ExperimentPlan, analysis: ExperimentAnalysis) -> str:
    """An experiment as one JSON object: its plan, and all that was found; a share of no gain is null."""
    whole = {"plan": plan.model_dump(mode="json"), "analysis": _plain(asdict(analysis))}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def as_object(outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain data.

    Seconds, megabytes and tokens as in the record; ``passed`` is null for a criterion that is not judged.
    """
    verdict = outcome.verdict
    return {
        "toggles": dict(outcome.record.toggles),
        "clock": outcome.record.clock,
        "baseline": _arm(outcome.baseline_figures),
        "run": _arm(outcome.figures),
        "speedup": outcome.figures.get("speedup", 1.0),
        "critical_path_s": outcome.figures.get("critical_path_s"),
        "outputs_equal": verdict.outputs_equal,
        "difference": verdict.difference,
        "differences": list(verdict.differences[:_MOST]),
        "differences_left_out": max(0, len(verdict.differences) - _MOST),
        "varying": list(verdict.varying[:_MOST]),
        "varying_left_out": max(0, len(verdict.varying) - _MOST),
        "criteria": [
            {
                "name": result.name,
                "limit": result.limit,
                "value": result.value,
                "passed": result.passed,
                "note": result.note,
            }
            for result in verdict.criteria
        ],
        "verdict": verdict.outcome,
        "record_id": outcome.record.record_id,
        "baseline_id": outcome.baseline.record_id,
        "statistics": {name: dict(figures) for name, figures in outcome.record.statistics.items()},
    }


def _arm(figures: Mapping[str, Figure]) -> dict[str, Figure | None]:
    return {name: figures.get(name) for name in _ARM}


def _plain(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
