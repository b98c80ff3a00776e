"""A run compared with its baseline, which is run first where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

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
