"""A task ahead of its turn reaches nothing that would show it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph._internal._constants import CONF, CONFIG_KEY_RUNTIME
from langgraph.constants import START
from langgraph.graph import StateGraph
from langgraph.pregel.protocol import StreamProtocol
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import PregelExecutableTask
from typing_extensions import TypedDict

from optiflow.plan.dataflow.containment import contained
from optiflow.plan.dataflow.observers import hold_output
from optiflow.plan.dataflow.output import Names, Output
from optiflow.plan.dataflow.seam import NotAheadError
from optiflow.plan.speculation.bill import Bill


class State(TypedDict, total=False):
    a: int


def task(callbacks: Any = None, **configurable: Any) -> PregelExecutableTask:
    """A task as LangGraph prepares it, more or less."""
    graph = StateGraph(State).add_node("n", lambda state: {"a": 1}).add_edge(START, "n").compile()
    config: Any = {"callbacks": callbacks, "run_name": "n", "metadata": {"m": 1}, CONF: configurable}
    return PregelExecutableTask("n", {}, graph.nodes["n"].node, [], config, [], (), None, "id", ("path",))


def test_its_config_is_otherwise_the_same() -> None:
    """Handlers are told the same name and metadata."""
    before = task(x=1)
    assert contained(before, Output()).config == before.config


def test_a_witness_is_told_beside_the_others() -> None:
    """Where there are handlers, or none."""
    handler, bill = BaseCallbackHandler(), Bill()
    assert contained(task([handler]), Output(witness=bill)).config["callbacks"] == [handler, bill]
    assert contained(task(), Output(witness=bill)).config["callbacks"] == [bill]


def test_the_store_of_work_that_may_be_undone() -> None:
    """It is out of reach until the turn has come; work that is certain reaches it."""
    store, output = InMemoryStore(), Output()
    undone = contained(task(**{CONFIG_KEY_RUNTIME: Runtime(store=store)}), output, undone=True)
    certain = contained(task(**{CONFIG_KEY_RUNTIME: Runtime(store=store)}), Output())
    assert certain.config[CONF][CONFIG_KEY_RUNTIME].store is store
    reached = undone.config[CONF][CONFIG_KEY_RUNTIME].store
    with hold_output(output):
        with pytest.raises(NotAheadError, match="store"):
            reached.get(("a",), "b")
        output.release()
        assert reached.get(("a",), "b") is None


def test_what_it_streams() -> None:
    """It waits, and names the turn's task; whoever else has the writer writes at once."""
    chunks: list[Any] = []
    output = Output()
    stream = StreamProtocol(chunks.append, {"updates"})
    made = contained(task(__pregel_stream=stream, **{CONFIG_KEY_RUNTIME: Runtime(stream_writer=chunks.append)}), output)
    held = made.config[CONF]["__pregel_stream"]
    with hold_output(output):
        held((("n:id",), "updates", 1))
        made.config[CONF][CONFIG_KEY_RUNTIME].stream_writer("written")
    assert chunks == []
    held(((), "updates", "outside"))
    output.release(Names("turn"))
    assert chunks == [((), "updates", "outside"), (("n:turn",), "updates", 1), "written"]


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("saver", [None, object()])
def test_a_graph_within(undone: bool, saver: object) -> None:
    """It may run ahead if it is certain and saves nothing."""
    output = Output()
    made = contained(task(__pregel_checkpointer=saver, **{CONFIG_KEY_RUNTIME: Runtime()}), output, undone=undone)
    runtime = made.config[CONF][CONFIG_KEY_RUNTIME]
    with hold_output(output):
        if undone or saver:
            with pytest.raises(NotAheadError, match="graph within"):
                runtime.merge(Runtime(context=1))
        else:
            assert runtime.merge(Runtime(context=1)).context == 1
