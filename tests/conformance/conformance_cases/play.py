"""Playing a case: one graph, one way of watching it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance_cases.case import Case
from langgraph.graph import StateGraph

from optiflow.analysis.equivalence import STREAM_MODES, Mode, Observation, Observer, Recorder

__all__ = ["Way", "construct", "play", "ways"]

ENDS_WITHIN = 10.0
"""Seconds within which early work that nobody waits for has to end."""


@dataclass(frozen=True)
class Way:
    """How a graph is called and watched."""

    mode: Mode
    """The method."""
    stream_modes: str | tuple[str, ...] = STREAM_MODES
    """For a stream: what is streamed."""
    subgraphs: bool = True
    """For a stream: whether from subgraphs too."""

    def __str__(self) -> str:
        if self.mode not in ("stream", "astream") or self.stream_modes == STREAM_MODES:
            return self.mode
        return f"{self.mode} {self.stream_modes} subgraphs={self.subgraphs}"


def ways(case: Case, *, all_of_them: bool) -> Iterator[Way]:
    """The ways in which a case is played: every one, or one of each kind.

    Args:
        case: The case.
        all_of_them: If not, one synchronous and one asynchronous way at most.
    """
    modes = case.modes
    if not all_of_them:
        firsts = {mode.startswith("a"): mode for mode in reversed(modes) if mode != "astream_events"}
        modes = tuple(firsts.values())
    for mode in modes:
        yield Way(mode)
        if mode in ("stream", "astream"):
            for asked in case.stream_modes:
                yield Way(mode, asked if isinstance(asked, str) else tuple(asked), subgraphs=False)
                yield Way(mode, asked if isinstance(asked, str) else tuple(asked), subgraphs=True)


def construct(case: Case, recorder: Recorder) -> tuple[StateGraph, Mapping[str, Any]]:
    """The case's graph and the keywords of its ``compile``."""
    built = case.build(recorder)
    return built if isinstance(built, tuple) else (built, {})


def play(case: Case, way: Way, compiled: Any, recorder: Recorder, *, listening: bool | None = None) -> Observation:
    """Do what the case does and see what happens.

    Nothing listens to callbacks in a synchronous ``invoke``, unless ``listening`` says otherwise: graphs take shorter
    paths then. No work may be left when a call has returned.
    """
    loops: list[asyncio.AbstractEventLoop] = []

    def new_event_loop() -> asyncio.AbstractEventLoop:
        loops.append(asyncio.new_event_loop())
        return loops[-1]

    with Observer(
        compiled,
        mode=way.mode,
        config=dict(case.config),
        context=case.context,
        keywords=case.keywords,
        stream_modes=way.stream_modes,
        subgraphs=way.subgraphs,
        recorder=recorder,
        callbacks=way.mode != "invoke" if listening is None else listening,
        loop_factory=new_event_loop,
    ) as observer:
        case.play(observer)
        assert not [task for loop in loops for task in asyncio.all_tasks(loop)]
        # Nobody waits for early work that is not needed any more: it ends by itself.
        early = [thread for thread in threading.enumerate() if thread.name.startswith("optiflow:")]
        for thread in early:
            thread.join(ENDS_WITHIN)
        assert not [thread.name for thread in early if thread.is_alive()]
        return observer.finish()
