"""Run one graph plainly and optimized, and compare all that can be seen of it."""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import langgraph.graph.state

import optiflow
from hiding.generator import Spec
from hiding.scene import Scene
from optiflow.analysis.differences.places import Places
from optiflow.injection.hook import CONFIGURATION
from optiflow.injection.patch import apply
from optiflow.optimizations.registry import preset

__all__ = ["PLAIN", "Arm", "Verdict", "play", "verdict"]

PLAIN = "plain"
EXEC = "exec"
"""The program is left as it is, and its graphs are optimized as `optiflow exec` does it."""
Arm = str
"""``plain``, ``exec``, a preset, or a toggle."""
_OPTIONS: Mapping[Arm, Mapping[str, Mapping[str, Any]]] = {
    "speculate": {"speculate": {"branch": "first"}},
    "node cache": {"cache": {"nodes": "auto"}},
}
"""Toggles that do nothing in a first run unless they are told more."""

Seen = dict[str, Any]


@dataclass
class Verdict:
    """One graph, under some arms."""

    spec: Spec
    unstable: str = ""
    """Where plain LangGraph differs from itself, so that nothing can be said."""
    wrong: dict[Arm, str] = field(default_factory=dict)
    """The first difference of each arm that is not plain."""
    seconds: dict[Arm, float] = field(default_factory=dict)
    tempted: bool = False
    """Whether some node may start early."""

    def __str__(self) -> str:
        found = [f"  {arm}: {where}" for arm, where in self.wrong.items()]
        return "\n".join(
            [str(self.spec), *([f"  plain differs from itself: {self.unstable}"] * bool(self.unstable)), *found]
        )


def verdict(spec: Spec, arms: Iterable[Arm], *, twice: bool = True) -> Verdict:
    """Run a graph plainly, then with each arm.

    Args:
        spec: The graph.
        arms: What it runs with.
        twice: Whether it runs twice plainly in any case; it does, several times, where an arm is not like it.
    """
    found = Verdict(spec)
    baseline, found.seconds[PLAIN] = _timed(spec, PLAIN)
    if twice and (unlike := _difference(baseline, play(spec, PLAIN))):
        found.unstable = unlike
        return found
    for arm in arms:
        seen, found.seconds[arm] = _timed(spec, arm)
        if unlike := _difference(baseline, seen):
            found.wrong[arm] = unlike
    if found.wrong:
        # Twice is not always enough: what is odd by chance is not held against an arm.
        for _ in range(3):
            if unlike := _difference(baseline, play(spec, PLAIN)):
                found.unstable, found.wrong = unlike, {}
                break
    return found


def _difference(baseline: Any, seen: Any) -> str:
    """The first difference, in words; nothing where there is none."""
    places = Places()
    places.value("", [baseline], seen)
    return str(places.differences[0]) if places.differences else ""


def _timed(spec: Spec, arm: Arm) -> tuple[Seen, float]:
    scene, graph = _made(spec, arm)
    begun = perf_counter()
    seen = _played(scene, graph, spec.mode)
    return seen, perf_counter() - begun


def play(spec: Spec, arm: Arm) -> Seen:
    """Run a graph once; everything that can be seen of it."""
    scene, graph = _made(spec, arm)
    return _played(scene, graph, spec.mode)


def _made(spec: Spec, arm: Arm) -> tuple[Scene, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if arm == EXEC:
            with _patched():
                scene = spec.scene()
                return scene, scene.builder.compile(**scene.lab.compiling)
        scene = spec.scene()
        if arm == PLAIN:
            return scene, scene.builder.compile(**scene.lab.compiling)
        return scene, optiflow.compile(scene.builder, opt=_OPTIONS.get(arm, arm), **scene.lab.compiling)


@contextmanager
def _patched() -> Iterator[None]:
    builder: Any = langgraph.graph.state.StateGraph
    plain = builder.compile
    os.environ[CONFIGURATION] = json.dumps(preset("all"))
    apply(langgraph.graph.state)
    try:
        yield
    finally:
        builder.compile = plain
        del os.environ[CONFIGURATION]


def _played(scene: Scene, graph: Any, mode: str) -> Seen:
    config: dict[str, Any] = {"callbacks": list(scene.lab.callbacks), "configurable": dict(scene.configurable)}
    more: dict[str, Any] = {} if scene.context is None else {"context": scene.context}
    if "checkpointer" in scene.lab.compiling:
        config["configurable"]["thread_id"] = "one"
        # Saved in the background, checkpoints come at moments of their own.
        more["durability"] = "sync"
    seen: Seen = {"state": None, "items": [], "error": None}

    def take(item: Any) -> bool:
        """Whether the consumer wants no more."""
        seen["items"].append(_shown(item, scene))
        for consume in scene.lab.consumers:
            consume(item)
        return scene.stop_after is not None and len(seen["items"]) >= scene.stop_after

    async def astream() -> None:
        async with aclosing(graph.astream(scene.input, config, stream_mode=list(scene.streamed), **more)) as stream:
            async for item in stream:
                if take(item):
                    return

    async def aevents() -> None:
        async for event in graph.astream_events(scene.input, config, version="v2", **more):
            seen["items"].append(f"{event['event']} {event['name']}")

    def once() -> None:
        if mode == "invoke":
            seen["state"] = _shown(graph.invoke(scene.input, config, **more), scene)
        elif mode == "ainvoke":
            seen["state"] = _shown(asyncio.run(graph.ainvoke(scene.input, config, **more)), scene)
        elif mode == "stream":
            with closing(graph.stream(scene.input, config, stream_mode=list(scene.streamed), **more)) as stream:
                for item in stream:
                    if take(item):
                        return
        elif mode == "astream":
            asyncio.run(astream())
        else:
            asyncio.run(aevents())

    with warnings.catch_warnings(), scene.during():
        try:
            for turn in range(scene.turns):
                if turn:
                    scene.between()
                once()
        except Exception as error:  # noqa: BLE001 - whatever the graph raises is what is being compared
            notes = len(getattr(error, "__notes__", ()))
            seen["error"] = f"{type(error).__name__}: {error} ({notes} notes)"
        seen["after"] = repr(scene.after())
        seen["log"] = list(scene.lab.log)
    return seen


def _shown(value: Any, scene: Scene) -> Any:
    if isinstance(value, tuple):
        return [_shown(each, scene) for each in value]
    return repr(_without_held(scene.judged(value)))


def _without_held(value: Any) -> Any:
    """What is handed to nodes would count being shown."""
    if isinstance(value, Mapping):
        return {key: _without_held(each) for key, each in value.items() if key != "held"}
    return value
