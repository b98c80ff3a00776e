"""How many blocks an answer takes, against simulation and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from optiflow.analysis.experiment.power import blocks_to_detect, more_blocks, outlook, power


@pytest.mark.parametrize(("blocks", "effect", "spread"), [(5, 0.05, 0.05), (12, 0.05, 0.05), (30, 0.02, 0.05)])
def test_power_is_what_simulation_gives(blocks: int, effect: float, spread: float) -> None:
    """Within what 4,000 simulated experiments can tell."""
    values = np.random.default_rng(0).normal(effect, spread, (4000, blocks))
    share = float(np.mean(stats.ttest_1samp(values, 0, axis=1).pvalue < 0.05))
    assert power(blocks, effect, spread) == pytest.approx(share, abs=0.03)


def test_the_fewest_blocks_are_the_fewest() -> None:
    """One block less would not do."""
    blocks = blocks_to_detect(0.05, 0.05)
    assert blocks is not None
    assert power(blocks, np.log1p(0.05), 0.05) >= 0.8 > power(blocks - 1, np.log1p(0.05), 0.05)


def test_what_never_scatters_takes_two_blocks() -> None:
    """And what scatters too much can't be told."""
    assert blocks_to_detect(0.05, 0.0) == 2
    assert power(2, 0.0, 0.0) == 0.0
    assert blocks_to_detect(0.0001, 1.0) is None


def test_more_blocks() -> None:
    """At least one, unless what was seen lies on the border itself, or too many would be needed."""
    assert more_blocks(np.array([0.02, 0.03, 0.02, 0.03]), 0.01) == 1
    assert more_blocks(np.array([np.log1p(0.01)] * 2 + [np.log1p(0.01) + 1e-16]), 0.01) is None
    assert more_blocks(np.array([-5.0, 0.0, 5.0]), 0.0001) is None


def test_an_outlook_from_earlier_runs() -> None:
    """Neighbours are compared: a drift hardly counts, a figure of zero not at all."""
    values = [10 * 1.001**number for number in range(20)]
    (found,) = outlook(0.05, [0.0, *values])
    assert (found.runs, found.spread) == (20, pytest.approx(np.log(1.001)))


def test_an_outlook_without_earlier_runs() -> None:
    """Spreads of 1 % and 5 % are assumed."""
    found = outlook(0.05, [])
    assert [(each.spread, each.runs) for each in found] == [(0.01, 0), (0.05, 0)]
    assert [each.blocks for each in found] == sorted(each.blocks or 0 for each in found)


def test_many_arms_take_more_blocks() -> None:
    """Holm's correction is counted in, before the runs and after; that nothing matters is told without it."""
    alone, among = (outlook(0.05, [], arms=arms)[1].blocks for arms in (1, 20))
    assert alone is not None
    assert among is not None
    assert alone < among
    logs = np.array([0.06, 0.01, 0.05, 0.0, 0.04])
    first, second = more_blocks(logs, 0.01), more_blocks(logs, 0.01, level=1 - 0.05 / 20)
    assert first is not None
    assert second is not None
    assert first < second
    small = np.array([0.001, -0.012, 0.013, 0.0])
    assert more_blocks(small, 0.01) == more_blocks(small, 0.01, level=0.999)
