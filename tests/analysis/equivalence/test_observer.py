from __future__ import annotations

import asyncio
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from optiflow.analysis.equivalence import Effect, Failure, Mode, Observer, Recorder, first_difference, observe

EVERY: tuple[Mode, ...] = ("invoke", "ainvoke", "stream", "astream", "astream_events")


class State(TypedDict, total=False):
    x: int
    log: Annotated[list[str], operator.add]


def a(state: State) -> State:
    """Count."""
    return {"x": state["x"] + 1, "log": ["a"]}


def b(state: State) -> State:
    """Ask."""
    return {"x": state["x"] * interrupt("how much?"), "log": ["b"]}


def fails(state: State) -> State:
    """Fail."""
    raise ValueError("no")


def graph(*nodes: Any, **options: Any) -> Any:
    """A chain."""
    builder = StateGraph(State)
    builder.add_sequence(list(nodes))
    builder.add_edge(START, nodes[0] if isinstance(nodes[0], str) else nodes[0].__name__)
    return builder.compile(**options)


def nested(inner: Any, **options: Any) -> Any:
    """A graph whose only node is a graph."""
    builder = StateGraph(State)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    return builder.compile(**options)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
def test_the_output_is_the_same_by_every_method(mode: Mode) -> None:
    """A stream's output is the last state that it showed."""
    (turn,) = observe(graph(a), {"x": 1}, mode=mode).turns
    assert turn.output == {"x": 2, "log": ["a"]}
    assert turn.failure is None


@pytest.mark.parametrize("mode", ["batch", "abatch"])
def test_a_batch_takes_and_gives_a_list(mode: Mode) -> None:
    """Several inputs are one call."""
    (turn,) = observe(graph(a), [{"x": 1}, {"x": 2}], mode=mode).turns
    assert turn.output == [{"x": 2, "log": ["a"]}, {"x": 3, "log": ["a"]}]


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
def test_interrupts_are_answered_in_turn(mode: Mode) -> None:
    """Each turn shows its interrupts; an answer may be made from them."""
    seen = observe(
        graph(a, b, checkpointer=InMemorySaver()),
        {"x": 1},
        mode=mode,
        resumes=(lambda interrupts: {interrupts[0].id: 5},),
    )
    assert [turn.interrupts for turn in seen.turns] == [("how much?",), ()]
    assert [turn.output for turn in seen.turns] == [{"x": 2, "log": ["a"]}, {"x": 10, "log": ["a", "b"]}]


def test_an_interrupt_is_seen_whatever_is_streamed() -> None:
    """Updates alone show it too."""
    seen = observe(
        graph(a, b, checkpointer=InMemorySaver()), {"x": 1}, mode="stream", stream_modes="updates", resumes=(5,)
    )
    assert [turn.interrupts for turn in seen.turns] == [("how much?",), ()]


@pytest.mark.parametrize("mode", EVERY)
def test_a_failure_is_seen_with_its_node(mode: Mode) -> None:
    """Whatever is raised is observed, not raised."""
    (turn,) = observe(graph(a, fails), {"x": 1}, mode=mode).turns
    assert turn.failure == Failure("builtins.ValueError", "no", "fails")


def test_a_failure_in_a_subgraph_names_the_innermost_node() -> None:
    """The graphs around it are not where it was raised."""
    (turn,) = observe(nested(graph(fails)), {"x": 1}).turns
    assert turn.failure is not None
    assert turn.failure.node == "fails"


def test_a_failure_of_langgraph_itself_has_no_node() -> None:
    """A recursion limit is nobody's error."""
    (turn,) = observe(graph(a, fails), {"x": 1}, config={"recursion_limit": 1}).turns
    assert turn.failure is not None
    assert turn.failure.type == "langgraph.errors.GraphRecursionError"
    assert turn.failure.node is None


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_history_and_state_are_seen_with_a_checkpointer(mode: Mode) -> None:
    """Oldest first, with what was written in which order."""
    seen = observe(graph(a, b, checkpointer=InMemorySaver()), {"x": 1}, mode=mode)
    assert [(each.source, each.next) for each in seen.checkpoints] == [
        ("input", ("__start__",)),
        ("loop", ("a",)),
        ("loop", ("b",)),
    ]
    assert seen.checkpoints[1].writes == (("x", 2), ("log", ["a"]))
    assert isinstance(seen.state, dict)
    assert seen.state["next"] == ["b"]
    assert seen.state["tasks"] == [
        {"name": "b", "error": None, "interrupts": ["how much?"], "result": None, "state": False}
    ]


def test_without_a_checkpointer_there_is_no_history() -> None:
    """Nothing is kept, so nothing is asked for."""
    seen = observe(graph(a), {"x": 1})
    assert seen.state is None
    assert seen.checkpoints == ()


def test_several_writes_of_one_task_are_told_apart() -> None:
    """LangGraph folds them; the history unfolds them."""

    def twice(state: State) -> Any:
        return [{"log": ["one"]}, Command(update={"log": ["two"]})]

    seen = observe(graph(twice, checkpointer=InMemorySaver()), {"x": 1})
    assert seen.checkpoints[1].writes == (("log", ["one"]), ("log", ["two"]))


def test_a_state_of_one_channel_has_no_writes_by_key() -> None:
    """A root state's updates have no names."""

    def append(state: list[int]) -> list[int]:
        return [2]

    builder = StateGraph(Annotated[list, operator.add])
    builder.add_node("append", append)
    builder.add_edge(START, "append")
    seen = observe(builder.compile(checkpointer=InMemorySaver()), [1])
    assert seen.turns[0].output == [1, 2]
    assert seen.checkpoints[1].writes == ()


def test_states_of_interrupted_subgraphs_are_seen() -> None:
    """The state of a graph that waits inside of a node is part of the state."""
    seen = observe(nested(graph(a, b), checkpointer=InMemorySaver()), {"x": 1})
    assert isinstance(seen.state, dict)
    tasks: Any = seen.state["tasks"]
    assert tasks[0]["state"]["values"] == {"x": 2, "log": ["a"]}


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_a_state_that_can_not_be_read_is_an_observation(mode: Mode) -> None:
    """Two nodes wrote one key at once: LangGraph raises whenever the state is asked for."""

    def also(state: State) -> State:
        return {"x": 0}

    builder = StateGraph(State)
    for node in (a, also):
        builder.add_node(node)
        builder.add_edge(START, node.__name__)
    seen = observe(builder.compile(checkpointer=InMemorySaver()), {"x": 1}, mode=mode)
    assert isinstance(seen.state, dict)
    failure: Any = seen.state["failure"]
    assert failure["type"] == "langgraph.errors.InvalidUpdateError"


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
def test_time_travel(mode: Mode) -> None:
    """A thread can be changed, gone on with and replayed from any checkpoint."""
    with Observer(graph(a, fails, checkpointer=InMemorySaver()), mode=mode) as observer:
        observer.run({"x": 1})
        observer.update_state({"x": 7}, as_node="fails")
        observer.update_state({"x": 5}, at=lambda snapshot: snapshot.next == ("fails",))
        turn = observer.run(None, at=lambda snapshot: snapshot.next == ("a",))
        assert turn.failure is not None
        with pytest.raises(LookupError, match="no checkpoint of thread 'observed' is accepted"):
            observer.run(None, at=lambda snapshot: False)
        seen = observer.finish()
    assert len(seen.turns) == 4
    assert [each.source for each in seen.checkpoints].count("update") == 2


def test_a_change_that_langgraph_refuses_is_a_failure() -> None:
    """An unknown node can't have written."""
    with Observer(graph(a, checkpointer=InMemorySaver())) as observer:
        turn = observer.update_state({"x": 1}, as_node="nobody")
    assert turn.failure is not None
    assert turn.failure.type == "langgraph.errors.InvalidUpdateError"


def test_model_requests_are_seen_through_callbacks() -> None:
    """With the node that asked; not without callbacks."""

    def ask(state: MessagesState) -> Any:
        return {"messages": [FakeListChatModel(responses=["yes"]).invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node(ask)
    builder.add_edge(START, "ask")
    compiled = builder.compile()
    seen = observe(compiled, {"messages": ["hi"]})
    assert [(request.node, request.prompt) for request in seen.model_requests] == [("ask", "HumanMessage: hi")]
    assert observe(compiled, {"messages": ["hi"]}, callbacks=False).model_requests == ()


def test_the_users_own_configuration_holds() -> None:
    """Thread, metadata, context and further keywords reach the graph."""

    def look(state: State, config: RunnableConfig) -> State:
        return {"log": [config["configurable"]["thread_id"], config["metadata"]["mine"]]}

    seen = observe(
        graph(look, checkpointer=InMemorySaver()),
        {"x": 1},
        config={"configurable": {"thread_id": "7"}, "metadata": {"mine": "m"}},
        keywords={"durability": "exit"},
    )
    assert seen.turns[0].output == {"x": 1, "log": ["7", "m"]}
    assert len(seen.checkpoints) == 1


@pytest.mark.parametrize("mode", ["stream", "astream"])
@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize("modes", ["updates", ("updates", "values")])
def test_streams_of_every_shape_are_read(mode: Mode, subgraphs: bool, modes: str | Sequence[str]) -> None:
    """LangGraph gives items of four shapes."""
    (turn,) = observe(nested(graph(a)), {"x": 1}, mode=mode, stream_modes=modes, subgraphs=subgraphs).turns
    updates = [(event.namespace, event.node) for event in turn.events if event.mode == "updates"]
    assert updates == [*([(("inner",), "a")] if subgraphs else []), ((), "inner")]
    assert turn.output == (None if modes == "updates" else {"x": 2, "log": ["a"]})


def test_every_stream_mode_has_its_events() -> None:
    """What an event tells is apart from where it is, and nothing in it is an accident."""

    def speak(state: MessagesState) -> Any:
        get_stream_writer()("custom")
        return {"messages": [AIMessage("hello")]}

    def play() -> Any:
        builder = StateGraph(MessagesState)
        builder.add_node(speak)
        builder.add_edge(START, "speak")
        return observe(builder.compile(checkpointer=InMemorySaver()), {"messages": ["hi"]}, mode="stream")

    seen = play()
    by_mode = {event.mode: event for event in seen.turns[0].events}
    assert set(by_mode) == {"values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"}
    assert by_mode["tasks"].node == by_mode["updates"].node == by_mode["messages"].node == "speak"
    assert by_mode["values"].node is by_mode["custom"].node is None
    assert by_mode["checkpoints"].position == {"source": "loop", "step": 1}
    assert by_mode["custom"].body == "custom"
    assert first_difference(seen, play()) is None


def test_events_of_astream_events_are_read() -> None:
    """Name, node, data and depth; no run ids."""
    (turn,) = observe(graph(a), {"x": 1}, mode="astream_events").turns
    starts = [event for event in turn.events if event.body["event"] == "on_chain_start"]  # type: ignore[index,call-overload]
    assert [(event.node, event.position) for event in starts[:1]] == [(None, {"depth": 0})]
    assert starts[1].node == "a"
    assert starts[1].body["data"] == {"input": {"x": 1, "log": []}}  # type: ignore[index,call-overload]


def test_effects_come_from_the_recorder_and_the_audit(tmp_path: Path) -> None:
    """Nodes may note their own; files are seen by themselves when asked for."""
    recorder = Recorder()

    def save(state: State) -> State:
        recorder.effect("saved", state["x"])
        (tmp_path / "file").write_text("x")
        return {}

    seen = observe(graph(save), {"x": 1}, recorder=recorder, audit=True)
    assert seen.effects == (Effect("saved", 1), Effect("file written", [str(tmp_path / "file")]))


def test_the_event_loop_can_be_chosen() -> None:
    """One loop serves every call of an observer."""
    loops: list[asyncio.AbstractEventLoop] = []

    def make() -> asyncio.AbstractEventLoop:
        loops.append(asyncio.new_event_loop())
        return loops[-1]

    seen = observe(graph(a, b, checkpointer=InMemorySaver()), {"x": 1}, mode="ainvoke", loop_factory=make, resumes=(2,))
    assert len(seen.turns) == 2
    assert len(loops) == 1
    assert loops[0].is_closed()
