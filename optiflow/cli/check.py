"""``optiflow check``: a graph plain and optimized, side by side; prints the first difference."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optiflow.experiment.side_by_side import Comparison

__all__ = ["USAGE", "main"]

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
        "difference": found and {"path": found.path, "baseline": found.baseline, "optimized": found.optimized},
        "unstable": comparison.unstable,
        "compared": _extent(comparison),
    }


def _as_text(comparison: Comparison, name: str, toggles: list[str]) -> str:
    under = f"{name} under {', '.join(toggles)}"
    if comparison.difference is not None:
        alone = "\nwithout any toggle, two runs of the graph differ there too" if comparison.unstable else ""
        return f"{under}: DIFFERENT\n{comparison.difference}{alone}"
    extent = ", ".join(f"{count} {what}" for what, count in _extent(comparison).items())
    return f"{under}: equal\ncompared: {extent}"


def _extent(comparison: Comparison) -> dict[str, int]:
    """How much was there to compare."""
    baseline = comparison.baseline
    return {
        "turns": len(baseline.turns),
        "stream events": sum(len(turn.events) for turn in baseline.turns),
        "checkpoints": len(baseline.checkpoints),
        "model requests": len(baseline.model_requests),
    }
