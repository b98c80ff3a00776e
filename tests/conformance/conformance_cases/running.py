"""Ways to run a graph, kinds of nodes and what nodes are given."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

from conformance_cases.case import ASYNC, EVERY, INSTANT, Built, case
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import StreamWriter

from optiflow.analysis.equivalence import STREAM_MODES, Recorder

PAUSE = 0.001


class Job(TypedDict, total=False):
    text: str
    upper: str
    length: int
    note: str


def upper(state: Job) -> Job:
    time.sleep(PAUSE)
    return {"upper": state["text"].upper()}


def length(state: Job) -> Job:
    time.sleep(INSTANT)
    return {"length": len(state["text"])}


def note(state: Job) -> Job:
    time.sleep(INSTANT)
    return {"note": f"{state['upper']} {state['length']}"}


async def upper_async(state: Job) -> Job:
    await asyncio.sleep(PAUSE)
    return {"upper": state["text"].upper()}


async def length_async(state: Job) -> Job:
    await asyncio.sleep(0)
    return {"length": len(state["text"])}


def sequence(*nodes: Any, **options: Any) -> StateGraph:
    builder = StateGraph(Job, **options)
    builder.add_sequence(nodes)
    builder.add_edge(START, nodes[0][0] if isinstance(nodes[0], tuple) else nodes[0].__name__)
    return builder


TEXT = {"text": "hi"}
NOTED = {"text": "hi", "upper": "HI", "length": 2, "note": "HI 2"}


@case(input=TEXT, output=NOTED, stream_modes=(*STREAM_MODES, ("values", "custom"), ("messages", "updates")))
def every_stream_mode_alone(recorder: Recorder) -> Built:
    return sequence(upper, length, note)


@case(
    input=[TEXT, {"text": "lamp"}],
    output=[NOTED, {"text": "lamp", "upper": "LAMP", "length": 4, "note": "LAMP 4"}],
    modes=("batch", "abatch"),
)
def a_batch(recorder: Recorder) -> Built:
    return sequence(upper, length, note)


for limit in (1, 2):

    def limited(recorder: Recorder) -> Built:
        builder = sequence(upper, length, note)
        builder.add_node("beside", lambda state: {})
        builder.add_edge(START, "beside")
        return builder

    case(
        name=f"max_concurrency_{limit}",
        input=TEXT,
        output=NOTED,
        config={"max_concurrency": limit},
        concurrent=frozenset({"upper", "length", "note", "beside"}),
        # LangGraph's own synchronous stream waits for itself when only one thread is allowed.
        modes=EVERY if limit > 1 else ("invoke", *ASYNC),
    )(limited)
    case(
        name=f"a_batch_with_max_concurrency_{limit}",
        input=[TEXT] * 3,
        output=[NOTED] * 3,
        config={"max_concurrency": limit},
        modes=("batch", "abatch"),
    )(limited)


@case(input=TEXT, output=NOTED, modes=ASYNC)
def synchronous_and_asynchronous_nodes_mixed(recorder: Recorder) -> Built:
    return sequence(upper_async, length, ("wait", length_async), note)


@case(input=TEXT, output=NOTED)
def nodes_with_both_a_synchronous_and_an_asynchronous_form(recorder: Recorder) -> Built:
    return sequence(
        ("upper", RunnableLambda(upper, afunc=upper_async)),
        ("length", RunnableLambda(length, afunc=length_async)),
        note,
    )


@case(input=TEXT, output=NOTED)
def nodes_that_are_runnables(recorder: Recorder) -> Built:
    return sequence(
        ("upper", RunnableLambda(lambda state: state["text"]) | RunnableLambda(lambda text: {"upper": text.upper()})),
        ("length", RunnableParallel(length=lambda state: len(state["text"]))),
        ("note", RunnableLambda(note).with_config(run_name="noting", tags=["mine"], metadata={"kind": "note"})),
    )


def scaled(state: Job, factor: int) -> Job:
    time.sleep(INSTANT)
    return {"length": len(state["text"]) * factor}


@case(input=TEXT, output={**NOTED, "length": 6, "note": "HI 6"})
def nodes_that_are_partials(recorder: Recorder) -> Built:
    return sequence(upper, ("length", partial(scaled, factor=3)), note)


def default_factor(state: Job, *, factor: int = 4) -> Job:
    time.sleep(INSTANT)
    return {"length": len(state["text"]) * factor}


@case(input=TEXT, output={**NOTED, "length": 8, "note": "HI 8"})
def nodes_with_default_arguments(recorder: Recorder) -> Built:
    return sequence(upper, ("length", default_factor), note)


def by_config(state: Job, config: RunnableConfig) -> Job:
    time.sleep(INSTANT)
    return {"upper": f"{config['configurable']['user']}:{state['text']}"}


def by_metadata(state: Job, config: RunnableConfig) -> Job:
    time.sleep(INSTANT)
    metadata = config["metadata"]
    return {"note": f"{metadata['langgraph_node']} {metadata['langgraph_step']} {metadata['mine']}"}


def by_ambient_config(state: Job) -> Job:
    time.sleep(INSTANT)
    return {"length": len(get_config()["configurable"]["user"])}


@case(
    input=TEXT,
    output={"upper": "ada:hi", "note": "by_metadata 3 m", "length": 3},
    config={"configurable": {"user": "ada"}, "metadata": {"mine": "m"}, "tags": ["t"], "run_name": "named"},
)
def nodes_that_read_the_config(recorder: Recorder) -> Built:
    return sequence(by_config, by_ambient_config, by_metadata)


@dataclass
class Context:
    user: str
    factor: int = 2


def by_runtime(state: Job, runtime: Runtime[Context]) -> Job:
    time.sleep(INSTANT)
    return {"upper": f"{runtime.context.user}:{state['text']}"}


def by_ambient_runtime(state: Job) -> Job:
    time.sleep(INSTANT)
    return {"length": len(state["text"]) * get_runtime(Context).context.factor}


@case(input=TEXT, output={"upper": "ada:hi", "length": 6, "note": "ada:hi 6"}, context={"user": "ada", "factor": 3})
def a_context_schema(recorder: Recorder) -> Built:
    return sequence(by_runtime, by_ambient_runtime, note, context_schema=Context)


def by_writer(state: Job, writer: StreamWriter) -> Job:
    time.sleep(INSTANT)
    writer({"written": state["text"]})
    writer("twice")
    return {"upper": state["text"].upper()}


def by_ambient_writer(state: Job) -> Job:
    time.sleep(INSTANT)
    get_stream_writer()("ambient")
    return {"length": len(state["text"])}


def by_runtime_writer(state: Job, runtime: Runtime) -> Job:
    time.sleep(INSTANT)
    runtime.stream_writer(["runtime", state["upper"]])
    return {"note": "written"}


@case(
    input=TEXT,
    output={"upper": "HI", "length": 2, "note": "written"},
    stream_modes=("custom", ("custom", "updates")),
    refusals={
        "parallel": {
            "by_writer": "writer",
            "by_ambient_writer": "get_stream_writer",
            "by_runtime_writer": "stream_writer",
        }
    },
)
def nodes_that_write_to_the_stream(recorder: Recorder) -> Built:
    return sequence(by_writer, by_ambient_writer, by_runtime_writer)


def put(state: Job, store: BaseStore) -> Job:
    time.sleep(PAUSE)
    store.put(("notes",), "text", {"value": state["text"]})
    return {"upper": "stored"}


def get(state: Job, *, store: BaseStore) -> Job:
    time.sleep(INSTANT)
    item = store.get(("notes",), "text")
    return {"note": item.value["value"] if item else "MISSING"}


def put_by_runtime(state: Job, runtime: Runtime) -> Job:
    time.sleep(INSTANT)
    assert runtime.store is not None
    found = runtime.store.search(("notes",))
    return {"length": len(found)}


@case(
    input=TEXT,
    output={"upper": "stored", "note": "hi", "length": 1},
    refusals={"parallel": {"put": "store", "get": "store"}},
)
def nodes_that_share_a_store(recorder: Recorder) -> Built:
    return sequence(put, get, put_by_runtime), {"store": InMemoryStore()}


@case(input=TEXT, output={"upper": "1", "note": "1"}, refusals={"parallel": {"second": "execution_info"}})
def nodes_that_read_their_attempt(recorder: Recorder) -> Built:
    def first(state: Job, runtime: Runtime) -> Job:
        time.sleep(INSTANT)
        return {"upper": str(runtime.execution_info.node_attempt)}

    def second(state: Job, runtime: Runtime) -> Job:
        time.sleep(INSTANT)
        return {"note": str(runtime.execution_info.node_attempt)}

    return sequence(first, second)


@case(input=TEXT, output=NOTED)
def a_graph_with_bound_configuration(recorder: Recorder) -> Built:
    builder = sequence(upper, length, note)
    return builder, {"name": "My graph"}


@case(input=TEXT, output=NOTED)
def nodes_with_metadata(recorder: Recorder) -> Built:
    builder = StateGraph(Job)
    builder.add_node("upper", upper, metadata={"team": "one"})
    builder.add_node("length", length, metadata={"team": "two"})
    builder.add_node("note", note)
    builder.add_edge(START, "upper")
    builder.add_edge("upper", "length")
    builder.add_edge("length", "note")
    return builder


@case(
    input={"text": "hi"}, failure="GraphRecursionError", config={"recursion_limit": 2}, effects=("counted", "counted")
)
def a_recursion_limit_in_a_chain(recorder: Recorder) -> Built:
    def count(state: Job) -> Job:
        time.sleep(INSTANT)
        recorder.effect("counted")
        return {}

    return sequence(("a", count), ("b", count), ("c", count))


@case(input={"text": "hi"}, failure="GraphRecursionError", config={"recursion_limit": 3})
def a_recursion_limit_in_a_chain_that_could_overlap(recorder: Recorder) -> Built:
    return sequence(upper, length, note, ("again", length))


@case(input={"text": "hi", "length": 0}, failure="GraphRecursionError", config={"recursion_limit": 6})
def a_recursion_limit_in_a_loop(recorder: Recorder) -> Built:
    def longer(state: Job) -> Job:
        time.sleep(INSTANT)
        recorder.effect("longer", state["text"])
        return {"text": state["text"] + "."}

    builder = sequence(upper, length, longer)
    builder.add_edge("longer", "upper")
    return builder


@case(input=TEXT, keywords={"version": "v2"}, modes=("invoke", "ainvoke"))
def results_of_version_2(recorder: Recorder) -> Built:
    return sequence(upper, length, note)


@case(input=TEXT, output={"upper": "HI"}, keywords={"output_keys": ["upper"]})
def some_keys_asked_for(recorder: Recorder) -> Built:
    return sequence(upper, length, note)
