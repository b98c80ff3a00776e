"""The phases of the checklist by name, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from optiflow.checklist.lines import Line
from optiflow.config.compose import compose
from optiflow.config.models import RunConfig
from optiflow.optimizations.base import Optimization
from optiflow.optimizations.registry import resolve
from optiflow.settings import Settings

if TYPE_CHECKING:
    from optiflow.analysis.outcome import Outcome

__all__ = ["PHASES", "Context", "check_phase"]

PHASES: Mapping[str, str] = {
    "async_tokens": "phase 1: counting off the event loop",
    "tokenizer_cache": "phase 2: one tokenizer, counts remembered",
    "parallel_prompts": "phase 3: prompts together",
    "performance_report": "phase 4: durations by operation",
    "quick_wins": "phase 5: filtered logs and remembered counts",
    "memory": "memory over many runs",
    "rollback": "toggles turned off again",
    "integration": "imports and LangGraph Studio",
    "quick": "one run with every toggle, against the criteria",
}
"""Every phase, a module of this package of the same name with ``check(context)``, and what it is about."""


@dataclass(frozen=True)
class Context:
    """What a phase measures with."""

    overrides: tuple[str, ...]
    """Overrides behind ``+opt=all``, such as rolled-back toggles."""

    settings: Settings
    """Where records go."""

    log_level: str = "ERROR"
    """The level that the logging phase filters at."""

    repetitions: int = 7
    """Counted pairs of each comparison."""

    say: Callable[[str], None] = field(default=lambda _text: None)
    """Tells the user what is being done."""

    @cached_property
    def config(self) -> RunConfig:
        """The configuration with every toggle on that was not rolled back."""
        return compose(["+opt=all", *self.overrides])

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The texts of the workflow's own input documents, the longest first."""
        from optiflow.run import prepare

        found = list(_texts(prepare(self.config.without_toggles()).workflow.input))
        return tuple(sorted(found, key=len, reverse=True))

    @cached_property
    def outcome(self) -> Outcome:
        """One judged run with the toggles, made once however many phases ask for it."""
        from contextlib import nullcontext

        from optiflow.experiment.compare import run_with_baseline

        return run_with_baseline(
            self.config,
            self.settings,
            overrides=("+opt=all", *self.overrides),
            say=self.say,
            progress=lambda _total: nullcontext(lambda _name: None),
        )

    def toggle(self, name: str) -> Optimization[Any]:
        """A toggle made anew with its configured options."""
        (made,) = resolve({name: self.config.opt[name]})
        return made

    def is_on(self, toggle: str) -> bool:
        """Whether a toggle takes part."""
        options = self.config.opt.get(toggle)
        return options is not None and options.get("enabled", True) and toggle not in self.settings.disable


def check_phase(name: str, context: Context) -> list[Line]:
    """Measure one phase.

    Args:
        name: A key of `PHASES`.
        context: What to measure with.

    Returns:
        Its lines, in the checklist's order.
    """
    lines: Iterable[Line] = import_module(f"optiflow.checklist.{name}").check(context)
    return list(lines)


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
