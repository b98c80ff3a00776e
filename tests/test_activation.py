"""What toggles hold around the runs of a compiled graph."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, ClassVar, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from optiflow.activation import activated, run_level
from optiflow.errors import ConfigurationError, ToggleFailedError
from optiflow.optimizations.base import Around, Optimization, Options

lent: ContextVar[str] = ContextVar("lent", default="nothing")
callers: ContextVar[str] = ContextVar("callers", default="nothing")


class State(TypedDict, total=False):
    seen: list[str]


class Probe(Optimization[Options]):
    """Sets a context variable around each run and keeps account of it."""

    name: ClassVar[str] = "probe"

    def __init__(self) -> None:
        super().__init__(Options())
        self.entered = 0
        self.left = 0

    @contextmanager
    def attach(self) -> Iterator[None]:
        self.entered += 1
        token = lent.set(f"run {self.entered}")
        try:
            yield
        finally:
            lent.reset(token)
            self.left += 1

    def activate(self) -> AbstractContextManager[Any]:
        return self.attach()


class Failing(Probe):
    """Can't be entered."""

    name: ClassVar[str] = "failing"

    def attach(self) -> AbstractContextManager[None]:
        raise RuntimeError("can't start")


def see(state: State) -> State:
    """Note what a node sees of both variables."""
    return {"seen": [*state.get("seen", []), f"{lent.get()}, {callers.get()}"]}


def builder_of(*nodes: Any) -> StateGraph[State]:
    """A chain."""
    builder = StateGraph(State)
    names = [f"n{number}" for number in range(len(nodes))]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder


@pytest.fixture
def probe() -> Probe:
    """A toggle that keeps account."""
    return Probe()


@pytest.fixture
def graph(probe: Probe) -> Any:
    """Two nodes under the toggle."""
    return activated(builder_of(see, see).compile(checkpointer=InMemorySaver()), [probe])


CONFIG: Any = {"configurable": {"thread_id": "1"}}


def test_graph_without_run_level_toggles_stays_as_it_is() -> None:
    """A toggle that only rewrites costs nothing at run time."""
    plain = builder_of(see).compile()
    assert activated(plain, [Optimization(Options())]) is plain
    assert type(plain) is CompiledStateGraph
    assert run_level([Optimization(Options())]) == ()


def test_graph_is_still_a_compiled_state_graph(graph: Any) -> None:
    """Neither isinstance nor what a drawing or a repr shows tells the difference."""
    assert isinstance(graph, CompiledStateGraph)
    assert (type(graph).__name__, type(graph).__module__) == ("CompiledStateGraph", "langgraph.graph.state")
    outer = builder_of(graph).compile()
    plain = builder_of(builder_of(see, see).compile(checkpointer=InMemorySaver())).compile()
    assert outer.get_graph().to_json() == plain.get_graph().to_json()


def test_invoke_holds_the_toggles_once(graph: Any, probe: Probe) -> None:
    """Every node sees them; the caller does not."""
    assert graph.invoke({}, CONFIG) == {"seen": ["run 1, nothing", "run 1, nothing"]}
    assert (probe.entered, probe.left, lent.get()) == (1, 1, "nothing")


async def test_ainvoke_holds_the_toggles_once(graph: Any, probe: Probe) -> None:
    """The same for the asynchronous call, with each of two concurrent runs on its own."""
    runs = [graph.ainvoke({}, {"configurable": {"thread_id": str(number)}}) for number in range(2)]
    first, second = await asyncio.gather(*runs)
    assert {first["seen"][0], second["seen"][0]} == {"run 1, nothing", "run 2, nothing"}
    assert first["seen"][0] == first["seen"][1]
    assert (probe.entered, probe.left, lent.get()) == (2, 2, "nothing")


def test_batch_holds_the_toggles_in_each_thread(graph: Any, probe: Probe) -> None:
    """Each input of a batch is a run."""
    outputs = graph.batch([{}, {}], [{"configurable": {"thread_id": str(number)}} for number in range(2)])
    assert all(output["seen"][0].startswith("run") for output in outputs)
    assert (probe.entered, probe.left) == (2, 2)


def test_stream_does_not_leak_into_its_caller(graph: Any, probe: Probe) -> None:
    """Between two steps the caller sees its own variables, and its changes reach the next step."""
    between = []

    def iterate() -> None:
        for part in graph.stream({}, CONFIG):
            between.append((lent.get(), part))
            callers.set("changed")

    copy_context().run(iterate)
    assert [variable for variable, _ in between] == ["nothing", "nothing"]
    assert between[1][1] == {"n1": {"seen": ["run 1, nothing", "run 1, changed"]}}
    assert (probe.entered, probe.left) == (1, 1)


async def test_astream_does_not_leak_into_its_caller(graph: Any, probe: Probe) -> None:
    """The same for the asynchronous stream."""
    between = [(lent.get(), part) async for part in graph.astream({}, CONFIG, stream_mode="values")]
    assert {variable for variable, _ in between} == {"nothing"}
    assert between[-1][1] == {"seen": ["run 1, nothing", "run 1, nothing"]}
    assert (probe.entered, probe.left) == (1, 1)


async def test_astream_events_hold_the_toggles(graph: Any, probe: Probe) -> None:
    """Event streams go through the same door."""
    events = [event async for event in graph.astream_events({}, CONFIG, version="v2")]
    assert events[-1]["data"]["output"] == {"seen": ["run 1, nothing", "run 1, nothing"]}
    assert (probe.entered, probe.left) == (1, 1)


def test_abandoned_stream_leaves_the_toggles(graph: Any, probe: Probe) -> None:
    """A stream that is closed early, or collected in another context, ends what it started."""
    stream = graph.stream({}, CONFIG)
    next(stream)
    copy_context().run(stream.close)
    assert (probe.entered, probe.left) == (1, 1)
    other = graph.stream({}, {"configurable": {"thread_id": "2"}})
    next(other)
    del other
    gc.collect()
    assert (probe.entered, probe.left) == (2, 2)


async def test_abandoned_astream_leaves_the_toggles(graph: Any, probe: Probe) -> None:
    """The same where another task closes the stream."""
    stream = graph.astream({}, CONFIG)
    await anext(stream)
    await asyncio.create_task(stream.aclose())
    assert (probe.entered, probe.left, lent.get()) == (1, 1, "nothing")


def test_unstarted_stream_starts_nothing(graph: Any, probe: Probe) -> None:
    """As in LangGraph, nothing happens before the first step."""
    graph.stream({}, CONFIG)
    assert probe.entered == 0


async def test_nested_runs_do_not_activate_twice(probe: Probe) -> None:
    """A graph in a graph, as a node or called by one, runs under what the outer run holds."""
    inner = activated(builder_of(see).compile(), [probe])

    async def call(state: State) -> State:
        parts = [part async for part in inner.astream(state, stream_mode="values")]
        return parts[-1]

    outer = activated(builder_of(inner, call, lambda state: inner.invoke(state)).compile(), [probe])
    assert await outer.ainvoke({}) == {"seen": ["run 1, nothing"] * 3}
    assert (probe.entered, probe.left) == (1, 1)


def test_error_of_a_node_leaves_the_toggles(probe: Probe) -> None:
    """The node's own exception comes out."""

    def fail(state: State) -> State:
        raise LookupError("no such thing")

    graph = activated(builder_of(see, fail).compile(), [probe])
    with pytest.raises(LookupError, match="no such thing"):
        graph.invoke({})
    with pytest.raises(LookupError, match="no such thing"):
        list(graph.stream({}))
    assert (probe.entered, probe.left) == (2, 2)


def test_toggle_that_fails_leaves_those_before_it(probe: Probe) -> None:
    """Under ``strict`` it is raised by name, and what was entered is left again."""
    graph = activated(builder_of(see).compile(), [probe, Failing()], strict=True)
    with pytest.raises(
        ToggleFailedError, match="toggle 'failing' failed in a run: RuntimeError: can't start"
    ) as caught:
        graph.invoke({})
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert (probe.entered, probe.left, lent.get()) == (1, 1, "nothing")


def test_copies_keep_the_toggles(graph: Any, probe: Probe) -> None:
    """LangGraph's server copies each graph it runs."""
    copied = graph.copy({"name": "served"}).with_config(tags=["a"])
    assert copied.name == "served"
    assert copied.invoke({}, CONFIG)["seen"][0] == "run 1, nothing"
    assert probe.entered == 1


async def test_functional_api_graphs_hold_the_toggles(probe: Probe) -> None:
    """An @entrypoint is a Pregel and stays one."""

    @entrypoint()
    def answer(question: str) -> str:
        return f"{question} {lent.get()}"

    graph = activated(answer, [probe])
    assert isinstance(graph, Pregel)
    assert type(graph).__name__ == "Pregel"
    assert graph.invoke("sync") == "sync run 1"  # type: ignore[comparison-overlap]
    assert await graph.ainvoke("async") == "async run 2"  # type: ignore[comparison-overlap]


def test_signatures_are_langgraphs_own(graph: Any) -> None:
    """Whoever inspects the methods sees LangGraph's parameters."""
    plain = builder_of(see).compile()
    for method in ("invoke", "ainvoke", "stream", "astream"):
        assert inspect.signature(getattr(graph, method)) == inspect.signature(getattr(plain, method))


class Ending(Probe):
    """Can't be left."""

    name: ClassVar[str] = "ending"

    @contextmanager
    def attach(self) -> Iterator[None]:
        yield
        raise RuntimeError("can't end")


class Stopped(Probe):
    """Is stopped by the user while it is entered."""

    name: ClassVar[str] = "stopped"

    def attach(self) -> AbstractContextManager[None]:
        raise KeyboardInterrupt


class Counted:
    """What runs hold together."""

    def __init__(self, *, fails: bool = False, fails_at_end: bool = False) -> None:
        self.holders = 0
        self._fails, self._fails_at_end = fails, fails_at_end

    def hold(self) -> None:
        """One more."""
        if self._fails:
            raise RuntimeError("can't hold")
        self.holders += 1

    def release(self) -> None:
        """One fewer."""
        self.holders -= 1
        if self._fails_at_end:
            raise RuntimeError("can't release")


class LeanOptions(Options):
    """Options of a toggle."""

    value: str = "lean"


class Lean(Optimization[LeanOptions]):
    """Needs no more than a variable and something that runs hold together."""

    name: ClassVar[str] = "lean"
    options_model: ClassVar[type[Options]] = LeanOptions

    def __init__(self, value: str = "lean", counted: Counted | None = None) -> None:
        super().__init__(LeanOptions(value=value))
        self.counted = counted or Counted()
        self.made = 0

    def activate(self) -> AbstractContextManager[Any]:
        raise NotImplementedError

    def around(self) -> Around:
        return Around(((lent, self._make),), (self.counted,))

    def _make(self) -> str:
        self.made += 1
        return self.options.value


class Alone(Lean):
    """Can't be held with two kinds of options."""

    nests: ClassVar[bool] = False


def warnings_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Lines of the log."""
    return [line for line in capsys.readouterr().err.splitlines() if "level=warning" in line]


@pytest.mark.parametrize("toggle", [Failing(), Ending(), Lean(counted=Counted(fails=True))], ids=lambda each: each.name)
def test_toggle_that_fails_in_a_run_costs_one_line(
    toggle: Optimization[Any], probe: Probe, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other toggles hold, the graph runs in every way, and the line comes once, with the toggle's name."""
    graph = activated(builder_of(see).compile(), [toggle, probe])
    for _ in range(2):
        assert graph.invoke({})["seen"] == [f"run {probe.entered}, nothing"]
        assert asyncio.run(graph.ainvoke({}))["seen"] == [f"run {probe.entered}, nothing"]
        assert list(graph.stream({})) == [{"n0": {"seen": [f"run {probe.entered}, nothing"]}}]
    assert (probe.entered, probe.left, lent.get()) == (6, 6, "nothing")
    (line,) = warnings_of(capsys)
    assert f"toggle={toggle.name}" in line
    assert "RuntimeError: can't" in line


def test_what_is_held_together_may_fail_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer comes all the same, and under ``strict`` the error has the toggle's name."""
    failing = Lean(counted=Counted(fails_at_end=True))
    graph = activated(builder_of(see).compile(), [failing])
    assert [graph.invoke({})["seen"] for _ in range(2)] == [["lean, nothing"]] * 2
    (line,) = warnings_of(capsys)
    assert "toggle=lean" in line
    good = Lean()
    good.name = "good"  # type: ignore[misc]
    strict = activated(builder_of(see).compile(), [good, failing], strict=True)
    with pytest.raises(ToggleFailedError, match="toggle 'lean' failed in the end of a run: RuntimeError"):
        strict.invoke({})
    assert (good.counted.holders, lent.get()) == (0, "nothing")


@pytest.mark.parametrize("learned", [False, True])
def test_lean_toggle_that_fails_is_named(learned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """On the quick way, too, which is taken once all toggles have said what they need."""
    good, bad = Lean(), Lean()
    bad.name = "bad"  # type: ignore[misc]
    graph = activated(builder_of(see).compile(), [bad, good])
    if learned:
        graph.invoke({})
        assert graph.optiflow.lean is not None  # type: ignore[attr-defined]
    bad.counted._fails = True
    assert graph.invoke({}) == {"seen": ["lean, nothing"]}
    assert (good.counted.holders, bad.counted.holders) == (0, 0)
    (line,) = warnings_of(capsys)
    assert "toggle=bad" in line


def test_wrong_configuration_is_raised_in_a_run(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no failure of the toggle: the user can mend it."""

    def fail(_: Failing) -> AbstractContextManager[None]:
        raise ConfigurationError("opt.failing.url: nobody answers")

    monkeypatch.setattr(Failing, "attach", fail)
    graph = activated(builder_of(see).compile(), [probe, Failing()])
    with pytest.raises(ConfigurationError, match="nobody answers"):
        graph.invoke({})
    assert (probe.entered, probe.left, lent.get()) == (1, 1, "nothing")


def test_ctrl_c_in_a_toggle_passes_through(probe: Probe) -> None:
    """It is the user's, and what was entered is left."""
    graph = activated(builder_of(see).compile(), [probe, Stopped()])
    with pytest.raises(KeyboardInterrupt):
        graph.invoke({})
    assert (probe.entered, probe.left, lent.get()) == (1, 1, "nothing")


def test_inner_options_apply_within_the_inner_graph() -> None:
    """Then the outer ones again."""
    inner = activated(builder_of(see).compile(), [Lean("inner")])

    def call(state: State) -> State:
        seen = [*state["seen"], *inner.invoke({})["seen"], *next(iter(inner.stream({})))["n0"]["seen"]]
        return {"seen": seen}

    outer = activated(builder_of(see, call, see).compile(), [Lean("outer")])
    expected = ["outer, nothing", "inner, nothing", "inner, nothing", "outer, nothing"]
    assert [outer.invoke({})["seen"] for _ in range(2)] == [expected] * 2


def test_equal_options_are_held_once() -> None:
    """Another object with the same options is the same toggle: what the outer run has is used."""
    own = Lean()
    inner = activated(builder_of(see).compile(), [own])
    outer_toggle = Lean()
    outer = activated(builder_of(lambda state: inner.invoke({})).compile(), [outer_toggle])
    assert outer.invoke({}) == {"seen": ["lean, nothing"]}
    assert (own.made, outer_toggle.made) == (0, 1)


def test_toggle_that_cannot_nest_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The outer options stay, and one line of the log says it."""
    inner = activated(builder_of(see).compile(), [Alone("inner")])
    outer = activated(builder_of(lambda state: inner.invoke({})).compile(), [Alone("outer")])
    assert [outer.invoke({}) for _ in range(2)] == [{"seen": ["outer, nothing"]}] * 2
    (line,) = warnings_of(capsys)
    assert "toggle=lean" in line
    assert "outer run" in line


@pytest.mark.parametrize("make", [Lean, Probe])
async def test_task_that_outlives_its_run_holds_toggles_of_its_own(make: Any) -> None:
    """What the run held is gone when it has ended; while it lasts, it is used."""
    toggle = make()
    inner = activated(builder_of(see).compile(), [toggle])
    go, seen = asyncio.Queue[None](), []
    tasks = []

    async def worker() -> None:
        for _ in range(3):
            await go.get()
            seen.append((await inner.ainvoke({}))["seen"][0])
            go.task_done()

    async def start(state: State) -> State:
        tasks.append(asyncio.create_task(worker()))
        go.put_nowait(None)
        await go.join()
        return {}

    outer = activated(builder_of(start).compile(), [toggle])
    await outer.ainvoke({})
    for _ in range(2):
        go.put_nowait(None)
    await asyncio.gather(*tasks)
    if make is Lean:
        assert (toggle.made, toggle.counted.holders) == (3, 0)
        assert seen == ["lean, nothing"] * 3
    else:
        assert (toggle.entered, toggle.left) == (3, 3)
        assert seen == ["run 1, nothing", "run 2, nothing", "run 3, nothing"]


async def test_inner_run_that_outlives_the_outer_one_keeps_what_it_uses() -> None:
    """It holds on to what the runs hold together, until its own end."""
    toggle, started, go = Lean(), asyncio.Event(), asyncio.Event()
    held: list[int] = []

    async def wait(state: State) -> State:
        started.set()
        await go.wait()
        held.append(toggle.counted.holders)
        return {}

    inner = activated(builder_of(wait).compile(), [toggle])
    tasks: list[asyncio.Task[Any]] = []

    async def start(state: State) -> State:
        tasks.append(asyncio.create_task(inner.ainvoke({})))
        await started.wait()
        return {}

    await activated(builder_of(start).compile(), [toggle]).ainvoke({})
    assert toggle.counted.holders == 1
    go.set()
    await asyncio.gather(*tasks)
    assert (held, toggle.counted.holders) == ([1], 0)


def test_options_that_cannot_be_compared_count_as_others() -> None:
    """What compares them is code of anybody's."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("compare me not")

        def __hash__(self) -> int:
            return 0

    inner_toggle, outer_toggle = Lean("inner"), Lean("outer")
    outer_toggle.options = Odd()  # type: ignore[assignment]
    outer_toggle._make = lambda: "outer"  # type: ignore[method-assign]
    inner = activated(builder_of(see).compile(), [inner_toggle])
    outer = activated(builder_of(lambda state: inner.invoke({})).compile(), [outer_toggle])
    assert outer.invoke({}) == {"seen": ["inner, nothing"]}
