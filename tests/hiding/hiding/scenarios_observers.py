"""Graphs that somebody listens to."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.tracers import BaseTracer
from langchain_core.tracers.context import collect_runs, register_configure_hook

from hiding.generator_parts import heard, scene, token
from hiding.models import Echo
from hiding.scene import Lab, Scene, scenario
from hiding.steps import asking, idle, resting, working


@scenario
def usage_that_a_node_reads(dice: random.Random, asynchronous: bool) -> Scene:
    usage = UsageMetadataCallbackHandler()

    class Priced(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            made = super()._generate(messages)
            message: Any = made.generations[0].message
            message.usage_metadata = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            message.response_metadata = {"model_name": "priced"}
            return made

    llm = Priced()

    class Total:
        @property
        def tokens(self) -> int:
            return int(usage.usage_metadata.get("priced", {}).get("total_tokens", 0))

    total = Total()
    nodes = [
        asking("k0", lambda s: total.tokens, llm=llm),
        asking("k1", lambda s: str(usage.usage_metadata), llm=llm),
        asking("k2", lambda s: str(usage.usage_metadata), llm=llm),
        working("k3", lambda s: str(usage.usage_metadata)),
    ]
    return scene(nodes, asynchronous, lab=Lab(callbacks=[usage]), after=lambda: usage.usage_metadata)


class Tally(BaseCallbackHandler):
    """Counts questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.number = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
        self.number += 1
        self.asked.append(str(messages[0][-1].content))


@scenario
def questions_that_a_node_counts(dice: random.Random, asynchronous: bool) -> Scene:
    tally = Tally()

    def count(s: Any) -> int:
        return tally.number

    ways: tuple[Callable[[Any], Any], ...] = (count, lambda s: tally.number > 1, lambda s: list(tally.asked))
    way = dice.choice(ways)
    nodes = [asking("k0"), dice.choice((asking, resting))("k1", way), asking("k2", idle, way), working("k3", way)]
    return scene(nodes, asynchronous, lab=Lab(callbacks=[tally]), after=lambda: tally.asked)


_hooked: ContextVar[Any] = ContextVar("hiding_hooked", default=None)
register_configure_hook(_hooked, inheritable=True)


@scenario
def a_handler_of_the_context(dice: random.Random, asynchronous: bool) -> Scene:
    """Heard by everything that runs in this context, named nowhere."""
    tally = Tally()

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        token = _hooked.set(tally)
        yield
        _hooked.reset(token)

    nodes = [asking("k0"), asking("k1", lambda s: tally.number), asking("k2", lambda s: tally.number)]
    return scene(nodes, asynchronous, during=during, after=lambda: tally.asked)


@scenario
def runs_that_are_collected(dice: random.Random, asynchronous: bool) -> Scene:
    names: list[str] = []

    def walk(run: Any) -> None:
        names.append(run.name)
        for child in run.child_runs:
            walk(child)

    @contextlib.contextmanager
    def during() -> Iterator[None]:
        with collect_runs() as collected:
            yield
        for run in collected.traced_runs:
            walk(run)

    return scene([asking("k0"), asking("k1"), resting("k2")], asynchronous, during=during, after=lambda: names)


@scenario
def a_tracer(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    log = lab.log

    class Tracer(BaseTracer):
        def _persist_run(self, run: Any) -> None:
            log.append(f"persisted {run.name}: {[child.name for child in run.child_runs]}")

        def _on_llm_start(self, run: Any) -> None:
            log.append(f"asked {run.name}")

        def _on_chain_end(self, run: Any) -> None:
            log.append(f"ended {run.name}")

    lab.callbacks.append(Tracer())
    return scene([asking("k0"), asking("k1"), resting("k2")], asynchronous, lab=lab)


@scenario
def a_handler_and_a_model_with_one(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    lab.callbacks.append(heard(lab.log))
    llm = Echo(callbacks=[heard(lab.log)])
    return scene([asking("k0", llm=llm), asking("k1"), asking("k2", llm=llm)], asynchronous, lab=lab)


@scenario
def a_stream_of_messages(dice: random.Random, asynchronous: bool) -> Scene:
    nodes = [asking(f"k{number}") for number in range(dice.randint(2, 4))]
    return scene(nodes, asynchronous, streamed=("messages",), judged=token)


@scenario
def a_stream_of_events(dice: random.Random, asynchronous: bool) -> Scene:
    return scene([asking("k0"), asking("k1"), resting("k2")], asynchronous)
