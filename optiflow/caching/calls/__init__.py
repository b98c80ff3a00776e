"""Calls of chat models: equal ones in flight are one request, and answers may be kept across runs."""

from optiflow.caching.calls.activation import activate
from optiflow.caching.calls.statistics import CallStatistics

__all__ = ["CallStatistics", "activate"]
