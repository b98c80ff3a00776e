"""What limits did to the requests of one run."""

from __future__ import annotations

from optiflow.limits.tally import Tally


def test_counts() -> None:
    """Each by its name."""
    tally = Tally()
    for name in ("refused", "refused", "hedges_won"):
        tally.count(name)
    tally.sent(3)
    tally.sent(2)
    tally.wasted(110)
    seen = tally.statistics()
    assert (seen["refused"], seen["hedges_won"], seen["requests"], seen["given_up"]) == (2, 1, 2, 0)
    assert (seen["peak_in_flight"], seen["hedge_tokens_wasted"]) == (3, 110)


def test_time_lost() -> None:
    """The sum over requests, and the time in which any waited, which goes on while one still does."""
    tally = Tally()
    tally.waits()
    tally.waits()
    tally.waited(2.0)
    before = float(tally.statistics()["limited_s"])
    assert tally.statistics()["limited_s"] > before
    tally.waited(3.0)
    seen = tally.statistics()
    assert seen["waited_s"] == 5.0
    assert tally.statistics()["limited_s"] == seen["limited_s"] > before
