"""Which state keys have a value that can be computed ahead: their reducer is a pure function."""

from __future__ import annotations

import operator
from typing import Any

from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.channels.last_value import LastValue
from langgraph.graph.message import add_messages

from optiflow.plan.inference.infer import is_pure_function

__all__ = ["is_pure_reducer"]

_PURE = {operator.add, operator.or_, operator.and_, operator.mul, operator.xor, max, min, add_messages}
"""Reducers that change neither argument and depend on nothing else."""


def is_pure_reducer(channel: Any) -> bool:
    """Whether applying writes to a copy of the channel has no effect and the same outcome each time."""
    if type(channel) is LastValue:
        return True
    if type(channel) is not BinaryOperatorAggregate:
        return False
    reducer = channel.operator
    return reducer in _PURE or is_pure_function(reducer, channel.typ, channel.typ)
