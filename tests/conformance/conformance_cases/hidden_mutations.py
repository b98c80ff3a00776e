"""Ways of changing a value in place that are easily overlooked: a later node sees the change."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import collections
import copy
import functools
import itertools
import operator
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from conformance_cases.case import INSTANT, Built, hidden
from langgraph.graph import START, StateGraph

from optiflow.analysis.equivalence import Recorder

PAUSE = 0.004


class Lists(TypedDict, total=False):
    kept: list[Any]
    done: str
    seen: Any


@dataclass
class Box:
    """Holds a list."""

    items: list[Any]


def by_append(kept: list[Any]) -> None:
    kept.append(1)


def by_alias(kept: list[Any]) -> None:
    other = kept
    other.append(1)


def by_augmented_alias(kept: list[Any]) -> None:
    other = kept
    other += [1]


def by_multiplication(kept: list[Any]) -> None:
    other = kept
    other *= 2


def by_item(kept: list[Any]) -> None:
    kept[0] = 1


def by_slice(kept: list[Any]) -> None:
    kept[:] = [1]


def by_deletion(kept: list[Any]) -> None:
    del kept[0]


def by_loop_target(kept: list[Any]) -> None:
    for kept[0] in (1, 2):
        pass


def by_tuple_target(kept: list[Any]) -> None:
    _, kept[0] = 1, 2


def by_comprehension(kept: list[Any]) -> None:
    [kept.append(number) for number in (1, 2)]


def by_formatted_text(kept: list[Any]) -> None:
    f"{kept.append(1)}"  # noqa: B021 - the form to be seen through


def by_assertion(kept: list[Any]) -> None:
    assert kept.append(1) is None  # type: ignore[func-returns-value]


def by_or(kept: list[Any]) -> None:
    (kept or [0]).append(1)


def by_conditional(kept: list[Any]) -> None:
    (kept if kept else [0]).append(1)


def by_list_of_it(kept: list[Any]) -> None:
    [kept][0].append(1)


def by_dict_of_it(kept: list[Any]) -> None:
    {"it": kept}["it"].append(1)


def by_call_of_dict(kept: list[Any]) -> None:
    dict(it=kept)["it"].append(1)  # noqa: C408 - the form to be seen through


def by_fromkeys(kept: list[Any]) -> None:
    dict.fromkeys("it", kept)["i"].append(1)


def by_copy_of_a_list_of_it(kept: list[Any]) -> None:
    copy.copy([kept])[0].append(1)


def by_tuple_of_it(kept: list[Any]) -> None:
    tuple([kept])[0].append(1)  # noqa: C409, RUF015 - the form to be seen through


def by_sorting_a_list_of_it(kept: list[Any]) -> None:
    sorted([kept])[0].append(1)


def by_maximum(kept: list[Any]) -> None:
    max([kept, []]).append(1)


def by_zip(kept: list[Any]) -> None:
    for (each,) in zip([kept], strict=True):
        each.append(1)


def by_enumerate(kept: list[Any]) -> None:
    for _, each in enumerate([kept]):
        each.append(1)


def by_unpacking(kept: list[Any]) -> None:
    (each,) = [kept]
    each.append(1)


def by_starred(kept: list[Any]) -> None:
    first, *rest = [0, kept]
    rest[0].append(first)


def by_walrus(kept: list[Any]) -> None:
    if (each := kept) is not None:
        each.append(1)


def by_bound_method(kept: list[Any]) -> None:
    add = kept.append
    add(1)


def by_method_of_the_class(kept: list[Any]) -> None:
    list.append(kept, 1)


def by_special_method(kept: list[Any]) -> None:
    kept.__iadd__([1])


def by_map(kept: list[Any]) -> None:
    list(map(kept.append, [1, 2]))


def by_filter(kept: list[Any]) -> None:
    list(filter(kept.append, [1, 2]))


def by_key(kept: list[Any]) -> None:
    sorted([1, 2], key=lambda number: kept.append(number) or number)  # type: ignore[func-returns-value]


def by_partial(kept: list[Any]) -> None:
    functools.partial(kept.append, 1)()


def by_inner_function(kept: list[Any]) -> None:
    def add() -> None:
        kept.append(1)

    add()


def by_parameter(kept: list[Any]) -> None:
    def add(given: list[Any]) -> None:
        given.append(1)

    add(kept)


def by_keyword(kept: list[Any]) -> None:
    def add(*, given: list[Any]) -> None:
        given.append(1)

    add(given=kept)


def by_default(kept: list[Any]) -> None:
    def add(given: list[Any] = kept) -> None:
        given.append(1)

    add()


def by_arguments(kept: list[Any]) -> None:
    def add(*given: list[Any]) -> None:
        given[0].append(1)

    add(kept)


def by_identity(kept: list[Any]) -> None:
    def same(given: list[Any]) -> list[Any]:
        return given

    same(kept).append(1)


def by_lambda(kept: list[Any]) -> None:
    (lambda given: given)(kept).append(1)


def by_box(kept: list[Any]) -> None:
    Box(kept).items.append(1)


def by_class_body(kept: list[Any]) -> None:
    class Local:
        items = kept

    Local.items.append(1)


def by_effect_in_a_class_body(kept: list[Any]) -> None:
    class Local:
        kept.append(1)

    Local()


def by_generator(kept: list[Any]) -> None:
    all(kept.append(number) is None for number in (1, 2))  # type: ignore[func-returns-value]


def by_iadd_function(kept: list[Any]) -> None:
    operator.iadd(kept, [1])


def by_iconcat(kept: list[Any]) -> None:
    functools.reduce(operator.iconcat, [kept, [1]])


def by_shuffle(kept: list[Any]) -> None:
    kept_numbers = random.Random(3)
    kept_numbers.shuffle(kept)


def by_global_shuffle(kept: list[Any]) -> None:
    random.seed(3)
    random.shuffle(kept)


def by_sort(kept: list[Any]) -> None:
    kept.sort(key=lambda number: -number)


def by_deque(kept: list[Any]) -> None:
    collections.deque([kept])[0].append(1)


def by_chain(kept: list[Any]) -> None:
    next(itertools.chain([kept])).append(1)


def by_swap(kept: list[Any]) -> None:
    kept[0], kept[1] = kept[1], kept[0]


def by_try(kept: list[Any]) -> None:
    try:
        raise KeyError
    except KeyError:
        kept.append(1)
    finally:
        kept.append(2)


def by_match(kept: list[Any]) -> None:
    match [kept]:
        case [each]:
            each.append(1)


MUTATIONS = tuple(value for name, value in list(globals().items()) if name.startswith("by_"))


def _mutation_cases(mutate: Callable[[list[Any]], None]) -> None:
    def chain(*nodes: Any) -> StateGraph:
        builder = StateGraph(Lists)
        builder.add_sequence([(f"node_{number}", node) for number, node in enumerate(nodes)])
        builder.add_edge(START, "node_0")
        return builder

    def of_the_state(recorder: Recorder) -> Built:
        def change(state: Lists) -> Lists:
            time.sleep(PAUSE)
            mutate(state["kept"])
            return {"done": "changed"}

        def look(state: Lists) -> Lists:
            time.sleep(INSTANT)
            return {"seen": list(state["kept"])}

        return chain(change, look)

    def of_an_object(recorder: Recorder) -> Built:
        kept: list[Any] = [5, 6, 7]

        def change(state: Lists) -> Lists:
            time.sleep(PAUSE)
            mutate(kept)
            return {"done": "changed"}

        def look(state: Lists) -> Lists:
            time.sleep(INSTANT)
            return {"seen": list(kept)}

        return chain(change, look)

    changed: list[Any] = [5, 6, 7]
    mutate(changed)
    expected = {"done": "changed", "seen": changed}
    hidden(name=f"state_changed_{mutate.__name__}", input={"kept": [5, 6, 7]}, output=expected)(of_the_state)
    hidden(name=f"object_changed_{mutate.__name__}", input={"kept": []}, output=expected)(of_an_object)


for _mutate in MUTATIONS:
    _mutation_cases(_mutate)


def two(first: Callable[[Lists], Any], second: Callable[[Lists], Any]) -> StateGraph:
    """Two nodes of which the second could start first."""

    def one(state: Lists) -> Lists:
        time.sleep(PAUSE)
        return {"done": first(state)}

    def other(state: Lists) -> Lists:
        time.sleep(INSTANT)
        return {"seen": second(state)}

    builder = StateGraph(Lists)
    builder.add_sequence([one, other])
    builder.add_edge(START, "one")
    return builder


KEPT = {"kept": [5]}


@hidden(input=KEPT, output={"done": 0, "seen": 1})
def an_entry_made_by_looking_for_it(recorder: Recorder) -> Built:
    numbers: dict[str, int] = collections.defaultdict(itertools.count().__next__)

    def first(state: Lists) -> int:
        return numbers["first"]

    def second(state: Lists) -> int:
        return numbers["second"]

    return two(first, second)


@hidden(input=KEPT, output={"done": [0, 1], "seen": [2, 3]})
def an_iterator_consumed_by_slices(recorder: Recorder) -> Built:
    numbers = itertools.count()

    def first(state: Lists) -> list[int]:
        return list(itertools.islice(numbers, 2))

    def second(state: Lists) -> list[int]:
        return list(itertools.islice(numbers, 2))

    return two(first, second)


@hidden(input=KEPT, output={"done": 1, "seen": 2})
def an_iterator_consumed_by_a_loop(recorder: Recorder) -> Built:
    numbers = iter([1, 2, 3])

    def take() -> int:
        for number in numbers:
            return number
        return 0

    return two(lambda state: take(), lambda state: take())


@hidden(input=KEPT, output={"done": True, "seen": False})
def an_iterator_consumed_by_membership(recorder: Recorder) -> Built:
    numbers = iter([1, 2, 3])

    def first(state: Lists) -> bool:
        return 1 in numbers

    def second(state: Lists) -> bool:
        return 1 in numbers

    return two(first, second)


@hidden(input=KEPT, output={"done": [1, 2], "seen": []})
def an_iterator_consumed_by_unpacking(recorder: Recorder) -> Built:
    numbers = (number for number in (1, 2))

    def first(state: Lists) -> list[int]:
        return [*numbers]

    def second(state: Lists) -> list[int]:
        return [*numbers]

    return two(first, second)


@hidden(input=KEPT, output={"done": 6, "seen": 0})
def an_iterator_consumed_by_a_sum(recorder: Recorder) -> Built:
    numbers = map(int, "123")

    def first(state: Lists) -> int:
        return sum(numbers)

    def second(state: Lists) -> int:
        return sum(numbers)

    return two(first, second)


@hidden(input=KEPT, output={"seen": "mine"}, modes=("invoke",))
def a_value_of_the_calling_thread(recorder: Recorder) -> Built:
    local = threading.local()
    local.value = "mine"

    def first(state: Lists) -> str:
        return "done"

    def second(state: Lists) -> Any:
        return local.value

    return two(first, second)
