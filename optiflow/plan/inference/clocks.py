"""Reads of clocks: those whose order with other nodes shows, and coarse ones such as a date."""

from __future__ import annotations

import ast
import asyncio
import datetime
import os
import time
import uuid
from typing import Any

__all__ = ["is_coarse", "quarter_of_an_hour", "reads_clock"]

_FUNCTIONS = frozenset(
    {
        time.time, time.time_ns, time.monotonic, time.monotonic_ns, time.perf_counter, time.perf_counter_ns,
        time.process_time, time.process_time_ns, time.thread_time, time.thread_time_ns, time.gmtime, time.localtime,
        time.ctime, time.asctime, time.strftime, os.times, uuid.uuid1, asyncio.BaseEventLoop.time,
    }
)  # fmt: skip
_ORDERED_IDS = frozenset({"uuid6", "uuid7"})
_MOMENTS = frozenset({"now", "utcnow", "today"})
_DATES = frozenset({"date", "weekday", "isoweekday", "isocalendar"})
_PARTS = frozenset({"year", "month", "day", "hour"})
_DIRECTIVES = frozenset("YymdBbhAajUWuwGVHIpxDF")
"""Directives of ``strftime`` that change at a quarter of an hour at the earliest, in whatever zone."""


def reads_clock(obj: Any) -> bool:
    """Whether a function reads a clock, or makes identifiers that are ordered by one."""
    owner = getattr(obj, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, datetime.date):
        return obj.__name__ in _MOMENTS
    return obj in _FUNCTIONS or (getattr(obj, "__module__", None) == "uuid" and obj.__name__ in _ORDERED_IDS)


def quarter_of_an_hour() -> int:
    """Number of the running quarter of an hour: no date changes within one, in any time zone."""
    return int(time.time() // 900)


def is_coarse(frame: Any, node: Any, obj: Any) -> bool:
    """Whether of a clock's time only what changes with the hour or more slowly is used.

    Args:
        frame: The function that reads the clock; it knows what its expressions stand in.
        node: The call.
        obj: What is called.
    """
    owner = getattr(obj, "__self__", None)
    if owner is datetime.date:
        return True
    if obj is time.strftime:
        return len(node.args) == 1 and _is_date_format(node.args[0])
    attribute, call = frame.use_of(node)
    if call is None:
        return attribute in _PARTS
    if attribute in _DATES:
        return True
    return attribute == "strftime" and len(call.args) == 1 and _is_date_format(call.args[0])


def _is_date_format(node: ast.expr) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return all(part[:1] in _DIRECTIVES for part in node.value.replace("%%", "").split("%")[1:])
