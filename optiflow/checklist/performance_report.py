"""Phase 4: the durations of operations in one whole run."""

from __future__ import annotations

from collections.abc import Iterable

from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context

__all__ = ["check"]


def check(context: Context) -> Iterable[Line]:
    """What the monitor saw in a run with the toggles."""
    outcome = context.outcome
    if context.is_on("monitor"):
        for name, label, limit in (
            ("token_operations", "Token Operations: <0.1s avg", 0.1),
            ("prompt_processing", "Prompt Processing: <0.5s avg", 0.5),
        ):
            mean = float(outcome.figures[f"monitor.{name}.mean_s"])
            count = outcome.figures[f"monitor.{name}.count"]
            yield Line(f"⏱️ {label}", mean < limit, f"{mean * 1e3:.3f} ms over {count:,} calls, provider time excluded")
    else:
        yield Line("Performance monitoring rolled back", True, "the toggle is off; no operation is timed")
    runtime = float(outcome.figures["runtime_s"])
    clock = outcome.record.clock
    if context.is_on("parallel"):
        yield Line("⏱️ Total Runtime: <140s", runtime < 140, f"{runtime:.1f} s, {clock} clock")
    else:
        yield Line("⏱️ Total Runtime measured", True, f"{runtime:.1f} s, {clock} clock; the limit needs parallel")
