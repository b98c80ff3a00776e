"""Records to put into stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from optiflow.record.environment import capture
from optiflow.record.schema import RunRecord, new_record_id


@pytest.fixture
def make_record(tmp_path) -> Callable[..., RunRecord]:
    """Makes records of this process; keyword arguments replace fields."""
    environment = capture(tmp_path)

    def make(**fields: Any) -> RunRecord:
        standard: dict[str, Any] = {
            "record_id": new_record_id(),
            "status": "ok",
            "workflow": "dependency_brief",
            "config_sha256": "0" * 64,
            "environment": environment,
            "clock": "virtual",
            "started_at": datetime.now(UTC),
            "code_sha256": "1" * 64,
            "input_sha256": "2" * 64,
            "comparison_key": "key",
        }
        return RunRecord(**{**standard, **fields})

    return make
