"""Graphs that fail, stop or are left: what would have come later must not have happened."""

# ruff: noqa: D103 - what happens, its name says

from __future__ import annotations

import functools
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, interrupt

from hiding.generator_parts import a_shared_place, heard, scene
from hiding.models import LLM, Echo
from hiding.scene import Lab, Pair, Scene, scenario, state_of
from hiding.steps import asking, resting, working


def fails(s: Any) -> Any:
    raise ValueError(f"bad {s['q']}")


def failing(dice: random.Random) -> Pair:
    return dice.choice((asking, resting))("k0", last=fails)


def spy() -> tuple[Callable[[Any], str], list[Any]]:
    """A function that looks like one of the library's, and counts."""
    calls: list[Any] = []

    @functools.wraps(json.dumps)
    def dumps(value: Any) -> str:
        calls.append(value)
        return f"{value} {len(calls)}"

    return dumps, calls


@scenario
def what_a_failed_run_counts(dice: random.Random, asynchronous: bool) -> Scene:
    dumps, calls = spy()
    nodes = [failing(dice), asking("k1", lambda s: dumps("a")), asking("k2", lambda s: dumps("b"))]
    return scene(nodes, asynchronous, after=lambda: list(calls))


@scenario
def what_a_failed_run_moves(dice: random.Random, asynchronous: bool) -> Scene:
    shared = a_shared_place(dice)
    look = shared.look
    nodes = [failing(dice), asking("k1", lambda s: look(None)), resting("k2", lambda s: look(None))]
    return scene(nodes, asynchronous, during=shared.during, after=lambda: look(None))


@scenario
def what_a_handler_hears_of_a_failed_run(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    lab.callbacks.append(heard(lab.log))
    return scene([failing(dice), asking("k1"), asking("k2")], asynchronous, lab=lab)


@scenario
def what_a_model_is_asked_in_a_failed_run(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    llm = Echo(callbacks=[heard(lab.log)])
    return scene([failing(dice), asking("k1", llm=llm), asking("k2", llm=llm)], asynchronous, lab=lab)


@scenario
def what_a_listener_hears_of_a_failed_run(dice: random.Random, asynchronous: bool) -> Scene:
    lab = Lab()
    log = lab.log
    llm = LLM.with_listeners(on_start=lambda run: log.append("start"), on_end=lambda run: log.append("end"))
    return scene([failing(dice), asking("k1", llm=llm)], asynchronous, lab=lab)


@scenario
def which_of_two_errors_is_told(dice: random.Random, asynchronous: bool) -> Scene:
    def later(s: Any) -> Any:
        raise KeyError("later")

    nodes = [asking("k0"), resting("k1", last=fails, pause=0.02), working("k2", later), asking("k3")]
    return scene(nodes, asynchronous)


@scenario
def an_error_that_numbers_itself(dice: random.Random, asynchronous: bool) -> Scene:
    class NumberedError(Exception):
        made = 0

        def __init__(self) -> None:
            NumberedError.made += 1
            super().__init__(f"error {NumberedError.made}")

    def caught(s: Any) -> str:
        try:
            raise NumberedError
        except NumberedError as error:
            return str(error)

    def raised(s: Any) -> Any:
        raise NumberedError

    ends = dice.random() < 0.5
    nodes = [asking("k0", last=caught), asking("k1", caught), asking("k2", caught if not ends else raised)]
    return scene(nodes, asynchronous)


@scenario
def a_caught_error_of_a_model(dice: random.Random, asynchronous: bool) -> Scene:
    numbers = itertools.count(1)

    class Down(Echo):
        def _convert_input(self, model_input: Any) -> Any:
            raise ConnectionError(f"down {next(numbers)}")

    llm = Down()

    def asked(s: Any) -> str:
        try:
            return str(llm.invoke("hello").content)
        except ConnectionError as error:
            return str(error)

    return scene([asking("k0", last=asked), asking("k1", asked), asking("k2", asked)], asynchronous)


@scenario
def a_handler_that_raises(dice: random.Random, asynchronous: bool) -> Scene:
    at = dice.choice((1, 2, 3))

    class Budget(BaseCallbackHandler):
        raise_error = True

        def __init__(self) -> None:
            self.asked = 0

        def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
            self.asked += 1
            if self.asked >= at:
                raise PermissionError(f"question {self.asked}: {messages[0][-1].content}")

    budget = Budget()
    lab = Lab(callbacks=[budget])
    nodes = [asking("k0"), asking("k1"), asking("k2")]
    return scene(nodes, asynchronous, lab=lab, after=lambda: budget.asked)


@scenario
def a_handler_that_raises_at_an_answer(dice: random.Random, asynchronous: bool) -> Scene:
    class Guard(BaseCallbackHandler):
        raise_error = True

        def on_llm_end(self, response: Any, **_: Any) -> None:
            raise PermissionError(str(response.generations[0][0].message.content))

    lab = Lab(callbacks=[Guard(), heard([])])
    lab.callbacks.append(heard(lab.log))
    return scene([asking("k0"), asking("k1")], asynchronous, lab=lab)


@scenario
def attempts_that_are_counted(dice: random.Random, asynchronous: bool) -> Scene:
    dumps, calls = spy()

    def flaky(s: Any) -> str:
        text = dumps("try")
        if len(text) and int(text[-1]) % 2:
            raise ConnectionError(text)
        return text

    builder: Any = StateGraph(state_of(4))
    nodes = [asking("k0", lambda s: dumps("first")), working("k1", flaky), asking("k2", lambda s: dumps("last"))]
    before = START
    for number, node in enumerate(nodes):
        policy = RetryPolicy(initial_interval=0.001, max_attempts=4, jitter=False, retry_on=ConnectionError)
        builder.add_node(f"n{number}", node[asynchronous], retry_policy=policy)
        builder.add_edge(before, f"n{number}")
        before = f"n{number}"
    return Scene(builder, {"q": "question"}, after=lambda: list(calls))


@scenario
def failing_soon(dice: random.Random, asynchronous: bool) -> Scene:
    """Nobody waits for what is not needed any more."""
    begun = [0.0]

    @contextmanager
    def during() -> Iterator[None]:
        begun[0] = time.monotonic()
        yield

    nodes = [asking("k0", last=fails), resting("k1", pause=0.6), asking("k2")]
    return scene(nodes, asynchronous, during=during, after=lambda: time.monotonic() - begun[0] < 0.4)


@scenario
def a_consumer_that_goes_away(dice: random.Random, asynchronous: bool) -> Scene:
    dumps, calls = spy()
    lab = Lab()
    lab.callbacks.append(heard(lab.log))
    nodes = [asking("k0", lambda s: dumps("a")), asking("k1", lambda s: dumps("b")), asking("k2", lambda s: dumps("c"))]
    return scene(
        nodes, asynchronous, lab=lab, after=lambda: list(calls), stop_after=dice.choice((1, 2)), streamed=("updates",)
    )


@scenario
def a_run_that_stops_before_a_node(dice: random.Random, asynchronous: bool) -> Scene:
    dumps, calls = spy()
    lab = Lab(compiling={"checkpointer": InMemorySaver(), "interrupt_before": ["n1"]})
    lab.callbacks.append(heard(lab.log))
    nodes = [asking("k0", lambda s: dumps("a")), asking("k1", lambda s: dumps("b")), asking("k2", lambda s: dumps("c"))]
    return scene(nodes, asynchronous, lab=lab, after=lambda: list(calls))


@scenario
def a_run_that_is_interrupted(dice: random.Random, asynchronous: bool) -> Scene:
    dumps, calls = spy()
    lab = Lab(compiling={"checkpointer": InMemorySaver()})
    lab.callbacks.append(heard(lab.log))

    def ask_a_person(s: Any) -> Any:
        return interrupt("well?")

    nodes = [asking("k0"), working("k1", ask_a_person), asking("k2", lambda s: dumps("c"))]
    if dice.random() < 0.5:
        nodes.insert(1, asking("k3", lambda s: dumps("b")))
    made = scene(nodes, asynchronous, lab=lab, after=lambda: list(calls))
    made.judged = lambda state: (
        {key: value for key, value in state.items() if key != "__interrupt__"} if isinstance(state, dict) else state
    )
    return made
