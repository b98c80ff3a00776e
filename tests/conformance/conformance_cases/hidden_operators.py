"""Operators that remember how often they were used."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from conformance_cases.case import INSTANT, Built, hidden
from conformance_cases.hidden import PAUSE, TEXT, Note, chain

from optiflow.analysis.equivalence import Recorder


class Adder:
    """An operator with a memory."""

    def __init__(self) -> None:
        self.total = 0

    def __add__(self, other: int) -> int:
        self.total += other
        return self.total

    def __getitem__(self, key: int) -> int:
        self.total += key
        return self.total

    def __contains__(self, key: object) -> bool:
        self.total += 1
        return self.total > 1

    def __iter__(self) -> Iterator[int]:
        self.total += 1
        return iter([self.total])

    def __str__(self) -> str:
        self.total += 1
        return str(self.total)

    def __bool__(self) -> bool:
        self.total += 1
        return self.total > 1

    def __enter__(self) -> int:
        self.total += 1
        return self.total

    def __exit__(self, *error: object) -> None:
        self.total += 1


def by_addition(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return adder + 1

    return read


def by_subscription(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return adder[1]

    return read


def by_membership(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return "x" in adder

    return read


def by_iteration(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return [*adder]

    return read


def by_formatting(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return f"{adder}"

    return read


def by_truth(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return not adder

    return read


def by_conversion(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return str(adder)

    return read


def by_sum(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return sum(adder)

    return read


def by_sorting(adder: Any) -> Callable[[Note], Any]:
    def read(state: Note) -> Any:
        return sorted(adder)

    return read


OPERATORS = {
    by_addition: (1, 2),
    by_subscription: (1, 2),
    by_membership: (False, True),
    by_iteration: ([1], [2]),
    by_formatting: ("1", "2"),
    by_truth: (True, False),
    by_conversion: ("1", "2"),
    by_sum: (1, 2),
    by_sorting: ([1], [2]),
}


def first_of(read: Callable[[Note], Any]) -> Callable[[Note], Note]:
    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": read(state)}

    return first


def second_of(read: Callable[[Note], Any]) -> Callable[[Note], Note]:
    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": read(state)}

    return second


def _operator_case(make: Callable[[Any], Callable[[Note], Any]], one: Any, two: Any) -> None:
    def build(recorder: Recorder) -> Built:
        read = make(Adder())
        return chain(first_of(read), second_of(read))

    name = f"an_operator_with_a_memory_{make.__name__}"
    hidden(name=name, input=TEXT, output={"two": one, "three": two})(build)


for _make, _expected in OPERATORS.items():
    _operator_case(_make, *_expected)


@hidden(input=TEXT, output={"two": 1, "three": 2})
def operators_with_a_memory_inside_nodes(recorder: Recorder) -> Built:
    adder = Adder()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"two": adder + 1}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        return {"three": adder + 1}

    return chain(first, second)


@hidden(input=TEXT, output={"two": 1, "three": 3})
def a_context_manager_with_a_memory(recorder: Recorder) -> Built:
    adder = Adder()

    def first(state: Note) -> Note:
        time.sleep(PAUSE)
        with adder as total:
            return {"two": total}

    def second(state: Note) -> Note:
        time.sleep(INSTANT)
        with adder as total:
            return {"three": total}

    return chain(first, second)
