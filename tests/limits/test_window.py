"""How many requests may be in flight."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optiflow.limits.window import LONGEST_HOLD_S, SETTLE_S, RefusedRequest, Window

FIRST = RefusedRequest(number=11, newest=12, level=11, taken=10, newest_taken=0, after_s=0.01, answer_s=0.1)


def refused(**fields: Any) -> RefusedRequest:
    """A refusal of the eleventh of twelve requests, but for the keywords."""
    return RefusedRequest(**{name: getattr(FIRST, name) for name in FIRST.__slots__} | fields)


def test_it_grows_while_nothing_is_refused() -> None:
    """By a fifth whenever it has been full for as long as a refusal takes."""
    window, now = Window(10, None), 0.0
    assert window.room_in_s(9, now) == 0
    assert window.room_in_s(10, now) == pytest.approx(SETTLE_S)
    now += SETTLE_S
    assert window.room_in_s(10, now) == 0
    assert window.limit == 12
    assert window.room_in_s(12, now) > 0


def test_it_never_exceeds_the_most() -> None:
    """At the most, only an end makes room; so it is where more are in flight than now allowed."""
    window = Window(10, 4)
    assert window.limit == 4
    assert window.room_in_s(4, 0.0) == math.inf
    assert Window(3, None).room_in_s(4, 0.0) == math.inf


def test_a_refusal_tells_what_is_taken() -> None:
    """The others in flight are what the provider takes, and each refusal of a burst tells more."""
    window = Window(14, None)
    assert not window.refused(refused(number=11, newest=14, level=11, taken=13), 0.0)
    assert window.limit == 13
    for taken in (12, 11, 10):
        window.refused(refused(number=taken, newest=14, level=12, taken=taken), 0.0)
    assert window.limit == 10


def test_what_is_tried_in_vain_is_tried_less() -> None:
    """One more after a while, then after twice as long, up to a minute; a larger step after one that went well."""
    window, now, number, holds = Window(11, None), 0.0, 11, []
    window.refused(FIRST, now)
    for _ in range(8):
        hold = window.room_in_s(10, now)
        holds.append(hold)
        now += hold
        assert window.room_in_s(10, now) == 0
        assert window.limit == 11
        number += 10
        window.refused(refused(number=number, newest=number, level=11), now)
        assert window.limit == 10
    assert holds == pytest.approx([1, 2, 4, 8, 16, 32, 60, LONGEST_HOLD_S])
    now += window.room_in_s(10, now)
    assert window.room_in_s(10, now) == 0
    now += window.room_in_s(11, now)
    assert window.room_in_s(11, now) == 0
    assert window.limit == 13


def test_slow_refusals_are_waited_for() -> None:
    """What takes half a second to be refused is taken only after that."""
    window = Window(10, None)
    assert window.has_taken(0.2)
    window.refused(refused(after_s=0.5), 0.0)
    assert not window.has_taken(0.9)
    assert window.has_taken(1.0)


def test_what_was_taken_before_is_refused() -> None:
    """Twice in a row: then something else is counted, the window is halved and time has to pass."""
    window = Window(10, None)
    window.refused(FIRST, 0.0)
    assert not window.refused(refused(number=20, newest=20, level=9, taken=8), 0.0)
    assert window.limit == 8
    assert window.refused(refused(number=30, newest=30, level=8, taken=7), 0.0)
    assert window.limit == 4


def test_now_and_then_is_not_in_a_row() -> None:
    """A request taken in between: the provider was a little late to see the end of another."""
    window = Window(10, None)
    window.refused(FIRST, 0.0)
    for number in range(20, 100, 10):
        told = refused(number=number, newest=number, level=window.limit, taken=20, newest_taken=number - 1)
        assert not window.refused(told, 0.0)
    assert window.limit == 1


@settings(max_examples=40)
@given(limit=st.integers(1, 300), initial=st.integers(1, 50))
def test_it_finds_any_limit(limit: int, initial: int) -> None:
    """Against a provider that takes so many at once: all of them are soon used, and little is refused."""
    window, now, number, most_refused, refusals = Window(initial, None), 0.0, 0, 0, 0
    while now < 60:
        now += window.room_in_s(window.limit, now)
        assert window.room_in_s(window.limit, now) == 0
        sent, beyond = window.limit, max(0, window.limit - limit)
        newest, level = number + sent, window.limit
        for nth in range(beyond):
            window.refused(
                refused(number=number + limit + nth + 1, newest=newest, level=level, taken=sent - nth - 1), now
            )
        number = newest
        most_refused = max(most_refused, beyond if initial <= limit else 0)
        refusals += beyond > 0
        if beyond:
            assert window.limit == limit
    assert limit <= window.limit <= limit + max(1, limit // 5)
    assert most_refused <= max(1, limit // 5)
    assert refusals <= 10
