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
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from optiflow.analysis.outcome import Outcome
    from optiflow.config.models import RunConfig

__all__ = ["USAGE", "main"]

USAGE = """usage: python -m optiflow verify [--against baseline|RECORD] [--junit FILE] [OVERRIDE ...]
  --against  what the run is held against: the baseline of the same workload, or a record; default: baseline
  --junit    also write JUnit XML
  Without overrides +opt=all is verified. A job summary is added to the file that GITHUB_STEP_SUMMARY names."""


def main(argv: Sequence[str]) -> int:
    """Run a configuration and hold it against its baseline or a record.

    Args:
        argv: Options and overrides.

    Returns:
        0 pass, 3 an answer differs or a criterion failed, 125 the run did not finish.

    Raises:
        ConfigurationError: The arguments are wrong.
        OptiflowError: The run or the store failed.
    """
    against, junit, overrides = _arguments(argv)

    from optiflow.cli.job import show
    from optiflow.config.compose import compose
    from optiflow.report.github import job_summary

    config = compose(overrides or ["+opt=all"])
    with log_as_configured(config):
        outcome = _outcome(config, against, overrides)
    show(outcome, as_json=config.report.format == "json")
    if junit is not None:
        from optiflow.report.junit import as_junit

        Path(junit).write_text(as_junit(outcome), encoding="utf-8")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(job_summary(outcome))
    return outcome.verdict.exit_code


def _outcome(config: RunConfig, against: str, overrides: Sequence[str]) -> Outcome:
    from optiflow.analysis.outcome import Outcome
    from optiflow.analysis.verdict import judge
    from optiflow.experiment.compare import run_with_baseline
    from optiflow.record.store import RecordStore
    from optiflow.run import execute, prepare

    settings = get_settings()
    if against == "baseline":
        return run_with_baseline(config, settings, overrides=overrides, say=lambda text: print(text, file=sys.stderr))
    with closing(RecordStore(settings.store_url)) as store:
        baseline = store.get(against)
        record = execute(prepare(config, disabled=settings.disable, overrides=overrides), store)
        return Outcome(record, baseline, judge(record, baseline, config.criteria))


def _arguments(argv: Sequence[str]) -> tuple[str, str | None, list[str]]:
    defaults = {"--against": "baseline", "--junit": ""}
    options, overrides = options_and_rest(argv, defaults, command="verify", usage=USAGE)
    return options["--against"], options["--junit"] or None, overrides
