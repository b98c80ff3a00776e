"""Every figure of a run by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optiflow.analysis.figures import figures, record_critical_path
from optiflow.errors import ConfigurationError
from optiflow.monitor.observation import ModelCall, NodeSpan
from optiflow.record.schema import Memory, NodeEffects, RunRecord, Timings, Tokens

Make = Callable[..., RunRecord]


def _call(node: str, started_s: float, ended_s: float) -> ModelCall:
    return ModelCall(node, node, "offline", "digest", started_s, ended_s)


def test_a_run_alone_has_its_own_figures(finished_record: Make) -> None:
    """Times, tokens, calls, memory and grade are there; comparisons are not."""
    named = figures(finished_record(memory=Memory(peak_rss_mb=100.0, start_rss_mb=88.0, peak_traced_mb=7.5)))
    assert named == {
        "runtime_s": 10.0,
        "provider_s": 9.0,
        "cpu_s": 0.5,
        "waiting_s": 0.5,
        "tokens": 100,
        "prompt_tokens": 80,
        "completion_tokens": 20,
        "model_calls": 1,
        "peak_rss_mb": 100.0,
        "memory_growth_mb": 12.0,
        "peak_traced_mb": 7.5,
        "success_rate": 1.0,
        "grade": "A+",
        "score": 0.99,
        "critical_path_s": 9.0,
        "critical_path_ratio": pytest.approx(10 / 9),
    }


def test_a_run_beside_its_baseline_has_comparisons(finished_record: Make) -> None:
    """Ratios are run over baseline; savings and increases are differences."""
    baseline = finished_record(runtime_s=40.0)
    run = finished_record(
        tokens=Tokens(prompt=60, completion=15, total=75),
        memory=Memory(peak_rss_mb=312.0, start_rss_mb=290.0),
        statistics={"cache": {"count_hit_rate": 0.9}},
    )
    named = figures(run, figures(baseline))
    assert named["runtime_ratio"] == 0.25
    assert named["runtime_reduction"] == 0.75
    assert named["speedup"] == 4.0
    assert named["runtime_loss"] == 0.0
    assert named["tokens_ratio"] == 0.75
    assert named["tokens_saved"] == 25
    assert named["memory_increase_mb"] == 12.0, "by how much more it grew, whatever its process held before"
    assert named["grade_steps_lost"] == 0
    assert named["cache.count_hit_rate"] == 0.9
    assert named["critical_path_s"] == 39.0, "the baseline's: what the run could have come down to"


@pytest.mark.parametrize(("runtime_s", "loss"), [(10.0, 0.0), (10.04, 0.0), (9.0, 0.0), (10.55, 0.05)])
def test_a_loss_is_one_only_beyond_what_a_run_resolves(finished_record: Make, runtime_s: float, loss: float) -> None:
    """Some milliseconds more are no loss, and a faster run has none."""
    before = figures(finished_record())
    assert figures(finished_record(runtime_s=runtime_s), before)["runtime_loss"] == pytest.approx(loss)


@pytest.mark.parametrize(("before", "after", "lost"), [("A+", "A-", 2), ("B", "A+", 0), ("C", "C", 0)])
def test_grades_lost_are_counted_in_steps(finished_record: Make, before: str, after: str, lost: int) -> None:
    """A better grade is no negative loss."""
    assert figures(finished_record(grade=after), figures(finished_record(grade=before)))["grade_steps_lost"] == lost


def test_without_tokens_or_grades_there_are_no_quotients_of_them(finished_record: Make) -> None:
    """Nothing is divided by zero, and nothing is made up."""
    silent: dict[str, Any] = {"tokens": Tokens(prompt=0, completion=0, total=0), "grade": None, "model_calls": ()}
    named = figures(finished_record(**silent), figures(finished_record(**silent)))
    assert named["tokens_saved"] == 0
    assert named["critical_path_s"] == 0.0
    assert not {"tokens_ratio", "grade", "score", "grade_steps_lost", "critical_path_ratio"} & named.keys()


@pytest.mark.parametrize("missing", ["timings", "tokens", "memory"])
def test_a_run_that_never_ended_has_no_figures(finished_record: Make, missing: str) -> None:
    """Half a record is refused, with its id and status."""
    record = finished_record(status="interrupted", **{missing: None})
    with pytest.raises(ConfigurationError, match=f"record {record.record_id} has no figures: its run is interrupted"):
        figures(record)


@pytest.mark.parametrize(
    ("spans", "rate"),
    [
        ((), 0.0),
        ((NodeSpan("a", "", 0, 1), NodeSpan("b", "", 1, 2, "ValueError: x")), 0.5),
        ((NodeSpan("a", "", 0, 1, "Timeout: late"), NodeSpan("a", "", 1, 2)), 1.0),
        ((NodeSpan("a", "", 1, 2), NodeSpan("a", "", 0, 1, "GraphInterrupt: ok?")), 1.0),
        ((NodeSpan("a", "", 0, 1), NodeSpan("a", "", 1, 2, "ValueError: x")), 0.0),
        ((NodeSpan("a", "inner", 0, 1, "ValueError: x"), NodeSpan("a", "other", 1, 2)), 0.5),
    ],
    ids=["no nodes", "one failed", "repeated", "interrupted and resumed", "failed in the end", "namesakes"],
)
def test_success_is_how_a_node_ended(finished_record: Make, spans: tuple[NodeSpan, ...], rate: float) -> None:
    """A retry that helped and an interrupt that was answered are no failures; the last execution decides."""
    assert figures(finished_record(nodes=spans))["success_rate"] == rate


class TestCriticalPath:
    """Taken from what the nodes of a record read and write."""

    def test_a_node_is_as_long_as_its_slowest_call(self, finished_record: Make) -> None:
        """The prompts of one node do not depend on one another; a call of another visit is not counted twice."""
        record = finished_record(
            nodes=(NodeSpan("read", "", 0, 5), NodeSpan("write", "", 5, 9)),
            model_calls=(_call("read", 0, 2), _call("read", 2, 5), _call("write", 5, 9)),
        )
        assert record_critical_path(record) == 3 + 4

    def test_independent_nodes_lie_beside_each_other(self, finished_record: Make) -> None:
        """Only a chain of what is written and then read adds up."""
        record = finished_record(
            nodes=(NodeSpan("a", "", 0, 5), NodeSpan("b", "", 5, 9)),
            model_calls=(_call("a", 0, 5), _call("b", 5, 9)),
            effects={"a": NodeEffects(reads=(), writes=("x",)), "b": NodeEffects(reads=(), writes=("y",))},
        )
        assert record_critical_path(record) == 5
        assert record_critical_path(record.evolve(deciding=("a",))) == 9, "a branch has to be waited for"

    def test_a_node_of_unknown_effects_waits_for_all(self, finished_record: Make) -> None:
        """What may read anything is last."""
        record = finished_record(
            nodes=(NodeSpan("a", "", 0, 5), NodeSpan("b", "", 5, 9)),
            model_calls=(_call("a", 0, 5), _call("b", 5, 9)),
            effects={"a": NodeEffects(reads=(), writes=("x",))},
        )
        assert record_critical_path(record) == 9

    def test_without_declared_effects_there_is_none(self, finished_record: Make) -> None:
        """A graph that nobody declared has no critical path, and no figure of one."""
        record = finished_record(effects=None)
        assert record_critical_path(record) is None
        assert "critical_path_s" not in figures(record)


def test_every_timing_is_of_the_run_itself(finished_record: Make) -> None:
    """Figures of the run come from its record, not from the baseline's."""
    run = finished_record(timings=Timings.of(runtime_s=2, provider_s=1, provider_total_s=3, cpu_s=0.25))
    named = figures(run, figures(finished_record()))
    assert (named["runtime_s"], named["provider_s"], named["cpu_s"], named["waiting_s"]) == (2, 1, 0.25, 0.75)


def test_wasted_tokens_stand_beside_the_total(finished_record: Make) -> None:
    """They are shown where there are any, and belong to no comparison of the runs' own tokens."""
    baseline = finished_record()
    named = figures(finished_record(tokens=Tokens(prompt=80, completion=20, total=100, wasted=7)), figures(baseline))
    assert (named["tokens"], named["tokens_wasted"], named["tokens_saved"]) == (100, 7, 0)
    assert "tokens_wasted" not in figures(baseline)


class TestPricedTokens:
    CACHED = Tokens(prompt=80, completion=20, total=100, cache_read=80, priced=28.0)
    FRESH = Tokens(prompt=80, completion=20, total=100, priced=100.0)

    @pytest.mark.parametrize(
        ("run", "baseline", "ratio"),
        [
            # As many tokens as before, but what was read from the provider's cache is paid in full now.
            (FRESH, CACHED, 100 / 28),
            (CACHED, FRESH, 0.28),
            (CACHED, CACHED, 1.0),
            # One record is of an older version, or the price of a model was not known in one of them alone.
            (FRESH, Tokens(prompt=80, completion=20, total=100), 1.0),
            (CACHED.model_copy(update={"priced": 100.0, "unpriced": ("m",)}), CACHED, 1.0),
            # Known in neither: of this model all count in full, and of the others as they are priced.
            (FRESH.model_copy(update={"unpriced": ("m",)}), CACHED.model_copy(update={"unpriced": ("m",)}), 100 / 28),
        ],
    )
    def test_tokens_over_baseline(self, finished_record: Make, run: Tokens, baseline: Tokens, ratio: float) -> None:
        """Priced where both are, and as many tokens as there are otherwise."""
        before = figures(finished_record(tokens=baseline))
        assert figures(finished_record(tokens=run), before)["tokens_ratio"] == pytest.approx(ratio)

    def test_they_are_figures_of_their_own(self, finished_record: Make) -> None:
        """By kind; models without a price are named."""
        written = {"cache_write": 8, "cache_write_5m": 6, "cache_write_1h": 2, "unpriced": ("a", "b")}
        named = figures(finished_record(tokens=self.CACHED.model_copy(update=written)))
        shown = ("cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
        assert [named[name] for name in shown] == [80, 8, 6, 2]
        assert (named["tokens_priced"], named["unpriced_models"]) == (28.0, "a, b")
