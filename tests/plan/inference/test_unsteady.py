"""What makes two runs of a node differ, or silent: output, the clock, and the run's configuration."""

from __future__ import annotations

import datetime
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.config import get_config
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime

from optiflow.plan.effects import Effects
from optiflow.plan.graph_plan import GraphPlan


class State(TypedDict, total=False):
    """Whatever."""

    a: Any


log = logging.getLogger(__name__)
model = ChatOpenAI(model="gpt-4o", api_key="none")


def effects_of(node: Callable[..., Any]) -> Effects:
    """What is known of a node."""
    return GraphPlan.of(StateGraph(State).add_node("node", node)).nodes["node"].effects


def prints(state: State) -> Any:
    """Prints."""
    print("x")
    return {"a": 1}


def logs(state: State) -> Any:
    """Logs."""
    log.warning("x")
    return {"a": 1}


def now(state: State) -> Any:
    """Asks what time it is."""
    return {"a": datetime.datetime.now(datetime.UTC)}


def today(state: State) -> Any:
    """Asks what day it is."""
    return {"a": datetime.date.today()}


def clock(state: State) -> Any:
    """Reads a counter."""
    return {"a": time.monotonic()}


def new_id(state: State) -> Any:
    """Makes an id."""
    return {"a": uuid.uuid4()}


def sleeps(state: State) -> Any:
    """Waits."""
    time.sleep(0)
    return {"a": 1}


def calendar(state: State) -> Any:
    """Computes with dates."""
    return {"a": datetime.date(2024, 1, 1) + datetime.timedelta(days=1)}


def named_id(state: State) -> Any:
    """Computes an id."""
    return {"a": uuid.uuid5(uuid.NAMESPACE_DNS, "x")}


@pytest.mark.parametrize(
    ("node", "speaks", "varies"),
    [
        (prints, True, False),
        (logs, True, False),
        (now, False, True),
        (today, False, True),
        (clock, False, True),
        (new_id, False, True),
        (sleeps, False, False),
        (calendar, False, False),
        (named_id, False, False),
    ],
)
def test_output_and_the_moment(node: Callable[..., Any], speaks: bool, varies: bool) -> None:
    """None of which keeps a node from being moved."""
    effects = effects_of(node)
    assert (effects.known, effects.speaks, effects.varies) == (True, speaks, varies)


def user(state: State, config: RunnableConfig) -> Any:
    """Reads an entry."""
    return {"a": config["configurable"]["user"]}


def user_or_none(state: State, config: RunnableConfig) -> Any:
    """Reads it if it is there."""
    return {"a": config.get("configurable", {}).get("user")}


def maybe(state: State, config: RunnableConfig) -> Any:
    """Reads it if there is a configuration."""
    settings = (config or {}).get("configurable", {})
    return {"a": "user" in settings and settings["user"]}


def helped(state: State, config: RunnableConfig) -> Any:
    """Lets a helper read it."""
    return {"a": _user(config)}


def _user(config: RunnableConfig) -> Any:
    """Reads an entry for somebody else."""
    return config["configurable"]["user"]


def ambient(state: State) -> Any:
    """Asks for the configuration."""
    return {"a": get_config()["configurable"]["user"]}


def context(state: State, runtime: Runtime[Any]) -> Any:
    """Reads the context."""
    return {"a": runtime.context.user}


def tags(state: State, config: RunnableConfig) -> Any:
    """Reads what is the run's alone."""
    return {"a": config["tags"]}


def hands_on(state: State, config: RunnableConfig) -> Any:
    """Hands the configuration to a model."""
    return {"a": model.invoke("hi", config)}


def nothing(state: State, config: RunnableConfig) -> Any:
    """Only looks whether there is one."""
    return {"a": 1 if config is None else 2}


def shows(state: State, config: RunnableConfig) -> Any:
    """Prints it into its answer."""
    return {"a": f"{config['configurable']}"}


def copies(state: State, config: RunnableConfig) -> Any:
    """Copies it."""
    return {"a": dict(config["configurable"])}


def unpacks(state: State, config: RunnableConfig) -> Any:
    """Unpacks it."""
    return {"a": {**config["configurable"]}}


def loops(state: State, config: RunnableConfig) -> Any:
    """Goes through it."""
    found = []
    for name in config["configurable"]:
        found.append(name)
    return {"a": found}


def compares(state: State, config: RunnableConfig) -> Any:
    """Compares it."""
    return {"a": config["configurable"] == {}}


def computed(state: State, config: RunnableConfig) -> Any:
    """Reads an entry that nobody knows."""
    return {"a": config["configurable"][state["a"]]}


@pytest.mark.parametrize(
    ("node", "settings"),
    [
        (sleeps, set()),
        (nothing, set()),
        (hands_on, set()),
        (user, {"configurable", "user"}),
        (user_or_none, {"configurable", "user"}),
        (maybe, {"configurable", "user"}),
        (helped, {"configurable", "user"}),
        (ambient, {"configurable", "user"}),
        (context, {"context"}),
        (tags, {"tags"}),
        (shows, None),
        (copies, None),
        (unpacks, None),
        (loops, None),
        (compares, None),
        (computed, None),
    ],
)
def test_entries_of_the_configuration(node: Callable[..., Any], settings: set[str] | None) -> None:
    """By name where they are read one by one, else all."""
    effects = effects_of(node)
    assert effects.source == "inferred"
    assert not effects.touches_outside
    assert effects.settings == settings


def test_entries_that_are_langgraphs_own_keep_a_node_in_its_place() -> None:
    """Also where the configuration is asked for."""

    def store(state: State) -> Any:
        return {"a": get_config()["configurable"]["__pregel_store"]}

    assert effects_of(store).touches_outside


def test_declared_effects_say_nothing_of_the_configuration() -> None:
    """So it counts as read."""
    declared = Effects.declared({"a"}, {"a"})
    assert (declared.settings, declared.speaks, declared.varies) == (None, False, False)
