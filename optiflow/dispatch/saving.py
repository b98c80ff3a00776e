"""A compiled graph whose runs give their saves to a saver together, and are LangGraph's in everything else."""

from __future__ import annotations

from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.pregel._loop import AsyncPregelLoop, PregelLoop, SyncPregelLoop

from optiflow.dispatch.executors import AsyncExecutor, Executor
from optiflow.dispatch.internals import Originals, names_used, rebound, stands_in_for

__all__ = ["SavingStateGraph"]


class _SyncLoop(SyncPregelLoop):
    __enter__ = rebound(SyncPregelLoop.__enter__, BackgroundExecutor=Executor)


class _AsyncLoop(AsyncPregelLoop):
    __aenter__ = rebound(AsyncPregelLoop.__aenter__, AsyncBackgroundExecutor=AsyncExecutor)


_stream = rebound(Pregel.stream, SyncPregelLoop=_SyncLoop)
_astream = rebound(Pregel.astream, AsyncPregelLoop=_AsyncLoop)

_ORIGINALS = Originals(
    (vars(Pregel), ("astream", "stream")),
    (vars(PregelLoop), ("_put_checkpoint", "put_writes")),
    *names_used(Pregel.stream, Pregel.astream, SyncPregelLoop.__enter__, AsyncPregelLoop.__aenter__),
)
"""What such a run takes the place of."""


@stands_in_for(CompiledStateGraph, ("stream", "astream"))
class SavingStateGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled StateGraph whose saves are queued."""

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        """Stream, whatever is asked for."""
        return (_stream if _ORIGINALS.intact() else Pregel.stream)(self, *args, **kwargs)

    def astream(self, *args: Any, **kwargs: Any) -> Any:
        """Stream, whatever is asked for."""
        return (_astream if _ORIGINALS.intact() else Pregel.astream)(self, *args, **kwargs)
