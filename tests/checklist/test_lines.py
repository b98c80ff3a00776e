"""Lines of the checklist and paired timing."""

from __future__ import annotations

from optiflow.checklist.lines import Line, Paired, paired, reduction_line


class _Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


def test_a_line_shows_its_mark_and_its_figure() -> None:
    """Pass and failure differ by the mark, and the figure stands behind both."""
    assert str(Line("Works", True, "3 of 3")) == "✅ Works  (3 of 3)"
    assert str(Line("Works", False, "2 of 3")).startswith("❌ Works")


def test_pairs_alternate_and_the_first_is_not_counted() -> None:
    """A slow first round leaves no trace, and each repetition times both."""
    clock, order = _Clock(), []
    costs = iter([9.0, 9.0, 1.0, 2.0, 2.0, 1.0])

    def work(name: str) -> None:
        order.append(name)
        clock.spend(next(costs))

    measured = paired(lambda: work("without"), lambda: work("with"), repetitions=2, clock=clock)
    assert order == ["without", "with", "with", "without", "without", "with"]
    assert measured == Paired([2.0, 2.0], [1.0, 1.0])


def test_reduction_is_judged_by_the_median() -> None:
    """One lucky pair does not pass a line."""
    line = reduction_line("Faster: >20%", Paired([1.0, 1.0, 1.0], [0.9, 0.9, 0.1]), 0.2)
    assert not line.passed
    assert "10% less" in line.measured
    assert reduction_line("Faster: >20%", Paired([1.0], [0.5]), 0.2).passed
