"""Whoever observes a run is told of early work in its node's turn, of the same things in the same order."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import io
import logging
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypedDict

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    UsageMetadataCallbackHandler,
    adispatch_custom_event,
    dispatch_custom_event,
    get_usage_metadata_callback,
    manager,
)
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langsmith.run_trees import RunTree

from optiflow.monitor.run_observer import RunObserver
from optiflow.optimizations.parallel import Parallel, ParallelOptions
from optiflow.plan.dataflow.observers import OBSERVERS, HeldStream, hold_output
from optiflow.plan.dataflow.output import Output
from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan

PATIENCE = 5.0
"""Seconds until a test gives up waiting for what has to happen."""

KEYS = ("a", "b", "c")


class State(TypedDict, total=False):
    q: str
    a: Any
    b: Any
    c: Any


class Model(BaseChatModel):
    """Repeats what it hears, and reports 3 tokens of prompt and 4 of answer; its answers all have one id."""

    requests: list[str] = []  # noqa: RUF012 - pydantic copies it

    @property
    def _llm_type(self) -> str:
        return "model"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **settings: Any) -> ChatResult:
        self.requests.append(messages[-1].text)
        usage: Any = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        answer = AIMessage(
            f"heard {messages[-1].text}", id="one", usage_metadata=usage, response_metadata={"model_name": "m"}
        )
        return ChatResult(generations=[ChatGeneration(message=answer)])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **settings: Any
    ) -> Iterator[ChatGenerationChunk]:
        for word in ("heard ", messages[-1].text):
            chunk = ChatGenerationChunk(message=AIMessageChunk(word, id="one"))
            if run_manager:
                run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk


class Told(BaseCallbackHandler):
    """Keeps all that it is told, with ids numbered in the order in which they appear."""

    run_inline = True

    def __init__(self, sink: list[Any] | None = None) -> None:
        self.events: list[Any] = [] if sink is None else sink
        self._ids: dict[Any, int] = {}

    def _add(self, event: str, what: object, told: dict[str, Any]) -> None:
        ids = [self._ids.setdefault(told.get(each), len(self._ids)) for each in ("run_id", "parent_run_id")]
        settings = {key: _anonymous(value) for key, value in (told.get("metadata") or {}).items()}
        self.events.append((event, _anonymous(what), *ids, told.get("name"), told.get("tags"), settings))

    def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        """A node, or a part of one."""
        self._add("chain", inputs, told)

    def on_chain_end(self, outputs: Any, **told: Any) -> None:
        """Its end."""
        self._add("chain end", outputs, told)

    def on_chain_error(self, error: Any, **told: Any) -> None:
        """Its failure."""
        self._add("chain error", error, told)

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        """A request."""
        self._add("request", messages[0][-1].text, told)

    def on_llm_new_token(self, token: Any, **told: Any) -> None:
        """A part of an answer."""
        self._add("token", token, told)

    def on_llm_end(self, response: Any, **told: Any) -> None:
        """An answer."""
        self._add("answer", response.generations[0][0].text, told)

    def on_tool_start(self, serialized: Any, input_str: Any, **told: Any) -> None:
        """A tool."""
        self._add("tool", input_str, told)

    def on_tool_end(self, output: Any, **told: Any) -> None:
        """Its end."""
        self._add("tool end", output, told)

    def on_custom_event(self, name: str, data: Any, **told: Any) -> None:
        """An event of the application."""
        self._add("custom", (name, data), told)


def _anonymous(value: object) -> str:
    """A value as text, without the ids of tasks and runs."""
    return re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", str(value))


@tool
def double(number: int) -> int:
    """Twice the number."""
    print("doubles")
    return 2 * number


class Gate:
    """The first node waits here until the early work of others has come to its end, in the optimized graph."""

    def __init__(self, count: int = 1) -> None:
        self.open = False
        self._passed = threading.Semaphore(0)
        self._count = count

    def passed(self) -> None:
        """The early work is here."""
        self._passed.release()

    def wait(self) -> None:
        """Wait for it."""
        if not self.open:
            for _ in range(self._count):
                assert self._passed.acquire(timeout=PATIENCE), "nothing started early"

    async def await_(self) -> None:
        """Wait for it without keeping the event loop."""
        await asyncio.to_thread(self.wait)


def chain(*nodes: Callable[..., Any], **compile_options: Any) -> Callable[[bool], Any]:
    """Nodes named by their keys, each reading the question and writing its key; made plain or overlapped."""

    def make(overlapped: bool) -> Any:
        builder: StateGraph[Any] = StateGraph(State)
        effects = {}
        before = START
        for key, node in zip(KEYS, nodes, strict=False):
            builder.add_node(key.upper(), node)
            builder.add_edge(before, key.upper())
            before = key.upper()
            effects[before] = Effects.declared(frozenset({"q"}), frozenset({key}))
        builder.add_edge(before, END)
        if not overlapped:
            return builder.compile(**compile_options)
        plan = GraphPlan.of(builder, effects=effects, compile_options=compile_options)
        return Parallel(ParallelOptions()).rewrite(plan).build()

    return make


def sync_nodes(gate: Gate, model: Model, part: Any) -> Callable[[bool], Any]:
    """Three nodes, of which the last two do everything that somebody may observe."""

    def first(state: State) -> dict[str, Any]:
        gate.wait()
        return {"a": model.invoke("one " + state["q"]).text}

    def second(state: State) -> dict[str, Any]:
        dispatch_custom_event("mine", {"x": 1})
        get_stream_writer()("written")
        number = double.invoke({"number": 2})
        answer = model.invoke("two " + state["q"]).text
        part.invoke(answer)
        gate.passed()
        return {"b": f"{number} {answer}"}

    def third(state: State) -> dict[str, Any]:
        try:
            return {"c": "".join(piece.text for piece in model.stream("three " + state["q"]))}
        finally:
            gate.passed()

    return chain(first, second, third)


def async_nodes(gate: Gate, model: Model, part: Any) -> Callable[[bool], Any]:
    """The same as coroutines."""

    async def first(state: State) -> dict[str, Any]:
        await gate.await_()
        return {"a": (await model.ainvoke("one " + state["q"])).text}

    async def second(state: State) -> dict[str, Any]:
        await adispatch_custom_event("mine", {"x": 1})
        get_stream_writer()("written")
        number = await double.ainvoke({"number": 2})
        answer = (await model.ainvoke("two " + state["q"])).text
        await part.ainvoke(answer)
        gate.passed()
        return {"b": f"{number} {answer}"}

    async def third(state: State) -> dict[str, Any]:
        try:
            return {"c": "".join([piece.text async for piece in model.astream("three " + state["q"])])}
        finally:
            gate.passed()

    return chain(first, second, third)


MODES: tuple[Any, ...] = (None, "messages", "custom", ["updates", "messages", "custom"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("kind", "asynchronous"), [(sync_nodes, False), (sync_nodes, True), (async_nodes, True)])
def test_everybody_is_told_the_same_in_the_same_order(
    kind: Callable[..., Any], asynchronous: bool, mode: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Handlers of the run, a model, a tool and a context, listeners, streams and standard output, together."""

    def run(overlapped: bool) -> tuple[Any, ...]:
        gate, everything = Gate(2), list[Any]()
        gate.open = not overlapped
        told, on_model = Told(everything), Told(everything)
        part = RunnableLambda(str.upper).with_listeners(on_end=lambda run: everything.append(("heard", run.name)))
        graph = kind(gate, Model(callbacks=[on_model]), part)(overlapped)
        config: Any = {"callbacks": [told], "tags": ["t"], "metadata": {"m": 1}}

        def stream() -> list[Any]:
            return [_anonymous(piece) for piece in graph.stream({"q": "?"}, config, stream_mode=mode)]

        async def astream() -> list[Any]:
            return [_anonymous(piece) async for piece in graph.astream({"q": "?"}, config, stream_mode=mode)]

        with get_usage_metadata_callback() as usage:
            if mode is None:
                given: Any = {"q": "?"}, config
                ran = asyncio.run(graph.ainvoke(*given)) if asynchronous else graph.invoke(*given)
            else:
                ran = asyncio.run(astream()) if asynchronous else stream()
        return ran, everything, usage.usage_metadata, capsys.readouterr()

    assert run(True) == run(False)


class Counter(BaseCallbackHandler):
    """Adds up tokens."""

    def __init__(self) -> None:
        self.total = 0

    def on_llm_end(self, response: Any, **told: Any) -> None:
        """An answer."""
        self.total += response.generations[0][0].message.usage_metadata["total_tokens"]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("counter", [Counter, UsageMetadataCallbackHandler])
def test_a_node_between_reads_the_tokens_so_far(counter: type[Any], asynchronous: bool) -> None:
    """What a handler has counted when a node reads it has nothing of the nodes behind."""
    gate, counting, model = Gate(), counter(), Model()
    totals: list[Any] = []

    def first(state: State) -> dict[str, Any]:
        gate.wait()
        return {"a": model.invoke("one").text}

    def between(state: State) -> dict[str, Any]:
        totals.append(counting.total if isinstance(counting, Counter) else counting.usage_metadata["m"]["total_tokens"])
        return {"b": 0}

    def last(state: State) -> dict[str, Any]:
        answer = model.invoke("three").text
        gate.passed()
        return {"c": answer}

    effects = {
        "A": Effects.declared(frozenset(), frozenset({"a"})),
        # It is known what it writes, and it has its turn.
        "B": Effects(None, frozenset({"b"}), touches_outside=True, source="unknown", reason="it reads a counter"),
        "C": Effects.declared(frozenset(), frozenset({"c"})),
    }
    plan = GraphPlan.of(chain(first, between, last)(False).builder, effects=effects)
    graph = Parallel(ParallelOptions()).rewrite(plan).build()
    config: Any = {"callbacks": [counting]}
    state = asyncio.run(graph.ainvoke({"q": ""}, config)) if asynchronous else graph.invoke({"q": ""}, config)
    assert state["c"] == "heard three"
    assert totals == [7]


def told_in_turn(second: Callable[[State], Any], *, reason: str = "", config: Any = None, **options: Any) -> list[str]:
    """Run a graph whose second node can't be ahead of its turn; the requests that were sent, once each."""
    model = Model()

    def first(state: State) -> dict[str, Any]:
        # Time for the second to begin, which it does in vain.
        time.sleep(0.01)
        return {"a": model.invoke("one").text}

    graph = chain(first, second, **options)(True)
    graph.invoke({"q": "?"}, {"callbacks": [*(config or ())], "configurable": {"thread_id": "1"}})
    return model.requests


class TestWhatCannotBeHeldBack:
    def test_a_handler_that_may_raise(self) -> None:
        """One of the run keeps everything in its place, one of a model the nodes that ask it."""
        for on_model in (False, True):
            order: list[Any] = []

            class Strict(BaseCallbackHandler):
                raise_error = True

                def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
                    order.append(messages[0][-1].text)  # noqa: B023

            strict = Strict()
            model = Model(callbacks=[strict] if on_model else None)

            def first(state: State) -> dict[str, Any]:
                time.sleep(0.01)
                order.append("first")  # noqa: B023
                return {"a": 1}

            def second(state: State) -> dict[str, Any]:
                return {"b": model.invoke("second").text}  # noqa: B023

            graph = chain(first, second)(True)
            graph.invoke({"q": ""}, {"callbacks": [] if on_model else [strict]})
            assert order == ["first", "second"]
            assert model.requests == ["second"]

    def test_a_handler_of_the_nodes_own(self) -> None:
        """The node reads it at once, as the documentation of LangChain shows."""
        model = Model()
        counter = UsageMetadataCallbackHandler

        def with_context(state: State) -> dict[str, Any]:
            with get_usage_metadata_callback() as usage:
                model.invoke("two")
            return {"b": usage.usage_metadata["m"]["total_tokens"]}

        def with_config(state: State) -> dict[str, Any]:
            own = counter()
            model.invoke("three", {"callbacks": [own]})
            return {"c": own.usage_metadata["m"]["total_tokens"]}

        def with_listener(state: State) -> dict[str, Any]:
            seen: list[str] = []
            RunnableLambda(str.upper).with_listeners(on_end=lambda run: seen.append(run.name)).invoke("x")
            return {"b": len(seen)}

        def first(state: State) -> dict[str, Any]:
            time.sleep(0.01)
            return {"a": 1}

        assert chain(first, with_context, with_config)(True).invoke({"q": ""}) == {"q": "", "a": 1, "b": 7, "c": 7}
        assert model.requests == ["two", "three"]
        assert chain(first, with_listener)(True).invoke({"q": ""})["b"] == 1

    def test_langchains_cache(self) -> None:
        """The second of two equal requests is answered from it, as in program order."""
        model = Model()

        def ask(key: str) -> Callable[[State], dict[str, Any]]:
            def node(state: State) -> dict[str, Any]:
                time.sleep(0.01)
                return {key: model.invoke("same").text}

            return node

        for name in "as soon as it is set", "before":
            graph = chain(ask("a"), ask("b"))(True)
            set_llm_cache(InMemoryCache())
            try:
                graph.invoke({"q": name})
            finally:
                set_llm_cache(None)
        assert model.requests == ["same", "same"]

    def test_a_cache_that_is_set_meanwhile(self) -> None:
        """The request is not sent ahead."""
        model, gate, ahead = Model(), Gate(), threading.current_thread()
        threads: list[Any] = []

        def first(state: State) -> dict[str, Any]:
            set_llm_cache(InMemoryCache())
            gate.passed()
            return {"a": 1}

        def second(state: State) -> dict[str, Any]:
            gate.wait()
            gate.passed()
            answer = model.invoke("two").text
            threads.append(threading.current_thread())
            return {"b": answer}

        try:
            chain(first, second)(True).invoke({"q": ""})
        finally:
            set_llm_cache(None)
        assert model.requests == ["two"]
        assert threads == [ahead] or not threads[0].name.startswith("optiflow:")

    async def test_a_stream_of_events(self) -> None:
        """Its handler sees the output itself, so that nothing is ahead."""
        order: list[str] = []

        async def first(state: State) -> dict[str, Any]:
            await asyncio.sleep(0.01)
            order.append("first")
            return {"a": 1}

        async def second(state: State) -> dict[str, Any]:
            order.append("second")
            return {"b": 1}

        assert [event async for event in chain(first, second)(True).astream_events({"q": ""}, version="v2")]
        assert order == ["first", "second"]

    def test_a_graph_that_saves(self) -> None:
        """Its checkpoints are under the task of the turn; without a checkpointer it may run ahead."""
        for saver in (InMemorySaver(), None):
            ran: list[str] = []

            def inside(state: State) -> dict[str, Any]:
                ran.append(threading.current_thread().name)  # noqa: B023
                get_stream_writer()("inside")
                return {"b": 1}

            within = StateGraph(State).add_node("inside", inside).add_edge(START, "inside").compile()

            def first(state: State) -> dict[str, Any]:
                time.sleep(0.02)
                return {"a": 1}

            def second(state: State) -> dict[str, Any]:
                return {"b": within.invoke({"q": ""})["b"]}  # noqa: B023

            make = chain(first, second, checkpointer=saver)
            pieces = []
            for overlapped in (False, True):
                config: Any = {"configurable": {"thread_id": str(overlapped)}}
                stream = make(overlapped).stream({"q": ""}, config, stream_mode=["custom", "updates"], subgraphs=True)
                pieces.append([_anonymous(piece) for piece in stream])
            assert pieces[0] == pieces[1]
            assert len(ran) == 2

    def test_tools_that_write_to_the_stream_of_tools(self) -> None:
        """LangGraph's handler lends them the stream for as long as they run."""
        requests = told_in_turn(lambda state: {"b": double.invoke({"number": 2})})
        assert requests == ["one"]

        def first(state: State) -> dict[str, Any]:
            time.sleep(0.01)
            return {"a": 1}

        def second(state: State) -> dict[str, Any]:
            return {
                "b": double.invoke(
                    {"number": 2, "id": "1", "type": "tool_call", "name": "double", "args": {"number": 2}}
                )
            }

        made = chain(first, second)
        plain, seen = (
            [_anonymous(piece) for piece in made(each).stream({"q": ""}, stream_mode="tools")] for each in (False, True)
        )
        assert seen == plain
        assert len(seen) == 2

    def test_output_redirected_by_the_node(self) -> None:
        """It reads what it has printed."""

        def second(state: State) -> dict[str, Any]:
            with contextlib.redirect_stdout(io.StringIO()) as text:
                print("mine")
            return {"b": text.getvalue()}

        def first(state: State) -> dict[str, Any]:
            time.sleep(0.01)
            return {"a": 1}

        assert chain(first, second)(True).invoke({"q": ""})["b"] == "mine\n"

    def test_runs_told_to_langsmith(self) -> None:
        """By functions that are traced, not by LangChain."""
        output = Output()
        run = RunTree(name="x")
        with hold_output(output), pytest.raises(BaseException, match="LangSmith"):
            run.post()
        assert output.refusal

    @pytest.mark.parametrize("what", ["event", "print", "log", "stream"])
    def test_a_node_that_reads_what_its_observers_might_change(self, what: str) -> None:
        """The first thing that it tells anybody ends its early work; OptiFlow's own observer changes nothing."""
        output = Output(unsteady="it reads a counter")
        observer = RunObserver(time.perf_counter)
        tell: dict[str, Callable[[], Any]] = {
            "event": lambda: manager.CallbackManager([observer, Told()]).on_chain_start({}, {}, name="x"),
            "print": lambda: print("x"),
            "log": lambda: logging.getLogger("x").warning("x"),
            "stream": lambda: sys.stderr.write("x"),
        }
        with hold_output(output):
            manager.CallbackManager([observer]).on_chain_start({}, {}, name="x")
            with pytest.raises(BaseException, match="it reads a counter"):
                tell[what]()
        assert output.refusal == "it reads a counter"


def test_an_unknown_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events can't be held back, so nothing is ahead."""
    monkeypatch.setattr(manager, "ahandle_event", lambda handlers, name: None)
    builder = chain(lambda state: {"a": 1}, lambda state: {"b": 1})(False).builder
    plan = Parallel(ParallelOptions()).rewrite(GraphPlan.of(builder))
    assert {decision.action for decision in plan.decisions} == {"refused"}
    assert all("version of LangChain" in decision.reason for decision in plan.decisions)


class TestPatches:
    def functions(self) -> list[object]:
        """What is replaced while there is early work."""
        show, enter = warnings._showwarnmsg, contextlib.redirect_stdout.__enter__  # type: ignore[attr-defined]
        functions: list[object] = [builtins.print, sys.stdout, sys.stderr, logging.Logger.handle, show, enter]
        return [*functions, manager.handle_event, manager.ahandle_event, RunTree.post, RunTree.patch]

    def test_they_go_with_the_last_early_work(self) -> None:
        """Also when the blocks end in another order than they began."""
        before = self.functions()
        first, second = hold_output(Output()), hold_output(Output())
        contexts = [threading.Event(), threading.Event()]

        def hold(block: Any, entered: threading.Event, leave: threading.Event) -> None:
            with block:
                entered.set()
                assert leave.wait(PATIENCE)

        leave = [threading.Event(), threading.Event()]
        threads = [
            threading.Thread(target=hold, args=each) for each in zip((first, second), contexts, leave, strict=True)
        ]
        for thread, entered in zip(threads, contexts, strict=True):
            thread.start()
            assert entered.wait(PATIENCE)
        assert all(now is not then for now, then in zip(self.functions(), before, strict=True))
        leave[0].set()
        threads[0].join()
        assert self.functions() != before
        leave[1].set()
        threads[1].join()
        assert all(now is then for now, then in zip(self.functions(), before, strict=True))

    def test_a_run_leaves_nothing_behind(self) -> None:
        """Nor does one that fails."""
        before = self.functions()

        def first(state: State) -> dict[str, Any]:
            time.sleep(0.01)
            raise ValueError("first fails")

        def second(state: State) -> dict[str, Any]:
            print("never")
            return {"b": 1}

        with pytest.raises(ValueError, match="first fails"):
            chain(first, second)(True).invoke({"q": ""})
        wait_until(lambda: not OBSERVERS._holders)
        assert all(now is then for now, then in zip(self.functions(), before, strict=True))

    def test_somebody_elses_patch_stays(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Made meanwhile, it is kept, and what is below it only passes calls on."""
        plain, output = builtins.print, Output()
        try:
            with hold_output(output):
                inner = builtins.print
                builtins.print = lambda *values, **how: inner("other", *values, **how)
                print("held")
            assert capsys.readouterr().out == ""
            print("after")
            assert capsys.readouterr().out == "other after\n"
            output.release()
            assert capsys.readouterr().out == "other held\n"
        finally:
            builtins.print = plain


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for threads that nobody joins."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class TestStandardStreams:
    def test_whoever_writes_to_them(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Functions that were taken before the early work began write to the streams as well."""
        output, own_print = Output(), print
        with hold_output(output):
            own_print("a")
            sys.stdout.write("b\n")
            sys.stdout.writelines(["c\n", "d\n"])
            sys.stdout.flush()
            sys.stderr.write("e\n")
            assert isinstance(sys.stdout, io.TextIOBase)
            with pytest.raises(TypeError):
                sys.stdout.write(1)  # type: ignore[call-overload]
        assert capsys.readouterr() == ("", "")
        output.release()
        assert capsys.readouterr() == ("a\nb\nc\nd\n", "e\n")

    def test_others_write_through(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A stream that somebody took meanwhile is what it stands for."""
        with hold_output(Output()):
            taken = sys.stdout
        assert isinstance(taken, HeldStream)
        taken.write("x")
        taken.flush()
        assert taken.writable()
        assert capsys.readouterr().out == "x"
        assert iter(HeldStream("stdin", io.StringIO("line"))).__next__() == "line"

    def test_a_stream_that_was_taken_before(self, capsys: pytest.CaptureFixture[str]) -> None:
        """``print`` knows it."""
        output, taken = Output(), sys.stderr
        with hold_output(output):
            print("x", file=taken)
        assert capsys.readouterr().err == ""
        output.release()
        assert capsys.readouterr().err == "x\n"

    def test_warnings(self) -> None:
        """They are recorded in the node's turn."""
        output = Output()
        with warnings.catch_warnings(record=True) as recorded:
            warnings.simplefilter("always")
            with hold_output(output):
                warnings.warn("early", stacklevel=1)
            warnings.warn("before", stacklevel=1)
            output.release()
            warnings.warn("after", stacklevel=1)
        assert [str(each.message) for each in recorded] == ["before", "early", "after"]


user: ContextVar[str] = ContextVar("user", default="nobody")


class TestHandlers:
    async def test_coroutines_are_awaited_in_order(self) -> None:
        """In the node's turn, one after another, on the run's own loop."""
        events: list[Any] = []
        loop = asyncio.get_running_loop()

        class Later(AsyncCallbackHandler):
            async def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
                await asyncio.sleep(0)
                events.append((messages[0][-1].text, asyncio.get_running_loop() is loop))

            async def on_llm_end(self, response: Any, **told: Any) -> None:
                await asyncio.sleep(0)
                events.append((response.generations[0][0].text, asyncio.get_running_loop() is loop))

        gate, model = Gate(2), Model()
        await async_nodes(gate, model, RunnableLambda(str.upper))(True).ainvoke({"q": "?"}, {"callbacks": [Later()]})
        texts = ["one ?", "heard one ?", "two ?", "heard two ?", "three ?", "heard three ?"]
        assert events == [(text, True) for text in texts]

    async def test_a_plain_node_of_an_asynchronous_run_tells_in_a_thread(self) -> None:
        """A handler that takes its time must not keep the event loop."""
        threads: list[bool] = []

        class Slow(Told):
            def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
                threads.append(threading.current_thread() is threading.main_thread())

        gate = Gate(2)
        graph = sync_nodes(gate, Model(), RunnableLambda(str.upper))(True)
        await graph.ainvoke({"q": "?"}, {"callbacks": [Slow()]})
        assert threads == [False] * 3

    def test_one_that_fails_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """As LangChain does it, in the node's turn; the node goes on."""

        class Failing(BaseCallbackHandler):
            def on_custom_event(self, name: str, data: Any, **told: Any) -> None:
                raise ValueError("handler fails")

        gate = Gate(2)
        graph = sync_nodes(gate, Model(), RunnableLambda(str.upper))(True)
        assert graph.invoke({"q": "?"}, {"callbacks": [Failing()]})["b"] == "4 heard two ?"
        assert [record.message for record in caplog.records if "handler fails" in record.message]

    def test_they_see_what_the_node_has_bound(self) -> None:
        """Context variables of the node, and those that they have set themselves."""
        mine: ContextVar[int] = ContextVar("mine", default=0)

        def run(overlapped: bool) -> list[Any]:
            gate, seen = Gate(), list[Any]()
            gate.open = not overlapped

            class Binding(BaseCallbackHandler):
                run_inline = True

                def on_custom_event(self, name: str, data: Any, **told: Any) -> None:
                    seen.append((name, user.get(), mine.get()))
                    mine.set(mine.get() + 1)

            def first(state: State) -> dict[str, Any]:
                gate.wait()
                return {"a": 1}

            def second(state: State) -> dict[str, Any]:
                dispatch_custom_event("before", None)
                token = user.set("node")
                dispatch_custom_event("inside", None)
                user.reset(token)
                dispatch_custom_event("after", None)
                gate.passed()
                return {"b": 1}

            user.set("caller")
            chain(first, second)(overlapped).invoke({"q": ""}, {"callbacks": [Binding()]})
            return seen

        assert run(True) == run(False) == [("before", "caller", 0), ("inside", "node", 1), ("after", "caller", 2)]

    def test_they_see_arguments_as_they_were(self) -> None:
        """What the node changes in place afterwards, a list or a message, was told as it stood."""

        def run(overlapped: bool) -> list[Any]:
            gate, told, model = Gate(), Told(), Model()
            gate.open = not overlapped
            part = RunnableLambda(lambda messages: model.invoke(messages))

            def first(state: State) -> dict[str, Any]:
                gate.wait()
                return {"a": 1}

            def second(state: State) -> dict[str, Any]:
                messages: list[Any] = ["hello"]
                answer = part.invoke(messages)
                messages.append("more")
                answer.content = "changed"
                gate.passed()
                return {"b": answer.content}

            chain(first, second)(overlapped).invoke({"q": ""}, {"callbacks": [told]})
            return told.events

        assert run(True) == run(False)

    def test_work_that_is_thrown_away_is_never_told(self) -> None:
        """The node tells what it does in its turn, once."""
        told, gate, model = Told(), Gate(), Model()

        def first(state: State) -> dict[str, Any]:
            gate.wait()
            return {"a": 1, "q": "changed"}

        def second(state: State) -> dict[str, Any]:
            answer = model.invoke(state["q"]).text
            gate.passed()
            return {"b": answer}

        graph = chain(first, second)(True)
        assert graph.invoke({"q": "?"}, {"callbacks": [told]})["b"] == "heard changed"
        assert [event[1] for event in told.events if event[0] == "request"] == ["changed"]

    def test_what_a_thread_says_after_the_turn_is_told_at_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing waits for a turn that has been."""
        output, told = Output(), Told()
        with hold_output(output):
            output.release()
            print("late")
            logging.getLogger("x").warning("late")
            sys.stdout.write("later\n")
            manager.CallbackManager([told]).on_chain_start({}, {}, name="x")
            with contextlib.redirect_stdout(io.StringIO()):
                print("redirected")
        assert capsys.readouterr().out == "late\nlater\n"
        assert len(told.events) == 1
