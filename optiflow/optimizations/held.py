"""Toggles around a run that is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from optiflow.errors import ConfigurationError
from optiflow.optimizations.base import Decision, Optimization, Statistics
from optiflow.optimizations.failing import failed

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Held"]


class Held:
    """Holds toggles around a run whose statistics are asked for; one that fails takes no part in it.

    Args:
        toggles: The toggles.
        decisions: What was decided about them; those that have failed already are left out.
        strict: Whether one that fails is raised.

    Attributes:
        decisions: The same, with what failed since.
    """

    def __init__(
        self, toggles: Sequence[Optimization[Any]], decisions: Sequence[Decision], *, strict: bool = False
    ) -> None:
        failures = {decision.toggle for decision in decisions if decision.is_failure}
        self.decisions = tuple(decisions)
        self._toggles = [toggle for toggle in toggles if toggle.name not in failures]
        self._strict = strict
        self._entered: list[tuple[str, AbstractContextManager[Statistics], Statistics]] = []

    def __enter__(self) -> Held:
        try:
            for toggle in self._toggles:
                self._enter(toggle)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            # All are left, the last one first, whatever one of them raises.
            for name, manager, _ in self._entered:
                leave = partial(manager.__exit__, kind, error, traceback)
                stack.callback(self._try, name, "the end of a run", leave, passed_on=error)
            self._entered = []

    def statistics(self) -> dict[str, dict[str, float | int | str]]:
        """What the toggles say of the run so far, by their names."""
        told: dict[str, dict[str, float | int | str]] = {}
        for name, _, of_toggle in self._entered:
            self._try(name, "its statistics", lambda: told.update({name: dict(of_toggle())}))  # noqa: B023
        return told

    def _enter(self, toggle: Optimization[Any]) -> None:
        def enter() -> None:
            manager = toggle.activate()
            self._entered.append((toggle.name, manager, manager.__enter__()))

        self._try(toggle.name, "a run", enter)

    def _try(
        self, toggle: str, phase: str, action: Callable[[], object], passed_on: BaseException | None = None
    ) -> None:
        try:
            action()
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - the run goes on without the toggle, unless the user wants it raised
            # A toggle that passes on what the run raised has not failed.
            if error is not passed_on:
                self.decisions = (*self.decisions, failed(toggle, phase, error, strict=self._strict))
