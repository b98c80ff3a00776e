"""Graphs whose handlers do more than listen, and gauges that are back where they were when anybody looks."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langgraph.checkpoint.memory import InMemorySaver

from hiding.generator_parts import heard, scene, token
from hiding.models import LLM, Echo, answered
from hiding.scene import Lab, Pair, Scene, scenario
from hiding.steps import asking, idle, resting, working


@scenario
def a_handler_that_redacts(dice: random.Random, asynchronous: bool) -> Scene:
    """It changes the question in place, before the model gets it."""

    class Redacting(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
            for message in messages[0]:
                message.content = str(message.content).replace("about", "redacted")

    where = dice.choice(("run", "model"))
    lab = Lab(callbacks=[Redacting()] if where == "run" else [])
    llm = Echo(callbacks=[Redacting()] if where == "model" else None)
    return scene([asking("k0", llm=llm), asking("k1", llm=llm), asking("k2")], asynchronous, lab=lab)


@scenario
def a_handler_that_marks_answers(dice: random.Random, asynchronous: bool) -> Scene:
    class Marking(BaseCallbackHandler):
        number = 0

        def on_llm_end(self, response: Any, **_: Any) -> None:
            self.number += 1
            response.generations[0][0].message.content += f" ({self.number})"

    where = dice.choice(("run", "model"))
    lab = Lab(callbacks=[Marking()] if where == "run" else [])
    llm = Echo(callbacks=[Marking()] if where == "model" else None)
    return scene([asking("k0", llm=llm), asking("k1", llm=llm), resting("k2"), asking("k3")], asynchronous, lab=lab)


@scenario
def a_handler_that_changes_what_nodes_get(dice: random.Random, asynchronous: bool) -> Scene:
    class Changing(BaseCallbackHandler):
        number = 0

        def on_chain_start(self, serialized: Any, inputs: Any, **_: Any) -> None:
            if isinstance(inputs, dict) and "q" in inputs:
                self.number += 1
                inputs["q"] = f"question {self.number}"

    lab = Lab(callbacks=[Changing()])
    nodes = [asking("k0", lambda s: s["q"]), asking("k1", lambda s: s["q"]), resting("k2", lambda s: s["q"])]
    return scene(nodes, asynchronous, lab=lab)


@scenario
def a_listener_that_changes_the_answer(dice: random.Random, asynchronous: bool) -> Scene:
    seen: list[str] = []

    def ended(run: Any) -> None:
        seen.append(run.name)

    llm = LLM.with_listeners(on_end=ended)
    lab = Lab()

    class Reading(BaseCallbackHandler):
        def on_chain_end(self, outputs: Any, **_: Any) -> None:
            lab.log.append(f"{len(seen)}")

    lab.callbacks.append(Reading())
    return scene([asking("k0", llm=llm), asking("k1", llm=llm), asking("k2", llm=llm)], asynchronous, lab=lab)


class Meter:
    """What a gauge shows, kept apart from who moves it."""

    busy = 0
    puts = 0


class Gauge(BaseCallbackHandler):
    """How many questions are being answered at this moment."""

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        Meter.busy += 1

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        Meter.busy -= 1


def in_between(key: str, look: Callable[[Any], Any]) -> Pair:
    """A node that looks while it waits, neither at its start nor at its end."""

    def sync(s: Any) -> Any:
        time.sleep(0.004)
        found = look(s)
        time.sleep(0.03)
        return {key: found}

    async def asynchronous(s: Any) -> Any:
        await asyncio.sleep(0.004)
        found = look(s)
        await asyncio.sleep(0.03)
        return {key: found}

    return sync, asynchronous


@scenario
def a_gauge_that_is_back_at_the_end(dice: random.Random, asynchronous: bool) -> Scene:
    Meter.busy = 0
    llm = Echo(callbacks=[Gauge()], pause=0.015)
    looks = (lambda s: Meter.busy, lambda s: "busy" if Meter.busy else "idle")
    nodes = [asking("k0", llm=llm), in_between("k1", dice.choice(looks)), asking("k2")]
    if dice.random() < 0.5:
        nodes.insert(1, asking("k3"))
    return scene(nodes, asynchronous)


@scenario
def a_gauge_of_the_run(dice: random.Random, asynchronous: bool) -> Scene:
    Meter.busy = 0
    nodes = [
        asking("k0", llm=Echo(pause=0.015)),
        in_between("k1", lambda s: Meter.busy),
        asking("k2", lambda s: Meter.busy),
    ]
    return scene(nodes, asynchronous, lab=Lab(callbacks=[Gauge()]))


@scenario
def a_model_that_says_when_it_is_busy(dice: random.Random, asynchronous: bool) -> Scene:
    class Busy(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            STATE["busy"] = True
            time.sleep(0.015)
            STATE["busy"] = False
            return answered("done")

    STATE = {"busy": False}  # noqa: N806
    llm = Busy()
    nodes = [asking("k0", llm=llm), in_between("k1", lambda s: STATE["busy"]), asking("k2")]
    return scene(nodes, asynchronous)


@scenario
def a_cache_of_all_models(dice: random.Random, asynchronous: bool) -> Scene:
    """The second of two equal questions is not asked."""
    asked: list[int] = []

    class Counting(Echo):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            asked.append(1)
            return super()._generate(messages)

    @contextlib.contextmanager
    def during() -> Any:
        before = get_llm_cache()
        set_llm_cache(InMemoryCache())
        try:
            yield
        finally:
            set_llm_cache(before)

    llm = Counting()

    def ask(key: str) -> Pair:
        def sync(s: Any) -> Any:
            return {key: llm.invoke("the same").content}

        async def asynchronous_one(s: Any) -> Any:
            return {key: (await llm.ainvoke("the same")).content}

        return sync, asynchronous_one

    return scene([ask("k0"), ask("k1"), asking("k2")], asynchronous, during=during, after=lambda: len(asked))


@scenario
def a_saver_whose_count_is_read(dice: random.Random, asynchronous: bool) -> Scene:
    class Saver(InMemorySaver):
        def put(self, *args: Any, **named: Any) -> Any:
            Meter.puts += 1
            return super().put(*args, **named)

    Meter.puts = 0
    nodes = [asking("k0"), asking("k1", lambda s: Meter.puts), resting("k2", idle, lambda s: Meter.puts), asking("k3")]
    return scene(nodes, asynchronous, lab=Lab(compiling={"checkpointer": Saver()}))


@scenario
def a_consumer_whose_count_is_read(dice: random.Random, asynchronous: bool) -> Scene:
    """As an interface that shows how far the run is, and may be told to stop."""

    class Progress:
        shown = 0
        stopped = False

    def consume(item: Any) -> None:
        Progress.shown += 1
        Progress.stopped = Progress.shown > 2

    lab = Lab(consumers=[consume])
    looks = (lambda s: Progress.shown, lambda s: "stopped" if Progress.stopped else LLM.invoke("more").content)
    look = dice.choice(looks)
    return scene([asking("k0"), asking("k1", look), asking("k2", look), working("k3", look)], asynchronous, lab=lab)


class Speaking(Echo):
    """Says its answer in pieces."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
        for number, piece in enumerate(str(messages[-1].content).split()):
            time.sleep(0.003)
            chunk = ChatGenerationChunk(
                message=AIMessageChunk(content=f"{piece}{number} ", id=str(messages[-1].content))
            )
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk


@scenario
def a_stream_of_tokens(dice: random.Random, asynchronous: bool) -> Scene:
    llm = Speaking()
    nodes = [asking("k0", llm=llm), asking("k1", llm=llm), asking("k2", llm=llm)]
    return scene(nodes, asynchronous, streamed=("messages",), judged=token)


@scenario
def tokens_that_a_handler_hears(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    llm = Speaking()

    class Hearing(BaseCallbackHandler):
        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            lab.log.append(str(token))

    lab.callbacks += [Hearing(), heard(lab.log)]

    def speak(key: str) -> Pair:
        def sync(s: Any) -> Any:
            return {key: "".join([str(chunk.content) for chunk in llm.stream(f"tell me {key}")])}

        async def asynchronous_one(s: Any) -> Any:
            return {key: "".join([str(chunk.content) async for chunk in llm.astream(f"tell me {key}")])}

        return sync, asynchronous_one

    return scene([speak("k0"), speak("k1"), asking("k2")], asynchronous, lab=lab)
