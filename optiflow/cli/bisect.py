"""``optiflow bisect --bad +opt=all``: which toggles are to blame, and the rollback that cures it."""

from __future__ import annotations

from collections.abc import Sequence

from optiflow.cli.logs import log_as_configured
from optiflow.cli.words import options_and_rest
from optiflow.errors import ConfigurationError
from optiflow.settings import get_settings

__all__ = ["USAGE", "main"]

USAGE = """usage: python -m optiflow bisect --bad OVERRIDE [OVERRIDE ...] [--criterion NAME] [--lead N]
  --bad        the configuration whose run is bad, such as +opt=all
  --criterion  what makes it bad: a criterion's name or figure, or 'answer'; default: any verdict but PASS
  --lead       by how many runs one answer must be ahead of the other; default 3, 1 where nothing is flaky"""


def main(argv: Sequence[str]) -> int:
    """Find the smallest set of toggles that makes a run bad, and print a log like that of ``git bisect``.

    Args:
        argv: ``--bad`` with overrides, and options.

    Returns:
        0: the culprits were found.

    Raises:
        ConfigurationError: The arguments are wrong, or the run is not bad.
    """
    overrides, criterion, lead = _arguments(argv)

    from optiflow.analysis.bisection import Step
    from optiflow.config.compose import compose
    from optiflow.experiment.bisect import bisect

    def told(step: Step) -> None:
        sign = {"PASS": "good", "FAIL": "bad", "UNRESOLVED": "skip"}[step.answer]
        print(f"# {sign}: [{', '.join(sorted(step.items)) or 'no toggle'}] ({step.probes} runs)", flush=True)

    found = bisect(
        compose(overrides), get_settings(), criterion=criterion, lead=lead, around=log_as_configured, on_step=told
    )
    print(f"to blame: {' together with '.join(found.culprits)}")
    cure = " ".join(f"opt.{name}.enabled=false" for name in found.rollback)
    print(f"cured by: {' '.join(overrides)} {cure}")
    return 0


def _arguments(argv: Sequence[str]) -> tuple[list[str], str | None, int]:
    words = [word for word in argv if word != "--bad"]
    defaults = {"--criterion": "", "--lead": "3"}
    options, overrides = options_and_rest(words, defaults, command="bisect", usage=USAGE)
    if not overrides:
        raise ConfigurationError(USAGE)
    if not options["--lead"].isdecimal() or int(options["--lead"]) < 1:
        raise ConfigurationError(f"bisect: --lead {options['--lead']}: expected a whole number from 1")
    return overrides, options["--criterion"] or None, int(options["--lead"])
