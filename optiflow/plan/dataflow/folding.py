"""The value that a state key will have once some finished nodes' writes have been committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.channels.base import BaseChannel
from langgraph.channels.binop import BinaryOperatorAggregate
from langgraph.channels.delta import DeltaChannel
from langgraph.channels.last_value import LastValue
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph.message import add_messages

from optiflow.plan.guards.content import take_down

__all__ = ["CannotFoldError", "fold", "same", "stable"]


class CannotFoldError(Exception):
    """The value can't be known before the superstep; the reader waits for it."""


def stable(channel: object) -> bool:
    """Whether only a write changes the channel's value, and no passing superstep."""
    return type(channel) in (LastValue, BinaryOperatorAggregate, DeltaChannel, UntrackedValue)


def fold(channel: BaseChannel[Any, Any, Any], updates: Sequence[Sequence[Any]]) -> BaseChannel[Any, Any, Any]:
    """A copy of the channel after one superstep for each of these groups of writes, by the channel's own rules.

    Args:
        channel: The channel as it is; not changed.
        updates: For each node, in program order, its writes to the key.

    Raises:
        CannotFoldError: If the outcome would not be the one that LangGraph comes to, or would be an error.
    """
    after = channel.copy()
    names_messages = getattr(channel, "operator", None) is add_messages
    for values in updates:
        # Whatever is no message yet becomes one in the reducer, with a random id that would not be the superstep's.
        if names_messages and not all(isinstance(m, BaseMessage) for v in values for m in _messages(v)):
            raise CannotFoldError
        if values:
            try:
                after.update(values)
            except Exception as error:
                raise CannotFoldError from error
    return after


def _messages(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def same(one: Any, other: Any, *, vouched: bool) -> bool:
    """Whether two values of a state key are the same to a node.

    Args:
        one: The value as it was.
        other: The value as it is.
        vouched: Whether the values' own notion of equality may be asked.
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    content = take_down(one)
    if content is not None or not vouched:
        return content is not None and content.holds(other)
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - any value may sit in a state; one that can't be compared is not known to be equal
        return False
