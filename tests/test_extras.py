"""Optional libraries."""

from __future__ import annotations

import pytest

from optiflow.errors import ConfigurationError
from optiflow.extras import require


def test_what_is_installed() -> None:
    """The module itself."""
    assert require("json", "any", "it").__name__ == "json"


def test_what_is_missing() -> None:
    """What needs it, and how to get it, in one line."""
    with pytest.raises(ConfigurationError, match=r"a report needs the extra 'experiments': pip install 'optiflow"):
        require("not_there_at_all", "experiments", "a report")
