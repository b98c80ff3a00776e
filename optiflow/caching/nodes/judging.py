"""From the nodes of a plan to nodes whose outcomes are kept, and a decision for each."""

from __future__ import annotations

import copy
import dataclasses
import enum
import platform
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, get_args

import langgraph.config
import langgraph.runtime
import langgraph.types
from langgraph._internal._runnable import RunnableCallable
from pydantic import BaseModel

from optiflow.caching.calls.sampling import is_deterministic
from optiflow.caching.encoding import Codec, canonical
from optiflow.caching.nodes.identity import Identity, UnidentifiedError, identify
from optiflow.caching.nodes.node_cache import CachedNode, NodeCache
from optiflow.caching.nodes.seen import RUN_ENTRIES, Visible
from optiflow.errors import nearest_name
from optiflow.plan.decision import Decision
from optiflow.plan.inference.runnables import is_trusted_model
from optiflow.plan.schema import fields_of, hidden_readers

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan, NodePlan

__all__ = ["Choice", "cache_nodes"]

Choice = Literal["none", "auto"] | tuple[str, ...]
"""Which nodes: those that are safe and worth it, or those that the user names and answers for."""

_ACTING = {
    id(langgraph.types.interrupt): "it may interrupt the run",
    id(langgraph.types.Command): "it may say where the run goes",
    id(langgraph.types.Send): "it may send to other nodes",
    id(langgraph.config.get_store): "it may use the run's store",
    id(langgraph.config.get_stream_writer): "it may stream data of its own",
}
_CONFIGURED = frozenset({id(langgraph.config.get_config), id(langgraph.runtime.get_runtime)})
_INJECTED = ("store", "writer", "previous", "error")


@dataclass(frozen=True)
class _Judge:
    cache: NodeCache
    toggle: str
    choice: Choice
    any_model: bool
    """Whether answers of models count as the same though they are drawn at random."""
    arm: str


def cache_nodes(
    plan: GraphPlan, cache: NodeCache, *, toggle: str, choice: Choice, any_model: bool = False
) -> GraphPlan:
    """Put the cache around the nodes of a plan, and of the graphs that are its nodes.

    Args:
        plan: The plan, which is not changed.
        cache: Where outcomes are kept.
        toggle: Name of the toggle for its decisions.
        choice: Which nodes.
        any_model: Whether also nodes whose model is not meant to repeat itself.

    Returns:
        The plan with other functions in those nodes, and one decision for every node that was considered.
    """
    plan = _cached(plan, _Judge(cache, toggle, choice, any_model, plan.arm), "")
    if isinstance(choice, tuple):
        paths = [each.node for each in plan.decisions if each.toggle == toggle]
        for name in choice:
            if name not in paths:
                plan = plan.decide(Decision(toggle, name, "refused", f"no such node; {nearest_name(name, paths)}"))
    return plan


def _cached(plan: GraphPlan, judge: _Judge, prefix: str) -> GraphPlan:
    graph = _graph(plan)
    decisions: list[Decision] = []
    for name, node in plan.nodes.items():
        path = prefix + name
        sub = plan.subplan(name)
        if sub is not None:
            inner = _cached(sub, judge, f"{path}.")
            decisions += inner.decisions[len(sub.decisions) :]
            if any(inner.nodes[at] is not sub.nodes[at] for at in inner.nodes):
                plan = plan.with_node(replace(node, subgraph=inner))
            why: str | CachedNode = "it is a graph of its own, whose nodes are looked at"
        else:
            why = _judged(plan, node, judge, path, graph)
        if isinstance(why, CachedNode):
            plan = plan.with_node(_changed(node, why))
            decisions.append(Decision(judge.toggle, path, "applied", f"its outcome is kept by {_read_by(why)}"))
        else:
            decisions.append(Decision(judge.toggle, path, "refused", why))
    return plan.decide(*decisions)


def _judged(plan: GraphPlan, node: NodePlan, judge: _Judge, path: str, graph: bytes) -> CachedNode | str:
    """The node with a cache around it, or why it has none."""
    named = judge.choice != "auto"
    if named and path not in judge.choice:
        return "it is not among the nodes that are named"
    refusal = _why_never(plan, node) or (None if named else _why_not_safe(node))
    if refusal is not None:
        return refusal
    # Another toggle may have changed the node's functions; what they are is what the application wrote.
    written: Any = plan.builder.nodes[node.name].runnable
    functions = tuple(each for each in (written.func, written.afunc) if each is not None)
    vouched = named or node.effects.source == "declared"
    try:
        identity = identify(functions, vouched=vouched)
    except UnidentifiedError as error:
        return str(error)
    refusal = next((why for at, why in _ACTING.items() if at in identity.uses), None)
    if refusal is None and not (named or judge.any_model):
        refusal = _why_drawn(node, identity)
    if refusal is not None:
        return refusal
    return CachedNode(
        cache=judge.cache,
        namespace=f"node:{path}",
        functions=functions,
        vouched=vouched,
        place=canonical([judge.arm, path, graph, _versions()]),
        visible=_visible(node, identity),
        codec=Codec(_classes(plan)),
        merges=node.timeout is None and getattr(plan.compiled, "step_timeout", None) is None,
    )


def _why_never(plan: GraphPlan, node: NodePlan) -> str | None:
    """Why not even a user can answer for it."""
    runnable = node.runnable
    if type(runnable) is not RunnableCallable or runnable.explode_args:
        return f"a {type(runnable).__name__} is not followed"
    if node.is_error_handler:
        return "it runs only to handle an error"
    defaults = getattr(plan.builder, "_node_defaults", None)
    policies = (
        node.cache_policy,
        getattr(defaults, "cache_policy", None),
        getattr(plan.compiled, "cache_policy", None),
    )
    if any(policy is not None for policy in policies):
        return "it has a cache policy of LangGraph's"
    if node.ends:
        return "it says where the run goes"
    injected = [name for name in _INJECTED if name in runnable.func_accepts]
    return f"it takes the run's {injected[0]}" if injected else None


def _why_not_safe(node: NodePlan) -> str | None:
    """Why its outcome can't be known to be the same again, or is not worth knowing."""
    if not node.may_wait:
        return "it only computes, which takes no longer than looking it up"
    effects = node.effects
    if not effects.known:
        return effects.reason or "its effects are not known"
    if effects.speaks:
        return "it prints or logs, which a hit would not"
    if effects.varies:
        return "it asks the clock or makes an id, which is another one each time"
    if not effects.waits:
        return "it only computes, which takes no longer than looking it up"
    told = sorted(RUN_ENTRIES & (effects.settings or frozenset()))
    if told or (effects.settings is None and effects.source == "inferred"):
        return f"it reads the run's {told[0] if told else 'configuration as a whole'}"
    return None


def _why_drawn(node: NodePlan, identity: Identity) -> str | None:
    """Why the models that it asks are not meant to repeat themselves."""
    inferred = node.effects.source == "inferred"
    for model in identity.models:
        # The analysis has followed a class of the application's own, and found nothing random.
        if inferred and not is_trusted_model(type(model)):
            continue
        if not is_deterministic(model, {}):
            return f"its model {type(model).__name__} has neither temperature 0 nor a seed"
    if identity.models and identity.tunes:
        return "it may set how random its model is"
    return identity.makes


def _visible(node: NodePlan, identity: Identity) -> Visible:
    reads, settings = node.effects.reads, node.effects.settings
    if not node.effects.known or reads is None or reads >= node.visible or hidden_readers(node.input_schema):
        reads = None
    if settings is None and not (identity.uses & _CONFIGURED or identity.graphs or _takes_config(node)):
        settings = frozenset()
    return Visible(reads, node.input_schema if fields_of(node.input_schema) is not None else None, settings)


def _takes_config(node: NodePlan) -> bool:
    return not {"config", "runtime"}.isdisjoint(node.runnable.func_accepts)


def _changed(node: NodePlan, cached: CachedNode) -> NodePlan:
    runnable = copy.copy(node.runnable)
    if runnable.func is not None:
        runnable.func = cached.around(runnable.func)
    if runnable.afunc is not None:
        runnable.afunc = cached.around_async(runnable.afunc)
    return node.with_runnable(runnable)


def _read_by(cached: CachedNode) -> str:
    reads = cached.visible.reads
    if reads is None:
        return "its whole input"
    return ", ".join(map(repr, sorted(reads))) or "its code alone"


def _graph(plan: GraphPlan) -> bytes:
    """What the graph looks like: nodes, edges, branches, and the keys of its state."""
    branches = [
        (source, name, sorted((str(at), end) for at, end in (getattr(branch, "ends", None) or {}).items()))
        for source, named in sorted(plan.branches.items())
        for name, branch in sorted(named.items())
    ]
    channels = [(key, type(channel).__name__) for key, channel in sorted(plan.channels.items())]
    edges = [sorted(plan.edges), sorted((sorted(sources), target) for sources, target in plan.waiting_edges)]
    return sha256(canonical([sorted(plan.nodes), edges, branches, channels])).digest()


@cache
def _versions() -> list[str]:
    packages = ("optiflow", "langgraph", "langchain-core")
    return [platform.python_version(), *map(version, packages)]


def _classes(plan: GraphPlan) -> list[type]:
    """The classes that the graph's schemas name, however deep."""
    found: dict[type, None] = {}
    todo: list[Any] = [langgraph.types.Overwrite, *plan.schemas]
    seen: set[int] = set()
    while todo:
        hint = todo.pop()
        if id(hint) in seen:
            continue
        seen.add(id(hint))
        todo += get_args(hint)
        if isinstance(hint, type):
            todo += _hints(hint)
            if issubclass(hint, BaseModel | enum.Enum) or dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
                found[hint] = None
    return list(found)


def _hints(cls: type) -> Iterator[Any]:
    if issubclass(cls, enum.Enum):
        return
    hints: Mapping[str, Any] = {}
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are the user's code; without types less can be kept
        return
    yield from hints.values()
