"""State and objects that nodes share in ways that are easily overlooked."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import time
from typing import Any, TypedDict

from conformance_cases.case import INSTANT, Built, hidden
from conformance_cases.overlapping import PAUSE
from langgraph.graph import START, StateGraph

from optiflow.analysis.equivalence import Recorder


class Notes(TypedDict, total=False):
    first: str
    second: str
    third: str
    read: Any


def write_first(state: Notes) -> Notes:
    time.sleep(PAUSE)
    return {"first": "one"}


def write_second(state: Notes) -> Notes:
    time.sleep(INSTANT)
    return {"second": "two"}


def read_unpacked(state: Notes) -> Notes:
    time.sleep(INSTANT)
    seen = {**state}
    return {"read": sorted(seen)}


def read_copied(state: Notes) -> Notes:
    time.sleep(INSTANT)
    seen = dict(state)
    return {"read": sorted(seen)}


def read_items(state: Notes) -> Notes:
    time.sleep(INSTANT)
    return {"read": [f"{key}={value}" for key, value in state.items()]}


def read_membership(state: Notes) -> Notes:
    time.sleep(INSTANT)
    return {"read": ["first" in state, "third" in state, len(state)]}


def helper(state: Any) -> list[str]:
    return sorted(state)


def read_by_helper(state: Notes) -> Notes:
    time.sleep(INSTANT)
    return {"read": helper(state)}


def read_by_name(state: Notes) -> Notes:
    time.sleep(INSTANT)
    names = ["fi" + "rst", "sec" + "ond"]
    return {"read": [state[name] for name in names]}  # type: ignore[literal-required]


def read_by_get(state: Notes) -> Notes:
    time.sleep(INSTANT)
    return {"read": [state.get("first"), state.get("third", "none")]}


def read_attribute_of_copy(state: Notes) -> Notes:
    time.sleep(INSTANT)
    import copy

    return {"read": copy.deepcopy(state).get("first")}


def _reader(name: str, node: Any, read: Any) -> None:
    def build(recorder: Recorder) -> Built:
        builder = StateGraph(Notes)
        builder.add_sequence([("write_first", write_first), ("write_second", write_second), ("reader", node)])
        builder.add_edge(START, "write_first")
        return builder

    hidden(name=name, input={"third": "three"}, output={"read": read})(build)


_reader("reads_state_unpacked", read_unpacked, ["first", "second", "third"])
_reader("reads_state_copied", read_copied, ["first", "second", "third"])
_reader("reads_state_items", read_items, ["first=one", "second=two", "third=three"])
_reader("reads_state_membership_and_length", read_membership, [True, True, 3])
_reader("reads_state_in_a_helper", read_by_helper, ["first", "second", "third"])
_reader("reads_state_by_computed_names", read_by_name, ["one", "two"])
_reader("reads_state_by_get", read_by_get, ["one", "three"])
_reader("reads_state_deeply_copied", read_attribute_of_copy, "one")


class Shelf:
    """An object outside of the state."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: dict[str, str] = {}

    def save(self, key: str, value: str) -> None:
        self._recorder.effect("saved", [key, value])
        self._kept[key] = value

    def load(self, key: str) -> str:
        self._recorder.effect("loaded", key)
        return self._kept.get(key, "MISSING")


@hidden(
    input={"third": "three"},
    output={"first": "saved", "second": "three"},
    effects=("saved", "loaded"),
    refusals={"parallel": {"save": "", "load": ""}},
)
def one_node_saves_to_an_object_and_the_next_loads_from_it(recorder: Recorder) -> Built:
    shelf = Shelf(recorder)

    def save(state: Notes) -> Notes:
        time.sleep(PAUSE)
        shelf.save("note", state["third"])
        return {"first": "saved"}

    def load(state: Notes) -> Notes:
        time.sleep(INSTANT)
        return {"second": shelf.load("note")}

    builder = StateGraph(Notes)
    builder.add_sequence([("save", save), ("load", load)])
    builder.add_edge(START, "save")
    return builder


KEPT: list[str] = []


def keep_globally(state: Notes) -> Notes:
    time.sleep(PAUSE)
    KEPT.clear()
    KEPT.append(state["third"])
    return {"first": "kept"}


def take_globally(state: Notes) -> Notes:
    time.sleep(INSTANT)
    return {"second": KEPT[-1] if KEPT else "MISSING"}


@hidden(
    input={"third": "three"},
    output={"first": "kept", "second": "three"},
    refusals={"parallel": {"keep": "", "take": ""}},
)
def a_module_variable_passes_between_nodes(recorder: Recorder) -> Built:
    KEPT.clear()
    builder = StateGraph(Notes)
    builder.add_sequence([("keep", keep_globally), ("take", take_globally)])
    builder.add_edge(START, "keep")
    return builder


class Drafts(TypedDict, total=False):
    texts: list[str]
    first: str
    second: str


def mutate(state: Drafts) -> Drafts:
    time.sleep(PAUSE)
    state["texts"].append("mutated")
    return {"first": "done"}


def see_mutation(state: Drafts) -> Drafts:
    time.sleep(INSTANT)
    return {"second": " ".join(state["texts"])}


@hidden(
    input={"texts": ["given"]},
    output={"texts": ["given", "mutated"], "first": "done", "second": "given mutated"},
)
def a_node_mutates_a_value_of_the_state(recorder: Recorder) -> Built:
    builder = StateGraph(Drafts)
    builder.add_sequence([("mutate", mutate), ("see", see_mutation)])
    builder.add_edge(START, "mutate")
    return builder
