"""A StateGraph as immutable data, and back.

``GraphPlan.of(builder).build()`` behaves exactly as ``builder.compile()`` did: the clone that is compiled has the
same specs, policies and edges, and the user's own builder is never touched (LangGraph's ``compile()`` writes the
graph's node defaults into its specs, so even compiling the original would change it).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

from langgraph.graph.state import CompiledStateGraph, StateGraph

from optiflow.errors import ConfigurationError, nearest_name
from optiflow.plan.decision import Decision
from optiflow.plan.effects import Effects
from optiflow.plan.specs import copied

__all__ = ["Finisher", "GraphPlan", "NodePlan"]

_COMPILED_OPTIONS = {
    "checkpointer": "checkpointer",
    "cache": "cache",
    "store": "store",
    "interrupt_before": "interrupt_before_nodes",
    "interrupt_after": "interrupt_after_nodes",
    "debug": "debug",
    "name": "name",
    "transformers": "stream_transformers",
}
"""Keyword of ``compile()`` -> attribute of the compiled graph that holds it."""

_COMPILED_STRUCTURE = frozenset(
    {
        "nodes",
        "channels",
        "builder",
        "schema_to_mapper",
        "trigger_to_nodes",
        "node_error_handler_map",
        "_output_mapper",
        "_state_mapper",
        "_serde_allowlist",
        "__orig_class__",
    }
)
"""What compiling derives from the builder; everything else on a compiled graph is the user's setting."""


class Finisher(Protocol):
    """What an optimization does to the compiled graph that ``build()`` made, before anybody sees it."""

    def install(self, compiled: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        """Change the freshly compiled graph in place."""


@dataclass(frozen=True)
class NodePlan:
    """One node: its LangGraph spec, read-only, and what is known of its effects."""

    name: str
    """The node's name in the graph."""

    spec: Any
    """LangGraph's own ``StateNodeSpec``, cloned; fields of versions unknown to us survive in it."""

    declared: Effects | None = None
    """Effects declared for this node by configuration or by the workflow; None: ask the node itself."""

    visible: frozenset[str] = frozenset()
    """The state keys of its input schema."""

    subgraph: GraphPlan | None = None
    """The plan of the graph that this node is, where a rewrite changed it; None: as the user compiled it."""

    @cached_property
    def effects(self) -> Effects:
        """What the node reads, writes and touches: declared, else inferred from its code."""
        if self.declared is not None:
            return self.declared
        from optiflow.plan.inference.infer import infer_effects

        return infer_effects(self.runnable, self.input_schema, self.visible)

    @property
    def may_wait(self) -> bool:
        """Whether the node could wait for anything; quick, and False only where its code surely does not."""
        from optiflow.plan.inference.infer import may_wait

        return self.declared is not None or may_wait(self.runnable)

    @property
    def runnable(self) -> Any:
        """The node's work, as LangGraph holds it."""
        return self.spec.runnable

    @property
    def input_schema(self) -> Any:
        """The schema that bounds what the node can see."""
        return self.spec.input_schema

    @property
    def retry_policy(self) -> Any:
        """The node's own retry policy or policies, None where it has none."""
        return self.spec.retry_policy

    @property
    def cache_policy(self) -> Any:
        """The node's own cache policy."""
        return self.spec.cache_policy

    @property
    def timeout(self) -> Any:
        """The node's own timeout policy."""
        return getattr(self.spec, "timeout", None)

    @property
    def defer(self) -> bool:
        """Whether the node waits until the run is about to end."""
        return bool(getattr(self.spec, "defer", False))

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """Metadata for tracing."""
        metadata: Mapping[str, Any] | None = self.spec.metadata
        return metadata

    @property
    def ends(self) -> tuple[str, ...]:
        """Where the node says that its ``Command`` may go."""
        return tuple(getattr(self.spec, "ends", None) or ())

    @property
    def error_handler(self) -> str | None:
        """Name of the node that handles this node's errors."""
        handler: str | None = getattr(self.spec, "error_handler_node", None)
        return handler

    @property
    def is_error_handler(self) -> bool:
        """Whether the node runs only to handle another's error."""
        return bool(getattr(self.spec, "is_error_handler", False))

    def with_runnable(self, runnable: Any) -> NodePlan:
        """The same node doing its work another way; its effects stay those of the original work."""
        return replace(self, spec=_changed(self.spec, runnable=runnable), declared=self.effects)

    def with_policy(self, **fields: Any) -> NodePlan:
        """The same node with other fields of its spec, e.g. ``retry_policy=…``."""
        return replace(self, spec=_changed(self.spec, **fields))


@dataclass(frozen=True)
class GraphPlan:
    """A StateGraph as data. Optimizations make new plans of it; ``build()`` makes the compiled graph."""

    builder: StateGraph[Any, Any, Any, Any]
    """The user's builder, which is read and never changed."""

    nodes: Mapping[str, NodePlan]
    """The nodes in the order in which they were added."""

    edges: frozenset[tuple[str, str]]
    """Static edges."""

    waiting_edges: frozenset[tuple[tuple[str, ...], str]]
    """Edges that wait for several nodes."""

    branches: Mapping[str, Mapping[str, Any]]
    """Conditional edges: source -> name -> LangGraph's ``BranchSpec``."""

    compile_options: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of ``compile()``: checkpointer, cache, store, interrupt_before, interrupt_after, name, …"""

    decisions: tuple[Decision, ...] = ()
    """What each optimization did to each node, or why not."""

    finishers: tuple[Finisher, ...] = ()
    """What optimizations do to the compiled graph, in order."""

    arm: str = ""
    """Which toggles with which options rewrite the plan: what is kept from one run to the next is kept by this too."""

    taken: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """What recorded runs say of conditional edges: source -> target -> how often it came next."""

    compiled: CompiledStateGraph[Any, Any, Any, Any] | None = field(default=None, repr=False)
    """The user's compiled graph, where the plan was made of one: its run-time settings are kept."""

    @classmethod
    def of(
        cls,
        graph: StateGraph[Any, Any, Any, Any] | CompiledStateGraph[Any, Any, Any, Any],
        *,
        effects: Mapping[str, Effects] | None = None,
        compile_options: Mapping[str, Any] | None = None,
    ) -> GraphPlan:
        """Read a builder, or a compiled graph together with all its settings.

        Args:
            graph: A StateGraph, which is never changed, or what its ``compile()`` returned.
            effects: Effects declared from outside, by node name; they win over the code's own.
            compile_options: Keywords for ``compile()``; a compiled graph brings its own.

        Returns:
            The plan. ``build()`` without any optimization gives a graph that behaves as the user's.

        Raises:
            ConfigurationError: Declared effects name a node or a state key that the graph does not have.
        """
        compiled = None
        if isinstance(graph, CompiledStateGraph):
            compiled, builder = graph, graph.builder
            own = {key: getattr(graph, at) for key, at in _COMPILED_OPTIONS.items() if hasattr(graph, at)}
            compile_options = {**own, **(compile_options or {})}
        else:
            builder = graph
        declared = effects or {}
        _check(declared, builder)
        visible = {schema: frozenset(keys) for schema, keys in builder.schemas.items()}
        return cls(
            builder=builder,
            nodes=MappingProxyType(
                {
                    name: NodePlan(name, copied(spec), declared.get(name), visible.get(spec.input_schema, frozenset()))
                    for name, spec in builder.nodes.items()
                }
            ),
            edges=frozenset(builder.edges),
            waiting_edges=frozenset(builder.waiting_edges),
            branches=MappingProxyType({source: dict(named) for source, named in builder.branches.items()}),
            compile_options=MappingProxyType(dict(compile_options or {})),
            compiled=compiled,
        )

    @property
    def channels(self) -> Mapping[str, Any]:
        """State key -> LangGraph channel."""
        return self.builder.channels

    @property
    def schemas(self) -> Mapping[Any, Mapping[str, Any]]:
        """Schema -> its keys' channels and managed values."""
        return self.builder.schemas

    @property
    def managed(self) -> Mapping[str, Any]:
        """State key -> managed value (such as ``RemainingSteps``)."""
        return self.builder.managed

    @property
    def state_schema(self) -> Any:
        """The schema of the state."""
        return self.builder.state_schema

    def changed(self, **values: Any) -> GraphPlan:
        """The same plan with other values; `dataclasses.replace` takes several times as long, some ten times a plan."""
        clone = object.__new__(type(self))
        vars(clone).update(vars(self))
        vars(clone).update(values)
        return clone

    def decide(self, *decisions: Decision) -> GraphPlan:
        """The same plan with these decisions added."""
        return self.changed(decisions=(*self.decisions, *decisions))

    def with_node(self, node: NodePlan) -> GraphPlan:
        """The same plan with the node of that name replaced; its place in the order stays."""
        return self.changed(nodes=MappingProxyType({**self.nodes, node.name: node}))

    def with_edges(self, edges: frozenset[tuple[str, str]]) -> GraphPlan:
        """The same plan with these static edges instead."""
        return self.changed(edges=edges)

    def with_finisher(self, finisher: Finisher) -> GraphPlan:
        """The same plan with one more step after compiling."""
        return self.changed(finishers=(*self.finishers, finisher))

    def with_compile_options(self, **options: Any) -> GraphPlan:
        """The same plan with these keywords of ``compile()`` set."""
        return self.changed(compile_options=MappingProxyType({**self.compile_options, **options}))

    def subplan(self, name: str) -> GraphPlan | None:
        """The plan of the graph that a node is, or None for a node that is no plain compiled StateGraph.

        A function that calls a graph is no such node: what it does with the graph is its own affair.
        """
        node = self.nodes[name]
        if node.subgraph is not None:
            return node.subgraph
        # Subclasses may build themselves in ways that recompiling their builder does not repeat.
        return GraphPlan.of(node.runnable) if type(node.runnable) is CompiledStateGraph else None

    def build(self, replaced: dict[str, tuple[Any, Any]] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Compile a clone of the builder as this plan says.

        Args:
            replaced: Filled with the settings of the graph that finishers replaced: attribute -> the user's value and
                theirs, so that they can be given back.

        Returns:
            The compiled graph, with the finishers applied and, for a plan of a compiled graph, that graph's settings.
        """
        graph = self._twin()
        if graph is None:
            graph = self._clone().compile(**self.compile_options)
            if self.compiled is not None:
                for name, value in vars(self.compiled).items():
                    if name not in _COMPILED_STRUCTURE:
                        setattr(graph, name, value)
        before = dict(vars(graph))
        for finisher in self.finishers:
            finisher.install(graph)
        if replaced is not None:
            replaced |= {
                name: (before.get(name), value)
                for name, value in vars(graph).items()
                if name not in _COMPILED_STRUCTURE and before.get(name) is not value
            }
        return graph

    def _twin(self) -> CompiledStateGraph[Any, Any, Any, Any] | None:
        """A copy of the user's compiled graph whose nodes do their work as this plan says; None where more is changed.

        LangGraph looks for graphs within the nodes when it compiles, and asks the application's objects for their
        attributes to find them. Compiling once more would ask once more.
        """
        compiled, builder = self.compiled, self.builder
        if (
            type(compiled) is not CompiledStateGraph
            # A copy with a configuration bound to it has not all that compiling makes.
            or "_output_mapper" not in vars(compiled)
            or self.edges != builder.edges
            or self.waiting_edges != builder.waiting_edges
            or self.branches != builder.branches
            or any(
                getattr(compiled, _COMPILED_OPTIONS[key]) is not value for key, value in self.compile_options.items()
            )
        ):
            return None
        twin = copy.copy(compiled)
        twin.nodes = {name: copy.copy(node) for name, node in compiled.nodes.items()}
        for name, node in self.nodes.items():
            own, spec = builder.nodes[name], node.spec
            others = (each.name for each in fields(own) if each.name != "runnable")
            if any(getattr(own, at) is not getattr(spec, at) for at in others):
                return None
            runnable = spec.runnable if node.subgraph is None else node.subgraph.build()
            if runnable is not own.runnable:
                if twin.nodes[name].bound is not own.runnable:
                    return None
                twin.nodes[name].bound = runnable
                vars(twin.nodes[name]).pop("node", None)
        return twin

    def _clone(self) -> StateGraph[Any, Any, Any, Any]:
        clone = copy.copy(self.builder)
        clone.nodes = {name: self._spec(node) for name, node in self.nodes.items()}
        clone.edges = set(self.edges)
        clone.waiting_edges = set(self.waiting_edges)
        clone.branches = defaultdict(dict, {source: dict(named) for source, named in self.branches.items()})
        clone.channels = dict(self.builder.channels)
        clone.managed = dict(self.builder.managed)
        clone.schemas = dict(self.builder.schemas)
        # Compiling adds the default error handler as a node of this name, and refuses to add it once more.
        clone.nodes.pop("__default_error_handler__", None)
        return clone

    @staticmethod
    def _spec(node: NodePlan) -> Any:
        if node.subgraph is None:
            return copied(node.spec)
        return _changed(node.spec, runnable=node.subgraph.build())


def _changed(spec: Any, **fields: Any) -> Any:
    clone = copied(spec)
    for name, value in fields.items():
        setattr(clone, name, value)
    return clone


def _check(declared: Mapping[str, Effects], builder: StateGraph[Any, Any, Any, Any]) -> None:
    keys = {*builder.channels, *builder.managed}
    for name, effects in declared.items():
        if name not in builder.nodes:
            raise ConfigurationError(f"effects of node {name!r}: no such node, {nearest_name(name, builder.nodes)}")
        for key in sorted({*(effects.reads or ()), *(effects.writes or ())} - keys):
            raise ConfigurationError(f"effects of node {name!r}: no state key {key!r}, {nearest_name(key, keys)}")
