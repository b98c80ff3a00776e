"""Code that is not what it seems to be."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import functools
import linecache
import time
from collections.abc import Callable
from typing import Any

from conformance_cases.case import INSTANT, Built, hidden
from conformance_cases.hidden import PAUSE, TEXT, Note, chain

from optiflow.analysis.equivalence import Recorder


def remembered(function: Callable[[Note], Note], seen: list[str]) -> Callable[[Note], Note]:
    """A decorator that leaves a trace; the source that tools show is that of the function inside."""

    @functools.wraps(function)
    def wrapper(state: Note) -> Note:
        result = function(state)
        seen.append(function.__name__)
        return {**result, "one": list(seen)}

    return wrapper


@hidden(
    input=TEXT,
    output={"one": ["first", "second"], "two": 1, "three": 2},
    refusals={"parallel": {"node_1": "did not make"}},
)
def decorated_nodes(recorder: Recorder) -> Built:
    seen: list[str] = []

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": 1}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": 2}

    return chain(remembered(first, seen), remembered(second, seen))


@hidden(input=TEXT, output={"two": 1, "three": 2})
def a_builtin_shadowed(recorder: Recorder) -> Built:
    seen: list[int] = []

    def len(text: str) -> int:
        seen.append(1)
        return seen.__len__()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": len(state["text"])}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": len(state["text"])}

    return chain(first, second)


MISLEADING = """
def misleading(state):
    return {"three": state["text"]}
"""


@hidden(input=TEXT, output={"two": "hi", "three": "hi then"}, refusals={"parallel": {"node_1": "source"}})
def a_source_that_is_not_the_code(recorder: Recorder) -> Built:
    """The file was edited after it was imported."""
    kept: list[str] = []
    name = f"<edited {id(recorder)}>"
    names: dict[str, Any] = {"kept": kept}
    exec(compile('\ndef misleading(state):\n    return {"three": kept[-1] + " then"}\n', name, "exec"), names)
    linecache.cache[name] = (0, None, MISLEADING.splitlines(keepends=True), name)

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        kept.append(state["text"])
        return {"two": kept[-1]}

    return chain(first, names["misleading"])


class Secretive:
    """Its call is not the one that its class shows."""

    def __init__(self, kept: list[int]) -> None:
        self.kept = kept

    def __call__(self, state: Note) -> Note:
        return self.work(state)

    def work(self, state: Note) -> Note:
        raise NotImplementedError


class Counting(Secretive):
    def work(self, state: Note) -> Note:
        time.sleep(INSTANT)
        self.kept.append(1)
        return {"three": len(self.kept)}


@hidden(input=TEXT, output={"two": 1, "three": 2}, refusals={"parallel": {"node_1": "did not make"}})
def an_overridden_method(recorder: Recorder) -> Built:
    kept: list[int] = []

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        kept.append(1)
        return {"two": len(kept)}

    return chain(first, Counting(kept))


@hidden(input=TEXT, output={"two": 1, "three": 2}, refusals={"parallel": {"node_1": "did not make"}})
def a_method_replaced_on_the_instance(recorder: Recorder) -> Built:
    kept: list[int] = []
    worker = Secretive(kept)

    def work(state: Note) -> Note:
        time.sleep(INSTANT)
        kept.append(1)
        return {"three": len(kept)}

    worker.work = work  # type: ignore[method-assign]

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        kept.append(1)
        return {"two": len(kept)}

    return chain(first, worker)
