"""Functions that remember, and functions that look like others."""

# ruff: noqa: D103 - what a place is, its name says

from __future__ import annotations

import functools
import itertools
import json
import uuid
from typing import Any

from hiding.scene import Shared, place


@place
def a_remembered_function() -> Shared:
    numbers = itertools.count(1)

    @functools.lru_cache(maxsize=1)
    def remembered(text: str) -> int:
        return next(numbers)

    return Shared(lambda held: remembered(str(held)), remembered.cache_clear)


@place
def the_hits_of_a_cache() -> Shared:
    @functools.cache
    def remembered(text: str) -> str:
        return text

    return Shared(lambda held: [remembered("a"), remembered.cache_info().hits])


@place
def the_register_of_a_single_dispatch() -> Shared:
    @functools.singledispatch
    def shown(value: Any) -> str:
        return "any"

    texts = itertools.cycle(["one", "two"])

    def move() -> None:
        text = next(texts)
        shown.register(int, lambda value: text)

    return Shared(lambda held: shown(1), move)


@place
def a_cached_partial_method() -> Shared:
    numbers = itertools.count(1)

    class Service:
        def _find(self, _: str) -> int:
            return next(numbers)

        find = functools.partialmethod(_find, "bound")

    service = Service()
    return Shared(lambda held: service.find())


@place
def a_spy_around_json() -> Shared:
    calls: list[Any] = []

    @functools.wraps(json.dumps)
    def dumps(value: Any) -> str:
        calls.append(value)
        return json.dumps([value, len(calls)])

    return Shared(lambda held: dumps(1))


@place
def a_spy_around_uuid() -> Shared:
    numbers = itertools.count(1)

    @functools.wraps(uuid.uuid4)
    def identifier() -> int:
        return next(numbers)

    return Shared(lambda held: identifier())


@place
def a_class_with_a_borrowed_name() -> Shared:
    class Tool:
        number = 0

        def __call__(self, *args: Any) -> int:
            Tool.number += 1
            return Tool.number

    Tool.__module__, Tool.__qualname__ = "json", "JSONEncoder"
    tool = Tool()
    tool.__module__, tool.__qualname__ = "math", "sqrt"  # type: ignore[attr-defined]
    return Shared(lambda held: tool(1))


@place
def a_function_with_a_borrowed_name() -> Shared:
    following = itertools.count(1).__next__

    def sqrt(number: float) -> int:
        return following()

    sqrt.__module__, sqrt.__qualname__ = "math", "sqrt"
    return Shared(lambda held: sqrt(4))


@place
def a_json_decoder_with_a_hook() -> Shared:
    numbers = itertools.count(1)
    decoder = json.JSONDecoder(object_hook=lambda found: next(numbers))
    return Shared(lambda held: decoder.decode('{"a": 1}'))


@place
def a_json_decoder_class() -> Shared:
    numbers = itertools.count(1)

    class Decoder(json.JSONDecoder):
        def decode(self, text: str, *args: Any) -> Any:
            return next(numbers)

    return Shared(lambda held: json.loads("{}", cls=Decoder))


@place
def a_json_constant() -> Shared:
    numbers = itertools.count(1)
    return Shared(lambda held: json.loads("NaN", parse_constant=lambda text: next(numbers)))


@place
def an_encoder_of_json() -> Shared:
    numbers = itertools.count(1)

    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return next(numbers)

    return Shared(lambda held: json.dumps({"a": {1}}, cls=Encoder))


@place
def an_encoder_object_of_json() -> Shared:
    numbers = itertools.count(1)
    encoder = json.JSONEncoder(default=lambda o: next(numbers))
    return Shared(lambda held: encoder.encode({"a": {1}}))
