"""Everything that is measured for a sign-off: the phases, a load test, and what each toggle contributes alone."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass

import psutil

from optiflow.analysis.outcome import Outcome
from optiflow.checklist.lines import Line, Paired
from optiflow.checklist.phases import PHASES, Context, check_phase
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError
from optiflow.experiment.compare import run_with_baseline
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.run import execute, prepare

__all__ = ["EVERY_TOGGLE", "Contribution", "Evidence", "LoadTest", "gather"]

EVERY_TOGGLE = "all of them"
"""What the contribution of all toggles together is called."""

_QUICK_RUNS = 5
_ROUNDS = 3
_ROLLBACK_FLAGS = ("async", "cache", "parallel")
"""Toggles that the checklist's rollback turns off."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a toggle saves of a whole run, round by round against the baseline of the same round."""

    toggle: str
    runtime: Paired
    """Seconds of the run's clock."""
    cpu: Paired
    """Own CPU seconds."""


@dataclass(frozen=True, slots=True)
class LoadTest:
    """Quick runs one after another in one process."""

    outcomes: Sequence[Outcome]
    resident_mb: Sequence[float]
    """Resident memory after each."""

    @property
    def runtimes_s(self) -> list[float]:
        """Runtime of each, in seconds of the run's clock."""
        return [float(outcome.figures["runtime_s"]) for outcome in self.outcomes]


@dataclass(frozen=True)
class Evidence:
    """What a sign-off is made from."""

    context: Context
    outcome: Outcome
    """One judged run with the toggles."""
    baseline: RunRecord
    """The baseline as the store of records gives it back."""
    phases: Mapping[str, Sequence[Line]]
    """The lines of each phase."""
    load_test: LoadTest
    contributions: Sequence[Contribution]
    """Each toggle alone, then all of them."""

    @property
    def clock(self) -> str:
        """Which time runtimes are in, for people."""
        return f"{self.outcome.record.clock} clock"

    def contribution(self, toggle: str) -> Contribution:
        """What one toggle, or `EVERY_TOGGLE`, saves."""
        return next(each for each in self.contributions if each.toggle == toggle)


def gather(context: Context) -> Evidence:
    """Measure everything.

    Raises:
        ConfigurationError: Every toggle is rolled back.
        OptiflowError: A run failed.
    """
    if not any(map(context.is_on, context.config.opt)):
        raise ConfigurationError("signoff: every toggle is rolled back, so there is nothing to sign off")
    phases = {}
    for name, about in PHASES.items():
        context.say(f"{name}: {about}")
        phases[name] = check_phase(name, _rolled_back(context) if name == "rollback" else context)
    context.say(f"load test: {_QUICK_RUNS} quick runs")
    load_test = _load_test(context)
    context.say(f"contributions: each toggle alone, {_ROUNDS} rounds")
    with closing(RecordStore(context.settings.store_url)) as store:
        contributions = _contributions(context, store)
        baseline = store.get(context.outcome.baseline.record_id)
    return Evidence(context, context.outcome, baseline, phases, load_test, contributions)


def _rolled_back(context: Context) -> Context:
    on = [f"opt.{name}.enabled=false" for name in _ROLLBACK_FLAGS if context.is_on(name)]
    return Context((*context.overrides, *on), context.settings, context.log_level, context.repetitions, context.say)


def _load_test(context: Context) -> LoadTest:
    process = psutil.Process()
    outcomes, resident = [], []
    for _ in range(_QUICK_RUNS):
        outcome = run_with_baseline(
            context.config,
            context.settings,
            say=context.say,
            progress=lambda _total: nullcontext(lambda _name: None),
        )
        outcomes.append(outcome)
        gc.collect()
        resident.append(process.memory_info().rss / 1e6)
    return LoadTest(outcomes, resident)


def _contributions(context: Context, store: RecordStore) -> list[Contribution]:
    """The arms in snake order, so that a drift of the machine's speed favours none."""
    config = context.config
    arms: dict[str, RunConfig] = {
        name: config.model_copy(update={"opt": {name: options}})
        for name, options in config.opt.items()
        if context.is_on(name)
    }
    arms[EVERY_TOGGLE] = config
    order: list[tuple[str, RunConfig]] = [("", config.without_toggles()), *arms.items()]
    records: dict[str, list[RunRecord]] = {name: [] for name, _ in order}
    for _ in range(_ROUNDS):
        for name, arm in order:
            records[name].append(execute(prepare(arm, disabled=context.settings.disable), store))
        order.reverse()
    before = records.pop("")
    return [
        Contribution(
            name,
            Paired([_seconds(record)[0] for record in before], [_seconds(record)[0] for record in found]),
            Paired([_seconds(record)[1] for record in before], [_seconds(record)[1] for record in found]),
        )
        for name, found in records.items()
    ]


def _seconds(record: RunRecord) -> tuple[float, float]:
    """Runtime and own CPU time."""
    assert record.timings is not None, "a run that went well has timings"
    return record.timings.runtime_s, record.timings.cpu_s
