"""Adding up what checkpoints cost."""

from __future__ import annotations

from optiflow.checkpoints.meter import Meter, active_meter, metered


def test_sums_become_flat_figures() -> None:
    """Every sum has its name, and time is told in milliseconds."""
    meter = Meter()
    meter.add(puts=1, bytes=10, seconds=0.5)
    meter.add(puts=1, commits=1, syncs_saved=1)
    assert meter.statistics() == {
        "checkpoint_puts": 2,
        "checkpoint_writes": 0,
        "checkpoint_commits": 1,
        "checkpoint_bytes": 10,
        "checkpoint_bytes_reused": 0,
        "checkpoint_syncs_saved": 1,
        "checkpoint_ms": 500.0,
    }


def test_a_meter_is_its_runs() -> None:
    """Outside of a metered block nobody adds up."""
    assert active_meter() is None
    with metered() as meter:
        assert active_meter() is meter
    assert active_meter() is None
