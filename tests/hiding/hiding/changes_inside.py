"""What changes a shared thing on the way of something else."""

# ruff: noqa: D103 - what changes it, its name says

from __future__ import annotations

import contextlib
import functools
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from hiding.scene import Lab, Role, change
from hiding.triggers import touching

Move = Callable[[], object]


@change
def an_exception_that_is_made(lab: Lab, move: Move) -> Role:
    class OddError(Exception):
        def __init__(self, text: str) -> None:
            move()
            super().__init__(text)

    def touch(key: str) -> str:
        try:
            raise OddError(key)
        except OddError as error:
            return str(error)

    return touching(touch)


@change
def an_object_that_goes(lab: Lab, move: Move) -> Role:
    class Probe:
        def __del__(self) -> None:
            move()

    def touch(key: str) -> str:
        Probe()
        return key

    return touching(touch)


@change
def a_class_that_is_subscripted(lab: Lab, move: Move) -> Role:
    class Typed:
        def __class_getitem__(cls, item: Any) -> Any:
            move()
            return cls

    return touching(lambda key: Typed[int].__name__)


@change
def a_metaclass_that_is_called(lab: Lab, move: Move) -> Role:
    class Meta(type):
        def __call__(cls, *args: Any) -> Any:
            move()
            return super().__call__(*args)

    class Item(metaclass=Meta):
        size = 1

    return touching(lambda key: Item().size)


@change
def a_class_that_is_asked_about_an_instance(lab: Lab, move: Move) -> Role:
    class Meta(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            move()
            return True

    class Item(metaclass=Meta):
        pass

    return touching(lambda key: isinstance(key, Item))


@change
def a_default_method_of_a_json_encoder(lab: Lab, move: Move) -> Role:
    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            move()
            return "odd"

    return touching(lambda key: json.dumps({key: {1}}, cls=Encoder))


@change
def a_hash_of_a_key(lab: Lab, move: Move) -> Role:
    class Key:
        def __hash__(self) -> int:
            move()
            return 1

    return touching(lambda key: len({Key(): key}))


@change
def a_comparison_in_sorting(lab: Lab, move: Move) -> Role:
    class Rank:
        def __init__(self, number: int) -> None:
            self.number = number

        def __lt__(self, other: Any) -> bool:
            move()
            return self.number < other.number

    return touching(lambda key: [each.number for each in sorted([Rank(2), Rank(1)])])


@change
def a_context_manager(lab: Lab, move: Move) -> Role:
    @contextlib.contextmanager
    def span() -> Iterator[None]:
        yield
        move()

    def touch(key: str) -> str:
        with span():
            return key

    return touching(touch)


@change
def a_remembering_function(lab: Lab, move: Move) -> Role:
    @functools.lru_cache(maxsize=8)
    def remembered(key: str) -> str:
        move()
        return key

    return touching(lambda key: remembered("same"))


@change
def a_warning_that_is_shown(lab: Lab, move: Move) -> Role:
    def shown(*args: Any, **named: Any) -> None:
        move()

    @contextlib.contextmanager
    def showing() -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = shown
            yield

    lab.around.append(showing)

    def touch(key: str) -> str:
        warnings.warn(f"odd {key}", UserWarning, stacklevel=1)
        return key

    return touching(touch)
