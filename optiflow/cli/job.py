"""The main job: compose the configuration, run it, judge it, show it. One run, or a sweep of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from optiflow.cli.logs import log_as_configured
from optiflow.config.compose import composition_errors, to_configuration_error, validate
from optiflow.config.files import conf_dir
from optiflow.errors import ConfigurationError, RunInterruptedError, StoreError, StoreVersionError
from optiflow.settings import get_settings

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from optiflow.analysis.outcome import Outcome
    from optiflow.config.models import RunConfig
    from optiflow.experiment.worker import JobFailure

__all__ = ["main", "run_hydra", "run_task", "show", "sweep"]


@dataclass
class _Single:
    """What the one job of a command line came to, which Hydra does not hand on."""

    outcome: Outcome | None = None
    as_json: bool = False
    failure: Exception | None = None


def main(argv: Sequence[str]) -> int:
    """Run the workflow once, or once for each value of a sweep, or as an experiment.

    Args:
        argv: Hydra's overrides and flags.

    Returns:
        The exit code of the worst job: a failed job outweighs a failed criterion.
    """
    if _is_sweep(argv):
        return sweep(argv)
    single = _Single()
    try:
        run_hydra(argv, partial(_job, single=single))
    except KeyboardInterrupt:
        if single.failure is None:
            raise
    if single.failure is not None:
        raise single.failure
    if single.outcome is None:
        # Only shown: --cfg, --info.
        return 0
    show(single.outcome, as_json=single.as_json)
    return single.outcome.verdict.exit_code


def sweep(argv: Sequence[str], *, resume: str | None = None) -> int:
    """Run a grid or an experiment, and show what came of it.

    Args:
        argv: Hydra's overrides and flags.
        resume: The experiment that is gone on with.
    """
    from optiflow.cli.experiment import show_sweep, watching
    from optiflow.experiment.hydra_plugins import register
    from optiflow.experiment.sweeper import Session, session

    register()
    current = Session(arguments=tuple(argv), resume=resume, progress=watching)
    interrupted = False
    with session(current):
        try:
            run_hydra(argv, run_task)
        except (KeyboardInterrupt, RunInterruptedError):
            if current.plan is None:
                raise
            interrupted = True
        except StoreError as error:
            if current.plan is None or isinstance(error, StoreVersionError):
                raise
            again = f"python -m optiflow experiment resume {current.plan.name}"
            raise StoreError(f"{error}; what is done is kept, go on with: {again}") from error
    return show_sweep(current, interrupted=interrupted)


def run_task(raw: DictConfig) -> list[JobFailure]:
    """What a launcher's worker does: some jobs of one experiment."""
    from hydra.core.hydra_config import HydraConfig

    from optiflow.experiment.worker import run_jobs

    sources = HydraConfig.get().runtime.config_sources
    try:
        return run_jobs(
            raw.task.experiment_id,
            list(raw.task.jobs),
            get_settings(),
            search_path=[Path(source.path) for source in sources if source.provider == "command-line"],
            fail_fast=raw.task.fail_fast,
            retry_failed=raw.task.retry_failed,
            around=log_as_configured,
        )
    except RunInterruptedError as error:
        # A launcher takes any other exception for a failed job, and starts the next.
        raise KeyboardInterrupt from error


def _is_sweep(argv: Sequence[str]) -> bool:
    return any(argument in {"-m", "--multirun"} for argument in argv)


def _job(raw: DictConfig, single: _Single) -> None:
    from hydra.core.hydra_config import HydraConfig

    try:
        config = validate(raw)
        single.as_json = config.report.format == "json"
        with log_as_configured(config):
            single.outcome = _run_and_judge(config, list(HydraConfig.get().overrides.task))
    except Exception as error:
        # Raised through Hydra it would be printed in Hydra's way; it is raised afterwards.
        single.failure = error
        if isinstance(error, RunInterruptedError):
            raise KeyboardInterrupt from error


def _run_and_judge(config: RunConfig, overrides: Sequence[str]) -> Outcome:
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


def run_hydra(argv: Sequence[str], task: Callable[[DictConfig], object]) -> None:
    """Run Hydra's command line with our own errors.

    Args:
        argv: Hydra's overrides and flags.
        task: What is run with the configuration of each job.

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
            main(task)()
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
