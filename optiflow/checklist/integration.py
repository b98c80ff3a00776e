"""That everything imports, that a rollback brings the baseline back, and that LangGraph Studio takes the graph."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from contextlib import nullcontext
from importlib import import_module

import optiflow
from optiflow.checklist.lines import Line
from optiflow.checklist.phases import Context
from optiflow.checklist.studio import studio_line
from optiflow.config.compose import compose
from optiflow.experiment.compare import run_with_baseline

__all__ = ["check"]

_SAME = 0.02


def check(context: Context) -> Iterable[Line]:
    """Imports, rollback, Studio."""
    yield _imports()
    yield from _rollback(context)
    yield studio_line()


def _imports() -> Line:
    names, broken = [], []
    for module in pkgutil.walk_packages(optiflow.__path__, "optiflow."):
        if module.name.endswith("__main__"):
            continue
        names.append(module.name)
        try:
            import_module(module.name)
        except ImportError as error:
            broken.append(f"{module.name}: {error}")
    return Line("No import errors", not broken, "; ".join(broken) or f"{len(names)} modules")


def _rollback(context: Context) -> Iterable[Line]:
    """Every toggle configured and every one rolled back."""
    config = compose(["+opt=all", *context.overrides, "+rollback=all"])
    outcome = run_with_baseline(
        config, context.settings, say=context.say, progress=lambda _total: nullcontext(lambda _name: None)
    )
    figures, before = outcome.figures, context.outcome.baseline_figures
    same = context.outcome.baseline.output == outcome.record.output
    yield Line("Rollback: original functionality maintained", same, f"grade {figures.get('grade', '–')}, same answer")
    runtime, baseline = float(figures["runtime_s"]), float(before["runtime_s"])
    yield Line(
        "Rollback: performance back to baseline",
        abs(runtime / baseline - 1) <= _SAME,
        f"{runtime:.1f} s, baseline {baseline:.1f} s",
    )
    errors = sum(span.error is not None for span in outcome.record.nodes)
    yield Line("Rollback: no errors or failures", errors == 0, f"{errors} of {len(outcome.record.nodes)} nodes failed")
