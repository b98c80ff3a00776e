"""Phase 5: logs filtered in a hot path, and how often the run's counts were remembered."""

from __future__ import annotations

import io
from collections.abc import Iterable

from optiflow.checklist.lines import Line, paired, reduction_line
from optiflow.checklist.phases import Context
from optiflow.log import get_logger, logging_to
from optiflow.optimizations.registry import resolve

__all__ = ["check"]

_CALLS = 2_000
_log = get_logger(__name__)


def check(context: Context) -> Iterable[Line]:
    """A hot path that logs on every step, and one run."""
    if context.is_on("log_level"):
        yield from _logging(context)
    else:
        yield Line("Log level rolled back", True, "the toggle is off; logs are as chatty as configured")
    if context.is_on("cache"):
        hit_rate = float(context.outcome.figures["cache.count_hit_rate"])
        yield Line("Cache hit rate: >80%", hit_rate > 0.80, f"{hit_rate:.1%} of the counts of a whole run")


def _logging(context: Context) -> Iterable[Line]:
    options = {**context.config.opt["log_level"], "level": context.log_level}
    written = io.StringIO()
    text = context.texts[0][:400]

    def hot_path() -> None:
        for index in range(_CALLS):
            _log.info("counted", index=index, words=len(text.split()))

    def filtered() -> None:
        (toggle,) = resolve({"log_level": options})
        with toggle.activate():
            hot_path()

    with logging_to(written):
        filtered()
        quiet = len(written.getvalue().splitlines())
        hot_path()
        chatty = len(written.getvalue().splitlines()) - quiet
        measured = paired(hot_path, filtered, context.repetitions)
    yield Line("Minimal console output", quiet == 0, f"{quiet} lines at {context.log_level} instead of {chatty:,}")
    yield reduction_line("Runtime improvement: >10% (the hot path)", measured, 0.10)
