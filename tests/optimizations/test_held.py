"""Toggles around a run that is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from optiflow.errors import ConfigurationError, ToggleFailedError
from optiflow.optimizations.base import Decision, Optimization, Options, Statistics
from optiflow.optimizations.held import Held

Act = Callable[[], Any]


def nothing() -> None:
    """Go well."""


def fail() -> None:
    """Fail."""
    raise RuntimeError("no")


def misconfigured() -> None:
    """Refuse what the user wants."""
    raise ConfigurationError("opt.probe: no")


class Probe(Optimization[Options]):
    """Does something at each point, and keeps account."""

    def __init__(self, name: str, *, enter: Act = nothing, end: Act = nothing, ask: Act = nothing) -> None:
        super().__init__(Options())
        self.name = name  # type: ignore[misc]
        self.seen: list[str] = []
        self._enter, self._end, self._ask = enter, end, ask

    @contextmanager
    def activate(self) -> Iterator[Statistics]:
        self._enter()
        self.seen.append("entered")

        def statistics() -> dict[str, float | int | str]:
            self._ask()
            return {"runs": 1}

        try:
            yield statistics
        finally:
            self.seen.append("left")
            self._end()


@pytest.mark.parametrize("point", ["enter", "end", "ask"])
def test_one_that_fails_takes_no_part(point: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The others do; it is decided about and named in the log, once."""
    good, bad = Probe("good"), Probe("bad", **{point: fail})
    with Held([bad, good], [Decision("good", "*", "applied", "acts")]) as held:
        told = held.statistics()
    assert told["good"] == {"runs": 1}
    assert ("bad" in told) == (point == "end")
    assert good.seen == ["entered", "left"]
    assert bad.seen == ([] if point == "enter" else ["entered", "left"])
    assert held.decisions[1:] == (Decision.failure("bad", "RuntimeError: no"),)
    (line,) = capsys.readouterr().err.splitlines()
    assert "toggle=bad" in line


@pytest.mark.parametrize("point", ["enter", "end", "ask"])
def test_strict_raises(point: str) -> None:
    """And what was entered is left."""
    good, bad = Probe("good"), Probe("bad", **{point: fail})
    with pytest.raises(ToggleFailedError, match="toggle 'bad'"), Held([good, bad], [], strict=True) as held:
        held.statistics()
    assert good.seen == ["entered", "left"]


def test_wrong_configuration_is_raised() -> None:
    """It is no failure of the toggle."""
    good = Probe("good")
    with pytest.raises(ConfigurationError), Held([good, Probe("bad", enter=misconfigured)], []):
        raise AssertionError("nothing runs")
    assert good.seen == ["entered", "left"]


def test_what_has_failed_already_is_left_out() -> None:
    """It did not rewrite the graph, so it does nothing around the run either."""
    bad = Probe("bad")
    with Held([bad], [Decision.failure("bad", "KeyError")]) as held:
        assert held.statistics() == {}
    assert bad.seen == []


def test_error_of_the_run_passes_through() -> None:
    """A toggle that passes it on has not failed."""
    good = Probe("good")
    with pytest.raises(LookupError), Held([good], []) as held:
        raise LookupError("the run's own")
    assert (good.seen, held.decisions) == (["entered", "left"], ())
