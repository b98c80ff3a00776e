"""The outcome as tables on a terminal, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from optiflow.analysis.outcome import Outcome
from optiflow.analysis.verdict import CriterionResult
from optiflow.report.wording import cached_tokens, difference_lines, price_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

__all__ = ["console", "figure_text", "outcome_view", "progress_of_nodes", "sweep_view"]

_WIDEST = 100
_STYLE = {"PASS": "bold green", "REGRESSED": "bold red", "INCONCLUSIVE": "bold yellow"}
_ROWS = {
    "runtime_s": "runtime s",
    "provider_s": "  provider s (a call in flight)",
    "cpu_s": "  own CPU s",
    "waiting_s": "  waiting s",
    "critical_path_s": "critical path s",
    "tokens": "tokens",
    "prompt_tokens": "  prompt",
    "completion_tokens": "  completion",
    "cache_read_tokens": "  of the prompt read from the provider's cache",
    "cache_write_tokens": "  of the prompt written to it",
    "cache_write_5m_tokens": "    for five minutes",
    "cache_write_1h_tokens": "    for an hour",
    "tokens_priced": "  cached ones at their price",
    "tokens_wasted": "  and wasted besides",
    "cost_usd": "cost, US dollars",
    "model_calls": "model calls",
    "grade": "grade",
    "score": "  score",
    "peak_rss_mb": "peak RSS MB",
    "peak_traced_mb": "peak traced MB",
}
_IF_CACHED = frozenset(name for name in _ROWS if name.startswith("cache_"))
"""Rows that are left out where no run has any."""
_MARK = {True: ("✅", "green"), False: ("❌", "red"), None: ("–", "dim")}


def console(*, stderr: bool = False) -> Console:
    """A console no wider than 100 columns."""
    # Names and errors may hold brackets and colons, which must not be taken for markup.
    found = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if found.width > _WIDEST or not found.is_terminal:
        found.width = _WIDEST
    return found


def figure_text(value: object) -> str:
    """A figure for people: thousands separated, three decimals at the most."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        digits = 1 if abs(value) >= 100 else 3
        return f"{value:,.{digits}f}"
    return str(value)


def outcome_view(outcome: Outcome) -> RenderableType:
    """Everything about one run: figures beside the baseline's, criteria, verdict."""
    parts: list[RenderableType] = [_title(outcome), _figures(outcome)]
    if outcome.record.statistics:
        parts.append(_statistics(outcome.record.statistics))
    criteria = outcome.verdict.criteria
    # Most criteria are about toggles; a baseline shows them only where they say why it fails.
    if criteria and (not outcome.is_baseline or any(result.passed is False for result in criteria)):
        parts.append(_criteria(criteria))
    parts.append(_conclusion(outcome))
    return Group(*parts)


def sweep_view(outcomes: Sequence[Outcome], failures: Sequence[tuple[str, str]]) -> RenderableType:
    """One line a run of a sweep, and one for each that failed."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    priced = any(cached_tokens(outcome.figures) for outcome in outcomes)
    tokens = ("tokens", "at their price") if priced else ("tokens",)
    for heading in ("toggles", "runtime s", "speedup", *tokens, "calls", "grade", "equal", "verdict"):
        table.add_column(heading, justify="left" if heading in {"toggles", "verdict"} else "right")
    for outcome in outcomes:
        shown = outcome.figures
        table.add_row(
            ", ".join(outcome.record.toggles_on) or "none",
            figure_text(shown["runtime_s"]),
            f"{shown.get('speedup', 1.0):.2f}×",
            figure_text(shown["tokens"]),
            *([figure_text(shown.get("tokens_priced"))] if priced else []),
            figure_text(shown["model_calls"]),
            figure_text(shown.get("grade")),
            _mark(outcome.verdict.outputs_equal),
            Text(outcome.verdict.outcome, style=_STYLE[outcome.verdict.outcome]),
        )
    parts: list[RenderableType] = [table]
    notes = dict.fromkeys(note for outcome in outcomes if (note := price_note(outcome.figures)))
    parts += [Text(note, style="dim") for note in notes]
    parts += [Text(f"{what}: {error}", style="red") for what, error in failures]
    return Group(*parts)


@contextmanager
def progress_of_nodes(total: int, shown: bool) -> Iterator[Callable[[str], None]]:
    """A progress bar on standard error; yields what to call when a node has ended, with its name."""
    if not shown:
        yield lambda _name: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar: Progress = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        console=console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=total or None)
        yield lambda name: bar.update(task, advance=1, description=name)


@contextmanager
def progress_of_jobs(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error over the jobs of an experiment; yields what to tell how many are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console(stderr=True), transient=True
    )
    with bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def _title(outcome: Outcome) -> Text:
    record = outcome.record
    clock = "virtual clock: provider time simulated, own CPU time real" if record.clock == "virtual" else "real clock"
    toggles = ", ".join(outcome.record.toggles_on) or "none (baseline)"
    return Text.assemble((record.workflow, "bold"), f"  ·  toggles: {toggles}\n", (clock, "dim"))


def _figures(outcome: Outcome) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    if not outcome.is_baseline:
        table.add_column("baseline", justify="right")
    table.add_column("run", justify="right")
    if not outcome.is_baseline:
        table.add_column("change", justify="right")
    before, after = outcome.baseline_figures, outcome.figures
    for name, label in _ROWS.items():
        if name not in after or (name in _IF_CACHED and not (after[name] or before.get(name))):
            continue
        if name == "tokens_priced" and not (cached_tokens(after) or cached_tokens(before)):
            continue
        if outcome.is_baseline:
            table.add_row(label, figure_text(after[name]))
        else:
            old = before.get(name)
            table.add_row(label, figure_text(old), figure_text(after[name]), _change(old, after[name]))
    return table


def _statistics(statistics: Mapping[str, Mapping[str, float | int | str]]) -> Table:
    """What each toggle counted in the run; the baseline has none of it. Durations by operation are left out."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("toggle")
    table.add_column("did")
    for toggle, figures in statistics.items():
        shown = [f"{name} {figure_text(value)}" for name, value in figures.items() if value and "." not in name]
        if shown:
            table.add_row(toggle, Text(" · ".join(shown)))
    return table


def _change(before: object, after: object) -> str:
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return "" if before == after else "changed"
    if before == after:
        return "same"
    return f"{after / before - 1:+.1%}" if before else ""


def _criteria(results: Sequence[CriterionResult]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, side in (("criterion", "left"), ("limit", "right"), ("measured", "right"), ("", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for result in results:
        shown = Text.assemble(_mark(result.passed), (f" {result.note}", "dim"))
        table.add_row(result.name, result.limit, figure_text(result.value), shown)
    return table


def _mark(passed: bool | None) -> Text:
    mark, style = _MARK[passed]
    return Text(mark, style=style)


def _conclusion(outcome: Outcome) -> Text:
    verdict = outcome.verdict
    text = Text()
    if not outcome.is_baseline:
        ratio = outcome.figures.get("speedup", 1.0)
        text.append(f"{figure_text(ratio)}× as fast; ")
        saved = outcome.figures.get("tokens_saved", 0)
        if saved:
            text.append(f"{figure_text(saved)} tokens saved; ")
        lines = difference_lines(verdict)
        text.append("answer differs: " + "\n  ".join(lines) + "\n" if lines else "answer equals the baseline's\n")
    if note := price_note(outcome.figures):
        text.append(f"{note}\n", style="dim")
    text.append(verdict.outcome, style=_STYLE[verdict.outcome])
    text.append(f"  record {outcome.record.record_id}")
    if not outcome.is_baseline:
        text.append(f", baseline {outcome.baseline.record_id}", style="dim")
    return text
