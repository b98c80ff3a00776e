"""Effects, reads and writes that are easily overlooked."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import itertools
import logging
import os
import random
import time
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypedDict

from conformance_cases.case import INSTANT, Built, hidden
from langgraph.graph import START, StateGraph

from optiflow.analysis.equivalence import LOG_RECORD, Recorder

PAUSE = 0.004


class Note(TypedDict, total=False):
    text: str
    one: Any
    two: Any
    three: Any


TEXT = {"text": "hi"}


def slow(state: Note) -> Note:
    """Stands before the nodes in question: during it they could start."""
    time.sleep(PAUSE)
    return {"one": "slow"}


def chain(*nodes: Any) -> StateGraph:
    builder = StateGraph(Note)
    builder.add_sequence([(f"node_{number}", node) for number, node in enumerate(nodes)])
    builder.add_edge(START, "node_0")
    return builder


@hidden(input=TEXT, output={"two": 1, "three": 2}, refusals={"parallel": {"node_1": "rebinds count"}})
def a_closures_counter(recorder: Recorder) -> Built:
    count = 0

    def first(state: Note) -> Note:
        nonlocal count
        time.sleep(PAUSE)
        count += 1
        return {"two": count}

    def second(state: Note) -> Note:
        nonlocal count
        time.sleep(INSTANT)
        count += 1
        return {"three": count}

    return chain(first, second)


@hidden(input=TEXT, output={"two": 0, "three": 1}, refusals={"parallel": {"node_1": "next"}})
def an_iterator_shared_by_nodes(recorder: Recorder) -> Built:
    numbers = itertools.count()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": next(numbers)}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": next(numbers)}

    return chain(first, second)


@hidden(input=TEXT, output={"two": 1, "three": 2})
def a_mutable_default_argument(recorder: Recorder) -> Built:
    seen: list[str] = []

    def first(state: Note, seen: list[str] = seen) -> Note:
        time.sleep(PAUSE)
        seen.append(state["text"])
        return {"two": len(seen)}

    def second(state: Note, seen: list[str] = seen) -> Note:
        time.sleep(INSTANT)
        seen.append(state["text"])
        return {"three": len(seen)}

    return chain(first, second)


@hidden(input=TEXT, output={"two": 1, "three": 2})
def an_attribute_of_a_function(recorder: Recorder) -> Built:
    def count() -> int:
        count.calls += 1  # type: ignore[attr-defined]
        return count.calls  # type: ignore[attr-defined,no-any-return]

    count.calls = 0  # type: ignore[attr-defined]

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": count()}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": count()}

    return chain(first, second)


class Counter:
    """Counts in the class itself."""

    calls = 0

    def __call__(self) -> int:
        type(self).calls += 1
        return type(self).calls


@hidden(input=TEXT, output={"two": 1, "three": 2})
def an_attribute_of_a_class(recorder: Recorder) -> Built:
    Counter.calls = 0
    counter = Counter()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": counter()}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": counter()}

    return chain(first, second)


class Lazy:
    """An attribute whose reading changes it."""

    def __init__(self) -> None:
        self._reads = 0

    @property
    def reads(self) -> int:
        self._reads += 1
        return self._reads


# LangGraph itself looks at the attribute when it compiles, so the count does not begin at one.
@hidden(input=TEXT, refusals={"parallel": {"node_1": "did not make"}})
def a_property_that_changes_its_object(recorder: Recorder) -> Built:
    lazy = Lazy()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": lazy.reads}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": lazy.reads}

    return chain(first, second)


@hidden(
    input=TEXT,
    output={"two": 0.13436424411240122, "three": 0.8474337369372327},
    refusals={"parallel": {"node_1": "random"}},
)
def a_seeded_random_sequence(recorder: Recorder) -> Built:
    generator = random.Random(1)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": generator.random()}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": generator.random()}

    return chain(first, second)


@hidden(input=TEXT, output={"two": "set", "three": "by first"})
def an_environment_variable(recorder: Recorder) -> Built:
    os.environ.pop("OPTIFLOW_CONFORMANCE", None)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        os.environ["OPTIFLOW_CONFORMANCE"] = "by first"
        return {"two": "set"}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": os.environ.get("OPTIFLOW_CONFORMANCE", "MISSING")}

    return chain(first, second)


@hidden(input=TEXT, output={"two": "written", "three": "hi"})
def a_file_written_and_then_read(recorder: Recorder) -> Built:
    path = Path(gettempdir()) / f"optiflow-conformance-{os.getpid()}-{id(recorder)}.txt"

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        path.write_text(state["text"])
        return {"two": "written"}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        try:
            with open(path) as file:  # noqa: PTH123 - the form to be seen through
                return {"three": file.read()}
        finally:
            path.unlink()

    return chain(first, second)


class RecordingHandler(logging.Handler):
    """Notes log records as effects."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def emit(self, record: logging.LogRecord) -> None:
        self.recorder.effect(LOG_RECORD, record.getMessage())


@hidden(input=TEXT, output={"two": 1, "three": 2}, effects=(LOG_RECORD, LOG_RECORD))
def log_records(recorder: Recorder) -> Built:
    logger = logging.getLogger(f"conformance.{id(recorder)}")
    logger.propagate = False
    logger.addHandler(RecordingHandler(recorder))

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        logger.warning("first")
        return {"two": 1}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        logger.warning("second")
        return {"three": 2}

    return chain(first, second)
