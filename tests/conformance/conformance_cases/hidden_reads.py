"""Ways of reading state that are easily overlooked."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Callable
from typing import Any

from conformance_cases.case import INSTANT, hidden
from conformance_cases.hidden import PAUSE, TEXT, Note, chain, slow


def by_alias(state: Note) -> Note:
    time.sleep(INSTANT)
    other = state
    return {"two": other["one"]}


def by_bound_method(state: Note) -> Note:
    time.sleep(INSTANT)
    get = state.get
    return {"two": get("one")}


def by_inner_function(state: Note) -> Note:
    time.sleep(INSTANT)

    def read() -> Any:
        return state["one"]

    return {"two": read()}


def by_inner_lambda(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": (lambda given: given["one"])(state)}


def by_itemgetter(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": operator.itemgetter("one")(state)}


def by_getattr(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": getattr(state, "get")("one")}  # noqa: B009 - the form to be seen through


def by_locals(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": locals()["state"]["one"]}


def by_match(state: Note) -> Note:
    time.sleep(INSTANT)
    match state:
        case {"one": found}:
            return {"two": found}
    return {"two": "MISSING"}


def by_walrus(state: Note) -> Note:
    time.sleep(INSTANT)
    if (given := state) and "one" in given:
        return {"two": given["one"]}
    return {"two": "MISSING"}


def by_keywords(state: Note) -> Note:
    time.sleep(INSTANT)

    def take(one: Any = "MISSING", **_: Any) -> Any:
        return one

    return {"two": take(**state)}


def by_format_map(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": "{one}".format_map(state)}


def by_percent(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": "%(one)s" % state}  # noqa: UP031 - the form to be seen through


def by_comprehension(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": [state[key] for key in ("one",)][0]}  # type: ignore[literal-required]  # noqa: RUF015


def by_try(state: Note) -> Note:
    time.sleep(INSTANT)
    try:
        return {"two": state["one"]}
    except KeyError:
        return {"two": "MISSING"}


def by_catching_everything(state: Note) -> Note:
    time.sleep(INSTANT)
    try:
        return {"two": state["one"]}
    except:  # noqa: E722 - the form to be seen through
        return {"two": "MISSING"}


def by_container(state: Note) -> Note:
    time.sleep(INSTANT)
    box = [state]
    return {"two": box[0]["one"]}


def by_dict_method(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": dict.get(state, "one")}


def by_merge(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": (state | {"three": 3})["one"]}  # type: ignore[typeddict-item]


def by_sorted_items(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": dict(sorted(state.items()))["one"]}


def by_map(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": next(map(state.get, ["one"]))}  # type: ignore[call-overload]


def by_partial(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": functools.partial(operator.getitem, state)("one")}


def by_loop_variable(state: Note) -> Note:
    time.sleep(INSTANT)
    for given in (state,):
        found = given["one"]
    return {"two": found}


def by_returned_state(state: Note) -> Note:
    time.sleep(INSTANT)

    def same(given: Note) -> Note:
        return given

    return {"two": same(state)["one"]}


def by_eval(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": eval("state['one']")}


READS = (
    by_alias, by_bound_method, by_inner_function, by_inner_lambda, by_itemgetter, by_getattr, by_locals, by_match,
    by_walrus, by_keywords, by_format_map, by_percent, by_comprehension, by_try, by_catching_everything, by_container,
    by_dict_method, by_merge, by_sorted_items, by_map, by_partial, by_loop_variable, by_returned_state, by_eval,
)  # fmt: skip


def before(state: Note) -> Note:
    time.sleep(PAUSE)
    return {"three": "before"}


def _read_case(read: Callable[[Note], Note]) -> None:
    hidden(name=f"a_read_{read.__name__}", input=TEXT, output={"two": "slow"})(
        lambda recorder: chain(before, slow, read)
    )


for read in READS:
    _read_case(read)
