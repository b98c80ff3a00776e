"""Ways of writing state that are easily overlooked."""

# ruff: noqa: D103 - what a case is, its name says

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conformance_cases.case import INSTANT, hidden
from conformance_cases.hidden import PAUSE, TEXT, Note, chain


def into_a_variable(state: Note) -> Note:
    time.sleep(INSTANT)
    update: Note = {}
    update["one"] = "slow"
    return update


def by_dict_call(state: Note) -> Any:
    time.sleep(INSTANT)
    return dict(one="slow")  # noqa: C408 - the form to be seen through


def by_union(state: Note) -> Any:
    time.sleep(INSTANT)
    return {"three": 3} | {"one": "slow"}


def by_a_helper(state: Note) -> Any:
    time.sleep(INSTANT)

    def made() -> dict[str, str]:
        return {"one": "slow"}

    return made()


def by_a_computed_name(state: Note) -> Any:
    time.sleep(INSTANT)
    return {"o" + "ne": "slow"}


def by_update(state: Note) -> Any:
    time.sleep(INSTANT)
    update: dict[str, Any] = {"three": 3}
    update.update(one="slow")
    return update


def by_setdefault(state: Note) -> Any:
    time.sleep(INSTANT)
    update: dict[str, Any] = {}
    update.setdefault("one", "slow")
    return update


def by_the_state_itself(state: Note) -> Note:
    time.sleep(INSTANT)
    state["one"] = "slow"
    return state


def by_the_state_unpacked(state: Note) -> Note:
    time.sleep(INSTANT)
    return {**state, "one": "slow"}


def by_one_of_two_returns(state: Note) -> Note:
    time.sleep(INSTANT)
    if state["text"]:
        return {"one": "slow"}
    return {"three": 3}


def by_a_conditional_expression(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"one": "slow"} if state["text"] else {"three": 3}


def by_comprehension_over_names(state: Note) -> Any:
    time.sleep(INSTANT)
    return dict.fromkeys(("one", "three"), state["text"] and "slow")


def by_pairs(state: Note) -> Any:
    time.sleep(INSTANT)
    return dict([("one", "slow")])  # noqa: C406 - the form to be seen through


WRITES = (
    into_a_variable, by_dict_call, by_union, by_a_helper, by_a_computed_name, by_update, by_setdefault,
    by_the_state_itself, by_the_state_unpacked, by_one_of_two_returns, by_a_conditional_expression,
    by_comprehension_over_names, by_pairs,
)  # fmt: skip


def read_one(state: Note) -> Note:
    time.sleep(INSTANT)
    return {"two": state.get("one", "MISSING")}


def _write_case(write: Callable[[Note], Any]) -> None:
    def paused(state: Note) -> Note:
        time.sleep(PAUSE)
        return {"three": "paused"}

    hidden(name=f"a_write_{write.__name__}", input=TEXT, output={"two": "slow"})(
        lambda recorder: chain(paused, write, read_one)
    )


for write in WRITES:
    _write_case(write)
