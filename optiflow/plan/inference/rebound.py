"""Names that functions of a source file rebind for others: those after ``global`` and ``nonlocal``."""

from __future__ import annotations

import linecache
import re
from functools import lru_cache
from types import FunctionType

__all__ = ["is_rebound"]

_STATEMENT = re.compile(r"\b(?:global|nonlocal)\s+([\w \t,]+)")


def is_rebound(name: str, function: FunctionType) -> bool:
    """Whether any function in the file of a function may rebind a variable of this name for others."""
    filename = function.__code__.co_filename
    return name in _rebound(filename, len(linecache.getlines(filename, function.__globals__)))


@lru_cache(maxsize=256)
def _rebound(filename: str, lines: int) -> frozenset[str]:
    # A text search finds such words in comments as well, which only makes it more careful.
    text = "".join(linecache.getlines(filename))
    return frozenset(name.strip() for names in _STATEMENT.findall(text) for name in names.split(","))
