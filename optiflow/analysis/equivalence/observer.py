"""Use a graph as its user would, and write down everything that can be seen of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from types import TracebackType
from typing import Any, Literal, Self

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.pregel import Pregel
from langgraph.types import Command, Interrupt, StateSnapshot

from optiflow.analysis.equivalence.events import EventReader
from optiflow.analysis.equivalence.history import checkpoint_views, snapshot_value
from optiflow.analysis.equivalence.normalising import Normaliser
from optiflow.analysis.equivalence.observation import (
    CheckpointView,
    Event,
    Failure,
    Json,
    Observation,
    Turn,
)
from optiflow.analysis.equivalence.recorder import ModelRequestHandler, Recorder, audited

__all__ = ["STREAM_MODES", "Mode", "Observer", "observe"]

Mode = Literal["invoke", "ainvoke", "batch", "abatch", "stream", "astream", "astream_events"]
"""The method of the graph that is called."""

STREAM_MODES = ("values", "updates", "messages", "custom", "tasks", "checkpoints", "debug")
"""Every mode in which LangGraph streams."""

_INTERRUPT = "__interrupt__"
_NODE_OF_ERROR = re.compile(r"(?:During|Before) task with name '(.+?)' and ")


class Observer:
    """One use of a graph over several calls, all by the same method; a context manager.

    Args:
        graph: The compiled graph.
        mode: The method that is called. ``batch`` and ``abatch`` take a list of inputs as one input.
        config: The configuration of every call. A thread is named where there is a checkpointer and none is
            given.
        context: The static context of every call.
        keywords: Further keywords of every call, such as ``durability``.
        stream_modes: For ``stream`` and ``astream``: what to stream, one mode or several.
        subgraphs: For ``stream`` and ``astream``: whether to stream from subgraphs too.
        recorder: Where effects and model requests are collected; one that the graph's nodes also know.
        callbacks: Whether to listen to LangChain's callbacks for model requests. A graph behaves a little
            differently under a listener; without one, only the recorder's own requests are seen.
        audit: Whether to watch for files written, connections opened and processes started.
        loop_factory: Makes the event loop of the asynchronous modes, such as one of virtual time.
    """

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        *,
        mode: Mode = "invoke",
        config: RunnableConfig | None = None,
        context: Any = None,
        keywords: Mapping[str, Any] | None = None,
        stream_modes: str | Sequence[str] = STREAM_MODES,
        subgraphs: bool = True,
        recorder: Recorder | None = None,
        callbacks: bool = True,
        audit: bool = False,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        self._graph = graph
        self._mode = mode
        self._keywords: dict[str, Any] = {**(keywords or {}), "context": context}
        self._stream_modes = stream_modes
        self._subgraphs = subgraphs
        self._recorder = recorder or Recorder()
        self._audit = audit
        self._runner = asyncio.Runner(loop_factory=loop_factory) if mode.startswith("a") else None
        self._config = _observed(config or {}, ModelRequestHandler(self._recorder) if callbacks else None)
        self._keeps_state = graph.checkpointer not in (None, False)
        if self._keeps_state:
            configurable = {"thread_id": "observed", **self._config.get("configurable", {})}
            self._config = {**self._config, "configurable": configurable}
        self._given = ""
        self._normaliser = Normaliser()
        self._interrupts: tuple[Interrupt, ...] = ()
        self._turns: list[Turn] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.close()

    def run(self, graph_input: Any, *, at: Callable[[StateSnapshot], bool] | None = None) -> Turn:
        """Call the graph.

        Args:
            graph_input: The input; None goes on from where the thread stands.
            at: Go on from the newest checkpoint that this accepts instead of from the last.

        Raises:
            LookupError: No checkpoint of the thread is accepted.
        """
        config = self._config_at(at)
        self._give(graph_input)
        return self._turn(lambda events: self._call(graph_input, config, events))

    def resume(self, answer: Any) -> Turn:
        """Answer the interrupts of the last turn.

        Args:
            answer: The resume value, or a function that makes it from the interrupts.
        """
        return self.run(Command(resume=answer(self._interrupts) if callable(answer) else answer))

    def update_state(
        self, values: Any, as_node: str | None = None, *, at: Callable[[StateSnapshot], bool] | None = None
    ) -> Turn:
        """Change the thread's state by hand.

        Args:
            values: The update.
            as_node: The node in whose name.
            at: Fork from the newest checkpoint that this accepts instead of changing the last.

        Raises:
            LookupError: No checkpoint of the thread is accepted.
        """
        config = self._config_at(at)
        self._give(values)

        def update(_: list[Event]) -> None:
            if self._runner is None:
                self._graph.update_state(config, values, as_node)
            else:
                self._runner.run(self._graph.aupdate_state(config, values, as_node))

        return self._turn(update)

    def finish(self) -> Observation:
        """Everything seen."""
        state: Json = None
        checkpoints: tuple[CheckpointView, ...] = ()
        if self._keeps_state:
            state = self._final_state()
            checkpoints = checkpoint_views(self._history(), self._given)
        recorder = self._recorder
        return Observation(tuple(self._turns), recorder.model_requests, recorder.effects, state, checkpoints)

    def _turn(self, act: Callable[[list[Event]], Any]) -> Turn:
        events: list[Event] = []
        output, failure = None, None
        with audited(self._recorder) if self._audit else nullcontext():
            try:
                output = act(events)
            except Exception as error:  # noqa: BLE001 - whatever the graph raises is what is being observed
                failure = self._failure(error)
        self._interrupts = ()
        if isinstance(output, Mapping):
            self._interrupts = tuple(output.get(_INTERRUPT, ()))
            output = {key: value for key, value in output.items() if key != _INTERRUPT}
        turn = Turn(
            output=self._normaliser.value(output),
            interrupts=tuple(self._normaliser.value(each.value) for each in self._interrupts),
            failure=failure,
            events=tuple(events),
        )
        self._turns.append(turn)
        return turn

    def _call(self, graph_input: Any, config: RunnableConfig, events: list[Event]) -> Any:
        graph, keywords = self._graph, self._keywords
        if self._mode == "invoke":
            return graph.invoke(graph_input, config, **keywords)
        if self._mode == "batch":
            return graph.batch(graph_input, config, **keywords)
        if self._runner is not None:
            return self._runner.run(self._call_async(graph_input, config, events))
        stream = _Stream(self._stream_modes, EventReader(self._given), events)
        for item in graph.stream(graph_input, config, stream_mode=stream.modes, subgraphs=self._subgraphs, **keywords):
            stream.read(item, self._subgraphs)
        return stream.output

    async def _call_async(self, graph_input: Any, config: RunnableConfig, events: list[Event]) -> Any:
        graph, keywords = self._graph, self._keywords
        if self._mode == "ainvoke":
            return await graph.ainvoke(graph_input, config, **keywords)
        if self._mode == "abatch":
            return await graph.abatch(graph_input, config, **keywords)
        reader = EventReader(self._given)
        if self._mode == "astream_events":
            async for event in graph.astream_events(graph_input, config, version="v2", **keywords):
                events.append(reader.event_item(event))
            return None
        stream = _Stream(self._stream_modes, reader, events)
        async for item in graph.astream(
            graph_input, config, stream_mode=stream.modes, subgraphs=self._subgraphs, **keywords
        ):
            stream.read(item, self._subgraphs)
        return stream.output

    def _final_state(self) -> Json:
        try:
            if self._runner is None:
                snapshot = self._graph.get_state(self._config, subgraphs=True)
            else:
                snapshot = self._runner.run(self._graph.aget_state(self._config, subgraphs=True))
        except Exception as error:  # noqa: BLE001 - a state that can't be read, as after a conflict of writes, is an observation
            return {"failure": asdict(self._failure(error))}
        return snapshot_value(snapshot, self._given)

    def _history(self) -> list[StateSnapshot]:
        if self._runner is None:
            return list(self._graph.get_state_history(self._config))

        async def history() -> list[StateSnapshot]:
            return [snapshot async for snapshot in self._graph.aget_state_history(self._config)]

        return self._runner.run(history())

    def _config_at(self, accepted: Callable[[StateSnapshot], bool] | None) -> RunnableConfig:
        if accepted is None:
            return self._config
        for snapshot in self._history():
            if accepted(snapshot):
                return merge_configs(self._config, snapshot.config)
        raise LookupError(f"no checkpoint of thread {self._config['configurable']['thread_id']!r} is accepted")

    def _give(self, value: Any) -> None:
        self._given += repr(value)
        self._normaliser.given = self._given

    def _failure(self, error: Exception) -> Failure:
        nodes = (_NODE_OF_ERROR.match(note) for note in getattr(error, "__notes__", ()))
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        # The first note is the innermost task's: every graph around it adds its own as the error passes.
        return Failure(kind, self._normaliser.text(str(error)), next((node[1] for node in nodes if node), None))


def observe(
    graph: Pregel[Any, Any, Any, Any], graph_input: Any, *, resumes: Sequence[Any] = (), **how: Any
) -> Observation:
    """Observe one run and the answers to its interrupts.

    Args:
        graph: The compiled graph.
        graph_input: The input.
        resumes: The answer to each interrupt in turn, as `Observer.resume` takes them.
        **how: The keywords of `Observer`.
    """
    with Observer(graph, **how) as observer:
        observer.run(graph_input)
        for answer in resumes:
            observer.resume(answer)
        return observer.finish()


class _Stream:
    """Reads the items of a stream, whose shape depends on what was asked for."""

    def __init__(self, modes: str | Sequence[str], reader: EventReader, events: list[Event]) -> None:
        self.modes: Any = modes if isinstance(modes, str) else list(modes)
        self.output: Any = None
        """The state that the root graph showed last, as ``invoke`` returns it."""
        self._interrupts: dict[str, Interrupt] = {}
        self._reader = reader
        self._events = events

    def read(self, item: Any, subgraphs: bool) -> None:
        parts: tuple[Any, ...] = item if subgraphs or not isinstance(self.modes, str) else (item,)
        namespace: tuple[str, ...] = parts[0] if subgraphs else ()
        mode: str = self.modes if isinstance(self.modes, str) else parts[-2]
        data = parts[-1]
        self._events.append(self._reader.stream_item(namespace, mode, data))
        if not namespace and mode in ("values", "updates"):
            self._read_output(mode, data)

    def _read_output(self, mode: str, data: Any) -> None:
        if isinstance(data, Mapping):
            # Tasks that are interrupted in one superstep are told of one by one, in either mode.
            self._interrupts |= {each.id: each for each in data.get(_INTERRUPT, ())}
        if mode == "values":
            self.output = data
        if self._interrupts:
            self.output = {**(self.output or {}), _INTERRUPT: tuple(self._interrupts.values())}


def _observed(config: RunnableConfig, handler: ModelRequestHandler | None) -> RunnableConfig:
    if handler is None:
        return config
    return merge_configs(config, {"callbacks": [handler]})
