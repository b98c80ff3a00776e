"""``optiflow experiment plan|status|resume|report|export NAME``, and what a sweep shows at its end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from optiflow.cli.words import options_and_rest
from optiflow.config.files import options_of
from optiflow.errors import ConfigurationError, RunFailedError, RunInterruptedError, nearest_name
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from optiflow.analysis.experiment.results import ExperimentAnalysis
    from optiflow.experiment.plan import ExperimentPlan
    from optiflow.experiment.store import ExperimentStore
    from optiflow.experiment.sweeper import Session
    from optiflow.record.schema import RunRecord

__all__ = ["USAGE", "main", "show_sweep", "watching"]

USAGE = """usage: python -m optiflow experiment plan DESIGN [OVERRIDE ...]   list the jobs; nothing runs
       python -m optiflow experiment status [NAME]              how far it is; without a name: every experiment
       python -m optiflow experiment resume NAME                go on with what has no run that went well
       python -m optiflow experiment report NAME [--format terminal|json|markdown|html] [--output FILE]
       python -m optiflow experiment export NAME FOLDER         its plan, the figures of its runs, and reports"""

_ENDINGS = {".html": "html", ".md": "markdown", ".json": "json"}
_FORMATS = ("terminal", "json", "markdown", "html")
_POLL_S = 0.5
_CHANGE = 0.05
"""A plan says how many blocks detect this change, as a share."""
_EARLIER_RUNS = 50


def main(argv: Sequence[str]) -> int:
    """Look at, go on with, or report an experiment.

    Args:
        argv: The action, the experiment's name or the beginning of its id, and options.

    Returns:
        The exit code, as of the sweep itself.
    """
    actions = {"plan": _plan, "status": _status, "resume": _resume, "report": _report, "export": _export}
    if not argv or argv[0] not in actions:
        raise ConfigurationError(f"experiment: {nearest_name(argv[0] if argv else '', actions)}; {USAGE}")
    return actions[argv[0]](list(argv[1:]))


def show_sweep(current: Session, *, interrupted: bool) -> int:
    """Show what came of a grid or an experiment.

    Returns:
        The exit code: that of the worst job, of the experiment's verdict, or 130.
    """
    from optiflow.experiment.store import ExperimentStore
    from optiflow.record.store import RecordStore

    plan = current.plan
    assert plan is not None, "a sweep that was not planned has raised"
    if current.dry_run:
        _print_plan(plan)
        return 0
    with closing(RecordStore(get_settings().store_url)) as records:
        store = ExperimentStore(records)
        codes = {failure.exit_code for failure in current.failures}
        if plan.design == "grid":
            codes |= _show_grid(current, store, plan)
        else:
            codes.add(_show_experiment(store, plan, "terminal" if not _wants_json(plan) else "json", current))
    if interrupted:
        print(f"interrupted; go on with: python -m optiflow experiment resume {plan.name}", file=sys.stderr)
        return RunInterruptedError.exit_code
    return next((code for code in (130, 2, 1, 3, 125) if code in codes), 0)


@contextmanager
def watching(store: ExperimentStore, plan: ExperimentPlan) -> Iterator[None]:
    """A progress bar over the jobs, whatever process runs them, where standard error is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty() or _wants_json(plan):
        yield
        return
    from optiflow.report.terminal import progress_of_jobs

    over = threading.Event()
    with progress_of_jobs(len(plan.jobs)) as advance:

        def look() -> None:
            while not over.wait(_POLL_S):
                counted = store.count(plan.experiment_id)
                advance(counted.get("done", 0) + counted.get("failed", 0))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _plan(argv: list[str]) -> int:
    from optiflow.cli.job import sweep

    if not argv or argv[0] not in options_of("experiment"):
        raise ConfigurationError(
            f"experiment plan: {nearest_name(argv[0] if argv else '', options_of('experiment'))}; {USAGE}"
        )
    return sweep(["-m", *argv[1:], f"+experiment={argv[0]}", "experiment.dry_run=true"])


def _status(argv: list[str]) -> int:
    from optiflow.experiment.store import ExperimentStore
    from optiflow.record.store import RecordStore
    from optiflow.report.experiment_terminal import experiments_view
    from optiflow.report.terminal import console

    if len(argv) > 1:
        raise ConfigurationError(USAGE)
    with closing(RecordStore(get_settings().store_url)) as records:
        store = ExperimentStore(records)
        plans = [store.get(argv[0])] if argv else store.newest()
        console().print(experiments_view([(plan, store.count(plan.experiment_id)) for plan in plans]))
    return 0


def _resume(argv: list[str]) -> int:
    from optiflow.cli.job import sweep
    from optiflow.experiment.store import ExperimentStore
    from optiflow.record.store import RecordStore

    if len(argv) != 1:
        raise ConfigurationError(USAGE)
    with closing(RecordStore(get_settings().store_url)) as records:
        plan = ExperimentStore(records).get(argv[0])
    return sweep(plan.arguments, resume=plan.experiment_id)


def _report(argv: list[str]) -> int:
    from optiflow.experiment.store import ExperimentStore
    from optiflow.record.store import RecordStore

    name, form, output = _report_arguments(argv)
    with closing(RecordStore(get_settings().store_url)) as records:
        store = ExperimentStore(records)
        return _show_experiment(store, store.get(name), form, None, output)


def _report_arguments(argv: list[str]) -> tuple[str, str, str | None]:
    defaults = {"--format": "", "--output": ""}
    options, names = options_and_rest(argv, defaults, command="experiment report", usage=USAGE)
    if len(names) != 1 or names[0].startswith("-"):
        raise ConfigurationError(USAGE)
    output = options["--output"] or None
    form = options["--format"] or _ENDINGS.get(Path(output or "").suffix, "terminal")
    if form not in _FORMATS:
        raise ConfigurationError(f"experiment report: --format {form}: {nearest_name(form, _FORMATS)}")
    if form == "terminal" and output is not None:
        raise ConfigurationError(
            f"experiment report: --output {output}: expected a file that ends in {', '.join(_ENDINGS)}, or --format"
        )
    return names[0], form, output


def _export(argv: list[str]) -> int:
    from optiflow.experiment.analysis import analyse
    from optiflow.experiment.store import ExperimentStore
    from optiflow.record.exchange import export_records
    from optiflow.record.store import RecordStore

    if len(argv) != 2 or any(word.startswith("-") for word in argv):
        raise ConfigurationError(USAGE)
    folder = Path(argv[1])
    with closing(RecordStore(get_settings().store_url)) as records:
        store = ExperimentStore(records)
        plan = store.get(argv[0])
        runs = store.runs(plan)
    analysis = analyse(plan, runs)
    texts = {"plan.json": plan.model_dump_json(indent=2)}
    texts |= {f"report{ending}": _rendered(form, plan, analysis, runs) for ending, form in _ENDINGS.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    export_records(runs, folder / "runs.csv")
    print(f"written to {folder}: {', '.join([*texts, 'runs.csv'])}")
    return 0


def _show_grid(current: Session, store: ExperimentStore, plan: ExperimentPlan) -> set[int]:
    from optiflow.analysis.outcome import Outcome
    from optiflow.analysis.verdict import judge
    from optiflow.config.criteria import CriteriaConfig

    outcomes = []
    for record in store.runs(plan):
        if record.status != "ok":
            continue
        baseline = store.records.baseline_for(record.comparison_key) if record.toggles_on else None
        verdict = judge(record, baseline, CriteriaConfig.model_validate(record.config["criteria"]))
        outcomes.append(Outcome(record, baseline or record, verdict))
    failed = [(failure.arm, failure.error) for failure in current.failures] + list(plan.excluded.items())
    if _wants_json(plan):
        from optiflow.report.json_report import sweep_as_text

        print(sweep_as_text(plan.experiment_id, outcomes, failed))
    else:
        from optiflow.report.terminal import console, sweep_view

        console().print(sweep_view(outcomes, failed))
    excluded = {ConfigurationError.exit_code} if plan.excluded else set()
    return excluded | {outcome.verdict.exit_code for outcome in outcomes}


def _show_experiment(
    store: ExperimentStore, plan: ExperimentPlan, form: str, current: Session | None, output: str | None = None
) -> int:
    from optiflow.experiment.analysis import analyse, front_of

    runs = store.runs(plan)
    analysis = analyse(plan, runs)
    if form == "terminal":
        from optiflow.report.experiment_terminal import experiment_view
        from optiflow.report.terminal import console

        failures = (
            [] if current is None else [(f"{each.arm}, block {each.block}", each.error) for each in current.failures]
        )
        console().print(experiment_view(plan, analysis, failures, front_of(plan, runs)))
    else:
        text = _rendered(form, plan, analysis, runs)
        if output is None:
            print(text)
        else:
            Path(output).write_text(text, encoding="utf-8")
            print(f"written: {output}")
    if analysis.failed:
        return RunFailedError.exit_code
    if "REGRESSED" in analysis.verdicts.values():
        return 3
    return 0 if analysis.complete else 125


def _rendered(form: str, plan: ExperimentPlan, analysis: ExperimentAnalysis, runs: list[RunRecord]) -> str:
    if form == "json":
        from optiflow.report.json_report import experiment_as_text

        return experiment_as_text(plan, analysis)
    if form == "markdown":
        from optiflow.report.markdown import experiment_as_markdown

        return experiment_as_markdown(plan, analysis)
    from optiflow.report.html import experiment_as_html

    return experiment_as_html(plan, analysis, runs)


def _print_plan(plan: ExperimentPlan) -> None:
    if _wants_json(plan):
        print(plan.model_dump_json(indent=2))
        return
    from optiflow.analysis.experiment.power import outlook
    from optiflow.analysis.figures import figures
    from optiflow.record.store import RecordStore
    from optiflow.report.experiment_terminal import plan_view
    from optiflow.report.terminal import console

    with closing(RecordStore(get_settings().store_url)) as records:
        earlier = records.runs_under(plan.workload_key, _EARLIER_RUNS)
    values = [figures(record).get(plan.figures[0]) for record in earlier]
    measured = [float(value) for value in values if isinstance(value, int | float)]
    console().print(plan_view(plan, outlook(_CHANGE, measured, arms=max(1, len(plan.arms) - 1))))


def _wants_json(plan: ExperimentPlan) -> bool:
    """Whether the command line that made it asked for JSON."""
    return "report=json" in plan.arguments
