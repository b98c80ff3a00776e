"""Which toggles are to blame for a bad run, and the smallest rollback that cures it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from optiflow.analysis.bisection import Answer, Prober, Step, ddmin
from optiflow.analysis.verdict import Verdict, judge
from optiflow.config.models import RunConfig
from optiflow.errors import ConfigurationError, RunFailedError, nearest_name
from optiflow.optimizations.registry import resolve
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.run import execute, prepare
from optiflow.settings import Settings

__all__ = ["ANSWER", "Bisection", "bisect"]

ANSWER = "answer"
"""The criterion that the final state equals the baseline's; any other is one of the configuration's."""

Around = Callable[[RunConfig], AbstractContextManager[object]]


@dataclass(frozen=True)
class Bisection:
    """What a bisection found."""

    toggles: tuple[str, ...]
    """Those of the bad configuration."""
    culprits: tuple[str, ...]
    """The smallest set that fails on its own."""
    rollback: tuple[str, ...]
    """The smallest set whose absence cures the bad configuration."""
    log: tuple[Step, ...]
    """Every set that was probed."""


def bisect(
    bad: RunConfig,
    settings: Settings,
    *,
    criterion: str | None = None,
    lead: int = 3,
    around: Around = lambda _config: nullcontext(),
    on_step: Callable[[Step], None] = lambda _step: None,
) -> Bisection:
    """Find the smallest set of toggles that makes a run bad.

    Args:
        bad: A configuration whose run is bad.
        settings: Where records go, and which toggles the kill switch holds off.
        criterion: What makes a run bad: `ANSWER`, or the name or figure of a criterion; None: a verdict that is not
            PASS.
        lead: By how many probes one answer must be ahead of the other.
        around: Holds around each run, such as its log.
        on_step: Told of each set as soon as it is judged.

    Raises:
        ConfigurationError: No such criterion, no toggle is on, or the run is not bad.
        StoreError: The store can't be read or written.
    """
    toggles = tuple(toggle.name for toggle in resolve(bad.opt, settings.disable))
    if not toggles:
        raise ConfigurationError("bisect: no toggle is on in the bad configuration; give --bad +opt=all or another")
    _check(criterion, bad)
    runs = _Runs(bad, settings, criterion, around)
    told = 0

    def ask(items: frozenset[str]) -> Answer:
        nonlocal told
        answer = prober(items)
        for step in prober.log[told:]:
            on_step(step)
        told = len(prober.log)
        return answer

    prober = Prober(runs.probe, lead=lead)
    if ask(frozenset()) != "PASS":
        raise ConfigurationError(f"bisect: the run without any toggle is bad already: {runs.why}")
    if (answer := ask(frozenset(toggles))) != "FAIL":
        good = "the verdict is PASS" if criterion is None else f"criterion {criterion!r} does not fail"
        why = good if answer == "PASS" else f"nobody can tell: {runs.why or 'its runs contradict each other'}"
        raise ConfigurationError(f"bisect: nothing to blame: with all of {', '.join(toggles)} on, {why}")
    culprits = ddmin(toggles, ask)
    opposite: dict[Answer, Answer] = {"PASS": "FAIL", "FAIL": "PASS", "UNRESOLVED": "UNRESOLVED"}
    rollback = ddmin(toggles, lambda off: opposite[ask(frozenset(toggles) - off)])
    return Bisection(toggles, culprits, rollback, tuple(prober.log))


class _Runs:
    """Runs sets of toggles, each against a baseline of its own."""

    def __init__(self, bad: RunConfig, settings: Settings, criterion: str | None, around: Around) -> None:
        self._bad, self._settings, self._criterion, self._around = bad, settings, criterion, around
        self._baseline: RunRecord | None = None
        self.why = ""

    def probe(self, on: frozenset[str]) -> Answer:
        opt = {name: {**options, "enabled": name in on} for name, options in self._bad.opt.items()}
        config = self._bad.model_copy(update={"opt": opt})
        store = RecordStore(self._settings.store_url)
        try:
            with self._around(config):
                record = execute(prepare(config, disabled=self._settings.disable), store)
        except RunFailedError as error:
            self.why = str(error)
            return "FAIL" if self._criterion is None else "UNRESOLVED"
        finally:
            store.close()
        if not on:
            self._baseline = record
            verdict = judge(record, None, config.criteria)
        else:
            verdict = judge(record, self._baseline, config.criteria)
        return self._judged(verdict)

    def _judged(self, verdict: Verdict) -> Answer:
        if self._criterion is None:
            passed: bool | None = verdict.outcome == "PASS"
        elif self._criterion == ANSWER:
            passed = verdict.outputs_equal is not False
        else:
            found = [each for each in verdict.criteria if self._criterion in {each.name, each.figure}]
            failing = [each.name for each in found if each.passed is False]
            self.why = ", ".join(failing)
            # A criterion that is not judged without some toggle does not fail without it.
            passed = not failing
        return "PASS" if passed else "FAIL"


def _check(criterion: str | None, config: RunConfig) -> None:
    known = {name for each in config.criteria.criteria for name in (each.name, each.figure)} | {ANSWER}
    if criterion is not None and criterion not in known:
        raise ConfigurationError(f"--criterion {criterion}: no such criterion; {nearest_name(criterion, known)}")
