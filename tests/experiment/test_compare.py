"""A run compared with its baseline, which is run first where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from optiflow.analysis.outcome import Outcome
from optiflow.config.compose import compose
from optiflow.errors import ConfigurationError, InputError
from optiflow.experiment.compare import run_with_baseline
from optiflow.record.schema import RunRecord
from optiflow.record.store import RecordStore
from optiflow.settings import Settings, get_settings

SMALL = "workflow.input.packages=[idna]"


class _Watcher:
    """Remembers what the user was told and how far the runs came."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.totals: list[int] = []
        self.ended: list[str] = []

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[str], None]]:
        self.totals.append(total)
        yield self.ended.append

    def run(self, *overrides: str, settings: Settings | None = None, sweep_id: str | None = None) -> Outcome:
        return run_with_baseline(
            compose([SMALL, *overrides]),
            settings or get_settings(),
            overrides=overrides,
            sweep_id=sweep_id,
            say=self.said.append,
            progress=self.progress,
        )


@pytest.fixture
def watcher() -> _Watcher:
    """Told of everything that is done."""
    return _Watcher()


def _records() -> list[RunRecord]:
    with closing(RecordStore(get_settings().store_url)) as store:
        return store.newest(20)


def test_a_baseline_is_run_once_and_used_again(watcher: _Watcher) -> None:
    """The first comparison makes the baseline and says so, the second finds it; both are on record."""
    first = watcher.run("+opt=cache", sweep_id="sweep")
    assert watcher.said == ["no baseline of this workload on record: running it first"]
    assert first.baseline.toggles_on == ()
    assert first.record.toggles_on == ("cache",)
    assert first.record.overrides == ("+opt=cache",)
    assert first.verdict.outputs_equal is True
    second = watcher.run("+opt=parallel")
    assert len(watcher.said) == 1
    assert second.baseline.record_id == first.baseline.record_id
    assert [record.sweep_id for record in _records()] == [None, "sweep", "sweep"]
    assert len(watcher.totals) == 3
    assert watcher.ended.count("grader") == 3


def _changed(monkeypatch: pytest.MonkeyPatch, changed: Callable[[bool, int], dict[str, str]]) -> None:
    """Changes final states: given whether a toggle is on, and the number of the run."""
    import optiflow.run as run_module

    real, runs = run_module._Attempt._outcome, []

    def outcome(self: Any, final: Any) -> Any:
        runs.append(1)
        return real(self, {**final, **changed(bool(self._job.toggles), len(runs))})

    monkeypatch.setattr(run_module._Attempt, "_outcome", outcome)


def test_a_baseline_is_run_once_more_where_the_answer_differs(
    watcher: _Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What differs between the baseline's two runs is not counted; from then on both are on record."""
    _changed(monkeypatch, lambda on, number: {"brief": "wrong" if on else "right", "at": f"{number}"})
    found = watcher.run("+opt=cache")
    assert len(watcher.said) == 2
    assert watcher.said[1].startswith("the answer differs: running the baseline once more")
    assert found.verdict.differences == ("$.brief: 'right' != 'wrong'",)
    assert found.verdict.varying == ("$.at",)
    assert (found.verdict.exit_code, len(_records())) == (3, 3)
    again = watcher.run("+opt=cache")
    assert len(watcher.said) == 2
    assert (again.verdict.differences, again.verdict.varying) == (found.verdict.differences, ("$.at",))


def test_a_baseline_that_fails_the_second_time_leaves_the_difference(
    watcher: _Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the verdict stands."""
    import optiflow.run as run_module

    _changed(monkeypatch, lambda on, _: {"brief": f"{on}"})
    real, runs = run_module._Attempt._measured, []

    async def measured(self: Any) -> None:
        runs.append(1)
        if len(runs) > 2:
            raise ZeroDivisionError("planted")
        await real(self)

    monkeypatch.setattr(run_module._Attempt, "_measured", measured)
    verdict = watcher.run("+opt=cache").verdict
    assert verdict.differences == ("$.brief: 'False' != 'True'",)
    assert "can't be run once more" in watcher.said[-1]


def test_without_toggles_a_run_is_its_own_baseline(watcher: _Watcher) -> None:
    """It runs once, and a later comparison uses the newest."""
    outcome = watcher.run()
    assert outcome.is_baseline
    assert watcher.said == []
    assert watcher.totals == [len(outcome.record.nodes)]
    assert watcher.run("+opt=cache").baseline.record_id == outcome.record.record_id


def test_another_workload_has_another_baseline(watcher: _Watcher) -> None:
    """What was run on other input is nothing to compare with."""
    watcher.run()
    watcher.run("+opt=cache", "seed=5")
    assert len(watcher.said) == 1


def test_the_kill_switch_turns_a_toggle_off(watcher: _Watcher) -> None:
    """With the only toggle held off, what is left is a baseline."""
    outcome = watcher.run("+opt=cache", settings=get_settings().model_copy(update={"disable": frozenset({"cache"})}))
    assert outcome.is_baseline
    assert outcome.record.toggles["cache"] is False


@pytest.mark.parametrize(
    ("override", "error"),
    [("+opt.frob.enabled=true", ConfigurationError), ("workflow.input.packages=[no-such-package]", InputError)],
)
def test_what_cannot_run_leaves_no_record(watcher: _Watcher, override: str, error: type[Exception]) -> None:
    """Not even a baseline is run before the job itself is known to be right."""
    with pytest.raises(error):
        watcher.run(override, "+opt.cache.enabled=true")
    assert _records() == []
    assert watcher.said == []
