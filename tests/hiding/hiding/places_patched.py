"""What tests put in place of something, after the graph was compiled."""

# ruff: noqa: D103, N806 - what a place is, its name says

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Iterator
from unittest import mock

from hiding.scene import Shared, place


def helper(text: str) -> str:
    """Stands to be patched."""
    return f"{text}!"


class Service:
    """Stands to be patched."""

    name = "real"

    def find(self, text: str) -> str:
        """Stands to be patched."""
        return f"found {text}"


SERVICE = Service()


@place
def a_patched_function() -> Shared:
    return Shared(
        lambda held: helper("a"), during=lambda: mock.patch(f"{__name__}.helper", side_effect=map(str, range(99)))
    )


@place
def a_patched_method() -> Shared:
    return Shared(
        lambda held: SERVICE.find("a"),
        during=lambda: mock.patch.object(Service, "find", side_effect=map(str, range(99))),
    )


@place
def a_patched_attribute() -> Shared:
    def move() -> None:
        Service.name += "+"

    return Shared(lambda held: SERVICE.name, move, during=lambda: mock.patch.object(Service, "name", "patched"))


@place
def a_patched_function_of_a_module() -> Shared:
    return Shared(
        lambda held: str(uuid.uuid4()), during=lambda: mock.patch("uuid.uuid4", side_effect=map(str, range(99)))
    )


@place
def a_patched_clock() -> Shared:
    return Shared(lambda held: time.time_ns(), during=lambda: mock.patch("time.time_ns", side_effect=range(99)))


@place
def a_patched_dict() -> Shared:
    SETTINGS = {"n": 0}

    def move() -> None:
        SETTINGS["n"] += 1

    return Shared(lambda held: SETTINGS["n"], move, during=lambda: mock.patch.dict(SETTINGS, {"n": 10}))


@place
def a_patched_builtin() -> Shared:
    numbers = itertools.count()
    return Shared(
        lambda held: ascii("a"), during=lambda: mock.patch("builtins.ascii", side_effect=lambda each: next(numbers))
    )


@place
def a_builtin_hidden_by_a_global() -> Shared:
    @contextlib.contextmanager
    def during() -> Iterator[None]:
        numbers = itertools.count()
        globals()["oct"] = lambda number: next(numbers)
        yield
        del globals()["oct"]

    return Shared(lambda held: oct(8), during=during)


@place
def a_mock() -> Shared:
    answering = mock.Mock(side_effect=range(99))
    return Shared(lambda held: answering("a"))


@place
def a_magic_mock() -> Shared:
    answering = mock.MagicMock()
    answering.__getitem__.side_effect = range(99)
    return Shared(lambda held: answering["a"])
