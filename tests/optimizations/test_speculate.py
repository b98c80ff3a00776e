"""The ``speculate`` toggle: a branch that is taken was early, one that is not leaves nothing but its tokens."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import ValidationError

from optiflow import api
from optiflow.errors import ConfigurationError
from optiflow.monitor.run_observer import RunObserver
from optiflow.optimizations.base import Decision
from optiflow.optimizations.registry import resolve
from optiflow.optimizations.speculate import Speculate, SpeculateOptions
from optiflow.plan.dataflow import observers
from optiflow.plan.dataflow.durations import BRIEF_S
from optiflow.plan.declare import effects
from optiflow.plan.graph_plan import GraphPlan

THREAD: Any = {"configurable": {"thread_id": "1"}}
PATIENCE = 5.0
"""Seconds until a test gives up waiting for what has to happen."""


class State(TypedDict, total=False):
    question: str
    kind: str
    answer: str
    rounds: int


class Model(BaseChatModel):
    """Answers at once, and reports 3 tokens of prompt and 4 of answer."""

    @property
    def _llm_type(self) -> str:
        return "model"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **settings: Any) -> ChatResult:
        usage: Any = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        answer = AIMessage(f"heard {messages[-1].text}", usage_metadata=usage, response_metadata={"model_name": "m"})
        return ChatResult(generations=[ChatGeneration(message=answer)])


MODEL = Model()


class Gate:
    """Lets the node in front of a router wait until its branch has come to a point, in either kind of run."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.log: list[str] = []

    def reach(self, state: State) -> None:
        """The branch is here."""
        self.log.append("branch")
        self.reached.set()


def graph_of(decide: Any, likely: Any, other: Any = None, route: Any = None) -> StateGraph[Any]:
    """A node, a router, and two branches, the likely one declared last."""
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("decide", decide)
    builder.add_node("other", other or plain_other)
    builder.add_node("likely", likely)
    builder.add_edge(START, "decide")
    builder.add_conditional_edges("decide", route or by_kind, ["other", "likely"])
    return builder


def by_kind(state: State) -> Literal["other", "likely"]:
    """Go where the kind says."""
    return "likely" if state["kind"] == "likely" else "other"


def plain_other(state: State) -> State:
    """The other branch."""
    print("other")
    return {"answer": MODEL.invoke("other").text}


def plain_likely(state: State) -> State:
    """The likely branch."""
    print("likely")
    return {"answer": MODEL.invoke("likely " + state["question"]).text}


def plain_decide(state: State) -> State:
    """Take the question for the kind, after a moment."""
    time.sleep(0.01)
    return {"kind": state["question"]}


@contextmanager
def speculating(
    builder: StateGraph[Any], compile_options: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[Any]:
    """The optimized graph, during a run that is counted; ``graph.figures()`` says what was counted."""
    toggle = Speculate(SpeculateOptions(**{"branch": "last", **options}))
    plan = toggle.rewrite(GraphPlan.of(builder, compile_options=compile_options))
    assert "applied" in {decision.action for decision in plan.decisions}, plan.decisions
    graph = plan.build()
    with toggle.activate() as figures:
        graph.figures = figures  # type: ignore[attr-defined]
        yield graph


def decisions(
    builder: StateGraph[Any], compile_options: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Decision]:
    """What is decided, by node or branch."""
    toggle = Speculate(SpeculateOptions(**{"branch": "last", **options}))
    plan = toggle.rewrite(GraphPlan.of(builder, compile_options=compile_options))
    return {decision.node: decision for decision in plan.decisions}


def gated(gate: Gate, *, then: str) -> Any:
    """A node in front of a router that waits until the branch behind it has begun."""

    @effects(reads=["question"], writes=["kind"])
    def decide(state: State) -> State:
        assert gate.reached.wait(PATIENCE), "the branch did not start early"
        return {"kind": then}

    return decide


def beginning(gate: Gate) -> Any:
    """A branch that asks the model and then says that it has begun."""

    @effects(reads=["question"], writes=["answer"])
    def likely(state: State) -> State:
        answer = MODEL.invoke("likely " + state["question"]).text
        print("likely")
        gate.reach(state)
        return {"answer": answer}

    return likely


class Told(BaseCallbackHandler):
    """Keeps the names of what it is told, with the texts of requests."""

    run_inline = True

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **more: Any) -> None:
        """A request."""
        self.events.append(f"asked {messages[0][-1].text} in {more['metadata']['langgraph_node']}")

    def on_llm_end(self, response: Any, **more: Any) -> None:
        """An answer."""
        self.events.append(f"answered {response.generations[0][0].text}")

    def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
        """A node, or a part of one."""
        self.events.append(f"start {more.get('name')}")

    def on_chain_end(self, outputs: Any, **more: Any) -> None:
        """Its end."""
        self.events.append("end")


class TestTheGuessIsRight:
    def test_the_branch_starts_while_the_node_runs(self) -> None:
        """In threads; its output comes in its turn, once."""
        gate = Gate()
        with speculating(graph_of(gated(gate, then="likely"), beginning(gate))) as graph:
            assert graph.invoke({"question": "q"}) == {"question": "q", "kind": "likely", "answer": "heard likely q"}
        assert gate.log == ["branch"]
        assert graph.figures() == {
            "started": 1, "right": 1, "wrong": 0, "redone": 0, "tokens_wasted": 0, "calls_wasted": 0, "calls_cut": 0,
        }  # fmt: skip

    async def test_the_branch_starts_while_the_node_runs_asynchronously(self) -> None:
        """As tasks of the event loop."""
        begun = asyncio.Event()

        @effects(reads=["question"], writes=["kind"])
        async def decide(state: State) -> State:
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
            return {"kind": "likely"}

        @effects(reads=["question"], writes=["answer"])
        async def likely(state: State) -> State:
            begun.set()
            return {"answer": (await MODEL.ainvoke("likely")).text}

        with speculating(graph_of(decide, likely)) as graph:
            assert (await graph.ainvoke({"question": "q"}))["answer"] == "heard likely"
        assert graph.figures()["right"] == 1

    def test_an_error_is_raised_in_its_turn(self) -> None:
        """What was decided before is kept."""

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            raise ValueError("likely fails")

        with speculating(graph_of(plain_decide, likely), {"checkpointer": InMemorySaver()}) as graph:
            with pytest.raises(ValueError, match="likely fails"):
                graph.invoke({"question": "likely"}, THREAD)
            assert graph.get_state(THREAD).values["kind"] == "likely"
            assert graph.get_state(THREAD).next == ("likely",)

    def test_an_observer_is_told_in_the_turn_when_it_really_was(self) -> None:
        """The model call is as long as it was and began before the node in front of it had ended."""
        gate, told = Gate(), Told()
        observer = RunObserver(time.perf_counter)
        config: Any = {"callbacks": [observer, told]}
        with speculating(graph_of(gated(gate, then="likely"), beginning(gate))) as graph:
            graph.invoke({"question": "q"}, config)
        (call,) = observer.model_calls
        spans = {span.node: span for span in observer.nodes}
        assert call.node == "likely"
        assert call.started_s < call.ended_s < spans["decide"].ended_s
        assert told.events.index("asked likely q in likely") > told.events.index("start by_kind")

    def test_events_name_the_task_of_the_turn(self) -> None:
        """The id in the metadata of a token is the one in the stream of tasks."""

        def run(graph: Any) -> tuple[set[str], set[str]]:
            tasks, tokens = set(), set()
            for mode, part in graph.stream({"question": "likely"}, stream_mode=["tasks", "messages"]):
                if mode == "tasks" and part["name"] == "likely":
                    tasks.add(f"likely:{part['id']}")
                elif mode == "messages" and part[1]["langgraph_node"] == "likely":
                    tokens.add(part[1]["langgraph_checkpoint_ns"])
            return tasks, tokens

        with speculating(graph_of(plain_decide, plain_likely)) as graph:
            tasks, tokens = run(graph)
        assert graph.figures()["right"] == 1
        assert tasks == tokens
        assert len(tasks) == 1


def everything_of(saver: Any) -> str:
    """All that a checkpointer keeps, with ids and times numbered in the order in which they appear."""
    if isinstance(saver, SqliteSaver):
        tables = ("checkpoints", "writes")
        text = str([saver.conn.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in tables])
    else:
        text = str([dict(saver.storage["1"]), dict(saver.writes), dict(saver.blobs)])
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"#{len(numbers)}")

    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "TIME", text)
    return re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", number, text)


@contextmanager
def memory_saver() -> Iterator[InMemorySaver]:
    """LangGraph's checkpointer in memory."""
    yield InMemorySaver()


@contextmanager
def sqlite_saver() -> Iterator[SqliteSaver]:
    """LangGraph's checkpointer in a database, which is in memory."""
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        yield SqliteSaver(connection)


class TestTheGuessIsWrong:
    @pytest.mark.parametrize("make", [memory_saver, sqlite_saver])
    @pytest.mark.parametrize("question", ["other", "likely"])
    def test_a_checkpointer_keeps_the_same_bytes(
        self, make: Callable[[], AbstractContextManager[Any]], question: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No pending write, blob or row of the branch that was not taken; all of the one that was."""
        # The savers add it to the versions of channels, where it is of no fixed length.
        monkeypatch.setattr("random.random", lambda: 0.5)
        builder = graph_of(plain_decide, plain_likely)
        with make() as saver, speculating(builder, {"checkpointer": saver}) as graph:
            graph.invoke({"question": question}, THREAD, durability="sync")
            kept = everything_of(saver)
        assert graph.figures()["right" if question == "likely" else "wrong"] == 1
        with make() as saver:
            builder.compile(checkpointer=saver).invoke({"question": question}, THREAD, durability="sync")
            assert kept == everything_of(saver)
        assert ("heard likely" in kept) == (question == "likely")

    def test_nobody_hears_of_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Handlers of the run, of the model and of a context, and standard output, are as without the toggle."""

        def run(wrap: Callable[[StateGraph[Any]], Any]) -> tuple[Any, ...]:
            run_told, model_told, gate = Told(), Told(), Gate()
            asking = Model(callbacks=[model_told])

            @effects(reads=["question"], writes=["answer"])
            def likely(state: State) -> State:
                print("likely")
                answer = asking.invoke("likely").text
                gate.reach(state)
                return {"answer": answer}

            def other(state: State) -> State:
                print("other")
                return {"answer": asking.invoke("other").text}

            builder = graph_of(gated(gate, then="other"), likely, other)
            if wrap is plain:
                gate.reached.set()
            with wrap(builder) as graph, get_usage_metadata_callback() as usage:
                parts = list(graph.stream({"question": "q"}, {"callbacks": [run_told]}, stream_mode="messages"))
            texts = [message.text for message, _ in parts]
            return run_told.events, model_told.events, usage.usage_metadata, texts, capsys.readouterr().out, gate.log

        @contextmanager
        def plain(builder: StateGraph[Any]) -> Iterator[Any]:
            yield builder.compile()

        *expected, never = run(plain)
        *seen, begun = run(speculating)
        assert (never, begun) == ([], ["branch"])
        assert seen == expected

    def test_the_tokens_are_counted(self) -> None:
        """Apart from the run's own."""
        gate = Gate()
        observer = RunObserver(time.perf_counter)
        with speculating(graph_of(gated(gate, then="other"), beginning(gate))) as graph:
            graph.invoke({"question": "q"}, {"callbacks": [observer]})
        assert [call.node for call in observer.model_calls] == ["other"]
        assert graph.figures() == {
            "started": 1, "right": 0, "wrong": 1, "redone": 0, "tokens_wasted": 7, "calls_wasted": 1, "calls_cut": 0,
        }  # fmt: skip

    async def test_a_coroutine_is_cancelled(self) -> None:
        """A call in flight is estimated; nothing is left when the run ends."""
        begun, cancelled = asyncio.Event(), []

        class Endless(Model):
            async def _agenerate(self, *args: Any, **settings: Any) -> ChatResult:
                begun.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.append(True)
                    raise
                raise AssertionError

        @effects(reads=["question"], writes=["kind"])
        async def decide(state: State) -> State:
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
            return {"kind": "other"}

        @effects(reads=["question"], writes=["answer"])
        async def likely(state: State) -> State:
            return {"answer": (await Endless().ainvoke("a question of some length")).text}

        with speculating(graph_of(decide, likely)) as graph:
            assert (await graph.ainvoke({"question": "q"}))["answer"] == "heard other"
        assert cancelled
        assert asyncio.all_tasks() == {asyncio.current_task()}
        figures = graph.figures()
        assert (figures["calls_wasted"], figures["calls_cut"]) == (1, 1)
        assert figures["tokens_wasted"] > 0

    def test_a_thread_stops_at_its_next_request(self) -> None:
        """It can't be cancelled, but it asks no more."""
        gate, after = Gate(), threading.Event()

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            MODEL.invoke("first")
            gate.reach(state)
            assert after.wait(PATIENCE)
            MODEL.invoke("second")
            raise AssertionError("it went on")

        @effects(reads=["question"], writes=["answer"])
        def other(state: State) -> State:
            after.set()
            return {"answer": "other"}

        with speculating(graph_of(gated(gate, then="other"), likely, other)) as graph:
            assert graph.invoke({"question": "q"})["answer"] == "other"
        # The request itself was not sent, but its event was told.
        assert graph.figures()["tokens_wasted"] >= 7
        # Nobody waits for it, and it ends by itself.
        for thread in [each for each in threading.enumerate() if each.name.startswith("optiflow:")]:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def test_an_error_stays_unheard(self) -> None:
        """A branch that fails and is not taken does no harm."""

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            raise ValueError("nobody asked")

        with speculating(graph_of(plain_decide, likely)) as graph:
            assert graph.invoke({"question": "other"})["answer"] == "heard other"
        assert graph.figures()["wrong"] == 1

    def test_the_budget_ends_it(self) -> None:
        """A loop starts no more branches once they have cost enough."""

        def decide(state: State) -> State:
            time.sleep(0.02)
            return {"rounds": state.get("rounds", 0) + 1}

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            # A branch that is known to be brief would not be started again.
            time.sleep(2 * BRIEF_S)
            return {"answer": MODEL.invoke("likely").text}

        def other(state: State) -> State:
            return {}

        builder = graph_of(decide, likely, other, lambda state: "other" if state["rounds"] < 6 else "likely")
        builder.add_edge("other", "decide")
        with speculating(builder, max_wasted_tokens=10) as graph:
            graph.invoke({"question": "q"})
        assert graph.figures()["started"] == graph.figures()["wrong"] == 2
        assert graph.figures()["tokens_wasted"] == 14
        with speculating(builder) as graph:
            graph.invoke({"question": "q"})
        assert (graph.figures()["started"], graph.figures()["right"], graph.figures()["wrong"]) == (6, 1, 5)


class TestWhatCanNotBeUndone:
    def refused(self, builder: StateGraph[Any], node: str, why: str, **options: Any) -> None:
        """The router or branch is refused for this reason."""
        decision = decisions(builder, **options)[node]
        assert decision.action == "refused"
        assert why in decision.reason

    def test_effects_outside(self) -> None:
        """A branch that writes a file is not started."""

        def likely(state: State) -> State:
            Path("likely.txt").write_text("here")
            return {}

        builder = graph_of(plain_decide, likely)
        self.refused(builder, "decide -> likely", "write_text")
        self.refused(builder, "decide", "none of its branches")

    def test_reads_of_what_is_decided(self) -> None:
        """A branch that needs the decision waits for it."""

        def likely(state: State) -> State:
            return {"answer": MODEL.invoke(state["kind"]).text}

        self.refused(graph_of(plain_decide, likely), "decide -> likely", "needs 'kind' from 'decide'")

    def test_commands(self) -> None:
        """A node that says itself where to go is not known to write nothing else."""

        def decide(state: State) -> Command[Any]:
            time.sleep(0.001)
            return Command(update={"kind": "other"}, goto="other")

        self.refused(graph_of(decide, plain_likely), "decide", "Command")

    def test_a_router_that_changes_what_it_sees(self) -> None:
        """It would change it under the hands of a branch that runs already."""

        def route(state: State) -> str:
            state["question"] = "another"
            return "other"

        self.refused(graph_of(plain_decide, plain_likely, route=route), "decide", "changes its own copy of the state")

    def test_routers_and_branches_that_win_nothing(self) -> None:
        """No time to use, or no time to win."""

        def quick(state: State) -> State:
            return {"kind": state["question"]}

        self.refused(graph_of(quick, plain_likely), "decide", "it only computes")
        self.refused(graph_of(plain_decide, quick), "decide -> likely", "it only computes")

    def test_what_the_graph_says(self) -> None:
        """Breakpoints, deferred nodes, subgraphs and step timeouts."""
        builder = graph_of(plain_decide, plain_likely)
        self.refused(builder, "decide", "the run stops after it", compile_options={"interrupt_after": ["decide"]})
        self.refused(builder, "decide -> likely", "stops before", compile_options={"interrupt_before": "*"})
        self.refused(graph_of(plain_decide, builder.compile()), "decide -> likely", "a graph of its own")
        deferred = graph_of(plain_decide, plain_likely)
        deferred.nodes["likely"].defer = True
        self.refused(deferred, "decide -> likely", "about to end")
        compiled = builder.compile()
        compiled.step_timeout = 5
        plan = Speculate(SpeculateOptions(branch="last")).rewrite(GraphPlan.of(compiled))
        assert [decision.action for decision in plan.decisions] == ["refused"]

    def test_routers_that_do_not_say_where(self) -> None:
        """Nothing is expected of a router without declared targets, unless the user names one."""
        builder = graph_of(plain_decide, plain_likely)
        (name,) = builder.branches["decide"]
        builder.branches["decide"][name] = builder.branches["decide"][name]._replace(ends=None)
        self.refused(builder, "decide", "declares no targets")
        with speculating(builder, branch={"decide": "likely"}) as graph:
            assert graph.invoke({"question": "likely"})["answer"] == "heard likely likely"
        assert graph.figures()["right"] == 1

    def test_a_router_that_only_ends(self) -> None:
        """There is nothing to start."""
        builder: StateGraph[Any] = StateGraph(State)
        builder.add_node("decide", plain_decide)
        builder.add_edge(START, "decide")
        builder.add_conditional_edges("decide", lambda state: END, [END])
        self.refused(builder, "decide", "only ends")

    def test_a_graph_without_routers(self) -> None:
        """It says so."""
        builder: StateGraph[Any] = StateGraph(State)
        builder.add_node("decide", plain_decide)
        builder.add_edge(START, "decide")
        self.refused(builder, "*", "router")

    def test_an_unknown_langchain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Events that can't be held back would show the branch."""
        monkeypatch.setattr(observers.manager, "handle_event", lambda handlers, name: None)
        self.refused(graph_of(plain_decide, plain_likely), "decide", "version of LangChain")

    def test_a_model_that_keeps_its_answers(self) -> None:
        """Those of a branch that is not taken would be found later."""
        asking = Model(cache=InMemoryCache())

        def likely(state: State) -> State:
            return {"answer": asking.invoke("likely").text}

        self.refused(graph_of(plain_decide, likely), "decide -> likely", "keeps its answers in a cache")


class TestRunsInWhichNothingStarts:
    def started(self, config: Any = None, **run: Any) -> int:
        """How many branches a run starts."""
        with speculating(graph_of(plain_decide, plain_likely)) as graph:
            assert graph.invoke({"question": "likely"}, config, **run)["answer"] == "heard likely likely"
        return int(graph.figures()["started"])

    def test_by_default_one_does(self) -> None:
        """The graph of these tests speculates."""
        assert self.started() == 1

    def test_langchains_own_cache(self) -> None:
        """It would keep answers."""
        set_llm_cache(InMemoryCache())
        try:
            assert self.started() == 0
        finally:
            set_llm_cache(None)

    def test_a_handler_that_may_raise(self) -> None:
        """It has to be asked when it happens."""
        told = Told()
        told.raise_error = True
        assert self.started({"callbacks": [told]}) == 0

    def test_max_concurrency(self) -> None:
        """The run's own limit holds."""
        assert self.started({"max_concurrency": 1}) == 0
        assert self.started({"max_concurrency": 2}) == 1

    async def test_a_stream_of_events(self) -> None:
        """It is handed the output itself as it comes."""
        with speculating(graph_of(plain_decide, plain_likely)) as graph:
            events = [event async for event in graph.astream_events({"question": "likely"}, version="v2")]
        assert events
        assert graph.figures()["started"] == 0


class TestDeclaredBranchesThatDoMore:
    def redone(self, likely: Any, **options: Any) -> Any:
        """The answer of a branch that had to be run in its turn."""
        with speculating(graph_of(plain_decide, likely), options) as graph:
            answer = graph.invoke({"question": "likely"})["answer"]
        assert graph.figures()["redone"] == 1
        return answer

    def test_the_store(self) -> None:
        """It can't be reached early."""

        @effects(reads=[], writes=["answer"])
        def likely(state: State) -> State:
            get_store().put(("a",), "b", {"c": 1})
            return {"answer": "stored"}

        store = InMemoryStore()
        assert self.redone(likely, store=store) == "stored"
        assert len(store.search(("a",))) == 1

    def test_a_graph_within(self) -> None:
        """It saves checkpoints and streams of its own."""
        inner: StateGraph[Any] = StateGraph(State)
        inner.add_node("inside", lambda state: {"answer": "inside"})
        inner.add_edge(START, "inside")
        within = inner.compile()

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            return {"answer": within.invoke({"question": "q"})["answer"]}

        assert self.redone(likely) == "inside"

    def test_a_model_whose_handler_may_raise(self) -> None:
        """It is asked in the node's turn."""
        told = Told()
        told.raise_error = True
        asking = Model(callbacks=[told])

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            return {"answer": asking.invoke("likely").text}

        assert self.redone(likely) == "heard likely"
        assert told.events == ["asked likely in likely", "answered heard likely"]


class TestAsynchronousHandlers:
    def told(self) -> tuple[AsyncCallbackHandler, list[str]]:
        """A handler of coroutines."""
        events: list[str] = []

        class Later(AsyncCallbackHandler):
            async def on_chat_model_start(self, serialized: Any, messages: Any, **more: Any) -> None:
                await asyncio.sleep(0)
                events.append(f"asked {messages[0][-1].text}")

            async def on_llm_end(self, response: Any, **more: Any) -> None:
                await asyncio.sleep(0)
                events.append("answered")

        return Later(), events

    async def test_in_an_asynchronous_run(self) -> None:
        """They are told in order."""

        async def decide(state: State) -> State:
            await asyncio.sleep(0.01)
            return {"kind": state["question"]}

        async def likely(state: State) -> State:
            return {"answer": (await MODEL.ainvoke("likely")).text}

        for question, expected in (("likely", ["asked likely", "answered"]), ("other", ["asked other", "answered"])):
            handler, events = self.told()
            with speculating(graph_of(decide, likely)) as graph:
                await graph.ainvoke({"question": question}, {"callbacks": [handler]})
            assert graph.figures()["started"] == 1
            assert events == expected

    def test_a_coroutine_inside_a_synchronous_node(self) -> None:
        """Its events are coroutines too."""
        handler, events = self.told()

        @effects(reads=["question"], writes=["answer"])
        def likely(state: State) -> State:
            return {"answer": asyncio.run(MODEL.ainvoke("likely")).text}

        with speculating(graph_of(plain_decide, likely)) as graph:
            graph.invoke({"question": "likely"}, {"callbacks": [handler]})
        assert graph.figures()["right"] == 1
        assert events == ["asked likely", "answered"]


class TestLearning:
    def run(self, builder: StateGraph[Any], *questions: str, **options: Any) -> list[int]:
        """Run the graph on each; how many branches each run started."""
        started = []
        for question in questions:
            toggle = Speculate(SpeculateOptions(**options))
            graph = toggle.rewrite(GraphPlan.of(builder)).build()
            with toggle.activate() as figures:
                graph.invoke({"question": question})
            started.append(int(figures()["started"]))
        return started

    def fresh(self, name: str) -> StateGraph[Any]:
        """A graph of a shape that no other test has."""
        builder = graph_of(plain_decide, plain_likely)
        builder.add_node(name, plain_other)
        builder.add_edge("likely", name)
        return builder

    def test_the_first_runs_only_watch(self) -> None:
        """After five of which four took the branch it is started; a run is not told by itself."""
        builder = self.fresh("watched")
        assert self.run(builder, "likely", "other", "likely", "likely", "likely") == [0] * 5
        assert self.run(builder, "likely", "other") == [1, 1]
        reason = decisions(builder, branch="auto")["decide -> likely"].reason
        assert "60% of at least 5 runs" in reason
        assert "so far 5 of 7" in reason

    def test_a_branch_that_is_taken_too_seldom(self) -> None:
        """Neither is expected."""
        builder = self.fresh("seldom")
        assert self.run(builder, *["likely", "other"] * 4, min_probability=0.7) == [0] * 8
        assert self.run(builder, "likely", min_probability=0.5) == [1]
        assert self.run(builder, "likely", min_observations=100) == [0]

    def test_failures_teach_nothing(self) -> None:
        """A node that fails decides nothing."""

        def decide(state: State) -> State:
            time.sleep(0.001)
            if state["question"] == "fail":
                raise ValueError("undecided")
            return {"kind": state["question"]}

        builder = self.fresh("failing")
        builder.nodes["decide"].runnable = StateGraph(State).add_node("decide", decide).nodes["decide"].runnable
        for _ in range(5):
            with pytest.raises(ValueError, match="undecided"):
                self.run(builder, "fail")
        assert "so far 0 of 0" in decisions(builder, branch="auto")["decide -> likely"].reason


class TestOptions:
    @pytest.mark.parametrize(
        ("branch", "message"),
        [
            ({"decid": "likely"}, "opt.speculate.branch: no router behind 'decid'; did you mean 'decide'?"),
            ({"decide": "likly"}, "opt.speculate.branch.decide: it has no branch 'likly'; did you mean 'likely'?"),
            ({"decide": END}, "opt.speculate.branch.decide: it has no branch '__end__'; known: likely, other"),
        ],
    )
    def test_names_that_the_graph_does_not_have(self, branch: dict[str, str], message: str) -> None:
        """One line that says what would be right."""
        with pytest.raises(ConfigurationError) as caught:
            decisions(graph_of(plain_decide, plain_likely), branch=branch)
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        "wrong",
        [{"branch": "middle"}, {"min_probability": 2}, {"min_observations": 0}, {"max_wasted_tokens": -1}, {"x": 1}],
    )
    def test_values_that_make_no_sense(self, wrong: dict[str, Any]) -> None:
        """They are refused, in one line by the configuration."""
        with pytest.raises(ValidationError):
            SpeculateOptions(**wrong)
        with pytest.raises(ConfigurationError, match=r"opt\.speculate\."):
            resolve({"speculate": wrong})

    def test_routers_that_are_not_named(self) -> None:
        """Only the branches that are named start early."""
        builder = graph_of(plain_decide, plain_likely, plain_decide)
        builder.add_node("third", plain_likely)
        builder.add_conditional_edges("other", lambda state: "third", ["third", END])
        told = decisions(builder, branch={"decide": "likely"})
        assert told["decide -> likely"].action == "applied"
        assert told["decide -> other"].reason == "another branch is expected"
        assert told["other"].reason == "no branch is named for it"
        assert decisions(builder, branch="first")["decide -> other"].action == "refused"
        assert decisions(builder, branch="first")["other -> third"].action == "applied"

    def test_subgraphs_are_named_by_their_path(self) -> None:
        """A router inside a node that is a graph."""
        outer: StateGraph[Any] = StateGraph(State)
        outer.add_node("inner", graph_of(plain_decide, plain_likely).compile())
        outer.add_edge(START, "inner")
        with speculating(outer, branch={"inner.decide": "likely"}) as graph:
            assert graph.invoke({"question": "likely"})["answer"] == "heard likely likely"
        assert graph.figures()["right"] == 1
        assert "inner.decide -> other" in decisions(outer, branch={"inner.decide": "likely"})

    def test_it_is_in_no_preset(self) -> None:
        """It spends tokens, so it is only ever asked for by name."""
        for preset in ("safe", "all"):
            assert "speculate" not in {toggle.name for toggle in api.toggles_of(preset)}
        assert {toggle.name for toggle in api.toggles_of(["all", "speculate"])} > {"speculate", "parallel"}


class TestBesideParallel:
    async def test_a_branch_and_the_chain_behind_it(self) -> None:
        """The branch starts with the node before the router, and what follows it with the branch."""
        order: list[str] = []
        begun = {name: asyncio.Event() for name in ("likely", "after")}

        @effects(reads=["question"], writes=["kind"])
        async def decide(state: State) -> State:
            async with asyncio.timeout(PATIENCE):
                await begun["likely"].wait()
            order.append("decided")
            return {"kind": "likely"}

        @effects(reads=["question"], writes=["answer"])
        async def likely(state: State) -> State:
            begun["likely"].set()
            async with asyncio.timeout(PATIENCE):
                await begun["after"].wait()
            order.append("likely")
            return {"answer": "likely"}

        @effects(reads=["question"], writes=["rounds"])
        async def after(state: State) -> State:
            begun["after"].set()
            return {"rounds": 1}

        builder = graph_of(decide, likely)
        builder.add_node("after", after)
        builder.add_edge("likely", "after")
        graph = api.compile(builder, {"speculate": {"branch": "last"}, "parallel": {}})
        async with asyncio.timeout(PATIENCE):
            state = await graph.ainvoke({"question": "q"})
        assert state == {"question": "q", "kind": "likely", "answer": "likely", "rounds": 1}
        assert order == ["decided", "likely"]
