"""From the routers of a plan to the branches that may start early, and a decision for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from langgraph.constants import END, START

from optiflow.errors import ConfigurationError, nearest_name
from optiflow.plan.dataflow.folding import stable
from optiflow.plan.dataflow.scheduling import quoted, stage_of, why_not_at_all, why_not_early
from optiflow.plan.decision import Decision
from optiflow.plan.inference.infer import infer_effects
from optiflow.plan.speculation.branches import Branches
from optiflow.plan.speculation.experience import experience_of
from optiflow.plan.speculation.guessing import Learned, Named, Policy

if TYPE_CHECKING:
    from optiflow.plan.graph_plan import GraphPlan, NodePlan

__all__ = ["speculate"]


def speculate(
    plan: GraphPlan, *, toggle: str, policy: Policy, max_wasted_tokens: int | None, prefix: str = ""
) -> GraphPlan:
    """Let the likely branches of a plan's routers, and of those in the graphs that are its nodes, start early.

    Args:
        plan: The plan, which is not changed.
        toggle: Name of the toggle for its decisions.
        policy: Which branch is expected.
        max_wasted_tokens: What a run may waste before it starts no more; None: as much as it likes.
        prefix: Dotted path to this graph in its parents.

    Returns:
        The plan, with one decision for every router, under its node's name, and one for each of its branches, under
        ``NODE -> TARGET``.

    Raises:
        ConfigurationError: The policy names a router or a branch that the graph does not have.
    """
    decisions: list[Decision] = []
    if not prefix:
        routers = dict(_routers(plan))
        if isinstance(policy, Named):
            _check(policy.targets, routers)
        if not routers:
            return plan.decide(Decision(toggle, "*", "refused", "no node of this graph has a router behind it"))
    for name, node in plan.nodes.items():
        sub = plan.subplan(name)
        if sub is not None:
            within = f"{prefix}{name}."
            rewritten = speculate(sub, toggle=toggle, policy=policy, max_wasted_tokens=max_wasted_tokens, prefix=within)
            decisions += rewritten.decisions[len(sub.decisions) :]
            if rewritten.finishers != sub.finishers:
                plan = plan.with_node(replace(node, subgraph=rewritten))
    if isinstance(policy, Learned):
        shape = (frozenset(plan.nodes), plan.edges, frozenset(_own_routers(plan).items()))
        policy = replace(policy, experience=experience_of(shape), recorded=plan.taken)
    why = why_not_at_all(plan)
    early: dict[str, tuple[str, ...]] = {}
    for name, ends in _own_routers(plan).items():
        judged = _Judged(plan, name, ends, policy, prefix)
        refusal = why or judged.refusal
        branches = {} if refusal else judged.branches
        open_to = tuple(target for target, (fits, _) in branches.items() if fits)
        if open_to:
            early[name] = open_to
            told = Decision(toggle, prefix + name, "applied", f"while it runs, a branch may start: {quoted(open_to)}")
        else:
            told = Decision(toggle, prefix + name, "refused", refusal or "none of its branches may start early")
        decisions.append(told)
        decisions += [
            Decision(toggle, f"{prefix}{name} -> {target}", "applied" if fits else "refused", reason)
            for target, (fits, reason) in branches.items()
        ]
    if early:
        plan = plan.with_finisher(_branches(plan, early, policy, max_wasted_tokens))
    return plan.decide(*decisions)


def _branches(
    plan: GraphPlan, routers: Mapping[str, tuple[str, ...]], policy: Policy, max_wasted_tokens: int | None
) -> Branches:
    targets = {target for targets in routers.values() for target in targets}
    return Branches(
        stages={name: stage_of(plan.nodes[name], early=name in targets) for name in {*routers, *targets}},
        successor={},
        # A branch that needs what the node in front of it writes never starts early, so nothing is computed ahead.
        foldable=frozenset(),
        fleeting=frozenset(key for key, channel in plan.channels.items() if not stable(channel)),
        keys=frozenset(plan.channels),
        edges=plan.edges,
        routers=routers,
        policy=policy,
        max_wasted_tokens=max_wasted_tokens,
    )


@dataclass(frozen=True)
class _Judged:
    """One node with a router behind it."""

    plan: GraphPlan
    name: str
    ends: tuple[str, ...]
    """Where it may go, as it declares; empty where it declares nothing."""
    policy: Policy
    prefix: str

    @property
    def node(self) -> NodePlan:
        return self.plan.nodes[self.name]

    @property
    def choices(self) -> tuple[str, ...]:
        return self.policy.choices(self.name, self.ends, self.prefix)

    @property
    def refusal(self) -> str | None:
        """Why no branch may start while this node runs."""
        effects = self.node.effects
        if not self.choices:
            if isinstance(self.policy, Named):
                return "no branch is named for it"
            if not self.ends:
                return "it declares no targets (path_map, or a Literal as what the router returns)"
            return "it only ends the graph"
        if effects.writes is None:
            return effects.reason or "which keys it writes is not known"
        if not effects.waits:
            return "it only computes, so a branch would win no time"
        stops = self.plan.compile_options.get("interrupt_after") or ()
        if stops == "*" or self.name in stops:
            return "the run stops after it"
        return self._why_not_its_routers()

    def _why_not_its_routers(self) -> str | None:
        # What changes a value of the state in place would be seen by a branch that is running already.
        for name, router in self.plan.branches[self.name].items():
            schema = router.input_schema or self.node.input_schema
            visible = frozenset(self.plan.schemas.get(schema, ())) or self.node.visible
            effects = infer_effects(router.path, schema, visible)
            if effects.reads is None:
                return f"what its router {name!r} does is not known: {effects.reason}"
        return None

    @property
    def branches(self) -> dict[str, tuple[bool, str]]:
        """For each target: whether it may start while this node runs, and why or why not."""
        judged: dict[str, tuple[bool, str]] = {}
        for target in dict.fromkeys((*self.ends, *self.choices)):
            if target == END:
                continue
            if target not in self.choices:
                judged[target] = False, "another branch is expected"
                continue
            why = self._why_not(self.plan.nodes[target])
            judged[target] = why is None, why or self._expectation(target)
        return judged

    def _why_not(self, target: NodePlan) -> str | None:
        if target.defer:
            return "it waits until the run is about to end"
        why = why_not_early(self.plan, target)
        if why is not None:
            return why
        if not target.effects.waits:
            return "it only computes, so an early start would win no time"
        needed = (target.effects.reads or frozenset()) & (self.node.effects.writes or frozenset())
        if needed:
            return f"it needs {quoted(sorted(needed))} from {self.name!r} right before it"
        return None

    def _expectation(self, target: str) -> str:
        if not isinstance(self.policy, Learned):
            return f"starts with {self.name!r}, and is undone if it is not taken"
        times, decided = self.policy.times(self.name, target)
        share, least = self.policy.min_probability, self.policy.min_observations
        return (
            f"starts with {self.name!r} once it is taken in {share:.0%} of at least {least} runs, "
            f"and is undone if it is not taken; so far {times} of {decided}"
        )


def _own_routers(plan: GraphPlan) -> dict[str, tuple[str, ...]]:
    """Node -> the targets that the routers behind it declare, in their order."""
    return {
        source: tuple(dict.fromkeys(end for router in named.values() for end in (router.ends or {}).values()))
        for source, named in plan.branches.items()
        if source != START
    }


def _routers(plan: GraphPlan, prefix: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """The routers of a plan and of the graphs in it: dotted name and the targets that it may have."""
    for name, ends in _own_routers(plan).items():
        undeclared = any(router.ends is None for router in plan.branches[name].values())
        yield prefix + name, [end for end in (plan.nodes if undeclared else ends) if end != END]
    for name in plan.nodes:
        sub = plan.subplan(name)
        if sub is not None:
            yield from _routers(sub, f"{prefix}{name}.")


def _check(named: Mapping[str, str], routers: Mapping[str, Sequence[str]]) -> None:
    for router, target in named.items():
        if router not in routers:
            right = nearest_name(router, routers)
            raise ConfigurationError(f"opt.speculate.branch: no router behind {router!r}; {right}")
        if target not in routers[router]:
            right = nearest_name(target, routers[router])
            raise ConfigurationError(f"opt.speculate.branch.{router}: it has no branch {target!r}; {right}")
