"""Early work is handed over in its turn, or thrown away: failures, interrupts, policies, limits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError, NodeTimeoutError
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import CachePolicy, Command, RetryPolicy, TimeoutPolicy, interrupt

from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.dataflow.node import ScheduledNode
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan

THREAD: Any = {"configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    a: int
    b: int
    c: int
    d: int


def declared(**effects: tuple[str, str]) -> dict[str, Effects]:
    """Effects by node: the keys read and the keys written, space-separated."""
    return {
        name: Effects.declared(set(reads.split()), set(writes.split())) for name, (reads, writes) in effects.items()
    }


def chain(nodes: Mapping[str, Any], schema: Any = State, **options: Any) -> StateGraph[Any]:
    """A straight chain; options are keywords of ``add_node``, per node."""
    builder = StateGraph(schema)
    before = START
    for name, work in nodes.items():
        builder.add_node(name, work, **options.get(name, {}))
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder


def overlapped(builder: StateGraph[Any], effects: Mapping[str, Effects], **compile_options: Any) -> Any:
    """The optimized graph, after making sure that something was optimized."""
    plan = GraphPlan.of(builder, effects=effects, compile_options=compile_options)
    plan = Parallel(ParallelOptions()).rewrite(plan)
    assert "applied" in {decision.action for decision in plan.decisions}
    return plan.build()


class Calls:
    """Nodes that count their calls."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def waiting(self, name: str, key: str, wait: float = 0.005, **reads: str) -> Any:
        async def work(state: Any) -> dict[str, Any]:
            self.count[name] += 1
            await asyncio.sleep(wait)
            return {key: 1 + sum(state[read] for read in reads.values())}

        return work

    def failing(self, name: str, wait: float = 0.0) -> Any:
        async def work(state: Any) -> dict[str, Any]:
            self.count[name] += 1
            await asyncio.sleep(wait)
            raise ValueError(name)

        return work


class TestFailures:
    async def test_the_error_is_raised_in_its_turn(self) -> None:
        """A node that failed early fails after what comes before it, which is kept; the error is annotated once."""
        calls = Calls()
        builder = chain({"slow": calls.waiting("slow", "a"), "bad": calls.failing("bad")})
        graph = overlapped(builder, declared(slow=("", "a"), bad=("", "b")), checkpointer=InMemorySaver())
        with pytest.raises(ValueError, match="bad") as caught:
            await graph.ainvoke({}, THREAD)
        assert calls.count == {"slow": 1, "bad": 1}
        assert [note.split(" and ")[0] for note in caught.value.__notes__] == ["During task with name 'bad'"]
        state = await graph.aget_state(THREAD)
        assert state.values == {"a": 1}
        assert state.next == ("bad",)

    async def test_the_earlier_failure_wins(self) -> None:
        """A later node that fails first does not hide the failure of an earlier one."""
        calls = Calls()
        builder = chain({"first": calls.failing("first", 0.02), "second": calls.failing("second")})
        graph = overlapped(builder, declared(first=("", "a"), second=("", "b")))
        with pytest.raises(ValueError, match="first"):
            await graph.ainvoke({})
        assert calls.count["second"] == 1

    async def test_early_work_is_cancelled_when_the_run_fails(self) -> None:
        """Nothing is left running."""
        cancelled: list[str] = []

        async def forever(state: State) -> dict[str, Any]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append("forever")
                raise
            return {}

        builder = chain({"bad": Calls().failing("bad", 0.01), "forever": forever})
        graph = overlapped(builder, declared(bad=("", "a"), forever=("", "b")))
        with pytest.raises(ValueError, match="bad"):
            await graph.ainvoke({})
        assert cancelled == ["forever"]

    async def test_cancelling_the_run_cancels_early_work(self) -> None:
        """Whoever cancels the run stops what is ahead as well, also while it is being waited for."""
        calls = Calls()
        started = asyncio.Event()
        stopped: list[str] = []

        async def forever(state: State) -> dict[str, Any]:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append("forever")
            return {}

        builder = chain({"quick": calls.waiting("quick", "a", 0.001), "forever": forever})
        graph = overlapped(builder, declared(quick=("", "a"), forever=("", "b")))
        run = asyncio.create_task(graph.ainvoke({}))
        await started.wait()
        await asyncio.sleep(0.02)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert stopped == ["forever"]

    async def test_a_handled_error_sends_the_run_elsewhere(self) -> None:
        """What was ahead of a node whose handler goes another way is dropped, and nothing of it applied."""
        calls = Calls()

        async def handler(state: State) -> Command[Any]:
            return Command(update={"d": 9}, goto="other")

        builder = chain(
            {
                "bad": calls.failing("bad", 0.005),
                "next": calls.waiting("next", "b"),
                "last": calls.waiting("last", "c"),
            },
            bad={"error_handler": handler},
        )
        builder.add_node("other", calls.waiting("other", "a"))
        effects = declared(bad=("", "a"), next=("", "b"), last=("", "c"), other=("", "a"))
        graph = overlapped(builder, effects)
        assert await graph.ainvoke({}) == {"a": 1, "d": 9}

    def test_sync_failures(self) -> None:
        """In threads too: the error of the earlier node, and its state."""

        def slow(state: State) -> dict[str, Any]:
            time.sleep(0.01)
            return {"a": 1}

        def bad(state: State) -> dict[str, Any]:
            raise ValueError("bad")

        graph = overlapped(
            chain({"slow": slow, "bad": bad}), declared(slow=("", "a"), bad=("", "b")), checkpointer=InMemorySaver()
        )
        with pytest.raises(ValueError, match="bad"):
            graph.invoke({}, THREAD)
        assert graph.get_state(THREAD).values == {"a": 1}

    async def test_the_recursion_limit_is_not_overrun(self) -> None:
        """Nodes beyond the recursion limit are not even started."""
        calls = Calls()
        builder = chain({key: calls.waiting(key, key) for key in "abcd"})
        graph = overlapped(builder, declared(**{key: ("", key) for key in "abcd"}))
        with pytest.raises(GraphRecursionError):
            await graph.ainvoke({}, {"recursion_limit": 2})
        assert set(calls.count) == {"a", "b"}


class TestPolicies:
    async def test_a_run_timeout_counts_from_the_early_start(self) -> None:
        """A node over its time limit times out, although it started early."""
        calls = Calls()
        builder = chain(
            {"slow": calls.waiting("slow", "a", 0.05), "late": calls.waiting("late", "b", 0.08)},
            late={"timeout": TimeoutPolicy(run_timeout=0.04)},
        )
        graph = overlapped(builder, declared(slow=("", "a"), late=("", "b")))
        with pytest.raises(NodeTimeoutError, match="late"):
            await graph.ainvoke({})

    async def test_others_can_start_during_a_node_with_a_timeout(self) -> None:
        """LangGraph guards the config of such a node; the loop is found nevertheless."""
        order: list[str] = []

        async def timed(state: State) -> dict[str, Any]:
            await asyncio.sleep(0.02)
            order.append("timed")
            return {"a": 1}

        async def quick(state: State) -> dict[str, Any]:
            order.append("quick")
            return {"b": 1}

        builder = chain({"timed": timed, "quick": quick}, timed={"timeout": 5.0})
        graph = overlapped(builder, declared(timed=("", "a"), quick=("", "b")))
        assert await graph.ainvoke({}) == {"a": 1, "b": 1}
        assert order == ["quick", "timed"]

    def test_an_idle_timeout_is_refused(self) -> None:
        """Progress is watched during the node's own turn only."""
        calls = Calls()
        builder = chain(
            {"a": calls.waiting("a", "a"), "b": calls.waiting("b", "b")}, b={"timeout": TimeoutPolicy(idle_timeout=1)}
        )
        plan = Parallel(ParallelOptions()).rewrite(GraphPlan.of(builder, effects=declared(a=("", "a"), b=("", "b"))))
        assert "idle timeout" in plan.decisions[1].reason

    async def test_a_cached_node_does_not_run_early(self) -> None:
        """Whether the cache has it is known in its turn; without a cache the policy does nothing."""
        calls = Calls()
        builder = chain(
            {"slow": calls.waiting("slow", "a"), "cached": calls.waiting("cached", "b")},
            cached={"cache_policy": CachePolicy(key_func=lambda *_, **__: "k")},
        )
        effects = declared(slow=("", "a"), cached=("", "b"))
        with_cache = overlapped(builder, effects, cache=InMemoryCache())
        for _ in range(2):
            assert await with_cache.ainvoke({}) == {"a": 1, "b": 1}
        assert calls.count["cached"] == 1
        assert await overlapped(builder, effects).ainvoke({}) == {"a": 1, "b": 1}
        assert calls.count["cached"] == 2

    async def test_a_failure_of_an_earlier_node_that_is_retried_keeps_what_is_ahead(self) -> None:
        """The retry of the first node does not repeat the second one's work."""
        calls = Calls()

        async def flaky(state: State) -> dict[str, Any]:
            calls.count["flaky"] += 1
            await asyncio.sleep(0.002)
            if calls.count["flaky"] == 1:
                raise ConnectionError
            return {"a": 1}

        policy = RetryPolicy(initial_interval=0.001, jitter=False)
        builder = chain({"flaky": flaky, "next": calls.waiting("next", "b")}, flaky={"retry_policy": policy})
        graph = overlapped(builder, declared(flaky=("", "a"), next=("", "b")))
        assert await graph.ainvoke({}) == {"a": 1, "b": 1}
        assert calls.count == {"flaky": 2, "next": 1}


class TestInterrupts:
    async def test_nothing_starts_beyond_a_breakpoint_of_the_run(self) -> None:
        """``interrupt_before`` and ``interrupt_after`` given to the run stop what would be ahead of them."""
        calls = Calls()
        builder = chain({key: calls.waiting(key, key) for key in "abc"})
        effects = declared(**{key: ("", key) for key in "abc"})
        graph = overlapped(builder, effects, checkpointer=InMemorySaver())
        await graph.ainvoke({}, THREAD, interrupt_before=["b"])
        assert calls.count == {"a": 1}
        await graph.ainvoke(None, THREAD, interrupt_after="*")
        assert calls.count == {"a": 1, "b": 1}
        assert await graph.ainvoke(None, THREAD) == {"a": 1, "b": 1, "c": 1}
        assert calls.count == {"a": 1, "b": 1, "c": 1}

    async def test_compiled_breakpoints_are_refused(self) -> None:
        """The node that the graph stops before is left in its place."""
        calls = Calls()
        builder = chain({key: calls.waiting(key, key) for key in "abc"})
        effects = declared(**{key: ("", key) for key in "abc"})
        plan = GraphPlan.of(builder, effects=effects, compile_options={"interrupt_before": ["b"]})
        reasons = {each.node: each.reason for each in Parallel(ParallelOptions()).rewrite(plan).decisions}
        assert "stops before it" in reasons["b"]

    async def test_an_interrupt_ahead_of_its_turn_happens_in_its_turn(self) -> None:
        """A node whose declaration kept its interrupt secret still interrupts and resumes as written."""

        async def ask(state: State) -> dict[str, Any]:
            return {"b": interrupt("b?")}

        calls = Calls()
        graph = overlapped(
            chain({"a": calls.waiting("a", "a"), "ask": ask}),
            declared(a=("", "a"), ask=("", "b")),
            checkpointer=InMemorySaver(),
        )
        paused = await graph.ainvoke({}, THREAD)
        assert paused["__interrupt__"][0].value == "b?"
        assert await graph.ainvoke(Command(resume=5), THREAD) == {"a": 1, "b": 5}
        assert calls.count == {"a": 1}

    async def test_tasks_of_the_functional_api_run_in_their_turn(self) -> None:
        """Calling a ``@task`` ahead of the turn gives the early work up; the task runs once, in the turn."""
        calls = Calls()

        @task
        async def part(x: int) -> int:
            calls.count["part"] += 1
            return x

        async def whole(state: State) -> dict[str, Any]:
            return {"b": await part(3)}

        graph = overlapped(
            chain({"a": calls.waiting("a", "a"), "whole": whole}), declared(a=("", "a"), whole=("", "b"))
        )
        assert await graph.ainvoke({}) == {"a": 1, "b": 3}
        assert calls.count == {"a": 1, "part": 1}

    async def test_history_is_that_of_the_plain_graph(self) -> None:
        """Checkpoints: one a node, the same values, steps and next nodes; and time travel works."""
        calls = Calls()
        builder = chain({key: calls.waiting(key, key) for key in "abc"})
        histories = []
        effects = declared(**{key: ("", key) for key in "abc"})
        for graph in (builder.compile(InMemorySaver()), overlapped(builder, effects, checkpointer=InMemorySaver())):
            await graph.ainvoke({}, THREAD)
            history = [each async for each in graph.aget_state_history(THREAD)]
            histories.append([(each.values, each.next, each.metadata) for each in history])
            fork = next(each for each in history if each.next == ("b",))
            assert await graph.ainvoke(None, fork.config) == {"a": 1, "b": 1, "c": 1}
        assert histories[0] == histories[1]


class TestWrongDeclarations:
    async def test_an_undeclared_read_gets_the_right_value(self) -> None:
        """A node that reads what it did not declare runs again in its turn, in program order."""
        calls = Calls()
        builder = chain({"a": calls.waiting("a", "a"), "b": calls.waiting("b", "b", other="a")})
        graph = overlapped(builder, declared(a=("", "a"), b=("", "b")))
        assert await graph.ainvoke({"a": 100}) == {"a": 1, "b": 2}
        assert calls.count == {"a": 1, "b": 2}

    @pytest.mark.parametrize("stream", [False, True])
    async def test_an_undeclared_write_is_seen(self, stream: bool) -> None:
        """A node that saw a value that an undeclared write changed runs again."""
        calls = Calls()

        async def liar(state: State) -> dict[str, Any]:
            calls.count["liar"] += 1
            await asyncio.sleep(0.005)
            return {"a": 1, "b": 41}

        builder = chain({"liar": liar, "reader": calls.waiting("reader", "c", other="b")})
        graph = overlapped(builder, declared(liar=("", "a"), reader=("b", "c")))
        if stream:
            parts = [part async for part in graph.astream({"b": 0}, stream_mode=["messages", "values"])]
            assert parts[-1][1] == {"a": 1, "b": 41, "c": 42}
        else:
            assert await graph.ainvoke({"b": 0}) == {"a": 1, "b": 41, "c": 42}
        assert calls.count == {"liar": 1, "reader": 2}

    def test_undeclared_reads_in_threads(self) -> None:
        """The same in a synchronous run, and hiding the refusal behind a bare ``except`` changes nothing."""
        seen: list[Any] = []

        def writer(state: State) -> dict[str, Any]:
            time.sleep(0.01)
            return {"a": 1}

        def hiding(state: State) -> dict[str, Any]:
            try:
                value = state["a"]
            except BaseException:  # noqa: BLE001 - the point of the test
                value = -1
            seen.append(value)
            return {"b": value}

        graph = overlapped(chain({"writer": writer, "hiding": hiding}), declared(writer=("", "a"), hiding=("", "b")))
        assert graph.invoke({"a": 100}) == {"a": 1, "b": 1}
        assert seen[-1] == 1


class TestOtherGraphs:
    def test_a_graph_of_another_shape_is_left_alone(self) -> None:
        """A builder subclass that adds edges as it compiles gets its plain graph."""
        calls = Calls()

        class Growing(StateGraph[Any]):
            def compile(self, *args: Any, **kwargs: Any) -> Any:
                self.add_node("extra", calls.waiting("extra", "d"))
                self.add_edge("a", "extra")
                return super().compile(*args, **kwargs)

        builder = Growing(State)
        for key in "ab":
            builder.add_node(key, calls.waiting(key, key))
        builder.add_edge(START, "a")
        builder.add_edge("a", "b")
        effects = declared(a=("", "a"), b=("", "b"))
        plan = Parallel(ParallelOptions()).rewrite(GraphPlan.of(builder, effects=effects))
        graph = plan.build()
        assert not any(isinstance(node.node, ScheduledNode) for node in graph.nodes.values())
        assert "extra" not in builder.nodes

    async def test_outside_a_run_the_node_just_works(self) -> None:
        """A scheduled node that is invoked by hand has no loop to ask."""
        calls = Calls()
        builder = chain({key: calls.waiting(key, key) for key in "ab"})
        graph = overlapped(builder, declared(a=("", "a"), b=("", "b")))
        sent: list[Any] = []
        config: Any = {"configurable": {"__pregel_send": sent.extend}}
        await graph.nodes["b"].node.ainvoke({}, config)
        async for _ in graph.nodes["b"].node.astream({}, config):
            pass
        assert [key for key, _ in sent] == ["b", "b"]


class TestEvents:
    async def test_tokens_of_an_early_node_carry_its_name(self) -> None:
        """``stream_mode="messages"`` names the node that the tokens come from."""

        class Chat(TypedDict, total=False):
            messages: Annotated[list[AnyMessage], add_messages]
            more: Annotated[list[AnyMessage], add_messages]

        models = {key: GenericFakeChatModel(messages=iter([AIMessage(f"{key} says hello")])) for key in ("one", "two")}

        def ask(name: str, key: str) -> Any:
            async def work(state: Any) -> dict[str, Any]:
                return {key: [await models[name].ainvoke("hi")]}

            return work

        builder = chain({"one": ask("one", "messages"), "two": ask("two", "more")}, Chat)
        graph = overlapped(builder, declared(one=("", "messages"), two=("", "more")))
        texts: Counter[str] = Counter()
        async for chunk, metadata in graph.astream({}, stream_mode="messages"):
            texts[metadata["langgraph_node"]] += len(chunk.text)
            assert metadata["langgraph_step"] == {"one": 1, "two": 2}[metadata["langgraph_node"]]
        assert texts == {"one": len("one says hello"), "two": len("two says hello")}

    async def test_each_node_is_one_run_in_the_callbacks(self) -> None:
        """Callback handlers see every node start and end once, with its own name and metadata."""
        calls = Calls()
        builder = chain({key: calls.waiting(key, key) for key in "abc"}, b={"metadata": {"mine": "b"}})
        graph = overlapped(builder, declared(**{key: ("", key) for key in "abc"}))
        events = [event async for event in graph.astream_events({}, version="v2")]
        starts = [event for event in events if event["event"] == "on_chain_start" and event["name"] in "abc"]
        ends = [event for event in events if event["event"] == "on_chain_end" and event["name"] in "abc"]
        assert sorted(event["name"] for event in starts) == sorted(event["name"] for event in ends) == ["a", "b", "c"]
        assert {event["name"]: event["metadata"].get("mine") for event in starts} == {"a": None, "b": "b", "c": None}

    async def test_reduced_messages_reach_a_reader_ahead(self) -> None:
        """A reader of a message list sees the early node's message, with the id that it will have in the state."""

        class Chat(TypedDict, total=False):
            messages: Annotated[list[AnyMessage], add_messages]
            seen: list[str]
            a: int

        calls = Calls()

        async def say(state: Chat) -> dict[str, Any]:
            return {"messages": [AIMessage("hello")]}

        async def read(state: Chat) -> dict[str, Any]:
            calls.count["read"] += 1
            return {"seen": [str(message.id) for message in state["messages"]]}

        builder = chain({"slow": calls.waiting("slow", "a"), "say": say, "read": read}, Chat)
        graph = overlapped(builder, declared(slow=("", "a"), say=("", "messages"), read=("messages", "seen")))
        state = await graph.ainvoke({"messages": [("user", "hi")]})
        assert state["seen"] == [message.id for message in state["messages"]]
        assert calls.count["read"] == 1
