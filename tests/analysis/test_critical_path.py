"""The critical path of executions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.analysis.critical_path import Execution, critical_path


def _execution(node: str, seconds: float, reads: str = "", writes: str = "") -> Execution:
    return Execution(node, seconds, frozenset(reads), frozenset(writes))


def test_independent_executions_cost_the_longest() -> None:
    """Executions that share nothing overlap."""
    assert critical_path([_execution("a", 1, "x", "p"), _execution("b", 3, "x", "q")]) == 3


def test_a_reader_waits_for_every_writer() -> None:
    """A join starts behind the slowest of those that write what it reads."""
    executions = [_execution("a", 1, "", "p"), _execution("b", 3, "", "p"), _execution("join", 2, "p", "r")]
    assert critical_path(executions) == 5


def test_unknown_effects_depend_on_everything() -> None:
    """An execution whose reads are not known waits for all before it, and all wait for unknown writes."""
    unknown = Execution("u", 2, None, None)
    assert critical_path([_execution("a", 1, "", "p"), unknown, _execution("b", 4, "z", "q")]) == 7


def test_what_comes_behind_a_decision_waits_for_it() -> None:
    """A node that decides where to go holds up everything after it."""
    executions = [_execution("grade", 2, "d", "g"), _execution("edit", 3, "x", "d")]
    assert critical_path(executions) == 3
    assert critical_path(executions, {"grade"}) == 5


def test_nothing_takes_no_time() -> None:
    """No execution, no time."""
    assert critical_path([]) == 0


_EXECUTIONS = st.lists(
    st.builds(
        _execution,
        st.just("n"),
        st.floats(0, 10),
        st.text("abcd", max_size=2),
        st.text("abcd", max_size=2),
    ),
    min_size=1,
    max_size=12,
)


@given(_EXECUTIONS)
def test_it_lies_between_the_longest_and_the_sum(executions: list[Execution]) -> None:
    """Never shorter than one execution, never longer than one after another."""
    durations = [execution.duration_s for execution in executions]
    length = critical_path(executions)
    assert max(durations) - 1e-9 <= length <= sum(durations) + 1e-9


@given(_EXECUTIONS)
def test_more_dependencies_never_shorten_it(executions: list[Execution]) -> None:
    """Deciding nodes only add dependencies."""
    assert (
        critical_path(executions)
        <= critical_path(executions, {"n"})
        == pytest.approx(sum(execution.duration_s for execution in executions))
    )
