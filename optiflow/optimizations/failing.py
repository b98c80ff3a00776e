"""Toggles that fail: refused with the reason, said once in the log, or raised where the user asked for that."""

from __future__ import annotations

from typing import Any

from optiflow.errors import ToggleFailedError
from optiflow.log import get_logger
from optiflow.optimizations.base import Decision, Optimization, Options

__all__ = ["Broken", "described", "failed"]

_log = get_logger(__name__)


def failed(toggle: str, phase: str, error: Exception, *, strict: bool) -> Decision:
    """Deal with a toggle that failed: the graph does without it.

    Args:
        toggle: The toggle's name.
        phase: What it was doing, as in "toggle 'x' failed in PHASE".
        error: What it raised.
        strict: Whether it is raised.

    Returns:
        What is decided about the toggle.

    Raises:
        ToggleFailedError: ``strict`` is set.
    """
    if strict:
        raise ToggleFailedError(f"toggle {toggle!r} failed in {phase}: {described(error)}") from error
    _log.warning("a toggle failed, the graph does without it", toggle=toggle, phase=phase, error=described(error))
    return Decision.failure(toggle, described(error))


def described(error: Exception) -> str:
    """An error in one line; its own text may be code of anybody's, which may fail in turn."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the name alone says enough
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Broken(Optimization[Options]):
    """Stands for a toggle that could not be made: it does nothing and is refused with the reason.

    Args:
        name: The name of the toggle.
        error: What making it raised.
    """

    def __init__(self, name: str, error: Exception) -> None:
        super().__init__(Options())
        self.name = name  # type: ignore[misc]  # the class stands for many toggles
        self._error = error

    def rewrite(self, plan: Any) -> Any:
        """Raise again what making the toggle raised; the pass manager deals with it."""
        raise self._error
