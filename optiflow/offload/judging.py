"""From the nodes of a plan to nodes that leave the event loop free, and a decision for each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langgraph._internal._runnable import RunnableCallable

from optiflow.offload.blocking_calls import find_blocking_calls
from optiflow.offload.glancing import may_block
from optiflow.offload.stepping import in_thread, stepwise
from optiflow.optimizations.base import Decision
from optiflow.plan.inference.findings import UnknownCodeError
from optiflow.plan.inference.static import is_executor

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan, NodePlan

__all__ = ["free_the_loop"]


@dataclass(frozen=True)
class _Verdict:
    applied: bool
    reason: str
    change: Callable[[Any], Any] | None = None
    """What makes the node's async function another one."""


def free_the_loop(plan: GraphPlan, *, toggle: str, threads: int, offload: bool, prefix: str = "") -> GraphPlan:
    """Take blocking calls of async nodes off the event loop, in the graphs that are nodes as well.

    Args:
        plan: The plan, which is not changed.
        toggle: Name of the toggle for its decisions.
        threads: Threads that sync nodes have; said in the decisions.
        offload: Whether async nodes may be changed.
        prefix: Dotted path to this graph in its parents.

    Returns:
        The plan with other functions in the nodes that block where nobody can tell, and one decision for every node.
    """
    decisions: list[Decision] = []
    for name, node in plan.nodes.items():
        sub = plan.subplan(name)
        if sub is not None:
            inner = free_the_loop(sub, toggle=toggle, threads=threads, offload=offload, prefix=f"{prefix}{name}.")
            decisions += inner.decisions[len(sub.decisions) :]
            if any(inner.nodes[at] is not sub.nodes[at] for at in inner.nodes):
                plan = plan.with_node(replace(node, subgraph=inner))
            verdict = _Verdict(False, "it is a graph of its own, whose nodes are looked at")
        else:
            verdict = _judge(plan, node, threads, offload)
            if verdict.change is not None:
                plan = plan.with_node(_changed(node, verdict.change))
        decisions.append(Decision(toggle, prefix + name, "applied" if verdict.applied else "refused", verdict.reason))
    return plan.decide(*decisions)


def _judge(plan: GraphPlan, node: NodePlan, threads: int, offload: bool) -> _Verdict:
    runnable = node.runnable
    if type(runnable) is not RunnableCallable:
        return _Verdict(False, f"a {type(runnable).__name__} is not followed")
    function = runnable.afunc
    if function is None or is_executor(function):
        return _Verdict(True, f"runs on a pool of {threads} threads under ainvoke")
    if not offload:
        return _Verdict(False, "blocking calls of async nodes stay where they are: offload is off")
    if node.timeout is not None or getattr(plan.compiled, "step_timeout", None) is not None:
        return _Verdict(False, "its time is limited, which a blocked loop does not notice")
    if not node.may_wait:
        return _Verdict(False, "it calls nothing that blocks the loop")
    try:
        if not may_block(function):
            return _Verdict(False, "it names no call that is known to block the loop")
        found = find_blocking_calls(function, node.input_schema, node.visible)
    except UnknownCodeError as unknown:
        return _Verdict(False, str(unknown))
    except Exception as error:  # noqa: BLE001 - an application must compile whatever its code looks like; the reason says so
        return _Verdict(False, f"the analysis failed: {error!r}")
    if not found.calls:
        return _Verdict(False, "it calls nothing that blocks the loop")
    calls = ", ".join(found.calls)
    if not found.awaits:
        return _Verdict(True, f"never awaits, so all of it runs in a thread: {calls}", in_thread)
    return _Verdict(True, f"stays on the loop, its blocking calls run in threads: {calls}", stepwise)


def _changed(node: NodePlan, change: Callable[[Any], Any]) -> NodePlan:
    runnable = copy.copy(node.runnable)
    runnable.afunc = change(runnable.afunc)
    return node.with_runnable(runnable)
