"""A compiled graph whose runs use the lean loop."""

from __future__ import annotations

from typing import Any

from langgraph._internal._constants import INTERRUPT
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel, _loop
from langgraph.pregel._loop import AsyncPregelLoop, PregelLoop, SyncPregelLoop
from langgraph.pregel._retry import arun_with_retry, run_with_retry
from langgraph.pregel._runner import PregelRunner
from langgraph.pregel.main import _output

from optiflow.dispatch.internals import Originals, names_used, rebound, stands_in_for
from optiflow.dispatch.loop import AsyncLastLoop, AsyncLoop, Runner, SyncLastLoop, SyncLoop

__all__ = ["LeanStateGraph"]


def _drained(stream_mode: Any, print_mode: Any, subgraphs: Any, get: Any, *more: Any) -> Any:
    """LangGraph's ``_output``, which need not look into a queue that is empty."""
    return _output(stream_mode, print_mode, subgraphs, get, *more) if get.__self__._queue else ()


_stream = rebound(Pregel.stream, SyncPregelLoop=SyncLoop, PregelRunner=Runner, _output=_drained)
_astream = rebound(Pregel.astream, AsyncPregelLoop=AsyncLoop, PregelRunner=Runner, _output=_drained)
_stream_last = rebound(Pregel.stream, SyncPregelLoop=SyncLastLoop, PregelRunner=Runner, _output=_drained)
_astream_last = rebound(Pregel.astream, AsyncPregelLoop=AsyncLastLoop, PregelRunner=Runner, _output=_drained)

_ORIGINALS = Originals(
    (vars(Pregel), ("ainvoke", "astream", "invoke", "stream")),
    (vars(PregelLoop), ("_emit", "_prepare_tasks_and_emit_checkpoint", "_suppress_interrupt", "after_tick", "tick")),
    (vars(PregelLoop), ("_put_checkpoint", "output_writes", "put_writes")),
    (vars(PregelRunner), ("atick", "tick")),
    (vars(_loop), ("prepare_next_tasks",)),
    # What the rebound functions find in their modules was found once.
    *names_used(Pregel.stream, Pregel.astream, PregelRunner.tick, PregelRunner.atick, PregelLoop.after_tick),
    *names_used(SyncPregelLoop.__enter__, AsyncPregelLoop.__aenter__, run_with_retry, arun_with_retry),
)
"""What a lean run takes the place of."""

_OF_A_CALL = frozenset(
    {"context", "output_keys", "interrupt_before", "interrupt_after", "durability", "control", "stream_mode"}
)


@stands_in_for(CompiledStateGraph, ("invoke", "ainvoke", "stream", "astream"))
class LeanStateGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled StateGraph whose runs are lean while nobody listens."""

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Stream, whatever is asked for."""
        return (_stream if _ORIGINALS.intact() else Pregel.stream)(self, *args, **kwargs)

    def astream(self, *args: Any, **kwargs: Any) -> Any:
        """Stream, whatever is asked for."""
        return (_astream if _ORIGINALS.intact() else Pregel.astream)(self, *args, **kwargs)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Run, emitting no more than the result takes."""
        options = self._options(kwargs)
        if options is None:
            return super().invoke(input, config, **kwargs)
        taken = _Taken()
        for mode, payload in _stream_last(self, input, config, **options):
            taken.take(mode, payload)
        return taken.result()

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Run, emitting no more than the result takes."""
        options = self._options(kwargs)
        if options is None:
            return await super().ainvoke(input, config, **kwargs)
        taken = _Taken()
        async for mode, payload in _astream_last(self, input, config, **options):
            taken.take(mode, payload)
        return taken.result()

    def _options(self, given: dict[str, Any]) -> dict[str, Any] | None:
        """How to stream what a call returns; None for a call that returns or prints something else."""
        if given.get("stream_mode", "values") != "values" or not given.keys() <= _OF_A_CALL:
            return None
        if self.debug or not _ORIGINALS.intact():
            return None
        keys = given.get("output_keys")
        return {
            **given,
            "output_keys": self.output_channels if keys is None else keys,
            "stream_mode": ["updates", "values"],
        }


class _Taken:
    """What a call takes of its stream."""

    __slots__ = ("_interrupts", "_latest")

    def __init__(self) -> None:
        self._latest: Any = None
        self._interrupts: list[Any] = []

    def take(self, mode: str, payload: Any) -> None:
        if mode == "values":
            self._latest = payload
        elif isinstance(payload, dict) and (interrupts := payload.get(INTERRUPT)) is not None:
            self._interrupts.extend(interrupts)

    def result(self) -> Any:
        if not self._interrupts:
            return self._latest
        latest = self._latest if isinstance(self._latest, dict) else {}
        return {**latest, INTERRUPT: self._interrupts}
