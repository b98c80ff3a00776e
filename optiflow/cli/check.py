"""``optiflow check``: a graph plain and optimized, side by side; every difference that is not plain's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optiflow.analysis.equivalence import Difference
    from optiflow.experiment.side_by_side import Comparison

__all__ = ["USAGE", "main"]

_LINES = 20
"""Most differences printed as text; one value that differs shows in outputs, states, checkpoints and events."""
_PLACES = 10
"""Most places printed where plain runs vary."""
_OBJECTS = 1000
"""Most differences, and most places, listed as JSON."""

USAGE = "usage: python -m optiflow check [--json] [OVERRIDE ...]   (overrides as in the main command)"


def main(argv: list[str]) -> int:
    """Run the configured workflow without and with its toggles and compare everything that shows.

    Args:
        argv: ``--json`` for one JSON object instead of text, and overrides as in the main command.

    Returns:
        0 where they are equal up to documented differences, 3 where they are not.

    Raises:
        ConfigurationError: A wrong override, toggle, graph reference or input, or no toggle at all.
        RunFailedError: The workflow fails without any toggle.
    """
    from optiflow.config.compose import compose
    from optiflow.errors import ConfigurationError

    config = compose([argument for argument in argv if argument != "--json"])
    if not config.opt:
        raise ConfigurationError("check: no toggle is on; add some with +opt=all or '+opt=[cache,parallel]'")
    from optiflow.experiment.side_by_side import compare_side_by_side
    from optiflow.log import level_filter
    from optiflow.run import prepare
    from optiflow.settings import get_settings

    job = prepare(config, disabled=get_settings().disable)
    # Nothing is measured here, so what the runs log in the normal course of things would only be in the way.
    with nullcontext() if config.log.destination == "stderr" else level_filter("WARNING"):
        comparison = compare_side_by_side(job.workflow, job.toggles, job.clock)
    toggles = [toggle.name for toggle in job.toggles]
    if "--json" in argv:
        print(json.dumps(_as_object(comparison, job.workflow.name, toggles), indent=2, default=repr))
    else:
        print(_as_text(comparison, job.workflow.name, toggles))
    return 0 if comparison.difference is None else 3


def _as_object(comparison: Comparison, name: str, toggles: list[str]) -> dict[str, Any]:
    found = comparison.difference
    return {
        "workflow": name,
        "toggles": toggles,
        "equal": found is None,
        "difference": None if found is None else _shown(found),
        "differences": [_shown(each) for each in comparison.differences[:_OBJECTS]],
        "differences_left_out": max(0, len(comparison.differences) - _OBJECTS),
        "unstable": comparison.unstable,
        "varying": comparison.varying[:_OBJECTS],
        "varying_left_out": max(0, len(comparison.varying) - _OBJECTS),
        "compared": _extent(comparison),
    }


def _shown(difference: Difference) -> dict[str, Any]:
    return {"path": difference.path, "baseline": difference.baseline, "optimized": difference.optimized}


def _as_text(comparison: Comparison, name: str, toggles: list[str]) -> str:
    under = f"{name} under {', '.join(toggles)}"
    if comparison.difference is None:
        extent = ", ".join(f"{count} {what}" for what, count in _extent(comparison).items())
        return f"{under}: equal\ncompared: {extent}"
    lines = [f"{under}: DIFFERENT"]
    if comparison.unstable:
        lines += [*_some(comparison.own, _LINES), "without any toggle, two runs of the graph differ there too"]
        return "\n".join(lines)
    lines += _some(comparison.differences, _LINES)
    if comparison.varying:
        lines.append("not counted, as runs of the graph without any toggle differ there from each other:")
        lines += _some(comparison.varying, _PLACES)
    return "\n".join(lines)


def _some(items: Sequence[object], most: int) -> list[str]:
    """The first of some items, a line each, and how many are left out."""
    left = len(items) - most
    return [*map(str, items[:most]), *([f"and {left} more"] if left > 0 else [])]


def _extent(comparison: Comparison) -> dict[str, int]:
    """How much was there to compare."""
    baseline = comparison.baseline
    return {
        "turns": len(baseline.turns),
        "stream events": sum(len(turn.events) for turn in baseline.turns),
        "checkpoints": len(baseline.checkpoints),
        "model requests": len(baseline.model_requests),
    }
