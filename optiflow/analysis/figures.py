"""Every figure of a run by name, the comparisons with its baseline included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optiflow.analysis.critical_path import Execution, critical_path
from optiflow.errors import ConfigurationError
from optiflow.monitor.observation import NodeSpan
from optiflow.quality.grade import grade_position
from optiflow.record.schema import RunRecord

__all__ = ["Figure", "compared_by_price", "figures", "record_critical_path"]

Figure = float | int | str

RESOLUTION_S = 0.05
"""What one run's runtime can't resolve, in seconds: a slower run is only called so beyond it."""


def figures(record: RunRecord, before: Mapping[str, Figure] | None = None) -> dict[str, Figure]:
    """Name every figure of a run.

    Args:
        record: The run.
        before: The figures of what it is compared with; None leaves the comparisons out.

    Returns:
        Seconds end in ``_s``, megabytes in ``_mb``, quotients of run over baseline in ``_ratio``; a toggle's
        statistic is ``TOGGLE.NAME``.

    Raises:
        ConfigurationError: A run did not get far enough to have figures.
    """
    if record.timings is None or record.tokens is None or record.memory is None:
        raise ConfigurationError(f"record {record.record_id} has no figures: its run is {record.status}")
    named: dict[str, Figure] = {
        "runtime_s": record.timings.runtime_s,
        "provider_s": record.timings.provider_s,
        "cpu_s": record.timings.cpu_s,
        "waiting_s": record.timings.waiting_s,
        "tokens": record.tokens.total,
        "prompt_tokens": record.tokens.prompt,
        "completion_tokens": record.tokens.completion,
        "model_calls": len(record.model_calls),
        "peak_rss_mb": record.memory.peak_rss_mb,
        "success_rate": _success_rate(record.nodes),
    }
    if record.tokens.priced is not None:
        named["tokens_priced"] = record.tokens.priced
        for kind in ("read", "write", "write_5m", "write_1h"):
            named[f"cache_{kind}_tokens"] = getattr(record.tokens, f"cache_{kind}")
    if record.tokens.unpriced:
        named["unpriced_models"] = ", ".join(record.tokens.unpriced)
    if record.tokens.wasted:
        named["tokens_wasted"] = record.tokens.wasted
    if record.memory.start_rss_mb is not None:
        named["memory_growth_mb"] = record.memory.peak_rss_mb - record.memory.start_rss_mb
    if record.memory.peak_traced_mb is not None:
        named["peak_traced_mb"] = record.memory.peak_traced_mb
    if record.cost_usd is not None:
        named["cost_usd"] = record.cost_usd
    if record.quality is not None:
        named["grade"] = record.quality.grade
        named["score"] = record.quality.score
    path = record_critical_path(record) if before is None else before.get("critical_path_s")
    if isinstance(path, int | float):
        named["critical_path_s"] = path
        if path:
            named["critical_path_ratio"] = record.timings.runtime_s / path
    for toggle, statistics in record.statistics.items():
        named |= {f"{toggle}.{name}": value for name, value in statistics.items()}
    if before is not None:
        named |= _comparisons(named, before)
    return named


def _success_rate(spans: Sequence[NodeSpan]) -> float:
    """Share of the nodes whose last execution went well.

    An attempt that was repeated, or an interrupt of the graph that was answered, is no failure.
    """
    last = {(span.namespace, span.node): span for span in sorted(spans, key=lambda span: span.started_s)}
    return sum(span.error is None for span in last.values()) / len(last) if last else 0.0


def _comparisons(run: Mapping[str, Figure], baseline: Mapping[str, Figure]) -> dict[str, Figure]:
    def pair(name: str) -> tuple[float, float]:
        return float(run[name]), float(baseline[name])

    runtime, runtime_before = pair("runtime_s")
    tokens, tokens_before = pair("tokens")
    named: dict[str, Figure] = {
        "runtime_ratio": runtime / runtime_before,
        "runtime_loss": max(0.0, runtime - runtime_before - RESOLUTION_S) / runtime_before,
        "runtime_reduction": 1 - runtime / runtime_before,
        "speedup": runtime_before / runtime,
        "tokens_saved": int(tokens_before - tokens),
    }
    if "memory_growth_mb" in run and "memory_growth_mb" in baseline:
        # Peaks of whole processes would tell of what these did before as much as of the two runs.
        growth, growth_before = pair("memory_growth_mb")
        named["memory_increase_mb"] = growth - growth_before
    if compared_by_price(run, baseline):
        tokens, tokens_before = pair("tokens_priced")
    if tokens_before:
        named["tokens_ratio"] = tokens / tokens_before
    if "grade" in run and "grade" in baseline:
        lost = grade_position(str(run["grade"])) - grade_position(str(baseline["grade"]))
        named["grade_steps_lost"] = max(0, lost)
    return named


def compared_by_price(run: Mapping[str, Figure], baseline: Mapping[str, Figure]) -> bool:
    """Whether ``tokens_ratio`` is one of priced tokens: both runs have them, of models with known prices alike."""
    both = "tokens_priced" in run and "tokens_priced" in baseline
    return both and run.get("unpriced_models") == baseline.get("unpriced_models")


def record_critical_path(record: RunRecord) -> float | None:
    """The critical path in seconds of provider time, from a record whose nodes' effects were declared.

    A node is as long as its slowest call, since the prompts of one node do not depend on one another.

    Returns:
        None where the record knows no effects, as for a graph that nobody declared.
    """
    if record.effects is None:
        return None
    spans = sorted(record.nodes, key=lambda span: span.started_s)
    executions = []
    for span in spans:
        calls = [
            call.ended_s - call.started_s
            for call in record.model_calls
            if call.node == span.node and span.started_s <= call.started_s <= span.ended_s
        ]
        effects = record.effects.get(span.node)
        executions.append(
            Execution(
                span.node,
                max(calls, default=0.0),
                frozenset(effects.reads) if effects else None,
                frozenset(effects.writes) if effects else None,
            )
        )
    return critical_path(executions, frozenset(record.deciding))
