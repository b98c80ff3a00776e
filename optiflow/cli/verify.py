"""``optiflow verify --against baseline``: a gate for CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from optiflow.cli.logs import log_as_configured
from optiflow.cli.words import options_and_rest
from optiflow.errors import BaselineFailedError, RunFailedError
from optiflow.extras import require
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from optiflow.analysis.outcome import Outcome
    from optiflow.config.models import RunConfig

__all__ = ["USAGE", "main"]

_INCONCLUSIVE = 125

USAGE = """usage: python -m optiflow verify [--against baseline|RECORD] [--junit FILE] [OVERRIDE ...]
  --against  what the run is held against: the baseline of the same workload, or a record; default: baseline
  --junit    also write JUnit XML
  Where no override says which toggles are on, +opt=all is verified. A job summary is added to the file that
  GITHUB_STEP_SUMMARY names. Exit code 125: there is nothing sound to hold the run against."""


def main(argv: Sequence[str]) -> int:
    """Run a configuration and hold it against its baseline or a record.

    Args:
        argv: Options and overrides.

    Returns:
        0 pass, 3 an answer differs or a criterion failed, 125 the baseline's run failed or is of other input.

    Raises:
        ConfigurationError: The arguments are wrong.
        OptiflowError: The run or the store failed.
    """
    against, junit, overrides = _arguments(argv)

    from optiflow.cli.job import show
    from optiflow.config.compose import compose

    # Without any toggle the run would be held against itself, and pass whatever is broken.
    if not any(override.lstrip("+~").startswith(("opt", "rollback")) for override in overrides):
        overrides = ["+opt=all", *overrides]
    config = compose(overrides)
    if junit is not None:
        require("junitparser", "ci", "--junit")
    try:
        with log_as_configured(config):
            outcome = _outcome(config, against, overrides)
    except RunFailedError as error:
        # Whoever reads the files of a CI job must not take a missing one for a pass.
        _keep(error, junit)
        if isinstance(error, BaselineFailedError):
            print(f"optiflow: inconclusive: {error}", file=sys.stderr)
            return _INCONCLUSIVE
        raise
    show(outcome, as_json=config.report.format == "json")
    _keep(outcome, junit)
    return outcome.verdict.exit_code


def _keep(result: Outcome | RunFailedError, junit: str | None) -> None:
    """Write what a CI system shows, where it asks for it."""
    if junit is not None:
        from optiflow.report.junit import as_junit

        Path(junit).write_text(as_junit(result), encoding="utf-8")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        from optiflow.report.github import job_summary

        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(job_summary(result))


def _outcome(config: RunConfig, against: str, overrides: Sequence[str]) -> Outcome:
    from optiflow.analysis.outcome import Outcome
    from optiflow.analysis.verdict import judge
    from optiflow.experiment.compare import other_runs, run_with_baseline
    from optiflow.record.store import RecordStore
    from optiflow.run import execute, prepare

    settings = get_settings()
    if against == "baseline":
        return run_with_baseline(config, settings, overrides=overrides, say=lambda text: print(text, file=sys.stderr))
    with closing(RecordStore(settings.store_url)) as store:
        baseline = store.get(against)
        job = prepare(config, disabled=settings.disable, overrides=overrides)
        same = {
            "workflow": baseline.workflow == job.workflow.name,
            "input": baseline.input_sha256 == job.workflow.input_digest,
            "run": baseline.status == "ok",
        }
        if differing := [name for name, holds in same.items() if not holds]:
            why = {"workflow": "is of another workflow", "input": "read another input", "run": "did not go well"}
            raise BaselineFailedError(f"record {against} {why[differing[0]]}: nothing can be held against it")
        record = execute(job, store)
        again = other_runs(store, baseline)
        return Outcome(record, baseline, judge(record, baseline, config.criteria, again=again))


def _arguments(argv: Sequence[str]) -> tuple[str, str | None, list[str]]:
    defaults = {"--against": "baseline", "--junit": ""}
    options, overrides = options_and_rest(argv, defaults, command="verify", usage=USAGE)
    return options["--against"], options["--junit"] or None, overrides
