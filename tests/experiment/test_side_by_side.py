"""The user's own graph and the optimized one, run and compared."""

from __future__ import annotations

import operator
from typing import Annotated, Any, ClassVar, TypedDict
from uuid import uuid4

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Send, interrupt

from optiflow.clock import RealClock, VirtualClock
from optiflow.errors import InputError, RunFailedError
from optiflow.experiment import side_by_side
from optiflow.experiment.side_by_side import Comparison, compare_side_by_side
from optiflow.optimizations.base import Decision, Optimization, Options
from optiflow.plan.graph_plan import GraphPlan
from optiflow.workflow.base import Workflow
from optiflow.workflow.graph_workflow import GraphWorkflow


class State(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


class Nothing(Optimization[Options]):
    """Rewrites nothing."""

    name: ClassVar[str] = "nothing"

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        return plan.decide(Decision(self.name, "*", "refused", "because"))


class Replace(Optimization[Options]):
    """Replaces the work of the first node: not an optimization but a fault."""

    name: ClassVar[str] = "replace"

    def __init__(self, work: Any) -> None:
        super().__init__(Options())
        self.work = work

    def rewrite(self, plan: GraphPlan) -> GraphPlan:
        from langgraph._internal._runnable import coerce_to_runnable

        node = next(iter(plan.nodes.values()))
        return plan.with_node(node.with_runnable(coerce_to_runnable(self.work, name=node.name, trace=False)))


NOTHING = Nothing(Options())


def graph_of(*nodes: Any, **compiled_with: Any) -> Any:
    """Nodes one after another, compiled."""
    builder = StateGraph(State)
    names = [f"n{number}" for number in range(len(nodes))]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node, cache_policy=CachePolicy() if "cache" in compiled_with else None)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder.compile(**compiled_with)


def workflow_of(graph: Any, **given: Any) -> GraphWorkflow:
    """A workflow around a compiled graph."""
    fields: Any = {"name": "w", "effects": {}, "output_key": "", "input_digest": "", "input": {"text": "a"}}
    return GraphWorkflow(**{**fields, **given}, builder=getattr(graph, "builder", None), compiled=graph)


def say(word: str) -> Any:
    """A node that appends a word."""
    return lambda state: {"log": [word]}


def test_equal_graphs_are_equal() -> None:
    """What was compared is there to be counted, and the decisions are those of the toggles."""
    comparison = compare_side_by_side(workflow_of(graph_of(say("a"), say("b"))), [NOTHING], RealClock())
    assert comparison.difference is None
    assert comparison.decisions == (Decision("nothing", "*", "refused", "because"),)
    assert len(comparison.baseline.turns) == 1


def test_first_difference_is_found() -> None:
    """A toggle that changes an answer is caught."""
    comparison = compare_side_by_side(workflow_of(graph_of(say("a"))), [Replace(say("b"))], RealClock())
    assert comparison.difference is not None
    assert (comparison.difference.baseline, comparison.difference.optimized) == ("a", "b")
    assert not comparison.unstable


def test_a_graph_that_differs_from_itself_is_told_from_one_that_is_changed() -> None:
    """Here by the number of its runs; it counts as a difference all the same."""
    runs: list[int] = []

    def count(state: State) -> State:
        runs.append(1)
        return {"log": [str(len(runs))]}

    comparison = compare_side_by_side(workflow_of(graph_of(count)), [NOTHING], RealClock())
    assert comparison.difference is not None
    assert comparison.unstable
    assert len(runs) == 3


def test_a_harmless_time_stamp_does_not_hide_a_difference() -> None:
    """The stamp comes first in the state and differs between any two runs; the toggle breaks what comes after it."""
    runs: list[int] = []

    def stamp(state: State) -> State:
        runs.append(1)
        return {"text": f"at {len(runs)}", "log": ["right"]}

    def broken(state: State) -> State:
        return {**stamp(state), "log": ["wrong"]}

    comparison = compare_side_by_side(workflow_of(graph_of(stamp)), [Replace(broken)], RealClock())
    assert comparison.difference is not None
    assert (comparison.difference.path, comparison.unstable) == ("turn 1 output.log[0]", False)
    assert {each.baseline for each in comparison.differences} == {"right"}
    assert {each.optimized for each in comparison.differences} == {"wrong"}
    assert {each.path for each in comparison.own} >= {"turn 1 output.text"}
    assert "turn 1 output.text" in comparison.varying
    # Twice more, as something was left after the second plain run.
    assert len(runs) == 4


def test_a_place_that_varies_in_few_runs_is_not_held_against_the_toggle() -> None:
    """The second plain run happens to equal the first."""
    runs: list[int] = []

    def luck(state: State) -> State:
        runs.append(1)
        return {"log": ["heads" if len(runs) in (1, 3) else "tails"]}

    comparison = compare_side_by_side(workflow_of(graph_of(luck)), [NOTHING], RealClock())
    assert comparison.unstable
    assert len(runs) == 4


def test_messages_sets_and_errors_beside_a_time_stamp() -> None:
    """Ids drawn at random are no difference; a member of a set, a text of a message and a failure are."""
    runs: list[int] = []

    def node(word: str, *members: str) -> Any:
        def work(state: State) -> Any:
            runs.append(1)
            message = AIMessage(word, id=str(uuid4()))
            return {"log": [{"at": len(runs), "said": message, "held": {f"t{len(runs)}", *members}}]}

        return work

    def found(work: Any) -> Comparison:
        return compare_side_by_side(workflow_of(graph_of(node("yes", "m", "n"))), [Replace(work)], RealClock())

    assert found(node("yes", "m", "n")).differences == ()
    paths = [each.path for each in found(node("no", "m", "n")).differences]
    assert paths[0] == "turn 1 output.log[0].said.~AIMessage.content"
    assert not any("held" in path or "at" in path.rsplit(".", 1)[-1] for path in paths if "output" in path)
    lost = found(node("yes", "m"))
    assert lost.difference is not None
    assert lost.difference.path == 'turn 1 output.log[0].held.~set number of "n"'

    def fail(state: State) -> State:
        raise LookupError(f"at {runs}")

    failed = found(fail)
    assert failed.differences[0].path == "turn 1 failure"


def test_events_in_an_accidental_order_beside_a_difference() -> None:
    """Nodes that run together stream what they write in any order, with a stamp; one of them is broken."""
    runs: list[int] = []

    def stamped(word: str) -> Any:
        def work(state: State) -> Any:
            runs.append(1)
            get_stream_writer()({"at": len(runs), "word": word})
            return {"log": [word]}

        return work

    def workflow(left: str) -> GraphWorkflow:
        builder = StateGraph(State)
        for name, word in (("left", left), ("right", "right")):
            builder.add_node(name, stamped(word))
            builder.add_edge(START, name)
        return workflow_of(builder.compile())

    assert compare_side_by_side(workflow("left"), [NOTHING], RealClock()).differences == ()
    comparison = compare_side_by_side(workflow("left"), [Replace(stamped("wrong"))], RealClock())
    assert comparison.differences[0].path == "turn 1 output.log[0]"
    assert all("wrong" in str(each) or "left" in str(each) for each in comparison.differences), comparison.differences
    assert any("events" in each.path for each in comparison.differences)


def test_declared_workflow_runs_in_virtual_time() -> None:
    """A workflow of builder and checkpointer alone; waiting costs nothing."""
    import asyncio

    async def wait(state: State) -> State:
        await asyncio.sleep(3600)
        return {"log": ["waited"]}

    workflow = Workflow(
        name="w",
        builder=graph_of(wait).builder,
        input={"text": "a"},
        effects={},
        output_key="text",
        input_digest="",
        checkpointer=InMemorySaver,
    )
    comparison = compare_side_by_side(workflow, [NOTHING], VirtualClock())
    assert comparison.difference is None
    assert comparison.baseline.checkpoints


def test_failing_graph_has_nothing_to_compare_with() -> None:
    """The node is named; a failure of the optimized graph alone is a difference."""

    def fail(state: State) -> State:
        raise LookupError("no such thing")

    with pytest.raises(RunFailedError, match=r"node 'n0' failed without any toggle: .*LookupError: no such thing"):
        compare_side_by_side(workflow_of(graph_of(fail)), [NOTHING], RealClock())
    comparison = compare_side_by_side(workflow_of(graph_of(say("a"))), [Replace(fail)], RealClock())
    assert comparison.difference is not None
    assert "failure" in comparison.difference.path
    workflow = workflow_of(graph_of(*[say("a")] * 3), config={"recursion_limit": 1})
    with pytest.raises(RunFailedError, match=r"the graph failed without any toggle: .*GraphRecursionError"):
        compare_side_by_side(workflow, [NOTHING], RealClock())


def test_interrupts_and_breakpoints_are_answered() -> None:
    """Each gets its value; too few values are said."""

    def ask(state: State) -> State:
        return {"log": [interrupt("first?"), interrupt("second?")]}

    graph = graph_of(say("a"), ask, interrupt_before=["n0"])
    given: Any = {"resume": ("go on", "x", "y"), "checkpointer": InMemorySaver}
    comparison = compare_side_by_side(workflow_of(graph, **given), [NOTHING], RealClock())
    assert comparison.difference is None
    output: Any = comparison.baseline.turns[-1].output
    assert output["log"] == ["a", "x", "y"]
    assert len(comparison.baseline.turns) == 4

    def twice(state: State) -> list[Send]:
        return [Send("ask", state), Send("ask", state)]

    builder = StateGraph(State)
    builder.add_node("ask", lambda state: {"log": [interrupt("both?")]})
    builder.add_conditional_edges(START, twice, ["ask"])
    workflow = workflow_of(builder.compile(), resume=("x",), checkpointer=InMemorySaver)
    with pytest.raises(InputError, match="has 1 values left where the graph waits for 2"):
        compare_side_by_side(workflow, [NOTHING], RealClock())


def test_neither_run_leaves_anything_to_the_other_or_the_user() -> None:
    """Checkpoints, store and cache are each run's own."""

    def remember(state: State, runtime: Runtime) -> State:
        assert runtime.store is not None
        before = runtime.store.get(("notes",), "count")
        count = before.value["count"] if before else 0
        runtime.store.put(("notes",), "count", {"count": count + 1})
        return {"log": [str(count)]}

    saver, store = InMemorySaver(), InMemoryStore()
    store.put(("notes",), "count", {"count": 5})
    graph = graph_of(remember, checkpointer=saver, store=store, cache=InMemoryCache())
    comparison = compare_side_by_side(workflow_of(graph), [NOTHING], RealClock())
    assert comparison.difference is None
    output: Any = comparison.baseline.turns[-1].output
    assert output["log"] == ["5"]
    assert store.get(("notes",), "count").value == {"count": 5}  # type: ignore[union-attr]
    assert not saver.storage
    assert (graph.checkpointer, graph.store) == (saver, store)


def test_synchronous_savers_are_run_synchronously() -> None:
    """As LangGraph demands; the run's own memory could do either."""

    class Synchronous(InMemorySaver):
        aget_tuple = BaseCheckpointSaver.aget_tuple

    workflow = workflow_of(graph_of(say("a"), checkpointer=Synchronous()), checkpointer=None)
    assert compare_side_by_side(workflow, [NOTHING], RealClock()).difference is None


def test_entrypoint_is_compared_too() -> None:
    """Only what acts around the run applies to it."""

    @entrypoint()
    def answer(question: str) -> str:
        return question * 2

    comparison = compare_side_by_side(workflow_of(answer, input="a"), [NOTHING], RealClock())
    assert comparison.difference is None
    assert comparison.decisions[0].reason == "there is no StateGraph to rewrite, as for an @entrypoint"


def test_nodes_that_run_together_have_no_order_between_them() -> None:
    """Neither in the baseline nor in the optimized graph."""
    builder = StateGraph(State)
    for name in ("left", "right"):
        builder.add_node(name, say(name))
        builder.add_edge(START, name)
    comparison = compare_side_by_side(workflow_of(builder.compile()), [NOTHING], RealClock())
    assert comparison.difference is None
    assert side_by_side._concurrent(comparison.baseline) == {"left", "right"}


def test_merged_requests_are_allowed_where_a_toggle_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same questions, one of them asked once instead of twice; another question is a difference."""
    model = FakeListChatModel(responses=["yes"])

    def ask(*questions: str) -> Any:
        def node(state: State) -> State:
            for question in questions:
                model.invoke(question)
            return {"log": ["asked"]}

        return node

    workflow = workflow_of(graph_of(ask("same?", "same?", "other?")))
    merging, other = Replace(ask("same?", "other?")), Replace(ask("same?", "same?"))
    assert compare_side_by_side(workflow, [merging], RealClock()).difference is not None
    monkeypatch.setattr(side_by_side, "_MERGING", frozenset({"replace"}))
    assert compare_side_by_side(workflow, [merging], RealClock()).difference is None
    assert compare_side_by_side(workflow, [other], RealClock()).difference is not None
