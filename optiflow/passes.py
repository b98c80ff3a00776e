"""The pass manager: lets toggles rewrite a plan one after another, and does without those that fail.

Plain LangGraph is the floor: where a toggle raises, in its rewrite or while the graph is built, what it had made so far
is thrown away, the decision about it says why, and the others go on. Only what the user gave is raised: a wrong
configuration, and a graph that does not compile without any toggle either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from optiflow.activation import run_level
from optiflow.errors import ConfigurationError
from optiflow.optimizations.base import Decision, Optimization
from optiflow.optimizations.failing import failed

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from optiflow.plan.graph_plan import GraphPlan

__all__ = ["Built", "Rewritten", "building", "built", "rewritten", "unplanned"]

_building: ContextVar[bool] = ContextVar("optiflow_building", default=False)

Replaced = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Rewritten:
    """A plan after the toggles."""

    plan: GraphPlan
    toggles: tuple[Optimization[Any], ...]
    """Those that did not fail."""
    after: tuple[GraphPlan, ...]
    """The plan after each of them."""
    refusals: tuple[Decision, ...]
    """What was decided about those that failed; it is in the plan, too."""


@dataclass(frozen=True)
class Built:
    """A compiled graph, and what became of the toggles."""

    graph: CompiledStateGraph[Any, Any, Any, Any]
    decisions: tuple[Decision, ...]
    toggles: tuple[Optimization[Any], ...]
    """Those that did not fail."""
    replaced: Replaced
    """Settings that they replaced: attribute -> the user's value, theirs."""


def rewritten(plan: GraphPlan, toggles: Sequence[Optimization[Any]], *, strict: bool) -> Rewritten:
    """Let each toggle rewrite the plan in turn; each leaves at least one decision.

    Args:
        plan: The plan of the user's graph.
        toggles: The toggles.
        strict: Whether a toggle that fails is raised.

    Raises:
        ConfigurationError: A toggle's options do not fit the graph.
        ToggleFailedError: A toggle failed, and ``strict`` is set.
    """
    plan = plan.changed(arm=_arm(toggles))
    kept: list[Optimization[Any]] = []
    after: list[GraphPlan] = []
    refusals: list[Decision] = []
    for toggle in toggles:
        try:
            passed = toggle.rewrite(plan)
            if len(passed.decisions) == len(plan.decisions):
                passed = passed.decide(_undecided(toggle))
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - a toggle's failure is no reason for the graph not to compile
            refusals.append(failed(toggle.name, "rewrite", error, strict=strict))
            plan = plan.decide(refusals[-1])
        else:
            plan = passed
            kept.append(toggle)
            after.append(plan)
    return Rewritten(plan, tuple(kept), tuple(after), tuple(refusals))


def built(
    plan: GraphPlan, toggles: Sequence[Optimization[Any]], *, strict: bool, made: Rewritten | None = None
) -> Built:
    """Rewrite and compile; the run-level part of the toggles is left to the caller.

    Args:
        plan: The plan of the user's graph.
        toggles: The toggles.
        strict: Whether a toggle that fails is raised.
        made: What the toggles made of the plan, where they have been asked already.

    Returns:
        The compiled graph and what was decided. Its ``builder`` is the user's own, so that whoever compiles
        that again starts from the graph as it was written.

    Raises:
        ConfigurationError: A toggle's options do not fit the graph.
        ToggleFailedError: A toggle failed, and ``strict`` is set.
    """
    refusals: tuple[Decision, ...] = ()
    while True:
        made = made or rewritten(plan, toggles, strict=strict)
        replaced: Replaced = {}
        culprit: tuple[Optimization[Any], Exception] | None = None
        try:
            graph = _compiled(made.plan, replaced)
        except Exception:
            # What LangGraph says of the graph itself is raised here, without a word of the toggles.
            replaced.clear()
            graph = _compiled(plan, replaced)
            if not made.toggles:
                raise
            culprit = _culprit(made)
            if culprit is None:
                graph = _compiled(made.plan, replaced)
        if culprit is None:
            graph.builder = plan.builder
            return Built(graph, (*made.plan.decisions, *refusals), made.toggles, replaced)
        toggle, error = culprit
        refusal = failed(toggle.name, "building the graph", error, strict=strict)
        refusals = (*refusals, *made.refusals, refusal)
        toggles, made = [each for each in made.toggles if each is not toggle], None


def building() -> bool:
    """Whether OptiFlow itself is compiling a graph in this context."""
    return _building.get()


def unplanned(toggle: Optimization[Any]) -> Decision:
    """What is said of a toggle on a graph without a StateGraph."""
    if run_level((toggle,)) and not toggle.only_rewrites:
        return Decision(toggle.name, "*", "applied", "acts around the run; there is no StateGraph to rewrite")
    return Decision(toggle.name, "*", "refused", "there is no StateGraph to rewrite, as for an @entrypoint")


def _compiled(plan: GraphPlan, replaced: Replaced) -> CompiledStateGraph[Any, Any, Any, Any]:
    with _build():
        return plan.build(replaced)


def _culprit(made: Rewritten) -> tuple[Optimization[Any], Exception] | None:
    """The first toggle after which the graph does not compile, and why; None where it compiles after all."""
    for toggle, plan in zip(made.toggles, made.after, strict=True):
        try:
            _compiled(plan, {})
        except Exception as error:  # noqa: BLE001 - it is what was looked for
            return toggle, error
    return None


@contextmanager
def _build() -> Iterator[None]:
    token = _building.set(True)
    try:
        yield
    finally:
        _building.reset(token)


def _arm(toggles: Sequence[Optimization[Any]]) -> str:
    """What tells one set of toggles and options from another."""
    options = [(toggle.name, toggle.options.written) for toggle in toggles]
    return sha256(repr(options).encode()).hexdigest()


def _undecided(toggle: Optimization[Any]) -> Decision:
    """What is said of a toggle that looked at no node."""
    if run_level((toggle,)) and not toggle.only_rewrites:
        return Decision(toggle.name, "*", "applied", "acts around the run and changes no node")
    return Decision(toggle.name, "*", "refused", "finds nothing in this graph that it could do")
