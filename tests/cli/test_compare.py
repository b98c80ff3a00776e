"""``optiflow compare``: two records side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optiflow.config.compose import compose
from optiflow.record.schema import Output, RunRecord
from optiflow.record.store import RecordStore


@pytest.fixture
def keep(finished_record: Callable[..., RunRecord], store: RecordStore) -> Callable[..., RunRecord]:
    """Puts a record into the store, each newer than the one before."""
    config = compose(["criteria=none"]).model_dump(mode="json")
    moments = (datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(99))

    def make(record_id: str, toggles: tuple[str, ...] = (), **fields: Any) -> RunRecord:
        record = finished_record(
            record_id=record_id,
            config=config,
            started_at=next(moments),
            toggles={name: name in toggles for name in ("cache", "parallel")},
            **fields,
        )
        store.save(record)
        return record

    return make


def _shown(optiflow: Any, *arguments: str) -> tuple[str, str]:
    code, out, _ = optiflow("compare", "--json", *arguments)
    assert code == 0
    shown = json.loads(out)
    return shown["baseline_id"], shown["record_id"]


def test_the_two_newest_that_went_well(optiflow, keep) -> None:
    """Older ones and those that failed are passed over; the older of the two is the baseline."""
    keep("a0")
    keep("b0", ("cache",))
    keep("c0", ("cache", "parallel"))
    keep("d0", status="failed")
    assert _shown(optiflow) == ("b0", "c0")


def test_the_one_without_toggles_is_the_baseline(optiflow, keep) -> None:
    """In whichever order the two were made."""
    keep("a0", ("cache",), runtime_s=5)
    keep("b0")
    assert _shown(optiflow) == ("b0", "a0")


def test_one_record_against_its_baseline(optiflow, keep) -> None:
    """The newest baseline of the same workload, and a beginning of an id is enough."""
    keep("a0")
    keep("beef", ("cache",))
    keep("c0", comparison_key="other")
    assert _shown(optiflow, "bee") == ("a0", "beef")


def test_two_named_records(optiflow, keep) -> None:
    """The first is the baseline, whatever its toggles."""
    keep("a0")
    keep("b0", ("cache",))
    assert _shown(optiflow, "b0", "a0") == ("b0", "a0")


def test_the_table_and_the_exit_code(optiflow, keep) -> None:
    """As the main job shows it; an answer that differs ends with 3."""
    keep("a0")
    keep("b0", ("cache",), runtime_s=5, output=Output(state={"brief": "x"}, sha256="0" * 64, text="x"))
    code, out, err = optiflow("compare")
    assert (code, err) == (3, "")
    assert "answer differs: $.brief" in out
    assert "REGRESSED  record b0, baseline a0" in out


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"workflow": "other"}, "workflow"),
        ({"input_sha256": "3" * 64, "code_sha256": "4" * 64}, "input, code"),
        ({}, "configuration"),
    ],
)
def test_another_workload_is_said(optiflow, keep, fields: dict[str, str], what: str) -> None:
    """Figures of different work can be looked at, but not unawares."""
    keep("a0")
    keep("b0", ("cache",), comparison_key="other", **fields)
    code, _, err = optiflow("compare")
    assert code == 0
    assert err == f"not the same workload: {what} differs\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "fewer than two finished runs on record; run python -m optiflow +opt=all first"),
        (("a", "b", "c"), "usage: python -m optiflow compare"),
        (("--frob",), "usage: python -m optiflow compare"),
        (("x0",), "record 'x0' is not there"),
        (("a0",), "record a0 has no baseline to compare with; name two records"),
        (("a0", "a"), "both names lead to record a0; a comparison needs two"),
    ],
)
def test_what_cannot_be_compared(optiflow, keep, arguments: tuple[str, ...], message: str) -> None:
    """One line with what would be right, and exit code 2."""
    keep("a0")
    code, out, err = optiflow("compare", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"optiflow: {message}")


def test_its_help(optiflow) -> None:
    """Its own usage, not the whole program's."""
    code, out, _ = optiflow("compare", "--help")
    assert code == 0
    assert out.startswith("usage: python -m optiflow compare")
