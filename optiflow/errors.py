"""Every error that OptiFlow raises on purpose.

The tree, with the exit code that the command line gives each branch::

    OptiflowError                     1
    ├── ConfigurationError            2   a key, value or combination of the configuration is wrong
    │   ├── InputError                2   the workflow's input is missing, empty, too large or unreadable
    │   ├── GraphReferenceError       2   a graph reference does not lead to a graph
    │   ├── IncompatibleTogglesError  2   two toggles exclude each other
    │   └── StoreVersionError         2   the store was written by another version of OptiFlow
    ├── StoreError                    1   the store can't be read or written
    ├── ToggleFailedError             1   a toggle failed, and the user asked to be told so by an exception
    ├── ProviderError                 1   a model provider failed, timed out or said nothing
    ├── RunFailedError                1   a node of the run raised; its record holds the traceback
    │   └── BaselineFailedError       1   the same in the run that another was to be held against
    └── RunInterruptedError           130 the run was interrupted; its record says so

An error's text is one line: what is wrong, where, and what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "BaselineFailedError",
    "ConfigurationError",
    "GraphReferenceError",
    "IncompatibleTogglesError",
    "InputError",
    "OptiflowError",
    "ProviderError",
    "RunFailedError",
    "RunInterruptedError",
    "StoreError",
    "StoreVersionError",
    "ToggleFailedError",
    "nearest_name",
]


class OptiflowError(Exception):
    """Base of every error that OptiFlow raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(OptiflowError):
    """A key, a value or a combination of the configuration is wrong."""

    exit_code = 2


class InputError(ConfigurationError):
    """The workflow's input is missing, empty, too large or unreadable."""


class GraphReferenceError(ConfigurationError):
    """A graph reference does not lead to a graph."""


class IncompatibleTogglesError(ConfigurationError):
    """Two toggles exclude each other."""


class StoreError(OptiflowError):
    """The store of records can't be read or written."""


class StoreVersionError(ConfigurationError, StoreError):
    """The store was written by another version of OptiFlow."""


class ToggleFailedError(OptiflowError):
    """A toggle failed under ``strict``; the cause is what it raised. Without it the graph runs without the toggle."""


class ProviderError(OptiflowError):
    """A model provider failed, timed out or returned nothing."""


class RunFailedError(OptiflowError):
    """A node of the run raised; the run's record holds the traceback."""


class BaselineFailedError(RunFailedError):
    """A node raised in the baseline's run: there is nothing that another run could be held against."""


class RunInterruptedError(OptiflowError):
    """The run was interrupted by the user; its record is marked so."""

    exit_code = 130


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Phrase what would have been right instead of ``name``.

    Args:
        name: The name that was given.
        known: The names that exist.

    Returns:
        ``did you mean 'x'?`` where one is near, else the list of what there is.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names) if names else 'none'}"
