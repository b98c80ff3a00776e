"""The plots of an experiment, as Plotly figures; the colours of paper and ink are the page's, light or dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optiflow.analysis.experiment.pareto import pareto_front
from optiflow.analysis.experiment.results import ArmResult, Effect, MetricAnalysis, Sample
from optiflow.extras import require
from optiflow.record.schema import RunRecord

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["forest", "heat_map", "memory", "pareto", "scatter", "waterfall"]

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#e07b39")
"""Paul Tol's bright palette, which the colour-blind can tell apart, and an orange."""


_MOST_IN_LEGEND = 24


def forest(results: Sequence[ArmResult] | Sequence[Effect], figure: str) -> go.Figure:
    """Ratios with their intervals, one line each; left of 1 is less."""
    names = [result.arm if isinstance(result, ArmResult) else "×".join(result.factors) for result in results]
    ratios = [result.ratio for result in results]
    plot = _figure(max(260, 60 + 26 * len(names)))
    plot.add_scatter(
        x=ratios,
        y=names,
        mode="markers",
        marker={"size": 9, "color": _COLOURS[0]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [result.interval.high - result.ratio for result in results],
            "arrayminus": [result.ratio - result.interval.low for result in results],
        },
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    plot.add_vline(x=1, line_dash="dot", line_width=1, line_color="#888888")
    plot.update_xaxes(title=f"{figure}, ratio", type="log")
    plot.update_yaxes(autorange="reversed", automargin=True)
    return plot


def heat_map(metric: MetricAnalysis, factors: Sequence[str]) -> go.Figure:
    """By how many per cent two factors together change the figure beyond what each does alone."""
    pairs = {frozenset(effect.factors): effect.ratio for effect in metric.effects if len(effect.factors) == 2}
    cells = [[_percent(pairs, row, column) for column in factors] for row in factors]
    # What is below 5 % stays pale, however little there is.
    most = max([5.0, *(abs(cell) for row in cells for cell in row if cell is not None)])
    plot = _figure(max(320, 90 + 40 * len(factors)))
    plot.add_heatmap(
        z=cells,
        x=list(factors),
        y=list(factors),
        colorscale="RdBu",
        reversescale=True,
        zmin=-most,
        zmax=most,
        texttemplate="%{z:+.1f}",
        hovertemplate="%{y} × %{x}: %{z:+.2f} %<extra></extra>",
        colorbar={"title": "%", "thickness": 10},
    )
    plot.update_yaxes(autorange="reversed", automargin=True)
    return plot


def scatter(samples: Sequence[Sample], figure: str) -> go.Figure:
    """Every single run, in the order of execution."""
    plot = _figure(360)
    arms = dict.fromkeys(sample.arm for sample in samples)
    # Beyond what a legend can hold, the arm is told where the pointer is.
    plot.update_layout(showlegend=len(arms) <= _MOST_IN_LEGEND)
    for place, arm in enumerate(arms):
        mine = [(order, sample) for order, sample in enumerate(samples) if sample.arm == arm]
        plot.add_scatter(
            x=[order for order, _ in mine],
            y=[sample.value for _, sample in mine],
            name=arm,
            mode="markers",
            marker={"size": 6, "color": _COLOURS[place % len(_COLOURS)], "symbol": place // len(_COLOURS)},
            text=[f"block {sample.block}" for _, sample in mine],
            hovertemplate="%{text}: %{y:.4g}<extra>" + arm.replace("<", "&lt;") + "</extra>",
        )
    plot.update_xaxes(title="run, in the order of the plan")
    plot.update_yaxes(title=figure, rangemode="tozero", automargin=True)
    return plot


def waterfall(record: RunRecord, path_s: float | None) -> go.Figure:
    """When each node of a run ran, against the length of the critical path."""
    spans = sorted(record.nodes, key=lambda span: (span.started_s, span.ended_s))
    names = [".".join(filter(None, (span.namespace, span.node))) for span in spans]
    # Executions of one node stand apart, however often it ran.
    seen: dict[str, int] = {}
    rows = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        rows.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    plot = _figure(max(300, 80 + 22 * len(rows)))
    plot.add_bar(
        y=rows,
        x=[span.ended_s - span.started_s for span in spans],
        base=[span.started_s for span in spans],
        orientation="h",
        marker={"color": [_COLOURS[1] if span.error else _COLOURS[0] for span in spans]},
        hovertemplate="%{y}: from %{base:.2f} s, %{x:.2f} s<extra></extra>",
    )
    if path_s is not None:
        plot.add_vline(x=path_s, line_dash="dash", line_color=_COLOURS[2], annotation_text="critical path")
    plot.update_xaxes(title="seconds of the run's clock")
    plot.update_yaxes(autorange="reversed", automargin=True)
    return plot


def pareto(points: Mapping[str, tuple[float, float]], x: str, y: str) -> go.Figure:
    """Arms by two figures of which less is better; those that no other beats in both are joined."""
    front = pareto_front(points)
    beaten = [name for name in points if name not in front]
    plot = _figure(380)
    for names, colour, label in ((beaten, _COLOURS[6], "beaten"), (front, _COLOURS[2], "front")):
        plot.add_scatter(
            x=[points[name][0] for name in names],
            y=[points[name][1] for name in names],
            text=names,
            name=label,
            mode="lines+markers" if label == "front" else "markers",
            marker={"size": 9, "color": colour},
            hovertemplate="%{text}: %{x:.4g}, %{y:.4g}<extra></extra>",
        )
    plot.update_xaxes(title=f"{x}, median")
    plot.update_yaxes(title=f"{y}, median", automargin=True)
    return plot


def memory(records: Sequence[RunRecord], name_of: Callable[[RunRecord], str]) -> go.Figure:
    """The peak of resident memory of each run over time: what grows from run to run leaks."""
    ran = sorted((record for record in records if record.memory is not None), key=lambda record: record.started_at)
    plot = _figure(320)
    plot.add_scatter(
        x=[record.started_at for record in ran],
        y=[record.memory.peak_rss_mb for record in ran if record.memory is not None],
        text=[name_of(record) for record in ran],
        mode="lines+markers",
        marker={"size": 5, "color": _COLOURS[5]},
        line={"width": 1},
        hovertemplate="%{text}: %{y:.1f} MB<extra></extra>",
    )
    plot.update_xaxes(title="start of the run, UTC")
    plot.update_yaxes(title="peak resident memory, MB", automargin=True)
    return plot


def _figure(height: int) -> Any:
    graph_objects = require("plotly.graph_objects", "experiments", "an HTML report")
    plot = graph_objects.Figure()
    plot.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02},
    )
    return plot


def _percent(pairs: Mapping[frozenset[str], float], row: str, column: str) -> float | None:
    ratio = pairs.get(frozenset({row, column}))
    return None if ratio is None else 100 * (ratio - 1)
