"""The tree of errors."""

from __future__ import annotations

import re

from optiflow import errors


def test_the_docstring_draws_every_error_with_its_exit_code() -> None:
    """The tree in the module's docstring is the tree in the code."""
    drawn = dict(re.findall(r"(\w+Error)\s+(\d+)", errors.__doc__ or ""))
    real = {
        name: str(getattr(errors, name).exit_code) for name in errors.__all__ if isinstance(getattr(errors, name), type)
    }
    assert drawn == real


def test_nearest_name_prefers_a_near_one() -> None:
    """A typo gets the name that was meant."""
    assert errors.nearest_name("cahce", ["cache", "async"]) == "did you mean 'cache'?"


def test_nearest_name_lists_what_there_is() -> None:
    """Where nothing is near, everything known is listed, and nothing is said to be none."""
    assert errors.nearest_name("zzz", ["b", "a"]) == "known: a, b"
    assert errors.nearest_name("zzz", []) == "known: none"
