"""Counting out of sight."""

from __future__ import annotations

import itertools
from typing import Any

__all__ = ["ticker"]


def ticker() -> Any:
    """A function that counts its calls, and whose counting no source shows."""
    return itertools.count(1).__next__
