"""The main job: compose the configuration, run it, judge it, show it. One run, or a sweep of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

from optiflow.cli.logs import log_as_configured
from optiflow.config.compose import composition_errors, to_configuration_error, validate
from optiflow.config.files import conf_dir
from optiflow.errors import ConfigurationError, OptiflowError, RunInterruptedError
from optiflow.record.redact import Redactor
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from optiflow.analysis.outcome import Outcome
    from optiflow.config.models import RunConfig

__all__ = ["main"]


@dataclass
class _Jobs:
    """What the jobs of one command line came to."""

    sweep_id: str | None = None
    """Set once the command line turns out to be a sweep."""
    as_json: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    """The overrides of each job that failed, and why."""


def main(argv: Sequence[str]) -> int:
    """Run the workflow once, or once for each value of a sweep.

    Args:
        argv: Hydra's overrides and flags.

    Returns:
        The exit code of the worst job: a failed job outweighs a failed criterion.
    """
    jobs = _Jobs()
    try:
        _run_hydra(argv, jobs)
    except KeyboardInterrupt:
        if not jobs.failures:
            raise
    if jobs.sweep_id is None:
        for _, failure in jobs.failures:
            raise failure
        for outcome in jobs.outcomes:
            show(outcome, as_json=jobs.as_json)
    else:
        _show_sweep(jobs)
    codes = {getattr(failure, "exit_code", OptiflowError.exit_code) for _, failure in jobs.failures}
    codes |= {outcome.verdict.exit_code for outcome in jobs.outcomes}
    return next((code for code in (130, 2, 1, 3, 125) if code in codes), 0)


def _job(raw: DictConfig, jobs: _Jobs) -> None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    overrides = list(hydra.overrides.task)
    if hydra.mode == RunMode.MULTIRUN:
        jobs.sweep_id = jobs.sweep_id or uuid4().hex
        _mask(Path(hydra.sweep.dir) / "multirun.yaml")
    try:
        config = validate(raw)
        jobs.as_json = config.report.format == "json"
        with log_as_configured(config):
            outcome = _run_and_judge(config, overrides, jobs.sweep_id)
    except Exception as error:
        # Raised through Hydra it would be printed in Hydra's way, and end a sweep; it is raised or listed afterwards.
        jobs.failures.append((" ".join(Redactor().arguments(overrides)) or "no overrides", error))
        if isinstance(error, RunInterruptedError):
            raise KeyboardInterrupt from error
        return
    jobs.outcomes.append(outcome)


def _mask(file: Path) -> None:
    """Take secrets out of the file to which Hydra writes the whole configuration of a sweep before it begins."""
    import yaml

    if file.is_file():
        written = yaml.safe_load(file.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump(Redactor(written).tree(written), sort_keys=False), encoding="utf-8")


def _run_and_judge(config: RunConfig, overrides: Sequence[str], sweep_id: str | None) -> Outcome:
    # LangGraph and SQLAlchemy are imported only once the configuration is known to be right.
    from optiflow.experiment.compare import run_with_baseline
    from optiflow.report.terminal import progress_of_nodes

    # Standard error is None where the process was started without one.
    watched = sys.stderr is not None and sys.stderr.isatty()
    interactive = config.report.progress and config.report.format == "terminal" and watched
    return run_with_baseline(
        config,
        get_settings(),
        overrides=overrides,
        sweep_id=sweep_id,
        say=lambda text: print(text, file=sys.stderr),
        progress=lambda total: progress_of_nodes(total, interactive),
    )


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print one outcome, as a table or as one JSON object."""
    if as_json:
        from optiflow.report.json_report import as_text

        print(as_text(outcome))
    else:
        from optiflow.report.terminal import console, outcome_view

        console().print(outcome_view(outcome))


def _show_sweep(jobs: _Jobs) -> None:
    redactor = Redactor()
    failed = [(given, redactor.text(str(error) or type(error).__name__)) for given, error in jobs.failures]
    if jobs.as_json:
        from optiflow.report.json_report import sweep_as_text

        print(sweep_as_text(jobs.sweep_id, jobs.outcomes, failed))
    else:
        from optiflow.report.terminal import console, sweep_view

        console().print(sweep_view(jobs.outcomes, failed))


def _run_hydra(argv: Sequence[str], jobs: _Jobs) -> None:
    """Run Hydra's command line with our own errors.

    Raises:
        ConfigurationError: A flag is wrong, or Hydra can't compose the configuration.
    """
    import hydra
    from hydra._internal.utils import get_args_parser

    # Hydra parses once more, and would answer a wrong flag with its usage of many lines.
    parser = get_args_parser()
    parser.error = _wrong_flag  # type: ignore[method-assign]
    parser.parse_args(list(argv))
    main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    with _hydra_process(argv):
        try:
            main(lambda config: _job(config, jobs))()
        except composition_errors() as error:
            raise to_configuration_error(error) from error


def _wrong_flag(message: str) -> NoReturn:
    raise ConfigurationError(f"{message}; --help lists the flags, which stand before all overrides")


@contextmanager
def _hydra_process(argv: Sequence[str]) -> Iterator[None]:
    """Hydra reads ``sys.argv`` and prints errors itself unless told not to; both are put back afterwards."""
    saved_argv, saved_variable = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["optiflow", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = saved_argv
        if saved_variable is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = saved_variable
