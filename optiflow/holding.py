"""One run, and what it holds of its toggles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import Context, ContextVar, Token, copy_context
from dataclasses import dataclass, field
from typing import Any

from optiflow.errors import ConfigurationError
from optiflow.log import get_logger
from optiflow.optimizations.base import Around, Optimization, Shared
from optiflow.optimizations.failing import failed

__all__ = ["Run", "RunPart"]

_log = get_logger(__name__)

_ABSENT = object()

_END_OF_RUN = "the end of a run"

_Value = tuple[ContextVar[Any], Any]


@dataclass(eq=False)
class RunPart:
    """The part of an optimized graph that acts around its runs."""

    toggles: tuple[Optimization[Any], ...]
    strict: bool
    """Whether a toggle that fails in a run is raised there."""
    replaced: Mapping[str, tuple[Any, Any]]
    """Settings of the graph that toggles replaced: attribute -> the user's value, theirs."""
    told: set[tuple[str, str]] = field(default_factory=set)
    """What was said in the log, which is said once: a toggle's name, and of what."""
    lean: _Lean | None = None
    """What a run holds where no outer run holds anything, once every toggle has said so without being entered."""

    def failed(self, toggle: str, phase: str, error: Exception) -> None:
        """A toggle failed in a run.

        Raises:
            ToggleFailedError: The graph is strict.
        """
        if self.strict or self._is_news(toggle, phase):
            failed(toggle, phase, error, strict=self.strict)

    def not_nested(self, toggle: str) -> None:
        """A toggle's own options don't apply, because an outer run holds it with others."""
        if self._is_news(toggle, "nesting"):
            _log.warning(
                "a toggle of an inner graph keeps to the options of the outer run, which holds it", toggle=toggle
            )

    def _is_news(self, toggle: str, what: str) -> bool:
        known = len(self.told)
        self.told.add((toggle, what))
        return len(self.told) > known


@dataclass(frozen=True, slots=True)
class _Held:
    """A toggle that a run holds."""

    toggle: Optimization[Any]
    shared: tuple[Shared, ...] = ()
    """What an inner run holds on to as well, so that it stays when the outer one ends first."""
    entered: Run | None = None
    """The run that entered `attach`; None for what inner runs can hold on to."""


@dataclass(frozen=True, slots=True)
class _Lean:
    """All that a run holds, where that is known beforehand."""

    arounds: tuple[Around, ...]
    shared: tuple[Shared, ...]
    held: Mapping[str, _Held]


_running: ContextVar[Run | None] = ContextVar("optiflow_run", default=None)
"""The innermost run that this code was started in. It may have ended: a task may outlive the run that started it."""


class Run:
    """The toggles of one run.

    Attributes:
        values: Context variables and what they hold in the run: set in the current context for the steps of the run
            only, as nothing of it may reach the caller.
    """

    __slots__ = ("_begun_by", "_context", "_entered", "_shared", "held", "is_live", "part", "values")

    def __init__(self, part: RunPart) -> None:
        self.part = part
        self.values: list[_Value] = []
        self.held: Mapping[str, _Held] = {}
        self.is_live = True
        self._begun_by: object = None
        self._shared: list[Shared] = []
        self._entered: list[tuple[Optimization[Any], AbstractContextManager[object]]] = []
        self._context: Context | None = None

    @classmethod
    def begin(cls, part: RunPart, graph: object = None) -> Run:
        """Hold the toggles of a graph, until `end` is called.

        Args:
            part: The graph's toggles.
            graph: The graph, where its next stream is what this very run consists of.

        Raises:
            ConfigurationError: What the user wants of a toggle can't be had.
            ToggleFailedError: A toggle failed, and the graph is strict.
        """
        run = cls(part)
        outer = _running.get()
        try:
            if outer is not None and outer.is_live:
                run._begin_within(outer)
            elif part.lean is not None:
                run._begin_lean(part.lean)
            else:
                run._begin_each({}, part.toggles)
                run._learn()
        except BaseException:
            run.end()
            raise
        if run.held or graph is not None:
            run._begun_by = graph
            run.values.append((_running, run))
        return run

    @staticmethod
    def is_begun_by(graph: object) -> bool:
        """Whether the stream that a graph is about to make is part of the run that goes on, which is so once."""
        run = _running.get()
        if run is None or run._begun_by is not graph or not run.is_live:
            return False
        run._begun_by = None
        return True

    def end(self) -> None:
        """Leave the toggles; safe in a finalizer.

        Raises:
            ToggleFailedError: A toggle failed, and the graph is strict.
        """
        self.is_live, self._begun_by = False, None
        try:
            if self._context is not None:
                self._context.run(self._leave)
        finally:
            if self._shared:
                self._release()

    def set(self) -> list[Token[Any]]:
        """Set in the current context what the run holds there; for one step, or for a run that is one call."""
        return [variable.set(value) for variable, value in self.values]

    @staticmethod
    def reset(tokens: list[Token[Any]]) -> None:
        """Undo `set`, in the same context."""
        for token in reversed(tokens):
            token.var.reset(token)

    def _begin_lean(self, lean: _Lean) -> None:
        try:
            for each in lean.shared:
                each.hold()
                self._shared.append(each)
            self.values = [(variable, make()) for around in lean.arounds for variable, make in around.values]
            self.held = lean.held
        except Exception:  # noqa: BLE001 - done again one by one, which tells whose failure it is
            self._release()
            self._begin_each({}, self.part.toggles)

    def _begin_within(self, outer: Run) -> None:
        """Hold what the outer run does not, or holds with other options, and hold on to the rest."""
        own: list[Optimization[Any]] = []
        inherited = dict(outer.held)
        for toggle in self.part.toggles:
            held = outer.held.get(toggle.name)
            if held is None or (held.entered is not None and not held.entered.is_live):
                own.append(toggle)
            elif held.toggle is not toggle and not _same_options(held.toggle, toggle):
                if toggle.nests:
                    own.append(toggle)
                else:
                    self.part.not_nested(toggle.name)
        fresh = {toggle.name for toggle in own}
        for name, held in inherited.items():
            if name not in fresh:
                self._hold(held.shared)
        self._begin_each(inherited, own)

    def _begin_each(self, inherited: Mapping[str, _Held], toggles: Sequence[Optimization[Any]]) -> None:
        """Hold toggles one by one; one that fails leaves nothing behind."""
        held = dict(inherited)
        for toggle in toggles:
            shared, values = len(self._shared), len(self.values)
            try:
                around = toggle.around()
                if around is None:
                    self._enter(toggle)
                    held[toggle.name] = _Held(toggle, entered=self)
                    continue
                self._hold(around.shared)
                self.values += [(variable, make()) for variable, make in around.values]
            except ConfigurationError:
                raise
            except Exception as error:  # noqa: BLE001 - a toggle's failure is no reason for the run to fail
                self._release(shared)
                del self.values[values:]
                self.part.failed(toggle.name, "a run", error)
            else:
                held[toggle.name] = _Held(toggle, around.shared)
        self.held = held

    def _release(self, down_to: int = 0) -> None:
        """Let go of what is held together with other runs, all of it whatever one of them raises."""
        while len(self._shared) > down_to:
            each = self._shared.pop()
            try:
                each.release()
            except Exception as error:  # noqa: BLE001 - the run went well, whatever the toggle does at its end
                try:
                    self.part.failed(self._holder(each), _END_OF_RUN, error)
                finally:
                    self._release(down_to)

    def _holder(self, shared: Shared) -> str:
        """The name of the toggle that something is held for."""
        return next((name for name, held in self.held.items() if shared in held.shared), "unknown")

    def _hold(self, shared: Sequence[Shared]) -> None:
        for each in shared:
            each.hold()
            self._shared.append(each)

    def _enter(self, toggle: Optimization[Any]) -> None:
        """Enter a toggle's `attach` in a context of its own, where it can leave too, and see what it sets there."""
        if self._context is None:
            self._context = copy_context()
        for variable, value in self.values:
            self._context.run(variable.set, value)
        before = dict(self._context.items())
        manager = self._context.run(toggle.attach)
        self._context.run(manager.__enter__)
        self._entered.append((toggle, manager))
        self.values += [
            (variable, value) for variable, value in self._context.items() if before.get(variable, _ABSENT) is not value
        ]

    def _leave(self) -> None:
        stopped: BaseException | None = None
        while self._entered:
            toggle, manager = self._entered.pop()
            try:
                try:
                    manager.__exit__(None, None, None)
                except Exception as error:  # noqa: BLE001 - the run went well, whatever the toggle does at its end
                    self.part.failed(toggle.name, _END_OF_RUN, error)
            except BaseException as error:  # noqa: BLE001 - raised when the others have been left too
                stopped = error
        if stopped is not None:
            raise stopped

    def _learn(self) -> None:
        """Keep what the run holds for those that come, where nothing had to be entered and nothing failed."""
        toggles = self.part.toggles
        if self._entered or len(self.held) < len(toggles):
            return
        arounds = tuple(around for toggle in toggles if (around := toggle.around()) is not None)
        self.part.lean = _Lean(arounds, tuple(each for around in arounds for each in around.shared), self.held)


def _same_options(one: Optimization[Any], other: Optimization[Any]) -> bool:
    """Whether two toggles of one name are the same; values of options are compared by code of their own."""
    try:
        return bool(one.options == other.options)
    except Exception:  # noqa: BLE001 - what can't be compared is not known to be the same
        return False
