"""How a node gets at a shared thing: through Python's library and LangChain."""

# ruff: noqa: D103, C417 - what a way is, its name says; the forms are to be seen through

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from hiding.scene import Look, reach


@reach
def through_sorted(look: Look) -> Look:
    def reached(held: Any) -> Any:
        seen = sorted((2, 1), key=lambda number: (str(look(held)), number))
        return [seen, str(look(held))]

    return reached


@reach
def through_map(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return list(map(lambda _: look(held), (0,)))

    return reached


@reach
def through_max(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return max((0,), key=lambda _: len(str(look(held)))) or str(look(held))

    return reached


@reach
def through_json_default(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return json.dumps({"found": object()}, default=lambda _: str(look(held)))

    return reached


@reach
def through_a_json_encoder(look: Look) -> Look:
    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return str(look(None))

    def reached(held: Any) -> Any:
        if held is not None:
            return look(held)
        return json.dumps({"found": object()}, cls=Encoder)

    return reached


@reach
def through_a_json_hook(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return json.loads('{"a": 1}', object_hook=lambda _: look(held))

    return reached


@reach
def through_an_f_string(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return f"<{look(held)}>"

    return reached


@reach
def through_str_format(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return "{0!s:>9}".format(look(held))  # noqa: UP030, UP032

    return reached


@reach
def through_a_decorator(look: Look) -> Look:
    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **named: Any) -> Any:
            return function(*args, **named)

        return inner

    return decorated(look)


@reach
def through_wraps_of_a_pure_function(look: Look) -> Look:
    @functools.wraps(json.dumps)
    def dumps(held: Any) -> Any:
        return look(held)

    def reached(held: Any) -> Any:
        return dumps(held)

    return reached


@reach
def through_a_partial(look: Look) -> Look:
    def inner(_: str, held: Any) -> Any:
        return look(held)

    return functools.partial(inner, "bound")


@reach
def through_partialmethod(look: Look) -> Look:
    class Service:
        def _find(self, _: str, held: Any) -> Any:
            return look(held)

        find = functools.partialmethod(_find, "bound")

    service = Service()

    def reached(held: Any) -> Any:
        return service.find(held)  # type: ignore[misc]

    return reached


@reach
def through_singledispatch(look: Look) -> Look:
    @functools.singledispatch
    def find(held: Any) -> Any:
        return look(held)

    def reached(held: Any) -> Any:
        return find(held)

    return reached


@reach
def through_a_default_argument(look: Look) -> Look:
    def reached(held: Any, finder: Look = look) -> Any:
        return finder(held)

    return reached


@reach
def through_a_dict_of_functions(look: Look) -> Look:
    TABLE = {"find": look}  # noqa: N806

    def reached(held: Any) -> Any:
        return TABLE["find"](held)

    return reached


@reach
def through_a_property(look: Look) -> Look:
    class View:
        @property
        def found(self) -> Any:
            return look(None)

    view = View()

    def reached(held: Any) -> Any:
        if held is not None:
            return look(held)
        return view.found

    return reached


@reach
def through_reduce(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return functools.reduce(lambda before, _: [before, str(look(held))], (0, 1), "")

    return reached


@reach
def through_operator_call(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return operator.itemgetter(0)([look(held)])

    return reached


@reach
def through_a_runnable(look: Look) -> Look:
    RUNNABLE = RunnableLambda(look)  # noqa: N806

    def reached(held: Any) -> Any:
        return RUNNABLE.invoke(held)

    return reached


@reach
def through_a_chain_of_runnables(look: Look) -> Look:
    def shown(found: Any) -> str:
        return f"({found})"

    RUNNABLE = RunnablePassthrough() | RunnableLambda(look) | RunnableLambda(shown)  # noqa: N806

    def reached(held: Any) -> Any:
        return RUNNABLE.invoke(held)

    return reached


@reach
def through_a_try(look: Look) -> Look:
    def reached(held: Any) -> Any:
        try:
            raise LookupError(str(look(held)))
        except LookupError as error:
            return str(error)

    return reached


@reach
def through_a_conditional(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return "three" if str(look(held)).endswith("3") else str(look(held))

    return reached


@reach
def through_a_recursion(look: Look) -> Look:
    def reached(held: Any, depth: int = 2) -> Any:
        return reached(held, depth - 1) if depth else look(held)

    return reached


@reach
def through_text_methods(look: Look) -> Look:
    def reached(held: Any) -> Any:
        return ", ".join([str(look(held)).upper()]).split(",")

    return reached
