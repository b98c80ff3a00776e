"""What is small enough to be encoded where an event loop waits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.messages import AIMessage

from optiflow.checkpoints.extent import is_small


@dataclass(slots=True)
class Slotted:
    """Keeps what it has elsewhere."""

    part: Any


@dataclass
class Holding:
    """Keeps what it has where everybody does."""

    part: Any

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("nobody's code is run")


def kind(value: Any) -> str:
    """What a value is called here."""
    return type(value).__name__


@pytest.mark.parametrize(
    "value",
    [None, 1, "text", b"bytes", [1, {"a": (2.5, {3})}], AIMessage("hello"), datetime.now(UTC), uuid4()],
    ids=kind,
)
def test_small(value: Any) -> None:
    """Plain values, messages and objects that have few of them."""
    assert is_small([value])


@pytest.mark.parametrize(
    "value",
    [
        "x" * 1_000_000,
        b"x" * 1_000_000,
        [0] * 10_000,
        dict.fromkeys(range(10_000)),
        [AIMessage("hello")] * 200,
        [["x" * 10_000]] * 100,
        Slotted(1),
        range(3),
        deque([1]),
        type("Text", (str,), {})("x"),
    ],
    ids=kind,
)
def test_large_or_unknown(value: Any) -> None:
    """Whatever has much, and whatever does not show what it has."""
    assert not is_small([1, value])


def test_no_code_of_an_object_is_run() -> None:
    """What it has is looked at where Python keeps it."""
    assert is_small([Holding([1])])
    assert not is_small([Holding(["x" * 1_000_000])])
