"""The outcome as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable

from optiflow.analysis.outcome import Outcome
from optiflow.report.json_report import as_object, as_text, sweep_as_text

Make = Callable[..., Outcome]

ARM = {"runtime_s", "provider_s", "cpu_s", "tokens", "model_calls", "grade", "peak_rss_mb"}


def test_it_has_every_key(compared: Make) -> None:
    """Nothing that is promised is missing, on the top or in the two arms."""
    outcome = compared()
    shown = json.loads(as_text(outcome))
    assert shown.keys() >= {
        "toggles",
        "clock",
        "baseline",
        "run",
        "speedup",
        "critical_path_s",
        "outputs_equal",
        "criteria",
        "verdict",
        "record_id",
    }
    assert shown["baseline"].keys() == shown["run"].keys() >= ARM
    assert shown["record_id"] == outcome.record.record_id
    assert shown["baseline_id"] == outcome.baseline.record_id


def test_it_tells_the_two_arms_apart(compared: Make) -> None:
    """The baseline's figures are the baseline's, with the quotient of both."""
    shown = as_object(compared())
    assert (shown["baseline"]["runtime_s"], shown["run"]["runtime_s"], shown["speedup"]) == (10.0, 5.0, 2.0)
    assert (shown["baseline"]["tokens"], shown["run"]["tokens"]) == (100, 90)
    assert shown["toggles"] == {"cache": True, "parallel": False}
    assert (shown["outputs_equal"], shown["difference"]) == (True, None)
    assert shown["statistics"] == {"cache": {"count_hit_rate": 0.9}}


def test_a_criterion_is_passed_failed_or_null(compared: Make) -> None:
    """What is not judged is null, with the reason."""
    faster, tokens, hits, _ = as_object(compared())["criteria"]
    assert faster == {"name": "faster", "limit": ">= 1.5", "value": 2.0, "passed": True, "note": ""}
    assert (tokens["value"], tokens["passed"]) == (90, False)
    assert (hits["value"], hits["passed"], hits["note"]) == (0.9, None, "needs parallel")
    assert as_object(compared())["verdict"] == "REGRESSED"


def test_a_baseline_alone_is_both_arms(alone: Outcome) -> None:
    """It is as fast as itself, and equality is not asked."""
    shown = as_object(alone)
    assert shown["baseline"] == shown["run"]
    assert shown["speedup"] == 1.0
    assert shown["outputs_equal"] is None


def test_text_beyond_ascii_stays_readable(compared: Make) -> None:
    """No escapes where the encoding does not need them."""
    assert "ümläut" in as_text(compared(statistics={"cache": {"file": "ümläut"}}))


def test_a_sweep_is_one_object(compared: Make, alone: Outcome) -> None:
    """Every run as it would be alone, and each job that failed."""
    outcome = compared()
    shown = json.loads(sweep_as_text("sweep", [alone, outcome], [("+opt=all seed=1", "it broke")]))
    assert shown["sweep_id"] == "sweep"
    assert shown["runs"] == [json.loads(as_text(alone)), json.loads(as_text(outcome))]
    assert shown["failed"] == [{"overrides": "+opt=all seed=1", "error": "it broke"}]
