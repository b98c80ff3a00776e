"""Warnings, power and the Pareto front."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optiflow.analysis.experiment.conditions import warnings_of
from optiflow.analysis.experiment.pareto import pareto_front
from optiflow.analysis.experiment.power import blocks_to_detect, more_blocks, power
from optiflow.analysis.experiment.results import Sample


def _series(noise: list[float], drift: float = 0.0) -> tuple[list[Sample], dict[tuple[str, int], int]]:
    order = {
        (arm, block): 2 * block + place for block in range(len(noise)) for place, arm in enumerate(("none", "arm"))
    }
    samples = [
        Sample(arm, block, 0, 10 * math.exp((noise[block] if arm == "arm" else 0) + drift * place))
        for (arm, block), place in order.items()
    ]
    return samples, order


def test_nothing_to_warn_of() -> None:
    """Enough blocks, little noise, no trend."""
    samples, order = _series([0.001, -0.001, 0.002, -0.002, 0.0, 0.001, -0.001, 0.002, -0.002, 0.0])
    assert warnings_of(samples, "none", order, 0.01) == ()


def test_few_blocks() -> None:
    """Below nine they are called unreliable."""
    samples, order = _series([0.0, 0.001])
    assert warnings_of(samples, "none", order, 0.01) == ("unreliable: 2 blocks; below 9 an interval says little",)


def test_an_outlier_is_named_and_kept() -> None:
    """With its arm and block."""
    samples, order = _series([0.001, -0.001, 0.002, -0.002, 0.9, 0.001, -0.001, 0.002, -0.002, 0.0])
    assert "outlier: arm in block 4; kept, the median does not heed it" in warnings_of(samples, "none", order, 0.01)


def test_noise() -> None:
    """Ten per cent and more."""
    samples, order = _series([0.3, -0.3] * 5)
    assert any(line.startswith("noisy: 1 of 1 arms") for line in warnings_of(samples, "none", order, 0.01))


def test_drift() -> None:
    """A machine that grows slower all the time, whatever the arm."""
    samples, order = _series([0.0] * 10, drift=0.01)
    assert any(line.startswith("drift: +") for line in warnings_of(samples, "none", order, 0.01))
    assert not any(line.startswith("drift") for line in warnings_of(samples, "none", order, 0.5))


def test_a_slow_start() -> None:
    """The first run of all loads what the others find loaded; a first block that is no slower says nothing."""
    samples, order = _series([0.0] * 10)
    samples[0] = Sample("none", 0, 0, 25.0)
    (line,) = [each for each in warnings_of(samples, "none", order, 0.01) if each.startswith("slow start")]
    assert "the first run of all (none) took 2.5 times what the same arm took later" in line
    samples[0] = Sample("none", 0, 0, 10.0)
    assert not any(line.startswith("slow start") for line in warnings_of(samples, "none", order, 0.01))


def test_power_against_simulation() -> None:
    """Eight blocks, an effect as large as its spread: SciPy's noncentral t and drawn samples agree."""
    from scipy import stats

    drawn = np.random.default_rng(3).normal(1.0, 1.0, (4000, 8))
    found = float(np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05))
    assert power(8, 1.0, 1.0) == pytest.approx(found, abs=0.03)


@given(st.floats(0.02, 0.5), st.floats(0.005, 0.3))
def test_blocks_to_detect_is_the_least_number(change: float, spread: float) -> None:
    """One block fewer is not enough."""
    blocks = blocks_to_detect(change, spread)
    assert blocks is not None
    assert power(blocks, math.log1p(change), spread) >= 0.8
    assert blocks == 2 or power(blocks - 1, math.log1p(change), spread) < 0.8


def test_what_blocks_can_t_decide() -> None:
    """Nearly nothing in much noise; and no noise at all takes two blocks."""
    assert blocks_to_detect(1e-6, 1.0) is None
    assert blocks_to_detect(0.05, 0.0) == 2
    assert more_blocks(np.array([0.3, -0.3, 0.31, -0.31]), 0.01) is not None
    assert more_blocks(np.array([math.log1p(0.01)] * 3), 0.01) is None


def test_pareto_front() -> None:
    """What another beats, or equals, in everything is not on it."""
    points = {"slow": (9, 1), "fast": (1, 9), "beaten": (9, 9), "middle": (5, 5), "twin": (5, 5)}
    assert pareto_front(points) == ["fast", "middle", "slow"]


@given(
    st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=9)
)
def test_every_point_is_on_the_front_or_beaten_by_it(points: dict[str, tuple[int, int, int]]) -> None:
    """And none of the front beats another of it."""
    front = pareto_front(points)
    for name, figures in points.items():
        beaten = [
            other
            for other in front
            if other != name and all(a <= b for a, b in zip(points[other], figures, strict=True))
        ]
        assert (name in front) != bool(beaten)
