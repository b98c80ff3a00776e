"""What changes a shared thing from outside of the nodes: handlers, listeners, savers, consumers."""

# ruff: noqa: D103 - what changes it, its name says

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any

from langchain_core.callbacks import BaseCallbackHandler, dispatch_custom_event
from langchain_core.callbacks.manager import adispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer

from hiding.models import LLM, Echo
from hiding.roles import asks, sleeps
from hiding.scene import Lab, Pair, Role, change
from hiding.triggers import asking, logging_with, writing

Move = Callable[[], object]


def handler(event: str, move: Move) -> BaseCallbackHandler:
    """A handler that moves the shared thing at one kind of event."""

    def moved(self: Any, *_: Any, **__: Any) -> None:
        move()

    return type("Mover", (BaseCallbackHandler,), {event: moved})()


@change
def a_handler_of_questions(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(handler("on_chat_model_start", move))
    return asks


@change
def a_handler_of_answers(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(handler("on_llm_end", move))
    return asks


@change
def a_handler_of_node_starts(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(handler("on_chain_start", move))
    return sleeps


@change
def a_handler_of_node_ends(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(handler("on_chain_end", move))
    return asks


@change
def a_handler_within_a_graph_handler(lab: Lab, move: Move) -> Role:
    """Counts every second event only."""

    class Every(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen = 0

        def on_llm_end(self, response: Any, **_: Any) -> None:
            self.seen += 1
            if self.seen % 2:
                move()

    lab.callbacks.append(Every())
    return asks


@change
def a_handler_of_the_model(lab: Lab, move: Move) -> Role:
    llm = Echo(callbacks=[handler("on_llm_end", move)])
    return asking(llm)


@change
def a_handler_bound_to_the_model(lab: Lab, move: Move) -> Role:
    llm = LLM.with_config(callbacks=[handler("on_chat_model_start", move)])
    return asking(llm)


@change
def a_handler_given_with_the_question(lab: Lab, move: Move) -> Role:
    CALLBACKS = [handler("on_llm_end", move)]  # noqa: N806

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            return {key: LLM.invoke(f"{key} {s[need]}"[:40], {"callbacks": CALLBACKS}).content}

        async def asynchronous(s: Any) -> Any:
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40], {"callbacks": CALLBACKS})).content}

        return sync, asynchronous

    return role


@change
def a_listener_of_the_model(lab: Lab, move: Move) -> Role:
    return asking(LLM.with_listeners(on_end=lambda run: move()))


@change
def a_listener_of_the_start(lab: Lab, move: Move) -> Role:
    return asking(LLM.with_listeners(on_start=lambda run: move()))


@change
def a_listener_of_a_chain(lab: Lab, move: Move) -> Role:
    def shout(text: str) -> str:
        return f"{text}!"

    return asking(RunnableLambda(shout).with_listeners(on_end=lambda run: move()) | LLM)


@change
def a_handler_of_custom_events(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(handler("on_custom_event", move))

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            text = LLM.invoke(f"{key} {s[need]}"[:40]).content
            dispatch_custom_event("note", {"key": key})
            return {key: text}

        async def asynchronous(s: Any, config: RunnableConfig) -> Any:
            text = (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content
            await adispatch_custom_event("note", {"key": key}, config=config)
            return {key: text}

        return sync, asynchronous

    return role


@change
def a_handler_of_tools(lab: Lab, move: Move) -> Role:
    lab.callbacks.append(handler("on_tool_end", move))

    @tool
    def weather(town: str) -> str:
        """Tell the weather."""
        time.sleep(0.004)
        return f"rain in {town}"

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            return {key: weather.invoke({"town": str(s[need])[:9]})}

        async def asynchronous(s: Any) -> Any:
            return {key: await weather.ainvoke({"town": str(s[need])[:9]})}

        return sync, asynchronous

    return role


@change
def a_reducer(lab: Lab, move: Move) -> Role:
    def reduced(old: Any, new: Any) -> Any:
        move()
        return [*(old or ()), new]

    lab.fields["reduced"] = Annotated[list, reduced]
    return writing("reduced")


@change
def a_reducer_of_the_class(lab: Lab, move: Move) -> Role:
    class Reduce:
        def __call__(self, old: Any, new: Any) -> Any:
            move()
            return new if not old else old + new

    lab.fields["reduced"] = Annotated[str, Reduce()]
    return writing("reduced")


@change
def a_saver(lab: Lab, move: Move) -> Role:
    class Saver(InMemorySaver):
        def put(self, *args: Any, **named: Any) -> Any:
            move()
            return super().put(*args, **named)

    lab.compiling["checkpointer"] = Saver()
    return asks


@change
def a_consumer(lab: Lab, move: Move) -> Role:
    lab.consumers.append(lambda item: move())
    return asks


@change
def a_consumer_of_one_node(lab: Lab, move: Move) -> Role:
    def consume(item: Any) -> None:
        if item[0] == "updates" and "n0" in item[1]:
            move()

    lab.consumers.append(consume)
    return asks


@change
def a_consumer_of_custom_items(lab: Lab, move: Move) -> Role:
    def consume(item: Any) -> None:
        if item[0] == "custom":
            move()

    lab.consumers.append(consume)

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            get_stream_writer()({"at": key})
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any) -> Any:
            get_stream_writer()({"at": key})
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role


@change
def a_handler_of_log_records(lab: Lab, move: Move) -> Role:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lab.log.append(record.getMessage())
            move()

    return logging_with(Handler(), [])


@change
def a_filter_of_log_records(lab: Lab, move: Move) -> Role:
    class Filter(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            lab.log.append(record.getMessage())
            move()
            return False

    return logging_with(logging.NullHandler(), [Filter()])


@change
def a_stream_that_is_printed_to(lab: Lab, move: Move) -> Role:
    class Out:
        def write(self, text: str) -> int:
            lab.log.append(text)
            move()
            return len(text)

        def flush(self) -> None:
            pass

    lab.around.append(lambda: redirect_stdout(Out()))

    def role(key: str, need: str, pause: float) -> Pair:
        def sync(s: Any) -> Any:
            print("at", key)
            return {key: LLM.invoke(f"{key} {s[need]}"[:40]).content}

        async def asynchronous(s: Any) -> Any:
            print("at", key)
            return {key: (await LLM.ainvoke(f"{key} {s[need]}"[:40])).content}

        return sync, asynchronous

    return role
