"""That what was rolled back is off, that everything still works, and that a full rollback is the baseline again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from optiflow.analysis.outcome import Outcome
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.config.compose import compose
from optiflow.experiment.compare import run_with_baseline

__all__ = ["check"]

_SAME = 0.02
"""How near a runtime has to come to count as the baseline's: CPU time varies from run to run."""


def check(context: Context) -> Iterable[Line]:
    """The toggles rolled back by the user, and then all of them."""
    off = [name for name in context.config.opt if not context.is_on(name)]
    if off:
        yield from _works(f"Rollback of {', '.join(off)}", context.outcome)
    config = compose(["+opt=all", *context.overrides, "+rollback=all"])
    everything = run_with_baseline(
        config, context.settings, say=context.say, progress=lambda _total: nullcontext(lambda _name: None)
    )
    yield from _works("Rollback of every toggle", everything)
    before = context.outcome.baseline if everything.is_baseline else everything.baseline
    runtime, baseline = everything.figures["runtime_s"], before.timings.runtime_s if before.timings else 0.0
    yield Line(
        "Performance back to baseline",
        abs(float(runtime) / baseline - 1) <= _SAME,
        f"{runtime:.1f} s, baseline {baseline:.1f} s, {everything.record.clock} clock",
    )


def _works(what: str, outcome: Outcome) -> Iterable[Line]:
    difference = outcome.verdict.difference
    yield Line(f"{what}: original functionality maintained", difference is None, difference or "same answer")
    nodes = outcome.record.nodes
    failed = sum(span.error is not None for span in nodes)
    yield Line(f"{what}: no errors or failures", failed == 0, f"{failed} of {len(nodes)} nodes failed")
